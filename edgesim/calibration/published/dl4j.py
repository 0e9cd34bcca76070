"""An LSTM layer as DL4J runs it on phones, so that counting its operations counts DL4J's.

DL4J goes through a sequence step by step. Each step has one product with the input weights and one with the recurrent
weights; the gates follow one after another on copies. In the backward pass, every step adds to the gradients of both
weights (deeplearning4j, LSTMHelpers: activateHelper and backpropGradientHelper). Libraries for servers take all steps
of the input in one product. `cost.steps` counts the forward pass that DL4J runs again within the backward pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function

_GATES = 4


class _Step(NamedTuple):
    """Values of one step that the backward pass needs; all [B, hidden] but the input."""

    x: Tensor
    """[B, inputs]"""
    hidden: Tensor
    """before the step"""
    cell: Tensor
    """before the step"""
    preactivation: Tensor
    """of the cell's input"""
    cell_input: Tensor
    forget: Tensor
    gate: Tensor
    """of the cell's input"""
    output: Tensor
    """gate of the output"""
    activation: Tensor
    """tanh of the cell after the step"""
    new_cell: Tensor


class Lstm(nn.Module):
    """An LSTM layer without peepholes, [B, steps, inputs] to [B, steps, hidden]."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.input_weights = nn.Parameter(torch.empty(inputs, _GATES * hidden))
        self.recurrent_weights = nn.Parameter(torch.empty(hidden, _GATES * hidden))
        self.bias = nn.Parameter(torch.zeros(_GATES * hidden))
        """of the cell's input and of the gates of forgetting, output and input, in this order, as in the weights"""
        for weights in (self.input_weights, self.recurrent_weights):
            nn.init.xavier_uniform_(weights)

    def forward(self, x: Tensor) -> Tensor:
        """The hidden states of all steps."""
        states: Tensor = _Pass.apply(x, self.input_weights, self.recurrent_weights, self.bias)
        return states


class _Pass(Function):
    """Forward and backward pass, step by step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, input_weights: Tensor, recurrent_weights: Tensor, bias: Tensor) -> Tensor:
        batch, steps, _ = x.shape
        width = recurrent_weights.shape[0]
        recurrent = recurrent_weights.clone()
        hidden, cell = x.new_zeros(batch, width), x.new_zeros(batch, width)
        states = x.new_zeros(batch, steps, width)
        kept: list[_Step] = []
        for t in range(steps):
            step = _step(x[:, t], hidden, cell, (input_weights, recurrent, bias))
            cell, hidden = step.new_cell, step.activation.clone().mul_(step.output)
            states[:, t].copy_(hidden)
            kept.append(step)
        ctx.save_for_backward(x, input_weights, recurrent_weights)
        ctx.kept = kept
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, input_weights, recurrent_weights = ctx.saved_tensors
        (of_states,) = gradients
        batch, steps, _ = x.shape
        width = recurrent_weights.shape[0]
        of_x, of_input = torch.zeros_like(x), torch.zeros_like(input_weights)
        of_recurrent, of_bias = torch.zeros_like(recurrent_weights), x.new_zeros(_GATES * width)
        deltas = x.new_zeros(batch, _GATES * width)
        of_next: tuple[Tensor, Tensor] | None = None  # gradient of the next step's cell, and its gate of forgetting
        for t in reversed(range(steps)):
            step: _Step = ctx.kept[t]
            of_hidden = of_states[:, t].clone()
            if of_next is not None:
                of_hidden.addmm_(deltas, recurrent_weights.t())
            of_cell = _deltas(step, of_hidden, of_next, deltas)
            of_next = of_cell.clone(), step.forget
            of_input.addmm_(step.x.t(), deltas)
            of_recurrent.addmm_(step.hidden.t(), deltas)
            of_bias.add_(deltas.sum(0))
            of_x[:, t].addmm_(deltas, input_weights.t())
        return of_x, of_input, of_recurrent, of_bias


def _step(x: Tensor, hidden: Tensor, cell: Tensor, weights: tuple[Tensor, Tensor, Tensor]) -> _Step:
    """One step of the forward pass; every copy is one of DL4J's."""
    input_weights, recurrent_weights, bias = weights
    z = x @ input_weights  # [B, 4 x hidden]
    z.addmm_(hidden, recurrent_weights)
    z.add_(bias)
    cell_input, forget, output, gate = z.chunk(_GATES, 1)
    preactivation = cell_input.clone()
    cell_input, forget = cell_input.tanh_().clone(), forget.sigmoid_().clone()
    gate = gate.sigmoid_().clone()
    new_cell = cell.clone().mul_(forget)
    new_cell.add_(gate.clone().mul_(cell_input))
    output = output.sigmoid_().clone()
    activation = new_cell.clone().tanh_()
    return _Step(x, hidden, cell, preactivation, cell_input, forget, gate, output, activation, new_cell.clone())


def _deltas(step: _Step, of_hidden: Tensor, of_next: tuple[Tensor, Tensor] | None, deltas: Tensor) -> Tensor:
    """Fill `deltas`, [B, 4 x hidden], with the gradients before the activations; returns that of the cell."""
    of_input, of_forget, of_output, of_gate = deltas.chunk(_GATES, 1)
    torch.mul(of_hidden, step.activation, out=of_output)
    of_output.mul_((1 - step.output).mul_(step.output))
    of_cell = torch.zeros_like(of_hidden)
    through = step.output.mul(of_hidden)
    of_cell.add_(torch.ops.aten.tanh_backward(through, step.new_cell.clone().tanh_()))
    if of_next is not None:
        of_next_cell, next_forget = of_next
        of_cell.add_(next_forget.mul(of_next_cell))
    torch.mul(1 - step.forget, step.forget, out=of_forget)
    of_forget.mul_(of_cell).mul_(step.cell)
    torch.mul(1 - step.gate, step.gate, out=of_gate)
    of_gate.mul_(step.cell_input).mul_(of_cell)
    of_input.copy_(torch.ops.aten.tanh_backward(step.gate * of_cell, step.preactivation.tanh()))
    return of_cell
