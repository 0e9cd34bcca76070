"""Metrics of a regression and of a detection: tables, judgements, texts and figures have their names and directions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from metric_runs import as_classification, results, write_run

from edgesim import report
from edgesim.analysis.accuracy_loss import losses_to_full
from edgesim.analysis.best_ratio import best_ratios
from edgesim.analysis.break_even import break_even
from edgesim.analysis.claims import paper_claims
from edgesim.analysis.comparison import against_first, fronts, mean_differences
from edgesim.analysis.comparison_findings import run_findings
from edgesim.analysis.curves import final_accuracy
from edgesim.analysis.fairness import device_winners, fairness
from edgesim.analysis.fleets import fleet_table
from edgesim.analysis.grouping import complete
from edgesim.analysis.means import summary
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.verdict import verdict_of
from edgesim.cli import compare
from edgesim.cli.progress import Tally
from edgesim.cli.tune import ACCURACY_OF, accuracies
from edgesim.errors import EdgesimError, RunError
from edgesim.planning.mode_search import Candidates, Target, choose
from edgesim.records import Record, TrialResult
from edgesim.report import comparison_page, page
from edgesim.report.columns import columns_of as report_columns_of
from edgesim.report.figures import accuracy
from edgesim.report.plot_style import method_styles
from edgesim.results import run_info, run_summary
from edgesim.results.linked_runs import accuracy_curves
from edgesim.results.run_folder import Run
from edgesim.results.serialization import from_line, results_of, tables, to_line
from edgesim.results.table_columns import OF_TRIALS, columns_of
from edgesim.results.table_files import write_table
from edgesim.tasks import METRICS, TASKS, metric_in, task_in


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("metrics")
    named = {"regression": ("regression", 1.0), "better": ("regression", -1.0), "detection": ("detection", 1.0)}
    return {name: write_run(folder / name, task, sign=sign) for name, (task, sign) in named.items()}


def told(records: pd.DataFrame, **how: float) -> dict[str, str]:
    """Kind -> sentence of a verdict."""
    return {found.kind: found.text for found in verdict_of(records, **how)}


def test_columns_are_those_of_the_task(runs: dict[str, Run]) -> None:
    columns = list(runs["regression"].records)
    first = columns.index("test_mae")
    assert columns[first : first + 9] == [
        f"{of}_{key}" for key in ("mae", "mse", "r2") for of in ("test", "local", "train")
    ]
    assert columns[first - 1] == "dynamic"
    assert columns[first + 9] == "test_loss"
    assert not [name for name in (*columns, *runs["regression"].curves) if "accuracy" in name or name == "metrics"]
    curves = ["subset_loss", "subset_map50", "test_map50", "test_map", "test_loss"]
    assert list(runs["detection"].curves)[5:] == curves
    assert runs["detection"].task is TASKS["detection"]
    assert runs["detection"].metric is METRICS["map50"]
    assert columns_of("records") == OF_TRIALS["records"]
    assert "metrics" not in OF_TRIALS["records"]
    assert metric_in(runs["regression"].curves) is METRICS["mae"]
    assert task_in(pd.DataFrame(columns=["method"])).name == "classification"
    assert set(columns) == set(complete(runs["regression"].records[["method", "keep_ratio", "status", "test_mae"]]))


@pytest.mark.parametrize("task", ["regression", "detection"])
def test_results_go_through_journal_and_tables_unchanged(task: str) -> None:
    given = results(task, seeds=1)
    found = [from_line(to_line(one)) for one in given]
    again = results_of(tables(given, task))
    for one, other, third in zip(given, found, again, strict=True):
        assert one.record.metrics == other.record.metrics == third.record.metrics
        assert [p.metrics for p in one.curve] == [p.metrics for p in other.curve]
        assert math.isnan(other.record.test_accuracy)
        assert other.record.trial == one.record.trial
        first = TASKS[task].metric.column()
        assert [p.metrics[first] for p in third.curve] == [p.metrics[first] for p in one.curve]
    failed = TrialResult(Record("s", 9, 0, "pi", "full", 1.0, "failed", reason="the loss is nan"))
    table = tables([*given, failed])["records"]
    assert table[TASKS[task].metric.column()].isna().tolist() == [False] * len(given) + [True]
    alone = tables([failed], task)["records"]  # the task of the run decides where no trial shows it
    assert list(alone) == columns_of("records", task)


def test_own_test_samples_have_a_column_where_a_run_has_them() -> None:
    one = TrialResult(Record("s", 0, 0, "pi", "full", 1.0, "ok", shard_size=3, subset_size=3, test_accuracy=0.5,
                             metrics={"own_accuracy": 0.75}))  # fmt: skip
    table = tables([one, TrialResult(Record("s", 0, 1, "pi", "full", 1.0, "failed"))])["records"]
    place = list(table).index("own_accuracy")
    assert list(table)[place - 1 : place + 2] == ["local_accuracy", "own_accuracy", "train_accuracy"]
    assert table["own_accuracy"].tolist()[0] == 0.75
    assert np.isnan(table["own_accuracy"][1])
    back = results_of({**tables([one]), "records": table.head(1)})[0].record
    for record in (back, from_line(to_line(one)).record):
        assert record.test_accuracy == 0.5
        assert record.metrics == {"own_accuracy": 0.75}


@pytest.mark.parametrize(
    ("task", "column", "value", "says"),
    [
        ("regression", "test_mae", -0.1, "test_mae is a number (-0.1); allowed: a finite number from 0 up, or empty"),
        ("regression", "test_r2", 1.5, "test_r2 is a number (1.5); allowed: a finite number up to 1, or empty"),
        ("detection", "local_map", 1.5, "local_map is a number (1.5); allowed: a finite number from 0 to 1, or empty"),
        ("detection", "test_map50", np.nan, "test_map50 is empty; a trial with status ok has one"),
    ],
)
def test_a_value_out_of_its_range_is_named(tmp_path: Path, task: str, column: str, value: float, says: str) -> None:
    run = write_run(tmp_path / "run", task, seeds=1)
    table = run.records.copy()
    table.loc[2, column] = value
    write_table(run.path, "records", table)
    with pytest.raises(RunError, match="row 3") as caught:
        _ = Run(run.path).records
    assert says in str(caught.value)


def test_a_run_needs_the_columns_of_its_task_and_a_known_task(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "regression", seeds=1)
    write_table(run.path, "records", run.records.drop(columns="test_mae"))
    with pytest.raises(RunError, match="it has no column test_mae"):
        _ = Run(run.path).records
    run_info.write(run.path, {**run.info, "task": "ranking"})
    with pytest.raises(RunError, match="task: must be one of classification, regression, detection; got 'ranking'"):
        Run(run.path)


def test_verdict_of_an_error_that_rises(runs: dict[str, Run]) -> None:
    found = told(runs["regression"].records)
    assert found["answer"] == (
        "Do not prune by importance here: the mean absolute error rises at every keep ratio that ran, by 0.5 at 50 %."
    )
    assert found["accuracy"].startswith("At 0.5 the mean absolute error of importance minus full training's is +0.5 (")
    assert found["accuracy"].endswith(": it is higher (lower is better).")
    assert found["harm"].startswith("From keep ratio 0.5 down, importance raises the mean absolute error: +0.5 (")
    assert found["harm"].endswith("there, and +1 at 0.25.")
    assert (
        "beats random at none of 2 keep ratios and does worse at 2. Worst: importance at 0.25, +1 (" in found["random"]
    )
    assert "reaches a mean absolute error of 2.57 (lower is better). Random keeps 0.51" in found["cost"]
    assert "+0.5 (+0.465 to +0.535) for importance. So importance falls behind random" in found["cost"]
    assert "does worse than random at equal keep ratio: +0.5 (" in found["use"]
    assert not any(word in text for text in found.values() for word in ("accuracy", "points", " point", "+50"))


def test_verdict_of_an_error_that_falls(runs: dict[str, Run]) -> None:
    found = told(runs["better"].records)
    assert found["answer"] == (
        "Keep 25 % by importance: saves 74.0 % of the time and 74.0 % of the energy, the mean absolute error is lower "
        "by 1. At the same energy it is ahead of random by 1."
    )
    assert "at 0.25 it differs by -1 (" in found["harm"]
    assert found["harm"].startswith(
        "At no keep ratio does importance raise the mean absolute error by more than 1 % of"
    )
    assert "So importance is ahead of random" in found["cost"]
    assert "random does not reach that mean absolute error." in found["use"]


def test_the_margin_of_an_error_is_relative_to_full_training(runs: dict[str, Run]) -> None:
    records = runs["regression"].records
    losses = losses_to_full(records, "importance", 0.3)
    assert losses.margin == pytest.approx(0.3 * 2.07)  # 30 % of full training's mean
    assert losses.safe == [0.5]
    assert losses.harmful == [0.5, 0.25]
    assert losses.common[0.5].estimate == pytest.approx(-0.5)  # a gain
    answer = told(records, margin=0.3)["answer"]
    assert "an increase of the mean absolute error by 0.5, within the margin of 30 % of full training's" in answer
    random = losses_to_full(records[records["method"] != "importance"], "random", 0.01)
    assert random.recommended == 0.25
    found = told(records[records["method"] != "importance"])["answer"]
    assert "no increase of the mean absolute error above 1 % of full training's" in found


def test_a_share_is_told_like_accuracy_under_its_own_name(runs: dict[str, Run]) -> None:
    """The same numbers as a classification: every sentence is the same but for the metric's name."""
    records = runs["detection"].records
    one, other = told(records), told(as_classification(records))
    assert one["answer"] == (
        "Do not prune by importance here: mAP at 0.5 falls at every keep ratio that ran, by 15.0 points at 50 %."
    )
    for kind, text in one.items():
        assert text.replace("36.8 % mAP at 0.5.", "36.8 %.").replace("mAP at 0.5", "accuracy") == other[kind], kind
    claims, of_accuracy = (paper_claims(table).table for table in (records, as_classification(records)))
    numbers = ["estimate", "low", "high", "threshold", "p", "verdict"]
    pd.testing.assert_frame_equal(claims[numbers], of_accuracy[numbers])
    assert set(claims["unit"]) == {"map50", "share", "R2"}


