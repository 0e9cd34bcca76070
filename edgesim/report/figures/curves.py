"""Losses and accuracies over the epochs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim import analysis
from edgesim.report import marks, tables
from edgesim.report.figures.figure import Figure, ratio_colours, words
from edgesim.report.marks import Spec
from edgesim.report.tables import ratio

CURVE_POINTS = 6000
"""points of one figure of curves; longer trainings are thinned evenly, the first and the last epoch stay"""


def curves_data(curves: pd.DataFrame, points: int = CURVE_POINTS) -> pd.DataFrame:
    """`analysis.curve_means`, each line thinned to evenly spaced epochs so that all have `points` together.

    A line keeps its first and its last epoch, so there may be more where there are very many lines.
    """
    means = analysis.curve_means(curves)
    lines = [part for _, _, part in analysis.groups(means)]
    kept = []
    for part in lines:
        epochs = min(len(part), max(2, points // len(lines)))
        kept.append(part.iloc[np.unique(np.linspace(0, len(part) - 1, epochs).round().astype(int))])
    return pd.concat(kept, ignore_index=True) if kept else means


def curves_figure(data: pd.DataFrame, value: str) -> Figure:
    """A loss or an accuracy over the epochs, one line per ratio, one method at a time and `full` beside it.

    Args:
        data: the table of `curves_data`.
        value: one of analysis.CURVE_VALUES.
    """
    data = data[data[value].notna()]
    colours = ratio_colours(data)
    traces: list[Spec] = []
    for method, keep_ratio, part in analysis.groups(data):
        full = method == analysis.FULL
        look = {"color": marks.GREY, "dash": "dash"} if full else {"color": colours[keep_ratio], "dash": "solid"}
        name = method if full else f"kept {ratio(keep_ratio)}"
        trace = marks.line(name, part["epoch"], part[value], {**look, "symbol": "circle"})
        trace["marker"]["size"] = 4
        traces.append(marks.only(trace, None if full else method))
    label, write = tables.COLUMNS[value].label, tables.COLUMNS[value].write
    last = data.groupby(["method", "keep_ratio"], sort=False).tail(1)
    alt = f"{label.capitalize()} over epochs. At the end: {words(last, value, write)}"
    note = "Mean over seeds and devices. Subsets differ in size, so an epoch is not the same number of steps."
    y = marks.axis(label, "percent" if value.endswith("accuracy") else "number")
    spec = {"data": traces, "layout": marks.layout(marks.axis("epoch"), y)}
    return Figure(value.replace("_", "-"), label.capitalize(), note, alt, spec)
