"""Style of marks, and building blocks of plotly specifications.

A specification is plain data for plotly.js. Fonts, grid and background are the page's, so one figure serves light and
dark. Colours of marks have a contrast of 3:1 on both (WCAG 1.4.11). Methods also differ by marker.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

Spec = dict[str, Any]
Styles = dict[str, Spec]

PAGE_COLOURS = {
    "light": {
        "page": "#ffffff", "ink": "#1b1f24", "soft": "#57606a", "line": "#d5dae0", "raised": "#f4f6f8",
        "link": "#0b5cad", "warn": "#8a4b00", "good": "#1a7f37", "bad": "#b3261e",
    },
    "dark": {
        "page": "#15181d", "ink": "#e6e9ed", "soft": "#a3abb5", "line": "#343b44", "raised": "#1e2329",
        "link": "#7db7f5", "warn": "#f0b661", "good": "#57c474", "bad": "#ff8a80",
    },
}  # fmt: skip
"""the page's colours"""
LIGHT, DARK = PAGE_COLOURS["light"]["page"], PAGE_COLOURS["dark"]["page"]
GREY = "#7d838c"
METHOD_COLOURS = (
    "#c2570c", "#1f78c8", "#10856b", "#b0489e", "#8a7500",
    "#6d66d6", "#d23b4a", "#3f8f2f", "#0f8797", "#a3663c",
)  # fmt: skip
RATIO_COLOURS = ("#6d66d6", "#1f78c8", "#10856b", "#8a7500", "#c2570c", "#d23b4a")
"""few to many samples; ratios between get mixed colours"""
SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "x",
    "star", "cross", "triangle-down", "pentagon", "hexagon",
)  # fmt: skip


HOVER_FORMATS = {"number": ",.4~r", "share": "$.1%"}
"""d3 formats of numbers under the pointer; $ stands for the unit " %" of the page's locale (templates/figure.js)"""
SHARE_TICKS = "$.2~%"
"""the same on axes"""
FEW_WHOLE = 12
"""number of whole numbers up to which each has its tick"""
FEW_DECADES, MOST_DECADES = 2, 6
"""decades up to which a logarithmic axis has ticks at 1, 2 and 5, and largest number of labelled decades"""
NARROW, CLOSE = 3.0, 8.0
"""largest / smallest value below which a logarithmic axis has evenly spaced ticks, or ticks between 1, 2 and 5"""
BAR_PATTERNS = ("", "/", ".", "x")
"""patterns of bars, one per round of colours"""


FAINT_RANK = 2000
"""legend rank of methods without a colour: after all others"""


def method_styles(methods: Iterable[str], plain: str, coloured: Collection[str] | None = None) -> Styles:
    """Style of every method, the same in all figures.

    Args:
        methods: by first appearance.
        plain: the method that is grey and dashed.
        coloured: methods with a colour, the others are thin and grey; None = all have one.
    """
    styles: Styles = {plain: {"color": GREY, "symbol": "diamond-tall", "dash": "dash", "pattern": ""}}
    named = [method for method in dict.fromkeys(methods) if method != plain]
    for place, method in enumerate(sorted(named, key=lambda m: coloured is not None and m not in coloured)):
        again, colour = divmod(place, len(METHOD_COLOURS))
        # The second round of colours has other symbols than the first, so that no two methods look the same.
        symbol = SYMBOLS[(colour + 3 * again) % len(SYMBOLS)]
        pattern = BAR_PATTERNS[again % len(BAR_PATTERNS)]
        styles[method] = {"color": METHOD_COLOURS[colour], "symbol": symbol, "dash": "solid", "pattern": pattern}
        if coloured is not None and method not in coloured:
            pattern = BAR_PATTERNS[place % len(BAR_PATTERNS)]
            styles[method] |= {"color": GREY, "width": 1, "size": 6, "legendrank": FAINT_RANK, "pattern": pattern}
    return {method: styles[method] for method in dict.fromkeys([plain, *named])}


