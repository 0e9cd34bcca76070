"""Figures for print are what the page shows, with true values beside them, looks that differ, and true captions."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from metric_runs import write_run
from report_runs import make_run

from edgesim.cli.figures import NARROWEST_IN
from edgesim.report import page as pages
from edgesim.report import plot_style
from edgesim.report.figures import classes, curves, kept
from edgesim.report.figures.figure import Figure
from edgesim.report.figures.finishing import finish_figure
from edgesim.report.print_features import unknown_features
from edgesim.report.print_figures import PrintSettings, drawn
from edgesim.report.print_folder import _chosen, write_figures
from edgesim.report.print_style import PALETTE, SETTINGS, Looks, has_marks, has_scale, series_of, symbols_of
from edgesim.report.print_table import chosen_traces, shown_table
from edgesim.results.run_folder import Run

PageOf = Callable[[str], pages.Page]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib, which draws figures, is not installed"
)
SNAPSHOTS = Path(__file__).parents[1] / "reports" / "runs"
SVG = PrintSettings("svg", 3.5)
KINDS = ("har-microcontrollers", "detection", "regression", "one ratio", "failures")
"""of the run: a shipped one of a classification with devices that cannot, and hand-made ones"""


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> PageOf:
    """Makes the page of a kind of run, once."""

    @functools.cache
    def made(kind: str) -> pages.Page:
        if kind in ("detection", "regression"):
            return pages.of_run(write_run(tmp_path_factory.mktemp("page") / "run", kind))
        if kind == "one ratio":
            return pages.of_run(make_run(ratios=(0.5,)))
        if kind == "failures":
            return pages.of_run(make_run().with_failures())
        return pages.of_run(Run(SNAPSHOTS / kind))

    return made


def canvas_of(figure: Figure, chosen: dict[str, str] | None = None, width: float = 3.5) -> Any:
    import matplotlib as mpl

    with mpl.rc_context(rc=SETTINGS):
        canvas = drawn(figure, chosen_traces(figure, chosen or {}), width)
        canvas.draw_without_rendering()
    return canvas


def outside(canvas: Any) -> list[str]:
    """Texts that reach beyond the canvas; ticks beyond the ends of an axis are not drawn."""
    from matplotlib.text import Text

    hidden = set()
    for axis in (axis for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                hidden |= {tick.label1, tick.label2}
    found = []
    for text in set(canvas.findobj(Text)) - hidden:
        box, page = text.get_window_extent(), canvas.bbox
        inside = box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1 and box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1
        if text.get_visible() and text.get_text() and not inside:
            found.append(text.get_text())
    return found


def look_of(looks: Looks, trace: dict[str, Any]) -> tuple[str, ...]:
    """What a grey print shows of a trace."""
    if trace["type"] == "bar":
        return (looks.hatch(trace),)
    mark = (str(looks.mark(trace)), str(symbols_of(trace)[0].endswith("-open"))) if has_marks(trace) else ("", "")
    dash = str(looks.dash(trace)) if "lines" in str(trace.get("mode")) else ""
    return (*mark, dash)


def looks_of(traces: list[dict[str, Any]], layout: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Series in the legend -> colour, and the rest of its look."""
    looks = Looks(traces, layout.get("showlegend", True))
    shown = [t for t in traces if not has_scale(t) and t.get("showlegend", True) and t.get("mode") != "text"]
    return {series_of(t): (looks.colour(t), look_of(looks, t)) for t in shown}


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_drawn_in_full_at_the_smallest_width(kind: str, page_of: PageOf) -> None:
    for part in page_of(kind).sections:
        for figure in part.shown_figures:
            assert unknown_features(figure.spec["data"], figure.spec["layout"]) == [], figure.key
            chosen = _chosen(part, {})
            assert outside(canvas_of(figure, chosen, NARROWEST_IN)) == [], figure.key
            assert not {"x", "y"} & set(shown_table(figure, chosen)), figure.key
            traces, layout = chosen_traces(figure, chosen), figure.spec["layout"]
            if layout.get("showlegend", True):
                looks = looks_of(traces, layout)
                assert len({look for _, look in looks.values()}) == len(looks), (figure.key, looks)


