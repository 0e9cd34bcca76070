"""The page of a run: its numbers read back from the HTML, names escaped, and no run that breaks it."""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest
from report_runs import HOSTILE, FakeRun, Reader, make_run, unpacked, written

from edgesim import formatting, report
from edgesim.analysis import heterogeneity, means
from edgesim.analysis.claims import paper_claims
from edgesim.analysis.curves import CURVE_VALUES, curve_bands, final_accuracy
from edgesim.analysis.heterogeneity import stragglers
from edgesim.analysis.means import COSTS, by_profile, cost_by_ratio, gap_to_random, time_fits
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.prices import compare_prices, device_prices
from edgesim.analysis.verdict import verdict_of
from edgesim.records import Record
from edgesim.report import (
    columns,
    fleet_sections,
    outline,
    page,
    payload,
    plot_style,
    run_facts,
    run_tables,
    text_tables,
)
from edgesim.report.figures import accuracy, classes, device_figures, kept, prices
from edgesim.report.figures import curves as curve_figures
from edgesim.report.figures.figure import Figure
from edgesim.report.sections import PageChoice, PageTable, Section
from edgesim.report.terminal_summary import summary_of
from edgesim.report.text_tables import terminal_rows
from edgesim.report.verdict_section import claims_in_words, read_verdict
from edgesim.results.table_columns import empty


def read(run):
    reader = Reader(page.render(run))
    assert reader.open == []
    return reader


def test_every_number_of_the_summary_is_on_the_page():
    run, reader = written().run, written().reader
    header, *rows = reader.tables["Every method and keep ratio"]
    summary = means.summary(run.records)
    shown = [name for name in summary if name not in outline.HIDDEN | set(outline.COMMON)]
    assert header == [columns.COLUMNS[name].label for name in shown]
    assert len(rows) == len(summary) == 5
    for row, (_, values) in zip(rows, summary.iterrows(), strict=True):
        assert row == [columns.COLUMNS[name].write(values[name]) for name in shown]
    # importance at 0.5, by hand: 0.5 + 0.15 + 0.011 + 0.003 + 0.026; 5 + 2 of 10 seconds; 0.2 of 2 * 7 on average
    assert rows[-1][:4] == ["importance", "0.5", "6", "69.0 %"]
    assert rows[-1][header.index("time saved")] == "30.0 %"
    assert rows[-1][header.index("scoring share")] == "1.4 %"
    assert rows[0][header.index("failed")] == "0"


def test_tables_behind_the_figures_hold_the_analysis():
    run, reader = written().run, written().reader
    for caption, data in (
        ("Accuracy gap to random", gap_to_random(run.records)),
        ("Prices of every device", device_prices(compare_prices(run.records).table).table),
        ("Means per profile", by_profile(run.records)),
        ("Fitted lines of time against the ratio", time_fits(run.records)),
        ("Mean curves", curve_bands(run.curves).table),
        ("Every device", heterogeneity.by_device(run.records).table),
        ("Waiting for the slowest", stragglers(run.records).table),
        ("Claims in numbers", paper_claims(run.records).table),
        ("Accuracy against energy", accuracy_against(run.records).table),
    ):
        numbers = data.select_dtypes("number")
        embedded = reader.numbers(caption)
        assert list(embedded) == list(data)
        pd.testing.assert_frame_equal(embedded[list(numbers)].astype(float), numbers.astype(float), rtol=0, atol=0)
        names = [columns.column(name, data[name]) for name in data]
        texts = [[c.write(row[c_name]) for c, c_name in zip(names, data, strict=True)]
                   for _, row in data.head(page.FIRST_ROWS).iterrows()]  # fmt: skip
        assert reader.tables[caption][1:] == texts, caption
        assert texts


def test_the_page_is_self_contained_and_small(tmp_path):
    out = page.write_page(written().page, tmp_path / "new" / "report.html")
    text = out.read_text(encoding="utf-8")
    assert out.stat().st_size < 6_000_000
    assert text.count(str(payload.plotly_js())) == 1
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "img", "iframe")  # this run has no pictures; theirs are tested in test_pictures
        assert "src" not in attributes
        if tag == "a":
            assert attributes["href"].startswith("#")
    own = text.replace(str(payload.plotly_js()), "")
    assert "http://" not in own
    assert "https://" not in own


def test_with_one_seed_every_device_repeats_no_trial():
    run = written(seeds=1).run
    table = written(seeds=1).reader.numbers("Every device")
    names = ["device", "profile", "method", "keep_ratio", "time_saved", "energy_saved", "accuracy_change"]
    assert list(table) == names
    by_device = heterogeneity.by_device(run.records).table
    pd.testing.assert_frame_equal(table, by_device[names], check_dtype=False, rtol=0, atol=0)


