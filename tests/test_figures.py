"""What all figures of a page keep to: nothing hidden, nothing alike drawn, fewer pairs shown as fewer."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest
from report_runs import Reader, make_run, with_sections, written

from edgesim.analysis.cost_parts import TIME_PARTS, cost_parts, parts_by_profile
from edgesim.analysis.curves import final_accuracy
from edgesim.analysis.means import cost_by_ratio, gap_to_random, time_fits
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.verdict import verdict_of
from edgesim.report import fleet_sections, outline, page, plot_style, run_tables
from edgesim.report.figures import accuracy, device_figures, parts, prices
from edgesim.report.figures.figure import Figure, RatioAxis, SentenceFigure
from edgesim.report.figures.finishing import finish_figure
from edgesim.report.figures.overlapping_marks import FRAME, LANES, MARK, WIDTH
from edgesim.report.sections import PageStyle, coloured_methods
from edgesim.report.tradeoff_section import tradeoff_section


def bars(name, x, y, **more):
    return {**plot_style.bars(name, x, pd.Series(y, dtype=float), "#c2570c"), **more}


def of(*traces, **layout):
    return Figure("f", "Time", "", "", {"data": list(traces), "layout": layout}, write=lambda v: f"{v:g} s")


# Bars that are all alike


def test_bars_that_are_all_alike_are_a_sentence():
    figure = finish_figure(of(bars("a", ["a"], [3.0]), bars("b", ["b"], [3.0])))
    assert figure.spec["data"] == []
    assert figure.sentences == (SentenceFigure("Time: 3 s for a and b.", {}),)
    near = finish_figure(of(bars("a", ["a", "b"], [3.0, 3.01])))  # a third of a per cent: no eye can tell
    assert [one.text for one in near.sentences] == ["Time: 3 s to 3.01 s for a and b."]
    zero = finish_figure(of(bars("a", ["a", "b"], [0.0, 0.0])))
    assert [one.text for one in zero.sentences] == ["Time: 0 s for a and b."]
    many = finish_figure(of(bars("a", [f"c{i}" for i in range(9)], [2.0] * 9)))
    assert [one.text for one in many.sentences] == ["Time: 2 s for all 9 (c0 to c8)."]


def test_a_single_bar_is_a_sentence_and_different_bars_are_a_figure():
    assert finish_figure(of(bars("full", ["full"], [7.0]))).sentences == (SentenceFigure("Time: 7 s (full).", {}),)
    different = of(bars("a", ["a"], [3.0]), bars("b", ["b"], [3.2]))
    assert finish_figure(different).sentences == ()
    assert len(finish_figure(different).spec["data"]) == 2


def test_stacks_are_compared_as_a_whole():
    layout = {"barmode": "stack"}
    alike = of(bars("start-up", ["p", "q"], [2.0, 2.0]), bars("training", ["p", "q"], [5.0, 5.0]), **layout)
    assert [one.text for one in finish_figure(alike).sentences] == ["Time: start-up: 2 s; training: 5 s for p and q."]
    other = of(bars("start-up", ["p", "q"], [2.0, 5.0]), bars("training", ["p", "q"], [5.0, 2.0]), **layout)
    assert finish_figure(other).sentences == ()  # as high, but made of something else
    one = of(bars("start-up", ["p"], [2.0]), bars("training", ["p"], [5.0]), **layout)
    assert len(finish_figure(one).spec["data"]) == 2  # its parts are compared


def test_bars_of_one_choice_are_looked_at_by_themselves():
    figure = of(
        bars("kept", ["cat", "dog"], [0.5, 0.5], meta={"method": "fair", "ratio": None}),
        bars("kept", ["cat", "dog"], [0.2, 0.8], meta={"method": "unfair", "ratio": None}),
    )
    found = finish_figure(figure)
    assert [trace["meta"]["method"] for trace in found.spec["data"]] == ["unfair"]
    assert found.sentences == (SentenceFigure("Time, fair: 0.5 s for cat and dog.", {"method": "fair"}),)


@pytest.mark.parametrize("run", [{"devices": 1, "methods": ("full",)}, {"seeds": 1, "devices": 3, "ratios": (0.5,)}])
def test_no_page_has_a_figure_of_bars_that_are_alike(run):
    for spec in written(**run).reader.specs.values():
        values = [v for t in spec["data"] if t["type"] == "bar" for v in (t["x"] if t.get("orientation") else t["y"])]
        assert len(set(values)) != 1


# Marks that would hide each other


def pixels(figure, axis, other):
    """Every mark's place along both axes, in pixels of a figure of common size."""
    layout, found = figure.spec["layout"], []
    low, high = layout[f"{axis}axis"]["range"]
    height = layout["height"] - FRAME
    length, across = (WIDTH, height) if axis == "x" else (height, WIDTH)
    values = np.log10([v for t in figure.spec["data"] for v in t[other]])
    for trace in figure.spec["data"]:
        for place, value in zip(trace[axis], trace[other], strict=True):
            along = (place - low) / (high - low) * length
            found.append((along, (math.log10(value) - values.min()) / max(np.ptp(values), 1e-9) * across))
    return np.array(found)