def test_a_feature_that_is_not_drawn_is_an_error() -> None:
    trace = {"type": "scatter", "mode": "lines", "name": "a", "x": [1], "y": [1], "line": {"shape": "spline"}}
    layout = {"xaxis": {"side": "top"}, "yaxis": {}}
    figure = Figure("new", "", "", "", {"data": [trace], "layout": layout})
    with pytest.raises(NotImplementedError, match=r"new has .*: xaxis.side, line.shape: spline"):
        canvas_of(figure)


def test_a_figure_with_such_a_feature_is_left_out_and_named(tmp_path: Path, page_of: PageOf) -> None:
    page = page_of("one ratio")
    part = next(part for part in page.sections if part.shown_figures)
    figure = part.shown_figures[0]
    layout = {**figure.spec["layout"], "xaxis": {**figure.spec["layout"]["xaxis"], "side": "top"}}
    odd = dataclasses.replace(figure, spec={**figure.spec, "layout": layout})
    one = dataclasses.replace(page, sections=[dataclasses.replace(part, figures=[odd])])
    missing = write_figures(one, tmp_path / "out", SVG, {})
    assert f"{figure.key} is left out: no figure for print draws its xaxis.side" in missing
    assert not (tmp_path / "out" / f"{figure.key}.svg").exists()


def test_an_area_down_to_zero_keeps_its_line() -> None:
    bins = {"method": "importance", "bin_low": [0.0, 1.0, 2.0], "bin_high": [1.0, 2.0, 3.0], "share": [0.2, 0.5, 0.3]}
    figure = finish_figure(kept.score_figure(pd.DataFrame(bins)))
    axes = canvas_of(figure).axes[0]
    (line,) = axes.get_lines()
    assert line.get_drawstyle() == "steps-mid"
    assert line.get_linestyle() == "-"
    assert list(line.get_ydata()) == [0.2, 0.5, 0.3]
    (area,) = axes.collections
    heights = area.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.0, 0.5)
    table = shown_table(figure, {})
    assert table.to_dict("list") == {
        "series": ["importance"] * 3, "score": [0.5, 1.5, 2.5], "share of samples": [0.2, 0.5, 0.3]
    }  # fmt: skip


def test_marks_whose_colour_is_a_value_have_it_in_print_and_in_the_table() -> None:
    rows = [(0, 0, 0, "a", 3, 0.75), (0, 0, 1, "b", 1, 0.25), (0, 1, 1, "b", 1, 1.0)]
    counts = pd.DataFrame(rows, columns=["seed", "device", "label", "class_name", "before", "share_before"])
    figure = finish_figure(classes.shares_figure(counts.assign(method="random", keep_ratio=0.5), False))
    canvas = canvas_of(figure)
    assert len(canvas.axes) == 2  # one is the bar of the colours
    table = shown_table(figure, {}).set_index(["device", "class"])["value"]
    assert table["device 0"].to_dict() == {"a": 0.75, "b": 0.25}
    assert table["device 1", "b"] == 1.0
    squares = canvas.axes[0].collections[0]
    assert squares.get_array().tolist() == table.tolist()
    order = np.argsort(table.to_numpy())
    opacity = squares.get_facecolor()[:, 3]
    assert (np.diff(opacity[order]) >= 0).all()
    assert opacity.max() > opacity.min() + 0.5
    top, bottom = canvas.axes[0].get_ylim()
    assert top > bottom  # the first device is on top, as on the page


def test_the_table_has_the_values_and_names_before_marks_are_moved(page_of: PageOf) -> None:
    page = page_of("detection")
    figures = {figure.key: (part, figure) for part in page.sections for figure in part.shown_figures}
    moved = [key for key, (_, figure) in figures.items() if figure.unmoved["data"] != figure.spec["data"]]
    assert {"device-time", "gap"} & set(moved)
    for key in moved:
        part, figure = figures[key]
        table = shown_table(figure, _chosen(part, {}))
        if "keep ratio" in table:
            assert set(table["keep ratio"]) <= {0.25, 0.5, 1.0}, key
        if "profile" in table:
            assert set(table["profile"]) == {"pi"}, key
    times = shown_table(figures["device-time"][1], {"method": "random"})
    assert set(times[times["series"] == "kept 0.25"]["time of a device (s)"]) == {25.0}
    assert set(times["profile"]) == {"pi"}