def test_claims_on_an_error(runs: dict[str, Run]) -> None:
    for name, verdict in (("regression", "does not hold"), ("better", "holds")):
        claims = paper_claims(runs[name].records).table.set_index("claim")
        measured = claims[(claims["unit"] == "mae") & claims["estimate"].notna()]
        assert set(measured["verdict"]) == {verdict}
        assert claims.loc["preserved_0.5", "threshold"] == pytest.approx(0.02 * 2.07)
        assert claims.loc["never_below_random", "threshold"] == pytest.approx(0.005 * 2.07, rel=1e-3)
    statement = "At keep ratio 0.5 the mean absolute error is at most 2 % above full training's"
    assert claims.loc["preserved_0.5", "statement"] == statement
    assert claims.loc["above_random_small", "statement"].endswith("its mean absolute error is below random's")
    assert claims.loc["preserved_0.5", "estimate"] == pytest.approx(-0.5)


def test_fronts_winners_fairness_and_break_even_prefer_the_lower_error(runs: dict[str, Run]) -> None:
    worse, better = runs["regression"].records, runs["better"].records
    points = accuracy_against(better).table
    front = points[points["on_front"]]
    assert list(zip(front["method"], front["keep_ratio"], strict=True)) == [("random", 0.25), ("importance", 0.25)]
    points = accuracy_against(worse).table
    assert not points.loc[points["method"] == "importance", "on_front"].any()
    for records, winner in ((worse, "random"), (better, "importance")):
        winners = device_winners(records).table
        assert set(winners["method"]) == {winner}
        assert (winners["ahead"] > 0).all()
        assert list(winners)[4] == "test_mae"
    table = fairness(worse).table
    full = table[table["method"] == "full"].iloc[0]
    assert full["worst_tenth"] == pytest.approx(2.0 * (1 + 0.015 + 0.04))  # the device with the largest error
    paid = break_even(better, "importance", ["random"]).table.set_index("keep_ratio")
    assert paid.loc[0.25, "mae"] == pytest.approx(1.07)
    assert np.isinf(paid.loc[0.25, "opponent_train_j"])
    assert paid.loc[0.25, "opponent_mae"] == pytest.approx(2.07, rel=1e-3)
    best = best_ratios(worse, (0.01,)).table
    assert set(best.loc[best["method"] == "importance", "keep_ratio"]) == {1.0}
    assert best.loc[best["method"] == "importance", "risk"].tolist() == pytest.approx(
        [1.0] * 3
    )  # that of full training
    assert "energy_per_point_j" not in fleet_table({"a": worse}).table