def test_devices_of_equal_cost_stand_beside_each_other():
    """Seven devices of one profile that all take about the same, and one that takes ten times as long."""
    data = pd.DataFrame({"device": range(8), "profile": "p", "method": "m", "keep_ratio": 0.5,
                         "device_time_s": [1.0, 1.0, 1.001, 1.002, 1.0, 1.0, 1.0, 10.0]})  # fmt: skip
    figure = finish_figure(device_figures.device_figure(data, "time_s"))
    (trace,) = figure.spec["data"]
    assert trace["x"] == [1.0, 1.0, 1.001, 1.002, 1.0, 1.0, 1.0, 10.0]  # what is measured stays
    assert trace["y"][7] == 0
    assert len(set(trace["y"][:7])) == LANES == 7
    at = pixels(figure, "y", "x")
    apart = [np.hypot(*(a - b)) for i, a in enumerate(at) for b in at[:i]]
    assert min(apart) > 0.9 * MARK
    assert max(np.abs(trace["y"])) < 0.5  # nothing reaches the next profile
    assert "Marks that would hide each other are drawn side by side." in figure.note
    assert finish_figure(device_figures.device_figure(data, "time_s")).spec == figure.spec  # the same every time


def test_marks_that_hide_nothing_stay_where_they_are():
    data = pd.DataFrame({"device": [0, 1], "profile": "p", "method": "m", "keep_ratio": 0.5,
                         "device_time_s": [1.0, 10.0]})  # fmt: skip
    before = device_figures.device_figure(data, "time_s")
    assert finish_figure(before).spec["data"][0]["y"] == [0, 0]
    assert finish_figure(before).note == before.note


def test_methods_of_equal_cost_stand_beside_each_other_at_their_keep_ratio():
    rows = [(m, r, 6, 10 * r, 1.0, 1.0, 1.0, 1.0) for m in ("a", "b") for r in (0.2, 0.8)]
    names = ["method", "keep_ratio", "pairs", "device_energy_j", "analytic_time_s", "analytic_energy_j",
             "device_time_s", "host_wall_s"]  # fmt: skip
    costs = pd.DataFrame(rows, columns=names)
    figure = finish_figure(prices.energy_figure(costs, plot_style.method_styles("ab", "full"), "device_energy_j"))
    a, b = figure.spec["data"]
    assert a["x"] == [0.2, 0.8]
    assert b["x"] != a["x"]
    assert all(abs(one - two) < 0.1 for one, two in zip(a["x"], b["x"], strict=True))
    assert b["text"] == ["0.2", "0.8"]  # the hover text has the keep ratio itself
    assert "%{text}" in b["hovertemplate"]


def test_the_marks_of_two_runs_at_one_method_stand_beside_each_other():
    layout = plot_style.layout({**plot_style.names_axis(["m", "n"]), "range": [-0.5, 1.5]}, plot_style.axis("y"))
    look = {"type": "scatter", "mode": "markers", "x": ["m", "n"], "y": [0.5, 0.9], "marker": {"size": 8}}
    traces = [{**look, "name": run} for run in ("one", "two")]
    first, second = finish_figure(of(*traces, **layout)).spec["data"]
    assert first["x"] == [0, 1]
    assert 0 < second["x"][0] < 0.4
    assert finish_figure(of(*traces, **layout)).spec["layout"]["xaxis"]["ticktext"] == ["m", "n"]
    plotly.graph_objects.Figure(finish_figure(of(*traces, **layout)).spec)


