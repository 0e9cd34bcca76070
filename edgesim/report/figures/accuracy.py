"""Accuracy against keep_ratio, and against random."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from edgesim.analysis.classes import class_skew
from edgesim.analysis.grouping import FULL
from edgesim.analysis.second_test_set import gap_column
from edgesim.formatting import capital, number, percent
from edgesim.report import columns, plot_style
from edgesim.report.figures.figure import MAX_BANDS, Figure, RatioAxis, by_method, form_of, with_pairs, words
from edgesim.report.plot_style import Spec, Styles
from edgesim.results.table_columns import METRIC_COLUMNS
from edgesim.tasks import ACCURACY, Metric, task_in

NOTES = {
    "test_accuracy": "On the common test set, where all classes count equally.",
    "local_accuracy": "On the test set with each device's own class mix, as the device will meet it.",
    "train_accuracy": "On the device's whole shard, whichever samples were kept.",
}
"""values of a classification in the order of their figures, each with a note (`notes_of`)"""
OWN_NOTE = "On the device's own test samples, of the devices that have some."
MARGIN = 0.05
"""free share of the range at the ends of the common scale"""


def notes_of(columns_there: Collection[str]) -> dict[str, str]:
    """Values at the end of a run in the order of their figures, each with a note.

    Args:
        columns_there: of the table of `final_accuracy`.
    """
    task = task_in(columns_there)
    metric, notes = task.metric, dict(NOTES)
    if metric is not ACCURACY:
        mix = f"On the test set with each device's own {metric.groups} mix, as the device will meet it."
        notes = dict(zip(map(metric.column, ("test", "local", "train")),
                         ("On the common test set.", mix, NOTES["train_accuracy"]), strict=True))  # fmt: skip
    test, local, shard = notes.items()
    notes = dict([test, local, (metric.column("own"), OWN_NOTE), shard])
    notes |= {other.column(): f"{NOTES['test_accuracy'].split(',')[0]}." for other in task.metrics[1:]}
    return {name: note for name, note in notes.items() if name in columns_there}


def accuracy_figure(data: pd.DataFrame, styles: Styles, value: str) -> Figure:
    """Accuracy at the end against keep_ratio, one line and band per method; `full` is a level line.

    With one ratio: a point and its interval per method, `full` among them.

    Args:
        data: the table of `final_accuracy`.
        styles: style of every method.
        value: one of `notes_of`.
    """
    ends = [f"{value}_low", f"{value}_high"]
    metric, notes = METRIC_COLUMNS[value], notes_of(data.columns)
    scale = common_scale(data, metric)
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
    label = columns.columns_of(metric)[value].label
    title = f"{capital(label)} {ratio_axis.words}"
    alt = f"{title}. " + words(data, value, metric.value)
    intervals = f"{'bars' if ratio_axis.is_single else 'bands'} are 95 % intervals, each by itself"
    intervals = intervals if few or ratio_axis.is_single else "the 95 % intervals, each by itself, are in the table"
    known = data[ends[0]].notna().any()
    lower = "" if metric.higher_is_better else " Lower is better."
    note = f"{notes[value]} Mean over seeds and devices{f'; {intervals}' if known else ''}.{lower}"
    note += "" if ratio_axis.is_single or FULL not in ratio_axis.methods else " Level line: full training."
    y = {**plot_style.axis(label, form_of(metric)), **scale}
    spec = {"data": traces, "layout": ratio_axis.layout(y)}
    return Figure(value.replace("_", "-"), title, note, alt, spec, data)


def common_scale(data: pd.DataFrame, metric: Metric) -> Spec:
    """Axis range that the figures of one metric share, so that they can be compared by eye."""
    values = [value for value in notes_of(data.columns) if METRIC_COLUMNS[value] is metric]
    names = [f"{value}{end}" for value in values for end in ("", "_low", "_high")]
    low, high = data[names].min().min(), data[names].max().max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return {}
    margin = max(MARGIN * (high - low), metric.noticeable(high))
    least, most = metric.bounds
    if metric.is_share:
        return {"range": [max(least, round(low - margin, 4)), min(most, round(high + margin, 4))]}
    ends = max(least, low - margin), min(most, high + margin)
    return {"range": [float(f"{end:.4g}") for end in ends]}


def mix_in_words(shards: pd.DataFrame, groups: str = "class") -> str:
    """Sentence on the mean difference of the devices' class mixes (or `groups`); empty where unknown."""
    skew = class_skew(shards).table
    if skew.empty:
        return ""
    mean = float(skew["skew"].mean())
    return (
        f" On average a device's {groups} mix differs by {percent(mean)} from that of all devices (0 %: the same mix)."
    )