def test_plotly_is_the_published_file_and_can_stand_inside_a_script_tag():
    script = str(payload.plotly_js())
    assert script.startswith("/**\n* plotly.js (basic - minified) v4.1.1\n")
    published = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
    assert hashlib.sha256(script.encode()).hexdigest() == published
    assert "</script" not in script.lower()


def test_size_with_many_methods_ratios_and_epochs():
    columns = ["method", "keep_ratio", "epoch"]
    grid = pd.MultiIndex.from_product(
        [[f"m{i}" for i in range(10)], [r / 10 for r in range(1, 11)], range(1, 301)], names=columns
    )
    curves = grid.to_frame(index=False).assign(seed=0, device=0)
    for value in CURVE_VALUES:
        curves[value] = np.linspace(0.1, 0.9, len(curves)) / 3
    run = dataclasses.replace(make_run(), curves=curves)
    assert len(page.render(run).encode()) < 6_000_000


def test_names_and_reasons_are_escaped():
    run = make_run(methods=("full", "random", HOSTILE), scenario=HOSTILE, git_commit=HOSTILE)
    run.records["profile"] = HOSTILE
    failed = Record("demo", 0, 9, HOSTILE, HOSTILE, 0.9, "failed", reason="</script><script>alert(1)</script>")
    run.records.loc[len(run.records)] = dataclasses.asdict(failed)
    run.scenario["note"] = "</pre><script>"
    text = page.render(run)
    reader = Reader(text)
    assert "<b>" not in text.replace(str(payload.plotly_js()), "")
    assert len(reader.scripts) == 3  # the numbers, plotly.js and the page's own
    assert reader.tables["Trials that did not end well"][1][:3] == [
        "failed",
        "</script><script>alert(1)</script>",
        HOSTILE,
    ]
    assert "</pre><script>" in reader.page_text
    # plotly reads HTML in names, so there they are escaped once more
    assert [trace["name"] for trace in reader.specs["gap"]["data"]] == ["&lt;b&gt;x&lt;/b&gt;"]
    assert set(reader.specs["device-time"]["layout"]["yaxis"]["ticktext"]) == {"&lt;b&gt;x&lt;/b&gt;"}


def test_every_figure_is_valid_and_described():
    reader = written().reader
    assert reader.open == []
    names = [a["data-figure"] for tag, a in reader.tags if tag == "figure"]
    plots = dict(zip(names, [a for tag, a in reader.tags if a.get("class") == "plot"], strict=True))
    assert set(plots) == set(reader.specs)
    assert set(plots) == {
        "test-accuracy",
        "local-accuracy",
        "gap",
        "curve-subset-loss",
        "curve-subset-accuracy",
        "time-analytic",
        "time-device",
        "time-host",
        "energy-analytic",
        "energy-device",
        "device-time",
        "device-energy",
        "pareto-time",
        "pareto-energy",
        "stragglers",
        "fairness",
        "factors",
    }  # the hand-made run has no accuracy on the shards, no sizes, no shards and no scores
    assert "Devices by their most accurate method: importance: 3 devices for 0.1 and 0.5." in reader.page_text
    for key, spec in reader.specs.items():
        plotly.graph_objects.Figure(spec)  # raises on a property that plotly does not know
        assert plots[key]["role"] == "img"
        assert len(plots[key]["aria-label"]) > 40
    assert "importance: 57.0 % at 0.1, 69.0 % at 0.5." in plots["test-accuracy"]["aria-label"]


def test_accuracy_figure_draws_its_data():
    final = final_accuracy(make_run().records).table
    styles = plot_style.method_styles(final["method"], "full")
    spec = accuracy.accuracy_figure(final, styles, "test_accuracy").spec
    traces = {trace["name"]: trace for trace in spec["data"]}
    # full: 0.8 + 0.011 + 0.003 at every ratio
    assert traces["full"]["x"] == [0.1, 1.0]
    assert traces["full"]["y"] == pytest.approx([0.814, 0.814])
    assert traces["random"]["y"] == pytest.approx([0.557, 0.677])
    ends = (final.loc[final["method"] == "random", f"test_accuracy_{end}"].tolist() for end in ("low", "high"))
    low, high = ends
    band = traces["random, 95 % interval"]
    assert band["x"] == [0.1, 0.5, 0.5, 0.1]
    assert band["y"] == pytest.approx([*high, *low[::-1]], rel=1e-5)
    assert band["legendgroup"] == traces["random"]["legendgroup"]  # both go at one press


