"""Rows of the forms of AdaPruner: the letter of Eq. 7, and the ablations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ada_records
import pandas as pd
from ada_points import (
    ABLATION,
    ABLATIONS,
    COMPARE,
    DATA,
    LETTER,
    LETTERS,
    LONG_LETTER,
    LONG_LETTERS,
    OURS,
    Point,
)
from ada_rows import ADAPRUNER, RANDOM, row
from ada_stats import SHARES, Sample, by_seed

FORMS = {LETTER: LETTERS, LONG_LETTER: LONG_LETTERS, ABLATION: ABLATIONS}
KINDS = {kind: [form["label"] for form in forms] for kind, forms in FORMS.items()}


def rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Gaps to random and to ours, open gates, class shares, and how far AdaPruner drawn twice differs."""
    for kind, labels in KINDS.items():
        for data in DATA:
            part = table[(table["kind"] == kind) & (table["data"] == data)]
            if len(part):
                yield from _of_data(part, kind, labels)
                yield from _drawn_twice(table[(table["kind"] == COMPARE) & (table["data"] == data)], part, kind)


def own_training(data: str, kind: str) -> bool:
    """True where the forms train as the comparison on their data set does, and not as the paper."""
    return Point(data, kind, 0).regime == Point(data, COMPARE, 0).regime


def _of_data(part: pd.DataFrame, kind: str, labels: list[str]) -> Iterator[dict[str, Any]]:
    base = {"data": part["data"].iloc[0], "model": part["model"].iloc[0]}
    ratios = sorted(set(part.loc[part["method"].isin(labels), "keep_ratio"]))
    found = {(label, ratio): by_seed(part, label, [ratio]) for ratio in ratios for label in labels}
    to_ours = {(label, ratio): own.minus(found[OURS, ratio]) for (label, ratio), own in found.items() if label != OURS}
    tests = sum(1 for gap in to_ours.values() if gap.by)  # the forms at all keep ratios decide together
    for (label, ratio), own in found.items():
        if not own.by:
            continue
        key = {**base, "method": label, "ratios": f"{ratio:g}"}
        yield row(kind, own.minus(by_seed(part, RANDOM, [ratio])), opponent=RANDOM, **key)
        share = by_seed(part, label, [ratio], ada_records.THRESHOLD)
        off = Sample({seed: value - 100 * ratio for seed, value in share.by.items()})
        yield row(f"{kind} open", share, SHARES, **key)
        yield row(f"{kind} off", off, **key)
        gap = to_ours.get((label, ratio), Sample({}))
        if gap.by:
            yield row(kind, gap, tests=tests, opponent=OURS, **key)
    yield from _classes(part, kind, labels, ratios[:1])


def _classes(part: pd.DataFrame, kind: str, labels: list[str], ratios: list[float]) -> Iterator[dict[str, Any]]:
    """Classes of what the forms keep at one keep ratio."""
    base = {"data": part["data"].iloc[0], "model": part["model"].iloc[0], "ratios": f"{ratios[0]:g}"}
    for label in (RANDOM, *labels):
        found = by_seed(part, label, ratios, ada_records.SPREAD)
        if found.by:
            yield row(f"{kind} classes", found, SHARES, method=label, **base)
        for name in ada_records.class_columns(part):
            share = by_seed(part, label, ratios, name)
            if share.by:
                at = name.removeprefix(ada_records.CLASS_SHARE)
                yield row(f"{kind} class share", share, SHARES, method=label, at=at, **base)


def _drawn_twice(compared: pd.DataFrame, part: pd.DataFrame, kind: str) -> Iterator[dict[str, Any]]:
    """The comparison's accuracy and ours where one seed's differ most: another label draws other random numbers."""
    data = part["data"].iloc[0]
    gaps: dict[tuple[float, float, int], tuple[Sample, Sample]] = {}
    if not own_training(data, kind):
        return
    for ratio in sorted(set(part.loc[part["method"] == OURS, "keep_ratio"])):
        first, second = by_seed(compared, ADAPRUNER, [ratio]), by_seed(part, OURS, [ratio])
        gaps |= {(abs(gap), ratio, seed): (first, second) for seed, gap in second.minus(first).by.items()}
    if gaps:
        _, ratio, seed = most = max(gaps)
        for method, one in zip((ADAPRUNER, OURS), gaps[most], strict=True):
            key = {"data": data, "model": part["model"].iloc[0], "method": method, "ratios": f"{ratio:g}"}
            yield row(f"{kind} drawn twice", one.only([seed]), SHARES, at=f"seed {seed}", **key)
