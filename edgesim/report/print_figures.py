"""Figures of a report for print: a figure's specification drawn by matplotlib, with the table of what it shows."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from edgesim.errors import EdgesimError
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure
from edgesim.report.plot_style import Spec
from edgesim.report.print_style import ASPECT, LINE_WIDTH, MARKER_SIZE, SETTINGS, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("pdf", "svg", "png")
DPI = 300
TABLE_COLUMNS = ["series", "x", "y", "x_low", "x_high", "y_low", "y_high"]
_LEGEND_ROOM = 0.14
"""height in inches of a row of the legend"""


class PrintSettings(NamedTuple):
    """Form of the files."""

    form: str
    """one of FORMATS"""
    width_in: float
    """width in inches"""


def check_installed() -> None:
    """Refuse to draw without matplotlib.

    Raises:
        EdgesimError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise EdgesimError("figures for print are drawn by matplotlib: pip install 'edgesim[figures]'")


def chosen_traces(figure: Figure, chosen: Mapping[str, str]) -> list[Spec]:
    """Traces of a figure that the page shows for these choices of the reader.

    Args:
        figure: finished.
        chosen: key in the traces' `meta` -> option.
    """
    kept = []
    for trace in figure.spec["data"]:
        meta = trace.get("meta") or {}
        if all(value is None or chosen.get(key, value) == value for key, value in meta.items()):
            kept.append(trace)
    return kept


def shown_table(traces: Sequence[Spec]) -> pd.DataFrame:
    """Marks and bars of some traces as rows, with the ends of their intervals; bands are rows of low and high ends.

    Args:
        traces: drawn ones.

    Returns: DataFrame with TABLE_COLUMNS; columns without a value are left out.
    """
    rows: list[tuple[Any, ...]] = []
    for trace in traces:
        name = plot_style.unescaped(str(trace.get("name", "")))
        if trace.get("fill"):
            name = f"{name or trace.get('legendgroup', '')} (band)"
        ends = {axis: _ends(trace, axis) for axis in ("x", "y")}
        for place, (x, y) in enumerate(zip(trace["x"], trace["y"], strict=True)):
            texts = [plot_style.unescaped(v) if isinstance(v, str) else v for v in (x, y)]
            bounds = [end for axis in ("x", "y") for end in (ends[axis][place] if ends[axis] else (None, None))]
            rows.append((name, *texts, *bounds))
    return pd.DataFrame(rows, columns=TABLE_COLUMNS).dropna(axis=1, how="all")


