"""AdaPruner's study: its page is that of its results; ranks, gaps and sentences by hand; a point end to end."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datafiles import pixels, png, write_parquet
from scipy import stats

import edgesim
from edgesim.analysis.intervals import Interval
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import load_dataset

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
STUDY = REPORTS / "adapruner"
sys.path[:0] = [str(STUDY), str(REPORTS)]

import ada_claim_words  # noqa: E402
import ada_costs  # noqa: E402
import ada_details  # noqa: E402
import ada_forms  # noqa: E402
import ada_geometry  # noqa: E402
import ada_page  # noqa: E402
import ada_points  # noqa: E402
import ada_ranks  # noqa: E402
import ada_records  # noqa: E402
import ada_results  # noqa: E402
import ada_rows  # noqa: E402
import ada_sections  # noqa: E402
import ada_stand_ins  # noqa: E402
import ada_stats  # noqa: E402
import ada_variants  # noqa: E402
import ada_words  # noqa: E402
from ada_points import Point  # noqa: E402
from ada_stats import Sample  # noqa: E402
from study import running  # noqa: E402

T_1 = 12.7062
"""two-sided 95 % of Student's t with one degree of freedom"""


def trials(
    kind: str, values: dict[tuple[str, float], list[float]], data: str = "watch", step: float = 0.0
) -> pd.DataFrame:
    """Trials of one data set: (method, keep ratio) -> values by seed, in points; energy is the ratio, scoring none.

    `step` is that of the accuracies' grid, in points.
    """
    rows = [
        {"seed": seed, "device": 0, "method": method, "keep_ratio": ratio, "status": "ok", "value": value / 100,
         "local_accuracy": value / 100, "dynamic": False, "device_energy_j": 10 * ratio, "shard_size": 100,
         "subset_size": round(100 * ratio), "r_threshold": ratio + 0.03, "class_share_change": 0.1,
         "data": data, "kind": kind, "model": "cnn1d", "step": step, "transfer_step": step}
        for (method, ratio), each in values.items() for seed, value in enumerate(each)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def written(folder: Path, table: pd.DataFrame) -> ada_words.Rows:
    ada_results.results(table).to_csv(folder / ada_results.FILE, index=False, float_format="%.5g")
    return ada_words.Rows(ada_results.read(folder))


def test_the_page_is_what_the_results_say():
    assert ada_page.page(STUDY) == (STUDY / "README.md").read_text(encoding="utf-8"), "run `build.py --page-only`"
    assert (STUDY / "README.md").read_text(encoding="utf-8").count("\n") <= 72
    assert ada_page.details(STUDY) == (STUDY / "details.md").read_text(encoding="utf-8")
    known = {point.name: point for point in (*ada_points.points(), *ada_points.paper_points())}
    for file in (STUDY / "points").glob("*.parquet"):
        assert ada_records.read(STUDY, known[file.stem]) is not None, f"{file.name} is of another design"
    costs = ada_costs.read(STUDY)
    assert costs.loc[costs["full_h"].isna(), "reason"].str.contains("memory").all()  # the page's 'cannot'
    for workload in ada_costs.WORKLOADS:  # each fits on the device of its scenario
        profile = running.document(ada_costs.file_of(workload))["fleet"]["groups"][0]["profile"]
        own = costs[(costs["plan"] == workload.shown) & (costs["profile"] == profile)]
        assert len(own) == 6
        assert own["full_h"].notna().all()


def test_links_lead_to_headings():
    headings = re.findall(r"^## (.*)$", (STUDY / "details.md").read_text(encoding="utf-8"), re.M)
    slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}  # as GitHub makes them
    linked = re.findall(r"\(details\.md#([^)]*)\)", (STUDY / "README.md").read_text(encoding="utf-8"))
    assert len(linked) == 2
    assert set(linked) <= slugs


def test_friedman_and_nemenyi_by_hand():
    """Three methods that keep their order in four blocks: chi² = 8 with 2 degrees of freedom, p = exp(-4)."""
    values = np.array([[3, 2, 1], [5, 4, 0], [9, 8, 7], [2, 1, 0]], dtype=float)
    found = ada_ranks.ranks(("a", "b", "c"), values)
    assert found.mean.tolist() == [1, 2, 3]
    assert found.p == pytest.approx(np.exp(-4))
    assert found.distance == pytest.approx(2.343 * np.sqrt(3 * 4 / 24), rel=1e-3)  # Demšar's table 5: q = 2.343
    assert (found.apart("a", "c"), found.apart("c", "a"), found.apart("a", "b")) == (1, -1, 0)
    assert ada_ranks.nemenyi_distance(10, 1) == pytest.approx(3.164 * np.sqrt(110 / 6), rel=1e-3)
    assert ada_ranks.ranks(("a", "b", "c"), np.ones((2, 3))).p == 1
    assert np.isnan(ada_ranks.ranks(("a", "b"), values[:, :2]).p)


def test_gaps_ranks_and_their_sentences(tmp_path):
    """AdaPruner minus random: +2 and +4 points at each ratio of the paper; it costs as much as its ratio says."""
    names = [name for name in ada_results.METHODS if name != "adapruner"]
    values = {("full", 1.0): [70.0, 80.0]}
    for ratio in ada_points.HIGH:
        values |= {(name, ratio): [50.0, 60.0] for name in names}
        values["adapruner", ratio] = [52.0, 64.0]
    rows = written(tmp_path, trials("compare", values))
    band = ada_words.SPANS["0.6 to 0.95"]
    gap = rows.interval(section="gap", data="watch", method="adapruner", opponent="random", at="ratio", ratios=band)
    assert (gap.estimate, gap.low) == (pytest.approx(3), pytest.approx(3 - T_1, rel=1e-3))
    full = rows.interval(section="gap", data="all", method="adapruner", opponent="full", at="ratio", ratios=band)
    assert full.estimate == pytest.approx(58 - 75)
    cost = rows.interval(section="gap", data="watch", method="adapruner", opponent="random", at="cost", ratios=band)
    assert cost.estimate == pytest.approx(3)  # equal energies
    assert (full.n, full.seeds) == (1, 2)  # one data set
    assert full.low == pytest.approx(-17 - T_1, rel=1e-3)  # -18 and -16
    assert rows.interval(section="rank", method="adapruner", at="ratio", ratios=band).estimate == 1
    assert rows.interval(section="rank", method="random", at="ratio", ratios=band).estimate == 6  # of places 2 to 10
    assert rows.interval(section="energy", ratios="0.6").estimate == pytest.approx(60)
    lines = " ".join("\n".join(ada_sections.compared(rows)).split())
    assert (
        "- AdaPruner minus random at 0.6 to 0.95, at equal ratio: WISDM watch +3.0 ±12.7. "
        "At equal cost: WISDM watch +3.0 ±12.7." in lines
    )
    assert "minus random at 0.1 to 0.5" not in lines
    assert "Means of 1 data set (2 seeds each), few for ranks. Ranks: one data set has no test." in ada_details.page(
        rows, []
    )


