"""Figures of devices: time and energy of each, stragglers, most accurate methods, fairness, memory and storage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, groups
from edgesim.formatting import NumberFormat, capital, n_of, number, percent, short_percent
from edgesim.report import plot_style
from edgesim.report.figures.accuracy import OWN_NOTE
from edgesim.report.figures.figure import (
    MAX_BANDS,
    Figure,
    RatioAxis,
    by_method,
    form_of,
    most_pairs,
    ratio_colours,
    rows,
    with_pairs,
    words,
)
from edgesim.report.figures.prices import WORDS
from edgesim.report.metric_columns import set_columns
from edgesim.report.plot_style import Spec, Styles
from edgesim.tasks import ACCURACY, Metric

MAX_DEVICE_POINTS = 12_000
"""points of a figure with one per device, method and ratio; larger figures show a few ratios only"""


def device_figure(data: pd.DataFrame, kind: str, users: Mapping[int, str] = MappingProxyType({})) -> Figure:
    """Time or energy of every device (table of `by_device`) on a log scale, one method at a time.

    Args:
        data: one row per device, method and keep_ratio.
        kind: "time_s" or "energy_j".
        users: device -> its number and user (`users.device_names`).
    """
    word, unit = WORDS[kind]
    column = f"device_{kind}"
    known = {device: plot_style.plain(name) for device, name in users.items()}
    data = data[data[column] > 0]  # a log axis has no place for zero
    order = data.groupby("profile")[column].median().sort_values().index
    places = {profile: place for place, profile in enumerate(order)}
    shown = _fewer_ratios(data)
    colours = ratio_colours(shown)
    traces: list[Spec] = []
    for method, keep_ratio, part in groups(shown):
        full = method == FULL
        name, colour = (method, plot_style.GREY) if full else (f"kept {number(keep_ratio)}", colours[keep_ratio])
        trace = plot_style.dots(name, part[column], part["profile"], colour, "circle-open")
        # Numbers in place of names: with a thousand devices they are a third of the bytes.
        trace["y"] = [places[profile] for profile in part["profile"]]
        trace["text"] = [known.get(int(device), int(device)) for device in part["device"]]
        trace["marker"] = {**trace["marker"], "size": 7, "opacity": 0.75}
        trace["hovertemplate"] = f"device %{{text}}<br>{plot_style.hover('x')} {unit}"
        traces.append(plot_style.only(trace, None if full else method))
    x = plot_style.log_axis(f"{word} of a device ({unit})", data[column], number)
    y = {"tickvals": list(places.values()), "ticktext": [plot_style.plain(name) for name in order], "automargin": True}
    layout = plot_style.layout(x, {**y, "range": [-0.6, len(order) - 0.4], "zeroline": False})
    layout["meta"] = {"marks": "y"}
    layout["height"] = 160 + 34 * max(3, len(order))
    left_out = "" if len(shown) == len(data) else " Ratios between are left out; the table has them."
    note = f"Emulated, mean over seeds, scoring included; one mark per device. Log scale.{left_out}"
    spec = {"data": traces, "layout": layout}
    alt = f"Emulated {word} of every device in {unit}, by profile, log scale. {_range(data, column, unit)}"
    return Figure(f"device-{word}", f"{word.capitalize()} of every device", note, alt, spec)


def pareto_figure(data: pd.DataFrame, styles: Styles, kind: str, metric: Metric = ACCURACY, of: str = "test") -> Figure:
    """Accuracy against cost (table of `accuracy_against`), with the Pareto front.

    Args:
        data: one row per method and keep_ratio.
        styles: style of every method.
        kind: "time_s" or "energy_j".
        metric: the metric that decides.
        of: set of test samples of the table.
    """
    word, unit = WORDS[kind]
    value, form = metric.column(of), form_of(metric)
    own = ", own test" if of == "own" else ""
    traces: list[Spec] = []
    most = most_pairs(data)
    for method, part in by_method(data.sort_values("keep_ratio", kind="stable")):
        trace = plot_style.line(method, part["cost"], part[value], styles[method])
        trace["mode"] = "lines+markers" if len(part) > 1 else "markers"
        trace["text"] = [f"kept {number(value)}" for value in part["keep_ratio"]]
        trace["hovertemplate"] = f"%{{text}}<br>{plot_style.hover('x')} {unit}, {plot_style.hover('y', form)}"
        if method == FULL:
            trace["marker"] = {**trace["marker"], "size": 11}
            trace |= {"mode": "markers+text", "text": ["full"] * len(part), "textposition": "bottom left"}
        traces.append(with_pairs(trace, part, most))
    best = data[data["on_front"].astype(bool)].sort_values("cost")
    if len(best):
        front = plot_style.line("Pareto front", best["cost"], best[value],
                           {"color": plot_style.GREY, "dash": "dot", "symbol": "circle-open"})  # fmt: skip
        front["line"]["shape"] = "hv"
        front["mode"] = "markers" if RatioAxis.of(data).is_single else "lines+markers"
        front["marker"] = {**front["marker"], "size": 15, "line": {"width": 2, "color": plot_style.GREY}}
        traces.append({**front, "hoverinfo": "skip"})
    named = ", ".join(f"{m} at {number(r)}" for m, r in zip(best["method"], best["keep_ratio"], strict=True))
    alt = f"{capital(metric.title)}{own} against emulated {word} per device. On the Pareto front: {named or 'none'}."
    note = "Mean of one device, scoring included. Ringed, on the Pareto front: no point is cheaper and more accurate."
    x = plot_style.axis(f"{word} per device ({unit})")
    note = f"{OWN_NOTE} {note}" if own else note
    y = plot_style.axis(set_columns(metric)[value].label, form)
    layout = {**plot_style.layout(x, y), "meta": {"marks": "free"}}
    spec = {"data": traces, "layout": layout}
    title = f"{capital(metric.title)}{own} against {word}"
    return Figure(f"pareto-{'own-' if own else ''}{word}", title, note, alt, spec, data)


def straggler_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Finish times of the last and of the median device (table of `stragglers`) against keep_ratio."""
    ratio_axis = RatioAxis.of(data)
    traces: list[Spec] = []
    for method, part in by_method(data):
        last = ratio_axis.line(f"{method}, last", part, "finish_s", styles[method])
        median = ratio_axis.line(f"{method}, median", part, "median_s", {**styles[method], "dash": "dot"})
        if ratio_axis.is_single:
            median["marker"] = {**median["marker"], "symbol": "line-ew-open", "size": 16}
        traces += plot_style.grouped([last, median], method, method)
    last_ones = data.drop_duplicates(["device"])
    named = ", ".join(f"{d} ({p})" for d, p in zip(last_ones["device"], last_ones["profile"], strict=True))
    alt = f"Time until the last device has finished. {words(data, 'finish_s', lambda s: f'{number(s)} s')}"
    alt += f" Last most often: device {named}."
    kinds = ("Mark", "dash") if ratio_axis.is_single else ("Solid", "dotted")
    note = f"Emulated, all devices start at once. {kinds[0]}: last device finished; {kinds[1]}: half of them finished."
    y = {**plot_style.axis("time (s)"), "rangemode": "tozero"}
    spec = {"data": traces, "layout": ratio_axis.layout(y)}
    return Figure("stragglers", "Waiting for the slowest", note, alt, spec, data)


