"""The study of the edge paper's claims: its page is that of its results; estimates, verdicts and advice by hand."""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datafiles import pixels, png, write_parquet
from scipy import stats

import edgesim
from edgesim.analysis.intervals import Interval

REPORTS = Path(__file__).parents[1] / "reports"
STUDY = REPORTS / "edge-paper"
sys.path[:0] = [str(STUDY), str(REPORTS)]

import paper_advice  # noqa: E402
import paper_auto  # noqa: E402
import paper_auto_page  # noqa: E402
import paper_claims  # noqa: E402
import paper_costs  # noqa: E402
import paper_curves  # noqa: E402
import paper_details  # noqa: E402
import paper_estimates  # noqa: E402
import paper_page  # noqa: E402
import paper_points  # noqa: E402
import paper_pooled  # noqa: E402
import paper_reasons  # noqa: E402
import paper_records  # noqa: E402
import paper_results  # noqa: E402
import paper_time_page  # noqa: E402
import paper_times  # noqa: E402
from paper_rows import Rows  # noqa: E402
from study import running  # noqa: E402

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
    assert now.count("\n") <= 95  # two screens
    assert len(now.split()) <= 1550
    more = paper_details.details(paper_results.read(STUDY), paper_costs.read(STUDY))
    assert more == (STUDY / "details.md").read_text(encoding="utf-8")


def test_results_are_those_of_todays_points():
    every = {point.name: point for point in paper_points.every_point()}
    for file in (STUDY / "points").glob("*.parquet"):
        assert paper_records.read(STUDY, every[file.stem]) is not None, f"{file.name} is of another design"
    assert paper_costs.read(STUDY) is not None
    of_setting = [point for point in every.values() if point[:3] == POINT[:3]]
    there = {one: found for one in of_setting if (found := paper_records.read(STUDY, one)) is not None}
    own = paper_estimates.Setting(POINT, paper_results._with_more(POINT, there))
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
    np.testing.assert_allclose(paper_estimates.to_full(records, "importance", 0.5), 100 * gaps - 10)
    name, best = setting.against_best("ratio")
    assert (name, best.estimate, best.tests) == ("fewer-epochs", pytest.approx(1), 2)
    means = setting.means("random", "ratio")
    both = paper_estimates.pooled([means, -means])
    assert (both.estimate, both.low, both.high) == (0, 0, 0)  # pair by pair, so that nothing varies
    cheap = trials({"full": random + 0.1, "random": random, "importance": random + gaps}, {"importance": 1.0})
    cheapest = paper_estimates.Setting(POINT, cheap)  # random's cheapest trial costs more: it is the partner
    assert cheapest.mean_gap("random", "cost").estimate == pytest.approx(3)
    dear = paper_estimates.Setting(POINT, trials({"full": random + 0.1, "random": random, "importance": random},
                                                 {"importance": 7.5}))  # fmt: skip
    assert dear.mean_gap("random", "cost").estimate == pytest.approx(-5)  # half way from random to full


