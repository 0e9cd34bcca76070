"""What the paper claims, and the numbers by which each claim is judged.

A claim on accuracies is judged by intervals over the seeds of all data sets that have it. A claim that costs or open
gates decide is judged by what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import ada_records
import numpy as np
import pandas as pd
from ada_points import (
    ABLATION,
    COMPARE,
    CROSS,
    DATA,
    DETECTION,
    DETECTION_CROSS,
    GEOMETRY,
    HIGH,
    OURS,
    TRANSFER,
)
from ada_rows import ADAPRUNER, FULL, OTHER_SET, OWN_SET, RANDOM, band, told
from ada_stats import GAPS, SHARES, TRANSFERRED, Sample, by_seed, over_data

ABOVE_OTHERS, ABOVE_FULL, NETWORKS, TRANSFERS, DETECTS = "others", "full", "networks", "transfer", "detection"
WARM_UP, TERMS, CLASSIFICATION = "warm-up", "terms", "classification"
COMPRESSION, COST = "compression", "cost"
HIGHEST = 0.95
"""keep ratio at which the paper is above full training on all its data; on CIFAR-10 from 0.75 on"""
PAPERS_OTHERS = ("el2n", "grand", "forgetting", "herding", "glister", "cg-score", "prototypes")
"""methods that the paper compares with, random beside them; prototypes is its BNSL, and importance is not among them"""
DETECTORS = {"yolov3-tiny": 56.57, "fasterrcnn": 70.33}
"""detector -> mAP in % with all samples, Table 3"""
LEARNED = 5.0
"""mAP in % of a detector with all samples, below which it has not learned and no claim is judged by it"""
HELPFUL = ("no classification", "no selection")
"""ablations of the paper's Table 5"""
TERMS_RATIO = 0.9
"""keep ratio of that table"""


class Claim(NamedTuple):
    """One claim of the paper."""

    key: str
    text: str


CLAIMS = (
    Claim(ABOVE_OTHERS, "Fig. 2, Table 1: at 0.6 to 0.95 above random (by 6.9) and seven others (by 1.6 to 3.8)"),
    Claim(ABOVE_FULL, "Table 1, Table 4: above full training at 0.95 (by 0.1 to 2.5)"),
    Claim(NETWORKS, "Fig. 2: its sets are above random for another network, too, at 0.6 to 0.95"),
    Claim(TRANSFERS, "Table 2: above the other methods after transfer to other data (by 0.3 to 20.6)"),
    Claim(DETECTS, "Table 3: in detection above full training at 0.95 (mAP by 0.1 to 0.2)"),
    Claim(GEOMETRY, "Fig. 3: at 0.9 classes lie farther apart (Dunn index +2,232 %, adjacent centres +4.4 %), as do "
                    "those of all samples for the network it trains (Dunn index +195 %)"),
    Claim(WARM_UP, "Table 4: warm-up helps (by 1.5 to 1.9 at 0.6, 0.5 to 0.7 at 0.9)"),
    Claim(TERMS, "Table 5: so do the classification and the selection term at 0.9 (by 0.3 to 0.5)"),
    Claim(CLASSIFICATION, "Table 5: without the classification term it selects at random (0.9)"),
    Claim(COMPRESSION, "Without the compression term: no sample is selected"),
    Claim(COST, "An epoch of the pruning phase takes hardly more than one of training on all samples"),
)  # fmt: skip
"""the paper's claims; gaps in brackets are its own, means over its keep ratios (from 0.7 on, Tiny-ImageNet, in Table 1)
of a method and a network, from the least to the greatest"""


def rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The numbers of all claims but that on the costs, whose rows are `energy`."""
    own = table[table["kind"] == COMPARE]
    for method in (RANDOM, *PAPERS_OTHERS):
        yield from _gap(ABOVE_OTHERS, own, ADAPRUNER, method, HIGH, 1 + len(PAPERS_OTHERS))
    yield from _gap(ABOVE_FULL, own, ADAPRUNER, FULL, (HIGHEST,))
    yield from _networks(table[table["kind"] == CROSS])
    tuned = table[table["kind"] == TRANSFER]
    there = [method for method in PAPERS_OTHERS if (tuned["method"] == method).any()]
    for method in there:
        yield from _gap(TRANSFERS, tuned, ADAPRUNER, method, HIGH, len(there), TRANSFERRED)
    yield from _detections(table)
    yield from _forms(table[table["kind"] == ABLATION])


def _row(claim: str, found: dict[str, Sample], tests: int = 1, bounds: Any = GAPS, **key: Any) -> Iterator[dict]:
    """The row of values by data set, where there is any; its seeds are the fewest of one data set."""
    listed = {data: one for data, one in found.items() if one.by}
    if listed:
        yield told("claim", over_data(listed.values(), bounds, tests), at=claim, data=" ".join(listed), **key)


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
    """AdaPruner minus random with the network that did not score, at the paper's ratios that ran on each data set."""
    found, ran = {}, []
    for data in DATA:
        part = table[table["data"] == data]
        there = part.loc[part["method"] == ADAPRUNER, "keep_ratio"].unique()
        ratios = [ratio for ratio in HIGH if np.isclose(there, ratio).any()]
        if ratios:
            found[data] = by_seed(part, ADAPRUNER, ratios).minus(by_seed(part, RANDOM, ratios))
            ran += [band(ratios)] if found[data].by else []
    yield from _row(NETWORKS, found, method=ADAPRUNER, opponent=RANDOM, ratios=" ".join(ran))


def _detections(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The first detector on its own sets, and the other one on the first one's, as in the paper's Table 3."""
    for kind, name in ((DETECTION, OWN_SET), (DETECTION_CROSS, OTHER_SET)):
        own = table[table["kind"] == kind]
        gap = by_seed(own, ADAPRUNER, [HIGHEST]).minus(by_seed(own, FULL, [1.0]))
        if by_seed(own, FULL, [1.0]).mean < LEARNED:
            continue
        model = {"model": own["model"].iloc[0]} if len(own) else {}
        yield from _row(DETECTS, {"cells": gap}, 2, method=name, opponent=FULL, ratios=f"{HIGHEST:g}", **model)


def _forms(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Ours minus no warm-up and minus no term, no classification minus random, open gates without compression."""
    found: list[tuple[str, str, Sample, dict[str, Any]]] = []
    for data in DATA:
        part = table[table["data"] == data]
        for ratio in sorted(set(part.loc[part["method"] == OURS, "keep_ratio"])):
            pairs = [(WARM_UP, OURS, "no warm-up")] if HIGH[0] <= ratio <= HIGH[-1] else []
            if np.isclose(ratio, TERMS_RATIO):
                pairs += [*((TERMS, OURS, one) for one in HELPFUL), (CLASSIFICATION, "no classification", RANDOM)]
            for claim, method, other in pairs:
                gap = by_seed(part, method, [ratio]).minus(by_seed(part, other, [ratio]))
                key = {"method": method, "opponent": other, "ratios": f"{ratio:g}"}
                found += [(claim, data, gap, key)] if gap.by else []
            share = by_seed(part, "no compression", [ratio], ada_records.THRESHOLD)
            yield from _row(COMPRESSION, {data: share}, bounds=SHARES, method="no compression", ratios=f"{ratio:g}")
    tests = Counter(claim for claim, *_ in found)
    for claim, data, gap, key in found:
        yield from _row(claim, {data: gap}, tests[claim], **key)
