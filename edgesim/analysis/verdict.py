"""What a run says in a few sentences: what pruning saves, what it costs, from where on it hurts, for whom, and whether
the methods beat chance. Every sentence has its interval; where the data cannot tell, it says so.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.cells import FULL, KEYS, RANDOM, complete, device_by_seed, groups, methods_of, ok, paired
from edgesim.analysis.findings import Evidence, Finding, ends, finding, percent, points, with_interval
from edgesim.analysis.intervals import Interval, holm, interval, p_above, p_below, ratio_interval
from edgesim.errors import n_of

ALPHA = 0.05
NOTHING = 0.001
"""a saving below this share is called none"""


def verdict_of(records: pd.DataFrame, method: str | None = None) -> list[Finding]:
    """Three to five sentences on a run.

    Args:
        records: one row per trial, in any state.
        method: which method to speak about; None = `importance` where it ran, else the one with the highest mean
            accuracy, else `random`.

    Returns: findings of the kinds "saving" (time and energy at the ratio spoken of), "accuracy" (what that ratio
        costs), "harm" (from which ratio on accuracy falls), "devices" (who gains and who loses), "random" (whether
        methods beat chance) and "limits" (what one seed or device, or failures, leave open). The ratio spoken of is
        the smallest without evidence of harm; where all hurt, the largest below 1.
    """
    records = complete(records)
    good = ok(records)
    if good.empty:
        return [Finding("limits", "No trial has ended well, so nothing can be said about pruning on this fleet.")]
    method = method or _spoken_of(good)
    if method is None:
        return [Finding("limits", "Only full training ran, so nothing can be said about pruning.")]
    found = []
    if (good["method"] == FULL).any():
        losses = losses_to_full(good, method)
        ratio = _recommended(losses)
        if ratio is None:
            found.append(Finding("accuracy", f"No trial of {method} below keep ratio 1 has a partner in full."))
        else:
            found += [_saving(good, method, ratio), _accuracy(losses, method, ratio), _harm(losses, method)]
            found.append(_devices(good, method, ratio))
    else:
        text = "Full training is not among the methods, so savings and accuracy losses cannot be told."
        found.append(Finding("saving", text, method=method))
    found.append(_against_random(good))
    return [*found, *_limits(records)]


def losses_to_full(records: pd.DataFrame, method: str) -> dict[float, tuple[Interval, float]]:
    """Test accuracy minus that of `full` per keep_ratio below 1, paired, ratios descending.

    Returns: keep_ratio -> (interval, p): p is two-sided against "no difference", corrected by Holm over the ratios, and
        1 where the estimate is not below full.
    """
    pairs = paired(records[records["method"].isin([method, FULL])], FULL, "test_accuracy")
    pairs = pairs[pairs["keep_ratio"] < 1]
    cells = [(ratio, interval(device_by_seed(part, "difference"), (-1.0, 1.0))) for _, ratio, part in groups(pairs)]
    cells.sort(key=lambda cell: -cell[0])
    p_values = holm(np.array([np.minimum(2 * p_below(found, 0.0), 1.0) for _, found in cells]))
    return {ratio: (found, float(p)) for (ratio, found), p in zip(cells, p_values, strict=True)}


def saving(records: pd.DataFrame, method: str, ratio: float, column: str) -> Interval:
    """The share of a cost saved against `full` on the same seeds and devices, scoring included.

    Returns: 1 - sum / sum of `full`, with its 95 % interval over devices and seeds.
    """
    part = records[(records["method"] == method) & (records["keep_ratio"] == ratio)]
    pairs = paired(pd.concat([part, records[records["method"] == FULL]]), FULL, column)
    if pairs.empty:
        return Interval()
    found = ratio_interval(device_by_seed(pairs, column), device_by_seed(pairs, "base"))
    return found._replace(estimate=1 - found.estimate, low=1 - found.high, high=1 - found.low)


def _spoken_of(good: pd.DataFrame) -> str | None:
    names = methods_of(good)
    if "importance" in names:
        return "importance"
    if names:
        means = good[good["method"].isin(names)].groupby("method")["test_accuracy"].mean()
        return str(means.idxmax()) if means.notna().any() else names[0]
    return RANDOM if (good["method"] == RANDOM).any() else None


def _recommended(losses: dict[float, tuple[Interval, float]]) -> float | None:
    """The smallest ratio down to which no ratio shows harm; the largest where the first does already."""
    safe = None
    for ratio, (_, p) in losses.items():
        if p < ALPHA:
            break
        safe = ratio
    return next(iter(losses), None) if safe is None else safe


def _saving(good: pd.DataFrame, method: str, ratio: float) -> Finding:
    time, energy = saving(good, method, ratio, "device_time_s"), saving(good, method, ratio, "device_energy_j")
    if time.n == 0:
        return Finding("saving", "No device time is known, so savings cannot be told.", method=method)
    cell, where = (method, ratio), f"Keeping {ratio:g} of the data by {method}"
    tail = f" and {with_interval(energy)} of the energy" if energy.n else ""
    if abs(time.estimate) < NOTHING:
        text = f"{where} neither saves nor costs time (less than {percent(NOTHING)}, scoring included)."
        return finding("saving", text + _break_even(good, method), "no", time, cell)
    if np.isfinite(time.low) and time.low > 0:
        return finding("saving", f"{where} saves {with_interval(time)} of the device time{tail}, scoring included.",
                       "yes", time, cell)  # fmt: skip
    if np.isfinite(time.high) and time.high < 0:
        more = time._replace(estimate=-time.estimate, low=-time.high, high=-time.low)
        text = f"{where} takes {with_interval(more)} more time than full training: scoring costs more than it saves."
        return finding("saving", text + _break_even(good, method), "no", time, cell)
    text = f"There is no evidence that {where[0].lower()}{where[1:]} saves time: {with_interval(time)}{tail}."
    return finding("saving", text, "none", time, cell)


def _break_even(good: pd.DataFrame, method: str) -> str:
    """From which ratio down the method saves time."""
    ratios = sorted({float(r) for r in good.loc[good["method"] == method, "keep_ratio"]}, reverse=True)
    for ratio in ratios:
        found = saving(good, method, ratio, "device_time_s")
        if found.estimate >= NOTHING:
            return f" It saves time from keep ratio {ratio:g} down: {percent(found.estimate)} there."
    return " It saves time at no ratio of this run."


def _accuracy(losses: dict[float, tuple[Interval, float]], method: str, ratio: float) -> Finding:
    found, p = losses[ratio]
    text = f"At {ratio:g} the accuracy of {method} differs from full training's by {with_interval(found, 'points')}"
    if not np.isfinite(found.low):
        return finding("accuracy", text + ".", "none", found, (method, ratio))
    if p < ALPHA:
        return finding("accuracy", text + ": it is lower.", "yes", found, (method, ratio))
    text += ": it is higher" if found.low > 0 else "; no evidence of a loss"
    if found.low < 0:
        text += f", but one of up to {abs(found.low) * 100:.1f} points is not ruled out"
    return finding("accuracy", text + ".", "yes" if found.low > 0 else "none", found, (method, ratio))


def _harm(losses: dict[float, tuple[Interval, float]], method: str) -> Finding:
    """The largest ratio with evidence of a loss."""
    if all(np.isnan(p) for _, p in losses.values()):
        text = f"From which ratio on {method} costs accuracy cannot be told: it takes three pairs with full."
        return Finding("harm", text, method=method)
    for ratio, (found, p) in losses.items():
        if p < ALPHA:
            text = f"From keep ratio {ratio:g} down, {method} costs accuracy: {with_interval(found, 'points')} there"
            lowest = min(losses)
            if lowest < ratio:
                text += f", and {points(losses[lowest][0].estimate)} at {lowest:g}"
            return finding("harm", text + ".", "yes", found, (method, ratio))
    lowest = min(losses)
    found = losses[lowest][0]
    text = f"There is no evidence that {method} costs accuracy at any ratio; at {lowest:g}: "
    return finding("harm", text + with_interval(found, "points") + ".", "none", found, (method, lowest))


def _devices(good: pd.DataFrame, method: str, ratio: float) -> Finding:
    """Which profiles save time at that ratio, and which lose accuracy."""
    part = good[((good["method"] == method) & (good["keep_ratio"] == ratio)) | (good["method"] == FULL)]
    rows, drops = [], {}
    for profile in dict.fromkeys(part["profile"]):
        own = part[part["profile"] == profile]
        rows.append((profile, saving(own, method, ratio, "device_time_s")))
        pairs = paired(own, FULL, "test_accuracy")
        drops[profile] = interval(device_by_seed(pairs, "difference"), (-1.0, 1.0))
    rows = [(profile, found) for profile, found in rows if np.isfinite(found.estimate)]
    if not rows:
        return Finding("devices", "No device time is known, so who gains cannot be told.", method=method)
    rows.sort(key=lambda row: -row[1].estimate)
    faster = [profile for profile, found in rows if found.low > 0]
    slower = [profile for profile, found in rows if found.high < 0]
    p_values = holm(np.array([np.minimum(2 * p_below(drops[profile], 0.0), 1.0) for profile, _ in rows]))
    worse = [profile for (profile, _), p in zip(rows, p_values, strict=True) if p < ALPHA]
    best, worst = rows[0], rows[-1]
    if len(rows) == 1:
        text = f"All devices are of one profile, {best[0]}: the time saved at {ratio:g} is {with_interval(best[1])}"
    else:
        text = f"At {ratio:g} the time saved goes from {percent(worst[1].estimate)} on {worst[0]} "
        text += f"to {percent(best[1].estimate)} on {best[0]}"
        if np.isfinite(worst[1].low) and np.isfinite(best[1].low):
            text += f" (95 % intervals {ends(worst[1])} and {ends(best[1])})"
    told = "all are" if len(slower) == len(rows) else f"{', '.join(slower)} {'is' if len(slower) == 1 else 'are'}"
    text += f"; {told} slower than full training" if slower else "; no evidence that any is slower than full training"
    enough = int(np.isfinite(p_values).sum())
    if not enough:
        text += "; on no profile are there enough trials to tell a loss of accuracy."
    else:
        where = f"accuracy falls on {', '.join(worse)}" if worse else "no evidence of a loss of accuracy on any"
        text += f"; {where} ({enough} of {n_of(len(rows), 'profile')} with enough trials to tell)."
    evidence: Evidence = "yes" if faster else "no" if slower else "none"
    return finding("devices", text, evidence, worst[1], (method, ratio))


def _against_random(good: pd.DataFrame) -> Finding:
    """How many (method, ratio) are above chance and below it, and the method that is furthest."""
    names = methods_of(good)
    if not names or not (good["method"] == RANDOM).any():
        absent = "random selection" if names else "method other than random and full"
        return Finding("random", f"The run has no {absent}, so whether methods beat chance cannot be told.")
    pairs = paired(good, RANDOM, "test_accuracy")
    pairs = pairs[pairs["keep_ratio"] < 1]
    cells = [(name, r, interval(device_by_seed(part, "difference"), (-1.0, 1.0))) for name, r, part in groups(pairs)]
    if not cells or all(np.isnan(p_above(found, 0.0)) for _, _, found in cells):
        return Finding("random", "Too few trials have a partner in random to tell whether methods beat it.")
    above = holm(np.array([p_above(found, 0.0) for _, _, found in cells])) < ALPHA / 2
    below = holm(np.array([p_below(found, 0.0) for _, _, found in cells])) < ALPHA / 2
    up, down = int(above.sum()), int(below.sum())
    best, worst = (pick(cells, key=lambda cell: cell[2].estimate) for pick in (max, min))
    named = [("best", best)] if up or not down else []
    named += [("worst", worst)] if down else []
    text = _counts(names, len(cells), up, down)
    for word, (name, ratio, found) in named:
        where = f"{name} at {ratio:g}" if len(names) > 1 else f"at {ratio:g}"
        text += f"; {word} {where}, {with_interval(found, 'points')}"
    name, ratio, found = named[0][1]
    # The interval is of this pair alone, and may leave out zero where the corrected test does not tell.
    text += " before that correction." if len(cells) > 1 and not (up or down) and found.low > 0 else "."
    return finding("random", text, "yes" if up else "no" if down else "none", found, (name, ratio))


def _counts(names: list[str], cells: int, up: int, down: int) -> str:
    """How many of the tests against random are above it and below: the beginning of a sentence."""
    corrected = f" (corrected for {cells} tests)" if cells > 1 else ""
    if len(names) > 1 and up:
        return f"Of {n_of(cells, 'pair')} of method and keep ratio {up} beat random and {down} fall below it{corrected}"
    if up:
        return f"{names[0]} beats random at {up} of {n_of(cells, 'keep ratio')} and falls below it at {down}{corrected}"
    start = f"There is no evidence that {names[0] if len(names) == 1 else 'a method'} beats random at equal keep ratio"
    if len(names) > 1:
        return f"{start}: of {cells} pairs of method and ratio none is above it and {down or 'none'} below{corrected}"
    return f"{start}: it is above it at none of {cells} and below at {down or 'none'}{corrected}"


def _limits(records: pd.DataFrame) -> list[Finding]:
    """What the run's size and its failures leave open; nothing where there is nothing to say."""
    good = ok(records)
    said = []
    for key, many in zip(KEYS, ("seeds", "devices"), strict=True):
        count = good[key].nunique()
        if count == 1:
            said.append(f"one {key}, so nothing is known about other {many}")
        elif count < 3:
            said.append(f"only {count} {many}, so intervals are very wide")
    sentences = [f"The run has {'; '.join(said)}."] if said else []
    bad = records[records["status"] != "ok"]
    if len(bad):
        sentences.append(f"Trials that did not end well are left out: {len(bad)} of {len(records)}.")
    return [Finding("limits", " ".join(sentences), n=len(good))] if sentences else []
