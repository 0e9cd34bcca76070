"""Keep ratios name trials: two that differ in the last bit only, or keep the same samples, are one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import RUN_INFO
from trials import paired_runs

import edgesim
from edgesim import planning
from edgesim.analysis.classes import class_counts
from edgesim.analysis.comparison import mean_differences
from edgesim.analysis.kept_samples import overlap
from edgesim.analysis.means import gap_to_random, summary
from edgesim.cost.analytic import subset_size
from edgesim.errors import ScenarioError
from edgesim.records import Record, rounded_ratio
from edgesim.results import repricing
from edgesim.results.record_rows import record_table
from edgesim.results.run_folder import Run
from edgesim.results.table_files import write_table
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
SIZES = (100, 200)
"""samples of each device's shard"""


def table(
    ratios: tuple[float, ...], accuracy: float = 0.5, sizes: tuple[int, ...] = SIZES, method: str = "random"
) -> pd.DataFrame:
    """Records of two seeds; the accuracy rises by 0.01 with each ratio, by 0.1 with each device."""
    rows = [
        Record(
            "s", seed, device, "pi", method, ratio, "ok", shard_size=n, subset_size=int(subset_size(n, ratio)),
            test_accuracy=accuracy + 0.01 * place + 0.1 * device, device_time_s=10 * ratio, device_energy_j=20 * ratio,
        )
        for seed in (0, 1)
        for device, n in enumerate(sizes)
        for place, ratio in enumerate(ratios)
    ]  # fmt: skip
    return record_table(rows, "classification")


def paired(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[float, int, float]]:
    found = paired_runs(a, b)
    assert not found.missing
    rows = found.table[["keep_ratio", "pairs", "difference"]].itertuples(index=False, name=None)
    return [(ratio, pairs, round(difference, 9)) for ratio, pairs, difference in rows]


def test_ratios_without_the_last_bits_by_hand() -> None:
    assert rounded_ratio(0.1 + 0.2) == 0.3
    assert rounded_ratio(sum([0.1] * 10)) == 1.0
    assert rounded_ratio(np.arange(0.1, 0.6, 0.1)).tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert rounded_ratio(0.333) != rounded_ratio(0.3333)
    assert rounded_ratio(1e-14) == 1e-14  # 0 would be no ratio
    assert np.isnan(rounded_ratio(np.nan))
    for n in (3, 7, 60_000):  # a rule's m / n still keeps m
        m = np.arange(1, n + 1)
        assert (subset_size(n, rounded_ratio(m / n)) == m).all()


def test_a_scenario_takes_ratios_without_their_last_bits(make_scenario: Make) -> None:
    worked_out = [float(ratio) for ratio in np.arange(0.1, 0.6, 0.1)]
    assert worked_out[2] != 0.3
    scenario = make_scenario(pruning__keep_ratio=worked_out)
    assert scenario.pruning.keep_ratios == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert scenario.document["pruning"]["keep_ratio"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert make_scenario(pruning__keep_ratio=1 + 2e-16).pruning.keep_ratios == (1.0,)
    with pytest.raises(ScenarioError, match=r"keep_ratio\[1\]: 0.3 is listed twice"):
        make_scenario(pruning__keep_ratio=[0.3, 0.1 + 0.2])


def test_runs_pair_across_the_last_bit_of_a_ratio() -> None:
    a, b = table((0.1, 0.3)), table((0.1, 0.1 + 0.2), accuracy=0.6)
    assert paired(a, b) == [(0.1, 4, 0.1), (0.3, 4, 0.1)]
    assert paired(b, a) == [(0.1, 4, -0.1), (0.3, 4, -0.1)]
    means = mean_differences({"a": a, "b": b}).table
    assert means["pairs"].tolist() == [8, 8, 8]


def test_runs_pair_where_two_ratios_keep_the_same_samples() -> None:
    """0.333 of 100 are 33 and of 200 are 67 samples, and so are 1/3 of them."""
    a, b = table((0.1, 1 / 3)), table((0.1, 0.333), accuracy=0.6)
    assert paired(a, b) == [(0.1, 4, 0.1), (pytest.approx(1 / 3), 4, 0.1)]


def test_ratios_that_keep_other_samples_are_left_out_and_named() -> None:
    """0.3 of 100 are 30 samples and 0.303 of them too, but of 200 they are 60 and 61: two ratios."""
    a, b = table((0.1, 0.3)), table((0.1, 0.303))
    found = paired_runs(a, b)
    assert found.table["keep_ratio"].tolist() == [0.1]
    assert found.missing == (
        "b: 4 trials of the first run (keep ratio 0.3) and 4 of the second (keep ratio 0.303) have no partner and are "
        "left out.",
    )
    many = paired_runs(table((0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.5)), table((0.5, 0.7)))
    assert "(keep ratios 0.1, 0.11, 0.12, 0.13, 0.14 and others)" in many.missing[0]


def test_equal_sizes_of_other_shards_are_no_partners() -> None:
    """20 of 100 samples and 20 of 50 are two ratios; the same ratio of other shards stays one."""
    a, b = table((0.2, 0.5), sizes=(100, 100)), table((0.4, 0.5), sizes=(50, 50))
    found = paired_runs(a, b)
    assert found.table["keep_ratio"].tolist() == [0.5]
    assert "keep ratio 0.2) and 4 of the second (keep ratio 0.4)" in found.missing[0]


def test_a_ratio_of_both_runs_stays_with_itself() -> None:
    """On ten samples 0.1 and 0.12 both keep one; each run has both, and nothing is paired across."""
    a, b = table((0.1, 0.12), sizes=(10,)), table((0.1, 0.12), accuracy=0.6, sizes=(10,))
    assert paired(a, b) == [(0.1, 2, 0.1), (0.12, 2, 0.1)]
    nearest = paired_runs(table((0.1, 0.13), sizes=(10,)), table((0.11, 0.14), 0.6, sizes=(10,)))
    assert nearest.table["keep_ratio"].tolist() == [0.1, 0.13]
    assert nearest.table["difference"].round(9).tolist() == [0.1, 0.1]


def test_the_ratios_of_rules_are_compared_device_by_device() -> None:
    a, b = table((0.3,)), table((0.3,), accuracy=0.6)
    b["keep_ratio"] = np.where(b["device"] == 0, 0.3004, 0.3001)  # 30 of 100, 60 of 200
    found = paired_runs(a.assign(ratio_rule="budget"), b.assign(ratio_rule="budget"))
    assert found.table[["keep_ratio", "pairs"]].to_numpy().tolist() == [[pytest.approx(0.3), 4]]
    assert not found.missing


def test_one_cell_where_methods_have_ratios_of_other_last_bits() -> None:
    records = pd.concat([table((0.3,)), table((0.1 + 0.2,), 0.6, method="importance")])
    gaps = gap_to_random(records)
    assert gaps[["keep_ratio", "pairs"]].to_numpy().tolist() == [[0.3, 4]]
    assert len(summary(pd.concat([table((0.3,)), table((0.1 + 0.2,)).assign(seed=5)]))) == 1
    kept = pd.DataFrame(
        [(0, 0, method, ratio, i) for method, ratio in (("random", 0.3), ("el2n", 0.1 + 0.2)) for i in range(3)],
        columns=["seed", "device", "method", "keep_ratio", "index"],
    )
    about = kept.drop(columns="index").drop_duplicates().assign(shard_size=10, subset_size=3, ratio_rule="")
    assert overlap(kept, about).table["jaccard"].tolist() == [1.0]
    shards = pd.DataFrame({"seed": 0, "device": 0, "index": range(10), "label": 0})
    assert set(class_counts(shards, kept).table["keep_ratio"]) == {0.3}


def test_tables_of_a_run_are_read_without_the_last_bits(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN_INFO))
    write_table(tmp_path, "records", table((0.1 + 0.2,)))
    assert set(Run(tmp_path).records["keep_ratio"]) == {0.3}


