"""Rows of results.csv on means over settings: of groups, at each keep ratio, and of the methods that are advised."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import paper_records
from paper_advice import ADVISED, EVEN, KINDS, LATE, PAIR, RAN_IN, SETTINGS, SKEWED
from paper_estimates import COST, IMPORTANCE, OWN_MIX, RANDOM, RATIO, Setting, pooled, to_full, verdict
from paper_points import MOBILENET, SIZES, Point
from paper_rows import ALL, row_of
from study.comparisons import GAPS

from edgesim.analysis.claims import MARGINS
from edgesim.analysis.grouping import FULL
from edgesim.analysis.intervals import Interval, interval

HARDER = "harder"
"""claim of results.csv: how much more of other classes is near to what importance keeps than to what random keeps"""
POOLED = "pooled"
GRID = (MOBILENET, "resnet8")
"""networks that have groups of their own: they ran on the same data sets and partitions"""
ACCURACIES = {"": "test_accuracy", OWN_MIX: "local_accuracy"}
"""ending of `at` -> accuracy: on the common test set, and weighed by the device's own classes"""

Row = dict[str, object]


def rows(settings: list[Setting], others: list[Setting]) -> Iterator[Row]:
    """Means over the settings of a group, of importance and of others; `at` has OWN_MIX as its ending where it is so.

    Args:
        settings: every setting, seen from importance.
        others: the same from every other method.
    """
    for key, own in _groups(settings).items():
        yield row_of(Point(*key, ALL), SETTINGS, Interval(float(len(own))), "")
        for opponent in (RANDOM, *dict.fromkeys(name for one in own for name in one.opponents)):
            yield from _mean_of(key, [one for one in own if opponent in (RANDOM, *one.opponents)], opponent)
        if key[0] == key[2] == ALL and key[1] in (ALL, EVEN, SKEWED):
            yield from _preserved(key, own)
            yield from _by_ratio(key, own)
    for method in dict.fromkeys(one.method for one in others):
        own = [one for one in others if one.method == method]
        yield from _mean_of((ALL, ALL, ALL), own, RANDOM)
        for kind, partitions in KINDS.items():
            yield from _mean_of((ALL, kind, ALL), [one for one in own if one.point.partition in partitions], RANDOM)
    yield from _harder(settings)


def _groups(settings: list[Setting]) -> dict[tuple[str, str, str], list[Setting]]:
    """(data, partition, network) -> settings: all, by network, by kind of shards, by partition, by data set."""
    groups = {(ALL, ALL, ALL): settings}
    for setting in settings:
        point = setting.point
        kind = SKEWED if point.partition in KINDS[SKEWED] else EVEN
        keys = [(ALL, ALL, SIZES[point.model]), (ALL, kind, ALL), (ALL, point.partition, ALL), (point.data, ALL, ALL)]
        for key in (*keys, *([(ALL, ALL, point.model)] if point.model in GRID else [])):
            groups.setdefault(key, []).append(setting)
    return groups


def _preserved(key: tuple[str, str, str], own: list[Setting]) -> Iterator[Row]:
    """Importance and random against full training at the ratios of MARGINS, on both test distributions."""
    for (ratio, margin), method, (where, column) in itertools.product(
        MARGINS.items(), (IMPORTANCE, RANDOM), ACCURACIES.items()
    ):
        gaps = [to_full(one.records, method, ratio, column) for one in own if np.isclose(one.ratios, ratio).any()]
        found = pooled(gaps)
        if found is not None:
            further = {"method": method, "keep_ratio": f"{ratio:g}", "opponent": FULL, "at": where,
                       "threshold": -100 * margin, "settings": len(gaps)}  # fmt: skip
            yield row_of(Point(*key, ALL), POOLED, found, "points", **further, verdict=verdict(found, -100 * margin))


def _by_ratio(key: tuple[str, str, str], own: list[Setting]) -> Iterator[Row]:
    """Importance against random at equal ratio, ratio by ratio; the intervals hold together."""
    ratios = sorted({ratio for one in own for ratio in one.ratios})
    for ratio, (where, column) in itertools.product(ratios, zip(("", OWN_MIX), GAPS, strict=True)):
        gaps = [one.means(RANDOM, RATIO, [ratio], column) for one in own if np.isclose(one.ratios, ratio).any()]
        found = pooled(gaps, len(ratios))
        if found is not None:
            further = {"method": IMPORTANCE, "keep_ratio": f"{ratio:g}", "opponent": RANDOM, "at": RATIO + where}
            further |= {"threshold": 0.0, "verdict": verdict(found, 0), "settings": len(gaps)}
            yield row_of(Point(*key, ALL), POOLED, found, "points", **further)