def fairness_figure(data: pd.DataFrame, styles: Styles, metric: Metric = ACCURACY) -> Figure:
    """Accuracy of the worst tenth of the devices (table of `fairness`) against keep_ratio."""
    ratio_axis, few = RatioAxis.of(data), data["method"].nunique() <= MAX_BANDS
    traces: list[Spec] = []
    for method, part in by_method(data):
        trace = ratio_axis.line(method, part, "worst_tenth", styles[method])
        if few or ratio_axis.is_single:
            ends = part["worst_tenth_low"], part["worst_tenth_high"]
            trace["error_y"] = plot_style.error_bars(part["worst_tenth"], *ends)
        traces.append(trace)
    title, worst = metric.title, "lowest" if metric.higher_is_better else "highest"
    mean = "Mean" if metric is ACCURACY else "Mean of"
    alt = f"{mean} {title} of the worst tenth of the devices. " + words(data, "worst_tenth", metric.value)
    intervals = "The table has the intervals."
    if few or ratio_axis.is_single:
        intervals = "Bars: 95 % over seeds, each by itself."
    note = f"{mean} test {title} of the {worst} tenth of the devices, at least one. {intervals}"
    layout = ratio_axis.layout(plot_style.axis(f"{title}, worst tenth", form_of(metric)))
    spec = {"data": traces, "layout": layout}
    return Figure("fairness", f"Devices with the {worst} {title}", note, alt, spec, data)


def winner_figure(data: pd.DataFrame, styles: Styles, metric: Metric = ACCURACY) -> Figure:
    """Number of devices on which each method is the most accurate (table of `winner_counts`), per keep_ratio."""
    counts = data.set_index(["method", "keep_ratio"])["devices"]
    ratios = sorted(set(data["keep_ratio"]))
    traces: list[Spec] = []
    for method, style in styles.items():
        if method in set(data["method"]):
            won = pd.Series([counts.get((method, r), 0) for r in ratios])
            names = [number(r) for r in ratios]
            bars = plot_style.bars(method, names, won, style["color"], style["pattern"])
            traces.append(plot_style.with_rank(style, bars))
    most = data.groupby("keep_ratio")["devices"].sum().max()
    layout = plot_style.layout(
        {**plot_style.axis("keep ratio"), "type": "category"}, plot_style.whole_axis("devices", most)
    )
    layout |= {"barmode": "stack", "bargap": plot_style.bar_gap(len(ratios))}
    wins = data.groupby("method", sort=False)["devices"].sum().sort_values(ascending=False)
    alt = "Devices on which each method is the most accurate, over all ratios: "
    alt += ", ".join(f"{method} {count}" for method, count in wins.items()) + "."
    best = "Highest mean" if metric is ACCURACY else "Highest mean of" if metric.higher_is_better else "Lowest mean of"
    note = f"{best} test {metric.title} over seeds; a tie counts for no method. No test: equal methods lead by chance."
    spec = {"data": traces, "layout": layout}
    return Figure("winners", "Devices by their most accurate method", note, alt, spec, data,
                  write=lambda count: n_of(count, "device"))  # fmt: skip