def test_many_methods_have_no_bands():
    final = final_accuracy(make_run(methods=[f"m{i}" for i in range(6)]).records).table
    figure = accuracy.accuracy_figure(final, plot_style.method_styles(final["method"], "full"), "test_accuracy")
    assert [trace["name"] for trace in figure.spec["data"]] == [f"m{i}" for i in range(6)]
    assert "in the table" in figure.note


def test_accuracy_leaves_out_what_has_none():
    run = make_run()
    run.records.loc[run.records["method"] == "random", "status"] = "failed"
    final = final_accuracy(run.records).table
    figure = accuracy.accuracy_figure(final, plot_style.method_styles(final["method"], "full"), "test_accuracy")
    assert figure.table["method"].tolist() == ["full", "importance", "importance"]


def test_gap_figure_is_in_percentage_points():
    data = pd.DataFrame([("el2n", 0.5, 4, 0.02, 0.01, 0.05)],
                        columns=["method", "keep_ratio", "pairs", "gap", "gap_low", "gap_high"])  # fmt: skip
    (trace,) = accuracy.gap_figure(data, plot_style.method_styles(["el2n"], "full")).spec["data"]
    assert trace["y"] == [2.0]
    assert trace["error_y"]["array"] == [3.0]
    assert trace["error_y"]["arrayminus"] == [1.0]


def test_curves_are_thinned_but_keep_both_ends():
    curves = pd.DataFrame({"method": "m", "keep_ratio": 0.5, "epoch": range(1, 101), "seed": 0, "device": 0})
    for value in CURVE_VALUES:
        curves[value] = curves["epoch"] / 100
    bands = curve_bands(curves).table
    found = curve_figures.thinned(bands, points=4)
    assert found["epoch"].tolist() == [1, 34, 67, 100]
    assert found["test_loss"].tolist() == [0.01, 0.34, 0.67, 1.0]
    assert len(curve_figures.thinned(bands)) == 100


def test_curves_show_only_epochs_that_were_evaluated():
    lines = curve_figures.thinned(curve_bands(make_run().curves).table)
    traces = curve_figures.curves_figure(lines, "test_loss").spec["data"]
    assert {tuple(trace["x"]) for trace in traces} == {(3,)}
    assert {trace["meta"]["method"] for trace in traces} == {None, "random", "importance"}


def test_curves_of_one_point_are_no_figures():
    keys = set(written().reader.specs)
    assert {"curve-subset-loss", "curve-subset-accuracy"} <= keys
    assert not {"curve-test-loss", "curve-test-accuracy"} & keys


def test_devices_are_ordered_by_cost_and_zero_is_not_drawn_on_a_log_axis():
    run = make_run(devices=3)
    run.records.loc[run.records["device"] == 2, "device_energy_j"] = 0.0
    spec = device_figures.device_figure(heterogeneity.by_device(run.records).table, "energy_j").spec
    assert spec["layout"]["yaxis"]["ticktext"] == ["profile-0", "profile-1"]
    assert {text for trace in spec["data"] for text in trace["text"]} == {0, 1}
    assert {place for trace in spec["data"] for place in trace["y"]} == {0, 1}
    # 5 J per 1.5 s emulated: device 1 keeping 0.5 by importance takes 2 * 7 s analytic, 70 J
    kept = [t for t in spec["data"] if t["meta"] == {"method": "importance", "ratio": None} and t["name"] == "kept 0.5"]
    assert kept[0]["x"] == [35.0, 70.0]


def test_the_front_is_drawn_through_what_nothing_beats():
    run = make_run(devices=1)
    points = accuracy_against(run.records, "device_energy_j").table
    figure = device_figures.pareto_figure(points, plot_style.method_styles(run.records["method"], "full"), "energy_j")
    front = figure.spec["data"][-1]
    # Energy is 5 x (10 x ratio + place): random 10 and 30, importance 15 and 35, full 50; accuracy rises all along.
    assert (front["name"], front["x"]) == ("Pareto front", [10.0, 15.0, 30.0, 35.0, 50.0])
    assert figure.alt.endswith("random at 0.1, importance at 0.1, random at 0.5, importance at 0.5, full at 1.")