def test_twice_the_epochs_against_once(tmp_path):
    """+1 and +3 points in two seeds; the third seed of the comparison is not there yet."""
    once = trials("compare", {("full", 1.0): [70.0, 80.0]} | {
        (name, ratio): [50.0, 60.0] for name in ("random", "adapruner") for ratio in ada_points.HIGH})  # fmt: skip
    twice = trials(ada_points.TWICE, {("full", 1.0): [71.0, 83.0, 99.0]})
    rows = written(tmp_path, pd.concat([once, twice]))
    found = rows.interval(section=ada_points.TWICE, data="watch")
    assert (found.estimate, found.high) == (pytest.approx(2), pytest.approx(2 + T_1, rel=1e-3))
    assert "Twice the epochs change full training's accuracy: WISDM watch +2.0 ±12.7." in ada_details.page(rows, [])
    point = Point("watch", ada_points.TWICE, 0)
    assert (point.name, point.overrides["training.epochs"]) == ("watch-twice-the-epochs", 60)
    assert point.epochs == 60


def test_more_energy_than_full_training_is_compared_with_full_training():
    table = trials("compare", {("full", 1.0): [70.0], ("random", 0.6): [50.0], ("adapruner", 0.6): [55.0]})
    table.loc[table["method"] == "adapruner", "device_energy_j"] = 25.0
    assert ada_results.cost_gaps(table, "adapruner", "random", [0.6]).by == {0: pytest.approx(-15)}


def test_intervals_over_seeds_by_hand():
    """Equal accuracies vary by their grid: 0.6² / 12 = 0.03, so that two seeds have ±t·sqrt(0.03 / 2)."""
    assert ada_stats.over_seeds(Sample({0: 5.0, 1: 5.0}, 0.03), ada_stats.GAPS).high == pytest.approx(
        5 + T_1 * np.sqrt(0.015), rel=1e-4
    )
    found = ada_stats.over_seeds(Sample({0: 1.0, 1: 3.0}, 0.5), ada_stats.GAPS)  # seeds' variance 2, and the grid's
    assert (found.estimate, found.low) == (2, pytest.approx(2 - T_1 * np.sqrt(2.5 / 2), rel=1e-4))
    equal = ada_stats.over_seeds(Sample({0: 61.0, 1: 61.0}), ada_stats.AMOUNTS)
    assert (equal.estimate, equal.is_known) == (61, False)
    assert not ada_stats.over_seeds(Sample({0: 1.0}, 0.03), ada_stats.GAPS).is_known
    cut = ada_stats.over_seeds(Sample({0: 98.0, 1: 99.0}), ada_stats.SHARES)
    assert (cut.low, cut.high) == (pytest.approx(98.5 - T_1 / 2, rel=1e-4), 100)
    assert ada_words.plain(cut) == "98.5 (92.1 to 100.0)"


def test_an_interval_whose_sides_differ_has_both_ends():
    """Sides of 1 and 2; of 0.91 and 1, and 0.89 and 1, about a tenth; of 0.01 and 0.02, which results.csv rounds."""
    text = ada_words.text
    assert text(Interval(5.0, 4.0, 7.0)) == "**+5.0 (+4.0 to +7.0)**"
    assert text(Interval(-47.4, -96.0, 581.6)) == "-47.4 (-96.0 to +581.6)"
    assert text(Interval(5.0, 4.09, 6.0)) == "**+5.0 ±1.0**"
    assert text(Interval(5.0, 4.11, 6.0)) == "**+5.0 (+4.1 to +6.0)**"
    assert text(Interval(5.0, 4.99, 5.02)) == "**+5.0 ±0.02**"
    assert ada_words.plain(Interval(98.5, 92.1, 100.0)) == "98.5 (92.1 to 100.0)"
    assert ada_words.plain(Interval(-3.0, -5.0, 0.5)) == "-3.0 (-5.0 to 0.5)"
    assert ada_words.span([-0.3, 0.0], 1, "+") == "-0.3 to +0.0"


def test_the_grid_of_a_mean_of_accuracies():
    """1,000 test samples: 0.1² / 12 per accuracy, a third of it for the mean over three ratios; both sides add up."""
    values = {(name, ratio): [50.0, 60.0] for name in ("random", "adapruner") for ratio in ada_points.HIGH}
    table = trials("compare", values, step=0.1)
    own, base = (ada_stats.by_seed(table, name, ada_points.HIGH) for name in ("adapruner", "random"))
    assert own.grid == pytest.approx(0.01 / 36)
    assert own.minus(base).grid == pytest.approx(0.01 / 18)
    assert Point("watch", "compare", 0).steps["step"] == pytest.approx(0.1)
    assert Point("cifar10", "transfer", 0).steps == {"step": pytest.approx(0.05), "transfer_step": pytest.approx(0.1)}
    assert np.isnan(Point("cells", "detection", 0).steps["step"])


def test_a_data_set_counts_once_however_many_seeds_it_has(tmp_path):
    """Gaps 1, 2, 3 and 5, 7: mean 4. The means vary by 1/3 and 1, so theirs by 1/3; Satterthwaite's degrees by hand."""
    tables = []
    for data, gaps in (("watch", [1.0, 2.0, 3.0]), ("cifar10", [5.0, 7.0])):
        values = {(name, r): [50.0] * len(gaps) for name in ada_rows.METHODS for r in ada_points.HIGH}
        values |= {("adapruner", r): [50.0 + gap for gap in gaps] for r in ada_points.HIGH}
        tables.append(trials("compare", values | {("full", 1.0): [70.0] * len(gaps)}, data))
    rows = written(tmp_path, pd.concat(tables))
    key = {"data": "all", "method": "adapruner", "opponent": "random", "at": "ratio"}
    found = rows.interval(section="gap", ratios=ada_words.SPANS["0.6 to 0.95"], **key)
    assert (found.estimate, found.n, found.seeds) == (pytest.approx(4), 2, 2)
    degrees = (4 / 3) ** 2 / ((1 / 3) ** 2 / 2 + 1**2 / 1)
    assert found.high == pytest.approx(4 + stats.t.ppf(0.975, degrees) / np.sqrt(3), rel=1e-3)
    assert rows.interval(section="nemenyi", at="ratio").n == 2  # data sets, not their four seeds
    assert rows.interval(section="nemenyi", at="ratio").estimate == pytest.approx(
        ada_ranks.nemenyi_distance(10, 2), 1e-4
    )
    lines = " ".join("\n".join(ada_sections.compared(rows)).split())
    assert "CIFAR-10 +6.0 ±12.7" in lines
    details = " ".join(ada_details.page(rows, []).split())
    assert "Means of 2 data sets (2 to 3 seeds each), few for ranks. Ranks of all data sets together" in details
    one = ada_stats.over_data([Sample({0: 1.0, 1: 2.0}), Sample({0: 5.0})], ada_stats.GAPS)
    assert (one.estimate, one.is_known) == (3.25, False)  # a data set with a single seed
    distance = f"Nemenyi's critical difference {ada_ranks.nemenyi_distance(10, 2):.1f}"
    assert (
        f"not of seeds (2 data sets; {distance}; Friedman's p): AdaPruner is shown neither better nor worse" in details
    )
    # AdaPruner is first in both, and all others tie: Cochran's Q of 18 with 9 degrees
    assert stats.chi2.sf(18, 9) == pytest.approx(0.035, rel=0.01)
    assert "than any other at 0.6 to 0.95 and equal ratio (0.035) and cost (0.035)." in details