def test_a_point_is_there_when_its_minutes_are():
    """Trials of further methods and seeds are read with those of the main point; their minutes are their own."""
    key = {"data": "digits", "partition": "iid", "model": "small-cnn", "claim": paper_times.POINT_MINUTES}
    for variant in (paper_points.MAIN, paper_points.WITH_AUTO, paper_points.SMALLER):
        one = POINT._replace(variant=variant)
        assert Rows(pd.DataFrame([{**key, "variant": variant}])).has(one)
        assert not Rows(pd.DataFrame([{**key, "variant": "other"}])).has(one)


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
    """Gaps to random: (even, skewed on the common set, skewed on the own mix), each ± 1; of each other, ± 1.6."""
    gaps = {"random-balanced": (2, 2, 0.5), "importance": (-9, 4.5, -6), "auto-subset": (5, 2.6, 1.5),
            "fewer-epochs": (6, 0, 1.2), "rs2": (9, 0, 1.1), "online-loss": (6, 0, 0), "auto": (9.5, 1, 3)}  # fmt: skip
    key = {"data": "all", "model": "all", "variant": "advised"}
    rows = [
        {**key, "partition": kind, "claim": "advised", "method": method, "opponent": "random", "at": at + where,
         "estimate": found[place], "low": found[place] - 1, "high": found[place] + 1}
        for method, found in gaps.items() for at in ("cost", "ratio")
        for place, (kind, where) in enumerate(paper_advice.COLUMNS)
    ]  # fmt: skip
    by_key = {(row["method"], row["partition"], row["at"]): row["estimate"] for row in rows}
    rows += [
        {**key, "partition": kind, "claim": paper_advice.PAIR, "method": method, "opponent": other, "at": at,
         "estimate": lead - by_key[other, kind, at], "low": lead - by_key[other, kind, at] - 1.6,
         "high": lead - by_key[other, kind, at] + 1.6}
        for (method, kind, at), lead in by_key.items() for other in gaps if other != method
    ]  # fmt: skip
    late = {**key, "claim": paper_advice.RAN_IN, "method": paper_points.FEWER_BALANCED, "partition": "all"}
    rows += [{**key, "partition": kind, "claim": "settings", "estimate": count}
             for kind, count in (("even", 6.0), ("skewed", 1.0))]  # fmt: skip
    of_data = (("even", "digits"), ("even", "watch"), ("skewed", "digits"))
    rows[:0] = [
        {**key, "data": data, "partition": kind, "claim": "settings", "estimate": 1.0} for kind, data in of_data
    ]
    rows.append({**late, "estimate": 3.0})
    told = paper_advice.section(Rows(pd.DataFrame(rows)))
    assert (
        "means of keep ratios and of 6 even (digits, WISDM watch) and 1 skewed settings (digits; Dirichlet α 0.5, 0.1)"
        in " ".join(told)
    )
    assert "[1 more method](details.md) ran in fewer settings." in " ".join(told)
    assert "| all | auto | **+9.5 ±1.0** | +1.0 ±1.0 | **+3.0 ±1.0** |" in told
    held, once, stay = told[-3:]
    assert held.endswith("even shards balanced random; skewed balanced random, own mix static random.")
    assert once.endswith("even shards auto-subset; skewed importance, own mix auto-subset.")  # 1.9 behind
    assert "even shards auto (close: rs2);" in stay
    assert stay.endswith("own mix auto (close: auto-subset).")  # 1.5 behind, the others 1.8 and 1.9
    many = " ".join(paper_advice.at_equal_ratio(Rows(pd.DataFrame(rows))))
    assert "even shards balanced random; skewed importance, own mix static random." in many
    late = [{**row, "method": paper_points.FEWER_BALANCED, "estimate": 12.0, "low": 11.0, "high": 13.0}
            for row in rows if row.get("method") == "auto"]  # fmt: skip
    late += [{**row, "opponent": "auto"} for row in late if row["claim"] == paper_advice.PAIR]
    rows[-1]["estimate"] = 12.0
    told = paper_advice.section(Rows(pd.DataFrame([*late, *rows])))
    assert "| all | balanced fewer epochs | **+12.0 ±1.0** | **+12.0 ±1.0** | **+12.0 ±1.0** |" in told
    assert told[-1].endswith("balanced fewer epochs.")
    assert paper_advice.section(Rows(pd.DataFrame(rows[:-3]))) == []


def test_a_method_is_advised_once_it_ran_in_all_settings_of_the_others():
    """Two settings; the late one ran in one of them, then in both."""
    flat = np.full((2, 2), 0.5)
    methods = dict.fromkeys(("full", "random", *paper_advice.ADVISED), flat)
    points = POINT, POINT._replace(data="watch", model="cnn1d")
    for lacking in (1, 0):
        seen = []
        for point in points:
            there = {name: values for name, values in methods.items()
                     if name != paper_advice.LATE or not lacking or point == POINT}  # fmt: skip
            records = trials(there)
            seen += [paper_estimates.Setting(point, records, name) for name in there if name not in ("full", "random")]
        table = pd.DataFrame(paper_pooled.advised(seen))
        (ran,) = table[(table["claim"] == paper_advice.RAN_IN) & (table["method"] == paper_advice.LATE)]["estimate"]
        assert ran == 2 - lacking
        advised = set(table.loc[table["claim"] == "advised", "method"])
        assert advised == set(paper_advice.ADVISED) - ({paper_advice.LATE} if lacking else set())
        assert (table.loc[table["claim"] == "settings", "estimate"] == [2, 1, 1, 0]).all()  # of them by data


