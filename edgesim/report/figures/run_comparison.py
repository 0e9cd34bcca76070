"""Figures that compare several runs, or several fleets of one training: a colour and a marker for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pandas as pd

from edgesim.analysis.comparison_findings import SHOWN_LAMBDA
from edgesim.analysis.grouping import FULL
from edgesim.formatting import capital, n_of, number
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, RatioAxis, by_method, form_of, most_pairs, rows, with_pairs
from edgesim.report.figures.prices import WORDS
from edgesim.report.plot_style import Spec, Styles
from edgesim.tasks import ACCURACY, Metric, metric_in

FLEET_COSTS = {
    "finish_s": ("Time until the whole fleet has finished", "all devices done (s)", "s",
                 "The slowest device, emulated, scoring included; all start at once. Bars: 95 %, each by itself."),
    "energy_j": ("Energy of the whole fleet", "energy (J)", "J",
                 "Emulated, scoring included; sum over the devices that finish, mean over seeds."),
}  # fmt: skip
"""column -> title, axis, unit, note"""


def fleet_figure(data: pd.DataFrame, styles: Styles, column: str) -> Figure:
    """Time or energy of every fleet (table of `analysis.fleets`) against keep_ratio, one method at a time, log scale.

    With one ratio: a point per fleet and method.

    Args:
        data: one row per fleet, method and keep_ratio.
        styles: style of every fleet.
        column: one of FLEET_COSTS.
    """
    title, label, unit, note = FLEET_COSTS[column]
    data = data[data[column] > 0]  # a log axis has no place for zero
    ends = ("finish_low_s", "finish_high_s") if column == "finish_s" else None
    ratio_axis, traces = RatioAxis.of(data), _along_ratios(data, "fleet", column, styles, ends)
    alt = f"{title}, {label}, {ratio_axis.words}. "
    alt += _ends(data, "fleet", column, lambda value: f"{number(value)} {unit}")
    y = plot_style.log_axis(label, data[column], number)
    spec = {"data": traces, "layout": ratio_axis.layout(y, by_method=False)}
    key = "fleet-" + column.split("_")[0]
    dashed = "" if ratio_axis.is_single else " Level line: full training."
    return Figure(key, title, f"{note}{dashed} Log scale.", alt, spec)


def exchange_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy against energy of every fleet (table of `analysis.fleets`), one method at a time; `full` is a ring."""
    metric = metric_in(data)
    value, form = metric.column(), form_of(metric)
    data = data[(data["energy_j"] > 0) & data[value].notna()]
    traces: list[Spec] = []
    for fleet, part in _by(data, "fleet"):
        for method, own in by_method(part):
            full = method == FULL
            style = {**styles[fleet], "symbol": "circle-open"} if full else styles[fleet]
            trace = plot_style.line(fleet, own["energy_j"], own[value], style)
            trace["mode"] = "lines+markers" if len(own) > 1 else "markers"
            trace["text"] = ["full" if full else f"kept {number(value)}" for value in own["keep_ratio"]]
            trace["hovertemplate"] = f"%{{text}}<br>{plot_style.hover('x')} J, {plot_style.hover('y', form)}"
            if full:
                trace["marker"] = {**trace["marker"], "size": 14, "line": {"width": 2, "color": style["color"]}}
            trace = with_pairs(trace, own, most_pairs(part))
            traces.append({**plot_style.only(trace, None if full else method), "legendgroup": fleet})
    traces.sort(key=lambda trace: trace["marker"]["size"])  # the rings are not in the legend
    alt = f"Test {metric.title} against the energy of the fleet. " + _ends(
        data, "fleet", "energy_j", lambda j: f"{number(j)} J"
    )
    up = "up" if metric.higher_is_better else "down"
    drawn = "A mark" if RatioAxis.of(data).is_single else "A line along the keep ratios"
    note = f"{drawn} per fleet; ringed: full training. Log scale. Left and {up} is better."
    x = plot_style.log_axis("energy of the fleet (J)", data["energy_j"], number)
    layout = {**plot_style.layout(x, plot_style.axis(f"test {metric.title}", form)), "meta": {"marks": "free"}}
    spec = {"data": traces, "layout": layout}
    return Figure("fleet-exchange", f"{capital(metric.title)} against energy", note, alt, spec)


