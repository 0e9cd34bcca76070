"""Overlapping marks: spread where an axis has few positions, counted where both axes are quantities.

Overlap is computed in pixels of a figure of standard size, so the same data give the same figure everywhere.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgesim.report.plot_style import Spec

WIDTH, FRAME = 400.0, 96.0
"""width of a plot in pixels, and height of a figure outside of its plot"""
MARK = 9.0
"""distance in pixels from which two marks do not overlap"""
SAME = 5.0
"""distance in pixels up to which one mark hides another"""
LANES = 7
"""positions side by side; more marks at one position share them"""
ROOM = 0.7
"""share of the distance between two positions for the marks of one of them"""
LARGE = 12
"""size from which a mark is a ring around others"""


def spread_marks(spec: Spec, axis: str) -> tuple[Spec, bool]:
    """Move marks along the axis of few positions, each to the first lane without a near mark.

    Args:
        spec: specification of the figure.
        axis: "x" or "y", the axis of few positions.

    Returns: the specification, and True where a mark was moved.
    """
    given, spec = spec, _numbered(spec, axis)
    other = "y" if axis == "x" else "x"
    layout, traces = spec["layout"], spec["data"]
    points = [(number, place) for number, trace in enumerate(traces) if _has_marks(trace)
              for place, value in enumerate(trace[other]) if value is not None]  # fmt: skip
    if not points:
        return given, False
    spots = sorted({float(traces[number][axis][place]) for number, place in points})
    gap = min(np.diff(spots), default=1.0)
    pixels = (WIDTH if axis == "x" else layout.get("height", 360) - FRAME) / max(1.0, _span(layout, axis, spots) / gap)
    lanes: dict[tuple[int, int], int] = {}
    for group in ([point for point in points if not _choice(traces[point[0]])], *_groups(traces, points)):
        if not group:
            continue
        away = _away([traces[n][other][p] for n, p in group], layout[f"{other}axis"], layout, other)
        _fill(lanes, group, away, [float(traces[n][axis][p]) for n, p in group])
    most = max(lanes.values())
    if not most:
        return given, False
    if axis == "y":  # rows as high as their lanes
        rows = max(1.0, _span(layout, axis, spots) / gap)
        layout = {**layout, "height": int(max(layout["height"], FRAME + rows * min(most + 1, LANES) * MARK / ROOM))}
        pixels = (layout["height"] - FRAME) / rows
    step = gap * min(MARK / pixels, ROOM / most)
    moved = [list(trace[axis]) if _has_marks(trace) else trace[axis] for trace in traces]
    for (number, place), lane in lanes.items():
        if lane:
            side = (lane + 1) // 2 * (1 if lane % 2 else -1)
            moved[number][place] = float(f"{float(moved[number][place]) + side * step:.4g}")
    data = [{**trace, axis: values} for trace, values in zip(traces, moved, strict=True)]
    return {**spec, "data": data, "layout": layout}, True


def count_marks(spec: Spec) -> tuple[Spec, bool]:
    """Label marks at the same point with their number, and list the others in their hover texts.

    Returns: the specification, and True where there are such marks.
    """
    traces, layout = spec["data"], spec["layout"]
    points = [(number, place) for number, trace in enumerate(traces) if _has_marks(trace)
              for place, at in enumerate(zip(trace["x"], trace["y"], strict=True)) if None not in at]  # fmt: skip
    if not points:
        return spec, False
    texts = {n: list(traces[n].get("text") or [""] * len(traces[n]["x"])) for n, _ in points}
    labels: list[Spec] = []
    for group in _groups(traces, points):
        at = [_away([traces[n][axis][p] for n, p in group], layout[f"{axis}axis"], layout, axis) for axis in "xy"]
        own = [cluster for cluster in _clusters(np.stack(at, axis=1)) if len(cluster) > 1]
        for cluster in own:
            for one in cluster:
                n, p = group[one]
                others = [f"{traces[group[k][0]]['name']} {texts[group[k][0]][group[k][1]].split('<br>')[0]}".strip()
                          for k in cluster if k != one]  # fmt: skip
                if _choice(traces[n]) or not any(map(_choice, traces)):  # otherwise the marks there differ by choice
                    texts[n][p] += f"<br>also here: {'; '.join(others)}"
        firsts = [group[cluster[0]] for cluster in own]
        if firsts:
            meta = next((traces[n]["meta"] for n, _ in group if "meta" in traces[n]), None)
            trace = _numbers_of(traces, firsts, [len(cluster) for cluster in own])
            labels.append(trace if meta is None else {**trace, "meta": meta})
    if not labels:
        return spec, False
    data = [{**trace, "text": texts[n]} if n in texts else trace for n, trace in enumerate(traces)]
    return {**spec, "data": [*data, *labels]}, True


def _numbers_of(traces: list[Spec], firsts: list[tuple[int, int]], counts: list[int]) -> Spec:
    return {
        "type": "scatter",
        "mode": "text",
        "name": "marks at one point",
        "x": [traces[n]["x"][p] for n, p in firsts],
        "y": [traces[n]["y"][p] for n, p in firsts],
        "text": [f"{count}×" for count in counts],
        "textposition": "top right",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _has_marks(trace: Spec) -> bool:
    """True for traces with marks of their own: no rings, dashes or squares."""
    marker = trace.get("marker") or {}
    if trace["type"] != "scatter" or "markers" not in trace["mode"] or trace.get("hoverinfo") == "skip":
        return False
    symbol = marker.get("symbol", "")
    return "colorscale" not in marker and not str(symbol).startswith("line-") and marker.get("size", 8) <= LARGE


def _choice(trace: Spec) -> str:
    """Choice for which a trace is shown; empty for one that always is."""
    chosen = {key: value for key, value in (trace.get("meta") or {}).items() if value is not None}
    return repr(chosen) if chosen else ""


def _groups(traces: list[Spec], points: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Points that are shown together: those of each choice with those that are always shown."""
    choices = [_choice(trace) for trace in traces]
    chosen = list(dict.fromkeys(filter(None, (choices[number] for number, _ in points))))
    for choice in chosen or [""]:
        yield [point for point in points if choices[point[0]] in ("", choice)]


