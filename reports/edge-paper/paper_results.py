"""results.csv: every number of the study with its interval and verdict, from points/ and costs.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import paper_auto
import paper_pooled
import paper_records
import paper_times
from paper_estimates import (
    IMPORTANCE,
    RANDOM,
    Estimate,
    Setting,
    against_random,
    estimates,
    pooled,
    preserved,
    verdict,
)  # fmt: skip
from paper_points import MAIN, MERGED, SMALLERS, TWICE, Point, every_point
from paper_rows import ALL, OF_POINT, row_of

from edgesim.analysis.claims import paper_claims
from edgesim.analysis.device_benefit import device_benefit
from edgesim.analysis.grouping import FULL, KEYS, below_full, device_by_seed
from edgesim.analysis.intervals import Interval, interval

FILE = "results.csv"
COLUMNS = [
    "data", "partition", "model", "variant", "claim", "method", "keep_ratio", "opponent", "at", "estimate", "low",
    "high", "threshold", "unit", "verdict", "tests", "n", "devices", "seeds", "settings",
]  # fmt: skip
COSTS = ("linear_device", "proportional", "scoring_negligible", "as_fast_as_random")
"""claims of `analysis.claims` on cost"""
OUTCOME = "benefit: "
TWICE_THE_EPOCHS = "twice_the_epochs"
FULL_AT_HOME = "full_accuracy_own_mix"
SPREAD = "spread"
"""claim of results.csv: largest minus smallest accuracy of random's trials at the smallest ratio; 0 = they name one
class of a test set with as many samples of each"""
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
    rows += _converged(there)
    apart = (MAIN, TWICE, *SMALLERS, *MERGED)
    rows += [row for point in there if point.variant not in apart for row in _variant(point, there)]
    others = [other for setting in settings for other in _others(setting)]
    rows += [row for setting in settings for row in _kept(setting.point, setting.records)]
    rows += [row for other in others for row in _against_random(other)]
    rows += [
        *paper_pooled.rows(settings, others),
        *paper_pooled.advised([*settings, *others]),
        *_benefit(settings),
        *_auto(main, there),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_more(point: Point, there: dict[Point, pd.DataFrame]) -> pd.DataFrame:
    """Trials of a main point with those of further methods and seeds."""
    more = [records for other, records in there.items() if other.variant in MERGED and other[:3] == point[:3]]
    return pd.concat([there[point], *more], ignore_index=True)


def _of_time(point: Point, one: paper_times.Row) -> dict[str, object]:
    return row_of(point, one.claim, one.found, one.unit, method=one.method, keep_ratio=one.keep_ratio)


def _attributes(setting: Setting) -> Iterator[dict[str, object]]:
    """Facts on a setting: accuracy of full training, samples, epochs, core-minutes."""
    records = setting.records
    full = records[records["method"] == FULL]
    reached = interval(100 * device_by_seed(full, "test_accuracy"), (0.0, 100.0))
    yield row_of(setting.point, "full_accuracy", reached, "%", method=FULL)
    at_home = interval(100 * device_by_seed(full, "local_accuracy"), (0.0, 100.0))
    yield row_of(setting.point, FULL_AT_HOME, at_home, "%", method=FULL)
    for claim, value in (("shard_size", full["shard_size"].mean()), ("epochs", setting.point.epochs)):
        yield row_of(setting.point, claim, Interval(float(value)), "")
    small = records[(records["method"] == RANDOM) & (records["keep_ratio"] == min(setting.ratios))]
    spread = Interval(100 * float(np.ptp(small["test_accuracy"])), n=len(small))
    yield row_of(setting.point, SPREAD, spread, "points", method=RANDOM, keep_ratio=f"{min(setting.ratios):g}")
    minutes = float(records["host_wall_s"].sum()) / 60
    yield row_of(setting.point, "minutes", Interval(minutes, n=len(records)), "min")


def _accuracy(setting: Setting) -> Iterator[dict[str, object]]:
    for one in estimates(setting):
        yield row_of(setting.point, one.claim, one.found, "points", **_further(setting, one))


def _further(setting: Setting, one: Estimate) -> dict[str, object]:
    """Columns of an estimate beside its interval."""
    further = {"method": setting.method, "keep_ratio": one.keep_ratio, "opponent": one.opponent, "at": one.at}
    return {**further, "threshold": one.threshold, "verdict": one.verdict}


def _costs(setting: Setting) -> Iterator[dict[str, object]]:
    """The claims of `analysis.claims` on cost."""
    found = paper_claims(setting.records, together=False).table
    for _, one in found[found["claim"].isin(COSTS)].iterrows():
        ends = Interval(one["estimate"], one["low"], one["high"], n=one["n"], devices=one["devices"],
                        seeds=one["seeds"])  # fmt: skip
        ratio = "" if np.isnan(one["keep_ratio"]) else f"{one['keep_ratio']:g}"
        further = {"method": setting.method, "keep_ratio": ratio, "threshold": one["threshold"]}
        yield row_of(setting.point, one["claim"], ends, one["unit"], **further, verdict=one["verdict"])


def _converged(there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """What twice the epochs add to full training's accuracy, by data set and network and over all of them."""
    gains = {point: gain for point in there if point.variant == TWICE for gain in _gains(point, there)}
    for point, gain in gains.items():
        yield row_of(point, TWICE_THE_EPOCHS, interval(gain), "points", method=FULL)
    found = pooled(list(gains.values()))
    if found is not None:
        key = Point(ALL, ALL, ALL, TWICE)
        yield row_of(key, TWICE_THE_EPOCHS, found, "points", method=FULL, settings=len(gains))


