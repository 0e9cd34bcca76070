"""Scenarios: what is read, what is refused and in which words, and that the resolved document is the same scenario."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import DOCUMENT, ROOT

from edgesim.config import validation
from edgesim.data.datasets import DATASETS
from edgesim.data.public import PUBLIC
from edgesim.errors import ScenarioError
from edgesim.hardware.conditions import Availability, Conditions, Energy
from edgesim.models import MODELS
from edgesim.models.detection_models import DETECTORS
from edgesim.scenario import loading as scenarios
from edgesim.scenario import schema
from edgesim.scenario.loading import Scenario


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
    again = scenarios.from_document(validation.parse(scenario.to_yaml(), "again"), "again.yaml", path.parent)
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
    (
        "dataset",
        {"name": "csv", "root": "x.csv", "window": {"length": 80, "by": ["subject", "day"]}, "test_share": 0.2},
    ),
    ("dataset", {"name": "npz", "root": "x.npz", "columns": {"subject": "who", "site": ["a", "b"]}, "test": "within"}),
    ("dataset", {"name": "image-folder", "root": "x", "size": [8, 8]}),
    ("dataset", {"name": "huggingface", "path": "someone/pets", "config": "small", "samples": "x"}),
    ("dataset", {"name": "voc", "root": "x", "classes": ["cell"], "size": [64, 64]}),
    *[("dataset", name) for name in DATASETS if name in ("digits", *PUBLIC, "tiny-imagenet")],
    *[("model", name) for name in MODELS],
    ("partition", {"name": "iid"}),
    ("partition", {"name": "dirichlet", "alpha": 1, "sizes": 20}),
    ("partition", {"name": "pathological", "classes_per_device": 4}),
    ("partition", {"name": "quantity", "distribution": "power-law"}),
]


@pytest.mark.parametrize(("section", "given"), ROWS, ids=str)
def test_every_row_of_the_tables_survives_its_resolved_form(section: str, given: Any) -> None:
    boxes = {"dataset": {"name": "voc", "root": "x"}, "model": "yolov3-tiny"}
    found = given in (*DETECTORS,) or (isinstance(given, dict) and given["name"] == "voc")
    scenario = load({**(boxes if found else {}), section: given})
    again = scenarios.from_document(validation.parse(scenario.to_yaml(), "again"), "again", Path())
    assert again == scenario
    if isinstance(given, dict) and "label" in given:
        assert scenario.dataset.plugin.label == "fine_label"


BREAKING = ["!!int abc", "!!bool maybe", "!!timestamp x", "0b_", "[" * 5000, "&b {c: *b}", "9" * 5000]


@pytest.mark.parametrize("text", BREAKING, ids=lambda text: text[:12])
def test_text_that_breaks_the_parser_is_a_fault(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenarios.from_document(validation.parse(f"a: {text}", "x.yaml"), "x.yaml", Path())


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
        (on_phone(power_mode="ful"), "fleet.groups[0].power_mode", "did you mean 'full'?); allowed: full"),
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
        ({"name": "a/b"}, "name", "write 'a-b'"),
        ({"name": 2024}, "name", "got a number (2024); write '2024'"),
        (
            {"partition": {"name": "dirichlet", "alpha": 1, "sizes": 5, "self_balancing": True}},
            "partition",
            "sizes and self_balancing exclude each other",
        ),
        ({"seeds": [1, "0x3"]}, "seeds", "seeds[1] is text ('0x3'); write 3"),
        ({"seeds": [4, 5, 4]}, "seeds", "seeds[2] = 4 stands there twice"),
        (changed("training", epochs="1:30"), "training.epochs", "got text ('1:30'); a decimal number is wanted"),
        (changed("training", nesterov="yes"), "training.nesterov", "true or false; got text ('yes'); write true"),
        (changed("training", weight_decay=float("inf")), "training.weight_decay", "finite number; got a number (inf)"),
        (changed("partition", alpha=float("nan")), "partition.alpha", "finite number; got a number (nan)"),
        (changed("pruning", keep_ratio="50%"), "pruning.keep_ratio", "write 0.5: no per cent"),
        (changed("pruning", scores_from=12), "pruning.scores_from", "got a number (12); put text in quotes"),
        (
            changed("pruning", keep_ratio={"budget": {"latency_s": "1:30"}}),
            "pruning.keep_ratio.budget.latency_s",
            "write seconds: 5400 as h:mm, 90 as min:s",
        ),
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


def test_no_fault_hides_another() -> None:
    """A group's count hid the profile of the next one; a warm-up all methods; an epoch all augmentations."""
    found = faults(
        {
            "fleet": {
                "groups": [
                    {"profile": "pixel-8", "count": 0},
                    {"profile": "jetson-nano", "count": 1, "power_mode": "fast", "energy": {"source": "battery"}},
                    {"profile": "jetson-nan", "cnt": 1},
                    {"profile": "pixel-7", "available": {"period_s": 10, "windows": [[-1, 2], [4, 4]]}},
                ]
            },
            **changed("training", epochs=0, augment=["crop-flop", {"name": "cutout", "size": 0}]),
            **changed(
                "pruning",
                methods=["nothing", {"name": "importance", "label": 3, "warmup": {"epochs": -1, "iterations": 2}}],
                keep_ratio={"budget": {"energy_j": -1}, "objective": {"lambda": -2}},
                warmup={"epochs": 1, "iterations": 0},
                keep_scores="on",
            ),
        }
    )
    assert set(found) == {
        "fleet.groups[0].profile",
        "fleet.groups[0].count",
        "fleet.groups[1].power_mode",
        "fleet.groups[1].energy",
        "fleet.groups[2].profile",
        "fleet.groups[2].cnt",
        "fleet.groups[3]",
        "fleet.groups[3].available",
        "fleet.groups[3].available.windows[0][0]",
        "training.epochs",
        "training.augment[0].name",
        "training.augment[1].size",
        "pruning.methods[0].name",
        "pruning.methods[1].label",
        "pruning.methods[1].warmup",
        "pruning.methods[1].warmup.epochs",
        "pruning.keep_ratio",
        "pruning.keep_ratio.budget.energy_j",
        "pruning.keep_ratio.objective",
        "pruning.keep_ratio.objective.lambda",
        "pruning.warmup",
        "pruning.warmup.iterations",
        "pruning.keep_scores",
    }


