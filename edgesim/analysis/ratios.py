"""The best keep_ratio of each device by Eq. (14), with the accuracy curve that the run measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.cells import FULL, Answer, answer, complete, everywhere, ok

LAMBDAS = (0.01, 0.03, 0.1, 0.3, 1.0)
COLUMNS = ["device", "profile", "lambda", "method", "keep_ratio", "objective", "risk", "cost_j", "ratios"]


def best_ratios(records: pd.DataFrame, lambdas: tuple[float, ...] = LAMBDAS, risk_of: str = "fleet") -> Answer:
    """Per device, method and lambda the keep_ratio with the smallest risk + lambda x J, among those that were run.

    `full` is every method's candidate at keep_ratio 1.

    Args:
        records: one row per trial.
        lambdas: weights of cost against risk, each >= 0.
        risk_of: "fleet" takes 1 - mean test accuracy per method and ratio over the (seed, device) pairs that finish at
            all of its ratios, so that the noise of one device moves it little and no ratio gains by devices that drop
            out of others; "device" takes the device's own mean over seeds.

    Returns: COLUMNS: `risk` = 1 - accuracy, `cost_j` = J of Eq. (13), without unit, mean over seeds; `ratios` is the
        number of candidates. Of equal objectives the smaller ratio wins.

    Source: edge paper, Eqs. (13) and (14).
    """
    good = ok(complete(records))
    good = good[good["test_accuracy"].notna() & good["cost_j"].notna()]
    methods = [str(name) for name in dict.fromkeys(good["method"]) if name != FULL]
    parts = []
    for method in methods:
        table = _candidates(good, method, risk_of).assign(method=method)
        devices = table.groupby("device", sort=False)
        table["ratios"] = devices["keep_ratio"].transform("size")
        for weight in lambdas:
            table["objective"] = table["risk"] + weight * table["cost_j"]
            parts.append(table.loc[devices["objective"].idxmin()].assign(**{"lambda": weight}))
    if not parts:
        return answer([], COLUMNS, "No trial that ended well has an accuracy and a cost, so no ratio is the best.")
    chosen = pd.concat(parts, ignore_index=True)[COLUMNS]
    alone = "Only one keep ratio was run, so there is nothing to choose from." if chosen["ratios"].max() < 2 else ""
    return Answer(chosen, (alone,) if alone else ())


def _candidates(good: pd.DataFrame, method: str, risk_of: str) -> pd.DataFrame:
    """device profile keep_ratio risk cost_j, ratios ascending within a device; the method's own rows before full's."""
    own = good[good["method"] == method]
    full = good[(good["method"] == FULL) & ~np.isclose(own["keep_ratio"].max(), 1.0)]
    table = pd.concat([own, full])
    keys = ["device", "profile", "keep_ratio"]
    found = table.groupby(keys)[["test_accuracy", "cost_j"]].mean().reset_index()
    if risk_of == "fleet":
        same = everywhere(table.assign(method=""))
        over = table if same.empty else same
        found["test_accuracy"] = found["keep_ratio"].map(over.groupby("keep_ratio")["test_accuracy"].mean())
    return found.assign(risk=1 - found["test_accuracy"]).sort_values(keys, ignore_index=True)
