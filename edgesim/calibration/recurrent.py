"""LSTM layers that do what DL4J does in training, operation by operation, to be counted for phones.

Source: deeplearning4j (eclipse, 1.0.0-beta4) LSTMHelpers.activateHelper and backpropGradientHelper, LSTM.java. Unlike
torch's, its layers multiply the input at every time step, add to the weights' gradients within the products, compute
the gradient of the input in the first layer too, and run the forward pass once more at the start of the backward pass.
Gates stand in the order input, forget, output, modulation; as there, `tanh` is the input's activation and a sigmoid that
of the other three.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Weights(NamedTuple):
    """Of one layer with H units."""

    inputs: Tensor
    """[features, 4 H]"""
    recurrent: Tensor
    """[H, 4 H]"""
    bias: Tensor
    """[4 H]"""


class Moment(NamedTuple):
    """One time step of a layer as the backward pass needs it, each [B, H]."""

    before: Tensor
    """the input's activation before `tanh`"""
    inputs: Tensor
    forget: Tensor
    output: Tensor
    modulation: Tensor
    cell: Tensor
    squashed: Tensor
    """`tanh` of the cell"""
    hidden: Tensor


class Lstm(nn.Module):
    """One LSTM layer.

    Args:
        features: width of one step's input.
        hidden: units.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Parameter(torch.empty(features, 4 * hidden))
        self.recurrent = nn.Parameter(torch.empty(hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        for weight in self.parameters():
            nn.init.uniform_(weight, -(hidden**-0.5), hidden**-0.5)

    def forward(self, steps: Tensor) -> Tensor:
        """[T, B, features] to hidden states [T, B, H]."""
        states: Tensor = _Layer.apply(steps, self.inputs, self.recurrent, self.bias)
        return states


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, steps: Tensor, inputs: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(steps, inputs, recurrent, bias)
        states = steps.new_empty(*steps.shape[:2], recurrent.shape[0])
        for time, moment in enumerate(_run(steps, Weights(inputs, recurrent, bias))):
            states[time].copy_(moment.hidden)
        return states

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, ...]:
        steps, *weights = ctx.saved_tensors
        return _gradients(steps, Weights(*weights), errors[0])


def _run(steps: Tensor, weights: Weights) -> list[Moment]:
    batch, units = steps.shape[1], weights.recurrent.shape[0]
    hidden, cell = steps.new_zeros(batch, units), steps.new_zeros(batch, units)
    moments = []
    for step in steps:
        gates = torch.addmm(torch.mm(step, weights.inputs), hidden, weights.recurrent).add_(weights.bias)
        before, forget, output, modulation = gates.chunk(4, 1)
        inputs = before.clone().tanh_()
        for gate in (forget, output, modulation):
            gate.sigmoid_()
        cell = cell.clone().mul_(forget).add_(modulation.clone().mul_(inputs))
        squashed = cell.clone().tanh_()
        hidden = squashed.clone().mul_(output)
        moments.append(Moment(before, inputs, forget, output, modulation, cell, squashed, hidden))
    return moments


def _gradients(steps: Tensor, weights: Weights, errors: Tensor) -> tuple[Tensor, ...]:
    """Of the steps and the three weights; `errors`: [T, B, H] gradient of the hidden states."""
    moments = _run(steps, weights)
    of_steps, of_inputs, of_recurrent, of_bias = (torch.zeros_like(one) for one in (steps, *weights))
    nothing = torch.zeros_like(moments[0].cell)  # the cell and hidden state before the first step
    nabla, deltas = None, None
    for time in reversed(range(len(moments))):
        now, error = moments[time], errors[time].clone()
        past_cell, past_hidden = (moments[time - 1].cell, moments[time - 1].hidden) if time else (nothing, nothing)
        if deltas is not None:
            error = torch.addmm(error, deltas, weights.recurrent.t())
        of_output = (error * now.squashed).mul_(_slope(now.output))
        of_cell = (error * now.output).mul_(1 - now.squashed.square())
        if nabla is not None:
            of_cell.add_(moments[time + 1].forget * nabla)
        of_forget = _slope(now.forget).mul_(of_cell).mul_(past_cell)
        of_modulation = _slope(now.modulation).mul_(now.inputs).mul_(of_cell)
        of_activation = (now.modulation * of_cell).mul_(1 - now.inputs.square())
        deltas, nabla = torch.cat((of_activation, of_forget, of_output, of_modulation), 1), of_cell
        # Not in place, for torch counts no FLOPs of products that are; the bytes are the same.
        of_inputs = torch.addmm(of_inputs, steps[time].t(), deltas)
        of_recurrent = torch.addmm(of_recurrent, past_hidden.t(), deltas)
        of_bias.add_(deltas.sum(0))
        of_steps[time].copy_(torch.mm(deltas, weights.inputs.t()))
    return of_steps, of_inputs, of_recurrent, of_bias


def _slope(gate: Tensor) -> Tensor:
    """Derivative of the sigmoid from its value."""
    return (1 - gate).mul_(gate)