def test_comparison_of_two_runs(runs: dict[str, Run]) -> None:
    tables_ = {"worse": runs["regression"].records, "better": runs["better"].records}
    pairs = against_first(tables_).table.set_index(["method", "keep_ratio"])
    assert pairs.loc[("importance", 0.5), "difference"] == pytest.approx(-1.0)
    assert pairs.loc[("importance", 0.5), "evidence"] == "lower"
    sentence = run_findings(mean_differences(tables_).table, against_first(tables_).table)[0].text
    assert sentence.startswith("better: over all pairs the test mean absolute error changes by -0.6 (")
    assert "(lower is better). Of 5 pairs" in sentence
    common = fronts(tables_).table
    best = common[common["on_common_front"]]
    assert "better" in set(best["run"])
    assert not ((best["run"] == "worse") & (best["method"] == "importance")).any()
    compared = comparison_page.of_runs({"worse": runs["regression"], "better": runs["better"]})
    text = comparison_page.as_data(compared)
    assert {"first_mae", "this_mae", "difference"} <= text["tables"]["pairs"][0].keys()
    html = page.render_page(compared)
    assert "Test mean absolute error of every run" in html
    assert "accuracy</" not in html
    figure = next(f for part in compared.sections for f in part.figures if f.key == "run-difference")
    assert figure.spec["layout"]["yaxis"]["title"]["text"] == "difference"
    assert min(v for trace in figure.spec["data"] for v in trace["y"]) == pytest.approx(-2.0)  # not in points