def ratio_colours(ratios: pd.Series) -> dict[float, str]:
    """Colour of each different ratio, in their order, mixed from RATIO_COLOURS."""
    distinct = sorted({float(value) for value in ratios})
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in RATIO_COLOURS], dtype=np.float64)
    places = np.linspace(0, len(anchors) - 1, len(distinct)) if len(distinct) > 1 else np.array([1.0])
    mixed = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return {
        value: "#" + "".join(f"{round(float(channel[i])):02x}" for channel in mixed) for i, value in enumerate(distinct)
    }


def line(name: str, x: pd.Series, y: pd.Series, style: Spec) -> Spec:
    """A line with markers; gaps where a value is not finite."""
    return with_rank(
        style,
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plain(name),
            "x": numbers(x),
            "y": numbers(y),
            "line": {"color": style["color"], "dash": style["dash"], "width": style.get("width", 2)},
            "marker": {"color": style["color"], "symbol": style["symbol"], "size": style.get("size", 8)},
        },
    )


def with_rank(style: Spec, trace: Spec) -> Spec:
    """Trace of a method with its legend rank, where its style has one."""
    return {**trace, "legendrank": style["legendrank"]} if "legendrank" in style else trace


def band(x: pd.Series, low: pd.Series, high: pd.Series, colour: str, method: str) -> Spec:
    """Area between two lines as one closed outline, without points that have no interval."""
    known = low.notna() & high.notna()
    x, low, high = x[known], low[known], high[known]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{plain(method)}, 95 % interval",
        "x": numbers(x) + numbers(x)[::-1],
        "y": numbers(high) + numbers(low)[::-1],
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.18)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def level(method: str, y: float, left: float) -> Spec:
    """A level dashed line from `left` to ratio 1."""
    style = {"color": GREY, "dash": "dash", "symbol": "circle"}
    return {**line(method, pd.Series([left, 1.0]), pd.Series([y, y]), style), "mode": "lines"}


def dots(name: str, x: pd.Series, y: pd.Series, colour: str, symbol: str) -> Spec:
    """Markers of values against names."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(name),
        "x": numbers(x),
        "y": [plain(label) for label in y],
        "marker": {"color": colour, "symbol": symbol, "size": 9, "line": {"width": 2, "color": colour}},
    }


def grouped(traces: list[Spec], group: str, legend: str) -> list[Spec]:
    """Traces with one entry in the legend, called `legend`, that shows and hides all of them."""
    return [
        {**trace, "legendgroup": group, "name": trace["name"] if place else plain(legend), "showlegend": place == 0}
        for place, trace in enumerate(traces)
    ]


def only(trace: Spec, method: str | None, keep_ratio: float | None = None) -> Spec:
    """Mark a trace as one method's and one ratio's (None: shown with every one), for the choices on the page."""
    return {**trace, "meta": {"method": method, "ratio": None if keep_ratio is None else f"{keep_ratio:g}"}}


def axis(title: str, form: str = "number") -> Spec:
    """Axis with a title; `form` is "number", "percent" or "share", which is a percentage from 0 to 100."""
    found: Spec = {"title": {"text": title}, "automargin": True}
    if form == "number":  # as in the tables: 12,345 and not 12.345k
        found |= {"exponentformat": "none", "separatethousands": True}
    else:
        found["tickformat"] = SHARE_TICKS
    if form == "share":  # otherwise a single point would get an axis from -80 to 120 %
        found["autorangeoptions"] = {"clipmin": 0, "clipmax": 1}
    return found


def hover(variable: str, form: str = "number") -> str:
    """A number in a hover text: `variable` is x, y or marker.color, `form` one of HOVER_FORMATS."""
    return f"%{{{variable}:{HOVER_FORMATS[form]}}}"


def whole_axis(title: str, most: float) -> Spec:
    """An axis of whole numbers up to `most`, without ticks between them."""
    few = {"dtick": 1} if most <= FEW_WHOLE else {}
    return {**axis(title), "tickformat": "d", **few}


def log_axis(title: str, values: Iterable[float], write: Callable[[float], str]) -> Spec:
    """Logarithmic axis with readable ticks: 1, 2, 5, 10 … over few decades, powers of ten over many.

    Args:
        title: title of the axis.
        values: all values on the axis; those not above zero are ignored.
        write: format of a tick.
    """
    known = [float(value) for value in values if np.isfinite(value) and value > 0]
    spec: Spec = {**axis(title), "type": "log"}
    if not known:
        return spec
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    steps = [1.0] if high - low > FEW_DECADES else [1.0, 2.0, 5.0]
    if max(known) / min(known) < CLOSE:
        steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]
    every = max(1, -(-(high - low) // MOST_DECADES))
    ticks = [step * 10.0**power for power in range(low - 1, high + 2, every) for step in steps]
    if max(known) / min(known) < NARROW:
        ticks = linear_ticks(min(known), max(known))
    return {**spec, "tickvals": ticks, "ticktext": [write(tick) for tick in ticks]}


def linear_ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances from `low` to `high`, three to six of them; one number where they are equal."""
    if low == high:
        return [float(f"{low:.4g}")]
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    first = math.ceil(low / step)
    return [float(f"{place * step:.6g}") for place in range(first, math.floor(high / step) + 1)]