def test_advised_methods_are_compared_pair_by_pair():
    """Leads on random vary by 20 points between devices; auto is 1 or 3 above rs2 on each of them."""
    random = np.array([[0.3, 0.3], [0.5, 0.5]])
    rs2 = random + np.array([[0.0, 0.02], [0.2, 0.2]])
    accuracies = dict.fromkeys((*paper_advice.ADVISED, "full"), random)
    accuracies |= {"random": random, "rs2": rs2, "auto": rs2 + np.array([[0.01, 0.03], [0.01, 0.03]])}
    seen = [paper_estimates.Setting(POINT, trials(accuracies), name) for name in paper_advice.ADVISED]
    found = Rows(pd.DataFrame(paper_pooled.advised(seen)))
    key = {"claim": paper_advice.PAIR, "method": "auto", "opponent": "rs2", "partition": "even"}
    gap = found.interval(at="ratio", **key)
    assert (gap.estimate, gap.low) == (pytest.approx(2), pytest.approx(2 - T_1, abs=1e-3))  # two seeds, 1 apart
    lead = found.interval(claim="advised", method="auto", partition="even", at="ratio")
    assert (lead.estimate, lead.high) == (pytest.approx(12.5), 100)


def test_means_over_settings_by_ratio_and_on_both_test_distributions():
    """Importance is 3 points below random and 8 below full, 20 on the own mix; random is 5 and 19 below full.

    A second setting, which is skewed, has no gap to random.
    """
    random = np.full((2, 2), 0.5)
    records = trials({"full": random + 0.05, "random": random, "importance": random - 0.03})
    records["local_accuracy"] += records["method"].map({"full": 0.14, "random": 0.0, "importance": 0.02})
    other = POINT._replace(partition="dirichlet-0.1", model=paper_points.MOBILENET)
    alike = trials({"full": random + 0.05, "random": random, "importance": random})
    settings = [paper_estimates.Setting(point, table.assign(kept_hardness=np.nan))
                for point, table in ((POINT, records), (other, alike))]  # fmt: skip
    rows = Rows(pd.DataFrame(paper_pooled.rows(settings, [])))
    key = {"claim": "pooled", "data": "all", "model": "all", "partition": "even", "keep_ratio": "0.5"}
    to_full = {(method, at): rows.number(opponent="full", method=method, at=at, **key)
               for method in ("importance", "random") for at in ("", ", own mix")}  # fmt: skip
    assert to_full == {
        ("importance", ""): pytest.approx(-8), ("importance", ", own mix"): pytest.approx(-20),
        ("random", ""): pytest.approx(-5), ("random", ", own mix"): pytest.approx(-19),
    }  # fmt: skip
    assert rows.number(opponent="random", at="ratio", **key) == pytest.approx(-3)
    assert rows.number(opponent="random", at="ratio", **{**key, "partition": "all"}) == pytest.approx(-1.5)
    assert rows.number(claim="settings", model=paper_points.MOBILENET) == 1
    (line,) = [line for line in paper_claims.first_groups(rows) if "mobilenet" in line]
    assert line.startswith("| mobilenet-v2 (1) | +0.0")
    assert paper_claims._means_by_ratio(Rows(pd.concat([
        rows.table, pd.DataFrame([{"claim": "above_random", "variant": "main", "method": "importance",
                                   "keep_ratio": "0.5"}])]))) == "**-1.5 ±0.0** at 0.5: does not hold"  # fmt: skip