def draw(figure: Figure, traces: Sequence[Spec], out: Path, settings: PrintSettings) -> None:
    """Draw some traces of a figure into a file.

    Args:
        figure: their figure.
        traces: from `chosen_traces`.
        out: the file.
        settings: form and width.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    width = settings.width_in
    with mpl.rc_context(rc=SETTINGS):
        canvas = Canvas(figsize=(width, width * ASPECT), layout="constrained")
        axes = canvas.add_subplot()
        layout = figure.spec["layout"]
        places = {axis: _category_places(traces, layout, axis) for axis in ("x", "y")}
        _set_axes(axes, layout, places)
        _draw_traces(axes, traces, layout, places)
        if layout.get("showlegend", True):
            _legend(canvas, axes)
        date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(settings.form)
        canvas.savefig(out, format=settings.form, dpi=DPI, metadata=date)


def _draw_traces(axes: Axes, traces: Sequence[Spec], layout: Spec, places: Mapping[str, dict[str, int]]) -> None:
    symbols = (_symbol(trace) for trace in traces if "markers" in str(trace.get("mode")))
    looks = Looks(symbol.removesuffix("-open") for symbol in symbols)
    bars = [trace for trace in traces if trace["type"] == "bar"]
    for trace in traces:
        if trace["type"] != "bar":
            _draw_scatter(axes, trace, looks, places)
    stacked = layout.get("barmode") in ("stack", "relative")
    base: dict[tuple[str, float], float] = {}
    for number, trace in enumerate(bars):
        flat = trace.get("orientation") == "h"
        names, values = (trace["y"], trace["x"]) if flat else (trace["x"], trace["y"])
        at = [places["y" if flat else "x"][name] for name in names]
        heights = [0.0 if value is None else float(value) for value in values]
        colour = _first(trace["marker"]["color"])
        width = 0.7 if stacked else 0.7 / max(1, len(bars))
        shift = 0.0 if stacked else (number - (len(bars) - 1) / 2) * width
        bottoms = [base.get((str(flat), place), 0.0) if stacked else 0.0 for place in at]
        label = _label(trace)
        looked: dict[str, Any] = {
            "color": looks.colour(colour),
            "hatch": looks.hatch(colour),
            "edgecolor": "white",
            "linewidth": 0.3,
        }
        positions = [place + shift for place in at]
        error = _error(trace, "x" if flat else "y")
        if flat:
            axes.barh(positions, heights, width, left=bottoms, label=label, **looked)
            _bars_of_error(axes, (heights, positions), (error, None))
        else:
            axes.bar(positions, heights, width, bottom=bottoms, label=label, **looked)
            _bars_of_error(axes, (positions, heights), (None, error))
        for place, height in zip(at, heights, strict=True):
            base[str(flat), place] = base.get((str(flat), place), 0.0) + height


def _draw_scatter(axes: Axes, trace: Spec, looks: Looks, places: Mapping[str, dict[str, int]]) -> None:
    x, y = (_numbers(trace[axis], places[axis]) for axis in ("x", "y"))
    line, marker, mode = trace.get("line") or {}, trace.get("marker") or {}, str(trace.get("mode", "lines"))
    colour = str(_first(line.get("color") or marker.get("color") or trace.get("fillcolor") or "#000000"))
    if trace.get("fill"):
        same = str(trace.get("legendgroup") or "")
        axes.fill(x, y, color=_band_colour(axes, same, looks, colour), alpha=0.15, linewidth=0)
        return
    drawn = looks.colour(colour)
    symbol = _symbol(trace)
    hollow = symbol.endswith("-open")
    style: dict[str, Any] = {
        "color": drawn, "label": _label(trace), "linewidth": LINE_WIDTH, "markersize": MARKER_SIZE,
        "marker": looks.marker(symbol.removesuffix("-open"), colour) if "markers" in mode else "",
        "linestyle": looks.dash(colour) if "lines" in mode else "", "gid": trace.get("legendgroup"),
    }  # fmt: skip
    if hollow:
        style["markerfacecolor"] = "white"
    axes.plot(x, y, **style)
    _bars_of_error(axes, (x, y), (_error(trace, "x"), _error(trace, "y")), drawn)


def _bars_of_error(
    axes: Axes,
    at: tuple[Sequence[float], Sequence[float]],
    errors: tuple[Any, Any],
    colour: str = "black",
) -> None:
    """Intervals at some places."""
    if errors[0] is None and errors[1] is None:
        return
    axes.errorbar(*at, xerr=errors[0], yerr=errors[1], fmt="none", ecolor=colour, elinewidth=0.7, capsize=1.5)


def _band_colour(axes: Axes, group: str, looks: Looks, colour: str) -> str:
    """Colour of a band: that of the line of its group where this is drawn already, else by the band's own."""
    for line in axes.get_lines():
        if group and line.get_gid() == group:
            return str(line.get_color())
    return looks.colour(_opaque(colour))


def _opaque(colour: str) -> str:
    """A colour `rgba(r,g,b,a)` as `#rrggbb`; others as they are."""
    if not colour.startswith("rgba("):
        return colour
    red, green, blue, *_ = (float(part) for part in colour[5:-1].split(","))
    return "#" + "".join(f"{round(part):02x}" for part in (red, green, blue))


