"""Costs of a network, counted once and kept in the cache folder, so that plans need no torch.

The key holds all that the count depends on: the model with its arguments, shapes, the versions of the libraries, and
the source of this package's networks and counting. A user's own model is counted every time, since its source may
change.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgesim.config import user_code
from edgesim.models.catalog import MODELS, Model
from edgesim.models.model_forms import check_form
from edgesim.tasks import NetworkForm
from edgesim.work import Workload

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("torch", "torchvision", "timm")


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network that a method's own arithmetic depends on."""

    input_numbers: int
    """numbers of one sample as the network gets it"""
    embedding_width: int
    """inputs of the last linear layer; 0 where the network has none"""
    bias: bool
    """True where that layer has a bias"""
    parameters: int
    normalised_values: int = 0
    """values per sample and channel that a batch normalisation has at its smallest map; 0 where there is none"""

    @property
    def gradient_width(self) -> int:
        """Inputs of the last layer with the 1 of its bias."""
        return self.embedding_width + int(self.bias)


def counted(model: Model, name: str, form: NetworkForm) -> tuple[Workload, NetworkShape]:
    """Costs of one sample of a network, and the network's shape; from the cache where they are there.

    Args:
        model: a row of the table of models, or a user's own.
        name: what the scenario calls it.
        form: of the network: samples, task and outputs.

    Raises:
        EdgesimError: the network does not fit the data.
    """
    check_form(model, name, form)
    if name not in MODELS and not name.startswith("timm:"):
        with user_code.boundary(f"the model {name} cannot be built"):
            return _count(model, form)
    from edgesim.data.cache import cache_folder  # late: the cache imports readers of images

    file = cache_folder() / "counted" / f"{_key(model, name, form)}.json"
    try:
        return _read(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):  # not there, or cut short: count again
        found = _count(model, form)
    _write(file, found)
    return found


def network_of(model: Model, form: NetworkForm) -> NetworkShape:
    """Look at a network as the methods see it; the caller's random state is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return _shape_of(model.build(form.input_shape, form.num_outputs), form)


def _shape_of(module: nn.Module, form: NetworkForm) -> NetworkShape:
    from edgesim.errors import EdgesimError
    from edgesim.models.networks import last_linear

    parameters = sum(weight.numel() for weight in module.parameters())
    numbers = int(np.prod(form.input_shape))
    try:
        last = last_linear(module)
    except EdgesimError:  # methods that need an embedding say so when they run
        return NetworkShape(numbers, 0, False, parameters)
    return NetworkShape(numbers, last.in_features, last.bias is not None, parameters)


def _count(model: Model, form: NetworkForm) -> tuple[Workload, NetworkShape]:
    from torch import nn

    from edgesim.models import workload
    from edgesim.models.batch_norm_maps import BatchNormMaps

    maps, built = BatchNormMaps(), []

    def build() -> nn.Module:
        module = model.build(form.input_shape, form.num_outputs)
        built.append(module)
        return maps.watch(module) if isinstance(module, nn.Module) else module  # what is no network is refused there

    found = workload.count(build, form)
    maps.leave()
    return found, replace(_shape_of(built[-1], form), normalised_values=maps.fewest)


def _key(model: Model, name: str, form: NetworkForm) -> str:
    versions = []
    for library in LIBRARIES:
        try:
            versions.append(metadata.version(library))
        except metadata.PackageNotFoundError:
            versions.append("")
    digest = hashlib.sha256(repr((name, model, form, versions)).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def _write(file: Path, found: tuple[Workload, NetworkShape]) -> None:
    """Keep a count; a cache that cannot be written is only slower."""
    text = json.dumps([asdict(part) for part in found], default=np.ndarray.tolist)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=file.parent) as folder:  # a name that nobody can guess
            unfinished = Path(folder, file.name)
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(file)
    except OSError:
        return


def _read(parts: list[dict[str, Any]]) -> tuple[Workload, NetworkShape]:
    workload, network = parts
    return Workload.from_fields(workload), NetworkShape(**network)
