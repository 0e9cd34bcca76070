"""Plausible ranges of scenario, fleet and profile keys, and the way past them: `unsafe: true` in the same map."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_document_bounds import BASE, group

import edgesim
from edgesim.config import validation
from edgesim.config.plausible import WAY_PAST
from edgesim.errors import ScenarioError
from edgesim.hardware import loading
from edgesim.scenario import schema


def pruning(**changes: Any) -> dict[str, Any]:
    return {"pruning": {"methods": ["el2n"], "keep_ratio": 0.5, **changes}}


def faults(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        edgesim.load_scenario({**BASE, **document})
    return {fault.path: fault.message for fault in caught.value.faults}


def map_of(document: Any, path: str) -> dict[str, Any]:
    """The innermost map on the way to a path of a document."""
    found = document
    for step in re.findall(r"[^.\[\]]+", path):
        document = document[int(step) if step.isdigit() else step]
        found = document if isinstance(document, dict) else found
    return found


@pytest.mark.parametrize(
    ("changes", "path", "allowed"),
    [
        ({"training": {"learning_rate": 1e30}}, "training.learning_rate", "1e-09 to 100"),
        ({"training": {"epochs": 10**6}}, "training.epochs", "1 to 100,000"),
        ({"training": {"weight_decay": 1e300}}, "training.weight_decay", "0 to 10"),
        ({"partition": {"name": "dirichlet", "alpha": 1e-300}}, "partition.alpha", "0.0001 to 1e+06"),
        ({"model": {"name": "mlp", "hidden": [8, 10**6]}}, "model.hidden[1]", "1 to 16,384"),
        ({"cost": {"weights": {"time": 1e30}}}, "cost.weights.time", "0 to 1e+06"),
        (pruning(warmup={"epochs": 1e6}), "pruning.warmup.epochs", "0.0001 to 100000"),
        (pruning(methods=[{"name": "el2n", "replicas": 10**6}]), "pruning.methods[0].replicas", "1 to 1,000"),
        (pruning(keep_ratio={"budget": {"energy_j": 1e300}}), "pruning.keep_ratio.budget.energy_j", "1e-09 to 1e+12 J"),
        (
            group(energy={"source": "harvest", "capacity_j": 9, "period_s": 60, "harvest_w": [[0, 1], [5, 1e9]]}),
            "fleet.groups[0].energy.harvest_w[1][1]",
            "0 to 10000 W",
        ),
    ],
)
def test_an_implausible_number_needs_unsafe_beside_it(changes: dict[str, Any], path: str, allowed: str) -> None:
    message = faults(changes)[path]
    assert f"is not plausible: allowed is {allowed}" in message
    assert message.endswith(WAY_PAST)

    document: Any = {**BASE, **copy.deepcopy(changes)}
    map_of(document, path)["unsafe"] = True
    scenario = edgesim.load_scenario(document)
    again = edgesim.load_scenario(scenario.document)
    assert again.document == scenario.document
    assert scenario.to_yaml().count("unsafe: true") == 1
    assert "unsafe: false" not in scenario.to_yaml()


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        ({"epochs": 0, "unsafe": True}, "training.epochs", "greater than or equal to 1"),
        ({"learning_rate": float("inf"), "unsafe": True}, "training.learning_rate", "must be a finite number"),
        ({"learning_rate": -1e30, "unsafe": True}, "training.learning_rate", "greater than 0"),
        ({"epochs": 10**13, "unsafe": True}, "training.epochs", "less than or equal to 1000000000000"),
        ({"weight_decay": -1, "unsafe": True}, "training.weight_decay", "greater than or equal to 0"),
        ({"learning_rate": 1e30, "unsafe": "yes"}, "training.unsafe", "true or false"),
        ({"learning_rate": 1e30, "unsafe": False}, "training.learning_rate", "is not plausible"),
    ],
)
def test_unsafe_allows_nothing_else(section: dict[str, Any], path: str, words: str) -> None:
    assert words in faults({"training": section})[path]


def test_limits_of_many_digits_are_readable() -> None:
    message = faults({"cost": {"weights": {"time": 1e300, "unsafe": True}}})["cost.weights.time"]
    assert message.startswith("should be less than or equal to 1e+100; got a number (1e+300)")


def test_unsafe_holds_for_its_own_map_alone() -> None:
    nested = {"source": "battery", "capacity_j": 1e12}
    assert "is not plausible" in faults(group(energy=nested))["fleet.groups[0].energy.capacity_j"]
    assert faults({**group(energy=nested, unsafe=True)})["fleet.groups[0].unsafe"].startswith("unknown key")


def numbers(part: Any, path: str = "", bounded: bool = False) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Path and schema of every number; True where a range under the condition `unsafe` holds it."""
    if isinstance(part, list):
        for place, inner in enumerate(part):
            yield from numbers(inner, f"{path}[{place}]", bounded)
    elif isinstance(part, dict):
        if part.get("type") in ("number", "integer"):
            yield path, part, bounded
        ranges = part.get("else", {}).get("properties", {})
        for key, inner in part.items():
            if key == "properties":
                for name, prop in inner.items():
                    said = "lausible" in prop.get("description", "") or "Each: " in prop.get("description", "")
                    yield from numbers(prop, f"{path}.{name}", name in ranges or said)
            elif key not in ("if", "else") or (key == "else" and not path):
                yield from numbers(inner, f"{path}.{key}", bounded)