def test_starved_classes():
    data = pd.DataFrame({"method": "m", "keep_ratio": 0.5, "class_name": ["cat", "<b>"], "label": [0, 1],
                         "kept_share": [0.2, 0.8]})  # fmt: skip
    figure = classes.kept_shares_figure(data)
    (trace,) = figure.spec["data"]
    assert (trace["x"], trace["y"]) == (["cat", "&lt;b&gt;"], [0.2, 0.8])
    assert "m at 0.5 keeps 20.0 % of cat." in figure.alt


def test_class_shares_before_and_after():
    keys = {"seed": [0, 0, 0, 0], "device": [0, 0, 1, 1], "method": "m", "keep_ratio": 0.5}
    counts = pd.DataFrame({**keys, "label": [0, 1, 0, 1], "class_name": ["cat", "dog", "cat", "dog"],
                           "before": [3, 1, 1, 1], "after": [1, 1, 0, 1], "share_before": [0.75, 0.25, 0.5, 0.5],
                           "share_after": [0.5, 0.5, 0.0, 1.0]})  # fmt: skip
    (before,) = classes.shares_figure(counts, after=False).spec["data"]
    assert before["marker"]["color"] == [0.75, 0.25, 0.5, 0.5]
    (after,) = classes.shares_figure(counts, after=True).spec["data"]
    assert (after["x"][3], after["y"][3], after["marker"]["color"][3]) == ("dog", "device 1", 1.0)
    assert after["meta"] == {"method": "m", "ratio": "0.5"}


def test_overlap_is_lines_for_few_pairs_and_squares_for_many():
    rows = [("a", "b", 0.5, 4, 0.4, 0.3, 0.5, 1 / 3)]
    names = ["method_a", "method_b", "keep_ratio", "trials", "jaccard", "jaccard_low", "jaccard_high", "chance"]
    lines = kept.overlap_figure(pd.DataFrame(rows, columns=names)).spec["data"]
    assert [(trace["name"], trace["y"]) for trace in lines] == [("a and b", [0.4]), ("chance", [0.333333])]
    many = [(a, b, 0.5, 4, 0.4, 0.3, 0.5, 1 / 3) for i, a in enumerate("abcd") for b in "abcd"[i + 1 :]]
    (squares,) = kept.overlap_figure(pd.DataFrame(many, columns=names)).spec["data"]
    assert len(squares["x"]) == 12  # both halves
    assert squares["meta"] == {"method": None, "ratio": "0.5"}


def test_fits_are_drawn_through_their_points():
    """Closed form 10 s times the ratio and 2 s; emulated half as much again. Two points: the line goes through both."""
    run = make_run(devices=1)
    costs, fits = cost_by_ratio(run.records).table, time_fits(run.records)
    styles = plot_style.method_styles(run.records["method"], "full")
    for column, expected in (("analytic_time_s", [3.0, 7.0]), ("device_time_s", [4.5, 10.5])):
        figure = prices.time_figure(costs, fits, styles, column)
        dots, line = (t for t in figure.spec["data"] if t["legendgroup"] == "importance")
        assert (dots["mode"], dots["x"], dots["y"]) == ("markers", [0.1, 0.5], expected)
        assert (line["mode"], line["showlegend"]) == ("lines", False)
        assert line["y"] == pytest.approx(expected)
        (full,) = (t for t in figure.spec["data"] if t["name"] == "full")
        assert full["x"] == [1.0]
        assert figure.table[column].tolist() == costs[column].tolist()
    assert "Straight line of importance: 15 s per 1.0, R² 1." in figure.alt


def test_prices_part_by_cause():
    data = pd.DataFrame({"profile": ["p", "p"], "device": [0, 1], "analytic_time_s": [10.0, 30.0], "gap_s": [4.0, 8.0],
                         "rate_s": [1.0, 3.0], "steps_s": [3.0, 5.0], "partial_s": [0.5, 1.5], "score_s": 0.0,
                         "wait_s": 0.0, "throttled_s": 0.0, "rest_s": 0.0})  # fmt: skip
    figure = prices.source_figure(data)
    # Means 2 s of the rate and 4 s of the steps, 1 s of them for partial batches: of 6 s a third, a half, a sixth.
    assert [(t["name"], t["x"], t["y"]) for t in figure.spec["data"]] == [
        ("another rate than φ", [0.333333], ["p"]), ("overhead of steps", [0.5], ["p"]),
        ("steps that partial batches add", [0.166667], ["p"]),
    ]  # fmt: skip
    assert figure.alt.endswith("Largest part: p overhead of steps 50.0 %.")


