"""Sweeps: one scenario at every combination of some of its values.

`sweep: {partition.alpha: [0.1, 0.5], model: [small-cnn, resnet8]}` in a scenario file lists the values by their paths.
Every combination is a point, with a scenario of its own.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.config import shipped, validation
from edgesim.config.strict_yaml import parse
from edgesim.errors import EdgesimError, Fault, ScenarioError, shortened
from edgesim.formatting import n_of
from edgesim.scenario import loading
from edgesim.scenario.loading import SWEEP, Scenario

MOST_POINTS = 1000
NOT_SWEPT = {
    "name": "it names the sweep",
    "seeds": "seeds are the repetitions of every point; give them as a list in the scenario",
    "run": "no result depends on it",
    SWEEP: "a sweep holds no other",
}
"""keys that no sweep changes, with the reason"""
_SIGNS = re.compile(r"[^A-Za-z0-9.=_+-]+")
_NAME_LENGTH = 80


@dataclass(frozen=True)
class Point:
    """One combination of values."""

    name: str
    """of its run folder: its number and values"""
    values: Mapping[str, Any]
    """path -> value"""
    scenario: Scenario

    @property
    def levels(self) -> dict[str, str]:
        """Path -> value as text."""
        return {key: level(value) for key, value in self.values.items()}


@dataclass(frozen=True)
class Sweep:
    """A scenario at all combinations of some of its values."""

    name: str
    keys: Mapping[str, tuple[Any, ...]]
    """path -> its values"""
    points: tuple[Point, ...]
    """in the order of the values, the last path changing first"""

    @property
    def trial_count(self) -> int:
        """Trials of all points."""
        return sum(point.scenario.trial_count for point in self.points)

    @property
    def levels(self) -> dict[str, list[str]]:
        """Path -> its values as texts, in their order."""
        return {key: [level(value) for value in values] for key, values in self.keys.items()}


def is_sweep(given: str | Path) -> bool:
    """True where a scenario file has a section `sweep`."""
    file = shipped.scenario_file(given)
    try:
        if SWEEP.encode() not in file.read_bytes():  # far faster than to read the document twice
            return False
    except OSError:
        return False  # said where the scenario is loaded
    return SWEEP in validation.read(file)


def load(given: str | Path, overrides: Sequence[str] = (), over: Sequence[str] = ()) -> Sweep:
    """Read a scenario with its sweep.

    Args:
        given: path of its YAML file, or the name of a scenario that comes with edgesim.
        overrides: `KEY=VALUE` for all points.
        over: `KEY=VALUE,VALUE`, each beside or in place of a path of the section `sweep`.

    Raises:
        ScenarioError: with every fault of the sweep and of its points.
    """
    file = shipped.scenario_file(given)
    faults: list[Fault] = []
    document = validation.plain(validation.read(file), "", faults)
    section = document.pop(SWEEP, {})
    if not isinstance(section, dict):
        faults.append(Fault(SWEEP, f"must be a map of paths to lists of values, not {validation.kind_of(section)}"))
        section = {}
    given_over = _given_over(over, faults)
    places = {key: validation.join(SWEEP, key) for key in section} | {key: f"--over {key}" for key in given_over}
    section = {**section, **given_over}
    keys = {str(key): tuple(values) for key, values in section.items() if _is_sound(key, values, places[key], faults)}
    if not section and not faults:
        faults.append(Fault(SWEEP, f"is missing; give {SWEEP}: {{partition.alpha: [0.1, 1.0]}}, or --over KEY=A,B"))
    count = math.prod(len(values) for values in keys.values())
    if count > MOST_POINTS:
        place = "--over" if section.keys() == given_over.keys() else SWEEP
        faults.append(Fault(place, f"has {count:,} combinations; at most {MOST_POINTS:,} are run: leave values out"))
    _check_overrides(overrides, faults)
    validation.override(document, list(overrides), loading.NAMED, faults)
    if faults:
        raise ScenarioError(str(file), faults)
    points = []
    for number, values in enumerate(itertools.product(*keys.values()), start=1):
        chosen = dict(zip(keys, values, strict=True))
        try:
            scenario = loading.from_document(document, str(file), file.parent, chosen)
        except ScenarioError as error:
            _add(faults, error.faults, chosen)
            continue
        points.append(Point(_folder_name(number, chosen), chosen, scenario))
    if faults:
        raise ScenarioError(str(file), faults)
    return Sweep(points[0].scenario.name, keys, tuple(points))


def level(value: Any) -> str:
    """A swept value as text."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _given_over(over: Sequence[str], faults: list[Fault]) -> dict[str, Any]:
    """Paths and values of --over."""
    found: dict[str, Any] = {}
    for text in over:
        key, equals, values = text.partition("=")
        if not equals or not key or not values.strip():
            faults.append(Fault(f"--over {text}", "must look like KEY=A,B, for example partition.alpha=0.1,1.0"))
            continue
        if key in found:
            faults.append(Fault(f"--over {text}", f"'{key}' is given twice; list its values in one --over"))
        try:
            found[key] = parse(f"value: [{values}]", "--over")["value"]
        except EdgesimError as error:
            message = error.faults[0].message if isinstance(error, ScenarioError) else str(error)
            faults.append(Fault(f"--over {text}", message))
    return found


