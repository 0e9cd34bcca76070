"""The study of the edge paper's claims: its page is that of its results; estimates, verdicts and advice by hand."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datafiles import pixels, png, write_parquet

import edgesim
from edgesim.analysis.intervals import Interval

REPORTS = Path(__file__).parents[1] / "reports"
STUDY = REPORTS / "edge-paper"
sys.path[:0] = [str(STUDY), str(REPORTS)]

import paper_claims  # noqa: E402
import paper_costs  # noqa: E402
import paper_estimates  # noqa: E402
import paper_page  # noqa: E402
import paper_points  # noqa: E402
import paper_records  # noqa: E402
import paper_results  # noqa: E402
from paper_rows import Rows  # noqa: E402

T_1 = 12.7062
"""two-sided 95 % of Student's t with one degree of freedom"""
POINT = paper_points.Point("digits", "iid", "small-cnn")


def trials(accuracies, energy_j=None):
    """Records: method -> accuracy at 0.5 of (device, seed), full at 1; equal ratio is equal cost unless told."""
    rows = [
        {"seed": seed, "device": device, "method": method, "keep_ratio": 1.0 if method == "full" else 0.5,
         "status": "ok", "test_accuracy": value, "local_accuracy": value, "shard_size": 100,
         "device_energy_j": (energy_j or {}).get(method, 10.0 if method == "full" else 5.0)}
        for method, values in accuracies.items() for (device, seed), value in np.ndenumerate(np.array(values))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_page_is_what_the_results_say():
    now = paper_page.page(paper_results.read(STUDY), paper_costs.read(STUDY))
    assert now == (STUDY / "README.md").read_text(encoding="utf-8"), "run `reports/edge-paper/build.py --page-only`"
    assert now.count("\n") <= 120  # two screens


def test_results_are_those_of_todays_points():
    every = {point.name: point for point in paper_points.every_point()}
    for file in (STUDY / "points").glob("*.parquet"):
        assert paper_records.read(STUDY, every[file.stem]) is not None, f"{file.name} is of another design"
    assert paper_costs.read(STUDY) is not None
    own = paper_estimates.Setting(POINT, paper_records.read(STUDY, POINT))
    rows = Rows(paper_results.read(STUDY)).of(data="digits", partition="iid", model="small-cnn", variant="main")
    for one in paper_estimates.estimates(own):
        kept = rows[(rows["claim"] == one.claim) & (rows["keep_ratio"] == one.keep_ratio) & (rows["at"] == one.at)]
        kept = kept[(kept["method"] == "importance") & (kept["opponent"] == one.opponent)].iloc[0]
        assert kept["estimate"] == pytest.approx(one.found.estimate, rel=1e-3)
        assert kept["low"] == pytest.approx(one.found.low, rel=1e-3)
        assert kept["verdict"] == one.verdict


@pytest.mark.parametrize(
    ("ends", "threshold", "side", "word"),
    [
        ((0.5, 2.0), 0.0, 1, "holds"),
        ((-2.0, -0.5), 0.0, 1, "does not hold"),
        ((-0.5, 2.0), 0.0, 1, "cannot tell"),
        ((-0.9, 0.5), -1.0, 1, "holds"),  # a loss of one point is ruled out
        ((-3.0, -0.5), -1.0, 1, "cannot tell"),  # a loss is shown, but maybe within the margin
        ((0.01, 0.04), 0.05, -1, "holds"),
        ((math.nan, math.nan), 0.0, 1, "cannot tell"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(ends, threshold, side, word):
    assert paper_estimates.verdict(Interval(sum(ends) / 2, *ends), threshold, side) == word


def test_gaps_of_a_setting():
    """Importance minus random: 1 2 / 3 6 points, whose mean of 3 has MS 9 / 4 of devices and 4 / 4 of seeds."""
    random = np.full((2, 2), 0.5)
    gaps = np.array([[1, 2], [3, 6]]) / 100
    records = trials({"full": random + 0.1, "random": random, "importance": random + gaps,
                      "fewer-epochs": random + 0.02, "rs2": random - 0.3})  # fmt: skip
    setting = paper_estimates.Setting(POINT, records)
    half = T_1 * math.sqrt(9 / 4 + 4 / 4)
    found = setting.mean_gap("random", "ratio")
    assert (found.estimate, found.low) == (pytest.approx(3), pytest.approx(3 - half, abs=1e-3))
    assert setting.mean_gap("random", "cost").estimate == pytest.approx(3)
    np.testing.assert_allclose(setting.to_full(0.5), 100 * gaps - 10)
    name, best = setting.against_best("ratio")
    assert (name, best.estimate, best.tests) == ("fewer-epochs", pytest.approx(1), 2)
    means = setting.means("random", "ratio")
    both = paper_estimates.pooled([means, -means, means[:, :1]])  # the last has fewer seeds
    assert (both.estimate, both.low, both.high) == (0, 0, 0)  # pair by pair, so that nothing varies
    dear = paper_estimates.Setting(POINT, trials({"full": random + 0.1, "random": random, "importance": random},
                                                 {"importance": 7.5}))  # fmt: skip
    assert dear.mean_gap("random", "cost").estimate == pytest.approx(-5)  # half way from random to full


def test_a_point_of_further_methods_is_there_when_its_methods_are():
    """They are read with the trials of the main point."""
    key = {"data": "digits", "partition": "iid", "model": "small-cnn", "variant": "main"}
    without = Rows(pd.DataFrame([{**key, "method": "importance"}]))
    more = POINT._replace(variant=paper_points.MORE)
    assert without.has(POINT)
    assert not without.has(more)
    assert Rows(pd.DataFrame([{**key, "method": "random-balanced"}])).has(more)


def test_hardness_and_what_is_kept():
    samples = np.arange(12.0)[:, None]  # on a line: the ten nearest of the first are all but the last
    labels = np.array([0] * 6 + [1] * 6)
    assert paper_records.hardness(samples, labels)[0] == pytest.approx(5 / 10)
    assert paper_records.hardness(samples[:3], np.array([0, 1, 1])).tolist() == [1.0, 0.5, 0.5]
    shards = pd.DataFrame({"seed": 0, "device": [0, 0, 0, 1], "index": [0, 1, 2, 3], "label": [0, 1, 1, 1]})
    about = pd.DataFrame({paper_records.WRONG: [1.0, 0, 0, 0], paper_records.HARD: [0.4, 0.2, 0.8, 0.0]})
    kept = pd.DataFrame({"seed": 0, "device": 0, "method": "importance", "keep_ratio": 0.5, "index": [0, 2]})
    (found,) = paper_records._kept(kept, shards, about).to_dict("records")
    assert (found["kept_classes"], found["kept_wrong_labels"], found["kept_hardness"]) == (1.0, 0.5, pytest.approx(0.6))
    skews = paper_records._skews(shards).set_index("device")["skew"]
    assert skews.tolist() == [pytest.approx(1 / 3 - 1 / 4), pytest.approx(1 / 4)]


def test_advice_follows_the_intervals():
    def row(method, at, low, high):
        every = dict.fromkeys(["data", "partition", "model", "variant"], "all")
        found = {"method": method, "opponent": "random", "at": at, "estimate": (low + high) / 2}
        return {"claim": "pooled", **every, **found, "low": low, "high": high}

    rows = [row("rs2", "cost", 1, 3), row("online-loss", "cost", -1, 9), row("importance", "cost", -4, -2)]
    told = paper_claims.advice(Rows(pd.DataFrame(rows)))
    assert "take a new random subset every epoch (rs2)." in told[0]  # the larger estimate is not shown
    assert "online loss" not in told[0]
    assert "take static random. Gaps to static random at equal cost: importance -3.0 ±1.0 points." in told[1]
    told = paper_claims.advice(Rows(pd.DataFrame([row("random-balanced", "cost", 1, 2), *rows[2:]])))
    assert "take balanced random." in told[0]


def test_scoring_costs_what_the_papers_formula_says():
    found = paper_costs.by_kind(paper_costs.read(STUDY), "resnet34").set_index("profile").loc["raspberry-pi-5"]
    for ratio in paper_costs.RATIOS:
        assert found[f"scoring_{ratio:g}"] == pytest.approx(paper_costs.counted(ratio, 50), rel=0.01)
    assert paper_costs.counted(0.1, 50) == pytest.approx(1 / 6)


def test_the_papers_configuration_is_valid_and_is_planned(tmp_path):
    """On images of CIFAR-10's form; the true ones take a minute to decode."""
    points = list(paper_points.paper_points())
    scenarios = {point.name: edgesim.load_scenario(point.file, point.overrides) for point in points}
    assert len(scenarios) == 6
    for split, count in (("train", 200), ("test", 20)):
        images = [png(one) for one in pixels(count, 32, 32, 3)]
        write_parquet(tmp_path / f"{split}.parquet", images, [number % 10 for number in range(count)])
    few = {"dataset": {"name": "parquet", "root": str(tmp_path)}, "pruning.keep_ratio": [0.5], "seeds": [0],
           "pruning.methods": ["full", "importance"]}  # fmt: skip
    plan = edgesim.plan(edgesim.load_scenario(points[0].file, {**points[0].overrides, **few}))
    assert (len(plan), set(plan["shard_size"])) == (10 * 2, {20})
    assert (plan["limit"] == "").all()  # every device has the memory
