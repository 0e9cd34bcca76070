"""The parts `run` and `track` of a scenario: limits on jobs, kept files, trackers. No result depends on them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from edgesim.config import plugins, validation
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import Fault

LEAST_HOST_BYTES = 100_000_000
"""less than a Python process with torch takes by itself"""
TRACKERS = {
    "tensorboard": "Event files in the run folder, a folder for each method and keep ratio.",
    "mlflow": "An MLflow store: a run, with a child for each method and keep ratio.",
    "wandb": "Weights & Biases, offline: a group of runs, one for each method and keep ratio.",
}
"""trackers of experiments (`edgesim.sessions.trackers`), each with one line for `edgesim list trackers`"""


@checked_dataclass()
class RunSection(Bounded):
    """The `run` part: limits on a job, which hold on Ray hosts and not with `--serial`, and files to keep."""

    job_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.1, 1e7, "s")] | None = None
    """most seconds of one job: the scoring or a training of one device; then its host is replaced. Short jobs that
    run together have one limit together, and run alone after it. `null`: ten minutes and ten times the expected time"""
    host_memory_bytes: (
        Annotated[float, Field(ge=LEAST_HOST_BYTES, allow_inf_nan=False), PlausibleRange(1e8, 1e13, "bytes")] | None
    ) = None
    """most memory of one host process, shared data left out; then it is replaced. `null`: the largest host is replaced
    once less than a tenth of the machine's memory is free"""
    keep_models: bool = False
    """write the trained weights of every trial into `models` of the run folder, for `edgesim.load_model`; needs
    safetensors (`pip install 'edgesim[models]'`)"""


def trackers(given: Any, faults: list[Fault]) -> tuple[str, ...]:
    """The names of the part `track`: one, or a list."""
    listed = given if isinstance(given, list) else [given]
    for name in listed:
        if not isinstance(name, str) or (name not in TRACKERS and plugins.named("trackers", name) is None):
            allowed = ", ".join([*TRACKERS, *(plugin.name for plugin in plugins.installed("trackers"))])
            message = (
                f"{validation.kind_of(name)} is no tracker{validation.nearest(name, TRACKERS)}; allowed: {allowed}"
            )
            faults.append(Fault("track", message))
    return tuple(dict.fromkeys(map(str, listed)))