def test_a_faulty_profile_hides_no_other_group(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: jetson-nano\npower: {idle_w: {value: 0x1F}}\nbatery: 3\n")
    groups = [{"profile": "mine.yaml", "count": 1}, {"profile": "pixel-8", "count": 1}]
    with pytest.raises(ScenarioError) as caught:
        scenarios.from_document({**DOCUMENT, "fleet": {"groups": groups}}, "x.yaml", tmp_path)
    text = str(caught.value)
    for words in ("power.idle_w.value", "write 31", "batery", "fleet.groups[1].profile: there is no device profile"):
        assert words in text


def on_pi(**conditions: Any) -> dict[str, Any]:
    return {"fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 1, **conditions}]}}


DAY = {"period_s": 86400}


@pytest.mark.parametrize(
    "windows",
    [[["22:00", "23:30"]], [["22:00:00", "23:30:00"]], [[79200, 84600]]],
    ids=str,
)
def test_clock_times_are_seconds(windows: list[Any]) -> None:
    scenario = load(on_pi(available={"period_s": "24:00", "windows": windows}))
    assert scenario.fleet.conditions[0].available == Availability(86400, ((79200, 84600),))
    resolved = scenario.document["fleet"]["groups"][0]["available"]
    assert resolved == {"period_s": 86400.0, "windows": [[79200.0, 84600.0]]}


def test_clock_times_from_a_file_and_from_set(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    group = "{profile: raspberry-pi-4b, count: 010, available: {period_s: 24:00, windows: [[1:00, 05:00]]}}"
    document = {key: value for key, value in DOCUMENT.items() if key not in ("fleet", "name")}
    file.write_text(f"{validation.dump(document)}fleet: {{groups: [{group}]}}\n")
    scenario = scenarios.load(file)
    assert len(scenario.fleet) == 10
    assert scenario.fleet.conditions[0].available == Availability(86400, ((3600, 18000),))
    late = scenarios.load(file, ["fleet.groups[0].available.windows=[[22:00, 23:30]]"])
    assert late.fleet.conditions[0].available == Availability(86400, ((79200, 84600),))


def test_the_place_of_a_window_that_is_no_pair_is_named() -> None:
    windows: list[Any] = [[1, 2], ["22:00"], [1, 2, 3], 7]
    with pytest.raises(ScenarioError) as caught:
        load(on_pi(available={"period_s": 100, "windows": windows}))
    assert {fault.path: fault.message for fault in caught.value.faults} == {
        "fleet.groups[0].available.windows[1][1]": "is missing and has no default",
        "fleet.groups[0].available.windows[2]": "should have at most 2 items, not 3; got a list",
        "fleet.groups[0].available.windows[3]": "should be a list; got a number (7)",
    }


@pytest.mark.parametrize(
    ("period_s", "windows", "told"),
    [
        (
            518400,
            [[1000, 4000], [510000, 2000]],
            ["windows[1] = [510000, 2000] passes the end of the period; write [0, 2000] and [510000, 518400]"],
        ),
        (
            518400,
            [[500000, 530000]],
            ["windows[0] = [500000, 530000] passes the end of the period; write [0, 11600] and [500000, 518400]"],
        ),
        (
            "24:00",
            [["22:00", "6:00"]],
            ["windows[0] = [22:00, 6:00] passes the end of the period; write [0, 21600] and [79200, 86400]"],
        ),
        (100, [[90, 0]], ["windows[0] = [90, 0] passes the end of the period; write [90, 100]"]),
        (
            100,
            [[7, 7], [9, 9]],
            ["windows[0] = [7, 7] has no length; leave it out", "windows[1] = [9, 9] has no length"],
        ),
        (100, [[5, 105]], ["windows[0] = [5, 105] is as long as the period (100 s) or longer"]),
        (100, [[120, 130]], ["windows[0] = [120, 130] begins after the end of the period (100 s)"]),
        (100, [[0, 20], [10, 30]], ["windows[1] = [10, 30] overlaps windows[0] = [0, 20]; write [0, 30] for both"]),
        (100, [[50, 60], [10, 20]], ["windows[1] = [10, 20] comes before windows[0] = [50, 60]; put them in order"]),
    ],
)
def test_a_window_is_named(period_s: Any, windows: list[Any], told: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(on_pi(available={"period_s": period_s, "windows": windows}))
    assert [fault.path for fault in caught.value.faults] == ["fleet.groups[0].available"] * len(told)
    for fault, words in zip(caught.value.faults, told, strict=True):
        assert fault.message.startswith(words)


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (
            [[60, 0.5], [120, 2.0]],
            "harvest_w[0] = [60, 0.5] begins at 60 s, and the trace must start at 0; write [0, 2]",
        ),
        ([[0, 1], [60, 2], [60, 3]], "harvest_w[2] = [60, 3] has the time of harvest_w[1] = [60, 2]; keep one"),
        ([[0, 1], [60, 2], [30, 3]], "harvest_w[2] = [30, 3] comes before harvest_w[1] = [60, 2]; times must rise"),
        ([[0, 1], ["24:00", 2]], "harvest_w[1] = [24:00, 2] is not within the period (86400 s)"),
    ],
)
def test_an_entry_of_a_trace_is_named(trace: list[Any], told: str) -> None:
    energy = {"source": "harvest", "capacity_j": 100, "period_s": "24:00", "harvest_w": trace}
    (found,) = faults(on_pi(energy=energy)).items()
    assert found[0] == "fleet.groups[0].energy"
    assert found[1].startswith(told)


def test_equal_faults_are_counted() -> None:
    trace = [[60 * i, -0.02 if i % 2 else 1] for i in range(1440)]
    with pytest.raises(ScenarioError) as caught:
        load(on_pi(energy={"source": "harvest", "capacity_j": 100, "period_s": 86400, "harvest_w": trace}))
    assert len(caught.value.faults) == 720
    assert str(caught.value).splitlines() == [
        "file.yaml: 720 faults",
        "  fleet.groups[0].energy.harvest_w[1][1]: should be greater than or equal to 0; got a number (-0.02); "
        "allowed is 0 to 10000 W",
        "    and 719 faults more of this kind, the last: fleet.groups[0].energy.harvest_w[1439][1]",
    ]


def test_faults_that_name_different_things_are_all_listed() -> None:
    with pytest.raises(ScenarioError) as caught:
        load({"fleet": {"groups": [{"profile": f"board-{i}", "count": 1} for i in range(6)]}})
    assert all(f"'board-{i}'" in str(caught.value) for i in range(6))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("my scenario (1)", "my-scenario-1"), ("Größe", "Größe"), ("Gro\u0308ße", "Größe"), ("2024", "2024"),
        ("a.b_c-d", "a.b_c-d"), ("_x", "x"), ("(((", "scenario"), ("実験 1", "実験-1"), ("é" * 100, "é" * 40),
    ],
)  # fmt: skip
def test_a_name_that_comes_from_the_file_fits_a_folder(stem: str, name: str, tmp_path: Path) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "name"}
    scenario = scenarios.from_document(document, f"{stem}.yaml", tmp_path)
    assert scenario.name == name
    (tmp_path / f"{name}-20260101-000000").mkdir()
    again = scenarios.from_document(validation.parse(scenario.to_yaml(), "again"), "again.yaml", tmp_path)
    assert again.name == name


