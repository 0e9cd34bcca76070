"""Figures of a sweep: shares of variance, and the measures against each swept key."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.sweep_design import title_of
from edgesim.analysis.sweep_effects import INTERACTIONS
from edgesim.formatting import NUMBER, PERCENT, NumberFormat, capital
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, by_method, form_of
from edgesim.report.plot_style import Spec, Styles
from edgesim.tasks import Metric

COLUMNS = ("value", "device_time_s", "device_energy_j", "gap")
"""columns that are drawn, in the order of the page"""
MEASURE_OF = dict(zip(COLUMNS, ("metric", *COLUMNS[1:]), strict=True))
"""column -> measure of the analysis"""
_UNITS = {"device_time_s": "s", "device_energy_j": "J"}
_ROOM = 0.05
"""room above and below the values of panels that share an axis, as a part of their span"""


def words_of(column: str, metric: Metric) -> str:
    """A column in words."""
    return title_of(MEASURE_OF[column], metric)


def format_of(column: str, metric: Metric) -> NumberFormat:
    """Number format of a measure."""
    if column in _UNITS:
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
        means: `means_by` the key.
        key: swept key.
        column: one of COLUMNS.
        styles: of the methods.
        metric: that decides.
    """
    title = f"{capital(words_of(column, metric))} against {key}"
    note = "Means over the other keys and over the method's keep ratios."
    return _lines(means, key, (f"level-{column}-{key}", title, note), (column, styles, metric))


def panel_figures(
    means: pd.DataFrame, keys: tuple[str, str], column: str, styles: Styles, metric: Metric
) -> list[Figure]:
    """Small multiples of an interaction: a measure against a key, a panel per level of another, on one vertical axis.

    Args:
        means: `means_by` both keys, of the levels of the second that are drawn.
        keys: the key of the axis, and that of the panels.
        column: one of COLUMNS.
        styles: of the methods.
        metric: that decides.
    """
    known = means[column].dropna()
    if known.empty:
        return []
    low, high = float(known.min()), float(known.max())
    room = _ROOM * (high - low or abs(high) or 1.0)
    found = []
    for level in dict.fromkeys(means[keys[1]]):
        title = f"{capital(words_of(column, metric))} against {keys[0]}, {keys[1]} = {level}"
        named = (f"panel-{column}-{keys[0]}-{keys[1]}-{level}", title, "")
        figure = _lines(means[means[keys[1]] == level], keys[0], named, (column, styles, metric))
        figure.spec["layout"]["yaxis"] |= {"range": [low - room, high + room]}
        found.append(figure)
    return found


def _lines(means: pd.DataFrame, key: str, named: tuple[str, str, str], drawn: tuple[str, Styles, Metric]) -> Figure:
    """Lines of a column against the levels of a key, one per method; `named`: anchor, title and note."""
    column, styles, metric = drawn
    means = means[means[column].notna()]
    order = list(dict.fromkeys(means[key]))
    write, traces, words = format_of(column, metric), list[Spec](), list[str]()
    form = "number" if column in _UNITS else form_of(metric) if column == "value" else "percent"
    form = form if metric.is_share or column in _UNITS else "number"
    for method, own in by_method(means):
        trace = plot_style.line(method, own[column], own[column], styles[method])
        trace["x"] = [plot_style.plain(level) for level in own[key]]
        trace["hovertemplate"] = f"%{{x}}<br>{plot_style.hover('y', 'number' if form == 'number' else 'share')}"
        traces.append(trace)
        listed = ", ".join(f"{write(value)} at {at}" for value, at in zip(own[column], own[key], strict=True))
        words.append(f"{method}: {listed}.")
    unit = f" ({_UNITS[column]})" if column in _UNITS else ""
    layout = plot_style.layout(plot_style.names_axis(order), plot_style.axis(f"{words_of(column, metric)}{unit}", form))
    anchor, title, note = named
    return Figure(anchor, title, note, f"{title}. {' '.join(words)}", {"data": traces, "layout": layout}, write=write)
