"""Answers that are others on the devices' own test samples than on the common test set: winners, fairness, best ratios.

Each sentence counts what turns; none is a test, as the tables that it compares are none.
"""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.best_ratio import best_ratios
from edgesim.analysis.fairness import device_winners, fairness
from edgesim.analysis.grouping import FULL
from edgesim.analysis.second_test_set import SecondTestSet, on_own_samples
from edgesim.formatting import listed, n_of, number
from edgesim.tasks import metric_in

SHOWN_LAMBDA = 0.1
"""lambda of the sentence on best ratios: the middle one of the tables"""
MOST_RATIOS = 3
"""keep ratios with a sentence on fairness, at most"""


def winners_turned(records: pd.DataFrame, second_set: SecondTestSet) -> str:
    """Sentence on devices with another most accurate method on their own test samples; empty where there are none.

    Args:
        records: one row per trial.
        second_set: of the run.
    """
    own = on_own_samples(records)
    if own is None:
        return ""
    keys = ["device", "keep_ratio"]
    first, second = (device_winners(one).table for one in (records, own))
    both = first.merge(second, on=keys, suffixes=("", "_own"))
    turned = both[(both["method"] != both["method_own"]) & (both["ahead"] > 0) & (both["ahead_own"] > 0)]
    if turned.empty:
        return ""
    pairs = n_of(len(both), "pair")
    better = "lowest" if not metric_in(records).higher_is_better else "highest"
    return (
        f"The method with the {better} mean is another one on {second_set.name} than on the common test set in "
        f"{len(turned):,} of {pairs} of device and keep ratio."
    )


def fairness_turned(records: pd.DataFrame, second_set: SecondTestSet) -> str:
    """Sentences on keep ratios at which another method serves the worst tenth best; empty where there are none."""
    own = on_own_samples(records)
    if own is None:
        return ""
    metric = metric_in(records)
    best = [_best(fairness(one).table, metric.sign) for one in (records, own)]
    turned = [ratio for ratio in best[0] if ratio in best[1] and best[0][ratio] != best[1][ratio]]
    sentences = [
        f"At keep ratio {number(ratio)} the worst tenth of the devices fares best with {best[0][ratio]} on the common "
        f"test set, and with {best[1][ratio]} on {second_set.name}."
        for ratio in turned[:MOST_RATIOS]
    ]
    if len(turned) > MOST_RATIOS:
        sentences.append(f"So it is at {n_of(len(turned) - MOST_RATIOS, 'further keep ratio')}.")
    return " ".join(sentences)


def _best(table: pd.DataFrame, sign: int) -> dict[float, str]:
    """Keep ratio -> method with the best mean of the worst tenth, where several methods ran."""
    several = table[(table["method"] != FULL) & (table["devices"] > 1) & table["worst_tenth"].notna()]
    found = {}
    for ratio, part in several.groupby("keep_ratio"):
        values = sign * part["worst_tenth"]
        if len(part) > 1 and (values == values.max()).sum() == 1:
            found[float(str(ratio))] = str(part["method"].to_numpy()[int(values.to_numpy().argmax())])
    return found


def best_ratios_turned(records: pd.DataFrame, second_set: SecondTestSet) -> str:
    """Sentence on methods whose best ratios by Eq. (14) are others on own test samples; empty where there are none."""
    own = on_own_samples(records)
    if own is None:
        return ""
    keys = ["device", "method"]
    tables = [best_ratios(one, (SHOWN_LAMBDA,)).table for one in (records, own)]
    both = tables[0].merge(tables[1], on=keys, suffixes=("", "_own"))
    turned = both[both["keep_ratio"] != both["keep_ratio_own"]]
    if turned.empty:
        return ""
    counts = [
        f"{method} on {len(part):,} of {n_of(int((both['method'] == method).sum()), 'device')}"
        for method, part in turned.groupby("method", sort=False)
    ]
    begin = f"At λ = {number(SHOWN_LAMBDA)} the best keep ratio on {second_set.name} is another one than on the common"
    return f"{begin} test set: {listed(counts)}."
