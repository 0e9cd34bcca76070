"""Closed-form price, emulated price and the host's clock: their differences, and the causes of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, AnalysisResult, complete, in_stack, ok, partner_rows, result

PRICE_COLUMNS = [
    "device", "profile", "method", "keep_ratio", "trials", "analytic_time_s", "device_time_s", "host_wall_s",
    "time_factor", "analytic_energy_j", "device_energy_j", "energy_factor", "analytic_relative", "device_relative",
    "host_relative",
]  # fmt: skip
DEVICE_PRICE_COLUMNS = [
    "device", "profile", "trials", "analytic_time_s", "device_time_s", "host_wall_s", "time_factor",
    "analytic_energy_j", "device_energy_j", "energy_factor", "analytic_error", "device_error",
]  # fmt: skip
SOURCE_COLUMNS = [
    "device", "profile", "trials", "analytic_time_s", "device_time_s", "gap_s", "rate_s", "steps_s", "partial_s",
    "score_s", "wait_s", "throttled_s", "rest_s", "step_overhead_s", "r2",
]  # fmt: skip
PARTS = ("rate_s", "steps_s", "score_s", "wait_s", "throttled_s", "rest_s")
"""the parts of `gap_s`; `partial_s` is a part of `steps_s`"""


def compare_prices(records: pd.DataFrame) -> AnalysisResult:
    """Prices of every device, method and keep_ratio side by side, means over seeds.

    Returns: PRICE_COLUMNS. `*_factor` is emulated / analytic. `*_relative` is the training time / that of `full` on
        the same device and seed, by each price and by the host's clock. The three compare, although the host is
        another machine. NaN without `full`, and by the host's clock where either was trained in a stack.
    """
    good = ok(complete(records))
    good = good.assign(host_train_wall_s=good["host_train_wall_s"].mask(in_stack(good)))
    kinds = {"analytic": "analytic_train_time_s", "device": "device_train_time_s", "host": "host_train_wall_s"}
    full = good[good["method"] == FULL]
    partner = partner_rows(good, full)
    relative: dict[str, pd.Series] = {}
    for name, column in kinds.items():
        whole = np.append(full[column].to_numpy(dtype=np.float64), np.nan)[partner]
        relative[f"{name}_relative"] = good[column] / np.where(whole > 0, whole, np.nan)
    good = good.assign(**relative)
    keys = ["device", "profile", "method", "keep_ratio"]
    found = good.groupby(keys, sort=False)
    names = [name for name in PRICE_COLUMNS if name in good.columns and name not in keys]
    table = found[names].mean()
    table["trials"] = found.size()
    table["time_factor"] = table["device_time_s"] / table["analytic_time_s"].where(table["analytic_time_s"] > 0)
    table["energy_factor"] = table["device_energy_j"] / table["analytic_energy_j"].where(table["analytic_energy_j"] > 0)
    missing = "" if len(full) else f"No trial of `{FULL}` ended well, so times relative to it are unknown."
    return AnalysisResult(table.reset_index()[PRICE_COLUMNS], (missing,) if missing else ())


def device_prices(prices: pd.DataFrame) -> AnalysisResult:
    """Prices of every device side by side, over all its methods and keep ratios, and their errors.

    Args:
        prices: the table of `compare_prices`.

    Returns: DEVICE_PRICE_COLUMNS, means over trials. `*_factor` is emulated / analytic, of those means.
        `analytic_error` and `device_error` are errors of each price in predicting the training time that pruning
        leaves: the mean over pruned trials of (time / time of `full`), minus the same by this host's clock. The host is
        another machine, but does the same work. NaN without `full`, and where trials were trained in stacks.
    """
    kinds = ["analytic_time_s", "device_time_s", "host_wall_s", "analytic_energy_j", "device_energy_j"]
    keys = ["device", "profile"]
    weighted = prices[[*keys, "trials"]].join(prices[kinds].mul(prices["trials"], axis=0))
    sums = weighted.groupby(keys, sort=False)[["trials", *kinds]].sum(min_count=1)
    table = sums[kinds].div(sums["trials"], axis=0).assign(trials=sums["trials"])
    table["time_factor"] = table["device_time_s"] / table["analytic_time_s"].where(table["analytic_time_s"] > 0)
    table["energy_factor"] = table["device_energy_j"] / table["analytic_energy_j"].where(table["analytic_energy_j"] > 0)
    pruned = prices[prices["method"] != FULL]
    errors = pruned[keys].assign(
        **{f"{price}_error": pruned[f"{price}_relative"] - pruned["host_relative"] for price in ("analytic", "device")}
    )
    table = table.join(errors.groupby(keys).mean()).reset_index()
    return AnalysisResult(table[DEVICE_PRICE_COLUMNS], () if len(table) else ("No trial that ended well has a price.",))


def price_sources(
    records: pd.DataFrame, workload: Mapping[str, Any] | None = None, batch_size: int | None = None
) -> AnalysisResult:
    """Causes of the difference between emulated and closed-form time of each device, in seconds per trial.

    Per device the training time without waiting and throttling is fitted by a x FLOPs + b x steps (a, b >= 0), over
    all trials. That separates the overhead of a step from arithmetic that runs slower or faster than φ.

    Args:
        records: one row per trial.
        workload: `workload` of run.json (its `train_flops` per sample), for the share of partial batches.
        batch_size: samples per full step.

    Returns: SOURCE_COLUMNS, means over the device's trials. `gap_s` = emulated - analytic = `rate_s` (arithmetic and
        memory traffic at another rate than φ) + `steps_s` (per-step overhead; `partial_s` of it for the steps that
        partial batches add) + `score_s` (scoring and selection) + `wait_s` (storage, unavailability) + `throttled_s`
        (heat) + `rest_s`. `step_overhead_s` is b, `r2` of the fit. An unknown part is NaN and part of the
        rest.
    """
    good = ok(complete(records))
    good = good[good["device_train_time_s"].notna() & good["train_flops"].notna()]
    flops_per_sample = float((workload or {}).get("train_flops") or np.nan)
    per_step = flops_per_sample * batch_size if batch_size else np.nan
    rows = _sources_of(good, per_step)
    missing = []
    if not rows:
        missing.append("No trial that ended well has an emulated time.")
    if rows and np.isnan(per_step):
        missing.append("Without FLOPs per sample and batch size the share of partial batches is unknown.")
    if any(np.isnan(row[-1]) for row in rows):
        missing.append("A device with equal FLOPs per step in all trials does not separate step overhead from rate.")
    return result(rows, SOURCE_COLUMNS, tuple(missing))


def _sources_of(good: pd.DataFrame, flops_per_step: float) -> list[tuple[Any, ...]]:
    """SOURCE_COLUMNS of every device: means of columns at once, the fit device by device."""
    trials = good.assign(
        wait_s=good["device_wait_s"].fillna(0.0),
        throttled_s=good["device_throttled_s"].fillna(0.0),
        score_s=good["device_score_time_s"] - good["analytic_score_time_s"],
        gap_s=good["device_time_s"] - good["analytic_time_s"],
        partial=np.maximum(good["steps"] - good["train_flops"] / flops_per_step, 0.0),
    )
    trials["train_s"] = trials["device_train_time_s"] - (trials["wait_s"] + trials["throttled_s"])
    by_device = trials.groupby("device")
    names = ["train_flops", "steps", "partial", "analytic_train_time_s", "score_s", "gap_s", "wait_s", "throttled_s"]
    means = by_device[[*names, "analytic_time_s", "device_time_s"]].mean()
    profiles, places = by_device["profile"].first(), by_device.indices
    fitted = trials[["train_flops", "steps", "train_s"]].to_numpy(dtype=np.float64)
    rows = []
    for device, mean in zip(means.index, means.to_dict("records"), strict=True):
        rate, overhead_s, r2 = _two_rates(*fitted[places[device]].T)
        rate_s = rate * mean["train_flops"] - mean["analytic_train_time_s"]
        steps_s = overhead_s * mean["steps"]
        known_s = np.nan_to_num(rate_s) + np.nan_to_num(steps_s)
        rest_s = mean["gap_s"] - known_s - mean["score_s"] - mean["wait_s"] - mean["throttled_s"]
        times = (mean["analytic_time_s"], mean["device_time_s"], mean["gap_s"])
        partial_s = overhead_s * mean["partial"]
        found = (rate_s, steps_s, partial_s, mean["score_s"], mean["wait_s"], mean["throttled_s"], rest_s)
        rows.append((device, profiles[device], len(places[device]), *times, *found, overhead_s, r2))
    return rows


def _two_rates(flops: np.ndarray, steps: np.ndarray, train_s: np.ndarray) -> tuple[float, float, float]:
    """Seconds per FLOP, seconds per step and R²; NaN where FLOPs and steps are proportional."""
    scale = np.array([flops.max(initial=0.0) or 1.0, steps.max(initial=0.0) or 1.0])
    design = np.stack([flops, steps], axis=1) / scale
    if len(train_s) < 3 or np.linalg.matrix_rank(design, tol=1e-6) < 2:
        return np.nan, np.nan, np.nan
    from scipy import optimize  # takes half a second, and most short runs do not need it

    found, _ = optimize.nnls(design, train_s)
    total = float(((train_s - train_s.mean()) ** 2).sum())
    left = float(((train_s - design @ found) ** 2).sum())
    return float(found[0] / scale[0]), float(found[1] / scale[1]), 1 - left / total if total > 0 else np.nan
