"""Records grouped by method and keep ratio, and the trials of a group as a matrix of devices and seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgesim.formatting import n_of, ranges
from edgesim.results import text_columns
from edgesim.results.grouped_ratios import with_rounded_ratios
from edgesim.results.table_columns import record_columns
from edgesim.work import FloatArray, IntArray

FULL = "full"
RANDOM = "random"
FEWER_EPOCHS, RS2 = "fewer-epochs", "rs2"
OPPONENTS = (RANDOM, FEWER_EPOCHS, RS2)
"""baselines without scores: a static random subset, all data in fewer epochs, a new random subset every epoch"""
KEYS = ["seed", "device"]
NUMBER = r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"


@dataclass(frozen=True)
class AnalysisResult:
    """A table, and sentences on what is missing."""

    table: pd.DataFrame
    """with all its columns, also where it has no rows"""
    missing: tuple[str, ...] = ()
    """sentences on missing results and their reasons; empty where nothing is missing"""


def result(rows: Iterable[object], columns: list[str], missing: str | tuple[str, ...] = ()) -> AnalysisResult:
    """AnalysisResult of rows; empty sentences are left out."""
    sentences = (missing,) if isinstance(missing, str) else missing
    return AnalysisResult(
        pd.DataFrame(list(rows), columns=columns), tuple(sentence for sentence in sentences if sentence)
    )


def complete(records: pd.DataFrame) -> pd.DataFrame:
    """Records with every column of their task; a column that is not given is NaN. Texts are objects."""
    absent = [name for name in record_columns(records) if name not in records]
    known = records.reindex(columns=[*records.columns, *absent]) if absent else records
    return with_rounded_ratios(text_columns.as_objects(known))


def ok(records: pd.DataFrame) -> pd.DataFrame:
    """The trials that ended well."""
    return with_rounded_ratios(rows_where(records, (records["status"] == "ok").to_numpy(dtype=bool)))


def rows_where(table: pd.DataFrame, wanted: np.ndarray) -> pd.DataFrame:
    """Rows of a table; where all are wanted, they are not copied."""
    return table.copy(deep=False) if wanted.all() else table[wanted]


def in_stack(records: pd.DataFrame) -> pd.Series:
    """True for trials trained in a stack: their host time is a share of the stack's, whatever their keep ratio."""
    return records["host_stack_size"] > 0


def groups(table: pd.DataFrame) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """(method, keep_ratio, its rows): methods by first appearance, ratios ascending, unknown last."""
    order = {method: place for place, method in enumerate(dict.fromkeys(table["method"]))}
    by_cell = with_rounded_ratios(table).groupby(["method", "keep_ratio"], dropna=False)
    cells = [(str(key[0]), float(str(key[1])), part) for key, part in by_cell]
    yield from sorted(cells, key=lambda cell: (order[cell[0]], np.isnan(cell[1]), cell[1]))


def device_by_seed(table: pd.DataFrame, column: str) -> FloatArray:
    """Values of one method and ratio as a matrix [devices, seeds], NaN where a trial is missing.

    Devices and seeds without any value are left out.
    """
    found = table[column].to_numpy(dtype=np.float64)
    known = ~np.isnan(found)
    devices, rows = np.unique(table["device"].to_numpy()[known], return_inverse=True)
    seeds, columns = np.unique(table["seed"].to_numpy()[known], return_inverse=True)
    values = np.full((len(devices), len(seeds)), np.nan)
    values[rows, columns] = found[known]
    return values


def cell_keys(table: pd.DataFrame) -> pd.Series:
    """Name of each trial's cell within its method: the rule that chose its ratio, or the ratio.

    Under a rule every device and method has a ratio of its own, so that pairs go by the rule: "at equal budget". Ratios
    that differ in the last bit are one.
    """
    values = table["keep_ratio"].to_numpy(dtype=np.float64)
    text = {value: f"{value:.9g}" for value in np.unique(values).tolist()}
    keys = np.array([text.get(value, "nan") for value in values.tolist()], dtype=object)
    if "ratio_rule" in table:
        rule = table["ratio_rule"].fillna("").to_numpy(dtype=object)
        keys = np.where(rule == "", keys, rule)
    return pd.Series(keys, index=table.index, dtype=object)


