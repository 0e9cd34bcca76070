"""Final steps for all figures of a page: sentences for equal bars, no hidden marks, hollow marks for fewer pairs.

They read and write specifications only, so figures need not know of them. Two hints complete a specification.
`layout.meta.marks` names the axis with few positions ("x" or "y": keep ratios, methods, profiles), or is "free" where
both axes are quantities. `customdata` of a trace has [pairs, most pairs] of every mark.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure
from edgesim.report.figures.overlapping_marks import count_marks, spread_marks
from edgesim.report.figures.uniform_bars import replace_uniform_bars
from edgesim.report.plot_style import Spec

SPREAD = "Marks that would hide each other are drawn side by side."
PALE = 0.45
"""opacity of bars over fewer pairs"""
COUNTED = "2×, 3×: number of marks at the same point."


def finish_figure(figure: Figure, colours: str = "") -> Figure:
    """Figure as a page shows it; its `sentences` replace equal bars.

    Args:
        figure: as its function made it.
        colours: rule by which methods have a colour, for figures in which some have none.
    """
    spec, sentences = replace_uniform_bars(figure)
    notes = [figure.note]
    spec, fewest = _hollow(spec)
    notes += [fewest] if fewest else []
    unmoved = spec
    where = (spec.get("layout", {}).get("meta") or {}).get("marks") or _names_axis(spec)
    if where in ("x", "y"):
        spec, moved = spread_marks(spec, where)
        notes += [SPREAD] if moved else []
    elif where == "free":
        spec, many = count_marks(spec)
        notes += [COUNTED] if many else []
    if colours and any(trace.get("legendrank") == plot_style.FAINT_RANK for trace in spec["data"]):
        notes.append(colours)
    note = " ".join(filter(None, notes))
    return dataclasses.replace(figure, spec=spec, note=note, sentences=tuple(sentences), unmoved=unmoved)


def _names_axis(spec: Spec) -> str:
    """Axis of names, where exactly one has names; squares fill a grid of names and cannot hide each other."""
    layout = spec.get("layout", {})
    named = [axis for axis in ("x", "y") if (layout.get(f"{axis}axis") or {}).get("type") == "category"]
    return named[0] if len(named) == 1 else ""


def _hollow(spec: Spec) -> tuple[Spec, str]:
    """Hollow marks, with a note, for means over fewer pairs than others; without such marks nothing changes."""
    known: list[tuple[Any, Spec, int]] = [
        (pair, trace, place) for trace in spec["data"] for place, pair in enumerate(trace.get("customdata") or ())
    ]
    fewer = [(n / most, n, most, trace) for (n, most), trace, _ in known if n < most]
    if not fewer:
        plain = [{name: value for name, value in trace.items() if name != "customdata"} for trace in spec["data"]]
        return {**spec, "data": plain}, ""
    _, n, most, _ = min(fewer, key=lambda one: one[0])
    kind = "Pale bars" if all(trace["type"] == "bar" for *_, trace in fewer) else "Hollow marks"
    note = (
        f"{kind} are means over fewer (seed, device) pairs than others, the fewest over {n} of {most}. "
        "They do not compare with the rest."
    )
    return {**spec, "data": [_marked(trace) for trace in spec["data"]]}, note


def _marked(trace: Spec) -> Spec:
    """Trace with hollow marks where pairs are missing."""
    pairs = trace.get("customdata")
    if not pairs:
        return trace
    pair_counts = "<br>%{customdata[0]} of %{customdata[1]} pairs"
    changed = {**trace, "hovertemplate": trace.get("hovertemplate", "%{x}, %{y}") + pair_counts}
    few = np.array([n < most for n, most in pairs])
    if trace["type"] == "bar":
        return {**changed, "marker": {**trace["marker"], "opacity": [PALE if one else 1 for one in few]}}
    if not few.any() or "markers" not in trace["mode"]:
        return changed
    symbol = trace["marker"]["symbol"]
    symbols = [f"{symbol.removesuffix('-open')}-open" if one else symbol for one in few]
    edge = {"width": 2, "color": trace["marker"]["color"]}
    return {**changed, "marker": {**trace["marker"], "symbol": symbols[0] if few.all() else symbols, "line": edge}}
