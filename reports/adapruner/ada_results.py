"""results.csv: every number of the page with its interval, from the trials of the finished points.

Points of one data set differ in seeds; a seed's trials are paired. Values are shares of 1 in the trials and points (of
100) here. `interval` has data sets in the place of devices where several are pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ada_records
import numpy as np
import pandas as pd
from ada_points import (
    ABLATION,
    ABLATIONS,
    COMPARE,
    CROSS,
    DATA,
    DETECTED,
    DETECTION,
    DETECTION_BACK,
    DETECTION_CROSS,
    DETECTION_OTHER,
    HIGH,
    LETTER,
    LETTERS,
    LOW,
    OURS,
    TRANSFER,
    Point,
    points,
)
from ada_ranks import ranks

from edgesim.analysis.equal_cost import at_equal_cost
from edgesim.analysis.intervals import Interval, interval

FILE = "results.csv"
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
ALL = "all"
BANDS = {"high": HIGH, "low": LOW}
BOUNDS = (-100.0, 100.0)
RATIO, COST = "ratio", "cost"
OTHER_SET = "the other detector's set"
By = dict[int, float]
"""seed -> value"""


def trials(folder: Path, every: Iterable[Point] | None = None) -> pd.DataFrame:
    """The trials of all finished points, with `data kind model`; empty where there is none."""
    parts = []
    for point in points() if every is None else every:
        found = ada_records.read(folder, point)
        if found is not None:
            own = found.assign(data=point.data, kind=point.kind, model=point.model)
            own.attrs = {}
            parts.append(own[own["status"] == "ok"])
    if not parts:
        return pd.DataFrame()
    # Full training is in both halves of a data set; it is one trial.
    key = ["data", "kind", "seed", "device", "method", "keep_ratio"]
    return pd.concat(parts, ignore_index=True).drop_duplicates(key, ignore_index=True)


def write(folder: Path) -> None:
    """Write results.csv."""
    results(trials(folder)).to_csv(folder / FILE, index=False, float_format="%.5g")


def read(folder: Path) -> pd.DataFrame:
    """results.csv."""
    return pd.read_csv(folder / FILE, dtype={"ratios": str}, keep_default_na=False, na_values=[""])


def results(table: pd.DataFrame) -> pd.DataFrame:
    """All rows.

    Args:
        table: of `trials`.
    """
    rows: list[dict[str, Any]] = []
    if len(table):
        for part in (_compared, _ranked, _variants, _crossed, _transferred, _detected):
            rows += part(table)
    return pd.DataFrame(rows, columns=COLUMNS)


def by_seed(table: pd.DataFrame, method: str, ratios: Sequence[float], column: str = ada_records.VALUE) -> By:
    """Mean over the ratios of one method, in points, of the seeds that have all of them."""
    own = table[(table["method"] == method) & table[column].notna()]
    own = own[np.isclose(own["keep_ratio"].to_numpy()[:, None], list(ratios)).any(axis=1)]
    groups = own.groupby("seed")
    means = groups[column].mean()[groups["keep_ratio"].nunique() == len(ratios)]
    return {int(str(seed)): 100 * float(value) for seed, value in means.items()}


def difference(a: By, b: By) -> By:
    """a - b of the seeds that both have."""
    return {seed: a[seed] - b[seed] for seed in a if seed in b}


def cost_gaps(table: pd.DataFrame, method: str, ratios: Sequence[float]) -> By:
    """Mean gap to random at equal total emulated energy, in points; beyond full training's energy, to full training."""
    if method == RANDOM:
        return dict.fromkeys(by_seed(table, RANDOM, ratios), 0.0)
    found = at_equal_cost(table.assign(test_accuracy=table[ada_records.VALUE]), method, RANDOM)
    return by_seed(found.assign(**{ada_records.VALUE: found["gap"]}), method, ratios)


def _row(section: str, found: By | np.ndarray, tests: int = 1, **key: Any) -> dict[str, Any]:
    """A row with mean and interval of values by seed, or of a matrix [data sets, seeds]; `tests` decide together."""
    values = np.array([list(found.values()) or [np.nan]]) if isinstance(found, dict) else found
    one = interval(values, BOUNDS, tests) if np.isfinite(values).any() else Interval()
    seeds = int(np.isfinite(values).any(axis=0).sum())
    return {
        "section": section,
        **key,
        "estimate": one.estimate,
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "seeds": seeds,
    }