def is_ruled(table: pd.DataFrame) -> bool:
    """True where a rule chose the ratios of some trials."""
    return "ratio_rule" in table and bool((table["ratio_rule"].fillna("") != "").any())


def comparison_basis(table: pd.DataFrame) -> str:
    """Basis on which methods are compared: "equal keep ratio", or "equal budget" where a rule chose the ratios."""
    return "equal budget" if is_ruled(table) else "equal keep ratio"


def paired(records: pd.DataFrame, baseline: str, column: str) -> pd.DataFrame:
    """Trials beside the baseline's trial of the same seed and device, and of the same cell but for `full`.

    Args:
        records: one row per trial; those that did not end well are left out.
        baseline: FULL or RANDOM, or another method that has the same keep ratios (or rule).
        column: the quantity compared.

    Returns: the rows of `records` with a partner, with `base` (the partner's value), `base_keep_ratio` and `difference`
        (value minus base) added. Neither the baseline nor `full` is in it: `full` is no choice of a subset.
    """
    good = ok(records)
    method = good["method"].to_numpy(dtype=object)
    base, others = good[method == baseline], good[(method != baseline) & (method != FULL)]
    cells = () if baseline == FULL else (cell_keys(base), cell_keys(others))
    place = partner_rows(others, base, *cells)
    ratio, value = (np.append(base[name].to_numpy(dtype=np.float64), np.nan)[place] for name in ("keep_ratio", column))
    difference = others[column].to_numpy(dtype=np.float64) - value
    table = others.assign(base_keep_ratio=ratio, base=value, difference=difference)
    return rows_where(table, ~np.isnan(difference)).reset_index(drop=True)


def partner_rows(
    table: pd.DataFrame, base: pd.DataFrame, base_cells: Collection[object] = (), cells: Collection[object] = ()
) -> IntArray:
    """Row of `base` with the same seed and device as each row of a table, -1 where there is none.

    Found by position: a merge would copy all columns of a wide table.

    Args:
        table, base: one row per trial.
        base_cells, cells: what has to agree beside seed and device, per row of each; empty = nothing.

    Raises:
        ValueError: two rows of `base` are of one seed and device (and cell).
    """
    rows = {key: row for row, key in enumerate(_keys(base, base_cells))}
    if len(rows) < len(base):
        raise ValueError("two trials of the baseline have the same seed, device and keep ratio")
    return np.array([rows.get(key, -1) for key in _keys(table, cells)], dtype=np.int64)


def _keys(table: pd.DataFrame, cells: Collection[object]) -> Iterator[tuple[object, ...]]:
    """(seed, device) of each row, and its cell where cells are given."""
    return zip(*(table[name].tolist() for name in KEYS), *([cells] if len(cells) else []), strict=True)


def below_full(table: pd.DataFrame) -> pd.DataFrame:
    """The trials that leave out a sample or more of full training."""
    return table[table["keep_ratio"] < 1 - 1e-9]


