"""Outputs of operations on meta tensors, remembered by the shapes that go in.

torch finds the shape of a meta tensor in Python, which takes some 0.4 ms for an operation. Networks repeat their
blocks, so most operations of a pass were met before with equal shapes. Their outputs are made anew with the
layout of then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MOST = 20_000
"""outputs that are remembered; a network of two hundred layers has some 2,000"""


@dataclass(frozen=True)
class Layout:
    """Layout of a meta tensor that has a storage of its own, without gaps before or behind it."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def empty(self) -> Tensor:
        """A meta tensor of this layout."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="meta")


_aten = torch.ops.aten
_KEEP_LAYOUT = {
    _aten.add.Tensor,
    _aten.add_.Tensor,
    _aten.gelu.default,
    _aten.gelu_backward.default,
    _aten.hardsigmoid.default,
    _aten.hardsigmoid_backward.default,
    _aten.hardswish.default,
    _aten.hardswish_.default,
    _aten.hardswish_backward.default,
    _aten.hardtanh.default,
    _aten.hardtanh_.default,
    _aten.hardtanh_backward.default,
    _aten.mul.Tensor,
    _aten.relu.default,
    _aten.relu_.default,
    _aten.sigmoid.default,
    _aten.sigmoid_backward.default,
    _aten.silu.default,
    _aten.silu_.default,
    _aten.threshold_backward.default,
}
"""element-wise operations of most networks: tensors of one layout and type give another one of these"""
_NORMS = {_aten.native_batch_norm.default, _aten.native_batch_norm_backward.default}
"""operations whose outputs are like the images, with two numbers per channel"""
_SAME = "the first argument, whose layout stays"
_known: dict[Hashable, tuple[Layout | None, ...] | Layout | str] = {}


def outputs(func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The outputs of an operation: new tensors of a known layout, or those of `func(*args, **named)`.

    Remembered are operations whose outputs have storages of their own, and those in place that leave the layout of
    their first argument. They must work on meta tensors alone, since the shapes of others may depend on their numbers.

    Args:
        func: the operation.
        args: positional arguments.
        named: keyword arguments.
    """
    key = _key(func, args, named)
    if key is None:
        return func(*args, **named)
    known = _known.get(key)
    if known is _SAME:
        return args[0]
    if isinstance(known, Layout):
        return known.empty()
    if isinstance(known, tuple):
        return tuple(None if layout is None else layout.empty() for layout in known)
    if func in _KEEP_LAYOUT and _alike(args):  # without torch's detour, which takes most of the time
        out = args[0] if _writes_first(func) else torch.empty_like(args[0])
    elif func in _NORMS and (made := _normalised(func, args)) is not None:
        out = made
    else:
        out = func(*args, **named)
    if _writes_first(func):
        if out is args[0] and len(_known) < MOST and _key(func, args, named) == key:
            _known[key] = _SAME
        return out
    layouts = tuple(map(_layout, out)) if type(out) is tuple else _layout(out)
    if layouts is not None and len(_known) < MOST:
        whole = layouts if type(layouts) is tuple else (layouts,)
        if all(layout is not None or tensor is None for layout, tensor in zip(whole, _tuple(out), strict=True)):
            _known[key] = layouts
    return out


def _alike(args: tuple[Any, ...]) -> bool:
    """True where all tensors among some arguments are floats of one shape, without gaps, in one layout."""
    first, *others = (arg for arg in args if isinstance(arg, Tensor))
    same = all((one.shape, one.stride(), one.dtype) == (first.shape, first.stride(), first.dtype) for one in others)
    dense = first.is_contiguous() or (first.dim() == 4 and first.is_contiguous(memory_format=torch.channels_last))
    return bool(same and dense and first.is_floating_point() and first is args[0])


def _normalised(func: Any, args: tuple[Any, ...]) -> tuple[Tensor, ...] | None:
    """Outputs of a batch norm, or all gradients of one, whose images have one layout; None in other cases."""
    images = args[0]
    of_one_type = all(arg.dtype == images.dtype for arg in args if isinstance(arg, Tensor))
    backward = func is _aten.native_batch_norm_backward.default
    if not of_one_type or not _alike(args[:2] if backward else args[:1]) or (backward and not all(args[-1])):
        return None
    channels = images.new_empty(images.shape[1])
    return torch.empty_like(images), channels, torch.empty_like(channels)


def _tuple(out: Any) -> tuple[Any, ...]:
    return out if type(out) is tuple else (out,)


def _layout(out: Any) -> Layout | None:
    """The layout of an output; None where it is no meta tensor with a storage of its own size."""
    if not isinstance(out, Tensor) or out.device.type != "meta" or out.layout != torch.strided:
        return None
    layout = Layout(tuple(out.shape), out.stride(), out.dtype)
    same = out.storage_offset() == 0 and out.untyped_storage().nbytes() == layout.empty().untyped_storage().nbytes()
    return layout if same else None


def forms(args: tuple[Any, ...], named: dict[str, Any]) -> Hashable | None:
    """All of the arguments of an operation that shapes of outputs depend on; None where it is not to be remembered."""
    try:
        return tuple(map(_form, args)), tuple((name, _form(value)) for name, value in named.items())
    except _Unknown:
        return None


def _key(func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Hashable | None:
    """The operation and the forms of its arguments; None where it is not to be remembered."""
    if not _makes_storages(func) and not _writes_first(func):
        return None
    found = forms(args, named)
    return None if found is None else (func, found)


class _Unknown(Exception):
    """An argument that an output may depend on in ways that its form does not tell."""


def _form(value: Any) -> Hashable:
    """All of an argument that the layout of an output depends on."""
    if isinstance(value, Tensor):
        if value.device.type != "meta" or value.layout != torch.strided:
            raise _Unknown
        return tuple(value.shape), value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_form, value))
    if value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.layout | torch.memory_format):
        return type(value), value  # 1, 1.0 and True are equal
    if isinstance(value, torch.device) and value.type == "meta":
        return "meta"
    raise _Unknown


@functools.cache
def _makes_storages(func: Any) -> bool:
    """True where no output shares the storage of an argument, and nothing is written in place."""
    schema = getattr(func, "_schema", None)
    return schema is not None and all(one.alias_info is None for one in (*schema.arguments, *schema.returns))


@functools.cache
def _writes_first(func: Any) -> bool:
    """True where the operation writes its first argument in place, returns it, and does nothing else of the kind."""
    schema = getattr(func, "_schema", None)
    if schema is None or not schema.arguments or len(schema.returns) != 1:
        return False
    first, *others = schema.arguments
    writes = [one.alias_info is not None and one.alias_info.is_write for one in (first, schema.returns[0])]
    return all(writes) and all(one.alias_info is None for one in others)