def _set_axes(axes: Axes, layout: Spec, places: Mapping[str, dict[str, int]]) -> None:
    """Titles, scales and ticks of both axes."""
    from matplotlib.ticker import NullFormatter, PercentFormatter

    for name in ("x", "y"):
        spec, axis = layout[f"{name}axis"], getattr(axes, f"{name}axis")
        axis.set_label_text(plot_style.unescaped((spec.get("title") or {}).get("text", "")))
        if places[name]:
            axis.set_ticks(list(places[name].values()), [plot_style.unescaped(text) for text in places[name]])
            if name == "x" and sum(map(len, places[name])) > 40:
                axes.tick_params(axis="x", labelrotation=40)
            axis.grid(False)
            continue
        if spec.get("type") == "log":
            getattr(axes, f"set_{name}scale")("log")
        if spec.get("tickformat") == plot_style.SHARE_TICKS:
            axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        if "tickvals" in spec:
            texts = spec.get("ticktext") or [f"{value:g}" for value in spec["tickvals"]]
            axis.set_ticks(spec["tickvals"], [str(text) for text in texts])
            axis.set_minor_formatter(NullFormatter())


def _category_places(traces: Sequence[Spec], layout: Spec, axis: str) -> dict[str, int]:
    """Position of each name on an axis of names; empty for an axis of numbers."""
    spec = layout[f"{axis}axis"]
    used = [str(value) for trace in traces for value in trace[axis] if value is not None]
    if spec.get("type") != "category":
        return {}
    order = [name for name in map(str, spec.get("categoryarray") or []) if name in set(used)]
    return {name: place for place, name in enumerate(dict.fromkeys([*order, *used]))}


def _numbers(values: Sequence[Any], places: Mapping[str, int]) -> list[float]:
    if places:
        return [math.nan if value is None else float(places[str(value)]) for value in values]
    return [math.nan if value is None else float(value) for value in values]


def _ends(trace: Spec, axis: str) -> list[tuple[float | None, float | None]]:
    """Ends of the intervals of the marks; empty where there are none."""
    error = trace.get(f"error_{axis}")
    if not error:
        return []
    found: list[tuple[float | None, float | None]] = []
    for value, up, down in zip(trace[axis], error["array"], error.get("arrayminus", error["array"]), strict=True):
        known = None not in (value, up, down)
        found.append((value - down, value + up) if known else (None, None))
    return found


def _error(trace: Spec, axis: str) -> list[list[float]] | None:
    """Lengths of the intervals down and up, as matplotlib takes them."""
    error = trace.get(f"error_{axis}")
    if not error:
        return None
    sides = (error.get("arrayminus", error["array"]), error["array"])
    return [[0.0 if value is None else max(0.0, float(value)) for value in side] for side in sides]


def _symbol(trace: Spec) -> str:
    """Symbol of the first mark of a trace."""
    return str(_first((trace.get("marker") or {}).get("symbol", "circle")))


def _first(value: Any) -> Any:
    """A value, or the first of a list of them."""
    return value[0] if isinstance(value, list | tuple) and value else value


def _label(trace: Spec) -> str:
    """Entry of the legend; one with an underscore is left out by matplotlib."""
    name = plot_style.unescaped(str(trace.get("name", "")))
    return name if name and trace.get("showlegend", True) else "_"


def _legend(canvas: Any, axes: Axes) -> None:
    """One entry per name, below the axes."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(reversed(labels), reversed(handles), strict=True))
    names = [name for name in dict.fromkeys(labels) if name in unique]
    if len(names) < 2:
        return
    columns = max(1, min(len(names), int(canvas.get_figwidth() * 11 // (max(map(len, names)) + 4))))
    rows = -(-len(names) // columns)
    canvas.set_figheight(canvas.get_figheight() + rows * _LEGEND_ROOM)
    canvas.legend([unique[name] for name in names], names, loc="outside lower center", ncols=columns)
