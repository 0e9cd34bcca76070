"""Figures of a sweep: shares of variance, and the measures against each swept key."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.sweep_effects import INTERACTIONS
from edgesim.formatting import NUMBER, PERCENT, NumberFormat, capital
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, by_method, form_of
from edgesim.report.plot_style import Spec, Styles
from edgesim.tasks import Metric

COLUMNS = ("value", "device_time_s", "device_energy_j", "gap")
"""columns that are drawn, in the order of the page"""
_TITLES = {"device_time_s": ("emulated time", "s"), "device_energy_j": ("emulated energy", "J")}


def title_of(column: str, metric: Metric) -> str:
    """A measure in words."""
    if column in _TITLES:
        return _TITLES[column][0]
    return f"test {metric.title}" if column == "value" else f"{metric.title} minus that of random"


def format_of(column: str, metric: Metric) -> NumberFormat:
    """Number format of a measure."""
    if column in _TITLES:
        return NUMBER
    return metric.value_format if column == "value" else metric.difference_format


def shares_figure(shares: pd.DataFrame, measure: str, title: str) -> Figure:
    """Share of the variance of a measure that each key explains, with its interval."""
    own = shares[shares["measure"] == measure]
    trace = plot_style.bars(title, list(own["key"]), own["share"], plot_style.METHOD_COLOURS[1])
    if own["low"].notna().any():
        trace["error_y"] = plot_style.error_bars(own["share"], own["low"], own["high"])
    layout = plot_style.layout(plot_style.names_axis(own["key"]), plot_style.axis("share of the variance", "share"))
    layout |= {"showlegend": False, "bargap": plot_style.bar_gap(len(own))}
    words = ", ".join(f"{key} {PERCENT(share)}" for key, share in zip(own["key"], own["share"], strict=True))
    note = "Variance between the points that each key explains by itself"
    note += f"; {INTERACTIONS}: the rest, with the noise of the seeds." if INTERACTIONS in set(own["key"]) else "."
    return Figure(f"shares-{measure}", capital(title), note, f"Share of the variance: {words}.",
                  {"data": [trace], "layout": layout}, write=PERCENT)  # fmt: skip


def level_figure(means: pd.DataFrame, key: str, column: str, styles: Styles, metric: Metric) -> Figure:
    """A measure against the levels of a key, a line per method, means over the other keys and keep ratios.

    Args:
        means: rows of `by_level` of the key.
        key: swept key.
        column: one of COLUMNS.
        styles: of the methods.
        metric: that decides.
    """
    title = f"{capital(title_of(column, metric))} against {key}"
    note = "Means over the other keys and over the method's keep ratios."
    return _lines(means, f"level-{column}-{key}", title, note, (column, styles, metric))


def panel_figure(cells: pd.DataFrame, keys: tuple[str, str], level: str, styles: Styles, metric: Metric) -> Figure:
    """One of the small multiples of an interaction: the metric against a key, at one level of another.

    Args:
        cells: rows of `sweep_cells` at the level, renamed to `level` for the first key.
        keys: the key of the axis, and that of the panels.
        level: of the panels' key.
        styles: of the methods.
        metric: that decides.
    """
    means = cells.groupby(["level", "method"], sort=False)["value"].mean().reset_index()
    title = f"{capital(metric.title)} against {keys[0]}, {keys[1]} = {level}"
    return _lines(means, f"panel-{keys[0]}-{keys[1]}-{level}", title, "", ("value", styles, metric))


def _lines(means: pd.DataFrame, key: str, title: str, note: str, drawn: tuple[str, Styles, Metric]) -> Figure:
    """Lines of a column against `level`, one per method."""
    column, styles, metric = drawn
    means = means[means[column].notna()]
    order = list(dict.fromkeys(means["level"]))
    write, traces, words = format_of(column, metric), list[Spec](), list[str]()
    form = "number" if column in _TITLES else form_of(metric) if column == "value" else "percent"
    form = form if metric.is_share or column in _TITLES else "number"
    for method, own in by_method(means):
        trace = plot_style.line(method, own[column], own[column], styles[method])
        trace["x"] = [plot_style.plain(level) for level in own["level"]]
        trace["hovertemplate"] = f"%{{x}}<br>{plot_style.hover('y', 'number' if form == 'number' else 'share')}"
        traces.append(trace)
        listed = ", ".join(f"{write(value)} at {at}" for value, at in zip(own[column], own["level"], strict=True))
        words.append(f"{method}: {listed}.")
    unit = f" ({_TITLES[column][1]})" if column in _TITLES else ""
    layout = plot_style.layout(plot_style.names_axis(order), plot_style.axis(f"{title_of(column, metric)}{unit}", form))
    return Figure(key, title, note, f"{title}. {' '.join(words)}", {"data": traces, "layout": layout}, write=write)