def test_a_scenario_from_a_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numpy as np

    import edgesim

    (tmp_path / "mine.yaml").write_text("extends: jetson-nano\n")
    monkeypatch.chdir(tmp_path)
    document = {
        **{key: value for key, value in DOCUMENT.items() if key != "name"},
        "fleet": {"groups": [{"profile": "mine.yaml", "count": np.int64(2)}]},
        "model": {"name": "mlp", "hidden": np.array([8, 4])},
        "pruning": {"methods": ("full", "random"), "keep_ratio": np.linspace(0.25, 0.75, 3)},
        "seeds": range(2),
    }
    scenario = edgesim.load_scenario(document, {"training.epochs": np.int64(5)})
    assert scenario.name == "scenario"
    assert scenario.folder.resolve() == tmp_path
    assert [device.name for device in scenario.fleet.devices] == ["mine", "mine"]
    assert scenario.model.plugin.hidden == (8, 4)
    assert scenario.pruning.keep_ratios == (0.25, 0.5, 0.75)
    assert scenario.seeds == (0, 1)
    assert scenario.training.epochs == 5
    assert repr(scenario).splitlines() == [
        "Scenario scenario",
        "  data set    digits",
        "  partition   dirichlet (alpha 0.5)",
        "  devices     2: 2 mine",
        "  model       mlp (hidden [8, 4])",
        "  training    5 epochs in batches of 32",
        "  methods     full, random",
        "  keep ratio  0.25, 0.5, 0.75",
        "  seeds       0, 1",
        "  trials      16",
    ]
    assert "<td>full, random</td>" in scenario._repr_html_()


