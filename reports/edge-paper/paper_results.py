"""results.csv: every number of the study with its interval and verdict, from points/ and costs.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import paper_auto
import paper_records
import paper_times
from paper_advice import ADVISED, EVEN, KINDS, LATE, RAN_IN, SETTINGS, SKEWED
from paper_estimates import (
    COST,
    IMPORTANCE,
    OWN_MIX,
    RANDOM,
    RATIO,
    Estimate,
    Setting,
    against_random,
    estimates,
    pooled,
    preserved,
    verdict,
)  # fmt: skip
from paper_points import MAIN, MERGED, SIZES, SMALLERS, TWICE, Point, every_point
from study.comparisons import GAPS

from edgesim.analysis.claims import MARGINS, paper_claims
from edgesim.analysis.device_benefit import device_benefit
from edgesim.analysis.grouping import FULL, KEYS, below_full, device_by_seed
from edgesim.analysis.intervals import Interval, interval

FILE = "results.csv"
COLUMNS = [
    "data", "partition", "model", "variant", "claim", "method", "keep_ratio", "opponent", "at", "estimate", "low",
    "high", "threshold", "unit", "verdict", "tests", "n", "devices", "seeds", "settings",
]  # fmt: skip
OF_POINT = ["data", "partition", "model", "variant"]
COSTS = ("linear_device", "proportional", "scoring_negligible", "as_fast_as_random")
"""claims of `analysis.claims` on cost"""
ALL = "all"
OUTCOME = "benefit: "
HARDER = "harder"
"""claim of results.csv: how much more of other classes is near to what importance keeps than to what random keeps"""
KEPT = (paper_records.CLASSES, paper_records.HARD, paper_records.WRONG)


def write(folder: Path) -> None:
    """Write results.csv."""
    table(folder).to_csv(folder / FILE, index=False, float_format="%.5g")


def read(folder: Path) -> pd.DataFrame:
    """results.csv, or an empty table where there is none; absent texts are empty."""
    file = folder / FILE
    if not file.exists():
        return pd.DataFrame(columns=COLUMNS)
    texts = dict.fromkeys((*OF_POINT, "claim", "method", "keep_ratio", "opponent", "at", "unit", "verdict"), str)
    found = pd.read_csv(file, dtype=texts, keep_default_na=True)
    return found.fillna(dict.fromkeys(texts, ""))


def table(folder: Path) -> pd.DataFrame:
    """COLUMNS of everything that is finished."""
    there = {point: records for point in every_point() if (records := paper_records.read(folder, point)) is not None}
    main = {point: _with_more(point, there) for point in there if point.variant == MAIN}
    settings = [Setting(point, records) for point, records in main.items()]
    rows = [row for setting in settings for row in (*_attributes(setting), *_accuracy(setting), *_costs(setting))]
    rows += [_of_time(point, paper_times.of_point(records)) for point, records in there.items()]
    rows += [_of_time(point, row) for point in main for row in paper_times.of_setting(point, main[point], there[point])]
    rows += [row for point in there if point.variant == TWICE for row in _converged(point, there)]
    apart = (MAIN, TWICE, *SMALLERS, *MERGED)
    rows += [row for point in there if point.variant not in apart for row in _variant(point, there)]
    others = [other for setting in settings for other in _others(setting)]
    rows += [row for setting in settings for row in _kept(setting.point, setting.records)]
    rows += [row for other in others for row in _against_random(other)]
    rows += [
        *_pooled(settings, others),
        *_harder(settings),
        *_advised([*settings, *others]),
        *_benefit(settings),
        *_auto(main, there),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_more(point: Point, there: dict[Point, pd.DataFrame]) -> pd.DataFrame:
    """Trials of a main point with those of further methods and seeds."""
    more = [records for other, records in there.items() if other.variant in MERGED and other[:3] == point[:3]]
    return pd.concat([there[point], *more], ignore_index=True)


def _row(point: Point, claim: str, found: Interval, unit: str, **further: object) -> dict[str, object]:
    """One row of COLUMNS."""
    row: dict[str, object] = dict(zip(OF_POINT, point, strict=False))
    row |= {"claim": claim, "estimate": found.estimate, "low": found.low, "high": found.high, "unit": unit}
    counts = {"tests": found.tests, "n": found.n, "devices": found.devices, "seeds": found.seeds}
    return {**row, **counts, **further}


def _of_time(point: Point, one: paper_times.Row) -> dict[str, object]:
    return _row(point, one.claim, one.found, one.unit, method=one.method, keep_ratio=one.keep_ratio)


def _attributes(setting: Setting) -> Iterator[dict[str, object]]:
    """Facts on a setting: accuracy of full training, samples, epochs, core-minutes."""
    records = setting.records
    full = records[records["method"] == FULL]
    reached = interval(100 * device_by_seed(full, "test_accuracy"), (0.0, 100.0))
    yield _row(setting.point, "full_accuracy", reached, "%", method=FULL)
    for claim, value in (("shard_size", full["shard_size"].mean()), ("epochs", setting.point.epochs)):
        yield _row(setting.point, claim, Interval(float(value)), "")
    minutes = float(records["host_wall_s"].sum()) / 60
    yield _row(setting.point, "minutes", Interval(minutes, n=len(records)), "min")


def _accuracy(setting: Setting) -> Iterator[dict[str, object]]:
    for one in estimates(setting):
        yield _row(setting.point, one.claim, one.found, "points", **_further(setting, one))


def _further(setting: Setting, one: Estimate) -> dict[str, object]:
    """Columns of an estimate beside its interval."""
    further = {"method": setting.method, "keep_ratio": one.keep_ratio, "opponent": one.opponent, "at": one.at}
    return {**further, "threshold": one.threshold, "verdict": one.verdict}


def _costs(setting: Setting) -> Iterator[dict[str, object]]:
    """The claims of `analysis.claims` on cost."""
    found = paper_claims(setting.records).table
    for _, one in found[found["claim"].isin(COSTS)].iterrows():
        ends = Interval(one["estimate"], one["low"], one["high"], n=one["n"], devices=one["devices"],
                        seeds=one["seeds"], tests=len(found))  # fmt: skip
        ratio = "" if np.isnan(one["keep_ratio"]) else f"{one['keep_ratio']:g}"
        further = {"method": setting.method, "keep_ratio": ratio, "threshold": one["threshold"]}
        yield _row(setting.point, one["claim"], ends, one["unit"], **further, verdict=one["verdict"])


def _converged(point: Point, there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """What twice the epochs add to full training's accuracy."""
    for other, records in there.items():
        if other.variant == MAIN and other[:3] == point[:3]:
            once, twice = (
                one[one["method"] == FULL].set_index(KEYS)["test_accuracy"].astype(float)
                for one in (records, there[point])
            )
            gain = (100 * (twice - once)).dropna().rename("gap").reset_index()
            yield _row(point, "twice_the_epochs", interval(device_by_seed(gain, "gap")), "points", method=FULL)


