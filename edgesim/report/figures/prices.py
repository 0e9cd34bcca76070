"""Time and energy on the devices: closed form, emulated, measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL
from edgesim.formatting import number, percent
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, RatioAxis, by_method, rows, words
from edgesim.report.plot_style import Spec, Styles

WORDS = {"time_s": ("time", "s"), "energy_j": ("energy", "J")}
TIMES = {"analytic_time_s": "closed form", "device_time_s": "emulated", "host_wall_s": "this host"}
ENERGIES = {"analytic_energy_j": "closed form", "device_energy_j": "emulated"}
RELATIVE = {"analytic_relative": "closed form", "device_relative": "emulated", "host_relative": "this host"}
NOTES = {
    "closed form": "Every FLOP at one rate and one power (edge paper, III-E).",
    "emulated": "Step by step, with overhead, memory, storage and heat.",
    "this host": "Measured on the simulating machine, which is no device.",
}
PARTS = {
    "rate_s": "another rate than φ", "steps_s": "overhead of steps", "partial_s": "steps that partial batches add",
    "score_s": "scoring", "wait_s": "storage and waiting", "throttled_s": "heat", "rest_s": "rest",
}  # fmt: skip
LEAST_SHARE = 0.001
"""smallest share of a part that is visible in a bar"""
PATTERNS = ("", "/", "x", "", ".", "", "")
"""patterns of the bars of PARTS, so that they differ by more than colour"""


def time_figure(costs: pd.DataFrame, fits: pd.DataFrame, styles: Styles, column: str) -> Figure:
    """Mean time of a device against keep_ratio with each method's least-squares line (edge paper, Fig. 10).

    Each clock has its own figure, since one may run a thousand times as fast as another. With one ratio: bars.

    Args:
        costs: the table of `cost_by_ratio`.
        fits: the table of `time_fits`.
        styles: style of every method.
        column: one of TIMES.
    """
    data = costs.loc[costs[column].notna(), ["method", "keep_ratio", "pairs", column]]
    fits = fits[fits["time"] == column]
    ratio_axis, clock = RatioAxis.of(data), TIMES[column]
    traces: list[Spec] = []
    for method, part in by_method(data):
        if ratio_axis.is_single:
            traces.append(ratio_axis.bars(method, part, column, styles[method]))
            continue
        dots = {**ratio_axis.line(method, part, column, styles[method]), "mode": "markers"}
        ends = pd.Series([part["keep_ratio"].min(), part["keep_ratio"].max()])
        lines = [
            plot_style.line("fit", ends, fit["intercept_s"] + fit["slope_s"] * ends, styles[method])
            for fit in rows(fits[fits["method"] == method])
        ]
        traces += plot_style.grouped([dots, *({**line, "mode": "lines"} for line in lines)], method, method)
    alt = f"Time of one device by {clock}, {ratio_axis.words}. " + words(data, column, lambda s: f"{number(s)} s")
    alt += "".join(
        f" Straight line of {fit['method']}: {number(fit['slope_s'])} s per 1.0, R² {number(fit['r2'])}."
        for fit in rows(fits)
    )
    note = f"{NOTES[clock]} Mean of one device, scoring included" + (
        ". " if ratio_axis.is_single else "; lines are fits. "
    )
    spec = {"data": traces, "layout": ratio_axis.layout({**plot_style.axis("time (s)"), "rangemode": "tozero"})}
    return Figure(f"time-{column.split('_')[0]}", f"Time {ratio_axis.words}: {clock}", note.strip(), alt, spec, data,
                  write=lambda s: f"{number(s)} s")  # fmt: skip


def energy_figure(costs: pd.DataFrame, styles: Styles, column: str) -> Figure:
    """Mean energy of a device against keep_ratio (table of `cost_by_ratio`); `column` is one of ENERGIES."""
    data = costs.loc[costs[column].notna(), ["method", "keep_ratio", "pairs", column]]
    ratio_axis, price = RatioAxis.of(data), ENERGIES[column]
    draw = ratio_axis.bars if ratio_axis.is_single else ratio_axis.line
    traces = [draw(method, part, column, styles[method]) for method, part in by_method(data)]
    alt = f"Energy of one device by {price}, {ratio_axis.words}. " + words(data, column, lambda j: f"{number(j)} J")
    note = f"{NOTES[price]} Mean of one device, scoring included."
    spec = {"data": traces, "layout": ratio_axis.layout({**plot_style.axis("energy (J)"), "rangemode": "tozero"})}
    return Figure(f"energy-{column.split('_')[0]}", f"Energy {ratio_axis.words}: {price}", note, alt, spec, data,
                  write=lambda j: f"{number(j)} J")  # fmt: skip


def relative_figure(prices: pd.DataFrame) -> Figure:
    """Training time as a share of `full`'s by three clocks (table of `analysis.prices`), one method at a time.

    With one ratio: a bar per clock, all methods beside each other.
    """
    means = prices.groupby(["method", "keep_ratio"], sort=False)[list(RELATIVE)].mean().reset_index()
    means = means[means["method"] != FULL].sort_values("keep_ratio", kind="stable")
    ratio_axis = RatioAxis.of(_with_pairs_of(means, prices))
    traces: list[Spec] = []
    for place, (column, name) in enumerate(RELATIVE.items()):
        style = {"color": plot_style.METHOD_COLOURS[place], "dash": "solid", "symbol": plot_style.SYMBOLS[place]}
        known = _with_pairs_of(means[means[column].notna()], prices[prices[column].notna()])
        if ratio_axis.is_single:
            traces += [ratio_axis.bars(name, known, column, style)] if len(known) else []
            continue
        for method, part in by_method(known):
            traces.append(plot_style.only(ratio_axis.line(name, part, column, style), method))
    alt = f"Training time as a share of full training, {ratio_axis.words}. " + " ".join(
        words(means, column, percent, f" ({name})") for column, name in RELATIVE.items()
    )
    note = "Training alone, without scoring, on the same device and seed, so that the three clocks compare."
    y = {**plot_style.axis("time / time of full", "percent"), "rangemode": "tozero"}
    layout = {**ratio_axis.layout(y, by_method=False), "barmode": "group"}
    spec = {"data": traces, "layout": layout}
    return Figure("relative", "Training time against full", note, alt, spec, means, write=percent)


def _with_pairs_of(means: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Means over devices with the (seed, device) pairs behind them, where the table of prices tells its trials."""
    if "trials" not in prices:
        return means
    pairs = prices.groupby(["method", "keep_ratio"])["trials"].sum().rename("pairs").reset_index()
    return means.merge(pairs, on=["method", "keep_ratio"], how="left").fillna({"pairs": 0})