def test_a_device_that_is_faster_than_its_closed_form_has_that_part_below_zero():
    data = pd.DataFrame({"profile": ["p"], "rate_s": [-1.0], "steps_s": [3.0], "partial_s": math.nan, "score_s": 0.0,
                         "wait_s": 0.0, "throttled_s": 0.0, "rest_s": 0.0})  # fmt: skip
    rate, steps = prices.source_figure(data).spec["data"]
    assert (rate["x"], steps["x"]) == ([-0.25], [0.75])


def test_how_far_the_prices_part():
    """Time 3 s against 2 s and energy 8 J against 2 J on device 4; device 5 has no closed form."""
    data = pd.DataFrame({"device": [4, 5], "profile": ["p", "q"], "time_factor": [1.5, math.nan],
                         "energy_factor": [4.0, math.nan]})  # fmt: skip
    figure = prices.factor_figure(data)
    assert [(t["name"], t["x"], t["y"], t["text"]) for t in figure.spec["data"]] == [
        ("time", [1.5], ["p"], [4]), ("energy", [4.0], ["p"], [4]),
    ]  # fmt: skip
    assert "Least: 1.5 times the time on p" in figure.alt


def test_each_price_of_energy_has_its_own_scale():
    """3 J and 5 J per closed-form second: 10 s times the ratio and 2 s for importance."""
    run = make_run(devices=1)
    styles = plot_style.method_styles(run.records["method"], "full")
    for column, expected in (("analytic_energy_j", [9.0, 21.0]), ("device_energy_j", [15.0, 35.0])):
        figure = prices.energy_figure(cost_by_ratio(run.records).table, styles, column)
        (trace,) = [trace for trace in figure.spec["data"] if trace["name"] == "importance"]
        assert (trace["mode"], trace["x"], trace["y"]) == ("lines+markers", [0.1, 0.5], expected)
        assert figure.table[column].tolist() == cost_by_ratio(run.records).table[column].tolist()


def only_failures():
    run = make_run()
    run.records["status"], run.records["reason"] = "failed", "diverged"
    run.records["test_accuracy"] = math.nan
    return dataclasses.replace(run, curves=run.curves.head(0))


def just_begun():
    return FakeRun(empty("records"), empty("curves"), {"status": "running"}, {})


def unpriced():
    run = make_run()
    for column in (*COSTS, "analytic_score_time_s", "local_accuracy"):
        run.records[column] = math.nan
    return run


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (just_begun(), "This run is still going"),
        (dataclasses.replace(just_begun(), records=make_run().records.head(0)), "There is no trial yet."),
        (make_run(status="running", trials={"ok": 30, "missing": 7}), "still going, with 7 trials missing"),
        (only_failures(), "No trial has ended well, so there is no result"),
        (make_run(methods=("random", "importance")), "savings and accuracy losses are unknown"),
        (make_run(methods=("full", "importance")), "The run has no random selection"),
        (make_run(devices=1), "one device: every number is of this device alone"),
        (make_run(seeds=1, devices=1), "This trial alone"),
        (make_run(ratios=(0.5,)), "only 2 seeds"),
        (make_run(methods=("full",)), "No trial that prunes ended well"),
        (make_run(methods=("random",)), "Full training is not among the methods"),
        (dataclasses.replace(make_run(), curves=empty("curves")), "No curves were recorded."),
        (unpriced(), "No device time is known"),
    ],
)  # fmt: skip
def test_the_page_says_what_it_cannot_say_and_never_breaks(run, said):
    reader = read(run)
    assert said in reader.page_text
    for spec in reader.specs.values():
        plotly.graph_objects.Figure(spec)


def test_tables_that_a_run_lacks_are_named():
    told = written().reader.page_text
    assert "The run folder has no table of shards" in told
    assert "The run holds no scores" in told
    assert "one seed: every number is of this seed alone" in written(seeds=1).reader.page_text


def test_the_state_of_a_run_is_said():
    source = run_tables.read(written().run)
    for info, said in (({"status": "interrupted", "trials": {"missing": 1}}, "interrupted with 1 trial missing"),
                       ({"status": "failed"}, "This run failed")):  # fmt: skip
        shown = dataclasses.replace(written().page, verdict=read_verdict(source, info), sections=[])
        assert said in Reader(page.render_page(shown)).page_text


def test_the_verdict_stands_first():
    run, reader = written().run, written().reader
    first, *_ = verdict_of(run.records)
    kinds = [a["data-finding"] for tag, a in reader.tags if "data-finding" in a]
    assert kinds[0] == first.kind == "answer"
    assert reader.page_text.index(first.text) < reader.page_text.index("Every method and keep ratio")