def test_beyond_full_trainings_energy_the_page_says_so(tmp_path):
    values = {("full", 1.0): [70.0]}
    for ratio in ada_points.HIGH:
        values |= {(name, ratio): [50.0] for name in ada_rows.METHODS}
    table = trials("compare", values)
    own = table["method"] == "adapruner"
    table.loc[own, "device_energy_j"] = 10 * (0.5 + table.loc[own, "keep_ratio"])
    text = " ".join(" ".join(ada_sections.compared(written(tmp_path, table))).split())
    assert (
        "It takes more energy than full training (110 to 145 %); against full training: WISDM watch -20.0 (one" in text
    )
    assert "At equal cost" not in text
    assert "| WISDM watch | 110.0 | 130.0 | 145.0 |" in ada_details.page(ada_words.Rows(ada_results.read(tmp_path)), [])
    table.loc[own & (table["keep_ratio"] == 0.6), "device_energy_j"] = 9.9  # then one trial has a random partner
    text = " ".join(" ".join(ada_sections.compared(written(tmp_path, table))).split())
    assert "At equal cost: WISDM watch" in text
    assert "against full training" not in text


def test_one_cheap_seed_is_not_beyond_full_training(tmp_path):
    """Energies of 90 and 170 % in two seeds: 130 % in the mean, but not in all trials; the interval passes 100 %."""
    values = {("full", 1.0): [70.0, 71.0]}
    for ratio in ada_points.HIGH:
        values |= {(name, ratio): [50.0, 51.0] for name in ada_rows.METHODS}
    table = trials("compare", values)
    own = table["method"] == "adapruner"
    table.loc[own, "device_energy_j"] = np.where(table.loc[own, "seed"] == 0, 9.0, 17.0)
    rows = written(tmp_path, table)
    energy = rows.interval(section="energy", data="watch", ratios="0.8")
    assert (energy.estimate, energy.low, energy.high) == (130, 0, pytest.approx(130 + T_1 * 40, rel=1e-3))
    text = " ".join(" ".join(ada_sections.compared(rows)).split())
    assert "against full training" not in text


def test_classes_are_those_of_the_smallest_keep_ratio(tmp_path):
    table = trials(
        "letter", {(name, ratio): [50.0, 60.0] for name in ("random", "ours") for ratio in (0.1, 0.6)}, "cifar10"
    )
    table["class_share_change"] = np.where(table["keep_ratio"] == 0.1, 0.4, 0.2)
    table.loc[table["method"] == "random", "class_share_change"] /= 4
    details = ada_details.page(written(tmp_path, table), [])
    assert "| 0.1: classes |" in details
    assert "| ours | +0.0 | +0.0 | +3.0 | +3.0 | 40.0 |" in details
    assert "| random | – | – | – | – | 10.0 |" in details


def ada_forms_of(accuracies: dict[str, list[float]]) -> pd.DataFrame:
    """Trials of forms at 0.6 on Fashion-MNIST, beside random with 40 and 50."""
    values = {("random", 0.6): [40.0, 50.0]} | {(name, 0.6): each for name, each in accuracies.items()}
    return trials("letter", values, "fashion-mnist")


def told_of(rows: ada_words.Rows) -> str:
    return " ".join(" ".join(ada_variants.variants(rows)).split())


def compared_of(rows: ada_words.Rows) -> str:
    return " ".join(" ".join(ada_variants.compared_forms(rows)).split())


def test_forms_are_paired_with_ours_by_seed(tmp_path):
    """Letter minus ours: -20 and -19, gradient only minus ours: 0 and 1, so that both means have an error of 0.5.

    The two decide together: t at 1.25 % with one degree is 25.452, so the half widths are 12.726.
    """
    table = ada_forms_of({"ours": [50.0, 60.0], "letter": [30.0, 41.0], "gradient only": [50.0, 61.0]})
    rows = written(tmp_path, table)
    gap = rows.interval(section="letter", method="letter", opponent="ours")
    assert (gap.estimate, gap.high) == (-19.5, pytest.approx(-19.5 + 12.726, rel=1e-3))
    assert rows.of(section="letter smallest").empty
    text = told_of(rows)
    assert (
        "| letter: Fashion-MNIST, its own training, 2 seeds | 176 + 1,260 | letter at 0.6 (-19.5) | 12.7 at 0.6 | "
        "at 0.6: ours +10.0, letter **-9.5 ±6.4** | ours +3.0, letter +3.0 |" in compared_of(rows)
    )
    assert text.endswith(
        "- Letter: Fashion-MNIST, its own training, 2 seeds, steps 176 + 1,260: shown different from ours: letter at "
        "0.6 (-19.5); − random at 0.6: ours +10.0, letter **-9.5 ±6.4**; gates off: ours +3.0, letter +3.0."
    )
    assert "Not run yet: letter: CIFAR-10; letter, longer phase: CIFAR-10; ablations: Fashion-MNIST." in text
    assert "below random" not in text  # ours has no interval
    details = ada_details.page(rows, [])
    assert "| random | – | – | 10.0 |" in details
    assert "| ours | +10.0 | +3.0 | 10.0 |" in details
    one = written(tmp_path, table[table["seed"] == 0])
    assert "| – | one seed has no interval |" in compared_of(one)
    assert "steps 176 + 1,260: one seed has no interval; − random at 0.6: ours +10.0," in told_of(one)


def test_forms_at_all_ratios_decide_together(tmp_path):
    """Gaps of 0 and 1 at 0.6 and of 0 and 2 at 0.8; the two half widths are 25.452 · 0.5 and 25.452 · 1."""
    values = {("random", 0.6): [40.0, 50.0], ("ours", 0.6): [50.0, 60.0], ("letter", 0.6): [50.0, 61.0],
              ("ours", 0.8): [50.0, 60.0], ("letter", 0.8): [50.0, 62.0]}  # fmt: skip
    rows = written(tmp_path, trials("letter", values, "cifar10"))
    assert "| none | 12.7 at 0.6, 25.5 at 0.8 |" in compared_of(rows)
    assert "steps 176 + 240: none is shown different from ours; − random" in told_of(rows)


def test_gates_off_have_a_sign(tmp_path):
    """55 and 57 % of the gates are open at a keep ratio of 0.6."""
    table = ada_forms_of({"ours": [50.0, 60.0], "letter": [30.0, 41.0]})
    table.loc[table["method"] == "letter", "r_threshold"] = [0.55, 0.57]
    rows = written(tmp_path, table)
    off = rows.interval(section="letter off", method="letter")
    assert (off.estimate, off.low) == (pytest.approx(-4), pytest.approx(-4 - T_1, rel=1e-3))
    assert "| ours +3.0, letter -4.0 |" in compared_of(rows)
    assert "; gates off: ours +3.0, letter -4.0." in told_of(rows)
    assert "| letter | **-9.5 ±6.4** | -4.0 ±12.7 | 10.0 |" in ada_details.page(rows, [])