def everywhere(good: pd.DataFrame) -> pd.DataFrame:
    """The trials of those (seed, device) pairs that have every method and keep ratio of the table.

    Where devices drop out at large ratios, means per ratio would be over different devices. Over these pairs they are
    over the same devices. Empty where no pair has them all.

    Args:
        good: trials that ended well.
    """
    if good.empty:
        return good
    cell, cells = _numbered(_numbered(good["method"])[0], _numbered(cell_keys(good))[0])
    pair, pairs = _numbered(*(good[name] for name in KEYS))
    has = np.bincount(np.unique(pair * cells + cell) // cells, minlength=pairs)
    return rows_where(good, (has == cells)[pair])


def _numbered(first: pd.Series | IntArray, second: pd.Series | IntArray | None = None) -> tuple[IntArray, int]:
    """Number of each row's value, or pair of values, from 0, and how many there are."""
    codes, values = pd.factorize(first, use_na_sentinel=False)
    if second is None:
        return codes, len(values)
    others, more = pd.factorize(second, use_na_sentinel=False)
    codes, values = pd.factorize(codes.astype(np.int64) * len(more) + others)
    return codes, len(values)


def everywhere_by_method(good: pd.DataFrame) -> pd.DataFrame:
    """Trials of the pairs that have all keep ratios of a method, for every method by itself."""
    parts = [everywhere(part) for _, part in good.groupby("method", sort=False)]
    return pd.concat(parts).sort_index() if parts else good


def comparable(good: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The trials whose means across methods and keep ratios are of the same devices, and sentences on the others.

    They are of the (seed, device) pairs that finish every method and keep ratio; where no pair does, of those that
    finish every ratio of a method, for each method by itself.

    Args:
        good: trials that ended well, or rows of their curves.

    Returns: the trials, empty where no method has such a pair; and sentences on the pairs left out.
    """
    same = everywhere(good)
    if len(same) or good.empty:
        return same, dropped(good, same)
    own = everywhere_by_method(good)
    if own.empty:
        return own, ("No (seed, device) pair finishes at every keep ratio of a method, so means across keep ratios "
                     "do not compare.",)  # fmt: skip
    return own, ("No (seed, device) pair finishes every method and keep ratio. Each method is over its own pairs, so "
                 "methods are over different devices.",)  # fmt: skip


def own_ratio(table: pd.DataFrame) -> pd.Series:
    """Keep ratio of every single trial: under a rule `keep_ratio` is the method's mean (`grouped_ratios.by_rule`)."""
    if "own_keep_ratio" not in table:
        return table["keep_ratio"]
    return table["own_keep_ratio"].fillna(table["keep_ratio"])


def dropped(good: pd.DataFrame, kept: pd.DataFrame) -> tuple[str, ...]:
    """Sentence on the (seed, device) pairs that a comparison across ratios leaves out; empty without such pairs.

    Args:
        good: trials that ended well.
        kept: those of them that are compared (`everywhere`).
    """
    if len(kept) == len(good):
        return ()
    names = [*KEYS, *(["profile"] if "profile" in good else [])]
    pairs, there = (table[names].drop_duplicates(KEYS) for table in (good, kept))
    lost = pairs[~pd.MultiIndex.from_frame(pairs[KEYS]).isin(pd.MultiIndex.from_frame(there[KEYS]))]
    if lost.empty:
        return ()
    profiles = f" ({', '.join(dict.fromkeys(lost['profile'].astype(str)))})" if "profile" in lost else ""
    many = "devices" if lost["device"].nunique() > 1 else "device"
    never = sorted(set(lost["device"]) - set(there["device"]))
    where = "" if len(never) == lost["device"].nunique() else " in some seeds"
    return (
        f"Means across keep ratios are over the {len(there)} of {n_of(len(pairs), '(seed, device) pair')} that "
        f"{'finishes' if len(there) == 1 else 'finish'} all of them. "
        f"Left out{where}: {many} {ranges(lost['device'])}{profiles}.",
    )


def methods_of(records: pd.DataFrame) -> list[str]:
    """Methods that select samples by more than chance, by first appearance."""
    return [str(name) for name in dict.fromkeys(records["method"]) if name != FULL and name not in OPPONENTS]


def mean(column: pd.Series) -> float:
    """The mean of the known values; NaN where there is none."""
    values = column.to_numpy(dtype=np.float64)
    unknown = np.isnan(values)
    count = len(values) - int(unknown.sum())
    return float(np.where(unknown, 0.0, values).sum() / count) if count else np.nan


def weighted_mean(values: pd.Series, weights: pd.Series) -> float:
    """The mean of the known values, weighted; NaN where there is none, or no weight."""
    known = values.notna() & (weights > 0)
    total = float(weights[known].sum())
    return float((values[known] * weights[known]).sum()) / total if total > 0 else np.nan


def kinds(reasons: pd.Series) -> pd.Series:
    """Reasons with their numbers replaced, so that equal kinds match: 'needs 31.7 J' and 'needs 32.1 J'."""
    return reasons.fillna("").astype(str).str.replace(NUMBER, "#", regex=True)


def one_of(reasons: pd.Series) -> str:
    """First of several reasons of one kind, and the number of others."""
    different = list(dict.fromkeys(reasons.fillna("").astype(str)))
    others = len(different) - 1
    return different[0] + (f" (and {others} more that differ in their numbers)" if others else "")
