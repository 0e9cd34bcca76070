"""Time and energy on the devices: closed form, emulated, measured."""

from __future__ import annotations

import pandas as pd

from edgesim import analysis
from edgesim.report import marks
from edgesim.report.columns import percent, quantity
from edgesim.report.figures.figure import Figure, by_method, rows, words
from edgesim.report.marks import Spec, Styles

WORDS = {"time_s": ("time", "s"), "energy_j": ("energy", "J")}
PRICES = (("analytic", "analytic", "solid", "circle-open"), ("device", "emulated", "dot", "circle"))
"""(prefix of the column, name, dash, symbol)"""
TIMES = {"analytic_time_s": "closed form", "device_time_s": "emulated", "host_wall_s": "this host"}
RELATIVE = {"analytic_relative": "closed form", "device_relative": "emulated", "host_relative": "this host"}
PARTS = {
    "rate_s": "another rate than φ", "steps_s": "overhead of steps", "score_s": "scoring", "wait_s": "waiting",
    "throttled_s": "heat", "rest_s": "rest",
}  # fmt: skip


def cost_figure(data: pd.DataFrame, styles: Styles, kind: str) -> Figure:
    """Mean time or energy of a device against keep_ratio: the closed form solid, the emulated device dotted.

    Args:
        data: the table of `analysis.cost_by_ratio`.
        styles: the look of every method.
        kind: "time_s" or "energy_j".
    """
    word, unit = WORDS[kind]
    traces: list[Spec] = []
    for method, part in by_method(data):
        lines = [
            marks.line(
                f"{method}, {price}", part["keep_ratio"], part[f"{prefix}_{kind}"], {**styles[method], "dash": dash}
            )
            for prefix, price, dash, _ in PRICES
            if part[f"{prefix}_{kind}"].notna().any()
        ]
        traces += marks.grouped(lines, method, method)
    alt = f"Modelled {word} per device in {unit} against keep ratio. "
    alt += " ".join(words(data, f"{prefix}_{kind}", quantity, f" ({price})") for prefix, price, _, _ in PRICES)
    note = f"Mean {word} of one device, scoring included. Solid: closed form; dotted: emulated device."
    y = {**marks.axis(f"{word} per device ({unit})"), "rangemode": "tozero"}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    columns = ["method", "keep_ratio", "trials", f"analytic_{kind}", f"device_{kind}"]
    table = data[columns + (["host_wall_s"] if kind == "time_s" else [])]
    return Figure(word, f"Modelled {word} against keep ratio", note, alt, spec, table)


def fit_figure(costs: pd.DataFrame, fits: pd.DataFrame) -> Figure:
    """Time against keep_ratio with its least-squares lines, one method at a time (edge paper, Fig. 10).

    Args:
        costs: the table of `analysis.cost_by_ratio`.
        fits: the table of `analysis.time_fits`.
    """
    traces: list[Spec] = []
    for place, (column, name) in enumerate(TIMES.items()):
        colour = marks.METHOD_COLOURS[place]
        for method, part in by_method(costs[costs[column].notna()]):
            if method == analysis.FULL:
                continue
            style = {"color": colour, "dash": "solid", "symbol": marks.SYMBOLS[place]}
            dots = {**marks.line(name, part["keep_ratio"], part[column], style), "mode": "markers"}
            ends = pd.Series([part["keep_ratio"].min(), part["keep_ratio"].max()])
            own = fits[(fits["method"] == method) & (fits["time"] == column)].to_dict("records")
            lines = [marks.line("fit", ends, fit["intercept_s"] + fit["slope_s"] * ends, style) for fit in own]
            both = marks.grouped([dots, *({**line, "mode": "lines"} for line in lines)], name, name)
            traces += [marks.only(trace, method) for trace in both]
    alt = "Time against keep ratio with straight lines. " + " ".join(
        f"{row['method']}, {TIMES[row['time']]}: {quantity(row['slope_s'])} s per 1.0, R² {quantity(row['r2'])}."
        for row in rows(fits)
    )
    note = "Mean of one device, scoring included, and the straight line through it. This host is another machine."
    y = {**marks.axis("time (s)"), "rangemode": "tozero"}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    return Figure("fits", "Is time a straight line in the ratio?", note, alt, spec, fits)


def relative_figure(prices: pd.DataFrame) -> Figure:
    """Training time as a share of `full`'s by three clocks (table of `analysis.prices`), one method at a time."""
    traces: list[Spec] = []
    means = prices.groupby(["method", "keep_ratio"], sort=False)[list(RELATIVE)].mean().reset_index()
    means = means.sort_values("keep_ratio", kind="stable")
    for place, (column, name) in enumerate(RELATIVE.items()):
        style = {"color": marks.METHOD_COLOURS[place], "dash": "solid", "symbol": marks.SYMBOLS[place]}
        for method, part in by_method(means[means[column].notna() & (means["method"] != analysis.FULL)]):
            traces.append(marks.only(marks.line(name, part["keep_ratio"], part[column], style), method))
    alt = "Training time as a share of full training. " + " ".join(
        words(means, column, percent, f" ({name})") for column, name in RELATIVE.items()
    )
    note = "Training alone, without scoring; same device and seed, so that three different machines compare."
    y = {**marks.axis("time / time of full", "percent"), "rangemode": "tozero"}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    return Figure("relative", "Training time against full", note, alt, spec, means)


def source_figure(data: pd.DataFrame) -> Figure:
    """Where the emulated time parts from the closed form's (table of `analysis.sources`), per profile."""
    means = data.groupby("profile", sort=False)[["analytic_time_s", *PARTS]].mean()
    traces = [
        marks.bars(name, [str(profile) for profile in means.index], means[part] / means["analytic_time_s"], colour)
        for (part, name), colour in zip(PARTS.items(), marks.METHOD_COLOURS, strict=False)
        if means[part].abs().sum() > 0
    ]
    y = {**marks.axis("share of the closed form's time", "percent"), "zeroline": True}
    layout = {**marks.layout(marks.names_axis(means.index), y), "barmode": "relative"}
    gap = (data.groupby("profile")["gap_s"].mean() / means["analytic_time_s"]).dropna()
    alt = "Emulated minus closed-form time per profile, as a share of the closed form's: "
    alt += ", ".join(f"{profile} {percent(value)}" for profile, value in gap.items()) + "."
    note = "Emulated minus closed form, by what causes it; mean over the devices of a profile and their trials."
    return Figure("sources", "Where the prices part", note, alt, {"data": traces, "layout": layout}, data)