def test_claims_in_words():
    names = ["statement", "verdict", "estimate", "low", "high", "threshold", "unit", "p_adjusted", "n", "reason"]
    rows = [
        ("a", "holds", -0.004, -0.01, 0.002, -0.01, "accuracy", 0.03, 60, ""),
        ("b", "does not hold", 0.285, 0.28, 0.29, 0.05, "share", 1e-9, 60, ""),
        ("c", "cannot tell", math.nan, math.nan, math.nan, 0.95, "R2", math.nan, 0, "one ratio"),
    ]
    shown = claims_in_words(pd.DataFrame(rows, columns=names))
    assert shown["found"].tolist() == ["-0.4 pp (-1.0 pp to +0.2 pp)", "28.5 % (28.0 % to 29.0 %)", "–"]
    assert shown["against"].tolist() == ["-1.0 pp", "5.0 %", "0.95"]


def test_a_good_run_has_no_reservations():
    run = make_run(seeds=5, devices=5)
    assert read_verdict(run_tables.read(run), run.info).limits == []


def test_headline():
    run = make_run(git_commit="0123456789abcdef")
    assert run_facts.headline(run.info, run.records) == (
        "finished · 30 trials · 3 devices · 2 seeds · 1 min 23 s · commit 01234567"
    )


def test_facts_name_the_run():
    given = {
        "versions": {"torch": "2.15"},
        "host": {"cpus": 2, "memory_bytes": 24 * 2**30},
        "git_commit": "abc",
        "trials": {"ok": 30, "failed": 0},
        "command": ["edgesim", "run", "x.yaml"],
        "started": "2026-11-25T21:17:21+00:00",
        "finished": "some day",
    }
    run = make_run(**given)
    assert dict(run_facts.facts(run.info, run.records)) == {
        "Scenario": "demo",
        "Started": "2026-11-25 21:17:21 UTC",
        "Finished": "some day",
        "Status": "finished",
        "Trials": "ok 30, failed 0",
        "Devices": "3",
        "Seeds": "0, 1",
        "Duration": "1 min 23 s",
        "Host": "cpus 2, memory 25.8 GB",
        "Versions": "torch 2.15",
        "Git commit": "abc",
        "Command": "edgesim run x.yaml",
    }


def test_long_tables_say_what_they_leave_out():
    data = pd.DataFrame({"method": ["m"] * 403, "keep_ratio": 0.5})
    written = text_tables.table(data)
    assert (len(written.rows), written.rows_left_out) == (400, 3)
    assert written.headers == [("method", False), ("keep ratio", True)]


def test_tables_that_are_too_large_are_cut_and_say_so():
    long = PageTable("long", "Long", pd.DataFrame({"value": np.linspace(0, 1, 5000)}))
    short = PageTable("short", "Short", pd.DataFrame({"value": [1.5, 2.0]}))
    shown, packed = payload.fit(payload.packed_tables([long, short]), max_bytes=20_000)
    assert len(payload.as_json(packed["long"])) + len(payload.as_json(packed["short"])) <= 20_000
    assert (shown["short"].left_out, packed["short"]["columns"][0]["values"]) == (0, [1.5, 2])
    rows = packed["long"]["rows"]
    assert 1000 < rows < 5000
    assert shown["long"].left_out == 5000 - rows
    least, packed = payload.fit(payload.packed_tables([long, short]), max_bytes=0)
    assert [packed[key]["rows"] for key in ("long", "short")] == [1, 1]
    assert [least[key].left_out for key in ("long", "short")] == [4999, 1]


def test_numbers_are_embedded_in_full():
    data = pd.DataFrame({"value": [1 / 3, math.nan, 5.0], "method": ["a", "a", None], "steps": [1, 2, 10**9]})
    found = json.loads(payload.as_json(payload.packed(data)))["columns"]
    assert unpacked(found[0])[0] == 1 / 3
    assert [column["form"] for column in found] == [{}, None, {"decimals": 0}]
    assert unpacked(found[1]) == ["a", "a", None]
    assert unpacked(found[2]) == [1, 2, 10**9]
    assert payload.packed(pd.DataFrame({"seed": [3, 3]}))["columns"][0]["all"] == 3
    few = payload.packed(pd.DataFrame({"keep_ratio": [0.1, 1.0, math.nan] * 40}))["columns"][0]
    assert few["of"] == [0.1, 1, None]
    assert unpacked(few) == [0.1, 1, None] * 40
    assert "<" not in payload.as_json({"a": "</script>"})


