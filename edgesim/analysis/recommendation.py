"""Recommendation of a run in one line, and a sentence before it where the two test distributions disagree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis import opponents
from edgesim.analysis.accuracy_loss import AccuracyLosses, distributions_disagree, skewed
from edgesim.analysis.findings import Evidence, Finding, finding
from edgesim.analysis.gains import gain_in_words, margin_in_words, oriented
from edgesim.analysis.grouping import is_ruled
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.opponents import OpponentComparison
from edgesim.analysis.savings import WORTH, by_profile, saved_in_words, saving, why_little
from edgesim.formatting import listed, n_of, number, percent, short_percent


class VerdictContext(NamedTuple):
    """Method and keep ratio that a verdict is about, with the comparisons that it uses."""

    good: pd.DataFrame
    """trials that ended well"""
    losses: AccuracyLosses
    ratio: float
    at_cost: list[OpponentComparison]
    """the method at that ratio against every opponent at equal total cost"""

    @property
    def method(self) -> str:
        """The method."""
        return self.losses.method

    @property
    def cell(self) -> tuple[str, float]:
        """Method and keep ratio."""
        return self.losses.method, self.ratio

    @property
    def does(self) -> str:
        """Description of the method at that ratio: it keeps a subset, or trains with all samples in fewer steps."""
        own = self.good[self.good["method"] == self.method]
        share = short_percent(self.ratio) + " on average" * is_ruled(own)
        if own["dynamic"].fillna(False).astype(bool).any():
            return f"training by {self.method} at {share} of full training"
        return f"keeping {share} by {self.method}"


def disagreement(context: VerdictContext) -> list[Finding]:
    """Sentence that comes first where common test set and own class mix disagree; empty otherwise."""
    losses, ratio = context.losses, context.ratio
    pairs = [("full training", losses.common[ratio], losses.local[ratio], losses.margin)]
    if random := opponents.random_at(context.good, context.method, ratio):
        pairs.append((f"random at {random.basis}", random.common, random.local, 0.0))
    pairs += [(f"{opponents.NAMES[one.opponent]} at equal total cost", one.common, one.local, 0.0)
              for one in context.at_cost]  # fmt: skip
    for name, common, local, margin in pairs:
        if distributions_disagree(common, local, margin):
            metric = losses.metric
            text = (
                f"The answer depends on what the devices will see. Against {name}, {context.method} at {number(ratio)} "
                f"differs by {gain_in_words(common, metric)} on the common test set. On the device's own "
                f"{metric.groups} mix it differs by {gain_in_words(local, metric)}{metric.direction}."
            )
            return [finding("disagreement", text, "yes", oriented(common, metric), context.cell)]
    return []


def recommendation(context: VerdictContext) -> Finding:
    """The recommendation, in one line."""
    losses, good, ratio = context.losses, context.good, context.ratio
    found = losses.common[ratio]
    shown = oriented(found, losses.metric)
    if losses.recommended is None:
        text, evidence = _no_ratio(context)
        return finding("answer", _with_scope(found, text), evidence, shown, context.cell)
    costs = [saving(good, *context.cell, column).estimate for column in ("device_time_s", "device_energy_j")]
    known = [value for value in costs if np.isfinite(value)]
    loss = loss_in_words(found, losses) + _own_mix(context)
    does = context.does.replace("keeping", "keep").replace("training by", "train by", 1)
    evidence = "yes"
    if not known:
        text = f"{_capital(does)}: {loss}. Its savings are unknown: no device time or energy is known."
    elif max(known) < WORTH:
        text = f"Not worth it: {context.does} {saved_in_words(*costs)}, with {loss}.{why_little(good, *context.cell)}"
        evidence = "no"
    else:
        text = f"{_capital(does)}: {saved_in_words(*costs)}, {loss}{_not_on(context)}"
    return finding("answer", _with_scope(found, text + _at_same_energy(context.at_cost)), evidence, shown, context.cell)


def loss_in_words(found: Interval, losses: AccuracyLosses) -> str:
    """Loss in words, by an interval of gains above minus the margin."""
    metric, margin = losses.metric, margin_in_words(losses.asked, losses.metric)
    if lies(found, 0.0) > 0:
        return f"{metric.noun} is {metric.better} by {metric.difference(found.estimate, sign=False)}"
    if lies(found, 0.0) < 0:
        return f"{metric.loss_by} {metric.difference(-found.estimate, sign=False)}, within the margin of {margin}"
    none = "no loss" if metric.higher_is_better else f"no increase of {metric.noun}"
    return f"{none} above {margin}" if losses.asked > 0 else none


def _own_mix(context: VerdictContext) -> str:
    """Loss on the devices' own class mixes, where they differ from the test set and do not rule it out; else empty."""
    metric = context.losses.metric
    own = f"the devices' own {metric.groups} mixes"
    local, margin = context.losses.local[context.ratio], context.losses.margin
    if not skewed(context.good) or not np.isfinite(local.estimate) or lies(local, -margin) > 0:
        return ""
    if lies(local, 0.0) < 0:
        lost = metric.difference(-local.estimate, sign=False)
        lost = f"{lost} lost" if metric.higher_is_better else f"{metric.loss} of {lost}"
        return f" on the common test set, but {lost} on {own}"
    up_to = metric.difference(abs(local.low), sign=False)
    return f" on the common test set (on {own} {metric.loss} of up to {up_to} is not ruled out)"


