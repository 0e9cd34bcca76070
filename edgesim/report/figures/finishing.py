"""What all figures of a page get at the end: no bars that are all alike, no mark that hides another, and a word where
means rest on fewer devices or seeds than others.

Everything here reads and writes specifications alone, so that a figure need not know of it. Two hints say what a
specification cannot: `layout.meta.marks` names the axis on which marks have a few places ("x" or "y": keep ratios,
methods, profiles) or says "free" where both axes are quantities; `customdata` of a trace has [pairs, most pairs] of
every mark.
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

APART = "Marks that would hide each other stand beside each other."
PALE = 0.45
"""opacity of bars that rest on fewer pairs"""
COUNTED = "2×, 3×: so many marks lie in one place."


def finish_figure(figure: Figure, colours: str = "") -> Figure:
    """A figure as a page shows it; sentences in place of bars that are all alike are in `said`.

    Args:
        figure: as its function made it.
        colours: by which rule methods have a colour, for figures in which some have none.
    """
    spec, sentences = replace_uniform_bars(figure)
    notes = [figure.note]
    spec, fewest = _hollow(spec)
    notes += [fewest] if fewest else []
    where = (spec.get("layout", {}).get("meta") or {}).get("marks") or _names_axis(spec)
    if where in ("x", "y"):
        spec, moved = spread_marks(spec, where)
        notes += [APART] if moved else []
    elif where == "free":
        spec, many = count_marks(spec)
        notes += [COUNTED] if many else []
    if colours and any(trace.get("legendrank") == plot_style.FAINT_RANK for trace in spec["data"]):
        notes.append(colours)
    return dataclasses.replace(figure, spec=spec, note=" ".join(filter(None, notes)), sentences=tuple(sentences))


def _names_axis(spec: Spec) -> str:
    """The axis that has names, where one has; squares fill a grid of names and cannot hide each other."""
    layout = spec.get("layout", {})
    named = [axis for axis in ("x", "y") if (layout.get(f"{axis}axis") or {}).get("type") == "category"]
    return named[0] if len(named) == 1 else ""


def _hollow(spec: Spec) -> tuple[Spec, str]:
    """Marks of means over fewer pairs than others are hollow and say so; without such marks no mark says anything."""
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
        f"{kind} rest on fewer (seed, device) pairs than others, at the least on {n} of {most}. "
        "Do not compare them with the rest."
    )
    return {**spec, "data": [_marked(trace) for trace in spec["data"]]}, note


def _marked(trace: Spec) -> Spec:
    """A trace with hollow marks where pairs are missing."""
    pairs = trace.get("customdata")
    if not pairs:
        return trace
    said = "<br>%{customdata[0]} of %{customdata[1]} pairs"
    changed = {**trace, "hovertemplate": trace.get("hovertemplate", "%{x}, %{y}") + said}
    few = np.array([n < most for n, most in pairs])
    if trace["type"] == "bar":
        return {**changed, "marker": {**trace["marker"], "opacity": [PALE if one else 1 for one in few]}}
    if not few.any() or "markers" not in trace["mode"]:
        return changed
    symbol = trace["marker"]["symbol"]
    symbols = [f"{symbol.removesuffix('-open')}-open" if one else symbol for one in few]
    edge = {"width": 2, "color": trace["marker"]["color"]}
    return {**changed, "marker": {**trace["marker"], "symbol": symbols[0] if few.all() else symbols, "line": edge}}
