"""Memory that kernels take beside their inputs and outputs while they run, as read from torch's profiler.

Read with torch 2.15 and oneDNN on x86, one thread as in `edgesim run`. Convolutions copy their weights to channels-last
and to a layout of their own, and hold more copies of the weights' gradient. Those over time copy inputs and outputs,
too. Batch norm makes the gradient of its images twice. An LSTM keeps the gradients of all its gates, and two copies of
its weights, one of them with padded rows. Recurrent layers are followed as torch runs them on processors; what cuDNN
keeps on GPUs in their place is not known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK_BYTES = 512
"""unit of torch's allocator for GPUs: every tensor takes a multiple of it (`CUDACachingAllocator`, kMinBlockSize)"""
_aten = torch.ops.aten
IMAGES_OF = {_aten.convolution: 0, _aten.convolution_backward: 1}
"""position of the images among the arguments of a convolution"""
_OVER_TIME = 3
"""axes of a batch of windows"""
_LSTM_WEIGHTS, _LSTM_OUTPUT = slice(1, 3), 7
"""positions among the arguments of an LSTM's backward pass: weights of the input and of the state, the output"""
_VECTOR = 16
"""numbers of a vector of 512 bits; oneDNN pads the rows of an LSTM's weights to whole vectors"""
_ALIASING = 256
"""numbers of a row whose multiples meet on few lines of a cache; oneDNN makes such rows a vector longer"""
_PAGE_BYTES, _HEADER_BYTES = 4096, 568
"""of oneDNN's scratch memory, whose parts begin at pages, and its header"""
_NUMBER_BYTES = 4


class Sizes(NamedTuple):
    """Bytes of storages: a fixed part, a part per sample, and the part added by rounding up to blocks."""

    fixed: int
    per_sample: int
    rounding: int


NOTHING = Sizes(0, 0, 0)


def moments(packet: Any, args: tuple[Any, ...], out: Any, batch_size: int) -> list[Sizes]:
    """Memory that a kernel takes beside its inputs and outputs, at one or two moments; empty where it takes none.

    Args:
        packet: the operation.
        args: its arguments.
        out: its outputs.
        batch_size: samples of the pass; storages whose bytes are multiples of it grow with the batch.
    """
    if packet is _aten.mkldnn_rnn_layer_backward:
        return [_of_lstm(args, batch_size)]
    place = IMAGES_OF.get(packet)
    if place is not None and args[place].dim() == _OVER_TIME:
        outputs = args[0] if place else out
        return _of_convolution_over_time(args[place], args[place + 1], outputs, is_backward=bool(place))
    extra = sizes_of(kernel_bytes(packet, args), batch_size)
    return [extra] if any(extra) else []


def _of_convolution_over_time(samples: Tensor, weight: Tensor, outputs: Tensor, is_backward: bool) -> list[Sizes]:
    """Copies of a convolution over time, in the kernel's own layout.

    Forward: its samples and weights; then its outputs. Backward: the outputs' gradient and the samples; then the
    weights' gradient. A gradient with gaps is copied once more.
    """
    count = len(samples)
    before, after, weights = bytes_of(samples) // count, bytes_of(outputs) // count, bytes_of(weight)
    if is_backward:
        dense = 0 if outputs.is_contiguous() else after
        return [Sizes(0, dense + after + before, 0), Sizes(weights, dense, 0)]
    return [Sizes(weights, before, 0), Sizes(0, after, 0)]


def _of_lstm(args: tuple[Any, ...], batch_size: int) -> Sizes:
    """Memory of an LSTM's backward pass: gradients of output and gates, copies of weights and biases, states.

    A part of the scratch memory ends half a page early on average.
    """
    output, (of_input, of_state) = args[_LSTM_OUTPUT], args[_LSTM_WEIGHTS]
    gates, units = of_state.shape
    row = gates if gates % _ALIASING else gates + _VECTOR
    weights = _NUMBER_BYTES * row * (of_input.shape[1] + units)
    for rows in (of_input.shape[1], units):
        weights += _NUMBER_BYTES * row * -(-rows // _VECTOR) * _VECTOR * (rows % _VECTOR > 0)
    steps = output.numel() // (batch_size * units)
    scratch = _NUMBER_BYTES * (steps * row + 2 * units)
    fixed = weights + _NUMBER_BYTES * gates + 5 * _PAGE_BYTES // 2 + _HEADER_BYTES
    return Sizes(fixed, bytes_of(output) // batch_size + scratch, 0)


def kernel_bytes(packet: Any, args: tuple[Any, ...]) -> int:
    """Bytes that a convolution of images, or the backward pass of a batch norm, takes beside inputs and outputs."""
    if packet is _aten.native_batch_norm_backward:
        gradient, images = args[0], args[1]
        return bytes_of(images) if gradient.stride() == images.stride() else 0
    place = IMAGES_OF.get(packet)
    if place is None:
        return 0
    weight, copies = args[place + 1], 1
    if packet is _aten.convolution_backward and args[10][1]:
        copies = _gradient_copies(args[place], weight, args[9])
    if weight.dim() == 4 and not is_channels_last(weight):
        copies += 1
    return copies * bytes_of(weight)


def _gradient_copies(images: Tensor, weight: Tensor, groups: int) -> int:
    """Copies of a convolution's weights that live while the kernel computes their gradient (oneDNN, one thread)."""
    kernel = weight.shape[2:]
    cramped = any(k > side for k, side in zip(kernel, images.shape[2:], strict=True))
    if groups > 1 and groups == images.shape[1] and not cramped and max(kernel) > 3:
        return 65  # one group as a block of 8 x 8 channels
    return 4 if cramped or max(kernel) >= 14 else 2


def is_channels_last(tensor: Tensor) -> bool:
    """True for images whose channels lie last in memory."""
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def bytes_of(tensor: Tensor) -> int:
    """Bytes of the numbers of a tensor."""
    return tensor.numel() * tensor.element_size()


def in_blocks(count: int) -> int:
    """Bytes rounded up to whole blocks."""
    return -(-count // BLOCK_BYTES) * BLOCK_BYTES


def sizes_of(count: int, batch_size: int) -> Sizes:
    """Sizes of one storage. Those that grow with the batch are rounded up by half a block on average."""
    if count and count % batch_size == 0:
        per_sample = count // batch_size
        return Sizes(0, per_sample, BLOCK_BYTES // 2 if per_sample % BLOCK_BYTES else 0)
    return Sizes(count, 0, in_blocks(count) - count)
