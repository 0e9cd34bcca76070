"""curves.svg: training accuracy of full training by epoch, a panel per data set and network: has it converged?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import paper_records
from matplotlib.figure import Figure
from paper_points import MAIN, TWICE, Point, every_point
from paper_rows import ORDER, network_name
from study.wording import SHOWN, shards

FILE = "curves.svg"
COLUMNS = 4
PANEL = (2.6, 1.9)
"""width and height of a panel, inches"""
COLOURS = dict(zip(ORDER, ("#4269d0", "#3ca951", "#efb118", "#ff725c"), strict=True))
"""partition -> colour"""
OPTIONS = {"svg.hashsalt": FILE, "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False,
           "axes.spines.right": False}  # fmt: skip
"""equal curves give an equal file; texts stay texts"""


class Curve(NamedTuple):
    """Accuracy on the samples trained on, by epoch: mean over devices and seeds."""

    point: Point
    shares: Sequence[float]


def write(folder: Path) -> None:
    """Write curves.svg from points/."""
    found = curves(folder)
    if found:
        with mpl.rc_context(OPTIONS):
            drawn(found).savefig(folder / FILE, metadata={"Date": None})


def curves(folder: Path) -> list[Curve]:
    """Curves of the main points, and of those with twice the epochs."""
    every = [point for point in every_point() if point.variant in (MAIN, TWICE)]
    return [Curve(point, records.attrs["train_curve"]) for point in every
            if (records := paper_records.read(folder, point)) is not None]  # fmt: skip


def drawn(found: Sequence[Curve]) -> Figure:
    """The picture: a colour per kind of shards, dashes for twice the epochs."""
    order = list(SHOWN)
    panels = sorted({(one.point.data, one.point.model) for one in found}, key=lambda key: (order.index(key[0]), key[1]))
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * PANEL[0], rows * PANEL[1] + 0.4), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    names = {}
    for place, axis in enumerate(axes.flat):
        axis.set_visible(place < len(panels))
        if place >= len(panels):
            continue
        data, model = panels[place]
        for one in sorted(found, key=lambda curve: ORDER.index(curve.point.partition)):
            if (one.point.data, one.point.model) == panels[place]:
                is_twice = one.point.variant == TWICE
                name = shards(one.point.partition) + (", twice the epochs" if is_twice else "")
                (names[name],) = axis.plot(
                    range(1, len(one.shares) + 1), [100 * share for share in one.shares],
                    color=COLOURS[one.point.partition], linestyle="--" if is_twice else "-", linewidth=1.2,
                )  # fmt: skip
        axis.set(title=f"{SHOWN[data]}, {network_name(model)}", ylim=(0, 102), xlim=(0, None))
        axis.set_ylabel("training accuracy, %" if place % COLUMNS == 0 else None)
        axis.set_xlabel("epoch")
    figure.legend(names.values(), names.keys(), loc="outside lower center", ncols=len(names), frameon=False)
    return figure
