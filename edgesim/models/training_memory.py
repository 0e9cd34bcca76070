"""Memory of a training step: follows every storage of a forward and backward pass from its first use to its last.

Autograd frees storages here as in a real step: saved activations while the backward pass goes on, gradients of
activations after their use, gradients of weights after the update. Batch, logits and loss live until then. The
optimisers of `training.optim` update in place: they add their state and no temporaries. The batch is channels-last, as
`training.task` makes it, which decides the layers that copy.

Kernels take more memory while they run, as read from torch's profiler (torch 2.15, oneDNN on x86, one thread as in
`edgesim run`). Convolutions copy their weights to channels-last and to a layout of their own, and hold more copies of
the weights' gradient. Batch norm makes the gradient of its images twice. An LSTM keeps the gradients of all its gates.
Recurrent layers are followed as torch runs them on processors; what cuDNN keeps on GPUs in their place is not known.

Not counted are oneDNN's scratch memory (10 to 100 KB) and its copies for further threads. With one thread and fewer
than 16 samples, torch computes kernels of 1x1 without oneDNN and without copies; they are counted all the same, since
devices train with several threads. Other processors have other kernels. On GPUs, the workspaces of cuDNN and the
segments and gaps of torch's allocator are not counted either.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from edgesim.models import counted_pass
from edgesim.models.operations import OperationMode, tensors_in
from edgesim.models.train_eval_modes import start_training
from edgesim.tasks import NetworkForm
from edgesim.work import LiveBytes, TrainingMemory

BLOCK_BYTES = 512
"""unit of torch's allocator for GPUs: every tensor takes a multiple of it (`CUDACachingAllocator`, kMinBlockSize)"""
_aten = torch.ops.aten
_LEAST_BATCH = {"meta": 1009, "cpu": 3}
"""samples of the pass at least. Tensors without data cost nothing, and a large prime divides nothing by chance"""
_IMAGES_OF = {_aten.convolution: 0, _aten.convolution_backward: 1}
"""position of the images among the arguments of a convolution"""
_LSTM_OUTPUT, _LSTM_GRADIENTS = 7, 5
"""position of an LSTM's output among the arguments of its backward pass; gradients of its size within the kernel: of
four gates and of the output"""
_COUNTER_BYTES = 4
"""Adam's count of steps, one number per weight tensor"""


class _Sizes(NamedTuple):
    """Bytes of storages: a fixed part, a part per sample, and the part added by rounding up to blocks."""

    fixed: int
    per_sample: int
    rounding: int