def _no_ratio(context: VerdictContext) -> tuple[str, Evidence]:
    """Reason why no keep ratio is recommended, and the seeds or devices that would decide."""
    losses, ratio = context.losses, context.ratio
    found, method, metric = losses.common[ratio], context.method, losses.metric
    margin, estimate = margin_in_words(losses.asked, metric), metric.difference(-found.estimate, sign=False)
    if not found.is_known:
        time = saving(context.good, *context.cell, "device_time_s").estimate
        saved = f"saved {percent(time)} of the time and " if time >= 0 else ""
        saved = f"took {percent(-time)} more time and " if time < 0 else saved
        scope = f"{_capital(found.scope)}: " if found.scope else "Too few trials: "
        changed = metric.difference(oriented(found, metric).estimate)
        return (
            f"{scope}{context.does} {saved}changed {metric.noun} by {changed}. "
            "Two seeds or more would show what holds in general."
        ), "none"
    if all(one.high < -losses.margin for one in losses.common.values()):
        moves = "falls" if metric.higher_is_better else "rises"
        falls = f"{metric.noun} {moves} at every keep ratio that ran, by {estimate}"
        return f"Do not prune by {method} here: {falls} at {short_percent(ratio)}.", "no"
    up_to = metric.difference(abs(found.low), sign=False)
    may = f"at {short_percent(ratio)} {metric.loss_by} up to {up_to} is not ruled out"
    text = f"This run shows no safe keep ratio for {method} (margin {margin}). {_capital(may)}."
    repetitions = losses.repetitions()
    if repetitions is None:
        small = any(one.estimate > -losses.margin for one in losses.common.values())
        more = "Neither 1,000 seeds nor 1,000 devices alone would decide; run more of both."
        return f"{text} {more if small else f'Every estimate is {metric.loss} of the margin or more.'}", "none"
    at, needed = repetitions
    now = (found.seeds, found.devices)
    ways = [f"about {n_of(max(count, have + 1), what)} (now {have})"
            for count, what, have in zip(needed, ("seed", "device"), now, strict=True) if count]  # fmt: skip
    return (
        f"{text} {_capital(' or '.join(ways))} would decide at {short_percent(at)}, if the estimate holds.",
        "none",
    )


def _not_on(context: VerdictContext) -> str:
    """Profiles on which it is not worth it, and why; empty where there are none."""
    useless = [profile for profile, time, energy in by_profile(context.good, *context.cell)
               if np.nanmax([time, energy]) < WORTH]  # fmt: skip
    if not useless:
        return "."
    why = why_little(context.good[context.good["profile"].isin(useless)], *context.cell)
    return f"; not worth it on {listed(useless)}.{why}"


def _at_same_energy(at_cost: list[OpponentComparison]) -> str:
    """Sentence on the opponents at the same price; empty without any.

    It uses the intervals that the sentence on equal cost prints.
    """
    known = [one for one in at_cost if one.common.is_known]
    if not known:
        return ""
    better = [one for one in known if lies(one.common, 0.0) < 0]
    if better:
        best = min(better, key=lambda one: one.common.estimate)
        ahead = best.metric.difference(abs(best.common.estimate), sign=False)
        return f" At the same energy {opponents.NAMES[best.opponent]} is better by {ahead}."
    worse = [one for one in known if lies(one.common, 0.0) > 0]
    if len(worse) == len(known):
        least = known[0].metric.difference(min(one.common.estimate for one in known), sign=False)
        names = listed([opponents.NAMES[one.opponent] for one in worse])
        return f" At the same energy it is ahead of {names} by {least}{' or more' * (len(worse) > 1)}."
    open_ = [opponents.NAMES[one.opponent] for one in known if one not in worse]
    return f" At the same energy it shows no lead over {listed(open_)}."


def _with_scope(found: Interval, text: str) -> str:
    """The text with its scope in front, where it has one: the terminal shows nothing else."""
    if not (found.scope and found.is_known):
        return text
    return f"{_capital(found.scope)}: {text[0].lower()}{text[1:]}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
