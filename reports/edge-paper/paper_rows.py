"""Access to results.csv: rows by their values, intervals, settings and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from paper_points import MAIN, MOBILENET, Point
from paper_times import POINT_MINUTES
from study.running import USERS
from study.wording import SHOWN, shards

from edgesim.analysis.intervals import Interval

OF_POINT = ["data", "partition", "model", "variant"]
ALL = "all"


def row_of(point: Point, claim: str, found: Interval, unit: str, **further: object) -> dict[str, object]:
    """One row of results.csv."""
    row: dict[str, object] = dict(zip(OF_POINT, point, strict=False))
    row |= {"claim": claim, "estimate": found.estimate, "low": found.low, "high": found.high, "unit": unit}
    counts = {"tests": found.tests, "n": found.n, "devices": found.devices, "seeds": found.seeds}
    return {**row, **counts, **further}


class Rows:
    """The rows of results.csv."""

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def of(self, **values: Any) -> pd.DataFrame:
        """Rows with these values."""
        wanted = np.ones(len(self.table), dtype=bool)
        for name, value in values.items():
            wanted &= (self.table[name] == value).to_numpy()
        return self.table[wanted]

    def has(self, point: Point) -> bool:
        """True where a point is finished."""
        where = dict(zip(("data", "partition", "model", "variant"), point, strict=False))
        return len(self.of(claim=POINT_MINUTES, **where)) > 0

    def interval(self, **values: Any) -> Interval | None:
        """The one row with these values as an interval; None where there is none."""
        found = self.of(**values)
        if found.empty:
            return None
        row = found.iloc[0]
        return Interval(row["estimate"], row["low"], row["high"])

    def number(self, **values: Any) -> float:
        """The estimate of the one row with these values."""
        return float(self.of(**values)["estimate"].iloc[0])

    def settings(self, partition: str | None = None) -> list[Point]:
        """The finished settings, by data set, network and skew."""
        found = self.of(claim="full_accuracy", variant=MAIN)
        points = [Point(*key) for key in found[["data", "partition", "model", "variant"]].itertuples(index=False)]
        points.sort(key=lambda one: (list(SHOWN).index(one.data), one.model, ORDER.index(one.partition)))
        return [one for one in points if partition in (None, one.partition)]

    def ratios(self) -> list[str]:
        """Keep ratios of the settings, ascending."""
        found = self.of(claim="above_random", variant=MAIN, method="importance")["keep_ratio"]
        return sorted(set(found), key=float)


ORDER = ["iid", USERS, "dirichlet-0.5", "dirichlet-0.1"]


def setting_name(point: Point) -> str:
    """'digits α 0.1 resnet8'."""
    return f"{SHOWN[point.data]} {shards(point.partition)} {network_name(point.model)}"


def network_name(model: str) -> str:
    """Name of a network in tables."""
    return "mobilenet-v2" if model == MOBILENET else model


def is_about(name: str) -> str:
    """'digits resnet8' of a data set and network, in the words of the page."""
    data, model = name.split(" ")
    return f"{SHOWN[data]} {network_name(model)}"


def in_points(gap: Interval | None) -> Interval | None:
    """A share and its ends times 100."""
    return None if gap is None else gap._replace(estimate=100 * gap.estimate, low=100 * gap.low, high=100 * gap.high)


def ends(values: pd.Series, digits: int = 1) -> str:
    """'12.0 to 15.4'."""
    low, high = f"{values.min():.{digits}f}", f"{values.max():.{digits}f}"
    return low if low == high else f"{low} to {high}"


def epochs_told(rows: Rows) -> str:
    """'20, 60 or 80' of the settings' trainings."""
    first, *rest = sorted({int(value) for value in rows.of(claim="epochs", variant=MAIN)["estimate"]}, reverse=True)
    return f"{', '.join(map(str, reversed(rest)))} or {first}" if rest else f"{first}"
