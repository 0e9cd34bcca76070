"""Recommendation of a run in one line, and a sentence before it where the two test sets disagree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis import opponents
from edgesim.analysis.accuracy_loss import AccuracyLosses, distributions_disagree
from edgesim.analysis.findings import Evidence, Finding, finding
from edgesim.analysis.gains import gain_in_words, margin_in_words, oriented
from edgesim.analysis.grouping import is_ruled
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.opponents import OpponentComparison
from edgesim.analysis.random_comparisons import random_at
from edgesim.analysis.savings import WORTH, by_profile, saved_in_words, saving, why_little
from edgesim.analysis.second_test_set import SecondTestSet, on_both
from edgesim.formatting import listed, n_of, number, percent, short_percent
from edgesim.tasks import Metric


class VerdictContext(NamedTuple):
    """Method and keep ratio that a verdict is about, with the comparisons that it uses."""

    good: pd.DataFrame
    """trials that ended well"""
    losses: AccuracyLosses
    ratio: float
    at_cost: list[OpponentComparison]
    """the method at that ratio against every opponent at equal total cost"""
    second_set: SecondTestSet
    """test samples that stand beside the common test set"""

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
    """Sentence that comes first where the common test set and the second one disagree; empty otherwise."""
    losses, ratio = context.losses, context.ratio
    pairs = [("full training", losses.common[ratio], losses.second[ratio], losses.margin)]
    if random := random_at(context.good, context.method, ratio):
        pairs.append((f"random at {random.basis}", random.common, random.second, 0.0))
    pairs += [(f"{opponents.NAMES[one.opponent]} at equal total cost", one.common, one.second, 0.0)
              for one in context.at_cost]  # fmt: skip
    for name, common, second, margin in pairs:
        if distributions_disagree(common, second, margin):
            metric = losses.metric
            text = (
                f"{context.second_set.devices} Against {name}, {context.method} at {number(ratio)} "
                f"differs by {gain_in_words(common, metric)} on the common test set. On "
                f"{context.second_set.of_a_device} it differs by {gain_in_words(second, metric)}{metric.direction}."
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
    loss = loss_in_words(found, losses) + _beside(context)
    does = context.does.replace("keeping", "keep").replace("training by", "train by", 1)
    evidence = "yes"
    if not known:
        text = f"{_capital(does)}: {loss}. Its savings are unknown: no device time or energy is known."
    elif max(known) < WORTH:
        text = f"Not worth it: {context.does} {saved_in_words(*costs)}, with {loss}.{why_little(good, *context.cell)}"
        evidence = "no"
    else:
        text = f"{_capital(does)}: {saved_in_words(*costs)}, {loss}{_not_on(context)}{_safe_on_own(context)}"
    return finding("answer", _with_scope(found, text + _at_same_energy(context)), evidence, shown, context.cell)


def loss_in_words(found: Interval, losses: AccuracyLosses) -> str:
    """Loss in words, by an interval of gains above minus the margin."""
    metric, margin = losses.metric, margin_in_words(losses.asked, losses.metric)
    if lies(found, 0.0) > 0:
        return f"{metric.noun} is {metric.better} by {metric.difference(found.estimate, sign=False)}"
    if lies(found, 0.0) < 0:
        return f"{metric.loss_by} {metric.difference(-found.estimate, sign=False)}, within the margin of {margin}"
    none = "no loss" if metric.higher_is_better else f"no increase of {metric.noun}"
    return f"{none} above {margin}" if losses.asked > 0 else none


def _beside(context: VerdictContext) -> str:
    """Loss on the second test set, in words after that on the common one; empty where it does not stand beside it.

    A class mix that rules out a loss is not mentioned.
    """
    losses, second_set = context.losses, context.second_set
    metric, second = losses.metric, losses.second[context.ratio]
    if not second_set.stands_beside or not np.isfinite(second.estimate):
        return ""
    if not second.is_known:
        return f" on the common test set (on {second_set.name} it differs by {gain_in_words(second, metric)})"
    if lies(second, -losses.margin) > 0:
        if not second_set.is_own:
            return ""
        words = loss_in_words(second, losses)
        if words == loss_in_words(losses.common[context.ratio], losses):
            return f" on the common test set and on {second_set.name}"
        return f" on the common test set, and on {second_set.name} {words}"
    if lies(second, 0.0) < 0:
        lost = metric.difference(-second.estimate, sign=False)
        lost = f"{lost} lost" if metric.higher_is_better else f"{metric.loss} of {lost}"
        return f" on the common test set, but {lost} on {second_set.name}"
    up_to = metric.difference(abs(second.low), sign=False)
    return f" on the common test set (on {second_set.name} {metric.loss} of up to {up_to} is not ruled out)"


def _on_own_samples(context: VerdictContext) -> str:
    """Difference on the devices' own test samples, and keep ratios that are safe there; empty where there are none."""
    losses, second_set = context.losses, context.second_set
    second, metric = losses.second[context.ratio], losses.metric
    if not second_set.is_own or not second.n:
        return ""
    differs = gain_in_words(second, metric)
    text = f" On {second_set.name} {context.method} at {short_percent(context.ratio)} differs by {differs}."
    on_second = losses.on_second()
    if len(on_second.harmful) == len(on_second.common):
        text += f" There {metric.loss} is shown at every keep ratio that ran."
    elif on_second.safe:
        ratios = listed([short_percent(ratio) for ratio in on_second.safe])
        text += f" There {metric.loss} above {margin_in_words(losses.asked, metric)} is ruled out at {ratios}."
    return text


