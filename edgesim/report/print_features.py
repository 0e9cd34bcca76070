"""Parts of a plotly specification that figures for print draw, or have no use for; any other one is a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgesim.report.plot_style import BAR_PATTERNS, SHARE_TICKS, Spec
from edgesim.report.print_style import DASHES, MARKERS, STEPS

_Known = dict[str, tuple[Any, ...] | None]
ANY = None
"""all values are drawn"""
ON_SCREEN = (
    "hover", "customdata", "modebar", "paper_bgcolor", "plot_bgcolor", "margin", "legend.orientation", "meta",
    "xaxis.automargin", "yaxis.automargin", "marker.pattern.fillmode", "marker.pattern.solidity",
    "marker.colorbar.thickness", "marker.colorbar.outlinewidth",
)  # fmt: skip
"""beginnings of the names of what paper does not have, or has its own form of"""
_ERRORS: _Known = {
    f"error_{axis}.{name}": values
    for axis in ("x", "y")
    for name, values in {
        "type": ("data",), "symmetric": (False,), "array": ANY, "arrayminus": ANY, "thickness": ANY, "width": ANY,
    }.items()
}  # fmt: skip
_BOTH: _Known = {
    "type": ("scatter", "bar"), "name": ANY, "x": ANY, "y": ANY, "legendgroup": ANY, "showlegend": (True, False),
    "legendrank": ANY, "marker.color": ANY, "marker.opacity": ANY, **_ERRORS,
}  # fmt: skip
BAR: _Known = {**_BOTH, "orientation": ("h", "v"), "marker.pattern.shape": BAR_PATTERNS}
TEXT_PLACES = ("top right", "bottom left")
SCATTER: _Known = {
    **_BOTH,
    "mode": ("lines", "markers", "lines+markers", "text", "markers+text"),
    "text": ANY, "textposition": TEXT_PLACES, "fill": ("toself", "tozeroy"), "fillcolor": ANY,
    "line.color": ANY, "line.dash": tuple(DASHES), "line.width": ANY, "line.shape": tuple(STEPS),
    "marker.symbol": tuple(f"{symbol}{end}" for symbol in MARKERS for end in ("", "-open")),
    "marker.size": ANY, "marker.line.color": ANY, "marker.line.width": ANY,
    "marker.colorscale": ANY, "marker.cmin": ANY, "marker.cmax": ANY, "marker.colorbar.tickformat": (SHARE_TICKS,),
}  # fmt: skip
_AXIS: _Known = {
    "title.text": ANY, "type": ("category", "log"), "categoryorder": ("array",), "categoryarray": ANY,
    "tickvals": ANY, "ticktext": ANY, "tickformat": (SHARE_TICKS, "d"), "dtick": ANY, "range": ANY,
    "rangemode": ("tozero",), "autorange": ("reversed",), "autorangeoptions.clipmin": ANY,
    "autorangeoptions.clipmax": ANY, "zeroline": (True, False), "zerolinewidth": ANY,
    "exponentformat": ("none",), "separatethousands": (True,),
}  # fmt: skip
LAYOUT: _Known = {
    **{f"{axis}axis.{name}": values for axis in ("x", "y") for name, values in _AXIS.items()},
    "barmode": ("stack", "relative", "group"), "bargap": ANY, "showlegend": (True, False), "height": ANY,
}  # fmt: skip


def unknown_features(traces: Sequence[Spec], layout: Spec) -> list[str]:
    """Features that are neither drawn nor left out on purpose, as 'marker.symbol: star-open'.

    Args:
        traces: of a figure.
        layout: of the figure.
    """
    found = list(_unknown(layout, LAYOUT))
    for trace in traces:
        found += _unknown(trace, BAR if trace.get("type") == "bar" else SCATTER)
    return list(dict.fromkeys(found))


def _unknown(spec: Spec, known: _Known) -> Iterator[str]:
    for name, value in _leaves(spec):
        if name.startswith(ON_SCREEN):
            continue
        if name not in known:
            yield name
            continue
        allowed = known[name]
        values = value if isinstance(value, list) else [value]
        yield from (f"{name}: {one}" for one in values if allowed is not ANY and one not in allowed)


def _leaves(spec: Spec, before: str = "") -> Iterator[tuple[str, Any]]:
    """Values of a specification with their names, such as `marker.color`; lists are values."""
    for key, value in spec.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
