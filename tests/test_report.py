"""The page of a run: its numbers read back from the HTML, names escaped, and no run that breaks it."""

import dataclasses
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest
from report_runs import HOSTILE, FakeRun, Reader, make_run

from edgesim import analysis, report
from edgesim.records import Record
from edgesim.report import embed, identity, marks, page, story, tables
from edgesim.report.figures import accuracy, prices
from edgesim.report.figures import curves as curve_figures


def read(run):
    reader = Reader(page.render(run))
    assert reader.open == []
    return reader


def test_every_number_of_the_summary_is_on_the_page():
    run = make_run()
    header, *rows = read(run).tables["Every method and keep ratio"]
    summary = analysis.summary(run.records)
    assert header == [tables.COLUMNS[name].label for name in story.SHOWN_SUMMARY]
    assert len(rows) == len(summary) == 5
    for row, (_, values) in zip(rows, summary.iterrows(), strict=True):
        assert row == [tables.COLUMNS[name].write(values[name]) for name in story.SHOWN_SUMMARY]
    # importance at 0.5, by hand: 0.5 + 0.15 + 0.011 + 0.003 + 0.026; 5 + 2 of 10 seconds; 0.2 of 2 * 7 on average
    assert rows[-1][:4] == ["importance", "0.5", "6", "69.0 %"]
    assert rows[-1][header.index("time saved")] == "30.0 %"
    assert rows[-1][header.index("scoring share")] == "1.4 %"
    assert rows[0][header.index("failed")] == "0"


def test_tables_behind_the_figures_hold_the_analysis():
    run = make_run()
    reader = read(run)
    for caption, data in (
        ("Accuracy gap to random", analysis.gap_to_random(run.records)),
        ("Means per profile", analysis.by_profile(run.records)),
        ("Straight line through mean time against keep ratio", analysis.time_fits(run.records)),
        ("Mean curves", analysis.curve_means(run.curves)),
    ):
        pd.testing.assert_frame_equal(reader.numbers(caption), data, check_dtype=False, rtol=0, atol=0)
        written = [[tables.COLUMNS[name].write(row[name]) for name in data] for _, row in data.head(10).iterrows()]
        assert reader.tables[caption][1:] == written, caption
        assert written


def test_the_page_is_self_contained_and_small(tmp_path):
    out = report.write(make_run(), tmp_path / "new" / "report.html")
    text = out.read_text(encoding="utf-8")
    assert out.stat().st_size < 6_000_000
    assert text.count(str(embed.plotly_js())) == 1
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "img", "iframe")
        assert "src" not in attributes
        if tag == "a":
            assert attributes["href"].startswith("#")
    own = text.replace(str(embed.plotly_js()), "")
    assert "http://" not in own
    assert "https://" not in own


def test_plotly_is_the_published_file_and_can_stand_inside_a_script_tag():
    script = str(embed.plotly_js())
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
    for value in analysis.CURVE_VALUES:
        curves[value] = np.linspace(0.1, 0.9, len(curves)) / 3
    run = dataclasses.replace(make_run(), curves=curves)
    assert len(page.render(run).encode()) < 6_000_000


def test_names_and_reasons_are_escaped():
    run = make_run(methods=("full", "random", HOSTILE), scenario=HOSTILE, git_commit=HOSTILE)
    run.records["profile"] = HOSTILE
    failed = Record("demo", 0, 9, HOSTILE, HOSTILE, 0.9, "failed", "</script><script>alert(1)</script>")
    run.records.loc[len(run.records)] = dataclasses.asdict(failed)
    run.scenario["note"] = "</pre><script>"
    text = page.render(run)
    reader = Reader(text)
    assert "<b>" not in text.replace(str(embed.plotly_js()), "")
    assert len(reader.scripts) == 3  # the numbers, plotly.js and the page's own
    assert reader.tables["Trials that did not end well"][1][:3] == [
        "failed",
        "</script><script>alert(1)</script>",
        HOSTILE,
    ]
    assert "</pre><script>" in reader.page_text
    # plotly reads HTML in names, so there they are escaped once more
    assert [trace["name"] for trace in reader.specs["gap"]["data"]] == ["&lt;b&gt;x&lt;/b&gt;"]
    assert set(reader.specs["profile-time"]["data"][0]["y"]) == {"&lt;b&gt;x&lt;/b&gt;"}