def test_looks_are_numbered_by_figure_and_never_equal() -> None:
    methods = ["full", *(f"m{n}" for n in range(12))]
    styles = plot_style.method_styles(methods, "full")
    ratios = pd.Series([0.1, 0.5])
    traces = [plot_style.line(method, ratios, ratios, styles[method]) for method in methods]
    looks = looks_of(traces, {})
    assert len({look for _, look in looks.values()}) == len(methods)  # in grey, too
    assert len({colour for colour, _ in list(looks.values())[: len(PALETTE)]}) == len(PALETTE)
    faint = plot_style.method_styles(methods, "full", ["m0"])
    looks = looks_of([plot_style.line(method, ratios, ratios, faint[method]) for method in methods], {})
    assert len({look for _, look in looks.values()}) == len(methods)
    assert looks["m5"][0] == looks["m6"][0] != looks["full"][0]  # "the others are grey"
    bars = [plot_style.bars(method, ["a"], pd.Series([1.0]), styles[method]["color"]) for method in methods]
    assert len({look for _, look in looks_of(bars, {}).values()}) == len(methods)


def test_curves_of_two_ratios_and_of_full_training_differ() -> None:
    epochs = [("full", 1.0), ("random", 0.3), ("random", 0.6)]
    rows = [(method, ratio, epoch, 1 / epoch, 3) for method, ratio in epochs for epoch in (1, 2, 3)]
    table = pd.DataFrame(rows, columns=["method", "keep_ratio", "epoch", "test_loss", "trials"])
    table = table.assign(test_loss_low=np.nan, test_loss_high=np.nan, test_accuracy=0.5)
    figure = finish_figure(curves.curves_figure(table, "test_loss"))
    looks = looks_of(figure.spec["data"], figure.spec["layout"])
    assert set(looks) == {"full", "kept 0.3", "kept 0.6"}
    for one, other in itertools.combinations(looks.values(), 2):
        assert one[0] != other[0]
        assert one[1][0] != other[1][0]
    lines = {line.get_label(): line for line in canvas_of(figure).axes[0].get_lines()}
    assert lines["full"].get_linestyle() == "--"
    assert lines["kept 0.6"].get_linestyle() == "-"


