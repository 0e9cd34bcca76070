"""Cost of recurrent layers (nn.GRU, nn.LSTM, nn.RNN), by the kernels that devices run for them.

GPUs run a whole layer in one library call (cuDNN; Appleyard et al., arXiv:1604.01946). Counted is, for each layer and
direction, with B samples, T steps, I inputs, H units and G gates (3 of a GRU, 4 of an LSTM, 1 of a plain RNN):

    forward    one product of all steps with the input weights, 2·B·T·I·G·H FLOPs
               every step: one product with the recurrent weights, 2·B·H·G·H, and one kernel for the gates
    backward   every step: one kernel for the gates, and the product that gives the gradient of the state, 2·B·H·G·H
               one product of all steps for the gradient of each kind of weights, one sum for the biases'
               one product of all steps for the gradient of the input, where it is needed

So a step takes two kernels forward and two backward, as `calibration.published.jetson_steps` fits them. The gates'
kernel reads both products and the states, and writes the states and, before a backward pass, the gates. The one of the
backward pass reads gates, states and gradients, and writes the gradients of both products. Kernels that keep the
recurrent weights on the chip (cuDNN's persistent ones) are not assumed. A projection of an LSTM is one product more.

On processors torch runs GRU and RNN operation by operation, and each has its overhead: those operations are recorded as
torch runs them. An LSTM is one oneDNN call there; its products and gates are counted as on GPUs.

Operations of kind `recurrent` count on GPUs alone, those of PROCESSOR_KINDS on processors alone. FLOPs of a network are
the former's. Packed sequences and single cells (nn.GRUCell) are recorded as any operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from edgesim.models.operations import Operation, Recorder
from edgesim.work import OPERATION_KINDS, PROCESSOR_KINDS

_GATES = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}
_STATES = {"gru": 1, "lstm": 2, "rnn_tanh": 1, "rnn_relu": 1}
"""tensors [B, H] that go from step to step"""
_NUMBER_BYTES = 4
_ARGUMENTS = 9
"""of a call on a padded batch: input, states, weights, biases, layers, dropout, training, directions, batch first"""
_ON_GPU = OPERATION_KINDS.index("recurrent")
_ON_PROCESSOR = tuple(OPERATION_KINDS.index(kind) for kind in PROCESSOR_KINDS)
_MATMUL = OPERATION_KINDS.index("matmul")


class Kernels(NamedTuple):
    """Equal kernels of a layer."""

    times: int
    flops: int
    numbers: int
    """that each reads and writes"""


class Layer(NamedTuple):
    """Sizes of one layer in one direction."""

    samples: int
    steps: int
    inputs: int
    units: int
    outputs: int
    """units, or the width of a projection"""
    gates: int
    states: int
    biases: int
    """numbers of all biases"""

    def forward(self, trains: bool) -> Iterator[Kernels]:
        """Kernels of the forward pass; `trains` keeps the gates for the backward pass."""
        b, units, gates = self.samples, self.units, self.gates * self.units
        yield _product(b * self.steps, self.inputs, gates)
        yield _product(b, self.outputs, gates, self.steps)
        kept = gates if trains else 0
        yield Kernels(self.steps, 0, b * (2 * gates + 2 * self.states * units + kept) + self.biases)
        if self.outputs != units:
            yield _product(b, units, self.outputs, self.steps)

    def backward(self, trained: bool, input_grad: bool) -> Iterator[Kernels]:
        """Kernels of the backward pass; `trained` where the weights need gradients."""
        b, units, gates = self.samples, self.units, self.gates * self.units
        rows = b * self.steps
        yield Kernels(self.steps, 0, b * (2 * gates + (3 * self.states + 1) * units))
        yield _product(b, gates, self.outputs, self.steps)
        if self.outputs != units:
            yield _product(b, self.outputs, units, self.steps)
        if trained:
            yield _product(self.inputs, rows, gates)
            yield _product(self.outputs, rows, gates)
            if self.outputs != units:
                yield _product(units, rows, self.outputs)
            if self.biases:
                yield Kernels(1, 0, rows * gates + self.biases)
        if input_grad:
            yield _product(rows, gates, self.inputs)


def _product(rows: int, inner: int, columns: int, times: int = 1) -> Kernels:
    """A product [rows, inner] x [inner, columns], several times."""
    return Kernels(times, 2 * rows * inner * columns, rows * inner + inner * columns + rows * columns)


class RecurrentKernels(TorchFunctionMode):
    """Within its `with` block, recurrent layers are recorded as kernels of a GPU and operations of a processor."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._names = {getattr(torch._VF, name): name for name in _GATES}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function; a recurrent one is recorded as such."""
        name = self._names.get(func) if getattr(func, "__name__", "") in _GATES else None
        if name is None or len(args) != _ARGUMENTS or kwargs or isinstance(args[2], Tensor):
            return func(*args, **(kwargs or {}))
        x, states, weights, *options = args
        given = tuple(states) if name == "lstm" else (states,)
        trains = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *given, *weights))

        def run(*tensors: Tensor) -> Any:
            inner = list(tensors[1 : 1 + len(given)]) if name == "lstm" else tensors[1]
            return func(tensors[0], inner, list(tensors[1 + len(given) :]), *options)

        layers = _layers(name, x, weights, options)
        call = _Call(run, layers, name == "lstm", trains, weights[0].requires_grad, x.requires_grad, self._recorder)
        return tuple(_Recorded.apply(call, x, *given, *weights))