def test_what_being_below_random_leaves_open(tmp_path):
    """Ours minus random -20 and -19.5, letter minus random -19 and -22, and so letter minus ours 1 and -2.5."""
    table = ada_forms_of({"ours": [20.0, 30.5], "letter": [21.0, 28.0]})
    table.loc[table["method"] == "letter", "r_threshold"] = 0.0
    assert (
        "ours **-19.8 ±3.2**, letter **-20.5 ±19.1**; gates off: ours +3.0, letter -60.0. At 0.6 both are below "
        "random; a difference between them under 22.2 points could not be seen; the letter opens no gate there."
        in told_of(written(tmp_path, table))
    )
    gates = "the letter's open gates are up to 60.0 points off, ours up to 3.0. Ours departs"
    assert told_of(written(tmp_path, table)).startswith(
        f"No accuracy shows a difference between ours and the letter of Eq. 7; {gates}"
    )
    table["r_threshold"] = 0.63
    assert "; the letter opens 63.0 % of its gates there." in told_of(written(tmp_path, table))
    apart = ada_forms_of({"ours": [20.0, 30.5], "letter": [30.0, 41.0]})  # letter minus ours: 10 and 10.5
    assert "At 0.6 both are below random; the letter minus ours is **+10.2 ±3.2**;" in told_of(written(tmp_path, apart))
    assert told_of(written(tmp_path, apart)).startswith("1 of 1 accuracies shows a difference between ours and the")
    letter_alone = ada_forms_of({"ours": [30.0, 55.0], "letter": [20.0, 30.5]})
    assert told_of(written(tmp_path, letter_alone)).endswith(" At 0.6 the letter alone is below random.")
    alone = ada_forms_of({"ours": [20.0, 30.5], "letter": [30.0, 55.0]})  # letter minus random: -10 and 5
    assert told_of(written(tmp_path, alone)).endswith(" At 0.6 ours alone is below random.")
    other = table.assign(data="cifar10")
    other.loc[other["method"] != "random", "value"] += 0.2
    assert told_of(written(tmp_path, other)).endswith(" At 0.6 neither ours nor the letter is shown below random.")


def test_adapruner_drawn_twice(tmp_path):
    """The comparison has 40 and 50, ours 41 and 62: 12 apart in the second seed. Another training has no such pairs."""
    compared = {("adapruner", 0.6): [40.0, 50.0], ("adapruner", 0.3): [40.0, 50.0]}
    forms = {("random", 0.6): [40.0, 50.0], ("ours", 0.6): [41.0, 62.0], ("ours", 0.3): [42.0, 49.0]}
    for data, is_told in (("fashion-mnist", True), ("cifar10", False)):
        table = pd.concat([trials("compare", compared, data), trials("letter", forms, data)])
        details = " ".join(ada_details.page(written(tmp_path, table), []).split())
        assert "*Ours* is AdaPruner drawn anew: a method's label is part of its random streams." in details
        assert ("at 0.6, seed 1 has 62.0 % as ours and 50.0 % as adapruner in the comparison." in details) == is_told


def test_another_network_is_compared_in_its_own_seeds(tmp_path):
    """The first network has a third seed, which the other one lacks: it does not count."""
    first = trials("compare", {(name, r): [50.0 + gap, 60.0 + gap, 90.0 + 10 * gap] for name, gap in
                               (("random", 0), ("adapruner", 2)) for r in (0.6, 0.8)}, "cifar10")  # fmt: skip
    other = trials("cross", {(name, r): [50.0, 60.0 + gap] for name, gap in
                             (("random", 0), ("adapruner", 6)) for r in (0.6, 0.8)}, "cifar10")  # fmt: skip
    rows = written(tmp_path, pd.concat([first.assign(model="small-cnn"), other.assign(model="resnet8")]))
    assert rows.interval(section="cross", model="small-cnn").estimate == 2
    assert rows.interval(section="cross", model="resnet8").estimate == 3
    found = rows.interval(section="cross difference")  # -2 and +4
    assert (found.estimate, found.high) == (1, pytest.approx(1 + T_1 * 3, rel=1e-3))
    details = ada_details.page(rows, [])
    assert "| adapruner | +3.0 ±38.1 | +2.0 | +1.0 ±38.1 |" in details
    assert "| − random | chosen by small-cnn, trained by resnet8 | trained by small-cnn | difference |" in details
    assert "| herding | – | – | – |" in details


def test_claims_are_judged_by_their_intervals():
    def found(*ends: tuple[float, float]) -> pd.DataFrame:
        rows = [{"estimate": (low + high) / 2, "low": low, "high": high, "n": 2, "seeds": 2} for low, high in ends]
        return pd.DataFrame(rows)

    said = ada_claim_words.verdict
    assert said("others", found((1, 2), (3, 4))) == "holds"
    assert said("others", found((1, 2), (-3, 4))) == "holds in part"
    assert said("others", found((1, 2), (-3, -2), (-1, 2))) == "holds in part"
    assert said("others", found((1, 2), (-3, -2))) == "holds in part"
    assert said("others", found((-1, 2), (-3, -2))) == "does not hold"
    assert said("others", found((-1, 2))) == "cannot tell"
    assert said("classification", found((-3, -2))) == "does not hold"  # the claim is equality
    assert said("classification", found((3, 4))) == "does not hold"
    assert said("classification", found((-3, 4))) == "cannot tell"
    changes = found((1, 2), (-1, 2), (-1, 3)).assign(
        method=["embedding kept dunn", "embedding kept dunn", "map kept_network dunn"],
        opponent=["full", "random", "full"],
    )
    assert said("geometry", changes) == "cannot tell"  # kept − all does not decide
    assert said("geometry", changes.assign(low=[1, -1, 1])) == "holds in part"
    assert said("geometry", changes.assign(low=[1, -3, -1], high=[2, -2, 3])) == "does not hold"
    assert said("geometry", changes.assign(low=[-2, 1, 1], high=[-1, 3, 3])) == "holds"
    assert said("warm-up", found((-1, 2)).assign(low=np.nan, high=np.nan)) == "cannot tell (one seed)"
    assert said("compression", found((0, 3.9), (0, 0))) == "holds"
    assert said("compression", found((0, 4.1))) == "does not hold"


def test_the_other_methods_are_named_where_a_side_is_shown():
    ends = {"random": (1.0, 3.0), "el2n": (1.0, 7.0), "grand": (-2.2, 1.8), "glister": (-5.0, -1.0)}
    found = pd.DataFrame([{"opponent": name, "estimate": (low + high) / 2, "low": low, "high": high, "n": 2, "seeds": 2}
                          for name, (low, high) in ends.items()])  # fmt: skip
    told = "− random: **+2.0 ±1.0**; − each of 3 others (the paper: 7): -3.0 to +4.0"
    assert ada_claim_words._number("others", found) == f"{told} (shown above el2n; shown below glister)"


