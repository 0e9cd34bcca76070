"""The study of opponents at equal total cost: its page is that of results.csv; means and intervals by hand."""

import math
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edgesim
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.intervals import Interval
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor

REPORTS = Path(__file__).parents[1] / "reports"
STUDY = REPORTS / "equal-cost"
sys.path[:0] = [str(STUDY), str(REPORTS)]

import build  # noqa: E402
import follows  # noqa: E402
import gaps  # noqa: E402
import page  # noqa: E402
import results  # noqa: E402
from study import comparisons, wording  # noqa: E402

T_1 = 12.7062
"""two-sided 95 % of Student's t with one degree of freedom"""
T_1_OF_TWO = 25.4517
"""the same at 97.5 %: one of two intervals"""
POINT = {"data": "digits", "partition": "iid", "model": "mlp", "optimizer": "adam", "label_noise": 0.0}


def pairs(values, ratios=(0.1, 0.2)):
    """Rows of one question: value + ratio - 0.15 at every ratio, so that the mean over 0.1 and 0.2 is the value."""
    rows = [
        {"seed": seed, "device": device, "keep_ratio": ratio, "accuracy": 0.5, "opponent_keep_ratio": ratio,
         "gap": value + ratio - 0.15, "local_gap": -value}
        for (device, seed), value in np.ndenumerate(np.array(values))
        for ratio in ratios
    ]  # fmt: skip
    return pd.DataFrame(rows)


def row(method, gap, local_gap=None, opponent="random", at="cost", **point):
    """A MEAN row of results.csv whose four pairs differ by 0.02 points at most."""
    spread = np.array([[-0.01, 0.0], [0.0, 0.01]])
    local_gap = gap if local_gap is None else local_gap
    texts = {"gaps": results.to_text(gap + spread), "local_gaps": results.to_text(local_gap + spread)}
    found = {"method": method, "opponent": opponent, "at": at, "keep_ratio": "mean"}
    return {
        **POINT,
        **found,
        **texts,
        "full_accuracy": 0.9,
        "devices": 2,
        "seeds": 2,
        "samples": 240.0,
        "epochs": 10,
        **point,
    }


def test_the_page_is_what_results_csv_says():
    now = page.page(results.read(STUDY), list(build.points()))
    assert now == (STUDY / "README.md").read_text(encoding="utf-8"), "run `reports/equal-cost/build.py --page-only`"


def test_results_are_of_the_design_that_the_scenarios_have():
    every = results.read(STUDY)
    assert len(results.current(every, list(build.points()))) == len(every) > 0
    assert (STUDY / results.FILE).stat().st_size < 1_000_000


def test_results_of_another_design_are_no_results():
    every = results.read(STUDY).assign(design="00000000")
    assert "No point of" in page.page(every, list(build.points()))


def test_the_mean_over_ratios_is_of_every_device_and_seed():
    means = comparisons.mean_over_ratios(pairs([[1.0, 2.0], [3.0, 6.0]]), (0.1, 0.2))
    table = pd.DataFrame({"device": [0, 1], "seed": [0, 1]})
    np.testing.assert_allclose(comparisons.matrix(means, "gap", table), [[1, 2], [3, 6]])
    np.testing.assert_allclose(comparisons.matrix(means, "local_gap", table), [[-1, -2], [-3, -6]])


def test_a_pair_that_lacks_a_ratio_is_left_out_of_the_mean():
    there = pairs([[1.0, 2.0], [3.0, 6.0]])
    there = there[~((there["device"] == 1) & (there["seed"] == 0) & (there["keep_ratio"] == 0.2))]
    means = comparisons.mean_over_ratios(there, (0.1, 0.2))
    values = comparisons.matrix(means, "gap", pd.DataFrame({"device": [0, 1], "seed": [0, 1]}))
    np.testing.assert_allclose(values, [[1, 2], [math.nan, 6]])
    np.testing.assert_allclose(results.to_matrix(results.to_text(values)), values)


@pytest.mark.parametrize(("tests", "t"), [(1, T_1), (2, T_1_OF_TWO)])
def test_the_interval_counts_devices_and_seeds(tests, t):
    """1 2 / 3 6: MS of devices 9, of seeds 4; the mean of 4 has 9 / 4 and 4 / 4, one degree each."""
    rows = pd.DataFrame({"gaps": [results.to_text(np.array([[1.0, 2.0], [3.0, 6.0]]))]})
    found = gaps.mean_gap(rows, "gap", tests)
    half = t * math.sqrt(9 / 4 + 4 / 4)
    assert found.estimate == 3.0
    assert (found.low, found.high) == (pytest.approx(3 - half, abs=1e-3), pytest.approx(3 + half, abs=1e-3))


