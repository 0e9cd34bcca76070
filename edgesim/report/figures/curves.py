"""Losses and accuracies over the epochs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, groups
from edgesim.formatting import capital, number
from edgesim.report import columns, plot_style
from edgesim.report.figures.figure import MAX_BANDS, Figure, form_of, most_pairs, ratio_colours, with_pairs, words
from edgesim.report.plot_style import Spec
from edgesim.results.table_columns import METRIC_COLUMNS
from edgesim.tasks import metric_in

CURVE_POINTS = 6000
"""points of one figure of curves; longer trainings are thinned evenly between the first and the last epoch"""


def thinned(bands: pd.DataFrame, points: int = CURVE_POINTS) -> pd.DataFrame:
    """Table of `curve_bands` with each line thinned to evenly spaced epochs, `points` for all lines together.

    Every line keeps its first and its last epoch, so very many lines have more points.
    """
    lines = [part for _, _, part in groups(bands)]
    kept = []
    for part in lines:
        epochs = min(len(part), max(2, points // len(lines)))
        kept.append(part.iloc[np.unique(np.linspace(0, len(part) - 1, epochs).round().astype(int))])
    return pd.concat(kept, ignore_index=True) if kept else bands


def curves_figure(data: pd.DataFrame, value: str) -> Figure:
    """A loss or an accuracy over the epochs, one line per ratio, one method at a time and `full` beside it.

    Args:
        data: the table of `thinned`.
        value: one of `curve_values`.
    """
    data = data[data[value].notna()]
    colours = ratio_colours(data)
    few, most = len(colours) <= MAX_BANDS, most_pairs(data)
    traces: list[Spec] = []
    for method, keep_ratio, part in groups(data):
        full = method == FULL
        look = {"color": plot_style.GREY, "dash": "dash"} if full else {"color": colours[keep_ratio], "dash": "solid"}
        name = method if full else f"kept {number(keep_ratio)}"
        line = plot_style.line(name, part["epoch"], part[value], {**look, "symbol": "circle"})
        line["marker"]["size"] = 4
        line["hovertemplate"] = "epoch %{x}: %{y}"
        line = with_pairs(line, part, most)
        band = plot_style.band(part["epoch"], part[f"{value}_low"], part[f"{value}_high"], look["color"], name)
        both = [line, band] if few and len(band["x"]) > 2 else [line]
        traces += [plot_style.only(trace, None if full else method) for trace in plot_style.grouped(both, name, name)]
    shown = columns.columns_of(metric_in(data))[value]
    label, write = shown.label, shown.write
    last = data.groupby(["method", "keep_ratio"], sort=False).tail(1)
    alt = f"{capital(label)} over epochs. At the end: {words(last, value, write)}"
    note = "Mean over seeds and devices" + (", 95 % bands, each by itself. " if few else ". ")
    note += "Subsets differ in size, so an epoch is not the same number of steps."
    metric = METRIC_COLUMNS.get(value)
    if metric and not metric.higher_is_better:
        note += " Lower is better."
    y = plot_style.axis(label, form_of(metric) if metric else "number")
    spec = {"data": traces, "layout": plot_style.layout(plot_style.whole_axis("epoch", data["epoch"].max()), y)}
    return Figure(f"curve-{value.replace('_', '-')}", f"{capital(label)} over epochs", note, alt, spec)