def test_claims_on_networks_name_each_data_sets_ratios(tmp_path):
    """Another network trains at 0.6 and 0.8 on one data set, at all three on the other."""
    tables = []
    for data, ratios in (("watch", (0.6, 0.8)), ("fashion-mnist", ada_points.HIGH)):
        values = {
            (name, r): [50.0 + gap, 60.0 + 2 * gap] for name, gap in (("random", 0), ("adapruner", 1)) for r in ratios
        }
        tables.append(trials("cross", values, data))
    rows = written(tmp_path, pd.concat(tables))
    row = rows.of(section="claim", at="networks").iloc[0]
    assert (row["data"], row["ratios"], row["estimate"]) == ("watch fashion-mnist", "0.6,0.8 0.6,0.8,0.95", 1.5)
    text = "\n".join(ada_claim_words.claims(rows, None))
    assert "for another network, too, at 0.6 to 0.95 | − random, at those ratios that ran: +1.5 ±" in text


def test_the_table_of_claims(tmp_path):
    """AdaPruner is 2 above all others and 8 below full training: by 1 and 2, and by 2 and 3, in two data sets.

    Both data sets' means vary by 1/4, and theirs by 1/8 with 2 degrees.
    """
    tables = []
    for data, gap in (("watch", 1.0), ("cifar10", 2.0)):
        values = {(name, r): [50.0, 52.0] for name in ada_rows.METHODS for r in ada_points.HIGH}
        values |= {("adapruner", r): [50.0 + gap, 53.0 + gap] for r in ada_points.HIGH} | {("full", 1.0): [60.0, 62.0]}
        tables.append(trials("compare", values, data).assign(device_score_energy_j=2.0))
    forms = {("random", 0.9): [50.0, 52.0], ("ours", 0.9): [60.0, 62.0], ("no warm-up", 0.9): [50.0, 52.5],
             ("no classification", 0.9): [40.0, 42.1], ("no selection", 0.9): [57.0, 59.2],
             ("random", 0.6): [50.0, 52.0], ("ours", 0.6): [60.0, 62.0], ("no warm-up", 0.6): [59.0, 60.0],
             ("no classification", 0.6): [40.0, 44.0], ("no selection", 0.6): [1.0, 2.0],
             ("ours", 0.1): [60.0, 62.0], ("no warm-up", 0.1): [1.0, 2.0]}  # fmt: skip
    none = trials("ablation", {("no compression", 0.6): [55.0, 57.2]}, "fashion-mnist").assign(r_threshold=0.0)
    tuned = trials("transfer", {(name, r): [50.0 + gap] for name, gap in (("random", 0), ("el2n", -3), ("adapruner", 1))
                                for r in ada_points.HIGH}, "cifar10")  # fmt: skip
    tuned["transfer_test_accuracy"] = tuned["value"]
    tables += [trials("ablation", forms, "fashion-mnist"), none, tuned]
    text = "\n".join(ada_claim_words.claims(written(tmp_path, pd.concat(tables)), ada_costs.read(STUDY)))
    half = stats.t.ppf(1 - 0.025 / 8, 2) / np.sqrt(8)  # random and seven others decide together
    assert (
        f"(by 1.6 to 3.8) | − random: +2.0 ±{half:.1f}; − each of 7 others: +2.0 | cannot tell | "
        "2 data sets; 2 seeds |" in text
    )
    assert f"(by 0.1 to 2.5) | − full: **-8.0 ±{stats.t.ppf(0.975, 2) / np.sqrt(8):.1f}** | does not" in text
    # warm-up at the paper's ratios alone: gaps 1 and 2, 10 and 9.5; two numbers, t at 1.25 % is 25.452
    assert (
        "at 0.6, 0.5 to 0.7 at 0.9) | with − without: +1.5 ±12.7 at 0.6; **+9.8 ±6.4** at 0.9 | holds in "
        "part | Fashion-MNIST; 2" in text
    )
    # the terms at 0.9 alone: gaps 20 and 19.9, 3 and 2.8
    assert (
        "(by 0.3 to 0.5) | with − without: classification **+19.9 ±1.3**, selection **+2.9 ±2.5** | holds | Fashion-"
        in text
    )
    # at 0.9 gaps -10 and -9.9, which decide alone; at 0.6 -10 and -8, which do not decide
    assert (
        "it selects at random (0.9) | − random: **-9.9 ±0.6**; not judged: -9.0 ±12.7 at 0.6 | does not hold | Fashion"
        in text
    )
    assert "no sample is selected | 0.0 % of the gates open | holds |" in text
    assert (
        "(by 0.3 to 20.6) | − each of 1 other (the paper: 7): +4.0 | cannot tell (one seed) | CIFAR-10; 1 seed |"
        in text
    )
    assert "in detection above full training at 0.95 (mAP by 0.1 to 0.2) | – | not run | – |" in text
    assert (
        "one of training on all samples | planned at the paper's size 100 % of one, counted, not timed; here a phase "
        "of 22 to 27 epochs in batches of 256 takes 20 % of the energy of full training (30 to 40 in batches of 32), "
        "and 60 to 95 % with the training after it | holds (counted)" in text
    )
    said = "Of 11 claims, 3 hold, 1 holds in part, 2 do not hold, 2 cannot be told (their intervals reach"
    assert " ".join(text.split()).startswith(
        f"{said} ±{half:.1f} points), 3 have not run. Gaps in brackets are the paper's. | the paper's claim |"
    )
    assert "*does not hold*: none is, but some are against it; *cannot tell*: none on either side." in " ".join(
        text.split()
    )


def test_detection_and_transfer(tmp_path):
    first = trials("detection", {("full", 1.0): [80.0], ("random", 0.85): [70.0], ("adapruner", 0.85): [72.0],
                                 ("random", 0.95): [71.0],
                                 ("random", 0.75): [60.0], ("importance", 0.75): [63.0], ("adapruner", 0.75): [61.0]},
                   "cells")  # fmt: skip
    back = trials("detection-back", {("adapruner", 0.95): [75.0]}, "cells")
    both = pd.concat([first, back]).assign(model="yolov3-tiny")
    tuned = trials("transfer", {(name, ratio): [60.0] for name in ("random", "adapruner") for ratio in ada_points.HIGH}
                   | {("full", 1.0): [60.0]}, "fashion-mnist")  # fmt: skip
    tuned["transfer_test_accuracy"] = np.where(tuned["method"] == "adapruner", 0.42, 0.4)
    tuned = tuned.assign(transfer_device_time_s=12.5, transfer_device_energy_j=80.0)
    poor = trials("detection-cross", {("full", 1.0): [2.0], ("random", 0.95): [1.0]}, "cells").assign(
        model="fasterrcnn"
    )
    rows = written(tmp_path, pd.concat([both, poor, tuned]))
    text = " ".join("\n".join(ada_sections.detected(rows)).split())
    assert "| yolov3-tiny, 0.75 | 80.0 (+20.0) | 60.0 | 63.0 (+3.0) | 61.0 (+1.0) | – |" in text
    assert "| yolov3-tiny, 0.85 | 80.0 (+10.0) | 70.0 | – | 72.0 (+2.0) | – |" in text
    assert "| yolov3-tiny, 0.95 | 80.0 (+9.0) | 71.0 | – | – | 75.0 (+4.0) |" in text
    assert (
        ": all samples give yolov3-tiny 80.0 % (the paper, VOC: 56.6); fasterrcnn 2.0 % (the paper, VOC: 70.3): not "
        "learned, its rows say nothing. Sets of the other detector − random at 0.95: yolov3-tiny +4.0 (one seed)."
        in ada_sections.detection(rows)
    )
    details = ada_details.page(rows, [])
    assert "| adapruner | +2.0 | +2.0 |" in details
    assert "| yolov3-tiny, 0.95 | 80.0 (+9.0) | 71.0 | – | – | 75.0 (+4.0) |" in details
    assert "handwriting: 40.0 % after all samples; the fine-tuning takes 12.5 s and 80.0 J on a" in details
    hardly = poor.assign(value=np.where(poor["method"] == "full", 0.35, 0.3))
    rows = written(tmp_path, pd.concat([both, hardly]))
    assert "70.3): hardly learned." in ada_sections.detection(rows)
    half = poor.assign(value=np.where(poor["method"] == "full", 0.36, 0.3))
    assert "learned" not in ada_sections.detection(written(tmp_path, pd.concat([both, half])))