def test_points_are_averaged_pair_by_pair():
    """Two partitions, 1 2 / 3 6 and 3 2 / 1 -2: every pair has the mean 2, so the interval is a point."""
    texts = [results.to_text(np.array(values)) for values in ([[1.0, 2.0], [3.0, 6.0]], [[3.0, 2.0], [1.0, -2.0]])]
    found = gaps.mean_gap(pd.DataFrame({"gaps": texts}), "gap", 1)
    assert (found.estimate, found.low, found.high) == (2.0, 2.0, 2.0)


def test_pairs_at_equal_cost_are_those_of_the_analysis():
    records = Run(REPORTS / "runs" / "fashion-mnist-12000").records
    found = results.pairs_of(records, results.questions(dict.fromkeys(records["method"])))
    table = equal_cost(records, ("random",)).table
    assert len(table)
    for _, cell in table.iterrows():
        own = found[(found["method"] == cell["method"]) & (found["opponent"] == "random") & (found["at"] == "cost")]
        own = own[np.isclose(own["keep_ratio"], cell["keep_ratio"])]
        assert len(own) == cell["pairs"]
        assert own["gap"].mean() == pytest.approx(100 * cell["gap"])
        assert own["local_gap"].mean() == pytest.approx(100 * cell["local_gap"])


def test_a_question_is_told_by_where_it_is_decided():
    one = [wording.Setting(name, Interval(mid, mid - 1, mid + 1)) for name, mid in
           (("digits iid", 3.0), ("digits α 0.1", 8.5), ("CIFAR-10 iid", 0.4), ("CIFAR-10 α 0.1", -2.0))]  # fmt: skip
    assert wording.told(one) == (
        "ahead in 2 of 4 settings (digits iid, digits α 0.1; +3.0 to +8.5), behind in 1 (CIFAR-10 α 0.1; -2.0), "
        "undecided in 1 (CIFAR-10 iid)"
    )
    assert wording.told(one[:2]) == "ahead in 2 of 2 settings (+3.0 to +8.5)"


def test_a_sign_that_the_own_class_mix_turns_is_named():
    plain = pd.DataFrame([row("random-balanced", 5.0, -3.0, partition="dirichlet-0.1"), row("rs2", 4.0, 2.0)])
    told = "\n".join(follows.follows(plain))
    assert "- **The own mix** adds on shards that are not IID, as far as shown: balanced random -8.0 ±0.0. It" in told
    assert "turns the sign of balanced random in digits α 0.1 (+5.0, there -3.0)." in told
    assert "is shown ahead of static random** in: nowhere (common test set); digits α 0.1 (own mix)." in told
    plain = pd.DataFrame([row("random-balanced", 5.0, 3.0, partition="dirichlet-0.1")])
    assert "turns no sign" in "\n".join(follows.follows(plain))
    told = follows.follows(pd.DataFrame([row("random-balanced", 5.0, -3.0), row("rs2", 4.0, 2.0)]))[0]
    assert (
        "ahead of it on both test distributions: new subsets (+4.0, +2.0); neither: balanced random (+5.0, -3.0)."
        in told
    )


def test_static_methods_that_are_shown_ahead_of_fewer_epochs_are_named():
    behind = [row(name, -4.0, opponent="fewer-epochs", at="ratio") for name in results.STATIC]
    told = "\n".join(follows.follows(pd.DataFrame([row("rs2", 1.0), *behind])))
    assert "ahead in 0 and behind in 3 of 3 cases on the common test set" in told
    ahead = [*behind[:2], row("random-balanced", 4.0, 0.0, opponent="fewer-epochs", at="ratio")]
    told = "\n".join(follows.follows(pd.DataFrame([row("rs2", 1.0), *ahead])))
    assert "ahead in 1 (balanced random in digits iid (+4.0)) and behind in 2 of 3 cases on the common" in told
    assert "ahead in 0 and behind in 2 of 3 cases on the own mix" in told


def test_a_factor_that_turns_a_sign_is_named_and_one_that_is_not_finished_is_not_told():
    rows = pd.DataFrame([row("rs2", 3.0), row("rs2", -3.0, label_noise=0.1)]).assign(second=False)
    changed = page._changed(rows, {"digits": 1})
    (stays,) = page._stays(changed)
    assert "that stay shown: label noise 10 % 0 of 1. Signs that a change turns: new subsets on digits" in stays
    text = "\n".join(page._factors(rows, {"digits": 1}))
    assert "| digits | label noise 10 % | – | **-3.0 ±0.7** |" in text
    assert "| digits | SGD |" not in text
    assert "Digits with all factors crossed" not in text