def test_marks_in_one_place_of_two_quantities_are_counted():
    rows = [("full", 1.0, 6, 0.9, 0.9, 0.9, 50.0, True), ("a", 0.5, 6, 0.8, 0.8, 0.8, 30.0, True),
            ("b", 0.5, 6, 0.8, 0.8, 0.8, 30.0, True), ("c", 0.5, 6, 0.5, 0.5, 0.5, 20.0, True)]  # fmt: skip
    names = ["method", "keep_ratio", "trials", "test_accuracy", "accuracy_low", "accuracy_high", "cost", "on_front"]
    data = pd.DataFrame(rows, columns=names)
    figure = finish_figure(
        device_figures.pareto_figure(data, plot_style.method_styles(data["method"], "full"), "energy_j")
    )
    traces = {trace["name"]: trace for trace in figure.spec["data"]}
    counted = traces["marks at one point"]
    assert (counted["x"], counted["y"], counted["text"]) == ([30.0], [0.8], ["2×"])
    assert traces["a"]["text"] == ["kept 0.5<br>also here: b kept 0.5"]
    assert traces["c"]["text"] == ["kept 0.5"]
    assert "2×, 3×: number of marks at the same point." in figure.note
    plotly.graph_objects.Figure(figure.spec)


# Means over fewer pairs


def survivors(**lost):
    """A run in which device 0 ends no trial at 0.5 and in full training."""
    run = make_run(seeds=2, devices=3, **lost)
    gone = (run.records["device"] == 0) & (run.records["keep_ratio"] > 0.1)
    run.records.loc[gone, ["status", "reason"]] = ["infeasible", "the battery is empty"]
    run.records.loc[gone, "test_accuracy"] = math.nan
    return run


def thinned_out(table):
    """The same table, had the largest ratio of each method come to its end on 4 of 6 pairs only."""
    largest = table.groupby("method")["keep_ratio"].transform("max")
    return table.assign(pairs=np.where((table["keep_ratio"] == largest) & (table["method"] != "full"), 4, 6))


def test_means_over_fewer_pairs_are_hollow():
    records = make_run().records
    styles = plot_style.method_styles(records["method"], "full")
    costs = thinned_out(cost_by_ratio(records).table)
    figures = [
        accuracy.accuracy_figure(thinned_out(final_accuracy(records).table), styles, "test_accuracy"),
        prices.energy_figure(costs, styles, "device_energy_j"),
        prices.time_figure(costs, time_fits(records), styles, "device_time_s"),
        accuracy.gap_figure(thinned_out(gap_to_random(records)), styles),
        device_figures.pareto_figure(thinned_out(accuracy_against(records).table), styles, "energy_j"),
    ]
    for figure in map(finish_figure, figures):
        (trace,) = [t for t in figure.spec["data"] if t["name"] == "importance" and "customdata" in t][:1]
        assert trace["customdata"] == [[6, 6], [4, 6]], figure.key
        assert trace["marker"]["symbol"] == ["square", "square-open"], figure.key
        assert "%{customdata[0]} of %{customdata[1]} pairs" in trace["hovertemplate"], figure.key
        assert "fewer (seed, device) pairs than others, the fewest over 4 of 6" in figure.note, figure.key
        plotly.graph_objects.Figure(figure.spec)


def test_bars_over_fewer_pairs_are_pale():
    records = make_run(ratios=(0.1,)).records
    styles = plot_style.method_styles(records["method"], "full")
    costs = cost_by_ratio(records).table
    costs["pairs"] = np.where(costs["method"] == "full", 4, 6)
    figure = finish_figure(prices.energy_figure(costs, styles, "device_energy_j"))
    full, random = (next(t for t in figure.spec["data"] if t["name"] == name) for name in ("full", "random"))
    assert full["marker"]["opacity"][0] < 0.6
    assert random["marker"]["opacity"] == [1]
    assert "Pale bars are means over fewer" in figure.note