@pytest.mark.parametrize("given", [5, None, ["a"]])
def test_what_is_neither_a_path_nor_a_map_is_refused(given: Any) -> None:
    with pytest.raises(ScenarioError, match="must be the path of a YAML file, or a map with its content; got"):
        scenarios.load(given)


def test_a_map_that_holds_no_plain_data_is_refused() -> None:
    circle: dict[str, Any] = {"name": "mlp"}
    circle["hidden"] = circle
    found = faults({"model": circle, "dataset": {"name": "digits", "test_share": {1, 2}}, "seeds": object()})
    assert found["model.hidden"].startswith("holds itself")
    assert "must be plain data (text, numbers, lists, maps), not set" in found["dataset.test_share"]


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
        {"profile": "jetson-nano", "count": 1, "power_mode": "5W"},
        {"profile": "jetson-nano", "count": 1, "available": {"period_s": 86400, "windows": [[0, 21600]]}},
    ]
    scenario = load({"fleet": {"groups": groups}})
    conditions = scenario.fleet.conditions
    assert [device.name for device in scenario.fleet.devices] == ["galaxy-s20"] * 3 + ["jetson-nano"] * 2
    assert conditions[0] == Conditions()
    assert conditions[1] == conditions[2] == Conditions(energy=Energy("battery", 0.5))
    assert conditions[3] == Conditions("5W")
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
    assert set(made["properties"]) == {*scenarios.REQUIRED, *scenarios.OPTIONAL, scenarios.SWEEP}


