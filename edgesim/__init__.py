"""Fleets of heterogeneous edge devices that score, prune and train on their own data.

    scenario = edgesim.load_scenario("quickstart", {"training.epochs": 3})   # or the path of a YAML file
    run = edgesim.run(scenario)
    run.records, run.curves, run.selections     # pandas DataFrames

`plan` prices a scenario without training, `compare_fleets` prices a run on other fleets. `load_run` reads a run folder,
`load_model` a trained network of it.
Every error that a user can cause is an `EdgesimError`; a `ScenarioError` lists all faults of a scenario.

A name is imported at its first use, so that `import edgesim` stays fast.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # `typing` takes time in which Ctrl-C would be a traceback
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_scenario": ("edgesim.scenario.loading", "load"),
    "run": ("edgesim.api", "run"),
    "plan": ("edgesim.api", "plan"),
    "compare_fleets": ("edgesim.results.repricing", "compare_fleets"),
    "load_run": ("edgesim.api", "load_run"),
    "load_model": ("edgesim.sessions.trained_networks", "load_model"),
    "EdgesimError": ("edgesim.errors", "EdgesimError"),
    "ScenarioError": ("edgesim.errors", "ScenarioError"),
}

__all__ = ["EdgesimError", "ScenarioError", "compare_fleets", "load_model", "load_run", "load_scenario", "plan", "run"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgesim' has no attribute '{name}'")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