def test_where_all_means_rest_on_the_same_pairs_nothing_is_said_of_them():
    records = make_run().records
    styles = plot_style.method_styles(records["method"], "full")
    figure = finish_figure(prices.energy_figure(cost_by_ratio(records).table, styles, "device_energy_j"))
    assert "pairs" not in figure.note
    assert all("customdata" not in trace for trace in figure.spec["data"])


# Many methods


def test_of_many_methods_the_most_accurate_have_a_colour():
    names = ["full", "random", *(f"m{i}" for i in range(17))]
    run = make_run(seeds=1, devices=2, methods=names, ratios=(0.2, 0.6))
    # Accuracy rises by 0.013 per place: the last five are the best.
    found, rule = coloured_methods(run.records)
    assert set(found) == {"m16", "m15", "m14", "m13", "m12", "random"}
    assert rule == ("In colour: the 5 methods with the highest mean test accuracy at keep ratio 0.6, and random. "
                    "The others are grey.")  # fmt: skip
    styles = PageStyle.of(run.records).styles
    assert list(styles) == names
    grey = [name for name in names if styles[name]["color"] == plot_style.GREY]
    assert grey == ["full", *(f"m{i}" for i in range(12))]
    assert len({styles[name]["color"] for name in found}) == 6
    shown = page.of_run(run)
    reader = Reader(page.render_page(shown))
    assert rule in reader.page_text
    named = {trace["name"] for trace in reader.specs["test-accuracy"]["data"] if trace.get("showlegend", True)}
    assert named == set(names)  # the legend has them all
    told = [f for part in shown.sections for f in part.shown_figures if rule in f.note]
    assert {f.key for f in told} >= {"pareto-energy", "test-accuracy", "gap", "ranking", "energy-device", "fairness"}


def test_few_methods_all_have_a_colour():
    run = make_run(methods=("full", "random", *(f"m{i}" for i in range(8))))
    assert coloured_methods(run.records) == (None, "")
    assert PageStyle.of(run.records).colours == ""
    assert "In colour" not in written().reader.page_text


def seen_by(colour, kind):
    """A colour as one without red (protanopia) or green (deuteranopia) cones sees it, in linear RGB.

    Source: Viénot, Brettel and Mollon, "Digital video colourmaps for checking the legibility of displays by
    dichromats", 1999.
    """
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    lms = to_lms @ linear
    if kind == "protan":
        lms[0] = 2.02344 * lms[1] - 2.52581 * lms[2]
    else:
        lms[1] = 0.494207 * lms[0] + 1.24827 * lms[2]
    return np.clip(np.linalg.inv(to_lms) @ lms, 0, 1)


def lab(linear):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_colours_or_markers_tell_methods_apart_without_red_or_green(kind):
    """Colours that come near each other for a colour-blind reader go with other markers."""
    styles = list(plot_style.method_styles([f"m{i}" for i in range(6)], "full").values())
    for place, one in enumerate(styles):
        for other in styles[:place]:
            distance = np.linalg.norm(lab(seen_by(one["color"], kind)) - lab(seen_by(other["color"], kind)))
            assert distance > 10 or one["symbol"] != other["symbol"], (one, other)
    first = [lab(seen_by(colour, kind)) for colour in plot_style.METHOD_COLOURS[:3]]
    assert min(np.linalg.norm(a - b) for i, a in enumerate(first) for b in first[:i]) > 20


# What the page shows first, and what it shows of start-up, of two test sets and of limits


def test_a_figure_stands_between_the_verdict_and_the_tables():
    reader = written().reader
    last = verdict_of(written().run.records)[-1].text
    titles = [last, "Accuracy against energy", "Every method and keep ratio"]
    places = [reader.page_text.index(text) for text in titles]
    assert places == sorted(places)
    order = [a.get("data-figure") or a["data-table"] for _, a in reader.tags if "data-figure" in a or "data-table" in a]
    assert order[:3] == ["pareto-energy", "figure-pareto-energy", "summary"]
    assert list(reader.specs).count("pareto-energy") == 1
    full = [trace for trace in reader.specs["pareto-energy"]["data"] if trace["name"] == "full"]
    assert [(trace["mode"], trace["text"]) for trace in full] == [("markers+text", ["full"])]