def test_further_points_change_nothing_but_methods_and_run_the_same_random_subset(tmp_path):
    points = list(build.points())
    main = {point.name: point for point in points if point.variant == build.MAIN}
    more = [point for point in points if point.variant == build.MORE]
    counted = [point for point in points if point.variant == build.COUNTED]
    assert (len(points), len({point.name for point in points}), len(more), len(counted)) == (85, 85, 18, 11)
    for point in (*more, *counted):
        beside = main[point.name.removesuffix(f"-{point.variant}")]
        changed = {key for key, value in point.overrides.items() if beside.overrides.get(key) != value}
        assert changed == {"name", "pruning.methods"}
        assert (point.optimizer, point.label_noise, point.file) == ("adam", 0, beside.file)
    few = {"training.epochs": 2, "seeds": [0], "pruning.keep_ratio": [0.3], "dataset.limit_train": 600}
    runs = [edgesim.run(edgesim.load_scenario(one.file, {**one.overrides, **few}), out=tmp_path / one.variant,
                        executor=SerialExecutor()).records for one in (points[2], more[2])]  # fmt: skip
    columns = ["device", "keep_ratio", "test_accuracy", "device_energy_j", "subset_size"]
    for name in ("full", "random"):
        one, two = (run.loc[run["method"] == name, columns].reset_index(drop=True) for run in runs)
        pd.testing.assert_frame_equal(one, two)
    assert set(runs[1]["method"]) == {"full", "random", "equal-classes"}


def test_rows_of_a_further_method_are_beside_those_of_the_main_point(tmp_path, monkeypatch):
    """results.csv has both; a point that runs again replaces its own methods only."""
    main, more = (next(one for one in build.points() if one.variant == name) for name in (build.MAIN, build.MORE))
    trials = [
        {"seed": seed, "device": device, "method": method, "keep_ratio": ratio, "status": "ok", "shard_size": 100,
         "test_accuracy": 0.5 + ratio / 10, "local_accuracy": 0.5, "device_energy_j": 10 * ratio}
        for seed in (0, 1) for device in (0, 1) for method in ("full", "random", "rs2", "equal-classes")
        for ratio in ((1.0,) if method == "full" else (0.1, 0.2, 0.3, 0.5))
    ]  # fmt: skip
    records = pd.DataFrame(trials)
    own = {main: records[records["method"] != "equal-classes"], more: records[records["method"] != "rs2"]}
    monkeypatch.setattr(results.running, "finished", lambda point: types.SimpleNamespace(records=own[point]))
    for point in (main, more, main):
        results.add(tmp_path, point, point)
    found = results.read(tmp_path)
    assert set(zip(found["method"], found["design"], strict=True)) == {
        ("rs2", main.design), ("equal-classes", more.design)
    }  # fmt: skip
    assert not found.duplicated([*results.KEYS, *comparisons.CELL]).any()
    assert len(results.current(found, [main, more])) == len(found)
    told = page.page(found, list(build.points()))
    assert "Finished: 2 of 85 points" in told
    assert "digits mlp adam noise 0 % (α 0.5" in told


def test_a_mean_of_all_settings_is_of_methods_that_are_finished_in_all():
    plain = pd.DataFrame([row("rs2", 4.0), row("rs2", 2.0, data="cifar10"), row("equal-classes", 9.0),
                          row("random-balanced", 1.0), row("random-balanced", 2.0, data="cifar10")])  # fmt: skip
    told = "\n".join(follows.follows(plain))
    assert "new subsets (+3.0, +3.0), balanced random (+1.5, +1.5)." in told
    assert "so left out: fewer epochs, online loss, unbiased online loss, equal classes, top loss" in told
    assert "common test set: balanced random is ahead of random" in told
    assert gaps.everywhere(plain, gaps.LABELS) == ["rs2", "random-balanced"]
    both = pd.DataFrame([*plain.to_dict("records"), row("equal-classes", 9.0, data="cifar10")])
    assert "common test set: equal classes is ahead of random (+9.0 points" in "\n".join(follows.follows(both))


def test_shards_of_users_are_named():
    plain = pd.DataFrame([row("rs2", 1.0, -2.0, data="har-watch", partition="users")])
    told = "\n".join(follows.follows(plain))
    assert "turns the sign of new subsets in WISDM watch by user (+1.0, there -2.0)." in told
    (by_user, *_) = [point for point in build.points() if point.data == "har-watch"]
    assert by_user.overrides["partition"] == {"name": "by-column", "column": "subject"}
    assert by_user.name == "har-watch-users-mlp-adam-noise0"
