"""Best keep ratio of each device by Eq. (14), with the accuracy curve that the run measured."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, KEYS, AnalysisResult, complete, dropped, everywhere, is_ruled, ok, result
from edgesim.tasks import ACCURACY, metric_in

Weighted = Literal["data", "equal"]
LAMBDAS = (0.01, 0.03, 0.1, 0.3, 1.0)
COLUMNS = [
    "device", "profile", "lambda", "method", "keep_ratio", "objective", "risk", "risk_weight", "cost_j", "ratios"
]  # fmt: skip
USED = ["profile", "method", "keep_ratio", "ratio_rule", "cost_j"]
"""columns, beside the metric, that candidates are made of; a narrow table is quicker"""
RULED = "A rule chose one keep ratio per device and method. To choose among ratios, run a list of them."


def best_ratios(
    records: pd.DataFrame,
    lambdas: tuple[float, ...] = LAMBDAS,
    risk_of: str = "fleet",
    weights_of_devices: Weighted = "data",
) -> AnalysisResult:
    """Keep ratio with the least w risk + lambda x J per device, method and lambda, among those that were run.

    `full` is every method's candidate at keep_ratio 1.

    Args:
        records: one row per trial.
        lambdas: weights of cost against risk, each >= 0.
        risk_of: "fleet" takes 1 - mean test accuracy per method and ratio, over the (seed, device) pairs that finish at
            all of its ratios. One device's noise changes it little, and no ratio gains by devices that drop out of
            others. "device" takes the device's own mean over seeds.
        weights_of_devices: weight w of a device's risk. "data" = the samples that it holds, scaled to a mean of 1 over
            the fleet, as the objective of a scenario does. "equal" = 1 for all, also where a shard's size is not known.

    Returns: COLUMNS: `risk` = 1 - accuracy, `risk_weight` = w, mean over seeds; `cost_j` = J of Eq. (13), without unit,
        mean over the seeds in which the device finishes all ratios that it ever finishes; `ratios` is the number of
        candidates. Of equal objectives the smaller ratio wins. Of an error, the risk is relative to full training's.

    RunTables: edge paper, Eqs. (10) and (12) to (14).
    """
    records = complete(records)
    good = ok(records)
    metric = metric_in(records)
    value = metric.column()
    good = good.loc[good[value].notna() & good["cost_j"].notna(), [*KEYS, *USED, value]]
    if is_ruled(good):
        return result([], COLUMNS, RULED)
    full = float(good.loc[good["method"] == FULL, value].mean())
    if not metric.higher_is_better and not full > 0:
        return result([], COLUMNS, f"Without {metric.noun} of full training above 0, no ratio is the best.")
    weight_of = _weights(records, weights_of_devices)
    parts: list[pd.DataFrame] = []
    missing: list[str] = []
    for method in (str(name) for name in dict.fromkeys(good["method"]) if name != FULL):
        table, left_out = _candidates(good, method, risk_of)
        missing += [f"{method}: {sentence}" for sentence in left_out]
        weights = table["device"].map(weight_of)
        table = table.assign(method=method, risk=metric.risk(table[value], full), risk_weight=weights)
        devices = table.groupby("device", sort=False)
        table["ratios"] = devices["keep_ratio"].transform("size")
        for weight in lambdas:
            table["objective"] = table["risk_weight"] * table["risk"] + weight * table["cost_j"]
            parts.append(table.loc[devices["objective"].idxmin()].assign(**{"lambda": weight}))
    if not parts:
        an = "an accuracy" if metric is ACCURACY else f"a value of {metric.noun}"
        return result([], COLUMNS, f"No trial that ended well has {an} and a cost, so no ratio is the best.")
    chosen = pd.concat(parts, ignore_index=True)[COLUMNS]
    if chosen["ratios"].max() < 2:
        missing.append("Only one keep ratio was run, so there is nothing to choose from.")
    return AnalysisResult(chosen, tuple(missing))


def _weights(records: pd.DataFrame, by: Weighted) -> dict[int, float]:
    """Weight of each device's risk: K n_k / sum of n over the K devices of a seed, mean over seeds."""
    sizes = records.groupby(KEYS)["shard_size"].max().reset_index()
    by_size = by == "data" and bool((sizes["shard_size"] > 0).all())
    held = sizes["shard_size"].astype(np.float64) if by_size else pd.Series(1.0, index=sizes.index)
    means = (held / held.groupby(sizes["seed"]).transform("mean")).groupby(sizes["device"]).mean()
    return {int(str(device)): float(weight) for device, weight in means.items()}


def _candidates(good: pd.DataFrame, method: str, risk_of: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Table device profile keep_ratio, metric and cost_j, ratios ascending; sentences on what the metric leaves out."""
    value = metric_in(good).column()
    own = good[good["method"] == method]
    full = good[(good["method"] == FULL) & ~np.isclose(own["keep_ratio"].max(), 1.0)]
    table = pd.concat([own, full])
    keys = ["device", "profile", "keep_ratio"]
    has = table.groupby(KEYS)["keep_ratio"].transform("nunique")
    whole = table[has == table.groupby("device")["keep_ratio"].transform("nunique")]
    complete_devices = pd.concat([whole, table[~table["device"].isin(whole["device"])]])
    found = complete_devices.groupby(keys)[[value, "cost_j"]].mean().reset_index()
    left_out: tuple[str, ...] = ()
    if risk_of == "fleet":
        of_one = table.assign(method="")
        same = everywhere(of_one)
        left_out = dropped(of_one, same)
        if same.empty:
            same = of_one
            left_out = ("No (seed, device) pair finishes at every keep ratio: risks are over different devices.",)
        found[value] = found["keep_ratio"].map(same.groupby("keep_ratio")[value].mean())
    return found.sort_values(keys, ignore_index=True), left_out
