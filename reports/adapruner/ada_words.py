"""Numbers of results.csv in words, for the page and its details."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ada_points import HIGH, LOW, TARGETS
from ada_rows import band
from study.wording import side, wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of

SHOWN = {
    "watch": "WISDM watch", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
    "tiny-imagenet-20": "Tiny-ImageNet-20", "mnist-writers": "handwriting", "cells": "cells",
    "mnist": "MNIST",
}  # fmt: skip
SPANS = {"0.6 to 0.95": band(HIGH), "0.1 to 0.5": band(LOW)}
INCOMPLETE = ["No seed has every keep ratio."]
INTERVAL = (
    "± is half of a 95 % interval over seeds; where its sides differ by over a tenth, both ends are in brackets; "
    "**bold** leaves out 0"
)
"""how the page and its details write intervals"""


class Rows:
    """The rows of results.csv."""

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def of(self, **values: Any) -> pd.DataFrame:
        """Rows with these values, whose estimate is known."""
        wanted = self.table["estimate"].notna().to_numpy().copy()
        for name, value in values.items():
            wanted &= (self.table[name] == value).to_numpy()
        return self.table[wanted]

    def interval(self, **values: Any) -> Interval | None:
        """The one row with these values; None where there is none."""
        found = self.of(**values)
        return None if found.empty else interval_of(found.iloc[0])


def interval_of(row: pd.Series) -> Interval:
    """The interval of a row."""
    n, seeds = (0 if pd.isna(row[name]) else int(row[name]) for name in ("n", "seeds"))
    return Interval(float(row["estimate"]), float(row["low"]), float(row["high"]), n=n, seeds=seeds)


def text(gap: Interval | None, bold: bool = True, sign: str = "+") -> str:
    """'+4.2 ±1.1', or '+98.2 (+90.1 to +100.0)', bold where its interval leaves out 0; a dash where there is none.

    An interval has both ends where its sides differ by more than a tenth: bounds cut it, or it is one of quotients.
    """
    if gap is None or not np.isfinite(gap.estimate):
        return "–"
    mean = f"{gap.estimate:{sign}z.1f}"  # z: no -0.0
    if not gap.is_known:
        return mean
    shorter, half = sorted((gap.high - gap.estimate, gap.estimate - gap.low))
    if half - shorter > max(0.1 * half, 0.05):  # less than 0.05 is the rounding of results.csv
        shown = f"{mean} ({gap.low:{sign}z.1f} to {gap.high:{sign}z.1f})"
    else:
        shown = f"{mean} ±{half:.{1 if half >= 0.05 else 2}f}"
    return f"**{shown}**" if bold and side(gap) else shown


def gaps_told(found: Iterable[tuple[str, Interval | None]]) -> str:
    """'CIFAR-10 -1.0 (one seed), WISDM watch **+2.0 ±1.0**'; empty where there is none."""
    return ", ".join(
        f"{name} {text(gap)}" + ("" if gap.seeds > 1 else " (one seed)") for name, gap in found if gap is not None
    )


def plain(value: Interval | None) -> str:
    """'85.2 ±0.4', without a sign; a dash where there is none."""
    if value is None or not np.isfinite(value.estimate):
        return "–"
    return text(value, bold=False, sign="")


def span(values: Iterable[float], digits: int = 0, sign: str = "") -> str:
    """'105 to 186', or one number where both ends are written alike."""
    listed = list(values)
    low, high = (f"{value:{sign}z.{digits}f}" for value in (min(listed), max(listed)))
    return low if low == high else f"{low} to {high}"


def seeds_told(found: pd.DataFrame) -> str:
    """'2 seeds' or '1 to 3 seeds'."""
    counts = found["seeds"].dropna().astype(int)
    low, high = int(counts.min()), int(counts.max())
    return n_of(high, "seed") if low == high else f"{low} to {high} seeds"


def listed(ratios: str) -> str:
    """'0.6, 0.8, 0.95' of a row's ratios."""
    return ratios.replace(",", ", ")


def route(data: str) -> str:
    """'CIFAR-10 to Tiny-ImageNet-20'."""
    return f"{SHOWN[data]} to {SHOWN[TARGETS[data]['root']]}"


def anchor(title: str) -> str:
    """Fragment by which a heading of a Markdown page is linked."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(cells)} |" for cells in lines)]


def item(line: str) -> list[str]:
    """A list item as lines."""
    first, *rest = wrapped(f"- {line}")
    return [first, *(f"  {one}" for one in rest)]
