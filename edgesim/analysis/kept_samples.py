"""Kept samples: overlap of the methods' subsets, distribution of scores, most and least important samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import (
    FULL,
    KEYS,
    RANDOM,
    AnalysisResult,
    cell_keys,
    complete,
    device_by_seed,
    ok,
    result,
)
from edgesim.analysis.intervals import interval
from edgesim.formatting import listed, number
from edgesim.ranked_samples import PER_END, ends_of_classes
from edgesim.results.grouped_ratios import with_rounded_ratios
from edgesim.work import FloatArray

OVERLAP_COLUMNS = ["method_a", "method_b", "keep_ratio", "trials", "jaccard", "jaccard_low", "jaccard_high", "chance"]
HISTOGRAM_COLUMNS = ["method", "bin_low", "bin_high", "samples", "share"]
EXTREME_COLUMNS = ["method", "label", "end", "rank", "index", "score"]
TRACE_COLUMNS = ["method", "keep_ratio", "epoch", "quantity", "trials", "value", "low", "high"]
NO_SCORES = (
    "The run holds no scores of whole shards (pruning.keep_scores is off, or no method gives any), so their "
    "distribution is unknown."
)


def dynamic_methods(records: pd.DataFrame) -> list[str]:
    """Dynamic methods: they choose while they train, from all samples of a shard, and keep no subset."""
    moving = complete(records)["dynamic"].eq(True)
    return [str(name) for name in dict.fromkeys(records.loc[moving, "method"])]


def overlap(selections: pd.DataFrame, records: pd.DataFrame) -> AnalysisResult:
    """Jaccard overlap of the subsets of every two methods in one cell: same seed, same device, same ratio or rule.

    Args:
        selections: seed device method keep_ratio index.
        records: of the same trials, for their shard sizes and rules.

    Returns: OVERLAP_COLUMNS. `keep_ratio` is the mean of both methods'; `jaccard` is shared / in either, the mean over
        trials with its 95 % interval; `chance` is what two random subsets of the same sizes share: with shares a and b
        of the shard a b / (a + b - a b), the mean over trials. `full` is left out.
    """
    if selections.empty or records.empty:
        return result([], OVERLAP_COLUMNS, "No trial has a subset yet.")
    keys = [*KEYS, "method", "keep_ratio"]
    records, selections = with_rounded_ratios(records), with_rounded_ratios(selections)
    about = records.assign(cell=cell_keys(records))[[*keys, "cell", "shard_size"]].drop_duplicates(keys)
    if records.empty or selections.empty:  # columns of no rows have no common types to merge on
        return result([], OVERLAP_COLUMNS, "No two methods chose at the same keep ratio.")
    chosen = selections[selections["method"] != FULL][[*keys, "index"]].merge(about, on=keys)
    codes, order = pd.factorize(chosen["method"])
    found: dict[Any, list[Any]] = {}
    cells: dict[Any, Any] = chosen.groupby([*KEYS, "cell"]).indices
    index, held, ratio = (chosen[name].to_numpy() for name in ("index", "shard_size", "keep_ratio"))
    for (seed, device, cell), at in sorted(cells.items()):
        present, first, rows = np.unique(codes[at], return_index=True, return_inverse=True)
        samples, columns = np.unique(index[at], return_inverse=True)
        kept = np.zeros((len(present), len(samples)), dtype=np.float32)
        kept[rows, columns] = 1.0
        shared = kept @ kept.T
        sizes = shared.diagonal()
        overlaps = shared / (sizes[:, None] + sizes[None, :] - shared)
        shares = sizes / (float(held[at[0]]) or np.nan)
        ratios = ratio[at][first]
        for a, b in zip(*np.triu_indices(len(present), 1), strict=True):
            both = float(shares[a] * shares[b])
            chance = both / (float(shares[a] + shares[b]) - both)
            trial = (seed, device, float(overlaps[a, b]), chance, float(ratios[a] + ratios[b]) / 2)
            found.setdefault((present[a], present[b], cell), []).append(trial)
    found_rows = []
    for (first_code, second_code, _), trials in found.items():
        table = pd.DataFrame(trials, columns=["seed", "device", "jaccard", "chance", "keep_ratio"])
        one = interval(device_by_seed(table, "jaccard"), (0.0, 1.0))
        means = (float(table["keep_ratio"].mean()), len(trials), *one[:3], float(table["chance"].mean()))
        found_rows.append((order[first_code], order[second_code], *means))
    place = {name: position for position, name in enumerate(order)}
    found_rows.sort(key=lambda row: (place[row[0]], place[row[1]], row[2]))
    return result(found_rows, OVERLAP_COLUMNS, "" if found_rows else "No two methods chose at the same keep ratio.")


def score_histogram(scores: pd.DataFrame, bins: int = 40) -> AnalysisResult:
    """Histogram of each method's scores over all its devices and seeds, in `bins` equal steps.

    Returns: HISTOGRAM_COLUMNS; scores that are not finite are left out.
    """
    rows = []
    scores = _scored(scores)
    for method in dict.fromkeys(scores["method"]):
        values = _finite(scores.loc[scores["method"] == method, "score"])
        if len(values):
            counts, edges = np.histogram(values, bins=bins if values.min() < values.max() else 1)
            for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
                rows.append((method, float(low), float(high), int(count), count / len(values)))
    return result(rows, HISTOGRAM_COLUMNS, "" if rows else NO_SCORES)


def extremes(
    scores: pd.DataFrame, shards: pd.DataFrame, seed: int | None = None, device: int | None = None, count: int = PER_END
) -> AnalysisResult:
    """Most and least important samples of each class by a method, on one device, from the scores of a run.

    For run folders without the table of the same name, which has pictures and needs no scores of all devices.

    Args:
        scores: seed device method keep_ratio index score.
        shards: seed device index label; without it all samples count as one class, label -1.
        seed, device: which device; None = the first that has scores.
        count: samples per class and end.

    Returns: EXTREME_COLUMNS; `end` is "most" or "least", `rank` starts at 1, `index` counts in the training set.
        A class with fewer than two `count` samples has all of them once, in the nearer end.
    """
    scores = _scored(scores)
    if scores.empty:
        return result([], EXTREME_COLUMNS, NO_SCORES)
    seed = int(scores["seed"].iloc[0]) if seed is None else seed
    device = int(scores.loc[scores["seed"] == seed, "device"].iloc[0]) if device is None else device
    here = scores[(scores["seed"] == seed) & (scores["device"] == device)]
    if here.empty:
        return result([], EXTREME_COLUMNS, f"Device {device} has no scores in seed {seed}.")
    missing = ""
    if shards.empty:
        here, missing = here.assign(label=-1), "The run folder has no labels, so all samples are ranked together."
    else:
        here = here.merge(shards[["seed", "device", "index", "label"]], on=["seed", "device", "index"])
    rows = []
    for method in dict.fromkeys(here["method"]):
        own = here[here["method"] == method]
        own = own[own["keep_ratio"].isna()] if own["keep_ratio"].isna().any() else own.drop_duplicates("index")
        own = own.sort_values("index", kind="stable")
        index, score, label = own["index"].to_numpy(), own["score"].to_numpy(dtype=np.float64), own["label"].to_numpy()
        ends = ends_of_classes(score, label, count)
        for at, of_class, most, rank in zip(ends.positions, ends.labels, ends.most, ends.ranks, strict=True):
            rows.append((method, of_class, "most" if most else "least", rank, int(index[at]), float(score[at])))
    return result(rows, EXTREME_COLUMNS, missing)


def kept_at(samples: pd.DataFrame, selections: pd.DataFrame) -> pd.Series:
    """Keep ratios at which each sample is in its method's subset, as text: "0.3, 0.5"; empty for none.

    Args:
        samples: seed device method index, one row per sample.
        selections: seed device method keep_ratio index.
    """
    keys = ["seed", "device", "method", "index"]
    if samples.empty or selections.empty:
        return pd.Series("", index=samples.index, dtype=object)
    selections, asked = with_rounded_ratios(selections), samples[keys].drop_duplicates()
    here = selections["device"].isin(asked["device"]) & selections["seed"].isin(asked["seed"])  # few of very many rows
    found = selections[here].merge(asked, on=keys)[[*keys, "keep_ratio"]].drop_duplicates().sort_values("keep_ratio")
    texts: dict[Any, str] = {}
    for key, ratio in zip(found[keys].itertuples(index=False, name=None), found["keep_ratio"], strict=True):
        texts[key] = f"{texts[key]}, {number(ratio)}" if key in texts else number(ratio)
    mine = [texts.get(key, "") for key in samples[keys].itertuples(index=False, name=None)]
    return pd.Series(mine, index=samples.index, dtype=object)


def methods_without_extremes(records: pd.DataFrame, samples: pd.DataFrame, device: int, seed: int) -> list[str]:
    """Sentences on methods without samples to show on the device shown, and their reasons.

    Args:
        records: one row per trial.
        samples: the run's table `extremes`.
        device, seed: whose samples are shown.
    """
    absent = [name for name in dict.fromkeys(records["method"]) if name != FULL and name not in set(samples["method"])]
    here = ok(records[(records["device"] == device) & (records["seed"] == seed)])
    ended = set(here["method"])
    unranked = [name for name in absent if name in ended]
    lost = [name for name in absent if name not in ended]
    sentences = []
    if unranked:
        do, they, have = ("does", "it", "has") if len(unranked) == 1 else ("do", "they", "have")
        sentences.append(f"{listed(unranked)} {do} not rank samples, so {they} {have} no pictures.")
    if lost:
        have = "has" if len(lost) == 1 else "have"
        sentences.append(f"{listed(lost)} {have} no trial on device {device} that ended well, so no samples are shown.")
    return sentences


def trace_means(traces: pd.DataFrame) -> AnalysisResult:
    """Quantities that methods recorded of their own training, such as AdaPruner's loss and kept share per epoch.

    Args:
        traces: seed device method keep_ratio epoch quantity value.

    Returns: TRACE_COLUMNS: means over devices and seeds with 95 % intervals.
    """
    rows = []
    for key, part in with_rounded_ratios(traces).groupby(["method", "keep_ratio", "quantity", "epoch"], sort=False):
        method, ratio, quantity, epoch = key
        found = interval(device_by_seed(part, "value"))
        rows.append((method, ratio, epoch, quantity, len(part), *found[:3]))
    rows.sort(key=lambda row: (row[0], row[1], row[3], row[2]))
    return result(rows, TRACE_COLUMNS, "" if rows else "No method of this run records a training of its own.")


def _scored(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores that rank samples; those of `random` are its draw, those of `full` are all equal."""
    return scores[~scores["method"].isin([FULL, RANDOM])]


def _finite(values: pd.Series) -> FloatArray:
    array = values.to_numpy(dtype=np.float64)
    return np.asarray(array[np.isfinite(array)])
