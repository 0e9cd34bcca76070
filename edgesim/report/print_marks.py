"""Marks, lines, areas, bars and squares of a figure for print, drawn by matplotlib from traces for plotly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgesim.report import plot_style
from edgesim.report.plot_style import Spec
from edgesim.report.print_axes import Places, numbers, percent_tick
from edgesim.report.print_style import (
    FONT_SIZE,
    LEAST_MARK,
    LINE_WIDTH,
    MARK_SCALE,
    STEPS,
    Looks,
    has_marks,
    has_scale,
    series_of,
    symbols_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILL_OPACITY = 0.15
SQUARE = 0.82
"""side of a square whose colour is a value, as a share of the distance between two names"""
RING_SIZE = 12
"""size from which an open mark surrounds others; it is drawn below them"""


def draw_traces(axes: Axes, traces: Sequence[Spec], layout: Spec, places: Places) -> None:
    """Draw traces with the looks of print.

    Args:
        axes: prepared by `set_axes`.
        traces: in the page's order.
        layout: of the figure.
        places: from `places_of`.
    """
    looks = Looks(traces, layout.get("showlegend", True))
    _draw_bars(axes, [trace for trace in traces if trace["type"] == "bar"], layout, places, looks)
    for trace in traces:
        if trace["type"] == "bar":
            continue
        if has_scale(trace):
            _draw_squares(axes, trace, places)
        else:
            _draw_scatter(axes, trace, looks, places)


def label_of(trace: Spec) -> str:
    """Entry of the legend; one with an underscore is left out by matplotlib."""
    name = plot_style.unescaped(str(trace.get("name", "")))
    return name if name and trace.get("showlegend", True) else "_"


def _draw_scatter(axes: Axes, trace: Spec, looks: Looks, places: Places) -> None:
    x, y = (numbers(trace[axis], places[axis]) for axis in ("x", "y"))
    line, mode = trace.get("line") or {}, str(trace.get("mode", "lines"))
    if "text" in mode:
        _write_texts(axes, trace, (x, y))
    if mode == "text":
        return
    colour, step = looks.colour(trace), STEPS.get(line.get("shape", ""))
    if trace.get("fill") == "toself":
        axes.fill(x, y, color=colour, alpha=FILL_OPACITY, linewidth=0, gid=series_of(trace))
        return
    if trace.get("fill") == "tozeroy":
        axes.fill_between(x, y, 0.0, step=step, color=colour, alpha=FILL_OPACITY, linewidth=0)
    style: dict[str, Any] = {
        "color": colour, "linewidth": LINE_WIDTH * line.get("width", 2), "gid": series_of(trace),
        "linestyle": looks.dash(trace) if "lines" in mode and len(x) > 1 else "",
        "drawstyle": f"steps-{step}" if step else "default",
    }  # fmt: skip
    if not has_marks(trace):
        axes.plot(x, y, label=label_of(trace), **style)
    else:
        _draw_marks(axes, trace, (x, y), style, looks.mark(trace))
    _bars_of_error(axes, (x, y), (_error(trace, "x"), _error(trace, "y")), colour)


def _draw_marks(
    axes: Axes, trace: Spec, at: tuple[Sequence[float], Sequence[float]], style: dict[str, Any], mark: Any
) -> None:
    """Draw a line with its marks, some of which may be hollow; rings stand below all other marks."""
    marker = trace["marker"]
    symbols = symbols_of(trace)
    symbols = symbols if len(symbols) > 1 else symbols * len(at[0])
    hollow = [symbol.endswith("-open") for symbol in symbols]
    size = marker.get("size", 8)
    is_ring = size > RING_SIZE and all(hollow)
    style |= {"markersize": max(LEAST_MARK, MARK_SCALE * size), "marker": mark, "alpha": marker.get("opacity")}
    style |= {"markeredgewidth": 0.8, "zorder": 1.8 if is_ring else 2}
    label = label_of(trace)
    for is_hollow in sorted(set(hollow)):
        chosen = [place for place, one in enumerate(hollow) if one == is_hollow]
        face = {"markerfacecolor": "none"} if is_hollow else {}
        axes.plot(*at, label=label, markevery=chosen, **{**style, **face})
        style, label = {**style, "linestyle": ""}, "_"  # the line is drawn once


def _write_texts(axes: Axes, trace: Spec, at: tuple[Sequence[float], Sequence[float]]) -> None:
    """Write the labels beside their points."""
    up, side = str(trace.get("textposition", "top right")).split()
    move = 3 * (1 if side == "right" else -1), 3 * (1 if up == "top" else -1)
    aligned: dict[str, Any] = {"ha": "left" if side == "right" else "right", "va": "bottom" if up == "top" else "top"}
    for x, y, text in zip(*at, trace["text"], strict=True):
        words = plot_style.unescaped(str(text).split("<br>")[0])
        axes.annotate(words, (x, y), xytext=move, textcoords="offset points", fontsize=FONT_SIZE - 1, **aligned)


def _draw_squares(axes: Axes, trace: Spec, places: Places) -> None:
    """Draw a square per pair of names in the colour of its value, with a bar of the colours."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FuncFormatter

    marker = trace["marker"]
    x, y = (numbers(trace[axis], places[axis]) for axis in ("x", "y"))
    squares = [Rectangle((a - SQUARE / 2, b - SQUARE / 2), SQUARE, SQUARE) for a, b in zip(x, y, strict=True)]
    steps = [(place, _rgba(colour)) for place, colour in marker["colorscale"]]
    colours = LinearSegmentedColormap.from_list("page", steps)
    drawn = PatchCollection(squares, cmap=colours, linewidth=0)
    drawn.set_array(numbers(marker["color"], {}))
    drawn.set_clim(marker["cmin"], marker["cmax"])
    axes.add_collection(drawn)
    scale = axes.figure.colorbar(drawn, ax=axes, format=FuncFormatter(percent_tick), pad=0.02)
    scale.outline.set_visible(False)