def _gains(point: Point, there: dict[Point, pd.DataFrame]) -> Iterator[np.ndarray]:
    """Full training's accuracy at twice the epochs minus that at the study's, in points: [devices, seeds]."""
    for other, records in there.items():
        if other.variant == MAIN and other[:3] == point[:3]:
            once, twice = (
                one[one["method"] == FULL].set_index(KEYS)["test_accuracy"].astype(float)
                for one in (records, there[point])
            )
            gain = (100 * (twice - once)).dropna().rename("gap").reset_index()
            yield device_by_seed(gain, "gap")


def _variant(point: Point, there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """Gaps of every form of the method to random, at equal ratio and cost, and what it keeps."""
    records = there[point]
    names = [name for name in dict.fromkeys(records["method"]) if name not in (FULL, RANDOM)]
    for name in names:
        yield from _against_random(Setting(point, records, name))
    for name in (IMPORTANCE, RANDOM):
        for one in preserved(records, name):
            further = {"keep_ratio": one.keep_ratio, "opponent": one.opponent, "threshold": one.threshold}
            yield row_of(point, one.claim, one.found, "points", method=name, **further, verdict=one.verdict)
    yield from _kept(point, records)


def _others(setting: Setting) -> list[Setting]:
    """The same trials, seen from every other method."""
    names = [str(name) for name in dict.fromkeys(setting.records["method"]) if name not in (FULL, RANDOM, IMPORTANCE)]
    return [Setting(setting.point, setting.records, name) for name in names]


def _against_random(setting: Setting) -> Iterator[dict[str, object]]:
    """Gaps to random: at every ratio, simultaneous; and the mean, at equal ratio and at equal cost."""
    for one in against_random(setting):
        yield row_of(setting.point, one.claim, one.found, "points", **_further(setting, one))


def _kept(point: Point, records: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Classes, hardness and wrong labels of what a method keeps, by ratio."""
    static = below_full(records[records[paper_records.CLASSES].notna()])
    static = static[~static["dynamic"].eq(True)]
    for (method, ratio), part in static.groupby(["method", "keep_ratio"], sort=False):
        for column in KEPT:
            if part[column].notna().any() and (column != paper_records.WRONG or "noise" in point.variant):
                found = interval(device_by_seed(part, column), (0.0, 1.0))
                yield row_of(point, column, found, "share", method=str(method), keep_ratio=f"{float(str(ratio)):g}")


def _auto(main: dict[Point, pd.DataFrame], there: dict[Point, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """The goal of `auto`, and what it chose; its opponents have their trials of SMALLERS too."""
    merged, of_setting = dict(main), {point[:3]: point for point in main}
    for point, records in there.items():
        if point.variant in SMALLERS and (of := of_setting.get(point[:3])) is not None:
            merged[of] = pd.concat([merged[of], records], ignore_index=True)
    for one in paper_auto.rows(merged):
        judged = {"threshold": 0.0, "verdict": verdict(one.found, 0)} if one.unit == "points" else {}
        yield row_of(one.point, one.claim, one.found, one.unit, **one.further, **judged)


def _benefit(settings: list[Setting]) -> Iterator[dict[str, object]]:
    """Mixed-effects regression of a device's benefit on speed, shard size and skew, over all settings."""
    runs = {one.point.name: (one.records.assign(scenario=one.point.name), None) for one in settings}
    if not runs:
        return
    for _, one in device_benefit(runs).table.iterrows():
        found = Interval(one["estimate"], one["low"], one["high"], devices=one["devices"], seeds=one["seeds"])
        point = Point(ALL, ALL, ALL, ALL)
        further = {"method": IMPORTANCE, "opponent": one["covariate"], "verdict": verdict(found, 0)}
        yield row_of(point, OUTCOME + one["outcome"], found, "share", **further, threshold=0.0)