def _matrix(found: Iterable[By]) -> np.ndarray:
    """[data sets, seeds] of values by seed; data sets without any are left out."""
    listed = [one for one in found if one]
    seeds = sorted({seed for one in listed for seed in one})
    rows = [[one.get(seed, np.nan) for seed in seeds] for one in listed]
    return np.array(rows) if rows else np.full((1, 1), np.nan)


def _band(ratios: Sequence[float]) -> str:
    return ",".join(f"{ratio:g}" for ratio in ratios)


def _compared(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracies, gaps to random and full at equal ratio and cost, by data set and pooled; AdaPruner's price."""
    own = table[table["kind"] == COMPARE]
    by_data = {data: own[own["data"] == data] for data in DATA if (own["data"] == data).any()}
    for data, part in by_data.items():
        yield _row(
            "accuracy", by_seed(part, FULL, [1.0]), data=data, model=part["model"].iloc[0], method=FULL, ratios="1"
        )
        for method in METHODS:
            for ratio in (*LOW, *HIGH):
                found = by_seed(part, method, [ratio])
                if found:
                    yield _row(
                        "accuracy", found, data=data, model=part["model"].iloc[0], method=method, ratios=f"{ratio:g}"
                    )
    for method in METHODS:
        for ratios in BANDS.values():
            cells = {
                (RANDOM, RATIO): lambda part, m=method, r=ratios: difference(
                    by_seed(part, m, r), by_seed(part, RANDOM, r)
                ),
                (FULL, RATIO): lambda part, m=method, r=ratios: difference(
                    by_seed(part, m, r), by_seed(part, FULL, [1.0])
                ),
                (RANDOM, COST): lambda part, m=method, r=ratios: cost_gaps(part, m, r),
            }
            for (opponent, at), gap in cells.items():
                found = {data: gap(part) for data, part in by_data.items()}
                key = {"method": method, "opponent": opponent, "at": at, "ratios": _band(ratios)}
                for data, values in found.items():
                    if values:
                        yield _row("gap", values, data=data, model=by_data[data]["model"].iloc[0], **key)
                yield _row("gap", _matrix(found.values()), data=ALL, model=ALL, **key)
    for ratio in (*LOW, *HIGH):
        shares = [_energy_shares(part, ratio) for part in by_data.values()]
        yield _row("energy", _matrix(shares), data=ALL, model=ALL, method=ADAPRUNER, opponent=FULL, ratios=f"{ratio:g}")


def _energy_shares(part: pd.DataFrame, ratio: float) -> By:
    """AdaPruner's total energy as a share of full training's, in per cent, start-up of a warm device left out by it."""
    cells = part.set_index(["seed", "method", "keep_ratio"])["device_energy_j"]
    found = {}
    for seed in sorted(set(part["seed"])):
        if (seed, ADAPRUNER, ratio) in cells.index and (seed, FULL, 1.0) in cells.index:
            found[int(seed)] = 100 * float(cells[(seed, ADAPRUNER, ratio)] / cells[(seed, FULL, 1.0)])
    return found


def blocks(table: pd.DataFrame, ratios: Sequence[float], at: str) -> np.ndarray:
    """[blocks, methods] values of the (data set, seed) blocks that have every method at every ratio."""
    own = table[table["kind"] == COMPARE]
    rows = []
    for data in DATA:
        part = own[own["data"] == data]
        if part.empty:
            continue
        found = [by_seed(part, one, ratios) if at == RATIO else cost_gaps(part, one, ratios) for one in METHODS]
        rows += [[one[seed] for one in found] for seed in found[0] if all(seed in one for one in found)]
    return np.array(rows).reshape(-1, len(METHODS))


def _ranked(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean ranks of the methods, Friedman's p and Nemenyi's critical difference."""
    for ratios in BANDS.values():
        for at in (RATIO, COST):
            found = ranks(METHODS, blocks(table, ratios, at))
            key = {"data": ALL, "model": ALL, "at": at, "ratios": _band(ratios), "n": found.blocks}
            for method, mean in zip(METHODS, found.mean, strict=True):
                yield {"section": "rank", "method": method, "estimate": mean, **key}
            yield {"section": "friedman p", "estimate": found.p, **key}
            yield {"section": "nemenyi", "estimate": found.distance if np.isfinite(found.distance) else np.nan, **key}


def _variants(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Forms of AdaPruner: gaps to random and ours at each ratio, distance of the share of open gates, class shares."""
    for kind, forms in ((LETTER, LETTERS), (ABLATION, ABLATIONS)):
        own = table[table["kind"] == kind]
        for data in dict.fromkeys(own["data"]):
            part = own[own["data"] == data]
            cells = (len(forms) - 1) * part.loc[part["method"] == OURS, "keep_ratio"].nunique()
            for label in (form["label"] for form in forms):
                for ratio in sorted(set(part.loc[part["method"] == label, "keep_ratio"])):
                    key = {"data": data, "model": part["model"].iloc[0], "method": label, "ratios": f"{ratio:g}"}
                    value = by_seed(part, label, [ratio])
                    for opponent in (RANDOM, *([OURS] if label != OURS else [])):
                        gap = difference(value, by_seed(part, opponent, [ratio]))
                        yield _row(kind, gap, cells if opponent == OURS else 1, opponent=opponent, **key)
                    share = by_seed(part, label, [ratio], ada_records.THRESHOLD)
                    yield _row(f"{kind} off", {seed: abs(r - 100 * ratio) for seed, r in share.items()}, **key)
                    yield _row(f"{kind} classes", by_seed(part, label, [ratio], ada_records.SPREAD), **key)


def _crossed(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Gaps to random with another network than the one that scored, and with that one at the same ratios."""
    for data in DATA:
        own = table[(table["kind"] == CROSS) & (table["data"] == data)]
        first = table[(table["kind"] == COMPARE) & (table["data"] == data)]
        for method in (name for name in METHODS if name != RANDOM and (own["method"] == name).any()):
            there = set(own.loc[own["method"] == method, "keep_ratio"])
            ratios = [ratio for ratio in HIGH if np.isclose(list(there), ratio).any()]
            for part in (own, first):
                gap = difference(by_seed(part, method, ratios), by_seed(part, RANDOM, ratios))
                if gap:
                    yield _row("cross", gap, data=data, model=part["model"].iloc[0], method=method, opponent=RANDOM,
                               ratios=_band(ratios))  # fmt: skip


def _transferred(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracy on the other data set, and its gaps to random and to full."""
    column = "transfer_test_accuracy"
    own = table[table["kind"] == TRANSFER]
    for data in dict.fromkeys(own["data"]):
        part = own[own["data"] == data]
        key = {"data": data, "model": part["model"].iloc[0]}
        whole = by_seed(part, FULL, [1.0], column)
        yield _row("transfer accuracy", whole, method=FULL, ratios="1", **key)
        for method in (name for name in METHODS if (part["method"] == name).any()):
            found = by_seed(part, method, HIGH, column)
            for opponent, values in ((FULL, whole), (RANDOM, by_seed(part, RANDOM, HIGH, column))):
                if opponent != method:
                    yield _row("transfer", difference(found, values), method=method, opponent=opponent,
                               ratios=_band(HIGH), **key)  # fmt: skip


def _detected(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """mAP at 0.5 of each detector on sets of its own, of the other one, at random, and on all data."""
    sets = {
        "yolov3-tiny": (DETECTION, DETECTION, DETECTION_BACK),
        "fasterrcnn": (DETECTION_CROSS, DETECTION_OTHER, DETECTION_CROSS),
    }
    for model, (base, chosen, other) in sets.items():
        parts = {kind: table[(table["kind"] == kind) & (table["model"] == model)] for kind in (base, chosen, other)}
        at = {FULL: by_seed(parts[base], FULL, [1.0]), RANDOM: by_seed(parts[base], RANDOM, [DETECTED]),
              "its own set": by_seed(parts[chosen], ADAPRUNER, [DETECTED]),
              OTHER_SET: by_seed(parts[other], ADAPRUNER, [DETECTED])}  # fmt: skip
        for method, values in at.items():
            if values:
                key = {"data": "cells", "model": model, "method": method, "ratios": f"{DETECTED:g}"}
                yield _row("detection", values, **key)
                if method != RANDOM:
                    yield _row("detection gap", difference(values, at[RANDOM]), opponent=RANDOM, **key)
