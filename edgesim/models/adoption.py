"""Weights of a trained network in a network for other data: all but those of its head, the last linear layer."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from edgesim.errors import EdgesimError
from edgesim.models.catalog import Model
from edgesim.tasks import NetworkForm

if TYPE_CHECKING:
    import torch


def check_adoptable(model: Model, name: str, before: NetworkForm, after: NetworkForm) -> None:
    """Refuse data for which the network has other layers than for those that it is trained on; its head may differ.

    Args:
        model: with its arguments.
        name: as the scenario calls it.
        before: form of the network that is trained.
        after: form of the network that takes its weights.

    Raises:
        EdgesimError: layers other than the head differ, or there is no head to tell.
    """
    if before.input_shape == after.input_shape and before.tokens == after.tokens:
        return  # the number of classes alone differs, which is the head's; a network without one says so when it runs
    import torch

    with torch.random.fork_rng(devices=[]):
        trained = model.build(before.input_shape, before.num_outputs)
        fresh = model.build(after.input_shape, after.num_outputs)
    _pairs(trained, fresh, f"{name} for samples of {after} instead of {before}")


def adopt(trained: torch.nn.Module, fresh: torch.nn.Module, keeps_head: bool) -> None:
    """Copy weights and buffers into another network, layer by layer in their order.

    Layers without weights may differ: a network for larger images may average over places, say.

    Args:
        trained: the network that has them.
        fresh: the same network for other data, at its initial weights; changed in place.
        keeps_head: True: copy the head, too, where its shape is the same; else that of `fresh` stays.

    Raises:
        EdgesimError: layers other than the head differ, or there is no head to tell.
    """
    import torch

    pairs = _pairs(trained, fresh, type(fresh).__name__)
    with torch.no_grad():
        fits = all(old.value.shape == new.value.shape for old, new in pairs)
        for old, new in pairs:
            if not new.is_head or (keeps_head and fits):
                new.value.copy_(old.value)


class _Entry(NamedTuple):
    """A weight or buffer of a network."""

    name: str
    value: torch.Tensor
    is_head: bool


def _pairs(trained: torch.nn.Module, fresh: torch.nn.Module, where: str) -> list[tuple[_Entry, _Entry]]:
    """Weights and buffers of both networks, in their order.

    Raises:
        EdgesimError: others than those of the head differ in shape or number.
    """
    pairs = list(zip_longest(_entries(trained), _entries(fresh)))
    for old, new in pairs:
        shapes = [None if one is None else tuple(one.value.shape) for one in (old, new)]
        both_heads = old is not None and new is not None and old.is_head and new.is_head
        if shapes[0] != shapes[1] and not both_heads:
            name = (new or old).name
            raise EdgesimError(
                f"{where} differs in {name} (shape {shapes[1]} instead of {shapes[0]}), which is not its last linear "
                "layer, so the trained weights do not fit; use data with samples of the same shape, or with as many "
                "channels and a network that averages over places, like resnet8"
            )
    return pairs


def _entries(module: torch.nn.Module) -> list[_Entry]:
    head = head_of(module)
    prefix = f"{head}." if head else ""  # a network may be one linear layer
    return [_Entry(name, value, name.startswith(prefix)) for name, value in module.state_dict().items()]


def head_of(module: torch.nn.Module) -> str:
    """Name of the last linear layer in the order of registration (`networks.last_linear`); empty = the module itself.

    Raises:
        EdgesimError: the network has no linear layer.
    """
    from edgesim.models.networks import last_linear

    last = last_linear(module)
    return next(name for name, layer in module.named_modules() if layer is last)
