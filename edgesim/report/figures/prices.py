"""Time and energy on the devices: closed form, emulated, measured."""

from __future__ import annotations

import pandas as pd

from edgesim import analysis
from edgesim.report import marks
from edgesim.report.figures.figure import Figure, by_method, ratio_colours, words
from edgesim.report.marks import Spec, Styles
from edgesim.report.tables import quantity, ratio

WORDS = {"time_s": ("time", "s"), "energy_j": ("energy", "J")}
PRICES = (("analytic", "analytic", "solid", "circle-open"), ("device", "emulated", "dot", "circle"))
"""(prefix of the column, name, dash, symbol)"""


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


def profile_figure(data: pd.DataFrame, kind: str) -> Figure:
    """Time or energy per profile (table of `analysis.by_profile`) on a log scale, one method at a time.

    Args:
        data: the table of `analysis.by_profile`.
        kind: "time_s" or "energy_j".
    """
    word, unit = WORDS[kind]
    order = data.groupby("profile")[f"device_{kind}"].max().sort_values(na_position="first").index
    colours = ratio_colours(data)
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
    return Figure(f"profile-{word}", f"Modelled {word} per profile", note, alt, spec)


def _extremes(data: pd.DataFrame, column: str, unit: str) -> str:
    known = data[data[column].notna()]
    if known.empty:
        return "No value is known."
    top = known.loc[known.groupby("profile")[column].idxmax()].sort_values(column)
    least, most = top.iloc[0], top.iloc[-1]
    return (f"At most {quantity(least[column])} {unit} on {least['profile']} "
            f"and {quantity(most[column])} {unit} on {most['profile']}.")  # fmt: skip