def test_every_figure_is_valid_and_described():
    reader = read(make_run())
    names = [a["data-figure"] for tag, a in reader.tags if tag == "figure"]
    plots = dict(zip(names, [a for tag, a in reader.tags if a.get("class") == "plot"], strict=True))
    assert set(plots) == set(reader.specs)
    assert len(plots) == 10
    for key, spec in reader.specs.items():
        plotly.graph_objects.Figure(spec)  # raises on a property that plotly does not know
        assert plots[key]["role"] == "img"
        assert len(plots[key]["aria-label"]) > 40
    assert "importance: 57.0 % at 0.1, 69.0 % at 0.5." in plots["accuracy"]["aria-label"]


def test_accuracy_figure_draws_its_data():
    summary = analysis.summary(make_run().records)
    data = accuracy.accuracy_data(summary)
    styles = marks.method_styles(data["method"], "full")
    traces = {trace["name"]: trace for trace in accuracy.accuracy_figure(data, styles).spec["data"]}
    # full: 0.8 + 0.011 + 0.003 at every ratio
    assert traces["full"]["x"] == [0.1, 1.0]
    assert traces["full"]["y"] == pytest.approx([0.814, 0.814])
    assert traces["random"]["y"] == pytest.approx([0.557, 0.677])
    low, high = (summary.loc[summary["method"] == "random", f"accuracy_{end}"].tolist() for end in ("low", "high"))
    band = traces["random, 95 % interval"]
    assert band["x"] == [0.1, 0.5, 0.5, 0.1]
    assert band["y"] == pytest.approx([*high, *low[::-1]], rel=1e-5)


def test_accuracy_data_leaves_out_what_has_none():
    run = make_run()
    run.records.loc[run.records["method"] == "random", "status"] = "failed"
    found = accuracy.accuracy_data(analysis.summary(run.records))
    assert found["method"].tolist() == ["full", "importance", "importance"]


def test_gap_figure_is_in_percentage_points():
    data = pd.DataFrame([("el2n", 0.5, 4, 0.02, 0.01, 0.05)],
                        columns=["method", "keep_ratio", "pairs", "gap", "gap_low", "gap_high"])  # fmt: skip
    (trace,) = accuracy.gap_figure(data, marks.method_styles(["el2n"], "full")).spec["data"]
    assert trace["y"] == [2.0]
    assert trace["error_y"]["array"] == [3.0]
    assert trace["error_y"]["arrayminus"] == [1.0]


def test_curves_are_thinned_but_keep_both_ends():
    curves = pd.DataFrame({"method": "m", "keep_ratio": 0.5, "epoch": range(1, 101), "seed": 0, "device": 0})
    for value in analysis.CURVE_VALUES:
        curves[value] = curves["epoch"] / 100
    found = curve_figures.curves_data(curves, points=4)
    assert found["epoch"].tolist() == [1, 34, 67, 100]
    assert found["test_loss"].tolist() == [0.01, 0.34, 0.67, 1.0]
    assert len(curve_figures.curves_data(curves)) == 100


def test_curves_show_only_epochs_that_were_evaluated():
    lines = curve_figures.curves_data(make_run().curves)
    traces = curve_figures.curves_figure(lines, "test_loss").spec["data"]
    assert {tuple(trace["x"]) for trace in traces} == {(3,)}
    assert {trace["meta"]["method"] for trace in traces} == {None, "random", "importance"}


