"""Records every aten operation of a pass through a network: its kind, its FLOPs and the bytes that it moves.

Views, other operations that move no data, and the optimiser's update are left out. FLOPs follow torch's own formulas
for matrix products, convolutions and attention; a multiply-add is two. Bytes are those of all tensors that an operation
reads and writes, each at the smaller of its own size and its storage's (an expanded tensor).

Every convolution larger than 1x1 is followed by an unrolling. A framework without convolutions of its own unrolls the
images into a matrix (im2col), and folds the gradient of the images back from one.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

from edgesim.models import meta_outputs
from edgesim.work import OPERATION_KINDS, PROCESSOR_KINDS, Operations

_aten = torch.ops.aten
_CONVOLUTIONS = {_aten.convolution, _aten.convolution_backward}
_MOVE_NOTHING = {
    _aten._reshape_alias,
    _aten._unsafe_view,
    _aten.detach,
    _aten.detach_,
    _aten.empty,
    _aten.empty_like,
    _aten.empty_strided,
    _aten.lift_fresh,
    _aten.new_empty,
    _aten.new_empty_strided,
    _aten.resize_,
    _aten.set_,
}
"""operations that give a tensor without touching its numbers, beside those whose schema says that they are views"""
_QUESTIONS = {
    _aten.dim,
    _aten.is_contiguous,
    _aten.is_non_overlapping_and_dense,
    _aten.is_strides_like_format,
    _aten.numel,
    _aten.size,
    _aten.storage_offset,
    _aten.stride,
    _aten.sym_numel,
    _aten.sym_size,
    _aten.sym_storage_offset,
    _aten.sym_stride,
    torch.ops.prim.layout,
}
"""questions of a tensor subclass about itself, which torch answers"""
if hasattr(_aten, "sym_is_contiguous"):  # not in torch 2.6
    _QUESTIONS.add(_aten.sym_is_contiguous)


class Operation(NamedTuple):
    """One operation of a pass at one batch size."""

    kind: int
    """position in OPERATION_KINDS"""
    flops: int
    moved_bytes: int
    pieces: int
    """groups x samples of a convolution in groups, for each gradient that is wanted; else 0"""


def _convolution_backward_flops(
    grad_out: list[int], images: list[int], weight: list[int], *rest: Any, out_shape: Any = None
) -> int:
    """FLOPs of aten.convolution_backward: each gradient takes as many multiply-adds as the forward pass.

    torch's own formula for the weights' gradient leaves the groups out, and so counts a depthwise convolution of
    c channels c times. That makes mobilenet-v2's backward pass ten times too dear (seen in torch 2.15).

    Args:
        grad_out: shape of the output's gradient.
        images: shape of the input.
        weight: [out channels, in channels / groups, *kernel]; the other way round where transposed.
        rest: bias sizes, stride, padding, dilation, transposed, output padding, groups, output mask (which
            gradients are wanted: input, weight, bias).
        out_shape: shapes of the gradients, not needed.
    """
    transposed, wanted = rest[4], rest[7]
    positions = math.prod((images if transposed else grad_out)[2:])
    forward = 2 * images[0] * positions * math.prod(weight)
    return forward * (int(wanted[0]) + int(wanted[1]))


FORMULAS = {_aten.convolution_backward: _convolution_backward_flops}
"""in place of torch's own"""
_IN_PLACE = {_aten.addmm_: _aten.addmm, _aten.baddbmm_: _aten.baddbmm}
"""operations that torch has formulas for, except where they add to their first argument"""
_REGISTRY = {
    **flop_registry,
    **{packet: flop_registry[plain] for packet, plain in _IN_PLACE.items()},
    **{packet: shape_wrapper(formula) for packet, formula in FORMULAS.items()},
}