def test_a_run_resumes_whatever_the_last_bit_of_its_ratios(make_scenario: Make, tmp_path: Path) -> None:
    first = edgesim.run(make_scenario(pruning__keep_ratio=[0.3]), tmp_path / "run", executor=SerialExecutor())
    again = make_scenario(pruning__keep_ratio=[0.1 + 0.2])
    run = edgesim.run(again, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert len(run.info["sessions"]) == 1  # nothing was missing
    pd.testing.assert_frame_equal(first.records, run.records)


def test_subsets_and_prices_of_another_run_are_found_by_what_they_keep(make_scenario: Make, tmp_path: Path) -> None:
    only = {"pruning__methods": ["importance"], "partition": "iid"}
    first = edgesim.run(
        make_scenario(pruning__keep_ratio=[1 / 3], **only), tmp_path / "first", executor=SerialExecutor()
    )
    sizes = first.records["shard_size"].to_numpy()
    near = 0.33334
    assert (subset_size(sizes, near) == first.records["subset_size"]).all()
    other = make_scenario(pruning__keep_ratio=[near], pruning__scores_from=str(tmp_path / "first"), **only)
    second = edgesim.run(other, tmp_path / "second", executor=SerialExecutor())
    assert (second.work.loc[second.work["phase"] == "score", "reused"]).all()
    columns = ["seed", "device", "index"]
    pd.testing.assert_frame_equal(first.selections[columns], second.selections[columns])
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("groups: [{profile: jetson-nano, count: 3}]")
    assert (repricing.reprice(first, repricing.on_fleet(first, fleet))["status"] == "ok").all()


class Notes:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, *_: object) -> None: ...

    def record(self, *_: object) -> None: ...

    def note(self, line: str) -> None:
        self.lines.append(line)

    def stop(self) -> None: ...


def test_trials_without_a_subset_of_the_other_run_are_said(make_scenario: Make, tmp_path: Path) -> None:
    edgesim.run(make_scenario(pruning__methods=["random"]), tmp_path / "first", executor=SerialExecutor())
    other = make_scenario(pruning__methods=["random", "importance"], pruning__scores_from=str(tmp_path / "first"))
    notes = Notes()
    edgesim.run(other, tmp_path / "second", executor=SerialExecutor(), progress=notes)
    assert notes.lines == [f"{tmp_path / 'first'} has no subset for 6 trials (importance); they are scored here"]


def test_plans_and_runs_name_a_rules_ratios_alike(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(pruning__keep_ratio={"budget": {"latency_s": 4.6}}, pruning__methods=["full", "random"])
    planned = planning.plan_fleet(scenario).frame()
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    key = ["seed", "device", "method", "keep_ratio"]
    assert planned[key].to_numpy().tolist() == run.records[key].to_numpy().tolist()