def _check_overrides(overrides: Sequence[str], faults: list[Fault]) -> None:
    """Refuse overrides of the sweep itself: its points are known before they are applied."""
    for text in overrides:
        if re.split(r"[.\[=]", text)[0] == SWEEP:
            faults.append(Fault(f"--set {text}", "changes no sweep; give the values of a key by --over KEY=A,B"))


def _is_sound(key: Any, values: Any, place: str, faults: list[Fault]) -> bool:
    """True for a path with a list of different values; `place` is where it was given."""
    root = re.split(r"[.\[]", str(key))[0]
    if root in NOT_SWEPT:
        faults.append(Fault(place, f"cannot be swept: {NOT_SWEPT[root]}"))
    elif root not in (*loading.REQUIRED, *loading.OPTIONAL):
        near = validation.nearest(root, [*loading.REQUIRED, *loading.OPTIONAL])
        faults.append(Fault(place, f"is no path of a scenario{near}"))
    elif not isinstance(values, list) or not values:
        faults.append(Fault(place, f"must be a list of values; got {validation.kind_of(values)}"))
    elif len({level(value) for value in values}) < len(values):
        faults.append(Fault(place, f"lists a value twice: {shortened(str(values), 200)}"))
    else:
        return True
    return False


def _add(faults: list[Fault], found: Sequence[Fault], chosen: Mapping[str, Any]) -> None:
    """Add the faults of a point; one that another point has already is not repeated."""
    known = {(fault.path, fault.message.partition(" (at ")[0]) for fault in faults}
    at = ", ".join(f"{key}={shortened(level(value), 60)}" for key, value in chosen.items())
    faults += [
        Fault(fault.path, f"{fault.message} (at {at})") for fault in found if (fault.path, fault.message) not in known
    ]


def _folder_name(number: int, chosen: Mapping[str, Any]) -> str:
    """Name of a point's folder: its number tells it from every other."""
    text = "_".join(f"{key}={level(value)}" for key, value in chosen.items())
    return f"{number:03d}-{_SIGNS.sub('-', text)[:_NAME_LENGTH].strip('-.')}"


def summary(sweep: Sweep) -> str:
    """Sizes in words: '6 points (partition.alpha 3 x model 2), 240 trials'."""
    sizes = " x ".join(f"{key} {len(values)}" for key, values in sweep.keys.items())
    return f"{n_of(len(sweep.points), 'point')} ({sizes}), {n_of(sweep.trial_count, 'trial')}"
