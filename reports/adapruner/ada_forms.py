"""Rows of the forms of AdaPruner: the letter of Eq. 7, and the ablations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ada_records
import numpy as np
import pandas as pd
from ada_points import ABLATION, ABLATIONS, DATA, LETTER, LETTERS, LONG_LETTER, LONG_LETTERS, OURS
from ada_rows import RANDOM, row
from ada_stats import SHARES, Forms, Sample, by_seed, forms

FORMS = {LETTER: LETTERS, LONG_LETTER: LONG_LETTERS, ABLATION: ABLATIONS}
KINDS = {kind: [form["label"] for form in forms] for kind, forms in FORMS.items()}


def rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Gaps to random and to ours, the smallest gap to ours that can be shown, open gates and class shares."""
    for kind, labels in KINDS.items():
        for data in DATA:
            part = table[(table["kind"] == kind) & (table["data"] == data)]
            if len(part):
                yield from _of_data(part, kind, labels)


def two_way(part: pd.DataFrame, labels: list[str], ratio: float) -> Forms:
    """Accuracies of the forms by seed at one keep ratio."""
    return forms({label: by_seed(part, label, [ratio]) for label in labels})


def tests(part: pd.DataFrame, labels: list[str]) -> int:
    """Comparisons of a form with ours that decide together: those of all keep ratios."""
    return max(1, (len(labels) - 1) * part.loc[part["method"] == OURS, "keep_ratio"].nunique())


def _of_data(part: pd.DataFrame, kind: str, labels: list[str]) -> Iterator[dict[str, Any]]:
    base = {"data": part["data"].iloc[0], "model": part["model"].iloc[0]}
    count = tests(part, labels)
    ratios = sorted(set(part.loc[part["method"].isin(labels), "keep_ratio"]))
    for ratio in ratios:
        key = {**base, "ratios": f"{ratio:g}"}
        table = two_way(part, labels, ratio)
        for label, own in table.samples.items():
            yield row(kind, own.minus(by_seed(part, RANDOM, [ratio])), method=label, opponent=RANDOM, **key)
            share = by_seed(part, label, [ratio], ada_records.THRESHOLD)
            off = Sample({seed: abs(value - 100 * ratio) for seed, value in share.by.items()})
            yield row(f"{kind} open", share, SHARES, method=label, **key)
            yield row(f"{kind} off", off, SHARES, method=label, **key)
            if label == OURS or OURS not in table.samples:
                continue
            gap = table.gap(label, OURS, count)
            ends = {"estimate": gap.estimate, "low": gap.low, "high": gap.high, "n": gap.n, "seeds": gap.n}
            yield {"section": kind, "method": label, "opponent": OURS, **key, **ends}
        if OURS in table.samples and table.degrees:
            least = table.gap(OURS, OURS, count).high
            ends = {"estimate": least, "low": np.nan, "high": np.nan, "n": table.degrees, "seeds": len(table.seeds)}
            yield {"section": f"{kind} smallest", "method": OURS, "opponent": OURS, **key, **ends}
    for label in (RANDOM, *labels):
        found = by_seed(part, label, ratios[:1], ada_records.SPREAD)
        if found.by:
            yield row(f"{kind} classes", found, SHARES, method=label, **base, ratios=f"{ratios[0]:g}")
        for name in ada_records.class_columns(part):
            share = by_seed(part, label, ratios[:1], name)
            if share.by:
                key = {**base, "ratios": f"{ratios[0]:g}", "at": name.removeprefix(ada_records.CLASS_SHARE)}
                yield row(f"{kind} class share", share, SHARES, method=label, **key)
