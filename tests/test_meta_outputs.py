"""Outputs of operations on meta tensors that are remembered have the layouts that torch gives."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from edgesim.models import meta_outputs, workload
from edgesim.tasks import NetworkForm

aten = torch.ops.aten


def form(tensor):
    return None if tensor is None else (tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device.type)


def twice(func, *args, **named):
    """The outputs of an operation, met for the first time and again; and how often it ran."""
    runs = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            runs.append(func)
            return func(*args, **(kwargs or {}))

    meta_outputs._known.clear()
    with Counting():
        outs = [meta_outputs.outputs(func, args, named) for _ in range(2)]
    return outs, sum(one is func for one in runs)


def meta(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="meta")


def test_an_operation_runs_once_and_gives_new_tensors() -> None:
    left, right = meta(4, 3).t(), meta(4, 5)
    (first, second), runs = twice(aten.mm.default, left, right)
    assert runs == 1
    assert form(first) == form(second) == ((3, 5), (5, 1), torch.float32, "meta")
    assert first.untyped_storage()._cdata != second.untyped_storage()._cdata


def test_gradients_that_are_not_wanted_stay_none() -> None:
    image, weight, out = meta(2, 3, 8, 8).to(memory_format=torch.channels_last), meta(5, 3, 3, 3), meta(2, 5, 6, 6)
    rest = (None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False])
    (first, second), runs = twice(aten.convolution_backward.default, out, image, weight, *rest)
    assert runs == 1
    assert [form(one) for one in first] == [form(one) for one in second]
    assert first[0] is second[0] is None


@pytest.mark.parametrize("func", [aten.t.default, aten.detach.default, aten.view.default])
def test_views_are_not_remembered(func) -> None:
    more = ([12],) if func is aten.view.default else ()
    base = meta(3, 4)
    (first, second), _ = twice(func, base, *more)
    assert first.untyped_storage()._cdata == second.untyped_storage()._cdata == base.untyped_storage()._cdata


def test_what_is_written_in_place_is_the_argument_itself() -> None:
    base = meta(3, 4)
    (first, second), runs = twice(aten.add_.Tensor, base, meta(4))
    assert first is second is base
    assert runs == 1


def test_a_change_of_layout_in_place_is_not_remembered() -> None:
    base = meta(3, 4)
    (first, second), _ = twice(aten.t_.default, base)
    assert first is second is base
    assert tuple(base.shape) == (3, 4)  # turned twice
    aten_resized, _ = twice(aten.resize_.default, meta(3, 4), [6, 4])
    assert tuple(aten_resized[1].shape) == (6, 4)


def test_arguments_that_are_equal_but_of_another_kind_are_told_apart() -> None:
    whole = meta(3, dtype=torch.int64)
    meta_outputs._known.clear()
    kinds = [meta_outputs.outputs(aten.mul.Tensor, (whole, factor), {}).dtype for factor in (1, 1.0, True)]
    assert kinds == [torch.int64, torch.float32, torch.int64]


def test_tensors_with_numbers_are_not_remembered() -> None:
    """The shape of what `nonzero` gives depends on them."""
    one, two = torch.tensor([1, 0]), torch.tensor([1, 1])
    meta_outputs._known.clear()
    shapes = [tuple(meta_outputs.outputs(aten.nonzero.default, (numbers,), {}).shape) for numbers in (one, two)]
    assert shapes == [(1, 1), (2, 1)]


LAYOUTS = {"rows": lambda x: x, "channels last": lambda x: x.to(memory_format=torch.channels_last)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("func", sorted(meta_outputs._KEEP_LAYOUT, key=str), ids=str)
def test_layouts_that_are_known_are_those_of_torch(func, layout) -> None:
    """Of tensors in one layout, and of others."""
    x = LAYOUTS[layout](meta(2, 6, 4, 4))
    needed = [one for one in func._schema.arguments if not one.has_default_value()]
    numbers = {"min_val": -1.0, "max_val": 1.0, "threshold": 0}
    for other in (x, meta(2, 6, 4, 4), meta(2, 6, 1, 1), meta(2, 6, 8, 4)[:, :, ::2]):
        tensors = iter([x, other])
        args = [numbers[one.name] if one.name in numbers else next(tensors) for one in needed]
        meta_outputs._known.clear()
        try:
            wanted = func(*args)
        except RuntimeError:  # of these shapes there is none
            continue
        assert form(meta_outputs.outputs(func, tuple(args), {})) == form(wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mask", [(True, True, True), (False, True, True), (True, False, False)])
def test_layouts_of_norms_are_those_of_torch(layout, dtype, training, mask) -> None:
    def found(func, *args):
        meta_outputs._known.clear()
        outs, wanted = meta_outputs.outputs(func, args, {}), func(*args)
        assert [form(one) for one in outs] == [form(one) for one in wanted]
        return outs

    x = LAYOUTS[layout](meta(2, 6, 4, 4, dtype=dtype))
    of_channels = [meta(6) for _ in range(4)]
    _, *kept = found(aten.native_batch_norm.default, x, *of_channels, training, 0.1, 1e-5)
    for gradient in (x, meta(2, 6, 4, 4, dtype=dtype), meta(2, 6, 1, 1, dtype=dtype).expand(2, 6, 4, 4)):
        rest = (of_channels[0], *of_channels[2:], *kept, training, 1e-5, list(mask))
        found(aten.native_batch_norm_backward.default, gradient, x, *rest)


def torchvision_models():
    """Imported where a test needs it: that takes 2 s."""
    from torchvision import models

    return models


NETWORKS = {
    "mobilenet-v2": lambda: torchvision_models().mobilenet_v2(num_classes=7),
    "transformer": lambda: torchvision_models().VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=7),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_counted_as_without_memory(name, monkeypatch) -> None:
    def counted():
        return workload.count(NETWORKS[name], NetworkForm((3, 32, 32), 7))

    meta_outputs._known.clear()
    first, again = counted(), counted()
    monkeypatch.setattr(meta_outputs, "outputs", lambda func, args, named: func(*args, **named))
    plain = counted()
    for one in (first, again):
        for field in ("train_flops", "forward_flops", "memory", "parameters"):
            assert getattr(one, field) == getattr(plain, field), field
        for field in ("kinds", "count", "flops", "moved_bytes", "pieces"):
            assert (getattr(one.train_operations, field) == getattr(plain.train_operations, field)).all(), field
            assert (getattr(one.forward_operations, field) == getattr(plain.forward_operations, field)).all(), field


def test_no_more_than_the_bound_is_remembered(monkeypatch) -> None:
    monkeypatch.setattr(meta_outputs, "MOST", 3)
    meta_outputs._known.clear()
    for width in range(1, 9):
        assert functional.relu(meta_outputs.outputs(aten.relu.default, (meta(width),), {})).shape == (width,)
    assert len(meta_outputs._known) == 3