def test_settings_of_fewer_seeds_count_as_much_as_others():
    """Effects of four seeds -3 -1 1 3 around 4, of two of them -4 4 around 5; nothing varies between devices."""
    four, two = np.tile([1.0, 3, 5, 7], (2, 1)), np.tile([1.0, 9], (2, 1))
    found = paper_estimates.pooled([four, two])
    assert found.estimate == pytest.approx(4.5)
    of_four, of_two = 2 * math.sqrt(4 * 3), 2 * math.sqrt(2 * 1)
    by_seed = [-3 / of_four - 4 / of_two, -1 / of_four + 4 / of_two, 1 / of_four, 3 / of_four]
    own = [20 / of_four**2, 32 / of_two**2]
    degrees = sum(own) ** 2 / (own[0] ** 2 / 3 + own[1] ** 2 / 1)
    assert 1 < degrees < 3
    ((variance, free),) = [part for part in found.parts if part[0] > 0]
    assert (variance, free) == (pytest.approx(sum(one**2 for one in by_seed)), pytest.approx(degrees))
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, degrees) * math.sqrt(variance))
    moved = paper_estimates.pooled([four + np.array([[-2.0], [2.0]]), two])  # devices are 2 apart in the mean of both
    assert moved.parts[0] == (pytest.approx(2 / 2), 1)
    alike, plain = paper_estimates.pooled([four, four]), paper_estimates.interval(four, paper_estimates.BOUNDS)
    assert (alike.estimate, alike.low) == (plain.estimate, plain.low)


def test_time_is_off_proportional_by_scoring_and_by_partly_filled_batches():
    """Of 10 s and 20 steps random has 6 s and 12 steps at 0.5; importance has 1 s and 5 FLOPs of 100 more."""
    records = trials({name: np.full((2, 2), 0.5) for name in ("full", "random", "importance")})
    of = {"full": (10.0, 20, 0.0, 100.0), "random": (6.0, 12, 0.0, 50.0), "importance": (7.0, 12, 5.0, 50.0)}
    for place, column in enumerate(("device_time_s", "steps", "score_flops", "train_flops")):
        records[column] = [of[name][place] for name in records["method"]]
    records = records.assign(host_wall_s=60.0, subset_size=np.where(records["method"] == "full", 100, 50))
    rows = paper_times.of_setting(POINT._replace(changes=paper_points.FEW), records, records)
    found = {(row.claim, row.method): row.found.estimate for row in rows}
    assert found[paper_times.FULL_TIME, "full"] == 10
    assert found[paper_times.TIME_OFF, "importance"] == pytest.approx(0.2)
    assert found[paper_times.WORK_OFF, "importance"] == pytest.approx(0.05)
    assert found[paper_times.TIME_OFF, "random"] == found[paper_times.STEPS_OFF, "random"] == pytest.approx(0.1)
    assert found[paper_times.LONGER, "importance"] == pytest.approx(1 / 6)
    # 12 minutes of 2 devices and seeds with 2 of samples each; all have 5 seeds and 1 + 5 x 1.7 of samples
    assert found[paper_times.WHOLE_MINUTES, ""] == pytest.approx(12 * 5 * 9.5 / (2 * 2))
    assert paper_times.of_point(records).found.estimate == pytest.approx(12)


def test_accuracy_preserved_is_claimed_from_the_smallest_shard_on_from_which_it_holds():
    rows = [{"claim": "preserved", "variant": f"shard-{size}", "method": "importance", "keep_ratio": "0.5",
             "verdict": word} for size, word in zip(paper_points.SHARDS, ("cannot tell", "holds", "holds"), strict=True)
            ]  # fmt: skip
    assert paper_reasons.holds_from(Rows(pd.DataFrame(rows)), "0.5") == paper_points.SHARDS[1]
    rows[2]["verdict"] = "does not hold"
    assert paper_reasons.holds_from(Rows(pd.DataFrame(rows)), "0.5") is None


def test_scoring_costs_what_the_papers_formula_says():
    found = paper_costs.by_kind(paper_costs.read(STUDY), "resnet34").set_index("profile").loc["raspberry-pi-5"]
    for ratio in paper_costs.RATIOS:
        assert found[f"scoring_{ratio:g}"] == pytest.approx(paper_costs.counted(ratio, paper_costs.EPOCHS), rel=0.01)
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


def auto_trials(gaps, method="auto"):
    """Trials at 0.5 whose method -> accuracy minus random's, in points; the method is at 0."""
    base = np.array([[0.5, 0.6], [0.7, 0.55]])
    accuracies = {"full": base + 0.1, method: base, **{name: base - gap / 100 for name, gap in gaps.items()}}
    return trials(accuracies)