def best_ratio_figure(data: pd.DataFrame) -> Figure:
    """Number of devices with each best keep ratio (table of `best_of_fleets`), by fleet."""
    colours = plot_style.ratio_colours(data["keep_ratio"])
    fleets = list(dict.fromkeys(data["fleet"]))
    traces: list[Spec] = []
    for (method, weight), part in data.groupby(["method", "lambda"], sort=False):
        for keep_ratio in sorted(colours.keys() & set(part["keep_ratio"])):
            own = part[part["keep_ratio"] == keep_ratio]
            counts = own.set_index("fleet")["devices"]
            values = pd.Series([float(counts.get(fleet, 0)) for fleet in fleets])
            trace = plot_style.bars(f"keep ratio {number(keep_ratio)}", fleets, values, colours[keep_ratio])
            trace["text"] = [number(keep_ratio) if value else "" for value in values]
            traces.append({**trace, "meta": {"method": method, "lambda": f"{weight:g}"}})
    layout = plot_style.layout({**plot_style.axis(""), "type": "category"}, plot_style.axis("devices"))
    layout["barmode"] = "stack"
    sentences = [
        f"{row['fleet']}, {row['method']}, λ {number(row['lambda'])}: {number(row['keep_ratio'])} on {row['devices']}."
        for row in rows(data[data["lambda"] == SHOWN_LAMBDA])
    ]
    alt = "Best keep ratio of the devices of every fleet by Eq. 14. " + " ".join(sentences)
    note = (
        "The number in a bar is the ratio; 1 is full training. Eq. 14: least risk + λ × cost among the ratios that ran."
    )
    return Figure("fleet-ratios", "Devices by their best keep ratio", note, alt,
                  {"data": traces, "layout": layout}, write=lambda count: n_of(count, "device"))  # fmt: skip


def difference_figure(data: pd.DataFrame, styles: Styles, metric: Metric = ACCURACY) -> Figure:
    """Accuracy of every later run minus the first one's (table of `against_first`), one run at a time.

    Args:
        data: one row per run, method and keep_ratio, in the metric's unit.
        styles: style of every method.
        metric: the metric that is compared.
    """
    factor, unit = (100, " (points)") if metric.is_share else (1, "")
    ratio_axis = RatioAxis.of(data)
    in_points = data.assign(**{name: factor * data[name] for name in ("difference", "low", "high")})
    traces: list[Spec] = []
    for run, part in _by(in_points, "run"):
        for method, own in by_method(part):
            trace = ratio_axis.line(method, own, "difference", styles[method])
            trace["error_y"] = plot_style.error_bars(own["difference"], own["low"], own["high"])
            traces.append({**trace, "meta": {"run": run}})
    y = {**plot_style.axis(f"difference{unit}"), "zeroline": True, "zerolinewidth": 2}
    minus = f"{metric.title} minus that of the first run"
    alt = f"Test {minus}. " + _ends(data, "run", "difference", metric.difference_format)
    above = f"Above zero: higher than the first run{metric.direction}."
    note = f"Same seed, device, method and ratio. {above} Bars: 95 %, simultaneous."
    spec = {"data": traces, "layout": ratio_axis.layout(y)}
    return Figure("run-difference", capital(minus), note, alt, spec)


def fronts_figure(data: pd.DataFrame, styles: Styles, kind: str) -> Figure:
    """Accuracy against cost of every run (table of `fronts`), with each run's own front as a line.

    Args:
        data: one row per run, method and keep_ratio.
        styles: style of every run.
        kind: "time_s" or "energy_j".
    """
    word, unit = WORDS[kind]
    single, metric = RatioAxis.of(data).is_single, metric_in(data)
    form = form_of(metric)
    traces: list[Spec] = []
    for run, part in _by(data, "run"):
        for on_front in (True, False):
            own = part[part["on_front"] == on_front].sort_values("cost")
            if own.empty:
                continue
            trace = plot_style.line(run, own["cost"], own[metric.column()], styles[run])
            trace["text"] = [f"{plot_style.plain(method)}, kept {number(value)}"
                             for method, value in zip(own["method"], own["keep_ratio"], strict=True)]  # fmt: skip
            trace["hovertemplate"] = f"%{{text}}<br>{plot_style.hover('x')} {unit}, {plot_style.hover('y', form)}"
            trace["line"] = {**trace["line"], "shape": "hv"}
            trace["mode"] = "markers" if single else "lines+markers"
            if not on_front:
                trace |= {"mode": "markers", "showlegend": False}
                trace["marker"] = {**trace["marker"], "opacity": 0.4, "size": 6}
            traces.append({**with_pairs(trace, own, most_pairs(part)), "legendgroup": run})
    best = data[data["on_common_front"]].sort_values("cost")
    named = ", ".join(f"{row['run']} {row['method']} at {number(row['keep_ratio'])}" for row in rows(best))
    alt = f"{capital(metric.title)} against emulated {word} per device. On the Pareto front of all runs: "
    alt += f"{named or 'none'}."
    drawn = "Larger marks" if single else "Lines"
    front = f"Pareto front of the same run in {word} and {metric.title}"
    note = f"Mean of one device, scoring included. {drawn}: {front}."
    x = plot_style.axis(f"{word} per device ({unit})")
    layout = {**plot_style.layout(x, plot_style.axis(f"test {metric.title}", form)), "meta": {"marks": "free"}}
    spec = {"data": traces, "layout": layout}
    title = f"{capital(metric.title)} against {word}, all runs"
    return Figure(f"run-fronts-{word}", title, note, alt, spec, data)


