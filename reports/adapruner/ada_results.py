"""results.csv: every number of the page with its interval, from the trials of the finished points.

Points of one data set differ in seeds; a seed's trials are paired. Values are shares of 1 in the trials and points (of
100) here. `ada_stats` gives the intervals: over the seeds of a data set, or of several, which count once each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ada_claims
import ada_forms
import ada_geometry
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
    DETECTION_BACK,
    DETECTION_CROSS,
    DETECTION_OTHER,
    DETECTION_RATIOS,
    HIGH,
    LOW,
    TRANSFER,
    TWICE,
    PaperPoint,
    Point,
    paper_points,
    points,
)
from ada_ranks import ranks
from ada_rows import (
    ADAPRUNER,
    ALL,
    BANDS,
    COLUMNS,
    COST,
    FULL,
    METHODS,
    OTHER_SET,
    OWN_SET,
    PAPER,
    RANDOM,
    RATIO,
    band,
    row,
    told,
)
from ada_stats import AMOUNTS, GAPS, SHARES, TRANSFERRED, Sample, by_seed, cost_gaps, over_data

FILE = "results.csv"


def trials(folder: Path, every: Iterable[Point] | None = None) -> pd.DataFrame:
    """The trials of all finished points, with `data kind model step transfer_step`; empty where there is none."""
    parts = []
    for point in points() if every is None else every:
        found = ada_records.read(folder, point)
        if found is not None:
            own = found.assign(data=point.data, kind=point.kind, model=point.model, **point.steps)
            own.attrs = {}
            parts.append(own[own["status"] == "ok"])
    if not parts:
        return pd.DataFrame()
    # Full training is in both halves of a data set; it is one trial.
    key = ["data", "kind", "seed", "device", "method", "keep_ratio"]
    return pd.concat(parts, ignore_index=True).drop_duplicates(key, ignore_index=True)


def paper_trials(folder: Path) -> list[tuple[PaperPoint, pd.DataFrame]]:
    """The trials of the finished points of the paper's own size."""
    listed = [(point, ada_records.read(folder, point)) for point in paper_points()]
    return [(point, found[found["status"] == "ok"]) for point, found in listed if found is not None]


def write(folder: Path) -> None:
    """Write results.csv."""
    results(trials(folder), paper_trials(folder), ada_geometry.read(folder)).to_csv(
        folder / FILE, index=False, float_format="%.5g"
    )


def read(folder: Path) -> pd.DataFrame:
    """results.csv."""
    return pd.read_csv(folder / FILE, dtype={"ratios": str}, keep_default_na=False, na_values=[""])


