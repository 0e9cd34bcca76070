"""Identity of a run: the content of all that its numbers depend on beside the scenario, and what changed since.

A resumed run mixes results. So code, packages, profiles, traces, data, own modules and linked runs are recorded when a
run begins and compared when it goes on.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgesim.config.document_bounds import find_file, user_path
from edgesim.config.registry import NamedPlugin
from edgesim.config.validation import differences
from edgesim.cost.objective import Objective
from edgesim.data.cache import content_key
from edgesim.data.dataset import Dataset
from edgesim.data.partition_schemes import FromFile
from edgesim.errors import RunError, shortened
from edgesim.formatting import n_of
from edgesim.hardware import loading
from edgesim.results import own_modules, provenance
from edgesim.scenario import initial_weights
from edgesim.scenario.loading import Scenario

WITHOUT_NUMBERS = ("analysis/", "calibration/", "cli/", "report/", "results/exporting/")
"""folders of edgesim whose code changes no number of a run"""
_LINKED_FILES = ("journal.jsonl", "records.parquet", "selections.parquet", "work.parquet", "terms.json")
_WORDS = ("source", "confidence", "note", "title", "software", "scope", "relative_error")
"""keys of a profile that no price depends on"""
_OF_DATA = ("data", "transfer_data")
"""parts that are known once the data are read"""
_LISTED = 12
"""changes that are named one by one"""

Identity = dict[str, Any]
Change = dict[str, Any]
"""`what` changed, its value that it `was` when the run was made, and `now`"""


def of_scenario(scenario: Scenario) -> Identity:
    """The identity of a run before its data are read.

    Raises:
        ScenarioError: a folder that the scenario names is no path.
    """
    found: Identity = {
        "edgesim_code": code_key(),
        "packages": _packages(scenario),
        "profiles": _profiles(scenario),
        "traces": dict(scenario.fleet.traces),
        "own_modules": own_modules.hashes(_plugins(scenario)),
        "partition_file": _partition_file(scenario),
        "initial_weights": _initial_weights(scenario),
        "linked_runs": {name: _folder_key(beside(scenario, name, place)) for place, name in _linked(scenario)},
    }
    return {name: part for name, part in found.items() if part}


def with_data(identity: Identity, dataset: Dataset, transfer: Dataset | None = None) -> Identity:
    """An identity with the content of the data, and of those that `transfer` names."""
    other = {} if transfer is None else {"transfer_data": content_key(transfer)}
    return {**identity, "data": content_key(dataset), **other}


def data_of(identity: Identity | None) -> Identity:
    """The part of an identity that is of the data; empty where it is not known."""
    return {name: part for name, part in (identity or {}).items() if name in _OF_DATA}


@functools.cache
def code_key() -> str:
    """Hash of edgesim's own sources and data, the folders left out that change no number of a run."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.blake2b(digest_size=8)
    files = (file.relative_to(package).as_posix() for file in package.rglob("*.py"))
    names = sorted(name for name in files if not name.startswith(WITHOUT_NUMBERS))
    for name in [*names, "data/digits.csv.gz"]:
        digest.update(f"{name}\n".encode() + (package / name).read_bytes())
    return digest.hexdigest()


def changes(before: Identity | None, now: Identity) -> list[Change]:
    """What is not as it was when the run was made; parts that are not known yet are left out.

    Args:
        before: of the run folder; None where it is lost.
        now: of this session.
    """
    if before is None:
        return [{"what": "identity", "was": None, "now": "lost with run.json"}]
    known = {name: before.get(name) for name in before.keys() | now.keys() if name in now or name not in _OF_DATA}
    listed = differences({name: known[name] for name in sorted(known)}, now)
    return [{"what": path, "was": was, "now": value} for path, was, value in listed]


def check_scenario(path: Path, before: dict[str, Any], now: dict[str, Any], use: str) -> None:
    """Refuse a run of another scenario. The section `run`, limits on hosts, changes no result and may differ.

    Args:
        path: the run folder.
        before: resolved scenario of the run.
        now: resolved scenario of this session.
        use: what cannot be done, for the message.

    Raises:
        RunError: with the differences.
    """
    found = differences({**before, "run": {}, "track": []}, {**now, "run": {}, "track": []})
    if found:
        listed = "\n".join(f"  {place}: was {was!r}, now {value!r}" for place, was, value in found)
        raise RunError(f"{path} was made by another scenario and cannot be {use} by this one:\n{listed}")