def test_captions_of_solid_and_dotted_lines_rings_and_labels_are_true(page_of: PageOf) -> None:
    page = page_of("quickstart")
    figures = {figure.key: (part, figure) for part in page.sections for figure in part.shown_figures}
    part, figure = figures["stragglers"]
    assert "Solid: last device finished; dotted: half of them" in figure.note
    lines = [line.get_linestyle() for line in canvas_of(figure, _chosen(part, {})).axes[0].get_lines()]
    assert lines[:2] == ["None", "None"]  # full training is a mark
    assert lines[2:] == ["-", ":"] * (len(lines) // 2 - 1)
    part, figure = figures["headroom"]
    assert "Dotted: the limits" in figure.note
    limits = [line for line in canvas_of(figure).axes[0].get_lines() if line.get_label().startswith("limit")]
    assert len(limits) == 2
    assert len({str(line._dash_pattern) for line in limits}) == 2
    assert not {line.get_linestyle() for line in limits} & {"-", "None"}
    part, figure = figures["pareto-energy"]
    axes = canvas_of(figure).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    front = lines.pop("Pareto front")
    assert (front.get_drawstyle(), front.get_markerfacecolor(), front.get_marker()) == ("steps-post", "none", "o")
    assert front.get_zorder() < min(line.get_zorder() for line in lines.values())
    assert front.get_markersize() > 1.5 * max(line.get_markersize() for key, line in lines.items() if key != "full")
    texts = [text.get_text() for text in axes.texts]
    assert "full" in texts
    assert ("number of marks at the same point" in figure.note) == any("×" in text for text in texts)


def test_hollow_marks_and_stacks_below_zero_are_drawn() -> None:
    trace = plot_style.line("a", pd.Series([0.1, 0.5, 1.0]), pd.Series([1.0, 2.0, 3.0]),
                            {"color": "#c2570c", "dash": "dot", "symbol": "square"})  # fmt: skip
    trace["marker"]["symbol"] = ["square-open", "square", "square"]
    axis = plot_style.axis("value (s)")
    figure = Figure("hand", "", "", "", {"data": [trace], "layout": plot_style.layout(axis, axis)})
    solid, hollow = canvas_of(figure).axes[0].get_lines()
    assert (solid.get_linestyle(), hollow.get_linestyle()) == (":", "None")
    assert (solid.get_markevery(), hollow.get_markevery()) == ([1, 2], [0])
    assert hollow.get_markerfacecolor() == "none"
    bars = [plot_style.bars(str(value), ["p"], pd.Series([value]), colour)
            for value, colour in ((2.0, "#c2570c"), (-1.0, "#1f78c8"), (3.0, "#10856b"))]  # fmt: skip
    layout = {**plot_style.layout(plot_style.names_axis(["p"]), axis), "barmode": "relative"}
    patches = canvas_of(Figure("sources", "", "", "", {"data": bars, "layout": layout})).axes[0].patches
    assert [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in patches] == [(0, 2), (0, -1), (2, 5)]


def test_the_figures_of_the_edge_paper_are_those_of_the_metric(tmp_path: Path, page_of: PageOf) -> None:
    page, key = page_of("detection"), "map50"
    missing = write_figures(page, tmp_path / "out", SVG, {})
    numbers = {path.stem[-2:] for path in (tmp_path / "out").glob("edge-paper-figure-*.svg")}
    assert numbers == {"03", "04", "05", "06", "07", "08", "09", "10"}, missing
    for number, own in (("04", f"curve-subset-{key}"), ("06", f"curve-test-{key}"), ("08", f"test-{key}")):
        assert (tmp_path / "out" / f"edge-paper-figure-{number}.csv").read_text() == (
            tmp_path / "out" / f"{own}.csv"
        ).read_text()


def test_reasons_for_a_missing_figure_are_true(tmp_path: Path) -> None:
    made = make_run(methods=("full", "importance"))
    page = pages.of_run(made)
    missing = dict(line.split(" is left out: ") for line in write_figures(page, tmp_path / "a", SVG, {}))
    assert set(missing) == {
        "edge-paper-figure-05 (test loss)", "edge-paper-figure-06 (test accuracy)",
        "edge-paper-figure-07 (final training accuracy)", "edge-paper-figure-09 (accuracy minus that of random)",
    }  # fmt: skip
    assert (
        "no test accuracy at two epochs or more; `evaluation: {every: 1}`"
        in missing["edge-paper-figure-06 (test accuracy)"]
    )
    assert "`random` and another method" in missing["edge-paper-figure-09 (accuracy minus that of random)"]
    assert missing["edge-paper-figure-07 (final training accuracy)"] == (
        "no trial of the run has a final training accuracy"
    )


def test_a_figure_without_marks_for_the_choice_is_named(tmp_path: Path, page_of: PageOf) -> None:
    page = page_of("regression")
    (part,) = (part for part in page.sections if part.key == "training")
    figure = part.shown_figures[0]
    empty = [{**t, "y": [None] * len(t["y"])} if (t.get("meta") or {}).get("method") != "random" else t
             for t in figure.spec["data"]]  # fmt: skip
    bare = dataclasses.replace(part, figures=[dataclasses.replace(figure, spec={**figure.spec, "data": empty})])
    one = dataclasses.replace(page, sections=[bare])
    missing = write_figures(one, tmp_path / "out", SVG, {"method": "importance"})
    assert f"{figure.key} is left out: it has no mark for method importance" in missing
    assert not list((tmp_path / "out").glob("*.svg"))