def results(
    table: pd.DataFrame,
    papers: Iterable[tuple[PaperPoint, pd.DataFrame]] = (),
    measures: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All rows.

    Args:
        table: of `trials`.
        papers: of `paper_trials`.
        measures: of `ada_geometry.read`; None where there are none.
    """
    rows: list[dict[str, Any]] = []
    if len(table):
        for part in (
            _compared,
            _converged,
            _priced,
            _ranked,
            ada_forms.rows,
            _crossed,
            _transferred,
            _detected,
            ada_claims.rows,
        ):
            rows += part(table)
    if measures is not None:
        rows += [*ada_geometry.rows(measures), *ada_geometry.claim_rows(measures)]
    for point, found in papers:
        rows += _of_paper(point, found)
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_data(table: pd.DataFrame, kind: str = COMPARE) -> dict[str, pd.DataFrame]:
    """Data set -> its trials of one kind, in the order of DATA."""
    own = table[table["kind"] == kind]
    return {data: own[own["data"] == data] for data in DATA if (own["data"] == data).any()}


def _compared(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracies, and gaps to random and full at equal ratio and cost, by data set and over data sets."""
    by_data = _of_data(table)
    models = {data: part["model"].iloc[0] for data, part in by_data.items()}
    for data, part in by_data.items():
        key = {"data": data, "model": models[data]}
        yield row("accuracy", by_seed(part, FULL, [1.0]), SHARES, method=FULL, ratios="1", **key)
        for method in METHODS:
            for ratio in (*LOW, *HIGH):
                found = by_seed(part, method, [ratio])
                if found.by:
                    yield row("accuracy", found, SHARES, method=method, ratios=f"{ratio:g}", **key)
    for method in METHODS:
        for ratios in BANDS.values():
            own = {data: by_seed(part, method, ratios) for data, part in by_data.items()}
            found: dict[tuple[str, str], dict[str, Sample]] = {
                (RANDOM, RATIO): {d: own[d].minus(by_seed(part, RANDOM, ratios)) for d, part in by_data.items()},
                (FULL, RATIO): {d: own[d].minus(by_seed(part, FULL, [1.0])) for d, part in by_data.items()},
                (RANDOM, COST): {d: cost_gaps(part, method, RANDOM, ratios) for d, part in by_data.items()},
            }
            for (opponent, at), gaps in found.items():
                key = {"method": method, "opponent": opponent, "at": at, "ratios": band(ratios)}
                for data, values in gaps.items():
                    if values.by:
                        yield row("gap", values, data=data, model=models[data], **key)
                yield told("gap", over_data(gaps.values(), GAPS), data=ALL, model=ALL, **key)


def _converged(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What twice the epochs add to full training's accuracy."""
    once = _of_data(table)
    for data, part in _of_data(table, TWICE).items():
        if data in once:
            gain = by_seed(part, FULL, [1.0]).minus(by_seed(once[data], FULL, [1.0]))
            yield row(TWICE, gain, data=data, model=part["model"].iloc[0], method=FULL, ratios="1")


def _priced(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """AdaPruner's total energy, its cheapest trial's, and its pruning phase's, in % of full training's."""
    for data, part in _of_data(table).items():
        key = {"data": data, "model": part["model"].iloc[0], "method": ADAPRUNER, "opponent": FULL}
        for section, column in (("energy", "device_energy_j"), ("phase", "device_score_energy_j")):
            for ratio in (*LOW, *HIGH):
                shares = energy_shares(part, ratio, column)
                if shares.by:
                    yield row(section, shares, AMOUNTS, ratios=f"{ratio:g}", **key)
                if shares.by and section == "energy":
                    least = min(shares.by.values())
                    yield {"section": "least energy", "estimate": least, "ratios": f"{ratio:g}", **key}


def energy_shares(part: pd.DataFrame, ratio: float, column: str = "device_energy_j") -> Sample:
    """An energy of AdaPruner as a share of full training's total, in per cent; without grid."""
    if column not in part:
        return Sample({})
    own, whole = (
        part[(part["method"] == method) & np.isclose(part["keep_ratio"], at)].set_index("seed")
        for method, at in ((ADAPRUNER, ratio), (FULL, 1.0))
    )
    shares = (100 * own[column] / whole["device_energy_j"]).dropna()
    return Sample({int(str(seed)): float(value) for seed, value in shares.items()})


def blocks(table: pd.DataFrame, ratios: tuple[float, ...], at: str) -> tuple[np.ndarray, list[int]]:
    """([data sets, methods] means over the seeds that have every method at every ratio, number of these seeds)."""
    rows, counts = [], []
    for part in _of_data(table).values():
        found = [by_seed(part, one, ratios) if at == RATIO else cost_gaps(part, one, RANDOM, ratios) for one in METHODS]
        seeds = set.intersection(*(set(one.by) for one in found))
        if seeds:
            rows.append([one.only(seeds).mean for one in found])
            counts.append(len(seeds))
    return np.array(rows).reshape(-1, len(METHODS)), counts


def _ranked(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean ranks of the methods, Friedman's p and Nemenyi's critical difference; a data set is a block."""
    for ratios in BANDS.values():
        for at in (RATIO, COST):
            values, counts = blocks(table, ratios, at)
            found = ranks(METHODS, values)
            key = {"data": ALL, "model": ALL, "at": at, "ratios": band(ratios), "n": found.blocks,
                   "seeds": min(counts, default=0)}  # fmt: skip
            for method, mean in zip(METHODS, found.mean, strict=True):
                yield {"section": "rank", "method": method, "estimate": mean, **key}
            yield {"section": "friedman p", "estimate": found.p, **key}
            yield {"section": "nemenyi", "estimate": found.distance if np.isfinite(found.distance) else np.nan, **key}


def _crossed(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Gaps to random with the other network and with the one that scored, in the same seeds; their difference."""
    compared = _of_data(table)
    for data, own in _of_data(table, CROSS).items():
        first = compared.get(data, table.iloc[:0])
        for method in (name for name in METHODS if name != RANDOM and (own["method"] == name).any()):
            there = own.loc[own["method"] == method, "keep_ratio"].unique()
            for every in BANDS.values():
                ratios = [ratio for ratio in every if np.isclose(there, ratio).any()]
                if not ratios:
                    continue
                gaps = [by_seed(part, method, ratios).minus(by_seed(part, RANDOM, ratios)) for part in (own, first)]
                other, chooser = (one.only(set(gaps[0].by) & set(gaps[1].by)) for one in gaps)
                if not other.by:
                    continue
                key = {"data": data, "method": method, "ratios": band(ratios)}
                model, scorer = own["model"].iloc[0], first["model"].iloc[0]
                yield row("cross", other, model=model, opponent=RANDOM, **key)
                yield row("cross", chooser, model=scorer, opponent=RANDOM, **key)
                yield row("cross difference", other.minus(chooser), model=model, opponent=scorer, **key)


def _transferred(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracy on the other data set, its gaps to random and to full, and the price of the fine-tuning."""
    own = table[table["kind"] == TRANSFER]
    for data in dict.fromkeys(own["data"]):
        part = own[own["data"] == data]
        key = {"data": data, "model": part["model"].iloc[0]}
        whole = by_seed(part, FULL, [1.0], TRANSFERRED)
        yield row("transfer accuracy", whole, SHARES, method=FULL, ratios="1", **key)
        for section, column in (("transfer s", "transfer_device_time_s"), ("transfer J", "transfer_device_energy_j")):
            if column in part:
                # by_seed gives hundreds of a unit
                price = part.assign(**{column: part[column] / 100})
                yield row(section, by_seed(price, FULL, [1.0], column), AMOUNTS, method=FULL, ratios="1", **key)
        for method in (name for name in METHODS if (part["method"] == name).any()):
            found = by_seed(part, method, HIGH, TRANSFERRED)
            for opponent, values in ((FULL, whole), (RANDOM, by_seed(part, RANDOM, HIGH, TRANSFERRED))):
                if opponent != method:
                    yield row(
                        "transfer", found.minus(values), method=method, opponent=opponent, ratios=band(HIGH), **key
                    )


def _detected(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """mAP at 0.5 of each detector on sets of its own, of the other one, by importance, at random, and on all data."""
    kinds = {
        "yolov3-tiny": (DETECTION, DETECTION, DETECTION_BACK),
        "fasterrcnn": (DETECTION_CROSS, DETECTION_OTHER, DETECTION_CROSS),
    }
    for model, own in kinds.items():
        base, chosen, other = (table[(table["kind"] == kind) & (table["model"] == model)] for kind in own)
        for ratio in DETECTION_RATIOS:
            at = {RANDOM: by_seed(base, RANDOM, [ratio]), "importance": by_seed(base, "importance", [ratio]),
                  OWN_SET: by_seed(chosen, ADAPRUNER, [ratio]),
                  OTHER_SET: by_seed(other, ADAPRUNER, [ratio]) if ratio == DETECTED else Sample({})}  # fmt: skip
            at = {FULL: by_seed(base, FULL, [1.0]) if at[RANDOM].by else Sample({}), **at}
            key = {"data": "cells", "model": model, "ratios": f"{ratio:g}"}
            for method, values in at.items():
                if values.by:
                    yield row("detection", values, SHARES, method=method, **key)
                    if method != RANDOM and at[RANDOM].by:
                        yield row("detection gap", values.minus(at[RANDOM]), method=method, opponent=RANDOM, **key)


def _of_paper(point: PaperPoint, found: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """AdaPruner's forms in a point of the paper's size: gaps at each keep ratio and over all, accuracy, transfer."""
    forms = [one for one in dict.fromkeys(found["method"]) if one in (ADAPRUNER, *ada_forms.KINDS[ABLATION])]
    for method in forms:
        key = {"data": point.name, "model": point.network, "method": method}
        every = sorted(set(found.loc[found["method"] == method, "keep_ratio"]))
        for at, ratios in (*((RATIO, [one]) for one in every), (ALL, every)):
            own = by_seed(found, method, ratios)
            for opponent, theirs in ((RANDOM, ratios), (FULL, [1.0])):
                gap = own.minus(by_seed(found, opponent, theirs)) if own.by else own
                if gap.by:
                    yield row(PAPER, gap, opponent=opponent, at=at, ratios=band(ratios), **key)
        for section, column in ((f"{PAPER} accuracy", ada_records.VALUE), (f"{PAPER} transfer", TRANSFERRED)):
            accuracy = by_seed(found, method, every, column) if column in found else Sample({})
            if accuracy.by:
                yield row(section, accuracy, SHARES, at=ALL, ratios=band(every), **key)