def test_the_claim_on_detection_names_detectors_and_what_has_hardly_learned(tmp_path):
    trained = trials("detection", {("full", 1.0): [80.0], ("random", 0.95): [70.0], ("adapruner", 0.95): [76.0]},
                     "cells").assign(model="yolov3-tiny")  # fmt: skip
    other = trials("detection-cross", {("full", 1.0): [35.0], ("random", 0.95): [29.0], ("adapruner", 0.95): [30.0]},
                   "cells").assign(model="fasterrcnn")  # fmt: skip
    claims = "\n".join(ada_claim_words.claims(written(tmp_path, trained), None))
    assert (
        "(mAP by 0.1 to 0.2) | − full: yolov3-tiny -4.0; not judged: − random: yolov3-tiny +6.0 | cannot tell (one"
        in claims
    )
    claims = "\n".join(ada_claim_words.claims(written(tmp_path, pd.concat([trained, other])), None))
    assert "yolov3-tiny +6.0; fasterrcnn +1.0; fasterrcnn has hardly learned (mAP 35.0 %; the paper, VOC" in claims
    half = other.assign(value=np.where(other["method"] == "full", 0.36, 0.3))
    assert "learned" not in "\n".join(ada_claim_words.claims(written(tmp_path, pd.concat([trained, half])), None))


def test_points_of_the_papers_size_have_a_line(tmp_path, monkeypatch):
    point = next(ada_points.paper_points())
    monkeypatch.setattr(ada_page, "points", lambda: iter(()))
    monkeypatch.setattr(ada_results, "points", lambda: iter(()))
    values = {("full", 1.0): [95.0, 96.0], ("random", 0.6): [90.0, 91.0], ("adapruner", 0.6): [92.0, 94.0],
              ("random", 0.8): [93.0, 92.0], ("adapruner", 0.8): [95.0, 95.0]}  # fmt: skip
    table = trials("paper", values).drop(columns=["data", "kind", "model", "step", "transfer_step"])
    table.attrs = {"design": point.design, "minutes": 1.0, "metric": "accuracy"}
    (tmp_path / "points").mkdir()
    table.to_parquet(ada_records.file_of(tmp_path, point.name))
    ada_page.write(tmp_path)
    page = (tmp_path / "details.md").read_text()
    # gaps 2, 3 and twice -1.5
    assert "| paper-cifar10-resnet18, adapruner, 2 seeds | 0.6, 0.8 | 94.0 ±6.4 | +2.5 ±6.4 | -1.5 | – |" in page
    ablation = next(one for one in ada_points.paper_points() if one.part == "table-5")
    own = trials("paper", {("no selection", 0.9): [91.0, 93.0]})
    told = pd.DataFrame(ada_results._of_paper(ablation, own.assign(transfer_test_accuracy=0.5)))
    assert told.set_index("section")["estimate"].to_dict() == {"paper accuracy": 92.0, "paper transfer": 50.0}


def test_designs_of_finished_points_stay():
    """The third list of ratios is of later seeds alone."""
    assert Point("fashion-mnist", "ablation", 0).overrides["pruning.keep_ratio"] == [0.6, 0.9]
    assert Point("fashion-mnist", "ablation", 1).overrides["pruning.keep_ratio"] == [0.1, 0.6, 0.9]
    assert Point("fashion-mnist", "letter", 1).overrides["pruning.keep_ratio"] == [0.1, 0.3, 0.6]
    assert Point("fashion-mnist", "letter", 1).regime == (2000, 22, 256, 20, 32)
    assert Point("cifar10", "letter", 0).regime == (2000, 22, 256, 30, 256)
    assert Point("cifar10", "long-letter", 0).regime.steps == (210 * 8, 30 * 8)


def every_trial() -> pd.DataFrame:
    """Trials of all points in three seeds, with values that differ."""
    noise = np.random.default_rng(0)
    tables = []
    for kind, data in dict.fromkeys((point.kind, point.data) for point in ada_points.points()):
        ratios = {"letter": (0.1, 0.3, 0.6), "long-letter": (0.1, 0.6, 0.95), "ablation": (0.1, 0.6, 0.9)}.get(
            kind, (*ada_points.LOW, *ada_points.HIGH)
        )
        ratios = ada_points.DETECTION_RATIOS if kind.startswith("detection") else ratios
        methods = ada_forms.FORMS.get(kind)
        names = ["random", *(one["label"] for one in methods)] if methods else list(ada_rows.METHODS)
        values = {(name, ratio): [*noise.uniform(40, 99, 3)] for name in names for ratio in ratios}
        table = trials(kind, values | {("full", 1.0): [80.0, 85.0, 89.0]}, data, 0.1)
        table["transfer_test_accuracy"] = table["value"]
        table = table.assign(model=Point(data, kind, 0).model, transfer_device_time_s=1.0, transfer_device_energy_j=2.0)
        tables.append(table.assign(device_score_energy_j=table["device_energy_j"] / 2))
    return pd.concat(tables)


def test_the_page_of_all_points_fits_and_its_intervals_are_possible(tmp_path):
    measures = panels(full=[1.0, 1.1], kept=[2.0, 2.1], random=[2.0, 2.4], kept_network=[1.5, 1.3])
    found = ada_results.results(every_trial(), measures=measures)
    found.to_csv(tmp_path / ada_results.FILE, index=False, float_format="%.5g")
    rows = ada_words.Rows(ada_results.read(tmp_path))
    for table in (rows.table, ada_results.read(STUDY)):
        known = table[table["low"].notna()]
        assert len(known) > 100
        assert (known["low"] <= known["estimate"]).all()
        assert (known["estimate"] <= known["high"]).all()
        shares = known[
            known["section"].isin(["accuracy", "detection", "transfer accuracy", "letter open", "letter classes"])
        ]
        assert shares[["low", "high"]].stack().between(0, 100).all()
        off = known[known["section"] == "letter off"]
        assert off[["low", "high"]].stack().between(-100, 100).all()
    kinds = {point.kind for point in ada_points.points()}
    page = ada_page.text_of(rows, ada_costs.read(STUDY), kinds, 0)
    assert page.count("\n") <= 72
    assert "Not run yet" not in page
    assert "not run" not in page
    assert "No point is missing." in " ".join(page.split())


