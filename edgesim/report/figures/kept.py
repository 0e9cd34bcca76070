"""Figures of kept samples: overlap of the methods, distribution of scores, recorded quantities."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import FULL, groups
from edgesim.formatting import number, percent
from edgesim.report import plot_style
from edgesim.report.figures.figure import MAX_BANDS, Figure, RatioAxis, ratio_colours, rows
from edgesim.report.plot_style import Spec


def overlap_figure(data: pd.DataFrame) -> Figure:
    """Jaccard overlap of the methods' subsets (table of `overlap`).

    Few pairs of methods are lines against keep_ratio, beside the overlap of two random subsets. Many are a map of
    squares, one ratio at a time.
    """
    pairs = data[["method_a", "method_b"]].drop_duplicates()
    few = len(pairs) <= MAX_BANDS
    spec = _overlap_lines(data) if few else _overlap_map(data)
    ends = data.sort_values("jaccard").dropna(subset="jaccard").iloc[[0, -1]] if len(data) else data
    alt = "Overlap of the methods' subsets. " + " ".join(
        f"{row['method_a']} and {row['method_b']} share {percent(row['jaccard'])} at {number(row['keep_ratio'])}."
        for row in rows(ends)
    )
    note = "Samples kept by both, as a share of those kept by either, on the same device and seed."
    dashed = "Dashes" if RatioAxis.of(data.assign(method=data["method_a"])).is_single else "Dotted"
    note += f" {dashed}: two random subsets. Bars are 95 % intervals, each by itself." if few else ""
    return Figure("overlap", "Overlap of the methods", note, alt, spec, data)


def _overlap_lines(data: pd.DataFrame) -> Spec:
    names = [f"{row['method_a']} and {row['method_b']}" for row in rows(data)]
    data = data.assign(method=pd.Series(names, index=data.index, dtype=object))
    ratio_axis, styles = RatioAxis.of(data), plot_style.method_styles(names, "chance")
    traces: list[Spec] = []
    for name in dict.fromkeys(names):
        part = data[data["method"] == name]
        trace = ratio_axis.line(name, part, "jaccard", styles[name])
        trace["error_y"] = plot_style.error_bars(part["jaccard"], part["jaccard_low"], part["jaccard_high"])
        traces.append(trace)
    chance = data if ratio_axis.is_single else data.drop_duplicates("keep_ratio").sort_values("keep_ratio")
    if len(chance):
        style = {
            "color": plot_style.GREY,
            "dash": "dot",
            "symbol": "line-ew-open" if ratio_axis.is_single else "circle",
        }
        line = ratio_axis.line("chance", chance, "chance", style)
        line["marker"]["size"] = 16
        traces.append({**line, "mode": "markers" if ratio_axis.is_single else "lines"})
    y = {**plot_style.axis("overlap (Jaccard)", "share"), "rangemode": "tozero"}
    layout = ratio_axis.layout(y)
    if ratio_axis.is_single:
        at = f"two methods, keep ratio {number(ratio_axis.ratios[0])}" if ratio_axis.ratios else ""
        layout["xaxis"]["title"]["text"] = at
    return {"data": traces, "layout": layout}


def _overlap_map(data: pd.DataFrame) -> Spec:
    order = list(dict.fromkeys([*data["method_a"], *data["method_b"]]))
    traces = []
    for keep_ratio, part in data.groupby("keep_ratio"):
        # Both halves of the map, so that every row is complete.
        x, y = [*part["method_a"], *part["method_b"]], [*part["method_b"], *part["method_a"]]
        hover = f"%{{y}} and %{{x}}: {plot_style.hover('marker.color', 'share')}"
        trace = plot_style.squares(x, y, pd.concat([part["jaccard"], part["jaccard"]]), hover, 1.0)
        traces.append(plot_style.only(trace, None, float(str(keep_ratio))))
    layout = plot_style.layout(plot_style.names_axis(order), {**plot_style.names_axis(order), "autorange": "reversed"})
    layout["height"] = 170 + 18 * len(order)
    return {"data": traces, "layout": layout}


def score_figure(data: pd.DataFrame) -> Figure:
    """Distribution of a method's scores (table of `score_histogram`), one method at a time."""
    styles = plot_style.method_styles(data["method"], FULL)
    traces: list[Spec] = []
    alt = "Distribution of scores."
    for method in dict.fromkeys(data["method"]):
        part = data[data["method"] == method]
        middle = (part["bin_low"] + part["bin_high"]) / 2
        trace = plot_style.line(method, middle, part["share"], styles[method])
        line = {**trace["line"], "shape": "hvh"}
        traces.append(plot_style.only({**trace, "mode": "lines", "line": line, "fill": "tozeroy"}, method))
        alt += f" {method}: from {number(part['bin_low'].min())} to {number(part['bin_high'].max())}."
    note = "All devices and seeds; samples with larger scores are kept first."
    layout = plot_style.layout(plot_style.axis("score"), plot_style.axis("share of samples", "percent"))
    return Figure("scores", "Scores", note, alt, {"data": traces, "layout": layout}, data)


def trace_figures(data: pd.DataFrame) -> list[Figure]:
    """Quantities that a method recorded of its own training (table of `trace_means`), a figure for each."""
    colours = ratio_colours(data)
    figures = []
    names = [name for name in dict.fromkeys(data["quantity"]) if name != "epoch"]
    for place, name in enumerate(names):
        part = data[data["quantity"] == name]
        traces: list[Spec] = []
        for method, keep_ratio, cell in groups(part):
            style = {"color": colours[keep_ratio], "dash": "solid", "symbol": "circle"}
            trace = plot_style.line(f"kept {number(keep_ratio)}", cell["epoch"], cell["value"], style)
            trace["marker"]["size"] = 4
            traces.append(plot_style.only(trace, method))
        last = part.groupby(["method", "keep_ratio"], sort=False).tail(1)
        alt = f"{name} over epochs. At the end: " + ", ".join(
            f"{row['method']} at {number(row['keep_ratio'])} {number(row['value'])}" for row in rows(last)
        )
        layout = plot_style.layout(
            plot_style.whole_axis("epoch", part["epoch"].max()), plot_style.axis(plot_style.plain(name))
        )
        spec = {"data": traces, "layout": layout}
        note = "Recorded by the method while it trained; mean over devices and seeds."
        figures.append(Figure(f"trace-{place}", f"Recorded: {name}", note, alt, spec, part))
    return figures