def refuse(path: Path, found: Iterable[Change]) -> None:
    """Refuse to go on with a run where something changed.

    Raises:
        RunError: naming each change, and the way past it.
    """
    listed = list(found)
    if not listed:
        return
    lines = [f"  {change['what']}: was {_shown(change['was'])}, now {_shown(change['now'])}" for change in listed]
    more = [f"  and {n_of(len(lines) - _LISTED, 'more change')}"] if len(lines) > _LISTED else []
    raise RunError("\n".join([
        f"{path} was made with something else than there is now, so that its results would be mixed:",
        *lines[:_LISTED], *more,
        "go on nevertheless with --accept-changes, which is recorded in run.json; or start a new run with --out",
    ]))  # fmt: skip


def beside(scenario: Scenario, folder: str, place: str) -> Path:
    """A folder that the scenario names: relative to the scenario, or else to where one is.

    Args:
        scenario: names it.
        folder: as it stands there.
        place: YAML path of the name.

    Raises:
        ScenarioError: it is no path.
    """
    found = user_path(scenario.folder / folder, place)
    return found if found.exists() else user_path(folder, place)


def _shown(value: Any) -> str:
    return "none" if value is None else shortened(str(value), 200)


def _packages(scenario: Scenario) -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    timm = {"timm": provenance.version("timm")} if scenario.model.name.startswith("timm:") else {}
    return provenance.versions() | timm


def _profiles(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """Profile -> its numbers. Two different ones of one name, from files of users, are told apart by a count."""
    found: dict[str, dict[str, Any]] = {}
    for profile in {id(base): base for base in scenario.fleet.bases}.values():
        numbers, name, count = _numbers(profile), profile.name, 1
        while found.get(name, numbers) != numbers:
            count += 1
            name = f"{profile.name} ({count})"
        found[name] = numbers
    return found


def _plugins(scenario: Scenario) -> Iterator[NamedPlugin]:
    yield from (scenario.dataset, scenario.partition, scenario.model)
    if scenario.transfer is not None:
        yield from (scenario.transfer.dataset, scenario.transfer.partition)
    yield from (*scenario.augment, *scenario.pruning.methods)


def _linked(scenario: Scenario) -> list[tuple[str, str]]:
    """YAML paths and names of the folders of other runs."""
    rule = scenario.pruning.rule
    curves = rule.accuracy_from if isinstance(rule, Objective) else None
    named = {"pruning.scores_from": scenario.pruning.scores_from, "pruning.keep_ratio.objective.accuracy_from": curves}
    return [(place, name) for place, name in named.items() if name is not None]


def _partition_file(scenario: Scenario) -> dict[str, str]:
    """Files of the partitions `from-file` and their hashes; without those of other schemes, and missing ones."""
    parts = [scenario.partition, *([] if scenario.transfer is None else [scenario.transfer.partition])]
    found: dict[str, str] = {}
    for part in parts:
        if isinstance(part.plugin, FromFile):
            found |= _file_hash(part.plugin.file, "partition.file", scenario)
    return found


def _initial_weights(scenario: Scenario) -> dict[str, str]:
    """The file of weights that training starts from and its hash; empty where there is none."""
    name = scenario.training.initial_weights
    return {} if name is None else _file_hash(name, initial_weights.PATH, scenario)


def _file_hash(name: str, place: str, scenario: Scenario) -> dict[str, str]:
    """A file that the scenario names at a YAML path, and its hash; empty where it is missing."""
    path, _ = find_file(name, scenario.folder, place)
    try:
        if path is None or not path.is_file():  # a pipe would never end
            return {}
        with path.open("rb") as file:
            return {name: hashlib.file_digest(file, _digest).hexdigest()}
    except OSError:
        return {}  # said when it is read


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=8)


def _folder_key(folder: Path) -> str:
    """Hash of the files of a run folder that another run reads."""
    digest = hashlib.blake2b(digest_size=8)
    for name in _LINKED_FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _numbers(profile: loading.DeviceProfile) -> dict[str, Any]:
    """Quantity -> value, of the numbers and words of a profile that prices depend on."""
    return dict(_leaves(loading.to_dict(profile), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _WORDS:
                yield from _leaves(inner, path if key == "value" else f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, value