def test_the_best_opponent_of_auto_is_chosen_by_setting_and_settings_count_once():
    """Gaps of auto: to random 3 and 5, to the best of each setting -2 (fewer epochs) and 1 (rs2)."""
    one = auto_trials({"random": 3, "fewer-epochs": -2, "rs2": 4, "online-loss": 1})
    two = auto_trials({"random": 5, "fewer-epochs": 3, "rs2": 1, "online-loss": 2})
    other = POINT._replace(data="watch", model="cnn1d")
    rows = list(paper_auto.rows({POINT: one, other: two}))
    best = [row for row in rows if row.claim == paper_auto.IN_SETTING_BEST and row.further["at"] == "ratio"]
    assert [(row.further["opponent"], round(row.found.estimate, 6)) for row in best] == [
        ("fewer-epochs", -2),
        ("rs2", 1),
    ]
    average = [row for row in rows if row.claim == paper_auto.ON_AVERAGE]
    keys = [(row.point.variant, *(row.further[name] for name in ("opponent", "at", "keep_ratio"))) for row in average]
    found = dict(zip(keys, (row.found.estimate for row in average), strict=True))
    for at in ("ratio", "cost", "ratio, own mix"):
        assert found["all", "random", at, "0.5"] == pytest.approx(4)
        assert found["all", "best", at, "mean"] == pytest.approx(-0.5)
    assert found["tuned", "best", "cost", "0.5"] == pytest.approx(-2)
    assert found["untuned", "best", "cost", "0.5"] == pytest.approx(1)
    table = pd.DataFrame(paper_results._auto({POINT: one, other: two}, {}))
    told = "\n".join(paper_auto_page.section(Rows(table)))
    line = "| equal cost, 0.5 (2) | **+4.0 ±0.0** | **-0.5 ±0.0** does not hold | – | – |"
    assert line in told
    below = "1 of 2 does not hold (at 0.5, behind fewer-epochs; own mix 1)"
    assert f"| equal cost: settings shown below | 0 of 2 | {below} | – | – |" in told
    assert "| untuned (WISDM watch), equal cost (1) | **+5.0 ±0.0** | **+1.0 ±0.0** | – | – |" in told
    more = "\n".join(paper_auto_page.details(Rows(table)))
    assert "| tuned | equal cost | 0.5 |" in more
    assert "| auto | best | digits iid small-cnn | digits iid small-cnn | -2.0 |" in more
    assert "an opponent ran: random 2, fewer-epochs 2, rs2 2, online-loss 2." in " ".join(more.split())


def test_a_subset_that_is_stored_has_static_opponents_alone():
    records = auto_trials({"random": 3, "fewer-epochs": -9, "random-balanced": 1}, "auto-subset")
    setting = paper_auto.AutoSetting(POINT, records, "auto-subset")
    assert setting.opponents == ("random", "random-balanced")
    assert setting.best("ratio", "gap") == "random-balanced"


def test_auto_that_costs_less_than_random_has_a_partner_at_the_smaller_ratio():
    """Random: 2.5 J and 0.3 at 0.25, 5 J and 0.5 at 0.5; auto at 4 J has 0.5, so that random's line is at 0.42."""
    flat = np.full((2, 2), 0.5)
    records = trials({"full": flat + 0.1, "random": flat, "auto": flat}, {"auto": 4.0})
    few = records[records["method"] == "random"].assign(
        keep_ratio=0.25, test_accuracy=0.3, local_accuracy=0.3, device_energy_j=2.5)  # fmt: skip
    alone = paper_auto.AutoSetting(POINT, records, "auto")  # the partner is random's cheapest trial, at 5 J
    np.testing.assert_allclose(alone.gaps("random", "cost", "gap")[0.5], 0, atol=1e-9)
    both = paper_auto.AutoSetting(POINT, pd.concat([records, few], ignore_index=True), "auto")
    assert both.ratios == (0.5,)
    np.testing.assert_allclose(both.gaps("random", "cost", "gap")[0.5], 8)


