"""Trained networks of a run: one safetensors file per trial, with all that rebuilding the network takes as metadata."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy.typing as npt

from edgesim.config.output_files import cannot_write, replacing
from edgesim.errors import Fault, RunError, ScenarioError
from edgesim.records import Trial
from edgesim.tasks import NetworkForm

FOLDER = "models"
KEY = "edgesim"
"""metadata of a file, as JSON"""
Weights = Mapping[str, npt.NDArray[Any]]


class KeptModel(NamedTuple):
    """A network as its file holds it."""

    weights: dict[str, npt.NDArray[Any]]
    form: NetworkForm


def check_installed(source: str) -> None:
    """Refuse to keep networks without the package that writes them.

    Raises:
        ScenarioError: safetensors is not installed.
    """
    if importlib.util.find_spec("safetensors") is None:
        message = "the weights are written by safetensors: pip install 'edgesim[models]', or leave keep_models out"
        raise ScenarioError(source, [Fault("run.keep_models", message)])


def path_of(folder: Path, trial: Trial) -> Path:
    """File of a trial: seed, device, method and keep ratio, signs that no file name may have as %XX."""
    name = f"{trial.seed}-{trial.device}-{quote(trial.method, safe='')}-{trial.keep_ratio!r}.safetensors"
    return folder / FOLDER / name


def write(folder: Path, trial: Trial, weights: Weights, form: NetworkForm) -> None:
    """Write the network of a trial as a whole.

    Args:
        folder: of the run.
        trial: its name.
        weights: arrays in C order by name.
        form: of the network.

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.numpy import save

    path = path_of(folder, trial)
    told = {KEY: json.dumps({"trial": trial._asdict(), "form": asdict(form)})}
    then = ", and go on with the same command and --resume"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(path.parent, error, then) from None
    with replacing(path, then) as file:
        file.write(save(dict(weights), metadata=told))


def read(folder: Path, trial: Trial) -> KeptModel:
    """The network of a trial.

    Raises:
        RunError: safetensors is not installed, the run kept no network of the trial, or its file is damaged.
    """
    path = path_of(folder, trial)
    if not path.exists():
        kept = len(list((folder / FOLDER).glob("*.safetensors"))) if (folder / FOLDER).is_dir() else 0
        hint = "it keeps none; run.keep_models: true in its scenario writes them" if not kept else f"it keeps {kept:,}"
        raise RunError(f"{folder} has no network of {described(trial)}: {hint}")
    if importlib.util.find_spec("safetensors") is None:
        raise RunError(f"{path} is read by safetensors, which is not installed: pip install 'edgesim[models]'")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            told = json.loads((file.metadata() or {})[KEY])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        form = told["form"]
        form = NetworkForm(**{**form, "input_shape": tuple(form["input_shape"])})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); take it from a copy, or run its trial again") from None
    return KeptModel(weights, form)


def described(trial: Trial) -> str:
    """A trial in words."""
    return f"seed {trial.seed}, device {trial.device}, method '{trial.method}', keep ratio {trial.keep_ratio:g}"