class LiveMemory(OperationMode):
    """Follows the storages of the operations inside its `with` block; `moments` has the bytes alive at each operation.

    A storage grows with the batch where its bytes are a multiple of the batch size.
    """

    def __init__(self, batch_size: int, held: Iterable[Tensor]) -> None:
        """Take the tensors that live already: weights, buffers and the batch."""
        super().__init__()
        self.moments: set[_Sizes] = set()
        self._batch_size = batch_size
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._fixed = self._per_sample = self._rounding = 0
        self._follow(held)

    def _run(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run one operation. A convolution of channels-last images gives such images, on meta tensors too."""
        out = super()._run(func, args, named)
        place = _IMAGES_OF.get(func._overloadpacket)
        if place is None or not args[place].is_meta or not _is_channels_last(args[place]):
            return out
        if isinstance(out, Tensor):
            return torch.empty_like(out, memory_format=torch.channels_last)
        gradient, *others = out
        return None if gradient is None else torch.empty_like(gradient, memory_format=torch.channels_last), *others

    def _saw(self, packet: Any, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        extra = _sizes(_kernel_bytes(packet, args), self._batch_size)
        if packet is _aten.mkldnn_rnn_layer:  # its workspace grows with the batch, and ends at a page
            self._follow_padded(out[3])
        if self._follow(tensors_in(out)) or any(extra):
            now = (self._fixed, self._per_sample, self._rounding)
            self.moments.add(_Sizes(*(held + more for held, more in zip(now, extra, strict=True))))

    def _follow(self, tensors: Iterable[Tensor]) -> bool:
        """Follow the storages of some tensors until they end; True where one of them is new."""
        before = len(self._storages)
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self._storages:
                sizes = _sizes(storage.nbytes(), self._batch_size)
                self._add(sizes, 1)
                self._storages[key] = weakref.ref(storage, functools.partial(self._end, key, sizes))
        return len(self._storages) > before

    def _follow_padded(self, tensor: Tensor) -> None:
        """Follow a storage that grows with the batch and is padded, so that its bytes are no multiple of its size."""
        storage = tensor.untyped_storage()
        per_sample, rest = divmod(storage.nbytes(), self._batch_size)
        sizes = _Sizes(rest, per_sample, 0)
        self._add(sizes, 1)
        self._storages[storage._cdata] = weakref.ref(storage, functools.partial(self._end, storage._cdata, sizes))

    def _end(self, key: int, sizes: _Sizes, _: weakref.ref[torch.UntypedStorage]) -> None:
        del self._storages[key]
        self._add(sizes, -1)

    def _add(self, sizes: _Sizes, sign: int) -> None:
        self._fixed += sign * sizes.fixed
        self._per_sample += sign * sizes.per_sample
        self._rounding += sign * sizes.rounding


def training_memory(
    module: nn.Module, form: NetworkForm, device: torch.device
) -> tuple[TrainingMemory, TrainingMemory]:
    """Memory of one training step of a network at any batch size, from one pass at one size.

    Args:
        module: the network, on `device`.
        form: of the network.
        device: meta, or cpu for networks that need numbers.

    Returns: exact, and in blocks of BLOCK_BYTES as on a GPU.
    """
    weights = list(module.parameters())
    held = [*weights, *module.buffers()]
    batch_size = _batch_size(_LEAST_BATCH[device.type], [one.numel() for one in held])
    start_training(module)
    inputs = counted_pass.inputs(form, batch_size, device)
    try:
        live = _follow_step(module, held, form, _channels_last(inputs))
    except RuntimeError:  # it takes the images apart by `view`, which the batches of some other training allow
        live = _follow_step(module, held, form, inputs)
    trained = [_bytes(weight) for weight in weights if weight.requires_grad]
    exact = [LiveBytes(one.fixed, one.per_sample) for one in live.moments]
    rounded = [LiveBytes(one.fixed + one.rounding, one.per_sample) for one in live.moments]
    return (
        TrainingMemory(_peaks(exact), sum(trained), _COUNTER_BYTES * len(trained)),
        TrainingMemory(_peaks(rounded), sum(map(_in_blocks, trained)), BLOCK_BYTES * len(trained)),
    )


def _channels_last(inputs: Any) -> Any:
    """Images in the layout that `training.task` gives them, whatever their strides; other samples as they are."""
    if not isinstance(inputs, Tensor) or inputs.dim() != 4:
        return inputs
    batch, channels, height, width = inputs.shape
    return torch.zeros(batch, height, width, channels, device=inputs.device).permute(0, 3, 1, 2)


def _follow_step(module: nn.Module, held: Sequence[Tensor], form: NetworkForm, inputs: Any) -> LiveMemory:
    """Follow the storages of one step."""
    for weight in module.parameters():
        weight.grad = None
    batch = tuple(tensors_in(inputs))
    targets = counted_pass.targets(form, len(batch[0]), batch[0].device)
    with LiveMemory(len(batch[0]), (*held, *batch, *tensors_in(targets))) as live:
        outputs = module(inputs)
        loss = counted_pass.loss(form, outputs, targets)
        loss.backward()
    return live


def _batch_size(least: int, numbers: Sequence[int]) -> int:
    """The smallest prime number >= `least` that divides none of some numbers."""
    for found in itertools.count(least):
        prime = all(found % factor for factor in range(2, int(found**0.5) + 1))
        if prime and all(number % found for number in numbers if number):
            return found
    raise AssertionError


def _sizes(count: int, batch_size: int) -> _Sizes:
    """Sizes of one storage. Those that grow with the batch are rounded up by half a block on average."""
    if count and count % batch_size == 0:
        per_sample = count // batch_size
        return _Sizes(0, per_sample, BLOCK_BYTES // 2 if per_sample % BLOCK_BYTES else 0)
    return _Sizes(count, 0, _in_blocks(count) - count)


def _in_blocks(count: int) -> int:
    return -(-count // BLOCK_BYTES) * BLOCK_BYTES


def _kernel_bytes(packet: Any, args: tuple[Any, ...]) -> int:
    """Bytes that a convolution, or the backward pass of a batch norm or LSTM, takes beside its inputs and outputs."""
    if packet is _aten.mkldnn_rnn_layer_backward:
        return _LSTM_GRADIENTS * _bytes(args[_LSTM_OUTPUT])
    if packet is _aten.native_batch_norm_backward:
        gradient, images = args[0], args[1]
        return _bytes(images) if gradient.stride() == images.stride() else 0
    place = _IMAGES_OF.get(packet)
    if place is None:
        return 0
    weight, copies = args[place + 1], 1
    if packet is _aten.convolution_backward and args[10][1]:
        copies = _gradient_copies(args[place], weight, args[9])
    if weight.dim() == 4 and not _is_channels_last(weight):
        copies += 1
    return copies * _bytes(weight)


def _gradient_copies(images: Tensor, weight: Tensor, groups: int) -> int:
    """Copies of a convolution's weights that live while the kernel computes their gradient (oneDNN, one thread)."""
    kernel = weight.shape[2:]
    cramped = any(k > side for k, side in zip(kernel, images.shape[2:], strict=True))
    if groups > 1 and groups == images.shape[1] and not cramped and max(kernel) > 3:
        return 65  # one group as a block of 8 x 8 channels
    return 4 if cramped or max(kernel) >= 14 else 2


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _peaks(moments: Iterable[LiveBytes]) -> tuple[LiveBytes, ...]:
    """The moments with the most bytes at some batch size >= 1, by growing bytes per sample: an upper envelope."""
    found: list[LiveBytes] = []
    for one in sorted(set(moments), key=lambda moment: (moment.per_sample, moment.fixed)):
        while found and _hidden(found, one):
            found.pop()
        found.append(one)
    while len(found) > 1 and found[0].at(1) <= found[1].at(1):
        found.pop(0)
    return tuple(found)


def _hidden(found: Sequence[LiveBytes], one: LiveBytes) -> bool:
    """True where the last moment found is below the one before it or below `one`, at every batch size."""
    last = found[-1]
    if last.fixed <= one.fixed:
        return True
    if len(found) == 1:
        return False
    first = found[-2]
    # Lines cross at (fixed - fixed') / (per_sample' - per_sample); `one` overtakes `first` before `last` does.
    return (first.fixed - one.fixed) * (last.per_sample - first.per_sample) <= (first.fixed - last.fixed) * (
        one.per_sample - first.per_sample
    )