def test_choices_of_auto_are_counted_with_their_ranges():
    assert paper_records.choice_of('{"loss_steps": 8.0, "auto": "batches: all"}') == "batches: all"
    assert paper_records.choice_of("") == paper_records.choice_of('{"strata": 3}') == ""
    records = auto_trials({"random": 1})
    told = ["batches by loss for 8 steps: why", "batches by loss for 46 steps: why", "none: why"]
    own = records["method"] == "auto"
    records[paper_records.CHOICE] = ""
    records.loc[own, paper_records.CHOICE] = [*told, told[0]]
    rows = [row for row in paper_auto.rows({POINT: records}) if row.claim == paper_auto.CHOSE]
    assert {row.further["opponent"]: row.found.estimate for row in rows} == {
        "batches by loss for 8 to 46 steps: why": 0.75, "none: why": 0.25
    }  # fmt: skip
    told = "\n".join(paper_auto_page._choices(Rows(pd.DataFrame(paper_results._auto({POINT: records}, {})))))
    assert "| auto | 0.5 | batches by loss for 8 to 46 steps | why | 75 % |" in told


def test_points_are_different_and_every_setting_of_auto_has_its_main_point_first():
    every = paper_points.every_point()
    assert len(set(every)) == len({point.name for point in every}) == len(every)
    names = [point.name for point in paper_points.points()]
    for point in paper_points.points():
        if point.variant in (*paper_points.MERGED, *paper_points.SMALLERS):
            assert names.index(point._replace(variant=paper_points.MAIN).name) < names.index(point.name)
    assert names.index("handwriting-users-small-cnn") == names.index("watch-dirichlet-0.1-cnn1d") + 1
    by_user = next(point for point in every if point.partition == "users")
    assert edgesim.load_scenario(by_user.file, by_user.overrides).name == "handwriting-users-small-cnn"


def test_a_point_of_later_seeds_has_all_of_its_main_point_but_the_seeds():
    every = {point.name: point for point in paper_points.points()}
    later = [point for point in every.values() if point.variant in paper_points.LATER_SEEDS.values()]
    assert later
    for point in later:
        (of,) = [variant for variant, name in paper_points.LATER_SEEDS.items() if name == point.variant]
        first = every[point._replace(variant=of, changes=()).name].overrides
        assert {**first, "name": point.name, "seeds": [3, 4]} == point.overrides
        assert first["seeds"] == [0, 1, 2]


def test_trials_of_later_seeds_are_read_with_those_of_the_first():
    records = auto_trials({"random": 3})
    later = POINT._replace(variant=paper_points.LATER_SEEDS[paper_points.MAIN])
    there = {POINT: records, later: records.assign(seed=records["seed"] + 2)}
    both = paper_results._with_more(POINT, there)
    assert sorted(both["seed"].unique()) == [0, 1, 2, 3]
    assert paper_estimates.Setting(POINT, both, "auto").means("random", "ratio").shape == (2, 4)


def test_epochs_are_those_with_which_a_network_converges_and_twice_as_many():
    for data, model, epochs in (("digits", "small-cnn", 20), ("fashion-mnist", paper_points.MOBILENET, 60)):
        once = paper_points.Point(data, "iid", model)
        twice = once._replace(variant=paper_points.TWICE)
        assert (once.epochs, twice.epochs) == (epochs, 2 * epochs)
        for point in (once, twice):
            assert edgesim.load_scenario(point.file, point.overrides).training.epochs == point.epochs


def test_a_method_of_fewer_seeds_is_compared_in_the_seeds_that_it_has():
    records = auto_trials({"random": 3})
    more = records[records["method"] != "auto"]
    both = pd.concat([records, more.assign(seed=more["seed"] + 2)], ignore_index=True)
    assert paper_estimates.Setting(POINT, both, "auto").means("random", "ratio").shape == (2, 2)
    (gaps,) = paper_auto.AutoSetting(POINT, both, "auto").gaps("random", "ratio", "gap").values()
    np.testing.assert_allclose(gaps, np.full((2, 2), 3.0))