class OperationMode(TorchDispatchMode):
    """Sees the operations that run inside its `with` block, in order; a subclass says in `_saw` what it keeps of them.

    Composite operations that have no formula go through again in their parts.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch wraps the function below and imports its compiler when it first runs, which takes seconds.
        return False

    def _run(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run one operation; every operation that is run comes here."""
        return meta_outputs.outputs(func, args, named)

    def _saw(self, packet: Any, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        """Take note of an operation that has run and is no view."""
        raise NotImplementedError

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and see it."""
        named = kwargs or {}
        packet = getattr(func, "_overloadpacket", func)
        if packet in _QUESTIONS:
            return NotImplemented
        if packet not in _REGISTRY and hasattr(func, "decompose") and not _has_kernel(func):
            with self:
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        out = self._run(func, args, named)
        if not getattr(func, "is_view", False):
            self._saw(packet, args, named, out)
        return out


class Recorder(OperationMode):
    """Records the operations that run inside its `with` block, in order, in `operations`."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    @property
    def flops(self) -> int:
        """Of all operations so far, but those that stand for others on processors."""
        return sum(one.flops for one in self.operations if OPERATION_KINDS[one.kind] not in PROCESSOR_KINDS)

    def _saw(self, packet: Any, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        if packet in _MOVE_NOTHING:
            return
        outs = out if isinstance(out, tuple | list) else (out,)
        moved = 0
        for value in (*args, *named.values(), *outs):
            if isinstance(value, Tensor):
                moved += _bytes(value)
            elif isinstance(value, tuple | list | dict):
                moved += sum(map(_bytes, tensors_in(value)))
        arithmetic = _arithmetic(packet, args, named, out) if packet in _REGISTRY else _NO_ARITHMETIC
        if arithmetic.flops or moved:
            self.operations.append(Operation(arithmetic.kind, arithmetic.flops, moved, arithmetic.pieces))
        if arithmetic.unrolled_bytes:
            self.operations.append(Operation(OPERATION_KINDS.index("unrolling"), 0, arithmetic.unrolled_bytes, 0))


class _Arithmetic(NamedTuple):
    """All of an operation that follows from the forms of its arguments."""

    kind: int
    pieces: int
    flops: int
    unrolled_bytes: int


_NO_ARITHMETIC = _Arithmetic(OPERATION_KINDS.index("elementwise"), 0, 0, 0)
_known: dict[Hashable, _Arithmetic] = {}


def _arithmetic(packet: Any, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> _Arithmetic:
    """What an operation with a formula does; on meta tensors remembered, since torch's formulas take 0.1 ms."""
    forms = meta_outputs.forms(args, named)
    key = None if forms is None else (packet, forms)
    if key is not None and (known := _known.get(key)) is not None:
        return known
    kind, pieces = _sorted(packet, args, out)
    flops = int(_REGISTRY[packet](*args, **named, out_val=out))
    found = _Arithmetic(OPERATION_KINDS.index(kind), pieces, flops, _unrolled_bytes(packet, args, out))
    if key is not None and len(_known) < meta_outputs.MOST:
        _known[key] = found
    return found


@functools.cache
def _has_kernel(func: Any) -> bool:
    """True where a device runs a composite operation as one kernel (SiLU's backward pass); meta tensors have none."""
    return any(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key) for key in ("CPU",))


def _sorted(packet: Any, args: tuple[Any, ...], out: Any) -> tuple[str, int]:
    """Kind and pieces of an operation with a formula: convolutions by weights, groups and images."""
    if packet not in _CONVOLUTIONS:
        return "matmul", 0
    backward = packet is _aten.convolution_backward
    images, weight = (args[1], args[2]) if backward else (args[0], args[1])
    groups = args[9] if backward else args[8]
    passes = int(args[10][0]) + int(args[10][1]) if backward else 1
    pieces = groups * images.shape[0] * passes if groups > 1 else 0
    transposed = args[7] if backward else args[6]
    small = (args[0] if backward else out) if transposed else images
    cramped = "cramped_" if any(k > side for k, side in zip(weight.shape[2:], small.shape[2:], strict=True)) else ""
    if groups > 1 and groups == images.shape[1]:
        return f"{cramped}depthwise", pieces
    if groups == 1 and math.prod(weight.shape[2:]) == 1:
        return "pointwise", pieces
    return f"{cramped}convolution", pieces


def _unrolled_bytes(packet: Any, args: tuple[Any, ...], out: Any) -> int:
    """Bytes of the matrix of all patches that a convolution larger than 1x1 meets, written and read once per pass.

    A pass is the output, the weights' gradient (the images are unrolled again) or the images' (added up from one).
    """
    if packet not in _CONVOLUTIONS:
        return 0
    backward = packet is _aten.convolution_backward
    images, weight = (args[1], args[2]) if backward else (args[0], args[1])
    outputs, transposed = (args[0], args[7]) if backward else (out, args[6])
    patch = math.prod(weight.shape[2:])
    if patch == 1:
        return 0
    small, wide = (images, outputs) if transposed else (outputs, images)
    passes = int(args[10][0]) + int(args[10][1]) if backward else 1
    matrix = images.shape[0] * wide.shape[1] * patch * math.prod(small.shape[2:])
    return int(2 * passes * matrix * images.element_size())


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors within a nested value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from tensors_in(inner)


def _bytes(tensor: Tensor) -> int:
    whole = tensor.numel() * tensor.element_size()
    # Sparse tensors have no storage; none of the networks that are counted makes one. Others fit in without gaps.
    if tensor.layout != torch.strided or tensor.is_contiguous():
        return whole
    return min(whole, tensor.untyped_storage().nbytes())


def affine(few: Sequence[Operation], many: Sequence[Operation], batch_size: int) -> Operations:
    """The operations of one pass as functions of the batch, from what they are at two batch sizes.

    Args:
        few: recorded at `batch_size`.
        many: recorded at twice that. A network whose operations change with the batch has no parts that could be
            told apart: then all of `few` is taken to grow with the batch.
        batch_size: samples in `few`, >= 1.

    Returns: equal operations merged, in the order of their first occurrence.
    """
    if [operation.kind for operation in few] != [operation.kind for operation in many]:
        many = [Operation(o.kind, 2 * o.flops, 2 * o.moved_bytes, 2 * o.pieces) for o in few]
    rows = Counter(zip(few, many, strict=True))
    if not rows:
        return Operations.none()
    pairs = np.array(list(rows), dtype=np.float64)  # [K, few | many, kind | flops | bytes | pieces]
    # What grew faster than the batch would be negative at a batch of none; then all of it is per sample.
    per_sample = np.minimum((pairs[:, 1] - pairs[:, 0]) / batch_size, pairs[:, 0] / batch_size)
    split = np.stack([pairs[:, 0] - batch_size * per_sample, per_sample], axis=2)  # [K, ..., constant | per sample]
    return Operations(
        kinds=pairs[:, 0, 0].astype(np.int64),
        count=np.array(list(rows.values()), dtype=np.float64),
        flops=split[:, 1],
        moved_bytes=split[:, 2],
        pieces=split[:, 3],
    )
