"""Weights of a trained network in a network for other data: all but those of its head, the last linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    _check(trained, fresh, f"{name} for samples of {after} instead of {before}")


def adopt(trained: torch.nn.Module, fresh: torch.nn.Module, keeps_head: bool) -> None:
    """Copy weights and buffers into another network.

    Args:
        trained: the network that has them.
        fresh: the same network for other data, at its initial weights; changed in place.
        keeps_head: True: copy the head, too, where its shape is the same; else that of `fresh` stays.

    Raises:
        EdgesimError: layers other than the head differ, or there is no head to tell.
    """
    _check(trained, fresh, type(fresh).__name__)
    head = _head(fresh)
    weights, own = trained.state_dict(), fresh.state_dict()
    fits = all(weights[name].shape == value.shape for name, value in own.items())
    kept = {name: value for name, value in own.items() if _is_of(head, name) and not (keeps_head and fits)}
    fresh.load_state_dict({**weights, **kept})


def _check(trained: torch.nn.Module, fresh: torch.nn.Module, where: str) -> None:
    head = _head(fresh)
    shapes = [
        {name: tuple(value.shape) for name, value in one.state_dict().items() if not _is_of(head, name)}
        for one in (trained, fresh)
    ]
    differing = [name for name in shapes[0] | shapes[1] if shapes[0].get(name) != shapes[1].get(name)]
    if differing:
        first = differing[0]
        raise EdgesimError(
            f"{where} differs in {first} (shape {shapes[1].get(first)} instead of {shapes[0].get(first)}), which is "
            "not its last linear layer, so the trained weights do not fit; use data with samples of the same shape, "
            "or with as many channels and a network that averages over places, like resnet8"
        )


def _head(module: torch.nn.Module) -> str:
    """Name of the last linear layer in the order of registration (`networks.last_linear`)."""
    from edgesim.models.networks import last_linear

    last = last_linear(module)
    return next(name for name, layer in module.named_modules() if layer is last)


def _is_of(layer: str, name: str) -> bool:
    return not layer or name.startswith(f"{layer}.")
