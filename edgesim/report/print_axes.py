"""Axes of a figure for print: titles, scales, ticks and ends, as the page has them."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgesim.report import plot_style
from edgesim.report.plot_style import Spec
from edgesim.report.print_style import ASPECT, FONT_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHARACTER = 0.58 * FONT_SIZE / 72
"""mean width of a character in inches"""
ROW, FRAME = 0.125, 0.6
"""height in inches of a name on the vertical axis, and of what is above and below the axis"""
SHORTEST = 12
"""characters of a line of a title, at least"""
Places = Mapping[str, Mapping[str, int]]
"""axis -> name -> position; empty for an axis of numbers"""


def places_of(traces: Sequence[Spec], layout: Spec) -> dict[str, dict[str, int]]:
    """Positions of the names on both axes."""
    return {axis: _places(traces, layout[f"{axis}axis"], axis) for axis in ("x", "y")}


def _places(traces: Sequence[Spec], spec: Spec, axis: str) -> dict[str, int]:
    if spec.get("type") != "category":
        return {}
    used = [str(value) for trace in traces for value in trace[axis] if value is not None]
    order = [name for name in map(str, spec.get("categoryarray") or []) if name in set(used)]
    return {name: place for place, name in enumerate(dict.fromkeys([*order, *used]))}


def height_in(width: float, layout: Spec, places: Places) -> float:
    """Height of a figure in inches: more than usual where the vertical axis has many names."""
    spec = layout["yaxis"]
    names = len(places["y"]) or (len(spec.get("ticktext", ())) if not spec.get("title") else 0)
    return max(width * ASPECT, FRAME + ROW * names)


def set_axes(axes: Axes, layout: Spec, places: Places) -> None:
    """Titles, scales and ticks of both axes, before anything is drawn."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, NullFormatter

    for name in ("x", "y"):
        spec, axis = layout[f"{name}axis"], getattr(axes, f"{name}axis")
        axis.set_label_text(plot_style.unescaped((spec.get("title") or {}).get("text", "")))
        if places[name]:
            axis.set_ticks(list(places[name].values()), [plot_style.unescaped(text) for text in places[name]])
            axis.grid(False)
            continue
        if spec.get("type") == "log":
            getattr(axes, f"set_{name}scale")("log")
        else:
            axis.set_major_formatter(FuncFormatter(_plain_number))
        if spec.get("tickformat") == plot_style.SHARE_TICKS:
            axis.set_major_formatter(FuncFormatter(percent_tick))
        if spec.get("tickformat") == "d":
            axis.set_major_locator(MultipleLocator(spec["dtick"]) if "dtick" in spec else MaxNLocator(integer=True))
        if "tickvals" in spec:
            texts = spec.get("ticktext") or [f"{value:g}" for value in spec["tickvals"]]
            axis.set_ticks(spec["tickvals"], [plot_style.unescaped(str(text)) for text in texts])
            axis.set_minor_formatter(NullFormatter())


def finish_axes(axes: Axes, layout: Spec, places: Places) -> None:
    """Ends of both axes, once everything is drawn."""
    for name in ("x", "y"):
        spec, ends = layout[f"{name}axis"], getattr(axes, f"get_{name}lim")()
        low, high = _ends(spec, ends, len(places[name]))
        if spec.get("autorange") == "reversed":
            low, high = high, low
        getattr(axes, f"set_{name}lim")(low, high)
        if spec.get("zeroline") and min(low, high) <= 0 <= max(low, high):
            (axes.axvline if name == "x" else axes.axhline)(0, color="black", linewidth=0.6, zorder=0.9)


def _ends(spec: Spec, ends: tuple[float, float], names: int) -> tuple[float, float]:
    """Ends of an axis: given ones, or those of its marks within the limits that it has."""
    if names:
        return -0.5, names - 0.5
    if "range" in spec:
        low, high = spec["range"]
        return (10.0**low, 10.0**high) if spec.get("type") == "log" else (low, high)
    low, high = ends
    if spec.get("rangemode") == "tozero" and spec.get("type") != "log":
        margin = 0.05 * (high - low)
        low, high = (0.0, high + 0.05 * low) if low > -1.01 * margin else (low, max(high, 0.0))
    clip = spec.get("autorangeoptions") or {}
    return max(low, clip.get("clipmin", -math.inf)), min(high, clip.get("clipmax", math.inf))


def fit_texts(axes: Axes, canvas: Any) -> None:
    """Turn the texts below the axis where they would touch each other, and break titles that are longer than it."""
    canvas.get_layout_engine().execute(canvas)  # drawing it would take twice as long
    boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    inside = sorted((box.x0, box.x1) for box in boxes)
    if any(end + 2 > start for (_, end), (start, _) in itertools.pairwise(inside)):
        axes.tick_params(axis="x", labelrotation=90)
    frame = axes.get_window_extent()
    for axis, pixels in ((axes.xaxis, frame.width), (axes.yaxis, frame.height)):
        room = max(SHORTEST, int(pixels / canvas.dpi / CHARACTER))
        axis.set_label_text("\n".join(textwrap.wrap(axis.get_label_text(), room, break_long_words=False)))


def numbers(values: Sequence[Any], places: Mapping[str, int]) -> list[float]:
    """Positions of values on an axis; unknown ones are no number."""
    if places:
        return [math.nan if value is None else float(places[str(value)]) for value in values]
    return [math.nan if value is None else float(value) for value in values]


def _plain_number(value: float, _: object) -> str:
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def percent_tick(value: float, _: object) -> str:
    """A share as a percentage, with the digits that it has."""
    return f"{_plain_number(100 * value, None)} %"