def _rgba(colour: str) -> tuple[float, float, float, float]:
    """A colour `rgb(r,g,b)` or `rgba(r,g,b,a)` for matplotlib."""
    red, green, blue, *alpha = (float(part) for part in colour[colour.index("(") + 1 : -1].split(","))
    return red / 255, green / 255, blue / 255, alpha[0] if alpha else 1.0


def _draw_bars(axes: Axes, bars: Sequence[Spec], layout: Spec, places: Places, looks: Looks) -> None:
    """Draw bars side by side, or on each other: of the mode `relative` those below zero by themselves."""
    mode = layout.get("barmode", "group")
    at = [trace["y" if trace.get("orientation") == "h" else "x"] for trace in bars]
    share = 1.0 - layout.get("bargap", 0.2)
    # Like plotly, bars of which no two share a name have the whole room of their names.
    beside = 1 if mode != "group" or len({name for own in at for name in own}) == sum(map(len, at)) else len(bars)
    width = share / beside
    base: dict[tuple[int, bool], float] = {}
    for number, (trace, names) in enumerate(zip(bars, at, strict=True)):
        flat = trace.get("orientation") == "h"
        places_here = [places["y" if flat else "x"][str(name)] for name in names]
        lengths = numbers(trace["x" if flat else "y"], {})
        lengths = [0.0 if length != length else length for length in lengths]
        shift = (number - (beside - 1) / 2) * width if beside > 1 else 0.0
        keys = [(place, mode == "relative" and length < 0) for place, length in zip(places_here, lengths, strict=True)]
        starts = [0.0 if mode == "group" else base.get(key, 0.0) for key in keys]
        positions = [place + shift for place in places_here]
        looked: dict[str, Any] = {"color": looks.colour(trace), "hatch": looks.hatch(trace), "linewidth": 0.3}
        looked |= {"edgecolor": "white", "label": label_of(trace)}
        if flat:
            drawn = axes.barh(positions, lengths, width, left=starts, **looked)
            _bars_of_error(axes, (lengths, positions), (_error(trace, "x"), None))
        else:
            drawn = axes.bar(positions, lengths, width, bottom=starts, **looked)
            _bars_of_error(axes, (positions, lengths), (None, _error(trace, "y")))
        for bar, opacity in zip(drawn, trace["marker"].get("opacity") or [], strict=False):
            bar.set_alpha(opacity)
        for key, length in zip(keys, lengths, strict=True):
            base[key] = base.get(key, 0.0) + length


def _bars_of_error(
    axes: Axes, at: tuple[Sequence[float], Sequence[float]], errors: tuple[Any, Any], colour: str = "black"
) -> None:
    """Intervals at some places."""
    if errors[0] is None and errors[1] is None:
        return
    axes.errorbar(*at, xerr=errors[0], yerr=errors[1], fmt="none", ecolor=colour, elinewidth=0.7, capsize=1.5)


def _error(trace: Spec, axis: str) -> list[list[float]] | None:
    """Lengths of the intervals down and up, as matplotlib takes them."""
    error = trace.get(f"error_{axis}")
    if not error:
        return None
    sides = (error.get("arrayminus", error["array"]), error["array"])
    return [[0.0 if value is None else max(0.0, float(value)) for value in side] for side in sides]
