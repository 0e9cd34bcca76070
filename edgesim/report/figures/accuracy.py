"""Accuracy against keep_ratio, and against random."""

from __future__ import annotations

import pandas as pd

from edgesim import analysis
from edgesim.report import marks, tables
from edgesim.report.figures.figure import Figure, by_method, words
from edgesim.report.marks import Spec, Styles
from edgesim.report.tables import percent


def accuracy_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and its interval per method and ratio: the rows of `analysis.summary` with an accuracy."""
    columns = ["method", "keep_ratio", "trials", "test_accuracy", "accuracy_low", "accuracy_high"]
    return summary.loc[summary["test_accuracy"].notna(), columns].reset_index(drop=True)


def accuracy_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy against keep_ratio, one line and band per method; `full` is a level line."""
    traces: list[Spec] = []
    for method, part in by_method(data):
        style = styles[method]
        if method == analysis.FULL:
            traces.append(marks.level(method, part["test_accuracy"].mean(), data["keep_ratio"].min()))
            continue
        low, high = part["accuracy_low"], part["accuracy_high"]
        traces.append(marks.band(part["keep_ratio"], low, high, style["color"], method))
        traces.append(marks.line(method, part["keep_ratio"], part["test_accuracy"], style))
    alt = "Test accuracy against keep ratio. " + words(data, "test_accuracy", percent)
    note = "Mean over seeds and devices; bands are 95 % intervals. The dashed line is full training."
    layout = marks.layout(marks.axis("keep ratio"), marks.axis("test accuracy", "percent"))
    spec = {"data": traces, "layout": layout}
    return Figure("accuracy", "Accuracy against keep ratio", note, alt, spec, data)


def gap_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy gap to random (table of `analysis.gap_to_random`) with error bars, in percentage points."""
    traces: list[Spec] = []
    for method, part in by_method(data):
        style = styles[method]
        trace = marks.line(method, part["keep_ratio"], 100 * part["gap"], style)
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": marks.numbers(100 * (part["gap_high"] - part["gap"])),
            "arrayminus": marks.numbers(100 * (part["gap"] - part["gap_low"])),
            "thickness": 1.5,
            "width": 4,
        }
        traces.append(trace)
    alt = "Accuracy gap to random against keep ratio. " + words(data, "gap", tables.gap)
    note = "Same seed, device and ratio. Above zero: better than random. Bars are 95 % intervals."
    y = {**marks.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    return Figure("gap", "Accuracy gap to random", note, alt, spec, data)
