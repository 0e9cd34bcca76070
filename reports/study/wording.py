"""Numbers and settings of a study in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of
from study.running import USERS

SHOWN = {
    "digits": "digits", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "watch": "WISDM watch",
    "handwriting": "handwriting",
    "har-watch": "WISDM watch", "paper": "CIFAR-10 at the paper's size",
}  # fmt: skip
"""data set -> its name in sentences"""
BOUNDS = (-100.0, 100.0)
"""of a difference of accuracies, in points"""
WIDTH = 118


class Setting(NamedTuple):
    """A data set at one partition, and a gap there."""

    name: str
    gap: Interval

    @property
    def side(self) -> int:
        """1 = shown above 0, -1 = shown below, 0 = not decided."""
        return side(self.gap)


def side(gap: Interval) -> int:
    """Side of 0 on which an interval lies; 0 = it holds 0, or has no ends."""
    return int(gap.low > 0) - int(gap.high < 0)


def shards(partition: str) -> str:
    """'iid', 'α 0.1' or 'by user'."""
    return "by user" if partition == USERS else partition.replace("dirichlet-", "α ")


def told(found: Sequence[Setting], everything: bool = True) -> str:
    """'ahead in 7 of 9 settings (+2.1 to +9.3 points), behind in 1 (-3.0), undecided in 1 (digits iid)'."""
    parts = []
    for which, word in ((1, "ahead"), (-1, "behind"), (0, "undecided")):
        own = [one for one in found if one.side == which]
        if not own:
            continue
        of = f" of {n_of(len(found), 'setting')}" if not parts and everything else ""
        names = ", ".join(one.name for one in own)
        inner = ([names] if len(own) <= 2 and len(own) < len(found) else []) + ([_range(own)] if which else [])
        parts.append(f"{word} in {len(own)}{of}" + (f" ({'; '.join(inner)})" if inner else ""))
    return ", ".join(parts)


def _range(own: Sequence[Setting]) -> str:
    """'+2.1 to +9.3', ends ascending in size."""
    values = sorted((one.gap.estimate for one in own), key=abs)
    low, high = (f"{value:+z.1f}" for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def text(gap: Interval | None, bold: bool = True) -> str:
    """'+4.2 ±1.1', bold where its interval leaves out 0; a dash where there is none.

    ± is the longer side: an interval that its bounds cut is not centred on its estimate.
    """
    if gap is None or not np.isfinite(gap.estimate):
        return "–"
    mean = f"{gap.estimate:+z.1f}"  # z: no -0.0
    if not gap.is_known:
        return mean
    shown = f"{mean} ±{max(gap.high - gap.estimate, gap.estimate - gap.low):.1f}"
    return f"**{shown}**" if bold and side(gap) else shown


def wrapped(paragraph: str) -> list[str]:
    """A paragraph as lines."""
    return textwrap.wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
