"""The mixed-effects regression of a device's benefit: hand-made cases with known coefficients, and a real run."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from edgesim.analysis import device_benefit
from edgesim.analysis.device_benefit import benefits, mixed_regression
from edgesim.errors import EdgesimError
from edgesim.results.run_folder import Run

QUICKSTART = Path(__file__).parents[1] / "reports" / "runs" / "quickstart"
SPEEDS = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
OF_DEVICE = np.array([0.3, -0.2, -0.4, 0.5, 0.1, -0.3])
SKEWS = np.array([[0.0, 0.4, 0.8], [0.4, 0.8, 0.0], [0.8, 0.0, 0.4]] * 2)
"""of every device and seed; means of rows and columns are equal, so that no level tells anything about it"""
REST = np.array(
    [[0.0, 1.0, -1.0], [1.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, -1.0, 1.0], [-1.0, 1.0, 0.0], [1.0, 0.0, -1.0]]
)
OF_SEED = np.array([-1.0, 0.2, 0.8])


def crossed(rest, runs=("a",)):
    """y = 1 + 0.5 speed - 3 skew + run + device + seed + rest, skew changing from trial to trial."""
    rows = []
    for number, run in enumerate(runs):
        for device, seed in itertools.product(range(len(SPEEDS)), range(len(OF_SEED))):
            skew = SKEWS[device, seed]
            level = 10 * number + OF_DEVICE[device] + OF_SEED[seed] + rest * REST[device, seed]
            y = 1 + 0.5 * SPEEDS[device] - 3 * skew + level
            rows.append({"run": run, "device": device, "seed": seed, "speed": SPEEDS[device], "skew": skew, "y": y})
    return pd.DataFrame(rows)


def slope_of(values, x):
    """Slope of a line through all values; x has the same mean in every row and column."""
    return float(stats.linregress(x.ravel(), values.ravel()).slope)


def test_a_covariate_of_the_device_is_the_line_through_the_devices():
    """Balanced, one covariate that only devices have: estimate, error and t are those of a line through their means."""
    table = crossed(0.1).assign(y=lambda one: one["y"] + 3 * one["skew"])
    (found,) = mixed_regression(table, "y", ["speed"]).values()
    means = table.groupby("device")["y"].mean()
    line = stats.linregress(SPEEDS, means)
    half = stats.t.ppf(0.975, len(SPEEDS) - 2) * line.stderr
    assert found.estimate == pytest.approx(line.slope, rel=1e-6)
    assert found.degrees == len(SPEEDS) - 2
    assert found.low == pytest.approx(line.slope - half, rel=1e-3)
    assert found.high == pytest.approx(line.slope + half, rel=1e-3)


def test_levels_of_runs_devices_and_seeds_do_not_hide_a_coefficient():
    table = crossed(0.05, runs=("a", "b"))
    found = mixed_regression(table, "y", ["speed", "skew"], tests=2)
    assert found["skew"].estimate == pytest.approx(-3 + 0.05 * slope_of(REST, SKEWS), abs=1e-6)
    assert found["skew"].high - found["skew"].low < 0.2
    of_levels = stats.linregress(SPEEDS, OF_DEVICE).slope  # which nothing tells from an effect of speed
    assert found["speed"].estimate == pytest.approx(0.5 + of_levels, abs=1e-6)
    assert found["speed"].low < 0.5 < found["speed"].high
    assert found["speed"].degrees == 2 * len(SPEEDS) - 2 - 1
    assert found["skew"].tests == 2
    assert found["skew"].devices == 2 * len(SPEEDS)


def test_covariates_that_determine_one_another_are_refused():
    table = crossed(0.1).assign(shard_size=lambda one: 2 * one["speed"])
    with pytest.raises(device_benefit.NoSolution, match="one of them follows from the others in these 18 rows"):
        mixed_regression(table, "y", ["speed", "shard_size"])


def test_without_statsmodels_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.regression", None)
    with pytest.raises(EdgesimError, match=r"pip install 'edgesim\[regression\]'"):
        mixed_regression(crossed(0.1), "y", ["speed"])


def test_benefits_of_a_run_and_their_regression():
    run = Run(QUICKSTART)
    table = benefits(run.records, run.shards, "importance")
    assert len(table) == run.records["device"].nunique() * run.records["seed"].nunique()
    one = table.iloc[7]
    own = run.records[(run.records["seed"] == one["seed"]) & (run.records["device"] == one["device"])]
    scored = own[(own["method"] == "importance") & (own["keep_ratio"] < 1)]
    full = own[own["method"] == "full"].iloc[0]
    assert one["time_saved"] == pytest.approx(1 - scored["device_time_s"].mean() / full["device_time_s"])
    assert one["speed"] == pytest.approx(np.log2(full["train_flops"] / full["device_train_time_s"]))
    random = own[(own["method"] == "random") & (own["keep_ratio"] < 1)]
    assert one["gain_at_equal_ratio"] == pytest.approx(scored["test_accuracy"].mean() - random["test_accuracy"].mean())
    found = device_benefit.device_benefit({"quickstart": (run.records, run.shards)})
    assert list(found.table) == device_benefit.COLUMNS
    assert set(found.table["outcome"]) == set(device_benefit.OUTCOMES)
    assert (found.table["low"] < found.table["estimate"]).all()
    even = run.records.assign(shard_size=100)
    told = device_benefit.device_benefit({"quickstart": (even, run.shards)}).missing
    assert "that of full training: shard_size hardly differs between these devices." in " ".join(told)


def of_a_run(base: float, least_skew: float, noise: np.random.Generator) -> pd.DataFrame:
    """Records of eight devices in three seeds; the gain is `base`, and rises by 0.2 with the skew."""
    rows = []
    for device in range(8):
        skew = least_skew + 0.06 * device
        for seed in range(3):
            gain = base + 0.2 * (skew - least_skew) + noise.normal(0, 0.002)
            for method, ratio, value in (("full", 1.0, 0.9), ("random", 0.5, 0.3), ("importance", 0.5, 0.3 + gain)):
                rows.append({
                    "seed": seed, "device": device, "method": method, "keep_ratio": ratio, "status": "ok",
                    "test_accuracy": value, "device_time_s": 10 * ratio, "device_energy_j": 20 * ratio, "skew": skew,
                    "device_train_time_s": 10 * ratio, "train_flops": 1e9 * 2 ** (3 * device % 8), "shard_size": 100,
                    "subset_size": int(100 * ratio), "dynamic": False, "ratio_rule": "",
                })  # fmt: skip
    return pd.DataFrame(rows)


def test_runs_that_differ_in_skew_are_not_compared():
    """The more skewed run lies 0.5 lower; within each run the gain rises with the skew."""
    noise = np.random.default_rng(3)
    runs = {"even": (of_a_run(0.5, 0.0, noise), None), "skewed": (of_a_run(0.0, 0.5, noise), None)}
    found = device_benefit.device_benefit(runs).table.set_index(["outcome", "covariate"])
    skew = found.loc[("gain_at_equal_ratio", "skew")]
    assert skew["low"] < 0.2 < skew["high"]
    assert skew["estimate"] == pytest.approx(0.2, abs=0.02)