def _mean_of(key: tuple[str, str, str], own: list[Setting], opponent: str) -> Iterator[Row]:
    """Mean gap of a method over settings, at equal ratio and at equal cost, on both test distributions."""
    for at in (RATIO, COST):
        for column, where in zip(GAPS, ("", OWN_MIX), strict=True):
            # The lowest of several opponents is looked at, so their intervals hold together.
            tests = 1 if opponent == RANDOM else max(len(one.opponents) for one in own)
            found = pooled([one.means(opponent, at, column=column) for one in own], tests)
            if found is not None:
                further = {"method": own[0].method, "keep_ratio": "mean", "opponent": opponent, "at": at + where,
                           "settings": len(own)}  # fmt: skip
                further |= {"threshold": 0.0, "verdict": verdict(found, 0)}
                yield row_of(Point(*key, ALL), POOLED, found, "points", **further)


def _harder(settings: list[Setting]) -> Iterator[Row]:
    """Hardness of what importance keeps minus that of random at 0.1: the interval is over the IID settings."""
    gaps = []
    for one in settings:
        small = one.records[np.isclose(one.records["keep_ratio"], 0.1)]
        means = [small.loc[small["method"] == method, paper_records.HARD].mean() for method in (IMPORTANCE, RANDOM)]
        if one.point.partition == "iid" and not np.isnan(means).any():
            gaps.append(means[0] - means[1])
    if gaps:
        found = interval(np.array([gaps]), (-1.0, 1.0))._replace(devices=0, seeds=0)
        further = {"method": IMPORTANCE, "keep_ratio": "0.1", "opponent": RANDOM, "settings": len(gaps)}
        yield row_of(Point(ALL, "iid", ALL, ALL), HARDER, found, "share", **further, verdict=verdict(found, 0))


def advised(seen: list[Setting]) -> Iterator[Row]:
    """Mean gaps to random of the methods that a practitioner chooses from, over the settings in which all of them ran.

    LATE is not asked for, so that its points that are missing take none of the others' settings: it enters once it ran
    in all of these.

    Args:
        seen: every setting from every method.
    """
    ran: dict[Point, set[str]] = {}
    for one in seen:
        ran.setdefault(one.point, set()).add(one.method)
    common = {point for point, methods in ran.items() if methods.issuperset(set(ADVISED) - {LATE})}
    every = {method for methods in ran.values() for method in methods} - {IMPORTANCE, RANDOM}
    counts = {method: sum(method in ran[point] for point in common) for method in sorted(every)}
    for method, count in counts.items():
        yield row_of(Point(ALL, ALL, ALL, "advised"), RAN_IN, Interval(float(count)), "", method=method)
    methods = [name for name in ADVISED if name != LATE or counts.get(LATE) == len(common)]
    for kind, partitions in KINDS.items():
        own = [one for one in seen if one.point in common and one.point.partition in partitions]
        key = Point(ALL, kind, ALL, "advised")
        points = {one.point for one in own}
        yield row_of(key, SETTINGS, Interval(float(len(points))), "")
        for data in sorted({point.data for point in points}):
            count = float(sum(point.data == data for point in points))
            yield row_of(Point(data, kind, ALL, "advised"), SETTINGS, Interval(count), "")
        for at, (column, where) in itertools.product((RATIO, COST), zip(GAPS, ("", OWN_MIX), strict=True)):
            leads = {name: {one.point: one.means(RANDOM, at, column=column) for one in own if one.method == name}
                     for name in methods}  # fmt: skip
            yield from _leads(key, at + where, leads)


def _leads(key: Point, at: str, leads: dict[str, dict[Point, np.ndarray]]) -> Iterator[Row]:
    """The mean lead on random of every method, and that of every method minus those of the methods behind it.

    Args:
        key: of the rows.
        at: what is equal.
        leads: method -> setting -> gaps to random [devices, seeds].
    """
    for method, gaps in leads.items():
        found = pooled(list(gaps.values()))
        if found is not None:
            further = {"method": method, "keep_ratio": "mean", "opponent": RANDOM, "at": at}
            yield row_of(key, "advised", found, "points", **further, threshold=0.0, verdict=verdict(found, 0))
    ahead_first = sorted(leads, key=lambda name: -np.mean([gaps.mean() for gaps in leads[name].values()] or [0.0]))
    for method, other in itertools.combinations(ahead_first, 2):
        found = pooled([gaps - leads[other][point] for point, gaps in leads[method].items()])
        if found is not None:
            further = {"method": method, "keep_ratio": "mean", "opponent": other, "at": at}
            yield row_of(key, PAIR, found, "points", **further, threshold=0.0, verdict=verdict(found, 0))
