"""Scenarios: what is read, what is refused and in which words, and that the resolved document is the same scenario."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import DOCUMENT, ROOT

from edgesim import documents, schema
from edgesim import scenario as scenarios
from edgesim.conditions import Availability, Conditions, Energy
from edgesim.data.datasets import DATASETS
from edgesim.errors import ScenarioError
from edgesim.models import MODELS
from edgesim.scenario import Scenario


def load(changes: dict[str, Any] | None = None, without: tuple[str, ...] = ()) -> Scenario:
    document = {key: value for key, value in copy.deepcopy(DOCUMENT).items() if key not in without}
    return scenarios.from_document({**document, **(changes or {})}, "file.yaml", Path())


def faults(changes: dict[str, Any] | None = None, without: tuple[str, ...] = ()) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        load(changes, without)
    return {fault.path: fault.message for fault in caught.value.faults}


def changed(section: str, **changes: Any) -> dict[str, Any]:
    return {section: {**copy.deepcopy(DOCUMENT[section]), **changes}}


def test_a_scenario_is_read() -> None:
    scenario = load()
    assert scenario.name == "tiny"
    assert [device.name for device in scenario.fleet.devices] == ["raspberry-pi-4b"] * 2 + ["jetson-nano"]
    assert [method.label for method in scenario.pruning.methods] == ["full", "random", "importance"]
    assert scenario.pruning.keep_ratios == (0.2, 1.0)
    assert scenario.seeds == (0,)


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_scenario_is_valid_and_survives_its_resolved_form(path: Path) -> None:
    scenario = scenarios.load(path)
    again = scenarios.from_document(documents.parse(scenario.to_yaml(), "again"), "again.yaml", path.parent)
    assert again.document == scenario.document
    assert again == scenario


def test_overrides() -> None:
    changes = ["training.epochs=7", "model.hidden=[4]", "pruning.methods[2]={name: random, label: again}"]
    scenario = scenarios.from_document(DOCUMENT, "x.yaml", Path(), changes)
    assert scenario.training.epochs == 7
    assert scenario.model.plugin.hidden == (4,)
    assert [method.label for method in scenario.pruning.methods] == ["full", "random", "again"]
    assert DOCUMENT["training"]["epochs"] == 2  # the document that was given is left alone


ROWS: list[tuple[str, Any]] = [
    ("dataset", {"name": "parquet", "root": "x", "label": "fine_label"}),
    ("dataset", {"name": "npz", "root": "x.npz"}),
    ("dataset", {"name": "image-folder", "root": "x", "size": [8, 8]}),
    *[("dataset", name) for name in DATASETS if name not in ("parquet", "npz", "image-folder")],
    *[("model", name) for name in MODELS],
    ("partition", {"name": "iid"}),
    ("partition", {"name": "dirichlet", "alpha": 1, "sizes": 20}),
    ("partition", {"name": "pathological", "classes_per_device": 4}),
    ("partition", {"name": "quantity", "distribution": "power-law"}),
]


@pytest.mark.parametrize(("section", "given"), ROWS, ids=str)
def test_every_row_of_the_tables_survives_its_resolved_form(section: str, given: Any) -> None:
    scenario = load({section: given})
    again = scenarios.from_document(documents.parse(scenario.to_yaml(), "again"), "again", Path())
    assert again == scenario
    if isinstance(given, dict) and "label" in given:
        assert scenario.dataset.plugin.label == "fine_label"


BREAKING = ["!!int abc", "!!bool maybe", "!!timestamp x", "0b_", "[" * 5000, "&b {c: *b}", "9" * 5000]


@pytest.mark.parametrize("text", BREAKING, ids=lambda text: text[:12])
def test_text_that_breaks_the_parser_is_a_fault(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenarios.from_document(documents.parse(f"a: {text}", "x.yaml"), "x.yaml", Path())


def test_a_method_may_appear_twice_under_labels() -> None:
    methods = ["full", "importance", {"name": "importance", "label": "snapshots", "estimator": "snapshot"}]
    scenario = load(changed("pruning", methods=methods))
    assert [method.label for method in scenario.pruning.methods] == ["full", "importance", "snapshots"]
    again = scenarios.from_document(scenario.document, "again", Path())
    assert again.pruning.methods == scenario.pruning.methods


def on_phone(**conditions: Any) -> dict[str, Any]:
    return {"fleet": {"groups": [{"profile": "galaxy-s20", "count": 1, **conditions}]}}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"trainig": {}}, "trainig", "did you mean 'training'"),
        (changed("training", epocs=3), "training.epocs", "did you mean 'epochs'"),
        (changed("partition", aplha=3), "partition.aplha", "did you mean 'alpha'"),
        (changed("model", hiden=[3]), "model.hiden", "did you mean 'hidden'"),
        (changed("pruning", warmup={"epoch": 1}), "pruning.warmup.epoch", "did you mean 'epochs'"),
        (changed("pruning", methods=[{"name": "importance", "estimater": "x"}]), "pruning.methods[0].estimater", "did"),
        (
            {"fleet": {"groups": [{"profile": "jetson-nano", "cont": 1}]}},
            "fleet.groups[0].cont",
            "did you mean 'count'",
        ),
        (changed("training", epochs="three"), "training.epochs", "integer; got text ('three')"),
        (changed("training", epochs=2.5), "training.epochs", "got a number (2.5)"),
        (changed("training", epochs=0), "training.epochs", "greater than or equal to 1; got a number (0)"),
        (changed("training", learning_rate=-1), "training.learning_rate", "greater than 0"),
        (changed("training", learning_rate=float("nan")), "training.learning_rate", "got a number (nan)"),
        (changed("training", optimizer="adan"), "training.optimizer", "'adam', 'adamw' or 'sgd'; got text ('adan')"),
        (changed("training", augment=["crop-flop"]), "training.augment[0].name", "did you mean 'crop-flip'"),
        (changed("pruning", keep_ratio=0), "pruning.keep_ratio", "(0, 1]"),
        (changed("pruning", keep_ratio=[0.5, 1.5]), "pruning.keep_ratio[1]", "got 1.5"),
        (changed("pruning", keep_ratio=[]), "pruning.keep_ratio", "the list is empty"),
        (changed("pruning", keep_ratio=[0.5, 0.5]), "pruning.keep_ratio[1]", "listed twice"),
        (changed("pruning", keep_ratio="half"), "pruning.keep_ratio", "got 'half'"),
        (changed("pruning", methods=["improtance"]), "pruning.methods[0].name", "did you mean 'importance'"),
        (changed("pruning", methods=[]), "pruning.methods", "at least one method"),
        (
            changed("pruning", methods=["random", "random"]),
            "pruning.methods[1]",
            "listed twice; give one of them a `label`",
        ),
        (changed("pruning", methods="random"), "pruning.methods", "list; got text"),
        (changed("pruning", methods=[3]), "pruning.methods[0]", "must be a name or a map with `name`"),
        (changed("pruning", warmup={"epochs": 1, "iterations": 5}), "pruning.warmup", "not in both"),
        ({"model": "resnet9"}, "model.name", "did you mean 'resnet8'"),
        ({"model": "timm:no_such_net"}, "model.name", "no_such_net"),
        ({"model": "no_such_package.nets:Net"}, "model.name", "no module 'no_such_package'"),
        ({"dataset": "cifar-10"}, "dataset.name", "did you mean 'cifar10'"),
        ({"dataset": "parquet"}, "dataset.root", "is missing"),
        ({"partition": "dirichlett"}, "partition.name", "did you mean 'dirichlet'"),
        ({"partition": {"name": "dirichlet", "alpha": 0}}, "partition.alpha", "greater than 0"),
        ({"partition": {"name": "dirichlet", "alpha": -1}}, "partition.alpha", "greater than 0"),
        ({"partition": {"name": "pathological", "classes_per_device": 0}}, "partition.classes_per_device", "greater"),
        ({"fleet": {"groups": []}}, "fleet.groups", "at least one device"),
        ({"fleet": {"groups": [{"profile": "jetson-nano", "count": 0}]}}, "fleet.groups[0].count", "equal to 1"),
        ({"fleet": {"groups": [{"profile": "jetson-nan", "count": 1}]}}, "fleet.groups[0].profile", "jetson-nano"),
        (
            {"fleet": {"groups": [{"profile": "jetson-nano", "count": 1}] * 2}},
            "fleet.groups[1].profile",
            "'jetson-nano' under the same conditions is already groups[0]",
        ),
        (
            {"fleet": {"groups": [{"profile": "jetson-nano"}]}},
            "fleet.groups[0]",
            "either `count` or `share`; got neither",
        ),
        ({"fleet": {"groups": [{"profile": "jetson-nano", "share": 0.5}], "size": 4}}, "fleet.groups", "sum to 0.5"),
        ({"fleet": {"groups": [{"profile": "jetson-nano", "share": 1.0}]}}, "fleet.groups", "shares need `size`"),
        ({"fleet": {"groups": [{"profile": "jetson-nano", "count": 2}], "size": 5}}, "fleet.size", "counts sum to 2"),
        (on_phone(power_mode="ful"), "fleet.groups[0].power_mode", "did you mean 'full'?; allowed: full"),
        (on_phone(energy={"source": "batery"}), "fleet.groups[0].energy.source", "'mains', 'battery' or 'harvest'"),
        (on_phone(energy={"source": "harvest"}), "fleet.groups[0].energy", "source: harvest needs harvest_w"),
        (on_phone(energy={"state_of_charge": 0.5}), "fleet.groups[0].energy", "give source: battery or harvest"),
        (
            on_phone(energy={"source": "battery", "state_of_charge": 50}),
            "fleet.groups[0].energy.state_of_charge",
            "less than or equal to 1",
        ),
        (
            on_phone(energy={"source": "harvest", "harvest_w": [[5, 1]], "period_s": 10}),
            "fleet.groups[0].energy",
            "must start at 0",
        ),
        (on_phone(available={"period_s": 10, "windows": [[5, 20]]}), "fleet.groups[0].available", "to_s <= period_s"),
        (on_phone(available={"period_s": 10}), "fleet.groups[0].available.windows", "is missing"),
        (
            {"fleet": {"groups": [{"profile": "jetson-nano", "count": 1, "energy": {"source": "battery"}}]}},
            "fleet.groups[0].energy",
            "'jetson-nano' has no battery in its profile; give capacity_j",
        ),
        ({"fleet": "no-such-fleet.yaml"}, "fleet.(no-such-fleet.yaml)", "no such file"),
        ({"fleet": [1]}, "fleet", "must be a map, not a list"),
        ({"training": [1]}, "training", "must be a map, not a list"),
        ({"pruning": None}, "pruning", "must be a map, not nothing"),
        ({"dataset": ["digits"]}, "dataset", "must be a name or a map with `name`; got a list"),
        ({"seeds": []}, "seeds", "one or more different integers"),
        ({"seeds": [1, 1]}, "seeds", "different integers"),
        ({"seeds": [-1]}, "seeds", ">= 0"),
        ({"seeds": [True]}, "seeds", "integers"),
        ({"name": "a/b"}, "name", "letters, digits"),
        ({"cost": {"weights": {"time": -1}}}, "cost.weights.time", "greater than or equal to 0"),
        ({"evaluation": {"every": -1}}, "evaluation.every", "greater than or equal to 0"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_fault_names_its_path_and_what_is_allowed(changes: dict[str, Any], path: str, words: str) -> None:
    found = faults(changes)
    assert list(found) == [path]
    assert words in found[path]


@pytest.mark.parametrize("section", ["dataset", "partition", "fleet", "model", "pruning"])
def test_a_missing_section_is_named(section: str) -> None:
    assert faults(without=(section,)) == {section: "is missing and has no default"}


def test_every_fault_is_reported_at_once() -> None:
    found = faults(
        {
            "model": "resnet9",
            "seeds": [],
            "extra": 1,
            **changed("training", epochs=0, batch_size=-1),
            **changed("pruning", keep_ratio=[2], methods=["nothing"]),
            **{"partition": {"name": "dirichlet", "alpha": 0}},
        }
    )
    assert set(found) == {
        "model.name",
        "seeds",
        "extra",
        "training.epochs",
        "training.batch_size",
        "pruning.keep_ratio[0]",
        "pruning.methods[0].name",
        "partition.alpha",
    }


def test_a_fleet_file_with_shares(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "size: 7\nspread: 0.2\ngroups:\n"
        "  - {profile: jetson-nano, share: 0.5}\n  - {profile: raspberry-pi-5, share: 0.5}\n"
    )
    scenario = scenarios.from_document({**DOCUMENT, "fleet": "site.yaml"}, "file.yaml", tmp_path)
    names = [device.name for device in scenario.fleet.devices]
    assert names == ["jetson-nano"] * 4 + ["raspberry-pi-5"] * 3  # 3.5 and 3.5: the tie goes to the first
    speeds = {device.throughput_flops_per_s for device in scenario.fleet.devices}
    assert len(speeds) == 7  # every device its own factor
    assert scenario.document["fleet"]["spread"] == 0.2  # inlined


def test_groups_of_one_profile_under_different_conditions() -> None:
    groups = [
        {"profile": "galaxy-s20", "count": 1},
        {"profile": "galaxy-s20", "count": 2, "energy": {"source": "battery", "state_of_charge": 0.5}},
        {"profile": "jetson-nano", "count": 1, "power_mode": "gpu-614mhz"},
        {"profile": "jetson-nano", "count": 1, "available": {"period_s": 86400, "windows": [[0, 21600]]}},
    ]
    scenario = load({"fleet": {"groups": groups}})
    conditions = scenario.fleet.conditions
    assert [device.name for device in scenario.fleet.devices] == ["galaxy-s20"] * 3 + ["jetson-nano"] * 2
    assert conditions[0] == Conditions()
    assert conditions[1] == conditions[2] == Conditions(energy=Energy("battery", 0.5))
    assert conditions[3] == Conditions("gpu-614mhz")
    assert conditions[4] == Conditions(available=Availability(86400, ((0, 21600),)))
    again = load({"fleet": scenario.document["fleet"]})
    assert again.fleet == scenario.fleet


def test_the_spread_is_log_normal_around_the_profile() -> None:
    import numpy as np

    groups = [{"profile": "raspberry-pi-4b", "count": 400}]
    varied = load({"fleet": {"groups": groups, "spread": 0.3}}).fleet.devices
    plain = load({"fleet": {"groups": groups}}).fleet.devices
    factors = np.log([a.throughput_flops_per_s / b.throughput_flops_per_s for a, b in zip(varied, plain, strict=True)])
    assert abs(factors.mean()) < 0.05  # standard error 0.015
    assert abs(factors.std() - 0.3) < 0.04
    # The first devices stay what they are when the fleet grows.
    fewer = load({"fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 5}], "spread": 0.3}}).fleet.devices
    assert [d.throughput_flops_per_s for d in fewer] == [d.throughput_flops_per_s for d in varied[:5]]


def test_the_schema_knows_the_tables() -> None:
    made = schema.scenario()
    text = json.dumps(made)
    assert made["required"] == ["dataset", "partition", "fleet", "model", "pruning"]
    for name in ("importance", "dirichlet", "resnet8", "fashion-mnist", "crop-flip", "keep_ratio"):
        assert f'"{name}"' in text
    assert set(made["properties"]) == {*scenarios.REQUIRED, *scenarios.OPTIONAL}


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_scenarios_satisfy_the_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(documents.read(path), schema.scenario())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**documents.read(path), "surplus": 1}, schema.scenario())
