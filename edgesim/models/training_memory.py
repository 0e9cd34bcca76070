"""Memory of a training step: follows every storage of a forward and backward pass from its first use to its last.

Autograd frees storages here as in a real step: saved activations while the backward pass goes on, gradients of
activations after their use, gradients of weights after the update. Batch, logits and loss live until then. The
optimisers of `training.optim` update in place: they add their state and no temporaries. The batch is channels-last, as
`training.task` makes it, which decides the layers that copy.

Kernels take more memory while they run: `kernel_memory`.

Not counted are oneDNN's scratch memory for images (10 to 100 KB) and its copies for further threads. With one thread
torch computes some kernels without oneDNN and without copies: kernels of 1x1 on fewer than 16 samples, and convolutions
over time of one sample (7 to 14 % less in all). They are counted all the same, since devices train with several
threads. The pages of an LSTM's scratch memory count by half a page each: one sample may be 5 % off, four 0.5 %.

Kernels are those for vectors of 256 bits (AVX2). With 512 bits (AVX-512) a step of two to four small images took from
9 % less (resnet18) to 15 % more (mobilenet-v2), and other processors have other kernels. On GPUs, the workspaces of
cuDNN and the segments and gaps of torch's allocator are not counted either.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.models import counted_pass, kernel_memory
from edgesim.models.detection import DetectionInputs
from edgesim.models.kernel_memory import (
    BLOCK_BYTES,
    IMAGES_OF,
    NOTHING,
    Sizes,
    bytes_of,
    in_blocks,
    is_channels_last,
    sizes_of,
)
from edgesim.models.operations import OperationMode, tensors_in
from edgesim.models.recurrent import has_recurrent_layers
from edgesim.models.train_eval_modes import start_training
from edgesim.tasks import NetworkForm
from edgesim.work import LiveBytes, TrainingMemory

_aten = torch.ops.aten
_LEAST_BATCH = {"meta": 1009, "cpu": 3}
"""samples of the pass at least. Tensors without data cost nothing, and a large prime divides nothing by chance"""
_RECURRENT_BATCH = 61
"""the same of networks with recurrent layers, whose workspaces end at pages: of few samples these say little"""
_WORKSPACE_PADDING = 2 * 4096
"""bytes at the ends of a workspace's parts, about: half a page each"""
_DETECTOR_BATCHES = 2, 4, 12
_COUNTER_BYTES = 4
"""Adam's count of steps, one number per weight tensor"""


