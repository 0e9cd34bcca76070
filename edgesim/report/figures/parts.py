"""Start-up, scoring and training as parts of a device's emulated time and energy."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.cost_parts import ENERGY_PARTS, TIME_PARTS
from edgesim.analysis.grouping import FULL, groups
from edgesim.formatting import number, percent
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, RatioAxis, by_method, rows, with_pairs
from edgesim.report.plot_style import Spec

PART_STYLES = {
    "startup": ("start-up", plot_style.METHOD_COLOURS[4], "/"),
    "score": ("scoring", plot_style.METHOD_COLOURS[1], "."),
    "train": ("training", plot_style.METHOD_COLOURS[2], ""),
    "work": ("scoring and training", plot_style.METHOD_COLOURS[2], ""),
}
"""part -> name, colour, pattern"""
KINDS = {"time": (TIME_PARTS, "s"), "energy": (ENERGY_PARTS, "J")}
NO_STARTUP = "The run does not record start-up separately; it is part of the rest."


def parts_figure(data: pd.DataFrame, kind: str) -> Figure:
    """Parts of a device's time or energy, stacked: a bar per keep ratio and one of `full`, one method at a time.

    With one ratio: a bar per method.

    Args:
        data: the table of `cost_parts`.
        kind: one of KINDS.
    """
    names, unit = KINDS[kind]
    data = _with_parts(data, names)
    ratio_axis = RatioAxis.of(data)
    full = data[data["method"] == FULL]
    traces: list[Spec] = []
    for method, own in [("", data)] if ratio_axis.is_single else by_method(data[data["method"] != FULL]):
        part = data if ratio_axis.is_single else pd.concat([own, full])
        labels = [str(m) if ratio_axis.is_single or m == FULL else number(r)
                  for m, r in zip(part["method"], part["keep_ratio"], strict=True)]  # fmt: skip
        for bars in _bars(part, labels, names):
            trace = with_pairs(bars, part, ratio_axis.most)
            traces.append(trace if ratio_axis.is_single else plot_style.only(trace, method))
    labels = (
        list(ratio_axis.methods) if ratio_axis.is_single else [*map(number, ratio_axis.ratios), *full["method"].head(1)]
    )
    x = {**plot_style.names_axis(labels), "title": {"text": "method" if ratio_axis.is_single else "keep ratio"}}
    layout = {
        **plot_style.layout(x, {**plot_style.axis(f"{kind} ({unit})"), "rangemode": "tozero"}),
        "barmode": "stack",
    }
    layout["bargap"] = plot_style.bar_gap(len(labels))
    share = _startup_share(data, names)
    note = f"Emulated, mean of one device. {_words(share, kind)}"
    alt = f"Parts of the emulated {kind} of one device, {ratio_axis.words}. {_words(share, kind)} "
    alt += " ".join(f"{row['method']} at {number(row['keep_ratio'])}: {_parts_of(row, names, unit)}."
                    for row in rows(data.groupby("method", sort=False).head(1)))  # fmt: skip
    title = f"Parts of the {kind}, {ratio_axis.words}"
    return Figure(f"{kind}-parts", title, note, alt, {"data": traces, "layout": layout}, data,
                  write=lambda value: f"{number(value)} {unit}")  # fmt: skip


def profiles_figure(data: pd.DataFrame, kind: str) -> Figure:
    """Parts as shares of each profile's time or energy, one method and ratio at a time.

    Args:
        data: the table of `parts_by_profile`.
        kind: one of KINDS.
    """
    names, unit = KINDS[kind]
    data = _with_parts(data, names)
    profiles = [str(name) for name in dict.fromkeys(data["profile"])]
    totals = data[list(names)].sum(axis=1)
    shares = data.assign(**{name: data[name] / totals.where(totals > 0) for name in names})
    traces: list[Spec] = []
    for method, keep_ratio, part in groups(shares[shares["method"] != FULL]):
        for bars in _bars(part, [str(name) for name in part["profile"]], names):
            seconds = [f"{number(value)} {unit}" for value in data.loc[part.index, _column(bars, names)]]
            found = {**bars, "orientation": "h", "x": bars["y"], "y": bars["x"], "hovertext": seconds}
            found["hovertemplate"] = f"%{{y}}: {plot_style.hover('x', 'share')}, %{{hovertext}}"
            traces.append(plot_style.only(found, method, keep_ratio))
    x = {**plot_style.axis(f"share of the {kind}", "percent"), "range": [0, 1]}
    layout = {**plot_style.layout(x, {**plot_style.names_axis(profiles), "autorange": "reversed"}), "barmode": "stack"}
    layout["height"] = 160 + 34 * max(3, len(profiles))
    full = shares[shares["method"] == FULL]
    most = rows((full if len(full) else shares).sort_values(names[0]).dropna(subset=[names[0]]).tail(1))
    largest = " ".join(
        f"Start-up's share is largest on {row['profile']}: {percent(row[names[0]])}, {row['method']} at "
        f"keep ratio {number(row['keep_ratio'])}."
        for row in most
    )
    largest = largest or NO_STARTUP
    note = f"Emulated, mean of a device of each profile. {largest}"
    alt = f"Parts of the emulated {kind} per profile, as shares. {largest}"
    return Figure(f"{kind}-parts-profiles", f"Parts of the {kind}, by profile", note, alt,
                  {"data": traces, "layout": layout}, data, write=percent)  # fmt: skip


def _with_parts(data: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Rows whose parts are known; none where only one part is known, which is the whole."""
    known = [name for name in names if data[name].notna().any()]
    return data[data[names[-1]].notna()] if len(known) > 1 else data.head(0)


def _bars(part: pd.DataFrame, labels: list[str], names: tuple[str, ...]) -> list[Spec]:
    """Traces of a stack, the first part at the bottom; unknown parts are left out."""
    found = []
    for name in names:
        label, colour, pattern = PART_STYLES[_key(name)]
        if part[name].notna().any():
            bars = plot_style.bars(label, labels, part[name], colour, pattern)
            found.append({**bars, "legendgroup": label})
    return found


def _key(name: str) -> str:
    return name.removeprefix("device_").split("_")[0]


def _column(bars: Spec, names: tuple[str, ...]) -> str:
    return next(name for name in names if PART_STYLES[_key(name)][0] == bars["name"])


def _startup_share(data: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Rows with start-up's share of the whole, where it is known."""
    known = data[data[names[0]].notna()]
    totals = known[list(names)].sum(axis=1)
    return known.assign(share=known[names[0]] / totals.where(totals > 0)).dropna(subset=["share"])


def _words(shares: pd.DataFrame, kind: str) -> str:
    """Sentences on start-up's share of `full`, and on its largest share."""
    if shares.empty:
        return NO_STARTUP
    sentences = [
        f"Start-up takes {percent(row['share'])} of full training's {kind}; pruning saves none of it."
        for row in rows(shares[shares["method"] == FULL].head(1))
    ]
    sentences += [
        f"Its largest share is {percent(row['share'])}: {row['method']}, keep ratio {number(row['keep_ratio'])}."
        for row in rows(shares[shares["method"] != FULL].sort_values("share").tail(1))
    ]
    return " ".join(sentences)


def _parts_of(row: dict[str, object], names: tuple[str, ...], unit: str) -> str:
    known = [(PART_STYLES[_key(name)][0], float(str(row[name]))) for name in names]
    return ", ".join(f"{label} {number(value)} {unit}" for label, value in known if value == value)