def accuracy_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy against keep_ratio of every run, one method at a time; `full` is a dashed level.

    Args:
        data: `run` and the table of `final_accuracy`.
        styles: style of every run.
    """
    metric = metric_in(data)
    value, title = metric.column(), f"test {metric.title}"
    ends = (f"{value}_low", f"{value}_high")
    data = data.loc[data[value].notna(), ["run", "method", "keep_ratio", "pairs", value, *ends]]
    ratio_axis = RatioAxis.of(data)
    traces = _along_ratios(data, "run", value, styles, ends)
    alt = f"{capital(title)} {ratio_axis.words}. " + _ends(data, "run", value, metric.value)
    dashed = "" if ratio_axis.is_single else " Level line: full training."
    note = f"Mean over seeds and devices, all trials of each run.{dashed} Bars: 95 % intervals, each by itself."
    layout = ratio_axis.layout(plot_style.axis(title, form_of(metric)), by_method=False)
    spec = {"data": traces, "layout": layout}
    return Figure(metric.named("run-accuracy"), f"{capital(title)} of every run", note, alt, spec, data)


def _by(data: pd.DataFrame, compared: str) -> list[tuple[str, pd.DataFrame]]:
    """(run or fleet, its rows), by first appearance."""
    return [(str(name), data[data[compared] == name]) for name in dict.fromkeys(data[compared])]


def _along_ratios(
    data: pd.DataFrame, compared: str, column: str, styles: Styles, ends: tuple[str, str] | None
) -> list[Spec]:
    """Quantity of every run or fleet against keep_ratio, one method at a time, `full` as a level.

    With one ratio: a point per run or fleet and method, all methods side by side.

    Args:
        data: one row per run or fleet, method and keep_ratio.
        compared: "run" or "fleet".
        column: the quantity.
        styles: style of every run or fleet.
        ends: the columns of its interval; None where it has none.
    """
    ratio_axis = RatioAxis.of(data)
    traces: list[Spec] = []
    for name, part in _by(data, compared):
        ratio_axis = dataclasses.replace(ratio_axis, most=most_pairs(part))
        for method, own in [("", part)] if ratio_axis.is_single else by_method(part):
            if method == FULL:
                level = _level(name, own[column].mean(), data["keep_ratio"].min(), styles[name])
                traces.append(with_pairs(level, pd.concat([own, own]), ratio_axis.most))
                continue
            trace = {**ratio_axis.line(name, own, column, styles[name]), "legendgroup": name}
            if ends is not None:
                trace["error_y"] = plot_style.error_bars(own[column], own[ends[0]], own[ends[1]])
            traces.append(plot_style.only(trace, None if ratio_axis.is_single else method))
    return _levels_last(traces)


def _level(compared: str, y: float, left: float, style: Spec) -> Spec:
    """Full training as a dashed level in the colour of its run or fleet."""
    trace = plot_style.line(compared, pd.Series([left, 1.0]), pd.Series([y, y]), {**style, "dash": "dash"})
    return {**trace, "mode": "lines", "legendgroup": compared}


def _levels_last(traces: list[Spec]) -> list[Spec]:
    """Traces with levels last, which are in the legend only where their run or fleet has no other trace."""
    others = [trace for trace in traces if trace["mode"] != "lines"]
    named = {trace["legendgroup"] for trace in others}
    levels = [
        {**trace, "showlegend": trace["legendgroup"] not in named} for trace in traces if trace["mode"] == "lines"
    ]
    return [*others, *levels]


def _ends(data: pd.DataFrame, compared: str, column: str, write: Callable[[float], str]) -> str:
    """'phones: 1.2 s (random at 0.1) to 9.3 s (full at 1). …'"""
    sentences = []
    for name, part in _by(data[data[column].notna()], compared):
        ordered = rows(part.sort_values(column, kind="stable"))
        ends = [f"{write(row[column])} ({row['method']} at {number(row['keep_ratio'])})" for row in ordered]
        sentences.append(f"{name}: {ends[0]} to {ends[-1]}.")
    return " ".join(sentences) or "No value is known."