def layout(x: Spec, y: Spec) -> Spec:
    """Layout that all figures share."""
    return {
        "xaxis": x,
        "yaxis": y,
        "height": 360,
        "margin": {"l": 56, "r": 12, "t": 24, "b": 48},
        "showlegend": True,
        "legend": {"orientation": "h"},
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }


def numbers(values: pd.Series) -> list[float | None]:
    """Six significant digits, and None (a gap in the line) for what is not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def plain(name: object) -> str:
    """A name for plotly, which interprets some HTML in texts: escaped."""
    return html.escape(str(name), quote=False)


def unescaped(name: str) -> str:
    """Original name, before `plain`."""
    return html.unescape(name)


def error_bars(value: pd.Series, low: pd.Series, high: pd.Series) -> Spec:
    """Intervals of the points of a line."""
    return {
        "type": "data",
        "symmetric": False,
        "array": numbers(high - value),
        "arrayminus": numbers(value - low),
        "thickness": 1.5,
        "width": 4,
    }


def bars(name: str, x: list[str], y: pd.Series, colour: str, pattern: str = "") -> Spec:
    """Bars of values against names."""
    labels = [plain(label) for label in x]
    marker = {"color": colour, "pattern": {"shape": pattern, "fillmode": "overlay", "solidity": 0.15}}
    return {"type": "bar", "name": plain(name), "x": labels, "y": numbers(y), "marker": marker}


def bar_gap(names: int) -> float:
    """Share of an axis of names between the bars, larger for few bars, so that these do not become wide."""
    return max(0.2, 1 - 0.12 * names)


def squares(x: list[str], y: list[str], values: pd.Series, hover: str, most: float) -> Spec:
    """Square per pair of names, more intense for larger values; `hover` is its hover text.

    Args:
        x, y: the names, one pair per value.
        values: from 0 to `most`.
        hover: a hovertemplate; %{x}, %{y} and %{marker.color} stand for the names and the value.
        most: value of full intensity.
    """
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "",
        "x": [plain(label) for label in x],
        "y": [plain(label) for label in y],
        "hovertemplate": hover + "<extra></extra>",
        "showlegend": False,
        "marker": {
            "symbol": "square",
            "size": 13,
            "color": numbers(values),
            "cmin": 0,
            "cmax": most,
            "colorscale": [[0, "rgba(31,120,200,0.07)"], [1, "rgb(31,120,200)"]],
            "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": SHARE_TICKS},
        },
    }


def names_axis(names: Iterable[object]) -> Spec:
    """An axis of names in this order, the first at the origin."""
    order = [plain(name) for name in names]
    return {"type": "category", "categoryorder": "array", "categoryarray": order, "automargin": True}
