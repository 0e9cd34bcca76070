"""curves.svg: training accuracy of full training by epoch, a line per setting; shows whether it has converged."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import paper_records
from paper_points import MAIN, TWICE, every_point
from paper_rows import setting_name

FILE = "curves.svg"
WIDTH, HEIGHT = 900, 330
LEFT, TOP, RIGHT, BOTTOM = 50, 12, 300, 40
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0")
STEPS = 5


class Curve(NamedTuple):
    """Accuracy on the samples trained on, by epoch."""

    name: str
    shares: Sequence[float]
    is_twice: bool
    """trained for twice the study's epochs; drawn dashed"""


def write(folder: Path) -> None:
    """Write curves.svg from points/."""
    (folder / FILE).write_text(svg(curves(folder)), encoding="utf-8")


def curves(folder: Path) -> list[Curve]:
    """Curves of the main points, and of those with twice the epochs."""
    found = []
    for point in every_point():
        if point.variant in (MAIN, TWICE):
            records = paper_records.read(folder, point)
            if records is not None:
                name = setting_name(point) + (", twice the epochs" if point.variant == TWICE else "")
                found.append(Curve(name, records.attrs["train_curve"], point.variant == TWICE))
    return found


def svg(drawn: Sequence[Curve]) -> str:
    """The picture: lines with their names beside it, last values first."""
    epochs = max((len(one.shares) for one in drawn), default=1)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(epoch: int, share: float) -> str:
        return f"{LEFT + wide * epoch / max(epochs, 1):.1f},{TOP + high * (1 - share):.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for step in range(STEPS + 1):
        x, y = LEFT + wide * step / STEPS, TOP + high * (1 - step / STEPS)
        lines.append(f'<path d="M{LEFT},{y:.1f}H{LEFT + wide}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * step // STEPS} %</text>')
        lines.append(f'<text x="{x:.1f}" y="{TOP + high + 16}" text-anchor="middle">{epochs * step / STEPS:g}</text>')
    lines.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 6}" text-anchor="middle">epoch of full training</text>')
    order = sorted(drawn, key=lambda one: -one.shares[-1])
    for row, one in enumerate(order):
        colour = COLOURS[row % len(COLOURS)]
        dashes = ' stroke-dasharray="4 3"' if one.is_twice else ""
        along = " ".join(place(epoch, share) for epoch, share in enumerate(one.shares, start=1))
        lines.append(f'<polyline points="{along}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>')
        y = TOP + 10 + row * min(15, high / max(len(order), 1))
        x = LEFT + wide + 12
        lines.append(f'<path d="M{x},{y - 4:.1f}h20" stroke="{colour}" stroke-width="1.5"{dashes}/>')
        lines.append(f'<text x="{x + 26}" y="{y:.1f}">{escape(one.name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