def test_profiles_are_ordered_by_cost_and_zero_is_not_drawn_on_a_log_axis():
    run = make_run(devices=2)
    run.records.loc[run.records["profile"] == "profile-0", "analytic_energy_j"] = 0.0
    spec = prices.profile_figure(analysis.by_profile(run.records), "energy_j").spec
    assert spec["layout"]["yaxis"]["categoryarray"] == ["profile-0", "profile-1"]
    analytic = [trace for trace in spec["data"] if trace["marker"]["symbol"] == "circle-open"]
    assert {name for trace in analytic for name in trace["y"]} == {"profile-1"}
    assert [trace["name"] for trace in spec["data"] if trace["showlegend"]] == ["full"] + 2 * ["kept 0.1", "kept 0.5"]


def test_cost_figure_draws_both_prices_under_one_name():
    run = make_run(devices=1)
    styles = marks.method_styles(run.records["method"], "full")
    spec = prices.cost_figure(analysis.cost_by_ratio(run.records), styles, "time_s").spec
    analytic, emulated = [trace for trace in spec["data"] if trace["legendgroup"] == "importance"]
    assert (analytic["name"], analytic["showlegend"]) == ("importance", True)
    assert (emulated["name"], emulated["showlegend"]) == ("importance, emulated", False)
    # 10 s times the ratio and 2 s, and half as much again
    assert analytic["y"] == [3.0, 7.0]
    assert emulated["y"] == [4.5, 10.5]


def only_failures():
    run = make_run()
    run.records["status"], run.records["reason"] = "failed", "diverged"
    run.records["test_accuracy"] = math.nan
    return dataclasses.replace(run, curves=run.curves.head(0))


def just_begun():
    return FakeRun(pd.DataFrame(), pd.DataFrame(), {"status": "running"}, {})


def unpriced():
    run = make_run()
    for column in (*analysis.COSTS, "analytic_score_time_s", "local_accuracy"):
        run.records[column] = math.nan
    return run


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (just_begun(), "This run is still going"),
        (dataclasses.replace(just_begun(), records=make_run().records.head(0)), "There is no trial yet."),
        (make_run(status="running", trials={"ok": 30, "missing": 7}), "still going, with 7 trials missing"),
        (make_run(status="interrupted", trials={"missing": 1}), "interrupted with 1 trial missing"),
        (make_run(status="failed"), "This run failed"),
        (only_failures(), "No trial has ended well: there is no accuracy"),
        (make_run(methods=("random", "importance")), "what pruning saves, and what it costs, cannot be said"),
        (make_run(methods=("full", "importance")), "whether a method beats chance cannot be said"),
        (make_run(seeds=1), "One seed: intervals cover the choice of devices only"),
        (make_run(devices=1), "One device: intervals cover seeds only"),
        (make_run(seeds=1, devices=1), "One seed and one device: there are no intervals."),
        (make_run(ratios=(0.5,)), "2 seeds and 3 devices: with fewer than 5"),
        (make_run(methods=("full",)), "No trial of random"),
        (make_run(methods=("random",)), "No trial of full"),
        (dataclasses.replace(make_run(), curves=pd.DataFrame()), "No curves were recorded."),
        (unpriced(), "2 seeds and 3 devices"),
    ],
)  # fmt: skip
def test_the_page_says_what_it_cannot_say_and_never_breaks(run, said):
    reader = read(run)
    assert said in reader.page_text
    for spec in reader.specs.values():
        plotly.graph_objects.Figure(spec)


def test_a_good_run_has_no_reservations():
    run = make_run(seeds=5, devices=5)
    assert identity.limits(run.records, run.info) == []


