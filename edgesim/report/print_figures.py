"""Figures of a report for print: a figure's specification drawn by matplotlib into a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgesim.errors import EdgesimError
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure
from edgesim.report.plot_style import Spec
from edgesim.report.print_axes import finish_axes, fit_texts, height_in, places_of, set_axes
from edgesim.report.print_features import unknown_features
from edgesim.report.print_marks import draw_traces, label_of
from edgesim.report.print_style import SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

FORMATS = ("pdf", "svg", "png")
DPI = 300
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


def draw(figure: Figure, traces: Sequence[Spec], out: Path, settings: PrintSettings) -> None:
    """Draw some traces of a figure into a file.

    Args:
        figure: their figure.
        traces: from `chosen_traces`.
        out: the file.
        settings: form and width.

    Raises:
        NotImplementedError: the figure has a feature that is not drawn.
    """
    import matplotlib as mpl

    with mpl.rc_context(rc=SETTINGS):
        canvas = drawn(figure, traces, settings.width_in)
        date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(settings.form)
        canvas.savefig(out, format=settings.form, dpi=DPI, metadata=date)


def drawn(figure: Figure, traces: Sequence[Spec], width_in: float) -> Canvas:
    """Some traces of a figure on a canvas of this width; as `draw`, within its settings of matplotlib."""
    from matplotlib.figure import Figure as Canvas

    layout = figure.spec["layout"]
    unknown = unknown_features(traces, layout)
    if unknown:
        raise NotImplementedError(f"figure {figure.key} has what no figure for print draws: {', '.join(unknown)}")
    places = places_of(traces, layout)
    canvas = Canvas(figsize=(width_in, height_in(width_in, layout, places)), layout="constrained")
    axes = canvas.add_subplot()
    set_axes(axes, layout, places)
    draw_traces(axes, traces, layout, places)
    finish_axes(axes, layout, places)
    if layout.get("showlegend", True):
        _legend(canvas, axes, traces)
    fit_texts(axes, canvas)
    return canvas


def _legend(canvas: Any, axes: Axes, traces: Sequence[Spec]) -> None:
    """One entry per name, below the axes, in the order of the page."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(reversed(labels), reversed(handles), strict=True))
    faint = {label_of(trace) for trace in traces if trace.get("legendrank") == plot_style.FAINT_RANK}
    ordered = dict.fromkeys(map(label_of, traces))
    names = sorted((name for name in ordered if name in unique), key=lambda name: name in faint)
    if len(names) < 2:
        return
    columns = max(1, min(len(names), int(canvas.get_figwidth() * 11 // (max(map(len, names)) + 4))))
    rows = -(-len(names) // columns)
    canvas.set_figheight(canvas.get_figheight() + rows * _LEGEND_ROOM)
    canvas.legend([unique[name] for name in names], names, loc="outside lower center", ncols=columns)