def test_choices_offer_only_what_there_is():
    trace = {"meta": {"method": "el2n", "ratio": None}}
    other = {"meta": {"method": "aum", "ratio": None}}
    figure = Figure("f", "F", "", "", {"data": [trace, other]})
    section = Section("s", "S", [figure], choices=(
        PageChoice("method", "Method", ("aum", "el2n", "random")), PageChoice("ratio", "Ratio", ("0.1", "0.5")),
    ))  # fmt: skip
    assert [(choice.key, choice.options) for choice in section.shown_choices] == [("method", ("aum", "el2n"))]


def test_terminal_rows():
    run = make_run(devices=1, methods=("full", "importance"), ratios=(0.5,))
    lost = Record("demo", 0, 1, "p", "importance", 0.5, "infeasible")
    run.records.loc[len(run.records)] = dataclasses.asdict(lost)
    header, rows = terminal_rows(means.summary(run.records))
    expected = (
        "method, keep, test acc. %, ±, time saved, energy saved, start-up share, closed form, to random, equal cost"
    )
    assert ", ".join(" ".join(name.split()) for name in header) == f"{expected}, failed"
    # accuracies 0.663 and 0.669: t(1) 12.7062 times 0.003; 6 of 10 seconds
    assert rows == [
        ["full", "1", "80.3", "3.8", "0 %", "0 %", "0 %", "0 %", "–", "0"],
        ["importance", "0.5", "66.6", "3.8", "40 %", "40 %", "0 %", "40 %", "–", "0 + 1 infeasible"],
    ]


def test_the_terminal_says_what_the_page_says():
    """The answer stands first, and is that of the verdict."""
    run = written().run
    told = summary_of(run)
    assert told.sentences[0] == next(one.text for one in verdict_of(run.records) if one.kind == "answer")
    assert told.sentences[0] in written().reader.page_text


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1.0, 30.0], [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]),
        ([0.003, 40.0, math.nan, 0.0], [0.0001, 0.001, 0.01, 0.1, 1, 10, 100, 1000]),
        ([1e-9, 1e9], [1e-10, 1e-7, 1e-4, 0.1, 100, 1e5, 1e8]),
        (
            [103.0, 451.0],
            [
                10,
                15,
                20,
                30,
                40,
                50,
                70,
                100,
                150,
                200,
                300,
                400,
                500,
                700,
                1000,
                1500,
                2000,
                3000,
                4000,
                5000,
                7000,
                10000,
                15000,
                20000,
                30000,
                40000,
                50000,
                70000,
            ],
        ),
        ([4.6, 4.78], [4.6, 4.65, 4.7, 4.75]),
        ([7.0, 7.0], [7.0]),
    ],
)
def test_ticks_of_a_logarithmic_axis_can_be_read(values, ticks):
    spec = plot_style.log_axis("t", values, lambda tick: f"{tick:g} s")
    assert spec["tickvals"] == pytest.approx(ticks)
    assert spec["ticktext"][0] == f"{ticks[0]:g} s"
    assert "tickvals" not in plot_style.log_axis("t", [0.0, math.nan], str)


def test_axes_of_shares_end_at_their_ends_and_whole_numbers_have_no_halves():
    assert plot_style.axis("a", "share")["autorangeoptions"] == {"clipmin": 0, "clipmax": 1}
    assert "autorangeoptions" not in plot_style.axis("a", "percent")
    assert plot_style.whole_axis("epoch", 5)["dtick"] == 1
    assert "dtick" not in plot_style.whole_axis("epoch", 200)


def test_no_line_ends_between_a_number_and_its_unit():
    text = str(page.unbroken("<b> saves 5.6 % (95 % interval -1.0 to 12.2, n = 16) of 1,144 J, -39.7 points, 3 seeds"))
    joined = ["5.6 %", "95 %", "n = 16", "1,144 J", "-39.7 points"]
    assert text.count("<span") == len(joined)
    for part in joined:
        assert f'<span class="unbroken">{part}</span>' in text
    assert text.startswith("&lt;b&gt; saves ")


