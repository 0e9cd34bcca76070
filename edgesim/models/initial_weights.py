"""Weights that training starts from, read from a file of the user's and fitted to the network.

Such as ImageNet's weights, which AdaPruner's experiment on Tiny-ImageNet starts from. edgesim has none of its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from edgesim.config import user_code
from edgesim.config.display import few
from edgesim.config.validation import nearest
from edgesim.errors import EdgesimError, shortened
from edgesim.models.adoption import head_of
from edgesim.models.catalog import Model
from edgesim.tasks import NetworkForm

if TYPE_CHECKING:
    import torch

_PARALLEL = "module."
"""prefix that torch's DataParallel gives to every name"""
_COUNT = "num_batches_tracked"
"""buffer of batch normalisation that files from before torch 0.4.1 lack; only a network without momentum uses it"""
_WAY = "write it by safetensors.torch.save_file(network.state_dict(), path)"
_LISTED = 5
"""faults that are named one by one"""


class UnknownLayer(EdgesimError):
    """A fresh layer that the network does not have."""


class InitialWeights(NamedTuple):
    """Weights and buffers of a file that a network takes."""

    file: str
    """its name"""
    values: dict[str, npt.NDArray[Any]]
    """by name in the network's `state_dict`, of the network's shapes and number formats"""
    random: tuple[str, ...]
    """layers of the network that start from random weights"""
    unused: tuple[str, ...]
    """layers of the file that the network lacks"""

    @property
    def in_words(self) -> str:
        """What starts from the file, and what does not."""
        begun = f"networks start from the weights of {self.file}"
        begun += f"; layers {few(self.random)} start at random" if self.random else ", with all layers"
        return begun + (f"; not in the network are the file's {few(self.unused)}" if self.unused else "")


def read(path: Path) -> dict[str, torch.Tensor]:
    """The weights and buffers of a file, by name.

    Args:
        path: a `state_dict` as safetensors. Files of `torch.save` are pickles, which edgesim does not read.

    Raises:
        EdgesimError: safetensors is not installed, or it is no such file.
    """
    if importlib.util.find_spec("safetensors") is None:
        raise EdgesimError(f"{path} is read by safetensors, which is not installed: pip install 'edgesim[models]'")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise EdgesimError(f"{path} cannot be read as safetensors: {error}; {_WAY}") from None
    if all(name.startswith(_PARALLEL) for name in found):
        return {name.removeprefix(_PARALLEL): value for name, value in found.items()}
    return found


def fitted(path: Path, model: Model, name: str, form: NetworkForm, fresh_layers: tuple[str, ...]) -> InitialWeights:
    """The weights of a file that a network takes; what is not among them starts at random.

    Taken is what has the name and the shape of one of the network's, in every layer but the fresh ones. The last linear
    layer starts at random as a whole where the file has it in another shape. What else the file has is left alone.

    Args:
        path: the file.
        model: of the network, with its arguments.
        name: as the scenario calls it.
        form: of the network: samples, task and outputs.
        fresh_layers: names of layers as `named_modules` has them, or of single weights, which start at random.

    Raises:
        UnknownLayer: the network has no such layer as a fresh one.
        EdgesimError: the file cannot be read, or a layer of the network is missing there, has another shape or a
            number that is not finite.
    """
    import torch

    boundary = user_code.boundary(f"the model {name} cannot be built", own=user_code.is_own(model))
    with boundary, torch.random.fork_rng(devices=[]):
        network = model.build(form.input_shape, form.num_outputs)
    wanted = {entry: own for entry, own in network.state_dict().items() if isinstance(own, torch.Tensor)}
    _check_layers(wanted, name, fresh_layers)
    given, parameters = read(path), {entry for entry, _ in network.named_parameters()}
    fresh = {entry for layer in fresh_layers for entry in wanted if _is_in(entry, layer)} | _new_head(network, given)
    taken: dict[str, npt.NDArray[Any]] = {}
    faults: list[str] = []
    for entry, own in wanted.items():
        value = given.get(entry)
        if entry in fresh or (value is None and entry.endswith(_COUNT)):
            continue
        if fault := _fault(value, own, entry in parameters):
            faults.append(f"{entry} {fault}")
        elif value is not None:
            taken[entry] = value.to(own.dtype).numpy()
    if faults or not taken:
        raise EdgesimError(_misfit(path, name, faults))
    random = _layers(entry for entry in wanted if entry in fresh)
    return InitialWeights(path.name, taken, random, _layers(entry for entry in given if entry not in wanted))


def _fault(value: torch.Tensor | None, own: torch.Tensor, is_parameter: bool) -> str:
    """What keeps a file's weight from being the network's own; a buffer may be infinite, such as a mask."""
    if value is None:
        return f"of shape {tuple(own.shape)} is missing"
    if value.shape != own.shape:
        return f"is of shape {tuple(value.shape)} instead of {tuple(own.shape)}"
    if value.is_complex() and not own.is_complex():
        return "has complex numbers"
    cast = value.to(own.dtype)
    if (is_parameter and not bool(cast.isfinite().all())) or bool(cast.isnan().any()):
        return "has numbers that are not finite"
    return ""


def _layers(entries: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.rpartition(".")[0] or entry for entry in entries))


def _is_in(entry: str, layer: str) -> bool:
    return entry == layer or entry.startswith(f"{layer}.")


def _check_layers(entries: Collection[str], name: str, layers: tuple[str, ...]) -> None:
    """Refuse a fresh layer that is none of the network's, or has no weights.

    Raises:
        UnknownLayer: with the nearest one.
    """
    for layer in layers:
        if not any(_is_in(entry, layer) for entry in entries):
            known = _layers(entries)
            raise UnknownLayer(
                f"{name} has no layer '{layer}' with weights{nearest(layer, known)}; name one of "
                f"{shortened(', '.join(known), 300)}"
            )


def _new_head(network: torch.nn.Module, given: Mapping[str, torch.Tensor]) -> set[str]:
    """Names of the last linear layer's weights where the file has it in another shape; empty where not."""
    try:
        head = head_of(network)
    except EdgesimError:  # there is none
        return set()
    own = {entry: value.shape for entry, value in network.state_dict().items() if not head or _is_in(entry, head)}
    differs = own.keys() <= given.keys() and any(given[entry].shape != shape for entry, shape in own.items())
    return set(own) if differs else set()


def _misfit(path: Path, name: str, faults: list[str]) -> str:
    if not faults:
        return f"{path} gives no weight to {name}: each of its layers is a fresh one; leave out initial_weights"
    more = f" and {len(faults) - _LISTED:,} more" if len(faults) > _LISTED else ""
    return (
        f"{path} does not fit {name}: {'; '.join(faults[:_LISTED])}{more}; use weights of this network, or name the "
        "layers that shall start from random weights in training.fresh_layers"
    )