def test_the_list_says_what_is_done():
    points = [Point("watch", "compare", 0), Point("watch", "compare", 1)]
    told = running.listed(points, lambda point: point.seed == 1)
    assert told == "watch-compare-s0 missing\nwatch-compare-s1 done"


def test_a_tiny_point_end_to_end(tmp_path, monkeypatch):
    """Methods on 40 digits, then another network on their sets; kept, and on the page."""
    (tmp_path / "watch.yaml").write_text((ada_points.SCENARIOS / "watch.yaml").read_text().replace(
        "{name: parquet, root: wisdm-watch, test: within, limit_train: 2000, limit_test: 1000}",
        "{name: digits, limit_train: 40, limit_test: 20}").replace("model: cnn1d", "model: small-cnn"))  # fmt: skip
    monkeypatch.setattr(ada_points, "SCENARIOS", tmp_path)
    monkeypatch.setitem(ada_points.OTHERS, "watch", "mlp")
    ada = {"name": "adapruner", "epochs": 2, "extra_epochs": 0}
    quick = {"pruning.methods": ["full", "random", ada], "training.epochs": 2, "pruning.keep_ratio": [0.6, 0.8]}
    monkeypatch.setitem(ada_points._CHANGES, "compare", quick)
    monkeypatch.setitem(ada_points._CHANGES, "cross", {"training.epochs": 2})
    own = [Point("watch", "compare", 0), Point("watch", "cross", 0)]
    monkeypatch.chdir(tmp_path)
    asked = argparse.Namespace(only=None, serial=True, page_only=False)
    keep = lambda point, run: ada_records.keep(tmp_path, point, run)  # noqa: E731
    known = lambda point: ada_records.read(tmp_path, point) is not None  # noqa: E731
    running.run_points(own, tmp_path / "runs" / "adapruner", asked, known, keep)
    table = ada_results.trials(tmp_path, own)
    assert set(table["kind"]) == {"compare", "cross"}
    assert table.loc[table["method"] == "adapruner", "r_threshold"].notna().sum() == 2  # the other run scored the rest
    assert (table.loc[table["method"] == "random", "class_share_change"] > 0).any()
    rows = written(tmp_path, table)
    assert "chosen by cnn1d, trained by mlp" in ada_details.page(rows, [])
    monkeypatch.setattr(ada_page, "points", lambda: iter([*own, Point("watch", "letter", 0)]))
    ada_page.write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "Missing: 1 point; `build.py --list` names them." in " ".join(page.split())
    assert "Not run yet." in page
    assert "Not planned yet." in page


def panels(**values: list[float]) -> pd.DataFrame:
    """Measures of AdaPruner's sets at 0.9: panel -> values by seed, the same for every measure; halved in the map."""
    rows = [("adapruner", 0.9, seed, space, panel, measure, value / (2 if (space, panel) == ("map", "kept") else 1))
            for space in ada_geometry.SPACES for panel, each in values.items()
            for measure in ada_geometry.MEASURES for seed, value in enumerate(each)]  # fmt: skip
    return pd.DataFrame(rows, columns=ada_geometry.COLUMNS).assign(data="mnist", model="small-cnn")


def test_changes_of_the_geometry_by_hand(tmp_path):
    """Kept are 2 and 8 times all samples: 4 times by the geometric mean, ln 8 = 2.08 ± 12.7 · 0.69 wide of both."""
    found = panels(full=[1.0, 1.0], kept=[2.0, 8.0], random=[4.0, 16.0], kept_network=[3.0, 0.0])
    ada_results.results(pd.DataFrame(), measures=found).to_csv(tmp_path / ada_results.FILE, index=False)
    rows = ada_words.Rows(ada_results.read(tmp_path))
    key = {"section": "geometry", "ratios": "0.9"}
    to_all = rows.interval(at="embedding kept dunn", opponent="full", **key)
    assert (to_all.estimate, to_all.n) == (pytest.approx(300), 2)
    assert to_all.low == pytest.approx(100 * (4 * np.exp(-T_1 * np.log(2)) - 1), rel=1e-4)
    to_random = rows.interval(at="embedding kept dunn", opponent="random", **key)
    assert (to_random.estimate, to_random.is_known) == (pytest.approx(-50), False)  # both seeds by the same half
    by_network = rows.interval(at="embedding kept_network dunn", opponent="full", **key)
    assert (by_network.estimate, by_network.n) == (pytest.approx(200), 1)  # a measure of 0 has no quotient
    in_map = rows.interval(at="map kept dunn", opponent="full", **key)
    assert (in_map.estimate, in_map.low) == (pytest.approx(100), pytest.approx(to_all.low / 2 - 50, rel=1e-4))
    claims = "\n".join(ada_claim_words.claims(rows, None))
    assert "kept − random -50.0 %, by its network +200.0 %; adjacent centres: kept − all +300.0 (-100.0 to +" in claims
    assert ") %, kept − random -50.0 %; Dunn index in the maps: kept − all +100.0 (-100.0 to +" in claims
    assert (rows.of(section="claim")["seeds"] <= 2).all()
    claimed = rows.interval(section="claim", method="map kept dunn", opponent="full")
    five = 100 * (
        2 * np.exp(np.log(2) * 63.6567) - 1
    )  # t with one degree of freedom at 1 - 0.05 / 5: those that decide
    assert (claimed.estimate, claimed.high) == (pytest.approx(100), pytest.approx(five, rel=1e-3))
    details = "\n".join(ada_details._geometry(rows))
    assert "| adapruner 0.9: kept − random | map | -75.0 |" in details
    assert "| adapruner 0.9: by its network | map | +200.0 |" in details
    assert "| the paper 0.9: kept − all | – | +2,232.2 | +17.8 | +4.4 | -10.9 | – |" in details
    assert "| the paper 0.9: by its network | – | +194.7 | +31.2 | – | – | -3.2 |" in details