NEEDED_SHARE = NumberFormat(digits=3, factor=100, unit=" %")
"""a device may need a millionth of what it has"""
NEEDS = {"memory": (plot_style.METHOD_COLOURS[1], "circle"), "storage": (plot_style.METHOD_COLOURS[0], "square-open")}
"""colour and symbol of a need and of its limit"""


def headroom_figure(data: pd.DataFrame) -> Figure:
    """Share of its memory and storage that each device needs (table of `headroom`), log scale, with limits.

    The limit of memory is the part that training may use, the limit of storage is its capacity.
    """
    order = [str(name) for name in data.groupby("profile")["memory_share"].max().sort_values(na_position="first").index]
    usable = (data["usable_memory_bytes"] / data["memory_bytes"]).dropna()
    limits = {"memory": float(usable.median()) if len(usable) else np.nan, "storage": 1.0}
    traces: list[Spec] = []
    for name, (colour, symbol) in NEEDS.items():
        part = data[data[f"{name}_share"] > 0]
        if part.empty:
            continue
        trace = plot_style.dots(name, part[f"{name}_share"], part["profile"], colour, symbol)
        trace["text"] = [f"device {device}, {plot_style.plain(p)}" for device, p in
                         zip(part["device"], part["profile"], strict=True)]  # fmt: skip
        traces.append({**trace, "hovertemplate": f"%{{text}}<br>{plot_style.hover('x', 'share')}"})
        if limits[name] == limits[name]:
            traces.append(_limit(name, limits[name], order))
    shown = [value for trace in traces for value in trace["x"]]
    x = plot_style.log_axis("share needed", shown, NEEDED_SHARE)
    if shown:  # margins beside the limits
        x["range"] = [np.log10(min(shown)) - 0.3, np.log10(max(shown)) + 0.3]
    layout = plot_style.layout(x, plot_style.names_axis(order))
    layout["height"] = 160 + 34 * max(3, len(order))
    alt = "Share of memory and storage that each device needs."
    for row in rows(data.sort_values("memory_share", na_position="first").tail(1)):
        alt += f" Most memory: {percent(row['memory_share'])} on device {row['device']}, {row['profile']}."
    note = "Memory: the largest peak of a device's trials. Storage: all its samples, before pruning. Log scale."
    if limits["memory"] == limits["memory"]:
        usable_share = short_percent(limits["memory"])
        note += (f" Dotted: the limits. Training may use {usable_share} of the memory; the system keeps the rest."
                 " Samples may use all of the storage. Trials beyond a limit are infeasible.")  # fmt: skip
    return Figure("headroom", "Memory and storage needed", note, alt, {"data": traces, "layout": layout}, data)


def _limit(name: str, share: float, order: list[str]) -> Spec:
    """Dotted line over all profiles at the share above which a trial is infeasible."""
    colour = NEEDS[name][0]
    look = {"color": colour, "dash": "dot", "symbol": "circle"}
    shares, places = pd.Series([share] * len(order)), pd.Series(range(len(order)))
    line = plot_style.line(f"limit of {name}, {short_percent(share)}", shares, places, look)
    if len(order) == 1:
        line |= {"mode": "markers", "marker": {**line["marker"], "symbol": "line-ns-open", "size": 40}}
    else:
        line |= {"mode": "lines"}
    return {**line, "y": [plot_style.plain(profile) for profile in order]}


def _fewer_ratios(data: pd.DataFrame) -> pd.DataFrame:
    """Rows of the smallest, a middle and the largest ratio, where all ratios would be too many points."""
    pruned = sorted(set(data.loc[data["method"] != FULL, "keep_ratio"]))
    if len(data) <= MAX_DEVICE_POINTS or len(pruned) <= 3:
        return data
    some = {pruned[0], pruned[len(pruned) // 2], pruned[-1]}
    return data[(data["method"] == FULL) | data["keep_ratio"].isin(some)]


def _range(data: pd.DataFrame, column: str, unit: str) -> str:
    if data.empty:
        return "No value is known."
    ordered = rows(data.sort_values(column))
    least, most = ordered[0], ordered[-1]
    return (f"From {number(least[column])} {unit} on {least['profile']} "
            f"to {number(most[column])} {unit} on {most['profile']}.")  # fmt: skip