def _variant(point: Point, there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """Gaps of every form of the method to random, at equal ratio and cost, and what it keeps."""
    records = there[point]
    names = [name for name in dict.fromkeys(records["method"]) if name not in (FULL, RANDOM)]
    for name in names:
        yield from _against_random(Setting(point, records, name))
    for name in (IMPORTANCE, RANDOM):
        for one in preserved(records, name):
            further = {"keep_ratio": one.keep_ratio, "opponent": one.opponent, "threshold": one.threshold}
            yield _row(point, one.claim, one.found, "points", method=name, **further, verdict=one.verdict)
    yield from _kept(point, records)


def _others(setting: Setting) -> list[Setting]:
    """The same trials, seen from every other method."""
    names = [str(name) for name in dict.fromkeys(setting.records["method"]) if name not in (FULL, RANDOM, IMPORTANCE)]
    return [Setting(setting.point, setting.records, name) for name in names]


def _against_random(setting: Setting) -> Iterator[dict[str, object]]:
    """Gaps to random: at every ratio, simultaneous; and the mean, at equal ratio and at equal cost."""
    for one in against_random(setting):
        yield _row(setting.point, one.claim, one.found, "points", **_further(setting, one))


def _kept(point: Point, records: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Classes, hardness and wrong labels of what a method keeps, by ratio."""
    static = below_full(records[records[paper_records.CLASSES].notna()])
    static = static[~static["dynamic"].eq(True)]
    for (method, ratio), part in static.groupby(["method", "keep_ratio"], sort=False):
        for column in KEPT:
            if part[column].notna().any() and (column != paper_records.WRONG or "noise" in point.variant):
                found = interval(device_by_seed(part, column), (0.0, 1.0))
                yield _row(point, column, found, "share", method=str(method), keep_ratio=f"{float(str(ratio)):g}")


def _pooled(settings: list[Setting], others: list[Setting]) -> Iterator[dict[str, object]]:
    """Means over the settings of a group: all, by network, by partition, by data set; others than importance over all.

    `at` has ", own mix" where the accuracy is weighed by the device's own classes.
    """
    groups = {(ALL, ALL, ALL): settings}
    for setting in settings:
        point = setting.point
        kind = SKEWED if point.partition in KINDS[SKEWED] else EVEN
        for key in (
            (ALL, ALL, SIZES[point.model]),
            (ALL, kind, ALL),
            (ALL, point.partition, ALL),
            (point.data, ALL, ALL),
        ):
            groups.setdefault(key, []).append(setting)
    for key, own in groups.items():
        yield _row(Point(*key, ALL), SETTINGS, Interval(float(len(own))), "")
        for opponent in (RANDOM, *dict.fromkeys(name for one in own for name in one.opponents)):
            yield from _mean_of(key, [one for one in own if opponent in (RANDOM, *one.opponents)], opponent)
    for ratio, margin in MARGINS.items():
        gaps = [one.to_full(ratio) for one in settings if np.isclose(one.ratios, ratio).any()]
        found = pooled(gaps)
        if found is not None:
            further = {"method": IMPORTANCE, "keep_ratio": f"{ratio:g}", "opponent": FULL, "threshold": -100 * margin,
                       "settings": len(gaps)}  # fmt: skip
            yield _row(Point(ALL, ALL, ALL, ALL), "pooled", found, "points", **further,
                       verdict=verdict(found, -100 * margin))  # fmt: skip
    for method in dict.fromkeys(one.method for one in others):
        own = [one for one in others if one.method == method]
        yield from _mean_of((ALL, ALL, ALL), own, RANDOM)
        for kind, partitions in KINDS.items():
            yield from _mean_of((ALL, kind, ALL), [one for one in own if one.point.partition in partitions], RANDOM)


def _harder(settings: list[Setting]) -> Iterator[dict[str, object]]:
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
        yield _row(Point(ALL, "iid", ALL, ALL), HARDER, found, "share", **further, verdict=verdict(found, 0))


def _mean_of(key: tuple[str, str, str], own: list[Setting], opponent: str) -> Iterator[dict[str, object]]:
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
                yield _row(Point(*key, ALL), "pooled", found, "points", **further)


def _advised(seen: list[Setting]) -> Iterator[dict[str, object]]:
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
        yield _row(Point(ALL, ALL, ALL, "advised"), RAN_IN, Interval(float(count)), "", method=method)
    for kind, partitions in KINDS.items():
        own = [one for one in seen if one.point in common and one.point.partition in partitions]
        key = Point(ALL, kind, ALL, "advised")
        yield _row(key, SETTINGS, Interval(float(len({one.point for one in own}))), "")
        for method in (name for name in ADVISED if name != LATE or counts.get(LATE) == len(common)):
            for at in (RATIO, COST):
                for column, where in zip(GAPS, ("", OWN_MIX), strict=True):
                    found = pooled([one.means(RANDOM, at, column=column) for one in own if one.method == method])
                    if found is not None:
                        further = {"method": method, "keep_ratio": "mean", "opponent": RANDOM, "at": at + where}
                        further |= {"threshold": 0.0, "verdict": verdict(found, 0)}
                        yield _row(key, "advised", found, "points", **further)


def _auto(main: dict[Point, pd.DataFrame], there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """The goal of `auto`, and what it chose; its opponents have their trials of SMALLERS too."""
    merged, of_setting = dict(main), {point[:3]: point for point in main}
    for point, records in there.items():
        if point.variant in SMALLERS and (of := of_setting.get(point[:3])) is not None:
            merged[of] = pd.concat([merged[of], records], ignore_index=True)
    for one in paper_auto.rows(merged):
        judged = {"threshold": 0.0, "verdict": verdict(one.found, 0)} if one.unit == "points" else {}
        yield _row(one.point, one.claim, one.found, one.unit, **one.further, **judged)


def _benefit(settings: list[Setting]) -> Iterator[dict[str, object]]:
    """Mixed-effects regression of a device's benefit on speed, shard size and skew, over all settings."""
    runs = {one.point.name: (one.records.assign(scenario=one.point.name), None) for one in settings}
    if not runs:
        return
    for _, one in device_benefit(runs).table.iterrows():
        found = Interval(one["estimate"], one["low"], one["high"], devices=one["devices"], seeds=one["seeds"])
        point = Point(ALL, ALL, ALL, ALL)
        further = {"method": IMPORTANCE, "opponent": one["covariate"], "verdict": verdict(found, 0)}
        yield _row(point, OUTCOME + one["outcome"], found, "share", **further, threshold=0.0)