def test_whom_the_fleet_waits_for_in_words():
    names = ["method", "keep_ratio", "devices", "seeds", "device", "profile", "share_of_seeds", "wait_share",
             "idle_energy_share"]  # fmt: skip
    rows = [
        ("full", 1.0, 8, 2, 1, "p", 1.0, 0.9, 0.9),
        ("random", 0.5, 8, 2, 2, "q", 1.0, 0.8, 0.8),
        ("importance", 0.1, 8, 2, 3, "r", 1.0, 0.7, 0.7),
        ("importance", 0.4, 8, 2, 4, "s", 0.5, 0.575, 0.168),
    ]
    told = fleet_sections.waiting_in_words
    assert told(pd.DataFrame(rows, columns=names)) == (
        "Keeping 0.4 by importance, the last device to finish is device 4 (s) in 1 of 2 seeds. "
        "Waiting for the last takes 57.5 % of all devices' time and 16.8 % of their energy."
    )
    alone = pd.DataFrame([("full", 1.0, 3, 1, 1, "p", 1.0, 0.25, math.nan)], columns=names)
    assert told(alone) == (
        "In full training, the last device to finish is device 1 (p). "
        "Waiting for the last takes 25.0 % of all devices' time."
    )
    assert told(alone.assign(devices=1)) == ""
    assert told(alone.head(0)) == ""


def test_which_run_it_is_stands_under_the_verdict():
    run = make_run(git_commit="0123456789abcdef", versions={"torch": "2.15"}, trials={"ok": 29, "failed": 1})
    shown = dataclasses.replace(written().page, facts=run_facts.facts(run.info, run.records))
    reader = Reader(page.render_page(shown))
    last = verdict_of(run.records)[-1].text
    places = [reader.page_text.index(text) for text in (last, "0123456789abcdef", "Every method and keep ratio")]
    assert places == sorted(places)
    assert "ok 29, failed 1" in reader.page_text


def test_dynamic_methods_are_left_out_of_what_is_said_on_subsets():
    run = make_run(seeds=1, devices=1, methods=("full", "random", "importance", "infobatch"), ratios=(0.5,))
    records = run.records.assign(shard_size=4, subset_size=2)
    records.loc[records["method"].isin(["full", "infobatch"]), "subset_size"] = 4
    records["dynamic"] = records["method"] == "infobatch"
    kept = [(0, 0, method, 0.5, index) for method, indices in
            (("random", [0, 1]), ("importance", [1, 2]), ("infobatch", [0, 1, 2, 3])) for index in indices]  # fmt: skip
    shards = pd.DataFrame(
        {"seed": 0, "device": 0, "index": range(4), "label": [0, 0, 1, 1], "class_name": list("aabb")}
    )

    @dataclasses.dataclass
    class ChargedSubset(FakeRun):
        selections: pd.DataFrame = None
        shards: pd.DataFrame = None

    columns_of = ["seed", "device", "method", "keep_ratio", "index"]
    chosen = ChargedSubset(
        records, run.curves, run.info, selections=pd.DataFrame(kept, columns=columns_of), shards=shards
    )
    reader = read(chosen)
    assert reader.page_text.count("infobatch chooses samples during training, so it has no subset to show") == 2
    assert reader.numbers("Overlap of the methods")[["method_a", "method_b", "jaccard"]].values.tolist() == [
        ["random", "importance", pytest.approx(1 / 3)]
    ]
    assert set(reader.numbers("Share of each class that is kept")["method"]) == {"random", "importance"}


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("look", plot_style.PAGE_COLOURS.values())
def test_texts_stand_out(look):
    """4.5:1, WCAG 2.2 AA, on the page and on what is raised from it."""
    for name in ("ink", "soft", "link", "warn", "good", "bad"):
        for background in (look["page"], look["raised"]):
            dark, light = sorted([luminance(look[name]), luminance(background)])
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, background)


def test_no_two_of_twenty_methods_look_alike():
    styles = plot_style.method_styles([f"m{i}" for i in range(20)], "full")
    assert len({(style["color"], style["symbol"]) for style in styles.values()}) == 21


@pytest.mark.parametrize("background", [plot_style.LIGHT, plot_style.DARK])
def test_marks_stand_out_on_light_and_dark(background):
    ratios = plot_style.ratio_colours(pd.Series([i / 20 for i in range(1, 21)]))
    assert len(set(ratios.values())) == 20
    for colour in (*plot_style.METHOD_COLOURS, plot_style.GREY, *ratios.values()):
        dark, light = sorted([luminance(colour), luminance(background)])
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_the_markdown_page_shows_the_summary_and_escapes(tmp_path: Path) -> None:
    run = make_run(methods=("full", "random", "a|b<c>"))
    text = report.write_markdown(run, tmp_path / "deep" / "page.md").read_text()
    assert "a\\|b&lt;c&gt;" in text
    assert "| method | keep ratio |" in text
    assert "| claim | verdict |" not in text  # importance did not run: there is no claim to test
    first, *_ = verdict_of(run.records)
    assert text.index("## Verdict") < text.index(
        first.text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    )
    for _, row in means.summary(run.records).iterrows():
        assert formatting.percent(row["test_accuracy"]) in text
