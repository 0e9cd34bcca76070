"""The figures of a report: each a data function, tested by numbers, and a thin renderer to plotly.js."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from edgesim import analysis
from edgesim.report import marks, tables
from edgesim.report.marks import Spec, Styles
from edgesim.report.tables import percent, quantity, ratio

CURVE_POINTS = 6000
"""points of one figure of curves; longer trainings are thinned evenly, the first and the last epoch stay"""
CURVE_ROWS = 400
"""rows of the table behind the curves"""
WORDS = {"time_s": ("time", "s"), "energy_j": ("energy", "J")}
PRICES = (("analytic", "analytic", "solid", "circle-open"), ("device", "emulated", "dot", "circle"))
"""(prefix of the column, name, dash, symbol)"""


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    key: str
    """its anchor on the page"""
    title: str
    note: str
    """what to know to read it"""
    alt: str
    """what it shows, in words and numbers"""
    spec: Spec
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    """the numbers behind it; empty where another table of the page has them"""
    by_method: bool = False
    """whether it shows one method at a time, chosen on the page"""


def accuracy_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and its interval per method and ratio: the rows of `analysis.summary` with an accuracy."""
    columns = ["method", "keep_ratio", "trials", "test_accuracy", "accuracy_low", "accuracy_high"]
    return summary.loc[summary["test_accuracy"].notna(), columns].reset_index(drop=True)


