"""The one line to decide by, and the sentence before it where the two test distributions disagree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis import opponents
from edgesim.analysis.accuracy_loss import AccuracyLosses, skewed, turns
from edgesim.analysis.findings import Evidence, Finding, finding, with_interval
from edgesim.analysis.grouping import is_ruled
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.opponents import OpponentComparison
from edgesim.analysis.savings import WORTH, by_profile, saved_in_words, saving, why_little
from edgesim.formatting import listed, n_of, number, percent, points, short_percent


class VerdictContext(NamedTuple):
    """What a verdict speaks about."""

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
        """What the method does there: it keeps a subset, or moves over all samples for a share of the training."""
        own = self.good[self.good["method"] == self.method]
        share = short_percent(self.ratio) + " on average" * is_ruled(own)
        if own["dynamic"].fillna(False).astype(bool).any():
            return f"training by {self.method} at {share} of full training"
        return f"keeping {share} by {self.method}"


def turn(spoken: VerdictContext) -> list[Finding]:
    """A first sentence where common test set and own class mix disagree; nothing where they do not."""
    losses, ratio = spoken.losses, spoken.ratio
    pairs = [("full training", losses.common[ratio], losses.local[ratio], losses.margin)]
    if beside := opponents.random_at(spoken.good, spoken.method, ratio):
        pairs.append((f"random at {beside.what}", beside.common, beside.local, 0.0))
    pairs += [(f"{opponents.NAMES[one.opponent]} at equal total cost", one.common, one.local, 0.0)
              for one in spoken.at_cost]  # fmt: skip
    for name, common, local, margin in pairs:
        if turns(common, local, margin):
            text = (
                f"The answer depends on what the devices will see. Against {name}, {spoken.method} at {number(ratio)} "
                f"differs by {with_interval(common, 'points')} on the common test set. On the device's own class mix "
                f"it differs by {with_interval(local, 'points')}."
            )
            return [finding("turn", text, "yes", common, spoken.cell)]
    return []


def answer_of(spoken: VerdictContext) -> Finding:
    """The one line to decide by."""
    losses, good, ratio = spoken.losses, spoken.good, spoken.ratio
    found = losses.common[ratio]
    if losses.recommended is None:
        text, evidence = _no_ratio(spoken)
        return finding("answer", _alone(found, text), evidence, found, spoken.cell)
    costs = [saving(good, *spoken.cell, column).estimate for column in ("device_time_s", "device_energy_j")]
    known = [value for value in costs if np.isfinite(value)]
    loss = loss_in_words(found, losses.margin) + _own_mix(spoken)
    does = spoken.does.replace("keeping", "keep").replace("training by", "train by", 1)
    evidence = "yes"
    if not known:
        text = f"{_capital(does)}: {loss}. What it saves cannot be told: no device time or energy is known."
    elif max(known) < WORTH:
        text = f"Not worth it: {spoken.does} {saved_in_words(*costs)}, with {loss}.{why_little(good, *spoken.cell)}"
        evidence = "no"
    else:
        text = f"{_capital(does)}: {saved_in_words(*costs)}, {loss}{_not_on(spoken)}"
    return finding("answer", _alone(found, text + _better_buy(spoken.at_cost)), evidence, found, spoken.cell)


def loss_in_words(found: Interval, margin: float) -> str:
    """What an interval above the margin says of the loss."""
    if lies(found, 0.0) > 0:
        return f"accuracy is higher by {points(found.estimate, sign=False)}"
    if lies(found, 0.0) < 0:
        return f"a loss of {points(-found.estimate, sign=False)}, within the margin of {margin_in_words(margin)}"
    return f"no loss above {margin_in_words(margin)}" if margin > 0 else "no loss"


def _own_mix(spoken: VerdictContext) -> str:
    """What the own class mix says where it is another one and does not rule out that loss; else empty."""
    local, margin = spoken.losses.local[spoken.ratio], spoken.losses.margin
    if not skewed(spoken.good) or not np.isfinite(local.estimate) or lies(local, -margin) > 0:
        return ""
    if lies(local, 0.0) < 0:
        return (
            f" on the common test set, but {points(-local.estimate, sign=False)} lost on the devices' own class mixes"
        )
    up_to = points(abs(local.low), sign=False)
    return f" on the common test set (on the devices' own class mixes a loss of up to {up_to} is not ruled out)"


def _no_ratio(spoken: VerdictContext) -> tuple[str, Evidence]:
    """Why no keep ratio is recommended, and what would tell."""
    losses, ratio = spoken.losses, spoken.ratio
    found, method, margin = losses.common[ratio], spoken.method, margin_in_words(losses.margin)
    if not found.is_known:
        time = saving(spoken.good, *spoken.cell, "device_time_s").estimate
        saved = f"saved {percent(time)} of the time and " if time >= 0 else ""
        saved = f"took {percent(-time)} more time and " if time < 0 else saved
        scope = f"{_capital(found.scope)}: " if found.scope else "Too few trials: "
        return (
            f"{scope}{spoken.does} {saved}changed accuracy by {points(found.estimate)}. "
            "Run two seeds or more to tell what holds beyond."
        ), "none"
    if all(one.high < -losses.margin for one in losses.common.values()):
        falls = f"accuracy falls at every keep ratio that ran, by {points(-found.estimate, sign=False)}"
        return f"Do not prune by {method} here: {falls} at {short_percent(ratio)}.", "no"
    may = f"at {short_percent(ratio)} a loss of up to {points(abs(found.low), sign=False)} is not ruled out"
    text = f"This run cannot tell at which keep ratio {method} is safe (margin {margin}): {may}."
    told = losses.repetitions()
    if told is None:
        small = any(one.estimate > -losses.margin for one in losses.common.values())
        more = "Neither 1,000 seeds nor 1,000 devices alone would tell: run more of both."
        return f"{text} {more if small else 'Every estimate is a loss of the margin or more.'}", "none"
    at, needed = told
    now = (found.seeds, found.devices)
    ways = [f"about {n_of(max(count, have + 1), what)} (now {have})"
            for count, what, have in zip(needed, ("seed", "device"), now, strict=True) if count]  # fmt: skip
    return (
        f"{text} {_capital(' or '.join(ways))} would tell at {short_percent(at)}, if the loss is what it seems.",
        "none",
    )


def _not_on(spoken: VerdictContext) -> str:
    """The profiles on which it is not worth it, and why; empty where there are none."""
    useless = [profile for profile, time, energy in by_profile(spoken.good, *spoken.cell)
               if np.nanmax([time, energy]) < WORTH]  # fmt: skip
    if not useless:
        return "."
    why = why_little(spoken.good[spoken.good["profile"].isin(useless)], *spoken.cell)
    return f"; not worth it on {listed(useless)}.{why}"


def _better_buy(at_cost: list[OpponentComparison]) -> str:
    """A sentence on the opponents that are shown to be better or worse at the same price; empty without any.

    It reads the intervals that the sentence on equal cost prints.
    """
    known = [one for one in at_cost if one.common.is_known]
    if not known:
        return ""
    better = [one for one in known if lies(one.common, 0.0) < 0]
    if better:
        best = min(better, key=lambda one: one.common.estimate)
        ahead = points(abs(best.common.estimate), sign=False)
        return f" At the same energy {opponents.NAMES[best.opponent]} is better by {ahead}."
    worse = [one for one in known if lies(one.common, 0.0) > 0]
    if len(worse) == len(known):
        least = points(min(one.common.estimate for one in known), sign=False)
        names = listed([opponents.NAMES[one.opponent] for one in worse])
        return f" At the same energy it is ahead of {names} by {least}{' or more' * (len(worse) > 1)}."
    open_ = [opponents.NAMES[one.opponent] for one in known if one not in worse]
    return f" At the same energy no lead over {listed(open_)} can be told."


def _alone(found: Interval, text: str) -> str:
    """A sentence of one device says so itself: the terminal shows nothing else."""
    if not (found.scope and found.is_known):
        return text
    return f"{_capital(found.scope)}: {text[0].lower()}{text[1:]}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def margin_in_words(margin: float) -> str:
    """0.01 -> '1 point'."""
    return n_of(round(100 * margin, 6), "point")
