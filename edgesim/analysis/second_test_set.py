"""Second set of test samples: nearer than the common test set to the samples that a device will meet.

Verdicts, comparisons at equal cost and tables show a metric on both sets. Where devices have test samples of their own,
these are the second set, and always stand beside the common one. Elsewhere it is the common test set weighted by each
device's class shares; it stands beside the common one where shards are skewed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.formatting import n_of
from edgesim.tasks import metric_in


class SecondTestSet(NamedTuple):
    """Second set of test samples of a run, with its name in sentences."""

    of: str
    """first part of its columns: "own" or "local" """
    name: str
    """after 'on': "the devices' own test samples" """
    of_a_device: str
    """the same of one device, where that is known: "the device's own class mix" """
    brief: str
    """short name: "the own class mix" """
    is_own: bool
    """True for the devices' own test samples, which always stand beside the common test set"""
    stands_beside: bool
    """True where sentences give the result on it, too"""
    devices: str
    """beginning of a sentence on results that differ between the two sets"""

    @property
    def gap(self) -> str:
        """Column of its differences in the tables of gaps."""
        return gap_column(self.of)


DEPENDS = "The answer depends on what the devices will see."


def second_test_set(good: pd.DataFrame) -> SecondTestSet:
    """Second test set of a run: the devices' own test samples where there are any, else the weighted common one.

    Args:
        good: trials that ended well.
    """
    metric = metric_in(good)
    own = metric.column("own")
    if own in good and good[own].notna().any():
        every, having = good["device"].nunique(), good.loc[good[own].notna(), "device"].nunique()
        if having == every:
            name = "the devices' own test samples" if every > 1 else "the device's own test samples"
            return SecondTestSet("own", name, name, name, True, True, DEPENDS)
        name = f"the own test samples of {having:,} of {n_of(every, 'device')}"
        depends = "The answer depends on the test samples, and on the devices that have own ones."
        return SecondTestSet("own", name, name, name, True, True, depends)
    return _weighted(metric.groups, skewed(good))


def _weighted(groups: str, stands_beside: bool) -> SecondTestSet:
    """The common test set with each device's own shares of the classes, or of other groups, as weights."""
    mix = f"own {groups} mix"
    return SecondTestSet(
        "local", f"the devices' {mix}es", f"the device's {mix}", f"the {mix}", False, stands_beside, DEPENDS
    )


CLASS_MIX = _weighted("class", False)
"""that of a classification"""


def skewed(records: pd.DataFrame) -> bool:
    """True where the devices' own class mixes differ from the common test set's: by a point of accuracy on average.

    Of a metric that is no share: by 1 % of its mean.
    """
    metric = metric_in(records)
    common, own = records[metric.column()], records[metric.column("local")]
    gap = (own - common).abs()
    return bool(gap.notna().any() and float(np.nanmean(gap)) >= metric.noticeable(float(common.mean())))


def on_own_samples(records: pd.DataFrame) -> pd.DataFrame | None:
    """Records whose metric on the common test set is that on the devices' own test samples; None where there is none.

    Every analysis of the common test set then is one of the devices' own test samples. Trials without own ones have no
    value of the metric.
    """
    metric = metric_in(records)
    own = metric.column("own")
    if own not in records or not records[own].notna().any():
        return None
    return records.assign(**{metric.column(): records[own]})


def sets_there(columns: Container[str]) -> tuple[str, ...]:
    """Sets of test samples of a table: the common one, the weighted one, and the devices' own where it has them."""
    return ("test", "local", "own") if metric_in(columns).column("own") in columns else ("test", "local")


def named_columns(names: Iterable[str], columns: Container[str]) -> list[str]:
    """Columns of the run's metric by those of a classification, without `own_*` where the table has none.

    Args:
        names: columns of a result.
        columns: of the records.
    """
    has_own = "own" in sets_there(columns)
    return [metric_in(columns).named(name) for name in names if has_own or not is_own(name)]


def is_own(name: str) -> bool:
    """True for a column on the devices' own test samples."""
    return name.startswith("own_") or "_own_" in name


def gap_column(of: str) -> str:
    """Column of differences on one of `sets_there`: `gap`, `local_gap` or `own_gap`."""
    return "gap" if of == "test" else f"{of}_gap"


def opponent_column(of: str) -> str:
    """Column of an opponent's accuracy on one of `sets_there`."""
    return "opponent_accuracy" if of == "test" else f"opponent_{of}_accuracy"


def on_both(common: str, second: str, second_set: SecondTestSet) -> str:
    """Results on the common test set and on the second one in words; without the second where it is empty."""
    if not second:
        return common
    if second.removeprefix("it ") == common.removeprefix("it "):
        return f"{common}, on the common test set and on {second_set.name}"
    return f"{common} on the common test set; on {second_set.name} {second}"