def accuracy_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy against keep_ratio, one line and band per method; `full` is a level line."""
    traces: list[Spec] = []
    for method, part in _by_method(data):
        style = styles[method]
        if method == analysis.FULL:
            traces.append(marks.level(method, part["test_accuracy"].mean(), data["keep_ratio"].min()))
            continue
        low, high = part["accuracy_low"], part["accuracy_high"]
        traces.append(marks.band(part["keep_ratio"], low, high, style["color"], method))
        traces.append(marks.line(method, part["keep_ratio"], part["test_accuracy"], style))
    alt = "Test accuracy against keep ratio. " + _words(data, "test_accuracy", percent)
    note = "Mean over seeds and devices; bands are 95 % intervals. The dashed line is full training."
    layout = marks.layout(marks.axis("keep ratio"), marks.axis("test accuracy", "percent"))
    spec = {"data": traces, "layout": layout}
    return Figure("accuracy", "Accuracy against keep ratio", note, alt, spec, data)


def cost_figure(data: pd.DataFrame, styles: Styles, kind: str) -> Figure:
    """Mean time or energy of a device against keep_ratio: the closed form solid, the emulated device dotted.

    Args:
        data: the table of `analysis.cost_by_ratio`.
        styles: the look of every method.
        kind: "time_s" or "energy_j".
    """
    word, unit = WORDS[kind]
    traces: list[Spec] = []
    for method, part in _by_method(data):
        lines = [
            marks.line(
                f"{method}, {price}", part["keep_ratio"], part[f"{prefix}_{kind}"], {**styles[method], "dash": dash}
            )
            for prefix, price, dash, _ in PRICES
            if part[f"{prefix}_{kind}"].notna().any()
        ]
        traces += marks.grouped(lines, method, method)
    alt = f"Modelled {word} per device in {unit} against keep ratio. "
    alt += " ".join(_words(data, f"{prefix}_{kind}", quantity, f" ({price})") for prefix, price, _, _ in PRICES)
    note = f"Mean {word} of one device, scoring included. Solid: closed form; dotted: emulated device."
    y = {**marks.axis(f"{word} per device ({unit})"), "rangemode": "tozero"}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    columns = ["method", "keep_ratio", "trials", f"analytic_{kind}", f"device_{kind}"]
    table = data[columns + (["host_wall_s"] if kind == "time_s" else [])]
    return Figure(word, f"Modelled {word} against keep ratio", note, alt, spec, table)


def gap_figure(data: pd.DataFrame, styles: Styles) -> Figure:
    """Accuracy gap to random (table of `analysis.gap_to_random`) with error bars, in percentage points."""
    traces: list[Spec] = []
    for method, part in _by_method(data):
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
    alt = "Accuracy gap to random against keep ratio. " + _words(data, "gap", tables.gap)
    note = "Same seed, device and ratio. Above zero: better than random. Bars are 95 % intervals."
    y = {**marks.axis("accuracy − random (points)"), "zeroline": True, "zerolinewidth": 2}
    spec = {"data": traces, "layout": marks.layout(marks.axis("keep ratio"), y)}
    return Figure("gap", "Accuracy gap to random", note, alt, spec, data)


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
    colours = _ratio_colours(data)
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
    alt = f"{label.capitalize()} over epochs. At the end: {_words(last, value, write)}"
    note = "Mean over seeds and devices. Subsets differ in size, so an epoch is not the same number of steps."
    y = marks.axis(label, "percent" if value.endswith("accuracy") else "number")
    spec = {"data": traces, "layout": marks.layout(marks.axis("epoch"), y)}
    return Figure(value.replace("_", "-"), label.capitalize(), note, alt, spec, by_method=True)


def profile_figure(data: pd.DataFrame, kind: str) -> Figure:
    """Time or energy per profile (table of `analysis.by_profile`) on a log scale, one method at a time.

    Args:
        data: the table of `analysis.by_profile`.
        kind: "time_s" or "energy_j".
    """
    word, unit = WORDS[kind]
    order = data.groupby("profile")[f"device_{kind}"].max().sort_values(na_position="first").index
    colours = _ratio_colours(data)
    traces: list[Spec] = []
    for method, keep_ratio, part in analysis.groups(data):
        full = method == analysis.FULL
        colour = marks.GREY if full else colours[keep_ratio]
        name = method if full else f"kept {ratio(keep_ratio)}"
        prices = []
        for prefix, price, _, symbol in reversed(PRICES):  # the filled mark stands in the legend
            column = f"{prefix}_{kind}"
            positive = part[part[column] > 0]  # a log axis has no place for zero
            if len(positive):
                trace = marks.dots(f"{name}, {price}", positive[column], positive["profile"], colour, symbol)
                prices.append(marks.only(trace, None if full else method))
        traces += marks.grouped(prices, f"{method} {keep_ratio}", name)
    alt = f"Modelled {word} in {unit} per device profile, log scale. " + _extremes(data, f"device_{kind}", unit)
    note = f"Mean {word} of one device of the profile. Filled: emulated device; open: closed form. Log scale."
    names = [marks.plain(name) for name in order]
    y = {"type": "category", "categoryorder": "array", "categoryarray": names, "automargin": True}
    layout = marks.layout({**marks.axis(f"{word} per device ({unit})"), "type": "log"}, y)
    layout["height"] = 230 + 34 * max(3, len(order))
    spec = {"data": traces, "layout": layout}
    return Figure(f"profile-{word}", f"Modelled {word} per profile", note, alt, spec, by_method=True)


def _ratio_colours(data: pd.DataFrame) -> dict[float, str]:
    return marks.ratio_colours(data.loc[data["method"] != analysis.FULL, "keep_ratio"])


def _by_method(data: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for method in dict.fromkeys(data["method"]):
        yield method, data[data["method"] == method]


def _words(data: pd.DataFrame, column: str, write: Callable[[float], str], suffix: str = "") -> str:
    """'random: 61.0 % at 0.1, 80.2 % at 0.8. …' the first and the last ratio of every method."""
    sentences = []
    for method, part in _by_method(data[data[column].notna()]):
        ends = part.iloc[[0, -1]] if len(part) > 1 else part
        values = (f"{write(v)} at {ratio(r)}" for v, r in zip(ends[column], ends["keep_ratio"], strict=True))
        sentences.append(f"{method}{suffix}: {', '.join(values)}.")
    return " ".join(sentences) or "No value is known."


def _extremes(data: pd.DataFrame, column: str, unit: str) -> str:
    known = data[data[column].notna()]
    if known.empty:
        return "No value is known."
    top = known.loc[known.groupby("profile")[column].idxmax()].sort_values(column)
    least, most = top.iloc[0], top.iloc[-1]
    return (f"At most {quantity(least[column])} {unit} on {least['profile']} "
            f"and {quantity(most[column])} {unit} on {most['profile']}.")  # fmt: skip
