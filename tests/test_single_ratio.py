"""Figures where there is no second keep ratio to go across: points and bars at the methods, never a line."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects
import pytest
from report_runs import Reader, make_run, with_sections, written

from edgesim.analysis.curves import final_accuracy
from edgesim.analysis.fairness import fairness
from edgesim.analysis.heterogeneity import stragglers
from edgesim.analysis.means import cost_by_ratio, gap_to_random, time_fits
from edgesim.analysis.pareto import accuracy_against
from edgesim.report import comparison_page, outline, page, plot_style, run_tables
from edgesim.report.figures import accuracy, classes, device_figures, kept, prices, run_comparison
from edgesim.report.figures.figure import RatioAxis
from edgesim.report.sections import PageStyle

OVER_EPOCHS = ("curve-", "trace-")
"""keys of figures across epochs, which are lines whatever the ratios"""


def has_line(trace: dict) -> bool:
    return trace["type"] == "scatter" and "lines" in trace["mode"]


@pytest.mark.parametrize(
    "run",
    [
        {"seeds": 3, "devices": 3, "ratios": (0.5,)},
        {"seeds": 1, "devices": 1, "ratios": (0.5,)},
        {"seeds": 1, "devices": 1, "methods": ("full", "importance"), "ratios": (0.3,)},
        {"methods": ("full",)},
        {"methods": ("random", "importance"), "ratios": (1.0,)},
        {"methods": ("full", *(f"m{i}" for i in range(8)), "random"), "ratios": (0.5,)},
    ],
    ids=["one ratio", "one of all", "no random", "only full", "no full", "many methods"],
)
def test_no_figure_has_a_line_or_an_empty_axis(run: dict[str, Any]) -> None:
    specs = written(**run).reader.specs
    alone = run.get("methods") == ("full",)  # a single bar is a sentence
    assert {"test-accuracy", *(() if alone else ("time-analytic", "energy-device"))} <= set(specs)
    for key, spec in specs.items():
        plotly.graph_objects.Figure(spec)
        if not key.startswith(OVER_EPOCHS):
            assert not any(has_line(trace) for trace in spec["data"]), key
        for trace in spec["data"]:
            assert len(trace["x"]) > 0, key
            assert any(value is not None for value in trace["y"]), key


def test_with_two_ratios_there_are_lines() -> None:
    specs = written().reader.specs
    for key in ("test-accuracy", "gap", "time-device", "energy-device", "stragglers", "fairness"):
        assert any(has_line(trace) for trace in specs[key]["data"]), key


def test_what_the_axis_goes_across() -> None:
    one = RatioAxis.of(make_run(ratios=(0.5,)).records)
    assert (one.ratios, one.methods, one.is_single) == ((0.5,), ("full", "random", "importance"), True)
    assert one.words == "at keep ratio 0.5"
    assert one.axis()["categoryarray"] == ["full", "random", "importance"]
    assert one.axis()["title"]["text"] == "method, keep ratio 0.5"
    two = RatioAxis.of(make_run(ratios=(0.1, 0.5)).records)
    assert (two.is_single, two.words) == (False, "against keep ratio")
    assert two.axis()["tickvals"] == [0.1, 0.5, 1.0]  # `full` stands at 1
    assert RatioAxis.of(make_run(methods=("random",), ratios=(0.1, 0.5)).records).axis()["tickvals"] == [0.1, 0.5]
    assert "tickvals" not in RatioAxis.of(make_run(ratios=[i / 20 for i in range(1, 16)]).records).axis()
    alone = RatioAxis.of(make_run(methods=("full",)).records)
    assert (alone.is_single, alone.words) == (True, "of full training")
    nothing = RatioAxis.of(make_run().records.head(0))
    assert (nothing.is_single, nothing.methods) == (True, ())


def test_accuracy_at_one_ratio() -> None:
    """By hand, two seeds and one device: full 0.8 + 0.003, random 0.65 + 0.003 + 0.013."""
    run = make_run(devices=1, ratios=(0.5,))
    final = final_accuracy(run.records).table
    figure = accuracy.accuracy_figure(final, plot_style.method_styles(final["method"], "full"), "test_accuracy")
    assert figure.title == "Test accuracy at keep ratio 0.5"
    full, random, importance = figure.spec["data"]
    assert (full["x"], random["x"], importance["x"]) == (["full"], ["random"], ["importance"])
    assert (full["y"], random["y"]) == ([0.803], [0.666])
    assert full["error_y"]["array"][0] == pytest.approx(final["test_accuracy_high"][0] - 0.803, abs=1e-6)
    assert figure.spec["layout"]["showlegend"] is False  # the axis names the methods
    assert "bars are 95 % intervals" in figure.note
    assert "Level line" not in figure.note


def test_accuracy_of_one_trial_speaks_of_no_interval() -> None:
    final = final_accuracy(make_run(seeds=1, devices=1, ratios=(0.5,)).records).table
    figure = accuracy.accuracy_figure(final, plot_style.method_styles(final["method"], "full"), "test_accuracy")
    assert "interval" not in figure.note
    assert figure.spec["data"][0]["error_y"]["array"] == [None]  # the script draws no bar for it


def test_gap_at_one_ratio() -> None:
    run = make_run(devices=1, ratios=(0.5,))
    gaps = gap_to_random(run.records)
    (trace,) = accuracy.gap_figure(gaps, plot_style.method_styles(gaps["method"], "full")).spec["data"]
    assert (trace["mode"], trace["x"], trace["y"]) == ("markers", ["importance"], [pytest.approx(1.3)])


def test_methods_are_not_ranked_a_second_time() -> None:
    many = ("full", "random", "importance", "el2n", "aum")
    for ratios, keys in (((0.5,), ["gap"]), ((0.1, 0.5), ["gap", "ranking"])):
        source = run_tables.read(make_run(methods=many, ratios=ratios))
        section = outline._against_random(source, PageStyle.of(source.records))
        assert [figure.key for figure in section.shown_figures] == keys


def test_times_and_energies_are_bars() -> None:
    """Device 0: 10 s for full, 5 s + 1 s for random, 5 s + 2 s for importance; emulated half as much again."""
    run = make_run(devices=1, ratios=(0.5,))
    styles = plot_style.method_styles(run.records["method"], "full")
    costs, fits = cost_by_ratio(run.records).table, time_fits(run.records)
    assert fits.empty
    times = prices.time_figure(costs, fits, styles, "device_time_s")
    assert [(t["type"], t["x"], t["y"]) for t in times.spec["data"]] == [
        ("bar", ["full"], [15.0]), ("bar", ["random"], [9.0]), ("bar", ["importance"], [10.5]),
    ]  # fmt: skip
    assert (times.title, "fits" in times.note) == ("Time at keep ratio 0.5: emulated", False)
    joules = prices.energy_figure(costs, styles, "analytic_energy_j")
    assert [t["y"] for t in joules.spec["data"]] == [[30.0], [18.0], [21.0]]
    one_ratio = written(seeds=3, devices=3, ratios=(0.5,))
    assert "A fitted line needs two keep ratios of a method" in one_ratio.reader.page_text


def test_time_against_full_is_a_bar_per_clock() -> None:
    data = pd.DataFrame({"method": ["full", "a", "b"], "keep_ratio": [1.0, 0.5, 0.5],
                         "analytic_relative": [1.0, 0.5, 0.6], "device_relative": [1.0, 0.7, None],
                         "host_relative": None})  # fmt: skip
    figure = prices.relative_figure(data.astype({"host_relative": float}))
    assert [(t["type"], t["name"], t["x"], t["y"]) for t in figure.spec["data"]] == [
        ("bar", "closed form", ["a", "b"], [0.5, 0.6]), ("bar", "emulated", ["a"], [0.7]),
    ]  # fmt: skip
    assert figure.spec["layout"]["barmode"] == "group"
    assert figure.spec["layout"]["showlegend"] is True  # here the axis does not name the clocks


def test_stragglers_and_fairness_at_one_ratio() -> None:
    """Devices 0, 1, 2 take 1, 2, 3 times 10 s, half as much again emulated: 45 s the last, 30 s the median."""
    run = make_run(seeds=1, methods=("full", "random"), ratios=(0.5,))
    styles = plot_style.method_styles(run.records["method"], "full")
    last, median = device_figures.straggler_figure(stragglers(run.records).table, styles).spec["data"][:2]
    assert (last["x"], last["y"], last["mode"]) == (["full"], [45.0], "markers")
    assert (median["y"], median["marker"]["symbol"]) == ([30.0], "line-ew-open")
    fair = device_figures.fairness_figure(fairness(run.records).table, styles).spec["data"]
    assert [(t["x"], t["y"], t["mode"]) for t in fair] == [
        (["full"], [0.8], "markers"), (["random"], [0.663], "markers"),
    ]  # fmt: skip


def test_what_nothing_beats_is_ringed_without_a_line() -> None:
    run = make_run(devices=1, ratios=(0.5,))
    points = accuracy_against(run.records, "device_energy_j").table
    spec = device_figures.pareto_figure(
        points, plot_style.method_styles(run.records["method"], "full"), "energy_j"
    ).spec
    front = spec["data"][-1]
    assert (front["name"], front["mode"], front["x"]) == ("Pareto front", "markers", [30.0, 35.0, 50.0])


def test_classes_kept_at_one_ratio_are_bars() -> None:
    data = pd.DataFrame({"method": "m", "keep_ratio": 0.5, "class_name": ["cat", "dog"], "label": [0, 1],
                         "kept_share": [0.2, 0.8]})  # fmt: skip
    figure = classes.kept_shares_figure(data)
    (trace,) = figure.spec["data"]
    assert (trace["type"], trace["x"], trace["y"]) == ("bar", ["cat", "dog"], [0.2, 0.8])
    assert "A class below 0.5 is under-represented" in figure.note
    two = classes.kept_shares_figure(pd.concat([data, data.assign(keep_ratio=0.7)]))
    assert [trace["mode"] for trace in two.spec["data"]] == ["lines+markers", "lines+markers"]


def test_overlap_at_one_ratio_stands_at_the_pairs() -> None:
    rows = [("a", "b", 0.5, 4, 0.4, 0.3, 0.5, 1 / 3), ("a", "c", 0.5, 4, 0.6, 0.5, 0.7, 1 / 3)]
    names = ["method_a", "method_b", "keep_ratio", "trials", "jaccard", "jaccard_low", "jaccard_high", "chance"]
    figure = kept.overlap_figure(pd.DataFrame(rows, columns=names))
    first, second, chance = figure.spec["data"]
    assert (first["x"], first["y"], second["x"]) == (["a and b"], [0.4], ["a and c"])
    assert (chance["x"], chance["y"], chance["mode"]) == (["a and b", "a and c"], [0.333333, 0.333333], "markers")
    assert "Dashes: two random subsets" in figure.note


def test_fleets_and_runs_at_one_ratio() -> None:
    rows = [(fleet, method, ratio, 10.0 * (place + 1) * ratio) for place, fleet in enumerate("AB")
            for method, ratio in (("full", 1.0), ("m", 0.5))]  # fmt: skip
    data = pd.DataFrame(rows, columns=["fleet", "method", "keep_ratio", "energy_j"])
    figure = run_comparison.fleet_figure(data, plot_style.method_styles("AB", ""), "energy_j")
    assert [(t["name"], t["x"], t["y"], t["mode"]) for t in figure.spec["data"]] == [
        ("A", ["full", "m"], [10.0, 5.0], "markers"), ("B", ["full", "m"], [20.0, 10.0], "markers"),
    ]  # fmt: skip
    assert "Level line" not in figure.note
    runs = {"a": make_run(ratios=(0.5,)), "b": make_run(seeds=3, ratios=(0.5,))}
    shown = comparison_page.of_runs(runs)
    for part in shown.sections:
        for one in part.shown_figures:
            plotly.graph_objects.Figure(one.spec)
            assert not any(has_line(trace) for trace in one.spec["data"]), one.key
    assert {one.key for part in shown.sections for one in part.shown_figures} >= {"run-accuracy", "run-difference"}


def test_one_epoch_is_said_and_not_drawn() -> None:
    run = make_run()
    run.curves = run.curves[run.curves["epoch"] == 3]
    source = run_tables.read(run)
    section = outline._training(source, PageStyle.of(source.records))
    reader = Reader(page.render_page(with_sections(written().page, section)))
    assert "There is one epoch, so there is no curve to draw" in reader.page_text
    assert not [key for key in reader.specs if key.startswith("curve-")]
    assert "Mean curves" in reader.tables