def factor_figure(data: pd.DataFrame) -> Figure:
    """Ratio of the emulated price to the closed form's (table of `device_prices`), log scale."""
    order = data.groupby("profile")["time_factor"].median().sort_values().index
    traces = []
    marks = {"time": (plot_style.METHOD_COLOURS[1], "circle"), "energy": (plot_style.METHOD_COLOURS[0], "square-open")}
    for name, (colour, symbol) in marks.items():
        part = data[data[f"{name}_factor"] > 0]
        if len(part):
            trace = plot_style.dots(name, part[f"{name}_factor"], part["profile"], colour, symbol)
            trace["text"] = [int(device) for device in part["device"]]
            traces.append({**trace, "hovertemplate": f"device %{{text}}, %{{y}}<br>{plot_style.hover('x')} times"})
    values = [*data["time_factor"], *data["energy_factor"]]
    x = plot_style.log_axis("emulated / closed form", values, lambda tick: f"{number(tick)}×")
    layout = plot_style.layout(x, plot_style.names_axis(order))
    layout["height"] = 160 + 34 * max(3, len(order))
    known = rows(data[data["time_factor"].notna()].sort_values("time_factor"))
    alt = "Emulated price over the closed form's, per device and profile, log scale. "
    alt += ", ".join(
        f"{word} {number(row['time_factor'])} times the time on {row['profile']}"
        for word, row in (("Least:", known[0]), ("most:", known[-1]))
    ) + "." if known else "No value is known."  # fmt: skip
    note = "Mean over the trials of a device; 1×: the two prices agree. Log scale."
    return Figure("factors", "Emulated price over closed form", note, alt, {"data": traces, "layout": layout})


def source_figure(data: pd.DataFrame) -> Figure:
    """Causes of the difference between emulated and closed-form time (table of `price_sources`).

    Per profile, as shares of the sum of the parts' sizes; parts that make the device faster are below zero. As shares
    of the closed form's time they could be a million per cent, where start-up outweighs the training.
    """
    means = data.groupby("profile", sort=False)[list(PARTS)].mean().dropna(how="all")
    means["steps_s"] -= means["partial_s"].fillna(0.0)  # of which they are a part
    sizes = means.abs().sum(axis=1)
    shares = means.div(sizes.where(sizes > 0), axis=0)
    profiles = [str(profile) for profile in means.index]
    traces = [
        plot_style.bars(name, profiles, shares[part], colour, pattern)
        for (part, name), colour, pattern in zip(PARTS.items(), plot_style.METHOD_COLOURS, PATTERNS, strict=False)
        if (shares[part].abs() > LEAST_SHARE).any()
    ]
    # The names of profiles are too long to stand under upright bars.
    traces = [{**trace, "orientation": "h", "x": trace["y"], "y": trace["x"]} for trace in traces]
    x = {**plot_style.axis("share of the difference's parts", "percent"), "zeroline": True}
    layout = {
        **plot_style.layout(x, {**plot_style.names_axis(profiles), "autorange": "reversed"}),
        "barmode": "relative",
    }
    layout["height"] = 160 + 34 * max(3, len(profiles))
    alt = "Causes of the emulated minus the closed-form time, per profile. Largest part: "
    largest = [max(row.items(), key=lambda item: abs(np.nan_to_num(item[1]))) for row in rows(shares)]
    alt += ", ".join(f"{profile} {PARTS[part]} {percent(share)}"
                     for profile, (part, share) in zip(profiles, largest, strict=True)) + "."  # fmt: skip
    note = "Emulated minus closed form, by cause; below zero: the device is faster there. Mean over trials."
    spec = {"data": traces, "layout": layout}
    return Figure("sources", "Causes of the difference", note, alt, spec, data, write=percent)
