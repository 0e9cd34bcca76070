"""Accuracy against keep_ratio, and against random."""

from __future__ import annotations

import pandas as pd

from edgesim import analysis
from edgesim.report import columns, marks
from edgesim.report.columns import percent
from edgesim.report.figures.figure import MAX_BANDS, Figure, by_method, words
from edgesim.report.marks import Spec, Styles

NOTES = {
    "test_accuracy": "On the common test set.",
    "train_accuracy": "On the device's whole shard, whatever was trained on.",
    "local_accuracy": "On the test set, classes weighted as the device's own data.",
}


def accuracy_figure(data: pd.DataFrame, styles: Styles, value: str) -> Figure:
    """Accuracy at the end against keep_ratio, one line and band per method; `full` is a level line.

    Args:
        data: the table of `analysis.final_accuracy`.
        styles: the look of every method.
        value: one of NOTES.
    """
    data = data.loc[data[value].notna(), ["method", "keep_ratio", "trials", value, f"{value}_low", f"{value}_high"]]
    traces: list[Spec] = []
    few = data["method"].nunique() <= MAX_BANDS
    for method, part in by_method(data):
        style = styles[method]
        if method == analysis.FULL:
            traces.append(marks.level(method, part[value].mean(), data["keep_ratio"].min()))
            continue
        line = marks.line(method, part["keep_ratio"], part[value], style)
        band = marks.band(part["keep_ratio"], part[f"{value}_low"], part[f"{value}_high"], style["color"], method)
        traces += marks.grouped([line, band], method, method) if few else [line]
    label = columns.COLUMNS[value].label
    alt = f"{label.capitalize()} against keep ratio. " + words(data, value, percent)
    told = "bands are 95 % intervals" if few else "the 95 % intervals are in the table"
    note = f"{NOTES[value]} Mean over seeds and devices; {told}. Dashed: full training."
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), marks.axis(label, "percent"))}
    return Figure(value.replace("_", "-"), f"{label.capitalize()} against keep ratio", note, alt, spec, data)


def gap_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy gap to random (table of `analysis.gap_to_random`) with error bars, in percentage points."""
    traces: list[Spec] = []
    for method, part in by_method(data):
        style = styles[method]
        trace = marks.line(method, part["keep_ratio"], 100 * part["gap"], style)
        trace["error_y"] = marks.error_bars(100 * part["gap"], 100 * part["gap_low"], 100 * part["gap_high"])
        traces.append(trace)
    alt = "Accuracy gap to random against keep ratio. " + words(data, "gap", columns.gap)
    note = "Same seed, device and ratio. Above zero: better than random. Bars are 95 % intervals."
    y = {**marks.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    return Figure("gap", "Accuracy gap to random", note, alt, spec, data)


def ranking_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Every method's gap to random with its interval (table of `analysis.gap_to_random`), one ratio at a time."""
    order = data.groupby("method")["gap"].mean().sort_values().index
    traces: list[Spec] = []
    for keep_ratio in sorted(set(data["keep_ratio"])):
        for method, part in by_method(data[data["keep_ratio"] == keep_ratio]):
            trace = marks.dots(method, 100 * part["gap"], part["method"], styles[method]["color"], "circle")
            trace["error_x"] = marks.error_bars(100 * part["gap"], 100 * part["gap_low"], 100 * part["gap_high"])
            traces.append(marks.only(trace, None, keep_ratio))
    x = {**marks.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    layout = {**marks.layout(x, marks.names_axis(order)), "showlegend": False}
    layout["height"] = 130 + 24 * max(4, len(order))
    alt = "Methods by their gap to random. " + words(data, "gap", columns.gap)
    note = "Best on top, by the mean over ratios. Bars are 95 % intervals; those that cross zero show no difference."
    return Figure("ranking", "Methods ranked at one ratio", note, alt, {"data": traces, "layout": layout})