@pytest.mark.parametrize("document", schema.SCHEMAS)
def test_every_number_of_a_document_is_bounded_on_both_sides(document: str) -> None:
    """By its type, or by a plausible range; seeds by the 63 bits of every integer."""
    found = [entry for entry in numbers(schema.SCHEMAS[document]()) if "seed" not in entry[0]]
    assert len(found) > 5
    lows, highs = ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"})
    assert [path for path, part, held in found if not held and not (lows & set(part) and highs & set(part))] == []


def profile(folder: Path, *lines: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text("\n".join(["extends: jetson-nano", *lines]), encoding="utf-8")
    return file


def quantity(value: float, unsafe: bool) -> str:
    return f"{{value: {value}, source: mine, confidence: estimate{', unsafe: true' if unsafe else ''}}}"


def test_a_profile_past_its_ranges(tmp_path: Path) -> None:
    """The range of its class and that of every device; the finer peaks follow the coarse one, and are as unsafe."""
    line = "compute: {peak_fp32_flops_per_s: %s}"
    with pytest.raises(ScenarioError) as caught:
        loading.load(profile(tmp_path, line % quantity(1e18, unsafe=False)))
    (fault,) = [fault for fault in caught.value.faults if "fp32" in fault.path]
    assert fault.path == "compute.peak_fp32_flops_per_s.value"
    assert "for class jetson-gpu: 1e+18 is not plausible: allowed is 1e+11 to 2e+13 FLOP/s" in fault.message
    assert fault.message.endswith(WAY_PAST)
    found = loading.load(profile(tmp_path, line % quantity(1e18, unsafe=True)))
    assert found.compute.peak_fp32_flops_per_s.value == 1e18
    assert found.compute.peak_fp16_flops_per_s is not None
    assert found.compute.peak_fp16_flops_per_s.unsafe
    written = loading.to_dict(found)
    file = tmp_path / "again.yaml"
    file.write_text(validation.dump({**written, "name": "again"}), encoding="utf-8")
    assert loading.load(file).compute == found.compute
    assert "unsafe" not in str(loading.to_dict(loading.load("jetson-nano")))


def test_a_network_too_large_to_build_is_refused_before_it_is() -> None:
    from edgesim.errors import EdgesimError
    from edgesim.models import MODELS

    for name, widths in (("mlp", {"hidden": [16_384] * 3}), ("small-cnn", {"hidden": 16_384, "widths": [64, 4_096]}),
                         ("resnet8", {"widths": [64, 4_096, 4_096]})):  # fmt: skip
        with pytest.raises(EdgesimError, match="at most 250,000,000 are built"):
            MODELS[name](**widths).build((3, 32, 32), 10)


@pytest.mark.parametrize("label", ["a/b", "a\\b", "a\nb", "x" * 81, "", " a", "\u202ea", "\x85"])
def test_a_label_is_one_short_line(label: str) -> None:
    found = faults(pruning(methods=[{"name": "el2n", "label": label}]))
    assert "pruning.methods[0].label" in found


def test_no_message_repeats_a_long_value() -> None:
    with pytest.raises(ScenarioError) as caught:
        edgesim.load_scenario({**BASE, "seeds": "x" * 9_000, "model": {"name": "y" * 9_000}, "k" * 9_000: 1})
    assert all(len(line) <= 1_000 for line in str(caught.value).splitlines())