def properties_of(part: Any, path: str = "") -> dict[str, Any]:
    """Every property of a schema, at every depth, but for ranges under a condition (`unsafe`)."""
    found: dict[str, Any] = {}
    if isinstance(part, dict) and "unsafe" in part.get("if", {}).get("required", ()):
        part = {key: value for key, value in part.items() if key not in ("if", "else")}
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key == "properties":
            found |= {f"{path}.{name}": prop for name, prop in value.items()}
        found |= properties_of(value, f"{path}.{key}")
    return found


@pytest.mark.parametrize("document", schema.SCHEMAS)
def test_every_property_of_a_schema_is_described(document: str) -> None:
    found = properties_of(schema.SCHEMAS[document]())
    assert len(found) > 15
    for path, prop in found.items():
        said = prop.get("description", "")
        assert len(said) > 3, path
        assert not said.startswith(("Range", "Default")), path
        if isinstance(prop.get("default"), bool | int | str):
            assert f"Default: {prop['default']}".lower() in said.lower() or "left out: 0" in said, path
        for key, words in (("minimum", "or more"), ("exclusiveMinimum", "above")):
            assert key not in prop or words in said or "from" in said or said.startswith("in "), path


def test_schemas_refuse_what_the_program_refuses_in_lists() -> None:
    made, fleet = schema.scenario()["properties"], schema.fleet()["properties"]
    for listed in (made["seeds"]["anyOf"][1], made["pruning"]["properties"]["keep_ratio"]["anyOf"][1]):
        assert (listed["minItems"], listed["uniqueItems"]) == (1, True)
    assert fleet["groups"]["minItems"] == made["fleet"]["anyOf"][1]["properties"]["groups"]["minItems"] == 1


def test_a_description_has_text_range_and_default() -> None:
    made = schema.scenario()["properties"]
    assert made["training"]["properties"]["decay"]["description"] == (
        "Factor on the learning rate at each milestone of the step schedule. Range: above 0, below 1. "
        "Plausible: from 1e-6 to 1. Default: 0.1."
    )
    group = schema.fleet()["$defs"]["Group"]["properties"]
    assert group["count"]["description"] == "Number of devices; give this or `share`. Range: from 1 to 1e6."
    profile = schema.profile()["$defs"]
    assert "`value` in op/s, from 1e6" in profile["Compute"]["properties"]["peak_int8_ops_per_s"]["description"]
    idle = profile["Power"]["properties"]["idle_w"]["description"]
    assert "A map with `value` in W, from 1e-5 to 2000, `source` and `confidence`." in idle


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios" / "fleets").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_fleets_satisfy_their_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(validation.read(path), schema.fleet())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**validation.read(path), "surplus": 1}, schema.fleet())


def test_the_schema_takes_clock_times() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    group = {"profile": "pixel-7", "count": 1}
    for windows, good in ([["22:00", "23:30"]], True), ([[0, 5]], True), ([["10pm", 5]], False):
        available = {"period_s": "24:00", "windows": windows}
        fleet = {"groups": [{**group, "available": available}]}
        assert jsonschema.Draft202012Validator(schema.fleet()).is_valid(fleet) is good


@pytest.fixture(scope="module")
def validator() -> Any:
    """A validator of scenarios; the schema itself is one."""
    jsonschema = pytest.importorskip("jsonschema")
    made = jsonschema.Draft202012Validator(schema.scenario())
    made.check_schema(made.schema)
    return made


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_scenarios_satisfy_the_schema(path: Path, validator: Any) -> None:
    assert list(validator.iter_errors(validation.read(path))) == []
    assert not validator.is_valid({**validation.read(path), "surplus": 1})