class _Call(NamedTuple):
    """A recurrent layer at work."""

    run: Callable[..., Any]
    layers: Sequence[tuple[Layer, bool]]
    """each with True where it gets the input of the call"""
    library_call: bool
    """True where processors run it in one call"""
    trains: bool
    trained: bool
    input_grad: bool
    recorder: Recorder

    def forward(self) -> Iterator[Kernels]:
        """Kernels of the forward pass."""
        for layer, _ in self.layers:
            yield from layer.forward(self.trains)

    def backward(self) -> Iterator[Kernels]:
        """Kernels of the backward pass."""
        for layer, is_first in reversed(self.layers):
            yield from layer.backward(self.trained, self.input_grad or not is_first)

    @contextmanager
    def recorded(self, kernels: Iterator[Kernels]) -> Iterator[None]:
        """Record the kernels for GPUs, and for processors the operations of the block or, of a library call, these."""
        operations = self.recorder.operations
        before = len(operations)
        yield
        ran = operations[before:]
        del operations[before:]
        on_gpu = [one for part in kernels for one in [_operation(_ON_GPU, part)] * part.times]
        operations += on_gpu
        if self.library_call:
            operations += [one._replace(kind=_ON_PROCESSOR[0 if one.flops else 1]) for one in on_gpu]
        else:
            operations += [one._replace(kind=_ON_PROCESSOR[0 if one.kind == _MATMUL else 1]) for one in ran]


class _Recorded(Function):
    """A recurrent layer whose operations are recorded apart, forward and backward."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> Any:
        """Run the layer; its own graph is kept for the backward pass."""
        ctx.set_materialize_grads(False)
        ctx.call, ctx.leaves = call, [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
        with call.recorded(call.forward()), torch.set_grad_enabled(call.trains):
            ctx.outputs = call.run(*ctx.leaves)
        return tuple(output.detach() for output in ctx.outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Gradients of all tensors that need one."""
        wanted = [leaf for leaf in ctx.leaves if leaf.requires_grad]
        outputs, given = zip(
            *((out, grad) for out, grad in zip(ctx.outputs, gradients, strict=True) if grad is not None), strict=True
        )
        with ctx.call.recorded(ctx.call.backward()):
            found = iter(torch.autograd.grad(outputs, wanted, given, allow_unused=True))
        return None, *(next(found) if leaf.requires_grad else None for leaf in ctx.leaves)


def has_recurrent_layers(module: nn.Module) -> bool:
    """True where a network has layers whose operations depend on the device."""
    return any(isinstance(layer, nn.RNNBase) for layer in module.modules())


def _operation(kind: int, part: Kernels) -> Operation:
    return Operation(kind, part.flops, part.numbers * _NUMBER_BYTES, 0)


def _layers(name: str, x: Tensor, weights: Sequence[Tensor], options: Sequence[Any]) -> list[tuple[Layer, bool]]:
    """Sizes of the layers of a call, those of both directions after each other."""
    has_biases, count, _, _, bidirectional, batch_first = options
    samples, steps = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
    directions = 2 if bidirectional else 1
    each = len(weights) // (count * directions)
    found = []
    for place in range(count * directions):
        of_input, of_state, *rest = weights[place * each : (place + 1) * each]
        biases = sum(bias.numel() for bias in rest[:2]) if has_biases else 0
        units = of_input.shape[0] // _GATES[name]
        sizes = (samples, steps, of_input.shape[1], units, of_state.shape[1], _GATES[name], _STATES[name], biases)
        found.append((Layer(*sizes), place < directions))
    return found