def test_the_geometry_of_a_tiny_point(tmp_path, monkeypatch):
    """Of 60 digits: every method but random at every ratio in every seed, and a page of AdaPruner's at the paper's."""
    written = (ada_points.SCENARIOS / "mnist.yaml").read_text()
    for old, new in (
        ("{name: parquet, root: mnist-writers, test: within, limit_train: 2000, limit_test: 1000}",
         "{name: digits, limit_train: 60, limit_test: 20}"),
        ("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 1]"),
    ):  # fmt: skip
        assert old in written
        written = written.replace(old, new)
    (tmp_path / "mnist.yaml").write_text(written)
    monkeypatch.setattr(ada_points, "SCENARIOS", tmp_path)
    ada = {"name": "adapruner", "epochs": 2, "extra_epochs": 0}
    quick = {"pruning.methods": ["full", "random", "importance", ada], "training.epochs": 2, "model": "mlp"}
    monkeypatch.setitem(ada_points._CHANGES, "geometry", quick)
    point = Point("mnist", "geometry", 0)
    assert point.name == "mnist-geometry"
    run = edgesim.run(edgesim.load_scenario(point.file, point.overrides), tmp_path / "run", executor=SerialExecutor())
    ada_geometry.keep(tmp_path, point, run.path)
    monkeypatch.setattr(ada_geometry, "points", lambda: iter([point]))
    table = ada_geometry.read(tmp_path)
    assert table.groupby(["method", "keep_ratio"])["seed"].nunique().to_dict() == {
        (method, ratio): 2 for method in ("importance", "adapruner") for ratio in (0.5, 0.9)
    }
    assert "Geometry of the classes" in (tmp_path / "geometry.md").read_text(encoding="utf-8")
    assert "map-by-full" in (tmp_path / "geometry-maps.html").read_text(encoding="utf-8")
    in_map = table[table["space"] == "map"]
    assert set(zip(in_map["method"], in_map["keep_ratio"], strict=True)) == {("adapruner", 0.9)}
    assert len(in_map) == 2 * 4 * 6
    # four sets in the embedding, and one of them in the maps
    assert len(list(ada_geometry.rows(table))) == 5 * len(ada_geometry.COMPARED) * len(ada_geometry.MEASURES)
    assert f"- Command: {ada_geometry.COMMAND}" in (tmp_path / "geometry.md").read_text(encoding="utf-8")


def images(folder: Path, count: int, classes: int, *shape: int) -> dict[str, str]:
    """Write few images of a data set's form. Returns the `dataset` of a scenario."""
    for split, many in (("train", count), ("test", 20)):
        files = [png(one) for one in pixels(many, *shape)]
        write_parquet(folder / f"{split}.parquet", files, [number % classes for number in range(many)])
    return {"name": "parquet", "root": str(folder)}


def test_points_of_the_papers_size_are_valid():
    """Every scenario of the paper's size has points; another network trains on what the first one chose."""
    listed = list(ada_points.paper_points())
    assert {point.file for point in listed} == set(ada_points.SCENARIOS.glob("paper-*.yaml"))
    for point in listed:
        scenario = edgesim.load_scenario(point.file, {**point.overrides, "pruning.scores_from": None})
        methods = [one.label for one in scenario.pruning.methods]
        if point.source is not None:
            assert listed.index(point.source) < listed.index(point)
            assert point.overrides["pruning.scores_from"] == f"runs/adapruner/{point.source.name}"
            own, first = ({**one.overrides, "pruning.scores_from": "", "name": "", "model": ""}
                          for one in (point, point.source))  # fmt: skip
            assert (own | {"pruning.scores_from": ""}) == (first | {"pruning.scores_from": ""})
        if point.part == "table-4":
            assert (methods, len(scenario.pruning.keep_ratios)) == (["full", "random", "ours", "no warm-up"], 5)
        if point.part == "table-5":
            assert (methods, scenario.pruning.keep_ratios) == (["no classification", "no selection"], (0.9,))
    known = {one["label"]: one for one in ada_points.ABLATIONS}
    for form in running.document(ada_points.SCENARIOS / "paper-ablations.yaml")["pruning"]["methods"][2:]:
        for key, value in {"warmup_epochs": 10, **known[form["label"]]}.items():
            assert form[key] == value


def test_the_papers_scenarios_are_planned(tmp_path):
    """On few images of the same form; AdaPruner's pruning phase pays after the trainings that the plan says."""
    data = {"dataset": images(tmp_path / "cifar10", 300, 10, 32, 32, 3)}
    by_name = {one.shown: one for one in ada_costs.WORKLOADS}
    cifar = by_name["CIFAR-10, ResNet-18"]
    found = ada_costs.planned(cifar, "jetson-agx-xavier", data).set_index(["method", "keep_ratio"])
    for ratio in cifar.ratios:
        row = found.loc[("adapruner", ratio)]
        # scoring / (1 - ratio) trainings, start-up apart; the phase has at most 10 + 200 + 20 epochs of 200
        assert row["scoring_in_trainings"] < 230 / 200
        assert 1 < int(row["pays_after"]) <= np.ceil(1.15 / (1 - ratio)) + 1
    folders = {name: tmp_path / name for name in ("tiny", "voc")}
    for folder in folders.values():
        folder.mkdir()
    tiny = {"dataset": ada_stand_ins.tiny_imagenet(folders["tiny"], {"train": 600, "valid": 20})}
    voc = {"dataset": ada_stand_ins.voc(folders["voc"], {"trainval": 30, "test": 5})}
    found = ada_costs.planned(by_name["VOC, YOLOv3-tiny"], "jetson-agx-orin", voc)
    assert found["reason"].eq("").all()
    assert sorted(set(found["keep_ratio"])) == sorted(by_name["VOC, YOLOv3-tiny"].ratios)
    found = ada_costs.planned(by_name["Tiny-ImageNet, ResNet-50"], "jetson-agx-xavier", tiny)
    assert found["reason"].str.contains("memory").all()  # at the paper's batch size of 256
    assert found["full_h"].isna().all()
    others = {
        **dict.fromkeys(("paper-cifar10", "paper-ablations"), data),
        "paper-cifar100": {
            "dataset": images(tmp_path / "cifar100", 300, 100, 32, 32, 3),
            "transfer.to": data["dataset"],
        },
        "paper-mnist": {"dataset": images(tmp_path / "mnist", 300, 10, 28, 28)},
        "paper-tiny-imagenet": tiny,
        "paper-voc": voc,
    }
    for point in ada_points.paper_points():
        if point.source is not None or point.network == "wide-resnet50-2":
            continue  # larger networks take seconds to a minute to count; costs.csv has them at their real size
        few = {**point.overrides, **others[point.scenario], "pruning.scores_from": None, "seeds": [0]}
        plan = edgesim.plan(edgesim.load_scenario(point.file, few))
        assert (plan["limit"] == "").all(), point.name  # of the scenario's own device, with all its methods
        assert ("transfer_device_time_s" in plan and plan["transfer_device_time_s"].gt(0).all()) == (
            point.scenario == "paper-cifar100"
        )


def test_blank_images_have_the_form_of_the_real_ones(tmp_path):
    found = load_dataset(edgesim.load_scenario(
        ada_points.SCENARIOS / "paper-tiny-imagenet.yaml",
        {"dataset": ada_stand_ins.tiny_imagenet(tmp_path, {"train": 400, "valid": 200}), "seeds": [0]},
    ))  # fmt: skip
    assert (found.input_shape, len(found.class_names), len(found.train_labels)) == ((3, 64, 64), 200, 400)


@pytest.mark.skipif(not os.environ.get("EDGESIM_DATA"), reason="needs $EDGESIM_DATA/cells-voc, images with boxes")
def test_the_papers_detection_is_planned():
    few = {
        "dataset": {"name": "voc", "root": "cells-voc", "size": [128, 128]},
        "seeds": [0],
        "pruning.keep_ratio": [0.75],
    }
    plan = edgesim.plan(edgesim.load_scenario(ada_points.SCENARIOS / "paper-voc.yaml", few))
    assert len(plan) == 4
    assert (plan["limit"] == "").all()