class LiveMemory(OperationMode):
    """Follows the storages of the operations inside its `with` block; `moments` has the bytes alive at each operation.

    A storage grows with the batch where its bytes are a multiple of the batch size.
    """

    def __init__(self, batch_size: int, held: Iterable[Tensor]) -> None:
        """Take the tensors that live already: weights, buffers and the batch."""
        super().__init__()
        self.moments: set[Sizes] = set()
        self._batch_size = batch_size
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._fixed = self._per_sample = self._rounding = 0
        self._follow(held)

    def _run(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run one operation. A convolution of channels-last images gives such images, on meta tensors too."""
        out = super()._run(func, args, named)
        place = IMAGES_OF.get(func._overloadpacket)
        if place is None or not args[place].is_meta or not is_channels_last(args[place]):
            return out
        if isinstance(out, Tensor):
            return torch.empty_like(out, memory_format=torch.channels_last)
        gradient, *others = out
        return None if gradient is None else torch.empty_like(gradient, memory_format=torch.channels_last), *others

    def _saw(self, packet: Any, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        if packet is _aten.mkldnn_rnn_layer:  # its workspace grows with the batch, and ends at a page
            self._follow_padded(out[3])
        extras = kernel_memory.moments(packet, args, out, self._batch_size)
        if self._follow(tensors_in(out)) or extras:
            now = (self._fixed, self._per_sample, self._rounding)
            for extra in extras or [NOTHING]:
                self.moments.add(Sizes(*(held + more for held, more in zip(now, extra, strict=True))))

    def _follow(self, tensors: Iterable[Tensor]) -> bool:
        """Follow the storages of some tensors until they end; True where one of them is new."""
        before = len(self._storages)
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self._storages:
                sizes = sizes_of(storage.nbytes(), self._batch_size)
                self._add(sizes, 1)
                self._storages[key] = weakref.ref(storage, functools.partial(self._end, key, sizes))
        return len(self._storages) > before

    def _follow_padded(self, tensor: Tensor) -> None:
        """Follow a storage that grows with the batch and is padded, so that its bytes are no multiple of its size."""
        storage = tensor.untyped_storage()
        per_sample = (storage.nbytes() - _WORKSPACE_PADDING) // self._batch_size
        sizes = Sizes(storage.nbytes() - per_sample * self._batch_size, per_sample, 0)
        self._add(sizes, 1)
        self._storages[storage._cdata] = weakref.ref(storage, functools.partial(self._end, storage._cdata, sizes))

    def _end(self, key: int, sizes: Sizes, _: weakref.ref[torch.UntypedStorage]) -> None:
        del self._storages[key]
        self._add(sizes, -1)

    def _add(self, sizes: Sizes, sign: int) -> None:
        self._fixed += sign * sizes.fixed
        self._per_sample += sign * sizes.per_sample
        self._rounding += sign * sizes.rounding


def training_memory(
    module: nn.Module, form: NetworkForm, device: torch.device
) -> tuple[TrainingMemory, TrainingMemory]:
    """Memory of one training step of a network at any batch size, from one pass at one size; three of a detector.

    Args:
        module: the network, on `device`.
        form: of the network.
        device: meta, or cpu for networks that need numbers.

    Returns: exact, and in blocks of BLOCK_BYTES as on a GPU.
    """
    weights = list(module.parameters())
    held = [*weights, *module.buffers()]
    least = max(_LEAST_BATCH[device.type], _RECURRENT_BATCH * has_recurrent_layers(module))
    batch_size = _batch_size(least, [one.numel() for one in held])
    start_training(module)
    if form.task == "detection":
        moments = _of_three_steps(module, held, form, device)
    else:
        moments = _moments(module, held, form, counted_pass.inputs(form, batch_size, device))
    trained = [bytes_of(weight) for weight in weights if weight.requires_grad]
    exact = [LiveBytes(one.fixed, one.per_sample) for one in moments]
    rounded = [LiveBytes(one.fixed + one.rounding, one.per_sample) for one in moments]
    return (
        TrainingMemory(_peaks(exact), sum(trained), _COUNTER_BYTES * len(trained)),
        TrainingMemory(_peaks(rounded), sum(map(in_blocks, trained)), BLOCK_BYTES * len(trained)),
    )


def _moments(module: nn.Module, held: Sequence[Tensor], form: NetworkForm, inputs: Any) -> set[Sizes]:
    """The bytes alive at each operation of one step."""
    try:
        return _follow_step(module, held, form, _channels_last(inputs)).moments
    except RuntimeError:  # it takes the images apart by `view`, which the batches of some other training allow
        return _follow_step(module, held, form, inputs).moments


def _of_three_steps(module: nn.Module, held: Sequence[Tensor], form: NetworkForm, device: torch.device) -> set[Sizes]:
    """The peak of a detector as a function of the batch: the lines through its peaks at neighbouring batch sizes.

    A detector treats images one by one in parts, so that the number of its storages grows and not their size. With the
    batch its peak moves from one part to another, whose line is steeper: the larger of the two lines holds.
    """
    peaks = []
    for samples in _DETECTOR_BATCHES:
        moments = _moments(module, held, form, counted_pass.inputs(form, samples, device))
        peaks.append([max(one.fixed + samples * one.per_sample + extra * one.rounding for one in moments)
                      for extra in (0, 1)])  # fmt: skip
    found = set()
    for (few, low), (many, high) in itertools.pairwise(zip(_DETECTOR_BATCHES, peaks, strict=True)):
        per_sample = (high[0] - low[0]) // (many - few)
        found.add(Sizes(low[0] - few * per_sample, per_sample, low[1] - low[0]))
    return found


def _channels_last(inputs: Any) -> Any:
    """Images in the layout that `training.task` gives them, whatever their strides; other samples as they are."""
    if isinstance(inputs, DetectionInputs):
        return inputs._replace(images=_channels_last(inputs.images))
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