def test_fleets_and_the_terminal_of_compare(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = runs["regression"]
    slower = run.records.assign(device_time_s=2 * run.records["device_time_s"])
    compared = comparison_page.of_fleets(run, {"own": run.records, "slow": slower}, {"own": "", "slow": ""})
    compare._print_page(compared)
    printed = " ".join(capsys.readouterr().out.split())
    assert "test_mae" in comparison_page.as_data(compared)["tables"]["fleets"][0]
    assert "accuracy" not in printed
    assert "J per point" not in printed
    assert "own: Equal cost (emulated energy, scoring included): importance at 0.5 reaches a mean absolute" in printed


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_own_test_samples_are_shown_beside_the_own_mix(runs: dict[str, Run], task: str) -> None:
    records = runs["regression"].records if task == "regression" else as_classification(runs["detection"].records)
    metric = TASKS[task].metric
    own = metric.column("own")
    records = records.assign(**{own: records[metric.column()] / 2})
    table = summary(records)
    columns = list(table)
    assert columns[columns.index(own) - 1] == metric.named("accuracy_half_width")
    assert table[own].to_numpy() == pytest.approx(table[metric.column()].to_numpy() / 2)
    final = final_accuracy(records).table
    figure = accuracy.accuracy_figure(final, method_styles(final["method"], "full"), own)
    assert figure.title == f"{metric.title.capitalize()}, own test against keep ratio"
    assert figure.note.startswith("On the device's own test samples")
    label = report_columns_of(metric)[own].label
    assert label == f"{metric.title}, own test"


def test_progress_shows_the_metric() -> None:
    for task, shown in (("regression", "mean absolute error 2 to 3.16"), ("detection", "mAP at 0.5 19.4 % to")):
        found = results(task)
        tally = Tally()
        for one in found:
            tally.count(one.record)
        assert shown in tally.text(3)


def test_tune_reads_the_metric_of_a_run(runs: dict[str, Run]) -> None:
    same = {name: runs["regression"].scenario.get(name) for name in ACCURACY_OF}
    metric, found, notes = accuracies(runs["regression"].path, same)
    assert metric is METRICS["mae"]
    assert notes == ()
    assert [one.accuracy for one in found["importance"]] == pytest.approx([3.07, 2.57])
    target, modes = Target("accuracy", deadline_s=10.0), np.array([0])
    costs = np.ones((2, 1))
    candidates = Candidates(np.array([25, 50]), modes, costs, costs, np.zeros((2, 1), dtype=np.int64))
    gains = metric.sign * np.array([one.accuracy for one in found["importance"]])
    assert choose(candidates, target, gains).m == 50  # the smaller error


def test_runs_of_different_tasks_are_refused(runs: dict[str, Run]) -> None:
    with pytest.raises(EdgesimError) as caught, compare._argument_faults():
        comparison_page.of_runs({"a": runs["regression"], "b": runs["detection"]})
    assert type(caught.value) is EdgesimError  # exit code 2
    assert str(caught.value) == (
        "b is a detection and a a regression: mAP at 0.5 and mean absolute error do not compare; "
        "compare runs of one task"
    )


def test_page_and_terminal_name_the_metric(runs: dict[str, Run]) -> None:
    shown = page.of_run(runs["regression"])
    figures = {figure.key: figure for part in shown.sections for figure in part.figures}
    assert {"test-mae", "local-mae", "train-mae", "test-mse", "test-r2", "curve-test-mae", "gap"} <= figures.keys()
    curve = figures["curve-test-mae"]
    assert curve.title == "Test mean absolute error over epochs"
    assert "Lower is better." in curve.note
    axis = curve.spec["layout"]["yaxis"]
    assert axis["title"]["text"] == "test mean absolute error"
    assert "tickformat" not in axis
    assert figures["gap"].spec["layout"]["yaxis"]["title"]["text"] == "mean absolute error − random"
    assert "Below zero: better than random." in figures["gap"].note
    assert max(v for trace in figures["gap"].spec["data"] for v in trace["y"]) == pytest.approx(1.0)
    assert figures["pareto-energy"].spec["layout"]["yaxis"]["title"]["text"] == "test mean absolute error"
    html = page.render_page(shown)
    assert "the margin (report.margin) is 1 % of full training&#39;s" in html
    assert "Further left costs less, further down is more accurate" in html
    share = {f.key: f for part in page.of_run(runs["detection"]).sections for f in part.figures}
    assert share["test-map50"].spec["layout"]["yaxis"]["tickformat"]
    assert "test-map" in share
    summary = report.summary_of(runs["regression"])
    assert summary.header[2] == "test\nMAE"
    assert summary.rows[-1][2:4] == ["2.57", "0.131"]
    assert summary.rows[-1][-1] == "+0.5"
    assert "A lower mean absolute error is better." in summary.caption
    assert report.summary_of(runs["detection"]).rows[0][2] == "51.7"


def test_summary_line_and_curves_for_an_objective(runs: dict[str, Run]) -> None:
    best = dict(run_summary.of(runs["better"].path, runs["better"].info, runs["better"].records))["best"]
    assert best == "importance at keep ratio 0.25: test mean absolute error 1.07 (mean of 12 trials)"
    curve = accuracy_curves(runs["regression"].path)["importance"]
    assert curve[:, 0].tolist() == [0.25, 0.5, 1.0]
    # 1 - risk, the risk being the error relative to full training's
    assert curve[:, 1] == pytest.approx([1 - 3.07 / 2.07, 1 - 2.57 / 2.07, 0.0])
    assert accuracy_curves(runs["detection"].path)["importance"][:, 1] == pytest.approx([0.2175, 0.3675, 0.5175])