def test_facts_name_the_run():
    given = {
        "versions": {"torch": "2.15"},
        "host": {"cpus": 2, "memory_bytes": 24 * 2**30},
        "git_commit": "abc",
        "trials": {"ok": 30, "failed": 0},
        "command": ["edgesim", "run", "x.yaml"],
    }
    run = make_run(**given)
    assert dict(identity.facts(run.info, run.records)) == {
        "Status": "finished",
        "Trials": "ok 30, failed 0",
        "Devices": "3",
        "Seeds": "0, 1",
        "Duration": "1 min 23 s",
        "Host": "cpus 2, memory 24.0 GiB",
        "Versions": "torch 2.15",
        "Git commit": "abc",
        "Command": "edgesim run x.yaml",
    }


def test_long_tables_say_what_they_leave_out():
    data = pd.DataFrame({"method": ["m"] * 403, "keep_ratio": 0.5})
    written = tables.table(data)
    assert (len(written.rows), written.rows_left_out) == (400, 3)
    assert written.headers == [("method", False), ("keep ratio", True)]


def test_terminal_rows():
    run = make_run(devices=1, methods=("full", "importance"), ratios=(0.5,))
    lost = Record("demo", 0, 1, "p", "importance", 0.5, "infeasible")
    run.records.loc[len(run.records)] = dataclasses.asdict(lost)
    header, rows = report.terminal_rows(analysis.summary(run.records))
    expected = "method, keep, test acc. %, ± devices, ± seeds, time saved, energy saved, scoring share, failed"
    assert ", ".join(" ".join(name.split()) for name in header) == expected
    # accuracies 0.663 and 0.669; 6 of 10 seconds; 0.1 of 6 s for scoring
    assert rows == [
        ["full", "1", "80.3", "–", "0.4", "0 %", "0 %", "0 %", "0"],
        ["importance", "0.5", "66.6", "–", "0.4", "40 %", "40 %", "2 %", "0 + 1 infeasible"],
    ]


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (tables.percent, 0.87312, "87.3 %"), (tables.percent, -0.0001, "0.0 %"), (tables.percent, math.nan, "–"),
        (tables.gap, 0.0042, "+0.42 pp"), (tables.gap, -0.1, "-10.00 pp"), (tables.gap, math.nan, "–"),
        (tables.spread, 0.0213, "2.1 pp"), (tables.spread, math.nan, "–"),
        (tables.ratio, 0.1, "0.1"), (tables.ratio, 1.0, "1"),
        (tables.quantity, 1234.5, "1,234"), (tables.quantity, 0.012345, "0.01235"), (tables.quantity, math.inf, "–"),
        (tables.count, 12345, "12,345"),
        (tables.text, "", "–"), (tables.text, None, "–"), (tables.text, "el2n", "el2n"),
        (tables.duration, 3725, "1 h 2 min 5 s"), (tables.duration, 83, "1 min 23 s"),
        (tables.duration, 4.25, "4.2 s"), (tables.duration, math.nan, "–"),
    ],
)  # fmt: skip
def test_how_values_are_written(write, value, expected):
    assert write(value) == expected


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", [marks.LIGHT, marks.DARK])
def test_marks_stand_out_on_light_and_dark(background):
    ratios = marks.ratio_colours(pd.Series([i / 20 for i in range(1, 21)]))
    assert len(set(ratios.values())) == 20
    for colour in (*marks.METHOD_COLOURS, marks.GREY, *ratios.values()):
        dark, light = sorted([luminance(colour), luminance(background)])
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_a_report_needs_neither_torch_nor_ray():
    code = "import sys, edgesim.report; print([m for m in ('torch', 'ray', 'torchvision') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_markdown_page_shows_the_summary_and_escapes(tmp_path: Path) -> None:
    run = make_run(methods=("full", "random", "a|b<c>"))
    text = report.write_markdown(run, tmp_path / "deep" / "page.md").read_text()
    assert "a\\|b&lt;c&gt;" in text
    assert "| method | keep ratio |" in text
    for _, row in analysis.summary(run.records).iterrows():
        assert tables.percent(row["test_accuracy"]) in text
