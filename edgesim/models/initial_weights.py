"""Weights that training starts from, read from a file of the user's and fitted to the network.

Such as ImageNet's weights, which AdaPruner's experiment on Tiny-ImageNet starts from. edgesim has none of its own.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.errors import EdgesimError, shortened
from edgesim.models.catalog import Model
from edgesim.tasks import NetworkForm

if TYPE_CHECKING:
    import torch

_WRAPPERS = ("state_dict", "model")
"""keys under which training scripts put the weights beside an optimiser's state"""
_PARALLEL = "module."
"""prefix that torch's DataParallel gives to every name"""
_COUNT = "num_batches_tracked"
"""buffer of batch normalisation that files from before torch 0.4.1 lack; training does not use it"""
_LISTED = 5
"""faults, or layers, that are named one by one"""


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
        begun += f"; at random start {_few(self.random)}" if self.random else ", with all layers"
        return begun + (f"; not in the network are the file's {_few(self.unused)}" if self.unused else "")


def read(path: Path) -> dict[str, torch.Tensor]:
    """The weights and buffers of a file, by name.

    Args:
        path: a `state_dict`: safetensors where it ends so, else as `torch.save` writes it. No code in it is run.

    Raises:
        EdgesimError: it cannot be read, or holds something else than a `state_dict`.
    """
    found = _safetensors(path) if path.suffix == ".safetensors" else _torch_file(path)
    inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), found)
    others = [name for name, value in inner.items() if not _is_tensor(value)]
    if others or not inner:
        has = f"'{shortened(str(others[0]), 80)}', which is no tensor" if others else "nothing"
        raise EdgesimError(f"{path} holds {has}; write the weights alone: torch.save(network.state_dict(), path)")
    if all(name.startswith(_PARALLEL) for name in inner):
        return {name.removeprefix(_PARALLEL): value for name, value in inner.items()}
    return dict(inner)


def fitted(path: Path, model: Model, name: str, form: NetworkForm, fresh_layers: tuple[str, ...]) -> InitialWeights:
    """The weights of a file that a network takes; what is not among them starts at random.

    Taken is what has the name and the shape of one of the network's, in every layer but the fresh ones. The last linear
    layer is taken as a whole, or starts at random where its shape differs. What the file has beyond that is left alone.

    Args:
        path: the file.
        model: of the network, with its arguments.
        name: as the scenario calls it.
        form: of the network: samples, task and outputs.
        fresh_layers: names of layers as `named_modules` has them, which start at random.

    Raises:
        EdgesimError: the file cannot be read, a layer of the network is missing there or has another shape, a number
            is not finite, or there is no such layer as a fresh one.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        network = model.build(form.input_shape, form.num_outputs)
    _check_layers(network, name, fresh_layers)
    given, wanted = read(path), network.state_dict()
    fresh = {entry for layer in fresh_layers for entry in wanted if _is_in(entry, layer)} | _new_head(network, given)
    taken: dict[str, npt.NDArray[Any]] = {}
    faults: list[str] = []
    for entry, own in wanted.items():
        value = given.get(entry)
        if entry in fresh or (value is None and entry.endswith(_COUNT)):
            continue
        if value is None or value.shape != own.shape:
            has = "missing" if value is None else f"of shape {tuple(value.shape)}"
            faults.append(f"{entry} is {has} instead of {tuple(own.shape)}")
        elif not bool(torch.isfinite(value).all()):
            faults.append(f"{entry} has numbers that are not finite")
        else:
            taken[entry] = value.to(own.dtype).numpy()
    if faults or not taken:
        raise EdgesimError(_misfit(path, name, faults))
    random = _layers(entry for entry in wanted if entry in fresh)
    return InitialWeights(path.name, taken, random, _layers(entry for entry in given if entry not in wanted))


def _layers(entries: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.rpartition(".")[0] or entry for entry in entries))


def _few(layers: tuple[str, ...]) -> str:
    more = f" and {len(layers) - _LISTED:,} more" if len(layers) > _LISTED else ""
    return ", ".join(layers[:_LISTED]) + more


def _safetensors(path: Path) -> dict[str, Any]:
    if importlib.util.find_spec("safetensors") is None:
        raise EdgesimError(f"{path} is read by safetensors, which is not installed: pip install 'edgesim[models]'")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise EdgesimError(f"{path} cannot be read as safetensors: {error}") from None


def _torch_file(path: Path) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        message = "needs code to be read, which edgesim does not run"
        raise EdgesimError(
            f"{path} {message}; write the weights alone: torch.save(network.state_dict(), path)"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:  # a damaged archive raises any of these
        text = " ".join(str(error).split()) or type(error).__name__
        raise EdgesimError(f"{path} cannot be read as a file of torch.save: {shortened(text, 200)}") from None
    if not isinstance(found, Mapping):
        message = f"holds a {type(found).__name__}, no state_dict"
        raise EdgesimError(f"{path} {message}; write the weights alone: torch.save(network.state_dict(), path)")
    return dict(found)


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _is_in(entry: str, layer: str) -> bool:
    return entry.startswith(f"{layer}.")


def _check_layers(network: torch.nn.Module, name: str, layers: tuple[str, ...]) -> None:
    """EdgesimError where a fresh layer is none of the network's, or has no weights."""
    entries = list(network.state_dict())
    for layer in layers:
        if not any(_is_in(entry, layer) for entry in entries):
            known = _layers(entries)
            raise EdgesimError(
                f"{name} has no layer '{layer}' with weights{nearest(layer, known)}; name one of "
                f"{shortened(', '.join(known), 300)} in training.fresh_layers"
            )


def _new_head(network: torch.nn.Module, given: Mapping[str, torch.Tensor]) -> set[str]:
    """Names of the last linear layer's weights where the file's do not fit; empty where they do, or there is none."""
    from torch import nn

    linear = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        return set()
    prefix, head = linear[-1]
    own = {f"{prefix}.{name}" if prefix else name: value.shape for name, value in head.state_dict().items()}
    fits = all(name in given and given[name].shape == shape for name, shape in own.items())
    return set() if fits else set(own)


def _misfit(path: Path, name: str, faults: list[str]) -> str:
    if not faults:
        return f"{path} gives no weight to {name}: each of its layers is a fresh one; leave out initial_weights"
    more = f" and {len(faults) - _LISTED:,} more" if len(faults) > _LISTED else ""
    return (
        f"{path} does not fit {name}: {'; '.join(faults[:_LISTED])}{more}; use weights of this network, or name the "
        "layers that shall start from random weights in training.fresh_layers"
    )
