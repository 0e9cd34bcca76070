"""Classes, or ranges of a target, on the devices: their mix before and after pruning, and the kept share of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from edgesim.analysis.grouping import FULL, groups
from edgesim.formatting import capital, n_of, number, percent
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, RatioAxis, ratio_colours, rows
from edgesim.report.plot_style import Spec
from edgesim.report.users import named
from edgesim.tasks import CLASSES, LabelWords

MAX_DEVICES = 30
"""devices in a figure of class shares, at most"""
MAX_SQUARES = 20_000
"""squares of one figure over all choices, at most"""


def shares_figure(
    counts: pd.DataFrame, after: bool, users: Mapping[int, str] = MappingProxyType({}), words: LabelWords = CLASSES
) -> Figure:
    """Class shares of the first devices as squares: before pruning, or after it for one method and ratio at a time.

    Args:
        counts: the table of `class_counts` with `class_name`; the first seed's part is drawn.
        after: show the shares in the subsets.
        users: device -> its number and user (`users.device_names`).
        words: for the classes.
    """
    column, word = ("share_after", "after") if after else ("share_before", "before")
    first = counts[counts["seed"] == counts["seed"].min()] if len(counts) else counts
    cells = list(groups(first[first["method"] != FULL])) if after else []
    cells = cells or [("", float("nan"), first.drop_duplicates(["device", "label"]))]
    devices = sorted(set(first["device"]))
    labels = _names(first)
    most = max(1, min(MAX_DEVICES, MAX_SQUARES // max(1, len(labels) * len(cells))))
    shown = devices[:most]
    traces: list[Spec] = []
    drawn = first[first["device"].isin(shown)]
    top = float(drawn[column].max()) if len(drawn) else 1.0
    for method, keep_ratio, cell in cells:
        part = cell[cell["device"].isin(shown)]
        if part.empty:
            continue
        names = [named(device, users) for device in part["device"]]
        hover = f"%{{y}}, %{{x}}: {plot_style.hover('marker.color', 'share')}"
        trace = plot_style.squares(list(part["class_name"]), names, part[column], hover, top)
        traces.append(plot_style.only(trace, method, keep_ratio) if after else trace)
    layout = plot_style.layout(
        {**plot_style.names_axis(labels), "title": {"text": words.one}},
        {**plot_style.names_axis([named(device, users) for device in shown]), "autorange": "reversed"},
    )
    layout["height"] = 120 + 18 * max(6, len(shown))
    note = f"Share of each {words.one} in a device's samples {word} pruning, first seed"
    note += f", first {len(shown)} of {len(devices)} devices." if len(shown) < len(devices) else "."
    largest = first.groupby("device")[column].max()
    alt = f"{capital(words.one)} shares of {n_of(len(shown), 'device')} {word} pruning. "
    ends = f"{percent(largest.min())} to {percent(largest.max())}"
    alt += f"The largest {words.one} holds from {ends}." if len(largest) else ""
    keys = ["device", "class_name", word, column]
    table = drawn[["method", "keep_ratio", *keys]] if after else drawn.drop_duplicates(["device", "label"])[keys]
    spec = {"data": traces, "layout": layout}
    return Figure(f"classes-{word}", f"{capital(words.one)} shares {word} pruning", note, alt, spec, table)


def kept_shares_figure(data: pd.DataFrame, words: LabelWords = CLASSES) -> Figure:
    """Share of each class that is kept (table of `kept_class_shares`), one method at a time, a line per ratio.

    With one ratio: bars.
    """
    colours, single = ratio_colours(data), RatioAxis.of(data).is_single
    labels = _names(data)
    traces: list[Spec] = []
    for method, keep_ratio, part in groups(data):
        name, colour = f"kept {number(keep_ratio)}", colours[keep_ratio]
        trace = plot_style.bars(name, list(part["class_name"]), part["kept_share"], colour)
        if not single:
            look = {"color": colour, "symbol": "circle", "size": 9}
            trace |= {"type": "scatter", "mode": "lines+markers", "line": {"width": 1, "color": colour}, "marker": look}
        traces.append(plot_style.only(trace, method))
    y = {**plot_style.axis(f"share of the {words.one} kept", "share"), "rangemode": "tozero"}
    layout = plot_style.layout({**plot_style.names_axis(labels), "title": {"text": words.one}}, y)
    reading = f"A {words.one} below its line's keep ratio is under-represented, one above is over-represented."
    if single and len(data):
        ratio = number(data["keep_ratio"].iloc[0])
        reading = f"A {words.one} below {ratio} is under-represented, one above is over-represented."
    note = f"All devices and seeds together. {reading}"
    least = data.sort_values("kept_share").groupby(["method", "keep_ratio"], sort=False).head(1)
    alt = f"Share of each {words.one} that is kept. " + " ".join(
        f"{row['method']} at {number(row['keep_ratio'])} keeps {percent(row['kept_share'])} of {row['class_name']}."
        for row in rows(least.head(3))
    )
    spec = {"data": traces, "layout": layout}
    return Figure("starved", f"Share of each {words.one} that is kept", note, alt, spec, data, write=percent)


def _names(data: pd.DataFrame) -> list[str]:
    """The names of the classes in the order of their labels."""
    return list(dict.fromkeys(data.sort_values("label", kind="stable")["class_name"]))