def gap_figure(data: pd.DataFrame, styles: Styles, metric: Metric = ACCURACY, of: str = "test") -> Figure:
    """Accuracy gap to random (table of `gap_to_random`) with its intervals, in percentage points.

    Of a metric that is no share, in its own unit. `of`: the set of test samples.
    """
    gap, factor = gap_column(of), _factor(metric)
    low, high = f"{gap}_low", f"{gap}_high"
    own = ", own test" if of == "own" else ""
    in_points = data.assign(**{name: factor * data[name] for name in (gap, low, high)})
    ratio_axis, few = RatioAxis.of(data), data["method"].nunique() <= MAX_BANDS
    traces: list[Spec] = []
    for method, part in by_method(in_points):
        trace = ratio_axis.line(method, part, gap, styles[method])
        if few or ratio_axis.is_single:
            trace["error_y"] = plot_style.error_bars(part[gap], part[low], part[high])
        traces.append(trace)
    title = f"{capital(metric.title)} gap to random{own}"
    alt = f"{title} {ratio_axis.words}. " + words(data, gap, metric.difference_format)
    intervals = "Bars are 95 % intervals, each by itself."
    intervals = intervals if few or ratio_axis.is_single else "The 95 % intervals, each by itself, are in the table."
    note = f"{f'{OWN_NOTE} ' if own else ''}{pairing(data)} {capital(metric.beyond_good)} zero: better than random. "
    spec = {"data": traces, "layout": ratio_axis.layout(_gap_axis(metric))}
    # Pairs are counted on the common test set.
    table = data[["method", "keep_ratio", "base_keep_ratio", gap, low, high]] if own else data
    return Figure(gap.replace("_", "-"), title, note + intervals, alt, spec, table)


def _factor(metric: Metric) -> float:
    """Factor on differences in a figure: shares are drawn in points."""
    return 100 if metric.is_share else 1


def _gap_axis(metric: Metric) -> Spec:
    unit = " (points)" if metric.is_share else ""
    return {**plot_style.axis(f"{metric.title} − random{unit}"), "zeroline": True, "zerolinewidth": 2}


def pairing(data: pd.DataFrame) -> str:
    """Basis on which a method and random are paired, with random's own ratios where a rule chose them."""
    if "base_keep_ratio" not in data:
        return "Same seed, device and ratio."
    other = (data["base_keep_ratio"] - data["keep_ratio"]).abs() > 1e-6
    if not other.any():
        return "Same seed, device and ratio."
    ratios = sorted(set(data.loc[other, "base_keep_ratio"].round(3)))
    return f"Same seed, device and budget, where random keeps {', '.join(map(number, ratios))} on average."


def ranking_figure(data: pd.DataFrame, styles: Styles, metric: Metric = ACCURACY) -> Figure:
    """Every method's gap to random with its interval (table of `gap_to_random`), one ratio at a time."""
    order = data.groupby("method")["gap"].mean().sort_values(ascending=metric.higher_is_better).index
    factor = _factor(metric)
    traces: list[Spec] = []
    for keep_ratio in sorted(set(data["keep_ratio"])):
        for method, part in by_method(data[data["keep_ratio"] == keep_ratio]):
            trace = plot_style.dots(method, factor * part["gap"], part["method"], styles[method]["color"], "circle")
            ends = (factor * part[name] for name in ("gap", "gap_low", "gap_high"))
            trace["error_x"] = plot_style.error_bars(*ends)
            traces.append(plot_style.only(plot_style.with_rank(styles[method], trace), None, keep_ratio))
    layout = {**plot_style.layout(_gap_axis(metric), plot_style.names_axis(order)), "showlegend": False}
    layout["height"] = 130 + 24 * max(4, len(order))
    alt = "Methods by their gap to random. " + words(data, "gap", metric.difference_format)
    best = "Highest" if metric.higher_is_better else "Lowest"
    note = f"{best} mean over ratios on top. Bars are 95 % intervals, each by itself: one in twenty may miss the truth."
    return Figure("ranking", "Methods ranked at one ratio", note, alt, {"data": traces, "layout": layout})
