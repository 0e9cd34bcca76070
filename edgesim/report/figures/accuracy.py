"""Accuracy against keep_ratio, and against random."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.classes import class_skew
from edgesim.analysis.grouping import FULL
from edgesim.formatting import POINTS, number, percent
from edgesim.report import columns, plot_style
from edgesim.report.figures.figure import MAX_BANDS, Figure, RatioAxis, by_method, with_pairs, words
from edgesim.report.plot_style import Spec, Styles

NOTES = {
    "test_accuracy": "On the common test set, where all classes count equally.",
    "local_accuracy": "On the test set with each device's own class mix, as the device will meet it.",
    "train_accuracy": "On the device's whole shard, whichever samples were kept.",
}
MARGIN = 0.05
"""free share of the range at the ends of the common scale"""


def accuracy_figure(data: pd.DataFrame, styles: Styles, value: str) -> Figure:
    """Accuracy at the end against keep_ratio, one line and band per method; `full` is a level line.

    With one ratio: a point and its interval per method, `full` among them.

    Args:
        data: the table of `final_accuracy`.
        styles: style of every method.
        value: one of NOTES.
    """
    ends = [f"{value}_low", f"{value}_high"]
    scale = common_scale(data)
    data = data.loc[data[value].notna(), ["method", "keep_ratio", "pairs", value, *ends]]
    ratio_axis = RatioAxis.of(data)
    few = data["method"].nunique() <= MAX_BANDS
    traces: list[Spec] = []
    for method, part in by_method(data):
        style, line = styles[method], ratio_axis.line(method, part, value, styles[method])
        if ratio_axis.is_single:
            traces.append({**line, "error_y": plot_style.error_bars(part[value], *(part[end] for end in ends))})
        elif method == FULL:
            level = plot_style.level(method, part[value].mean(), data["keep_ratio"].min())
            traces.append(with_pairs(level, pd.concat([part, part]), ratio_axis.most))
        else:
            band = plot_style.band(part["keep_ratio"], part[ends[0]], part[ends[1]], style["color"], method)
            traces += plot_style.grouped([line, band], method, method) if few and len(part) > 1 else [line]
    label = columns.COLUMNS[value].label
    alt = f"{label.capitalize()} {ratio_axis.words}. " + words(data, value, percent)
    intervals = f"{'bars' if ratio_axis.is_single else 'bands'} are 95 % intervals, each by itself"
    intervals = intervals if few or ratio_axis.is_single else "the 95 % intervals, each by itself, are in the table"
    known = data[ends[0]].notna().any()
    note = f"{NOTES[value]} Mean over seeds and devices{f'; {intervals}' if known else ''}."
    note += "" if ratio_axis.is_single or FULL not in ratio_axis.methods else " Dashed: full training."
    spec = {"data": traces, "layout": ratio_axis.layout({**plot_style.axis(label, "share"), **scale})}
    return Figure(value.replace("_", "-"), f"{label.capitalize()} {ratio_axis.words}", note, alt, spec, data)


def common_scale(data: pd.DataFrame) -> Spec:
    """Axis range that the figures of all NOTES share, so that they can be compared by eye."""
    names = [f"{value}{end}" for value in NOTES for end in ("", "_low", "_high")]
    low, high = data[names].min().min(), data[names].max().max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return {}
    margin = max(MARGIN * (high - low), 0.01)
    return {"range": [max(0.0, round(low - margin, 4)), min(1.0, round(high + margin, 4))]}


def mix_in_words(shards: pd.DataFrame) -> str:
    """Sentence on the mean difference of the devices' class mixes; empty where unknown."""
    skew = class_skew(shards).table
    if skew.empty:
        return ""
    mean = float(skew["skew"].mean())
    return f" On average a device's class mix differs by {percent(mean)} from that of all devices (0 %: the same mix)."


def gap_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy gap to random (table of `gap_to_random`) with its intervals, in percentage points."""
    in_points = data.assign(**{name: 100 * data[name] for name in ("gap", "gap_low", "gap_high")})
    ratio_axis, few = RatioAxis.of(data), data["method"].nunique() <= MAX_BANDS
    traces: list[Spec] = []
    for method, part in by_method(in_points):
        trace = ratio_axis.line(method, part, "gap", styles[method])
        if few or ratio_axis.is_single:
            trace["error_y"] = plot_style.error_bars(part["gap"], part["gap_low"], part["gap_high"])
        traces.append(trace)
    alt = f"Accuracy gap to random {ratio_axis.words}. " + words(data, "gap", POINTS)
    intervals = "Bars are 95 % intervals, each by itself."
    intervals = intervals if few or ratio_axis.is_single else "The 95 % intervals, each by itself, are in the table."
    note = f"{pairing(data)} Above zero: better than random. {intervals}"
    y = {**plot_style.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    spec = {"data": traces, "layout": ratio_axis.layout(y)}
    return Figure("gap", "Accuracy gap to random", note, alt, spec, data)


def pairing(data: pd.DataFrame) -> str:
    """Basis on which a method and random are paired, with random's own ratios where a rule chose them."""
    if "base_keep_ratio" not in data:
        return "Same seed, device and ratio."
    other = (data["base_keep_ratio"] - data["keep_ratio"]).abs() > 1e-6
    if not other.any():
        return "Same seed, device and ratio."
    ratios = sorted(set(data.loc[other, "base_keep_ratio"].round(3)))
    return f"Same seed, device and budget, where random keeps {', '.join(map(number, ratios))} on average."


def ranking_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Every method's gap to random with its interval (table of `gap_to_random`), one ratio at a time."""
    order = data.groupby("method")["gap"].mean().sort_values().index
    traces: list[Spec] = []
    for keep_ratio in sorted(set(data["keep_ratio"])):
        for method, part in by_method(data[data["keep_ratio"] == keep_ratio]):
            trace = plot_style.dots(method, 100 * part["gap"], part["method"], styles[method]["color"], "circle")
            trace["error_x"] = plot_style.error_bars(100 * part["gap"], 100 * part["gap_low"], 100 * part["gap_high"])
            traces.append(plot_style.only(plot_style.with_rank(styles[method], trace), None, keep_ratio))
    x = {**plot_style.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    layout = {**plot_style.layout(x, plot_style.names_axis(order)), "showlegend": False}
    layout["height"] = 130 + 24 * max(4, len(order))
    alt = "Methods by their gap to random. " + words(data, "gap", POINTS)
    note = "Highest mean over ratios on top. Bars are 95 % intervals, each by itself: one in twenty may miss the truth."
    return Figure("ranking", "Methods ranked at one ratio", note, alt, {"data": traces, "layout": layout})
