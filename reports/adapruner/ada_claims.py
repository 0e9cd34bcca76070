"""What the paper claims, and the numbers by which each claim is judged.

A claim on accuracies is judged by intervals: over the data sets' means where several have it, else over the seeds of
the one that has. A claim that costs or open gates decide is judged by what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import ada_forms
import ada_records
import numpy as np
import pandas as pd
from ada_points import (
    ABLATION,
    COMPARE,
    CROSS,
    DATA,
    DETECTED,
    DETECTION,
    DETECTION_CROSS,
    GEOMETRY,
    HIGH,
    OURS,
    TRANSFER,
)
from ada_rows import ADAPRUNER, FULL, METHODS, OTHER_SET, OWN_SET, RANDOM, band
from ada_stats import GAPS, SHARES, TRANSFERRED, Sample, by_seed, over_data, over_seeds

from edgesim.analysis.intervals import Interval

ABOVE_OTHERS, ABOVE_FULL, NETWORKS, TRANSFERS, DETECTS = "others", "full", "networks", "transfer", "detection"
WARM_UP, CLASSIFICATION, COMPRESSION, COST = "warm-up", "classification", "compression", "cost"
HIGHEST = (0.8, 0.95)
"""keep ratios at which the paper is above full training on CIFAR-10: those above 0.7"""


class Claim(NamedTuple):
    """One claim of the paper."""

    key: str
    text: str


CLAIMS = (
    Claim(ABOVE_OTHERS, "Above random and the eight other methods at 0.6 to 0.95"),
    Claim(ABOVE_FULL, "Above full training at 0.8 and 0.95"),
    Claim(NETWORKS, "Its sets are above random for another network, too"),
    Claim(TRANSFERS, "Above random and the other methods after transfer to other data"),
    Claim(DETECTS, "It works for detection, too: at 0.85 above random"),
    Claim(GEOMETRY, "At 0.9 its classes lie farther apart; so do those of all samples for the network that it trains"),
    Claim(WARM_UP, "Warm-up helps"),
    Claim(CLASSIFICATION, "Without the classification term: random or below"),
    Claim(COMPRESSION, "Without the compression term: no sample is selected"),
    Claim(COST, "The pruning phase costs little: with it, one training is still below full training's energy"),
)


def rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The numbers of all claims but that on the costs, whose rows are `energy`."""
    own = table[table["kind"] == COMPARE]
    others = [method for method in METHODS if method != ADAPRUNER]
    for method in others:
        yield from _gap(ABOVE_OTHERS, own, ADAPRUNER, method, HIGH, len(others))
    yield from _gap(ABOVE_FULL, own, ADAPRUNER, FULL, HIGHEST)
    yield from _networks(table[table["kind"] == CROSS])
    tuned = table[table["kind"] == TRANSFER]
    there = [method for method in others if (tuned["method"] == method).any()]
    for method in there:
        yield from _gap(TRANSFERS, tuned, ADAPRUNER, method, HIGH, len(there), TRANSFERRED)
    yield from _detections(table)
    yield from _forms(table[table["kind"] == ABLATION])


def _row(claim: str, found: dict[str, Sample], tests: int = 1, bounds: Any = GAPS, **key: Any) -> Iterator[dict]:
    """The row of values by data set, where there is any."""
    listed = {data: one for data, one in found.items() if one.by}
    if listed:
        single = next(iter(listed.values()))
        pooled = over_data(listed.values()) if len(listed) > 1 else single
        yield _told(claim, over_seeds(pooled, bounds, tests), listed, **key)


def _told(claim: str, one: Interval, listed: dict[str, Sample], **key: Any) -> dict[str, Any]:
    """A row; `data` has all data sets, `seeds` the fewest seeds of one of them."""
    return {
        "section": "claim", "at": claim, "data": " ".join(listed), "estimate": one.estimate, "low": one.low,
        "high": one.high, "n": one.n, "seeds": min(len(part.by) for part in listed.values()), **key,
    }  # fmt: skip


def _gap(
    claim: str, table: pd.DataFrame, method: str, other: str, ratios: tuple[float, ...], tests: int = 1,
    column: str = ada_records.VALUE,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """A method minus another one, or minus full training, over the ratios."""
    found = {}
    for data in DATA:
        part = table[table["data"] == data]
        if len(part):
            base = by_seed(part, other, [1.0] if other == FULL else ratios, column)
            found[data] = by_seed(part, method, ratios, column).minus(base)
    yield from _row(claim, found, tests, method=method, opponent=other, ratios=band(ratios))


def _networks(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """AdaPruner minus random with the network that did not score, at the paper's ratios that ran."""
    found, ran = {}, set()
    for data in DATA:
        part = table[table["data"] == data]
        there = part.loc[part["method"] == ADAPRUNER, "keep_ratio"].unique()
        ratios = [ratio for ratio in HIGH if np.isclose(there, ratio).any()]
        if ratios:
            found[data] = by_seed(part, ADAPRUNER, ratios).minus(by_seed(part, RANDOM, ratios))
            ran |= set(ratios)
    yield from _row(NETWORKS, found, method=ADAPRUNER, opponent=RANDOM, ratios=band(sorted(ran)))


def _detections(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The first detector on its own sets, and the other one on the first one's, as in the paper's Table 3."""
    for kind, name in ((DETECTION, OWN_SET), (DETECTION_CROSS, OTHER_SET)):
        own = table[table["kind"] == kind]
        gap = by_seed(own, ADAPRUNER, [DETECTED]).minus(by_seed(own, RANDOM, [DETECTED]))
        model = {"model": own["model"].iloc[0]} if len(own) else {}
        yield from _row(DETECTS, {"cells": gap}, 2, method=name, opponent=RANDOM, ratios=f"{DETECTED:g}", **model)


def _forms(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Ours minus no warm-up, no classification minus random, and the open gates without compression."""
    labels = ada_forms.KINDS[ABLATION]
    for data in DATA:
        part = table[table["data"] == data]
        ratios = sorted(set(part.loc[part["method"] == OURS, "keep_ratio"]))
        for ratio in ratios:
            key = {"ratios": f"{ratio:g}"}
            two_way = ada_forms.two_way(part, labels, ratio)
            if {OURS, "no warm-up"} <= set(two_way.samples):
                gap = two_way.gap(OURS, "no warm-up", ada_forms.tests(part, labels))
                listed = {data: two_way.samples[OURS].only(two_way.seeds)}
                yield _told(WARM_UP, gap, listed, method=OURS, opponent="no warm-up", **key)
            gap = by_seed(part, "no classification", [ratio]).minus(by_seed(part, RANDOM, [ratio]))
            yield from _row(
                CLASSIFICATION, {data: gap}, len(ratios), method="no classification", opponent=RANDOM, **key
            )
            share = by_seed(part, "no compression", [ratio], ada_records.THRESHOLD)
            yield from _row(COMPRESSION, {data: share}, bounds=SHARES, method="no compression", **key)