def _fill(lanes: dict[tuple[int, int], int], group: list[tuple[int, int]], away: Any, spots: list[float]) -> None:
    """Assign every point without a lane the first free one at its position, else the one with most room."""
    taken: dict[tuple[float, int], list[float]] = {}
    for point, at, spot in zip(group, away, spots, strict=True):
        if point in lanes:
            bisect.insort(taken.setdefault((spot, lanes[point]), []), float(at))
    order = sorted((place for place, point in enumerate(group) if point not in lanes),
                   key=lambda place: (spots[place], away[place], group[place]))  # fmt: skip
    for place in order:
        spot, at = spots[place], float(away[place])
        free, farthest = 0, -1.0
        for lane in range(LANES):
            own = taken.get((spot, lane), [])
            after = bisect.bisect_left(own, at)
            far = min((abs(at - one) for one in own[max(0, after - 1) : after + 1]), default=np.inf)
            if far > farthest:
                free, farthest = lane, far
            if far >= MARK:
                break
        lanes[group[place]] = free
        bisect.insort(taken.setdefault((spot, free), []), at)


def _away(values: list[float], axis: Spec, layout: Spec, name: str) -> Any:
    """Positions of values on an axis, in pixels from its start."""
    length = WIDTH if name == "x" else layout.get("height", 360) - FRAME
    if axis.get("type") == "category":
        order = axis["categoryarray"]
        return np.array([order.index(value) * length / len(order) for value in values])
    numbers = np.array(values, dtype=np.float64)
    numbers = np.log10(numbers) if axis.get("type") == "log" else numbers
    low, high = axis["range"] if "range" in axis else (numbers.min(), numbers.max())
    low = min(low, 0.0) if axis.get("rangemode") == "tozero" else low
    return (numbers - low) / (high - low) * length if high > low else np.zeros(len(numbers))


def _clusters(at: Any) -> list[list[int]]:
    """Clusters of points that hide each other."""
    found: list[list[int]] = []
    for place in range(len(at)):
        near = next((one for one in found if np.hypot(*(at[place] - at[one[0]])) <= SAME), None)
        if near is None:
            found.append([place])
        else:
            near.append(place)
    return found


def _numbered(spec: Spec, axis: str) -> Spec:
    """Specification with a numeric axis instead of one of names, which has no positions between; names become ticks."""
    own = spec["layout"][f"{axis}axis"]
    if own.get("type") != "category":
        return spec
    order = own.get("categoryarray") or list(dict.fromkeys(str(v) for t in spec["data"] for v in t[axis]))
    places = {name: place for place, name in enumerate(order)}
    ends = own.get("range") or [-0.5, len(order) - 0.5]
    ends = ends[::-1] if own.get("autorange") == "reversed" else ends
    kept = {key: own[key] for key in ("title", "automargin") if key in own}
    numbered = {**kept, "tickvals": list(places.values()), "ticktext": list(order), "range": ends, "zeroline": False}
    data = [{**trace, axis: [places[str(name)] for name in trace[axis]]} for trace in spec["data"]]
    return {**spec, "data": data, "layout": {**spec["layout"], f"{axis}axis": numbered}}


def _span(layout: Spec, axis: str, spots: list[float]) -> float:
    low, high = layout[f"{axis}axis"].get("range") or (spots[0], spots[-1])
    return float(abs(high - low))
