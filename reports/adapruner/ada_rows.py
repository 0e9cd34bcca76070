"""Names of the study's rows, and how a row of results.csv is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ada_points import HIGH, LOW
from ada_stats import GAPS, Sample, over_seeds

from edgesim.analysis.intervals import Interval

COLUMNS = ["section", "data", "model", "method", "opponent", "at", "ratios", "estimate", "low", "high", "n", "seeds"]
FULL, RANDOM, ADAPRUNER = "full", "random", "adapruner"
METHODS = (
    RANDOM,
    "importance",
    "el2n",
    "grand",
    "forgetting",
    "herding",
    "glister",
    "cg-score",
    "prototypes",
    ADAPRUNER,
)
ALL, PAPER = "all", "paper"
BANDS = {"high": HIGH, "low": LOW}
RATIO, COST = "ratio", "cost"
OWN_SET, OTHER_SET = "its own set", "the other detector's set"


def band(ratios: Sequence[float]) -> str:
    """Keep ratios as results.csv has them: '0.6,0.8,0.95'."""
    return ",".join(f"{ratio:g}" for ratio in ratios)


def row(section: str, found: Sample, bounds: tuple[float, float] = GAPS, tests: int = 1, **key: Any) -> dict[str, Any]:
    """A row with the mean of values and its interval.

    Args:
        section: name.
        found: values by seed.
        bounds: range of the mean, in the unit of the values.
        tests: intervals that decide together.
        **key: the other columns.
    """
    return told(section, over_seeds(found, bounds, tests), **key)


def told(section: str, one: Interval, **key: Any) -> dict[str, Any]:
    """A row with an interval; `n` are its data sets where it is over several, else its seeds."""
    ends = {"estimate": one.estimate, "low": one.low, "high": one.high}
    return {"section": section, **key, **ends, "n": one.n, "seeds": one.seeds}
