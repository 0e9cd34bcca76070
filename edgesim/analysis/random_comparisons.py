"""Comparison of methods with random selection at equal keep ratio, or at equal budget."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.findings import Evidence, Finding, finding
from edgesim.analysis.gains import gain_in_words, gains, oriented
from edgesim.analysis.grouping import RANDOM, below_full, comparison_basis, device_by_seed, groups, methods_of
from edgesim.analysis.intervals import Interval, interval, lies
from edgesim.analysis.second_test_set import second_test_set
from edgesim.formatting import n_of, number
from edgesim.tasks import ACCURACY, Metric, metric_in


class RandomComparison(NamedTuple):
    """A method at one keep ratio against random."""

    basis: str
    """basis of the comparison: "equal keep ratio" or "equal budget" """
    common: Interval
    """the gain on the common test set"""
    second: Interval
    """the same on the second test set"""
    metric: Metric = ACCURACY


def against_random(good: pd.DataFrame) -> Finding:
    """Number of (method, ratio) pairs above and below random, and the best or worst one."""
    names = methods_of(good)
    if not names or not (good["method"] == RANDOM).any():
        absent = "random selection" if names else "method other than random and full"
        return Finding("random", f"The run has no {absent}, so methods cannot be compared with chance.")
    metric, second_set = metric_in(good), second_test_set(good)
    pairs = below_full(gains(good[good["method"].isin([*names, RANDOM])], RANDOM))
    cells = _cells(pairs, metric)
    basis = comparison_basis(pairs)
    known = [cell for cell in cells if cell[2].is_known]
    if not known:
        scope = next((cell[2].scope for cell in cells if cell[2].scope), "")
        text = f"This run does not show whether methods beat random at {basis}"
        return Finding("random", f"{text}: {scope}." if scope else f"{text}: too few trials have a partner in random.",
                       scope=scope)  # fmt: skip
    text, (name, ratio, found, _) = _best_and_worst(names, known, f"At {basis}", metric)
    if second_set.is_own:
        pairs = below_full(gains(good[good["method"].isin([*names, RANDOM])], RANDOM, second_set.of))
        on_second = [cell for cell in _cells(pairs, metric) if cell[2].is_known]
        text += f". {_best_and_worst(names, on_second, f'On {second_set.name}', metric)[0]}" if on_second else ""
    sides = {lies(cell[2], 0.0) for cell in known}
    evidence: Evidence = "yes" if 1 in sides else "no" if -1 in sides else "none"
    return finding("random", text + ".", evidence, oriented(found, metric), (name, ratio))


RandomCell = tuple[str, float, Interval, float]
"""method, keep ratio, gain over random, random's keep ratio"""


def _cells(pairs: pd.DataFrame, metric: Metric) -> list[RandomCell]:
    """Gain over random of each method and keep ratio, simultaneous over all of them."""
    parts = list(groups(pairs))
    return [
        (
            name,
            ratio,
            interval(device_by_seed(part, "difference"), metric.difference_bounds, len(parts)),
            float(part["base_keep_ratio"].mean()),
        )
        for name, ratio, part in parts
    ]


def _best_and_worst(names: list[str], known: list[RandomCell], where: str, metric: Metric) -> tuple[str, RandomCell]:
    """Number of comparisons above and below random, with the best or worst one, in words; and the first one named."""
    up = [cell for cell in known if lies(cell[2], 0.0) > 0]
    down = [cell for cell in known if lies(cell[2], 0.0) < 0]
    text = _counts(names, len(known), len(up), len(down), where, metric)
    named = [max(up or known, key=lambda cell: cell[2].estimate)] if up or not down else []
    named += [min(down, key=lambda cell: cell[2].estimate)] if down else []
    for name, ratio, found, base in named:
        word = "Best" if lies(found, 0.0) >= 0 else "Worst"
        random_keeps = f" (random keeps {number(base)})" if abs(base - ratio) > 1e-6 else ""
        text += f". {word}: {name} at {number(ratio)}{random_keeps}, {gain_in_words(found, metric)}"
    return text, named[0]


def _counts(names: list[str], cells: int, up: int, down: int, begin: str, metric: Metric) -> str:
    """Number of comparisons above and below random, as a sentence without its full stop."""
    fall, falls = ("fall below it", "falls below it") if metric.higher_is_better else ("do worse", "does worse")
    if len(names) > 1:
        counts = f"{up or 'none'} beat random and {down or 'none'} {fall}"
        return f"{begin}, of {n_of(cells, 'pair')} of method and keep ratio {counts}"
    where = n_of(cells, "keep ratio")
    return f"{begin}, {names[0]} beats random at {up or 'none'} of {where} and {falls} at {down or 'none'}"


def random_at(good: pd.DataFrame, method: str, ratio: float) -> RandomComparison | None:
    """The method against random at one ratio; intervals are those of `against_random`."""
    if method == RANDOM or not (good["method"] == RANDOM).any():
        return None
    known = good[good["method"].isin([*methods_of(good), RANDOM])]
    metric = metric_in(known)
    pairs, second = (below_full(gains(known, RANDOM, of)) for of in ("test", second_test_set(good).of))
    tests = max(len(list(groups(pairs))), 1)
    found = []
    for table in (pairs, second):
        own = _at(table[table["method"] == method], ratio)
        found.append(interval(device_by_seed(own, "difference"), metric.difference_bounds, tests))
    return RandomComparison(comparison_basis(pairs), found[0], found[1], metric)


def _at(pairs: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return pairs[np.isclose(pairs["keep_ratio"], ratio)]
