"""Loading of scenarios: YAML becomes a frozen Scenario, with every fault of the document reported at once.

Names are looked up in the tables, and arguments are bound to their frozen dataclasses. So a misspelt option is an error
with its YAML path before any work starts. Needs no torch.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgesim.config import display, shipped, validation
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.document_bounds import user_path
from edgesim.config.document_values import meant
from edgesim.config.registry import NamedPlugin, PluginTable, bind
from edgesim.cost.analytic import CostWeights
from edgesim.cost.objective import Budget, Objective
from edgesim.data.augment import AUGMENTATIONS
from edgesim.data.partition_schemes import FromFile
from edgesim.errors import Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.hardware import fleet
from edgesim.hardware.conditions import AUTO_MODE
from edgesim.hardware.fleet import Fleet
from edgesim.scenario import keep_ratio, pruning_section, resolved_document, task_checks, transfer_section
from edgesim.scenario.plugin_tables import TABLES
from edgesim.scenario.pruning_section import Pruning
from edgesim.scenario.run_section import RunSection, trackers
from edgesim.scenario.transfer_section import Transfer
from edgesim.training.settings import Evaluation, Training

Document = dict[str, Any]

REQUIRED = ("dataset", "partition", "fleet", "model", "pruning")
OPTIONAL = ("name", "training", "evaluation", "cost", "report", "run", "seeds", "transfer", "track")
SWEEP = "sweep"  # a section that `scenario.sweeps` reads
_NAME = re.compile(r"[^\W_][\w.-]*")
MAX_SEEDS = 10_000
_NAME_BYTES = 81
"""so that a folder can be named after it, with the time"""
NAMED = ("dataset", "partition", "model", "sampler", "to")
"""keys whose value may be a bare name"""


@checked_dataclass()
class CostSection:
    """The `cost` part: weights of the cost of a device."""

    weights: CostWeights = CostWeights()
    """weights of time, energy and storage in the cost J"""


@checked_dataclass()
class ReportSection:
    """The `report` part: criteria of the verdict."""

    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """loss of accuracy that counts as none: a keep ratio is recommended where a larger loss is ruled out. Of a metric
    that is no share, such as a mean absolute error, it is relative: 0.01 is 1 % of full training's value"""


@dataclass(frozen=True, repr=False)
class Scenario(display.Displayed):
    """One experiment: data, partition, fleet, model, training, pruning, seeds."""

    name: str
    """name of the experiment and of its run folder; left out: the file's name"""
    dataset: NamedPlugin
    """data to train and test on: a name, or a map with `name` and arguments"""
    partition: NamedPlugin
    """split of the training samples among the devices: a name, or a map with `name` and arguments"""
    fleet: Fleet
    """the devices: groups of them, or the path of a fleet file, relative to this file"""
    model: NamedPlugin
    """network to train: a name, or a map with `name` and arguments"""
    training: Training
    """training of every device"""
    augment: tuple[NamedPlugin, ...]
    """of the training batches"""
    pruning: Pruning
    """methods that choose the samples, and the share that they keep"""
    evaluation: Evaluation
    """evaluation on the test set"""
    cost: CostSection
    """weights of the cost J of a device"""
    report: ReportSection
    """criteria of a report's verdict"""
    run: RunSection
    """limits on the jobs of a run; no result depends on them"""
    seeds: tuple[int, ...]
    """seeds of all random choices: one, or a list; every trial runs once per seed; left out: 0"""
    track: tuple[str, ...]
    """trackers that follow the run: tensorboard, mlflow, wandb; no result depends on them"""
    transfer: Transfer | None
    """fine-tuning of every trained network on another data set, with an evaluation there; left out: none"""
    folder: Path
    """folder that relative names of the document start from"""
    document: Document
    """the resolved document: overrides applied, the fleet inlined, defaults filled in"""

    @property
    def trial_count(self) -> int:
        """Trials of all devices in all seeds."""
        return len(self.seeds) * len(self.fleet) * self.pruning.trials_per_device

    def to_yaml(self) -> str:
        """The resolved document as YAML text; loading it gives an equal scenario."""
        return validation.dump(self.document)

    def shown(self) -> tuple[str, display.Facts]:
        """Title and facts that Python and a notebook display."""
        pruning, groups = self.pruning, self.fleet.members
        profiles = Counter({self.fleet.bases[group[0]].name: 0 for group in groups})
        for group in groups:
            profiles[self.fleet.bases[group[0]].name] += len(group)
        ratio = keep_ratio.document(pruning.keep_ratios, pruning.rule)
        priced = f", each priced with {self.training.repeats:,} trainings" if self.training.repeats > 1 else ""
        begun = f", from {self.training.initial_weights}" if self.training.initial_weights else ""
        facts = [
            ("data set", display.called(self.dataset.name, self.dataset.plugin)),
            ("partition", display.called(self.partition.name, self.partition.plugin)),
            ("devices", f"{len(self.fleet):,}: {display.few([f'{n:,} {name}' for name, n in profiles.items()])}"),
            ("model", display.called(self.model.name, self.model.plugin)),
            ("training", f"{n_of(self.training.epochs, 'epoch')} in batches of {self.training.batch_size}{begun}"),
            ("methods", display.few([method.label for method in pruning.methods])),
            ("keep ratio", display.few([f"{one:g}" for one in ratio]) if isinstance(ratio, list) else str(ratio)),
            ("seeds", display.few([str(seed) for seed in self.seeds])),
            ("trials", f"{self.trial_count:,}{priced}"),
        ]
        if self.transfer is not None:
            facts.insert(5, ("transfer", self.transfer.in_words))
        return f"Scenario {self.name}", facts