def test_what_of_the_grid_did_not_run_is_named():
    def told(without):
        grid = itertools.product(paper_points.TUNED, running.PARTITIONS, ("resnet8", paper_points.MOBILENET))
        settings = [{"data": data, "partition": partition, "model": model, "variant": "main", "claim": "full_accuracy"}
                    for data, partition, model in grid if (data, partition, model) not in without]  # fmt: skip
        return paper_time_page.not_run_in_words(Rows(pd.DataFrame(settings)))

    assert told([]) == ""
    lacking = [("cifar10", f"dirichlet-{alpha}", paper_points.MOBILENET) for alpha in (0.5, 0.1)]
    assert told([*lacking, ("digits", "iid", "resnet8")]).endswith(
        "these did not run: digits resnet8 (iid), CIFAR-10 mobilenet-v2 (α 0.5 and α 0.1)."
    )


def test_trainings_are_told_by_data_and_network():
    keys = [("digits", "iid", "resnet8"), ("digits", "dirichlet-0.1", "resnet8"), ("watch", "iid", "gru"),
            ("digits", "iid", paper_points.MOBILENET), ("digits", "iid", "small-cnn")]  # fmt: skip
    rows = [{"claim": "full_accuracy", "data": data, "partition": partition, "model": model, "variant": "main"}
            for data, partition, model in keys]  # fmt: skip
    assert paper_details._trainings(Rows(pd.DataFrame(rows))) == (
        "Adam with a cosine schedule: 20 epochs, batches of 16, learning rate 0.004: digits resnet8, digits small-cnn; "
        "60 epochs, batches of 16, learning rate 0.01: WISDM watch gru; 80 epochs, batches of 16, learning rate 0.01: "
        "digits mobilenet-v2."
    )


def test_settings_in_which_nothing_is_learnt_are_named():
    flat = np.full((2, 2), 0.1)
    records = trials({"full": flat + 0.2, "random": flat, "importance": flat})
    other = POINT._replace(data="cifar10", model=paper_points.MOBILENET)
    varied = records.assign(test_accuracy=records["test_accuracy"] + 0.01 * records["device"])
    settings = [paper_estimates.Setting(point, table.assign(host_wall_s=1.0))
                for point, table in ((POINT, varied), (other, records))]  # fmt: skip
    found = Rows(pd.DataFrame(row for one in settings for row in paper_results._attributes(one)))
    told = paper_details._unlearnt(found)
    assert told.startswith(" At 0.5 random's networks name one class")
    assert told.endswith("no tie: CIFAR-10 iid mobilenet-v2.")
    assert found.number(claim=paper_results.SPREAD, data="digits") == pytest.approx(1)


def test_curves_have_a_panel_per_data_set_and_network():
    gru = POINT._replace(data="watch", model="gru")
    points = POINT, POINT._replace(variant=paper_points.TWICE), POINT._replace(partition="dirichlet-0.1"), gru
    figure = paper_curves.drawn([paper_curves.Curve(point, [0.5, 0.75]) for point in points])
    first, second, *others = figure.axes
    assert [axis.get_title() for axis in (first, second)] == ["digits, small-cnn", "WISDM watch, gru"]
    assert [axis.get_visible() for axis in others] == [False, False]
    assert [len(axis.lines) for axis in (first, second)] == [3, 1]
    assert [line.get_linestyle() for line in first.lines] == ["-", "--", "-"]
    assert list(first.lines[0].get_ydata()) == [50, 75]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["iid", "iid, twice the epochs", "α 0.1"]


def test_the_page_says_where_only_some_opponents_ran():
    ran = {"small-cnn": ("fewer-epochs", "rs2"), "resnet8": ("rs2",), "mlp": ()}
    key = {"data": "digits", "partition": "iid", "variant": "main"}
    settings = [{**key, "model": model, "claim": "full_accuracy", "method": "full"} for model in ran]
    gaps = [{**key, "model": model, "claim": "above_random", "method": name} for model in ran for name in ran[model]]
    told = paper_page._opponents(Rows(pd.DataFrame([*settings, *gaps])))
    assert told.endswith("in 1 of 3 settings rs2 alone ran, in 1 none.")
    all_ran = [row for row in (*settings, *gaps) if row["model"] == "small-cnn"]
    assert paper_page._opponents(Rows(pd.DataFrame(all_ran))).endswith("in 0 of 1 settings rs2 alone ran.")