def _safe_on_own(context: VerdictContext) -> str:
    """Sentence on the smallest keep ratio that is safe on the devices' own test samples, where it is another one."""
    if not context.second_set.is_own:
        return ""
    on_second, asked = context.losses.on_second(), margin_in_words(context.losses.asked, context.losses.metric)
    if len(on_second.common) < 2 or on_second.recommended == context.ratio:
        return ""
    name, smallest = context.second_set.name, short_percent(context.ratio)
    if on_second.recommended is None:
        return f" {smallest} is the smallest safe keep ratio on the common test set; on {name} none is shown to be."
    other = short_percent(on_second.recommended)
    loss = f"{context.losses.metric.loss} above {asked}"
    return (
        f" {smallest} is the smallest keep ratio at which {loss} is ruled out on the common test set; "
        f"on {name} it is {other}."
    )


def _no_ratio(context: VerdictContext) -> tuple[str, Evidence]:
    """Reason why no keep ratio is recommended, and the seeds or devices that would decide."""
    losses, ratio, second_set = context.losses, context.ratio, context.second_set
    found, method, metric = losses.common[ratio], context.method, losses.metric
    on_common = " on the common test set" * second_set.is_own
    margin, estimate = margin_in_words(losses.asked, metric), metric.difference(-found.estimate, sign=False)
    if not found.is_known:
        time = saving(context.good, *context.cell, "device_time_s").estimate
        saved = f"saved {percent(time)} of the time and " if time >= 0 else ""
        saved = f"took {percent(-time)} more time and " if time < 0 else saved
        scope = f"{_capital(found.scope)}: " if found.scope else "Too few trials: "
        changed = metric.difference(oriented(found, metric).estimate)
        return (
            f"{scope}{context.does} {saved}changed {metric.noun} by {changed}{on_common}."
            f"{_on_own_samples(context)} Two seeds or more would show what holds in general."
        ), "none"
    if all(one.high < -losses.margin for one in losses.common.values()):
        moves = "falls" if metric.higher_is_better else "rises"
        here, on_set = "here", on_common
        if second_set.is_own and ratio in losses.on_second().safe:
            here, on_set = "for data like the common test set", ""
        falls = f"{metric.noun}{on_set} {moves} at every keep ratio that ran, by {estimate}"
        return f"Do not prune by {method} {here}: {falls} at {short_percent(ratio)}.{_on_own_samples(context)}", "no"
    up_to = metric.difference(abs(found.low), sign=False)
    may = f"at {short_percent(ratio)} {metric.loss_by} up to {up_to} is not ruled out{on_common}"
    text = f"This run shows no safe keep ratio for {method} (margin {margin}). {_capital(may)}."
    repetitions = losses.repetitions()
    if repetitions is None:
        small = any(one.estimate > -losses.margin for one in losses.common.values())
        more = "Neither 1,000 seeds nor 1,000 devices alone would decide; run more of both."
        more = more if small else f"Every estimate{on_common} is {metric.loss} of the margin or more."
        return f"{text} {more}{_on_own_samples(context)}", "none"
    at, needed = repetitions
    now = (found.seeds, found.devices)
    ways = [f"about {n_of(max(count, have + 1), what)} (now {have})"
            for count, what, have in zip(needed, ("seed", "device"), now, strict=True) if count]  # fmt: skip
    return (
        f"{text} {_capital(' or '.join(ways))} would decide at {short_percent(at)}, if the estimate holds."
        f"{_on_own_samples(context)}",
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


def _at_same_energy(context: VerdictContext) -> str:
    """Sentence on the opponents at the same price; empty without any.

    It uses the intervals that the sentence on equal cost prints.
    """
    common = _lead([(one.opponent, one.common) for one in context.at_cost], context.losses.metric)
    if not common:
        return ""
    second = [(one.opponent, one.second) for one in context.at_cost] if context.second_set.is_own else []
    both = on_both(common, _lead(second, context.losses.metric), context.second_set)
    return f" At the same energy {both}."


def _lead(gains: list[tuple[str, Interval]], metric: Metric) -> str:
    """Lead over the opponents, or the opponent that is best, in words; empty without intervals."""
    known = [(opponents.NAMES[name], gain) for name, gain in gains if gain.is_known]
    if not known:
        return ""
    better = [(gain.estimate, name) for name, gain in known if lies(gain, 0.0) < 0]
    if better:
        estimate, best = min(better, key=lambda one: one[0])
        return f"{best} is better by {metric.difference(abs(estimate), sign=False)}"
    worse = [name for name, gain in known if lies(gain, 0.0) > 0]
    if len(worse) == len(known):
        least = metric.difference(min(gain.estimate for _, gain in known), sign=False)
        return f"it is ahead of {listed(worse)} by {least}{' or more' * (len(worse) > 1)}"
    return f"it shows no lead over {listed([name for name, _ in known if name not in worse])}"


def _with_scope(found: Interval, text: str) -> str:
    """The text with its scope in front, where it has one: the terminal shows nothing else."""
    if not (found.scope and found.is_known):
        return text
    return f"{_capital(found.scope)}: {text[0].lower()}{text[1:]}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