def load(given: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | Sequence[str] = ()) -> Scenario:
    """Read a scenario.

    Args:
        given: the path of its YAML file, the name of a scenario that comes with edgesim (`shipped.scenarios`), or the
            document itself as a map. In a map relative names start at the working directory, the default name is
            `scenario`, and NumPy's numbers and arrays are allowed.
        overrides: `{"training.epochs": 3}` or `["training.epochs=3"]`, the latter's values as YAML; lists by `key[0]`.

    Raises:
        ScenarioError: with every fault of the document.
    """
    if isinstance(given, Mapping):
        return from_document(dict(given), "scenario", Path(), overrides)
    if not isinstance(given, str | Path):
        message = f"must be the path of a YAML file, or a map with its content; got {type(given).__name__}"
        raise ScenarioError("scenario", [Fault("", message)])
    file = shipped.scenario_file(given)
    document = validation.read(file)
    return from_document(document, str(file), file.parent, overrides)


def from_document(
    document: Document, source: str, folder: Path, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> Scenario:
    """A scenario from a document that is already read; `folder` is where relative names start. Raises as `load`."""
    faults: list[Fault] = []
    document = validation.plain(document, "", faults)  # a copy of our own
    lost = [fault.path for fault in faults]  # faults of the gaps that these leave are not repeated
    validation.override(document, overrides, NAMED, faults)
    if document.pop(SWEEP, None) is not None:
        faults.append(Fault(SWEEP, "makes several scenarios of this one; run it by `edgesim sweep`, or leave it out"))
    validation.unknown_keys(document, [*REQUIRED, *OPTIONAL, SWEEP], "", faults)
    faults.extend(Fault(key, "is missing and has no default") for key in REQUIRED if key not in document)
    parts = _parts(document, source, folder, faults)
    _check_paths(parts, faults)
    _check_auto_modes(parts, faults)
    task_checks.check(parts, faults)
    if faults:
        reported = faults[: len(lost)] + [fault for fault in faults[len(lost) :] if fault.path not in lost]
        raise ScenarioError(source, list(dict.fromkeys(reported)))
    # The names of the augmentations have become plug-ins; kept once, not twice.
    parts["training"] = dataclasses.replace(parts["training"], augment=())
    scenario = Scenario(**parts, folder=folder, document={})
    return dataclasses.replace(scenario, document=resolved_document.resolved(scenario))


def _parts(document: Document, source: str, folder: Path, faults: list[Fault]) -> dict[str, Any]:
    """Build every part of the document that is there; None where one has a fault."""
    training, augment = _training(document.get("training", {}), faults)
    partition = _section(document, "partition", TABLES["partition"], faults)
    return {
        "name": _name(document, source, faults),
        "dataset": _section(document, "dataset", TABLES["dataset"], faults),
        "partition": partition,
        "fleet": fleet.load(document["fleet"], "fleet", folder, faults) if "fleet" in document else None,
        "model": _section(document, "model", TABLES["model"], faults),
        "training": training,
        "augment": augment,
        "pruning": pruning_section.load(document["pruning"], faults) if "pruning" in document else None,
        "evaluation": validation.build(Evaluation, document.get("evaluation", {}), "evaluation", faults),
        "cost": validation.build(CostSection, document.get("cost", {}), "cost", faults),
        "report": validation.build(ReportSection, document.get("report", {}), "report", faults),
        "run": validation.build(RunSection, document.get("run", {}), "run", faults),
        "seeds": _seeds(document.get("seeds", [0]), faults),
        "track": trackers(document.get("track", []), faults),
        "transfer": transfer_section.load(document.get("transfer"), partition, training, faults),
    }


def _check_paths(parts: Mapping[str, Any], faults: list[Fault]) -> None:
    """Find names that no path can have, such as `~nobody/data`. What a path leads to is seen when it is read."""
    dataset, partition, pruned, tuned = (parts[name] for name in ("dataset", "partition", "pruning", "transfer"))
    rule, training = pruned and pruned.rule, parts["training"]
    given = {
        "dataset.root": dataset and dataset.plugin.location,
        "partition.file": partition.plugin.file if partition and isinstance(partition.plugin, FromFile) else None,
        "training.initial_weights": training and training.initial_weights,
        "pruning.scores_from": pruned and pruned.scores_from,
        "transfer.to.root": tuned and tuned.dataset.plugin.location,
        f"{keep_ratio.PATH}.objective.accuracy_from": rule.accuracy_from if isinstance(rule, Objective) else None,
    }
    for place, path in given.items():
        try:
            user_path(path or ".", place)
        except ScenarioError as error:
            faults.extend(error.faults)


def _check_auto_modes(parts: Mapping[str, Any], faults: list[Fault]) -> None:
    """Find power modes that nothing can choose: a rule does, by the price that knows of power modes."""
    found, pruned = parts["fleet"], parts["pruning"]
    if found is None or pruned is None:
        return
    rule = pruned.rule
    bound = isinstance(rule, Objective) or (isinstance(rule, Budget) and bool(rule.latency_s or rule.energy_j))
    if bound and rule.price == "emulated":
        return
    name = "objective" if isinstance(rule, Objective) else "budget"
    if bound:
        message = f"auto needs the emulated price; leave out `{keep_ratio.PATH}.{name}.price`, or name a mode"
    else:
        wanted = f"`{keep_ratio.PATH}: {{budget: {{latency_s: …}}}}`, a budget of energy_j, or an `objective`"
        message = f"auto needs {wanted}; give one, or name a mode; `edgesim tune` chooses one for any keep ratio"
    for i, group in enumerate(found.document.groups):
        if group.power_mode == AUTO_MODE:
            faults.append(Fault(f"fleet.groups[{i}].power_mode", message))


def _name(document: Document, source: str, faults: list[Fault]) -> str:
    if document.get("name") is None:
        return _fit_for_a_folder(Path(source).stem)
    name = document["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name.encode()) > _NAME_BYTES:
        form = (
            f"must be letters, digits, '.', '_' or '-', at most {_NAME_BYTES} bytes, beginning with a letter or digit"
        )
        fix = f"write '{_fit_for_a_folder(str(name))}'"
        faults.append(Fault("name", f"{form}; got {validation.kind_of(name)}; {fix}"))
    return str(name)


def _fit_for_a_folder(text: str) -> str:
    """A text as a scenario's name: characters that a name cannot hold become hyphens."""
    text = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", text))
    return text.encode()[:_NAME_BYTES].decode(errors="ignore").strip("._-") or "scenario"


def _seeds(given: Any, faults: list[Fault]) -> tuple[int, ...]:
    listed = given if isinstance(given, list) else [given]
    form = "must be one or more different integers >= 0"
    if not listed:
        faults.append(Fault("seeds", f"{form}; the list is empty"))
    if len(listed) > MAX_SEEDS:
        faults.append(Fault("seeds", f"lists {len(listed):,} seeds; at most {MAX_SEEDS:,} are allowed"))
        return ()
    for i, seed in enumerate(listed):
        name = f"seeds[{i}]" if isinstance(given, list) else "it"
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            faults.append(Fault("seeds", f"{form}; {name} is {validation.kind_of(seed)}{meant(seed, 'integers')}"))
        elif seed in listed[:i]:
            faults.append(Fault("seeds", f"{form}; {name} = {seed} stands there twice"))
    return tuple(listed)


def _section(document: Document, key: str, table: PluginTable, faults: list[Fault]) -> NamedPlugin | None:
    return bind(document[key], table, key, faults) if key in document else None


def _training(given: Any, faults: list[Fault]) -> tuple[Training | None, tuple[NamedPlugin, ...]]:
    """The settings and the augmentations; faults of the one hide none of the other."""
    listed = given.get("augment", []) if isinstance(given, dict) else []
    if not isinstance(listed, list):
        return validation.build(Training, given, "training", faults), ()
    table = PluginTable(AUGMENTATIONS, "__call__")
    found = [bind(one, table, f"training.augment[{i}]", faults) for i, one in enumerate(listed)]
    settings = {**given, "augment": []} if isinstance(given, dict) else given
    return validation.build(Training, settings, "training", faults), tuple(named for named in found if named)
