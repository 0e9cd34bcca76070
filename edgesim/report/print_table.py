"""Table behind a figure for print: the values that it shows, under the titles of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure
from edgesim.report.plot_style import Spec
from edgesim.report.print_style import has_scale

NAMES = {
    "ranking": {"y": "method"}, "overlap": {"x": "method", "y": "other method"},
    "classes-before": {"y": "device"}, "classes-after": {"y": "device"},
    "device-time": {"y": "profile"}, "device-energy": {"y": "profile"}, "headroom": {"y": "profile"},
    "factors": {"y": "profile"}, "sources": {"y": "profile"},
    "time-parts-profiles": {"y": "profile"}, "energy-parts-profiles": {"y": "profile"},
}  # fmt: skip
"""figure -> axis without a title -> what it names"""
SERIES, VALUE = "series", "value"


def chosen_traces(figure: Figure, chosen: Mapping[str, str]) -> list[Spec]:
    """Traces of a figure that the page shows for these choices of the reader.

    Args:
        figure: finished.
        chosen: key in the traces' `meta` -> option.
    """
    return _chosen(figure.spec, chosen)


def has_values(traces: list[Spec]) -> bool:
    """True where some mark or bar has both its values."""
    return any(None not in at for trace in traces for at in zip(trace["x"], trace["y"], strict=True))


def shown_table(figure: Figure, chosen: Mapping[str, str]) -> pd.DataFrame:
    """Values of a figure as rows, with the ends of their intervals, before any mark is moved aside.

    Args:
        figure: finished.
        chosen: as in `chosen_traces`.

    Returns: `series`, a column per axis under its title, its ends as 'title, low' and 'title, high', and `value` for
    marks whose colour is a value. Columns without a value are left out.
    """
    spec = figure.unmoved or figure.spec
    titles = {axis: _title(figure.key, spec["layout"], axis) for axis in ("x", "y")}
    rows: list[dict[str, Any]] = []
    for trace in _chosen(spec, chosen):
        name = _name(trace)
        values = {axis: _values(trace[axis], spec["layout"][f"{axis}axis"]) for axis in ("x", "y")}
        for place in range(len(trace["x"])):
            row: dict[str, Any] = {SERIES: name}
            for axis, title in titles.items():
                row[title] = values[axis][place]
                row[f"{title}, low"], row[f"{title}, high"] = _ends(trace, axis, place)
            row[VALUE] = trace["marker"]["color"][place] if has_scale(trace) else None
            rows.append(row)
    found = pd.DataFrame(rows)
    return found.drop(columns=[c for c in found if c not in (SERIES, *titles.values()) and found[c].isna().all()])


def _chosen(spec: Spec, chosen: Mapping[str, str]) -> list[Spec]:
    kept = []
    for trace in spec["data"]:
        meta = trace.get("meta") or {}
        if all(value is None or chosen.get(key, value) == value for key, value in meta.items()):
            kept.append(trace)
    return kept


def _name(trace: Spec) -> str:
    """Name of a trace in the table, which names its group, too: there is one line called 'fit' for each method."""
    name, group = str(trace.get("name", "")), str(trace.get("legendgroup") or "")
    if trace.get("fill") == "toself":
        return plot_style.unescaped(f"{group or name} (band)")
    return plot_style.unescaped(name if group in name else f"{group}, {name}")


def _title(key: str, layout: Spec, axis: str) -> str:
    text = (layout[f"{axis}axis"].get("title") or {}).get("text", "")
    return plot_style.unescaped(text) if text else NAMES[key][axis]


def _values(values: list[Any], axis: Spec) -> list[Any]:
    """Values on an axis; where the ticks of an axis without a title are names, the names."""
    if "ticktext" in axis and not axis.get("title"):
        named = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
        values = [named.get(value, value) for value in values]
    return [plot_style.unescaped(value) if isinstance(value, str) else value for value in values]


def _ends(trace: Spec, axis: str, place: int) -> tuple[float | None, float | None]:
    """Ends of the interval of a mark or bar, where it has one."""
    error = trace.get(f"error_{axis}")
    if not error:
        return None, None
    value, up = trace[axis][place], error["array"][place]
    down = error.get("arrayminus", error["array"])[place]
    return (None, None) if None in (value, up, down) else (value - down, value + up)