def test_without_energy_the_first_figure_has_time_and_without_both_there_is_a_sentence():
    run = make_run()
    run.records["device_energy_j"] = math.nan
    reader = Reader(page.render(run))
    assert next(iter(reader.specs)) == "pareto-time"
    run.records["device_time_s"] = math.nan
    source = run_tables.read(run)
    section = tradeoff_section(source, PageStyle.of(source.records))
    reader = Reader(page.render_page(with_sections(written().page, section)))
    assert "has neither energy nor time of its devices" in reader.page_text


def with_parts(run, startup_s=20.0):
    """Start-up, a tenth of the rest for scoring by importance, and the rest for training."""
    records = run.records
    score_s = records["device_time_s"].where(records["method"] == "importance", 0.0) / 10
    records = records.assign(device_startup_s=startup_s, device_score_time_s=score_s, device_startup_energy_j=40.0,
                             device_train_time_s=records["device_time_s"] - score_s)  # fmt: skip
    records["device_time_s"] += startup_s
    records["device_energy_j"] += 40.0
    return dataclasses.replace(run, records=records)


def test_start_up_is_stacked_apart():
    """By hand, device 0: emulated 1.5 x (10 x ratio + place) s; importance at 0.1: 4.5 s, of them 0.45 for scoring."""
    run = with_parts(make_run(seeds=1, devices=1))
    table = cost_parts(run.records)
    figure = parts.parts_figure(table, "time")
    shown = [trace for trace in figure.spec["data"] if trace["meta"]["method"] == "importance"]
    assert figure.spec["layout"]["barmode"] == "stack"
    assert [(trace["name"], trace["x"], trace["y"]) for trace in shown] == [
        ("start-up", ["0.1", "0.5", "full"], [20.0, 20.0, 20.0]),
        ("scoring", ["0.1", "0.5", "full"], [0.45, 1.05, 0.0]),
        ("training", ["0.1", "0.5", "full"], [4.05, 9.45, 15.0]),
    ]
    # 20 of 35 s in full training, 20 of 20 + 3 s keeping a tenth by random
    assert "Start-up takes 57.1 % of full training's time; pruning saves none of it." in figure.note
    assert "Its largest share is 87.0 %: random, keep ratio 0.1." in figure.note
    joules = parts.parts_figure(table, "energy").spec["data"]
    assert [(t["name"], t["y"][-1]) for t in joules[:2]] == [("start-up", 40.0), ("scoring and training", 50.0)]
    summed = table[list(TIME_PARTS)].sum(axis=1)
    assert summed.tolist() == pytest.approx(cost_by_ratio(run.records).table["device_time_s"].tolist())


def test_start_up_by_profile_and_at_one_ratio():
    run = with_parts(make_run(seeds=1, devices=2, ratios=(0.5,)))
    shares = parts.profiles_figure(parts_by_profile(run.records), "time")
    startup = next(t for t in shares.spec["data"] if t["name"] == "start-up" and t["meta"]["method"] == "random")
    # random at 0.5: 9 s on device 0 and 18 s on device 1
    assert (startup["y"], startup["x"]) == (
        ["profile-0", "profile-1"],
        [pytest.approx(20 / 29), pytest.approx(20 / 38)],
    )
    assert "largest on profile-0: 57.1 %, full at keep ratio 1." in shares.note
    source = run_tables.read(run)
    section = outline._time(source, PageStyle.of(source.records))
    specs = {figure.key: figure.spec for figure in section.shown_figures}
    assert {"time-parts", "time-parts-profiles", "energy-parts"} <= set(specs)
    assert "time-device" not in specs  # the stacks are as high as its bars
    assert specs["time-parts"]["data"][0]["x"] == ["full", "random", "importance"]


def test_without_start_up_nothing_is_made_up():
    run = with_parts(make_run(seeds=1, devices=1))
    records = run.records.drop(columns=["device_startup_s", "device_startup_energy_j"])
    figure = parts.parts_figure(cost_parts(records), "time")
    assert {trace["name"] for trace in figure.spec["data"]} == {"scoring", "training"}
    assert "The run does not record start-up separately" in figure.note
    assert parts.parts_figure(cost_parts(records), "energy").spec["data"] == []  # one part is the whole


def test_both_test_distributions_stand_on_one_scale():
    run = make_run()
    final = final_accuracy(run.records).table
    styles = plot_style.method_styles(final["method"], "full")
    common, own = (accuracy.accuracy_figure(final, styles, value) for value in ("test_accuracy", "local_accuracy"))
    scale = common.spec["layout"]["yaxis"]["range"]
    assert own.spec["layout"]["yaxis"]["range"] == scale
    values = final[["test_accuracy_low", "local_accuracy_low"]].min().min(), final["local_accuracy_high"].max()
    assert scale[0] <= values[0]
    assert scale[1] >= values[1]
    assert "On the common test set" in common.note
    assert "each device's own class mix" in own.note
    assert list(accuracy.NOTES)[:2] == ["test_accuracy", "local_accuracy"]  # side by side
    shards = pd.DataFrame({"seed": 0, "device": [0, 0, 1, 1], "index": range(4), "label": [0, 0, 1, 1],
                           "class_name": list("aabb")})  # fmt: skip
    assert "differs by 50.0 %" in accuracy.mix_in_words(shards)
    assert accuracy.mix_in_words(shards.head(0)) == ""


def test_headroom_has_its_limits():
    names = ["device", "profile", "needed_memory_bytes", "usable_memory_bytes", "memory_bytes", "memory_share",
             "needed_storage_bytes", "storage_capacity_bytes", "storage_share"]  # fmt: skip
    data = pd.DataFrame(
        [(0, "p", 90, 80, 100, 0.9, 10, 100, 0.1), (1, "q", 30, 80, 100, 0.3, 10, 100, 0.1)], columns=names
    )
    figure = device_figures.headroom_figure(data)
    lines = {trace["name"]: trace["x"] for trace in figure.spec["data"] if trace["mode"] == "lines"}
    assert lines == {"limit of memory, 80 %": [0.8, 0.8], "limit of storage, 100 %": [1.0, 1.0]}
    assert "Training may use 80 % of the memory" in figure.note
    alone = device_figures.headroom_figure(data.head(1))
    assert len(alone.spec["data"]) == 4
    plotly.graph_objects.Figure(finish_figure(figure).spec)
    unknown = device_figures.headroom_figure(data.assign(usable_memory_bytes=math.nan))
    assert "limit of memory, 80 %" not in [trace["name"] for trace in unknown.spec["data"]]


def test_devices_that_do_not_finish_are_named():
    told = fleet_sections.unfinished_in_words
    assert told(make_run().records) == ""
    assert told(make_run().with_failures().records) == "Device 0 (profile-0) never finishes a trial."
    assert told(survivors().records) == "Device 0 (profile-0) finishes no trial at keep ratios 0.5, 1."
    both = survivors().records
    both.loc[both["device"] > 0, "status"] = "failed"
    assert told(both) == ("Devices 1-2 (profile-1, profile-0) never finish a trial. "
                          "Device 0 (profile-0) finishes no trial at keep ratios 0.5, 1.")  # fmt: skip


def test_short_tables_stay_on_one_sheet():
    tables = {a["data-table"]: a.get("class") for tag, a in written().reader.tags if "data-table" in a}
    assert tables["summary"] == "brief"
    assert tables["trials"] is None  # 30 rows


def test_what_the_axis_knows_of_pairs():
    assert RatioAxis.of(pd.DataFrame({"method": ["a"], "keep_ratio": [0.5], "trials": [7]})).most == 7
    assert RatioAxis.of(pd.DataFrame({"method": ["a"], "keep_ratio": [0.5], "pairs": [3], "trials": [7]})).most == 3
    assert RatioAxis.of(pd.DataFrame({"method": ["a"], "keep_ratio": [0.5], "devices": [3], "seeds": [2]})).most == 6
    assert RatioAxis.of(pd.DataFrame({"method": ["a"], "keep_ratio": [0.5]})).most == 0
