"""Verdict of a run in a few sentences: the recommendation, then savings, accuracy, and comparisons at equal cost.

Every sentence decides by the interval that it prints; intervals that are read together are simultaneous. Where the data
cannot decide, the sentence says so, and names the seeds or devices that could. Results of one seed hold for it alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from edgesim.analysis import opponents
from edgesim.analysis.accuracy_loss import MARGIN, AccuracyLosses, losses_to_full
from edgesim.analysis.findings import Evidence, Finding, finding, with_interval
from edgesim.analysis.fixed_subset_uses import fixed_subset_uses
from edgesim.analysis.gains import gain_in_words, margin_in_words, oriented
from edgesim.analysis.grouping import FULL, KEYS, RANDOM, complete, methods_of, ok
from edgesim.analysis.guessing import Guess, no_lead_over_guessing
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.random_comparisons import against_random
from edgesim.analysis.recommendation import VerdictContext, disagreement, loss_in_words, recommendation
from edgesim.analysis.savings import NOTHING, WORTH, by_profile, saving, startup_share, warm_saving
from edgesim.analysis.second_test_set import SecondTestSet, second_test_set
from edgesim.formatting import listed, n_of, number, percent
from edgesim.results import text_columns
from edgesim.tasks import ACCURACY, metric_in


@text_columns.new_as_objects()
def verdict_of(
    records: pd.DataFrame,
    method: str | None = None,
    margin: float = MARGIN,
    epochs: int | None = None,
    guess: Guess | None = None,
) -> list[Finding]:
    """Sentences on a run, the recommendation first. Before it: no lead over guessing, and test sets that disagree.

    Args:
        records: one row per trial, in any state.
        method: method of the verdict; None = `importance` where it ran, else the one with the highest mean accuracy,
            else `random`.
        margin: loss of accuracy that counts as none; of a metric that is no share, relative to full training's value.
        epochs: of full training, to write fewer epochs as a number; None = as a share.
        guess: accuracy of a guess on the common test set; None = unknown, and full training is not compared with it.

    Returns: findings of the kinds "learning" (no lead over guessing), "disagreement", "answer", "saving" (time and
        energy of the fleet at the ratio), "accuracy" (loss at that ratio), "harm" (ratio from which accuracy falls),
        "devices" (savings by profile), "random" (methods against chance at equal ratio), "cost" (against opponents at
        equal total cost), "use" (repeated trainings, storage, upload) and "limits".
    """
    records = complete(records)
    good = ok(records)
    if good.empty:
        text = "No trial has ended well, so there is no result on pruning."
        return [Finding("limits", text), *_limits(records)]
    method = method or verdict_method(good)
    if method is None:
        text = "No trial that prunes ended well, so there is no result on pruning."
        return [Finding("limits", text), *_limits(records)]
    found = no_lead_over_guessing(good, guess)
    about: float | None = None
    at_cost: list[opponents.OpponentComparison] = []
    if (good["method"] == FULL).any():
        losses = losses_to_full(good, method, margin)
        about = losses.discussed_ratio
        if about is None:
            found.append(Finding("accuracy", f"No trial of {method} below keep ratio 1 has a partner in full."))
        else:
            at_cost = opponents.at_cost(good, method, about)
            context = VerdictContext(good, losses, about, at_cost, second_test_set(good))
            found += [*disagreement(context), recommendation(context), _saving(context), _accuracy(context)]
            found += [_harm(losses, context.second_set), _devices(good, method, about)]
    else:
        changes = "accuracy losses" if (metric := metric_in(good)) is ACCURACY else f"changes of {metric.noun}"
        text = f"Full training is not among the methods, so savings and {changes} are unknown."
        found.append(Finding("saving", text, method=method))
    found.append(against_random(good))
    if about is None:
        at_cost = opponents.at_cost(good, method)
    found.append(opponents.equal_cost_finding(records, method, at_cost, epochs))
    if about is not None:
        found += fixed_subset_uses(records, good, method, about)
    return [*found, *_limits(records)]


def verdict_method(good: pd.DataFrame) -> str | None:
    """Method that a verdict is about."""
    names = methods_of(good)
    if "importance" in names:
        return "importance"
    if names:
        metric = metric_in(good)
        means = metric.sign * good[good["method"].isin(names)].groupby("method")[metric.column()].mean()
        return str(means.idxmax()) if means.notna().any() else names[0]
    return RANDOM if (good["method"] == RANDOM).any() else None


def _saving(context: VerdictContext) -> Finding:
    good, method, ratio = context.good, *context.cell
    time, energy = saving(good, method, ratio, "device_time_s"), saving(good, method, ratio, "device_energy_j")
    if time.n == 0:
        return Finding("saving", "No device time is known, so savings are unknown.", method=method)
    where = f"On this fleet, {context.does}"
    energy_saved = f" and {with_interval(energy, of='seed')} of the energy" if energy.n else ""
    if abs(time.estimate) < NOTHING:
        text = f"{where} neither saves nor costs time (less than {percent(NOTHING)}, scoring included)."
    elif time.estimate > 0:
        text = f"{where} saves {with_interval(time, of='seed')} of the time{energy_saved}, scoring included."
    else:
        more = time._replace(estimate=-time.estimate, low=-time.high, high=-time.low)
        scored = good.loc[good["method"] == method, "device_score_time_s"]
        why = ": scoring costs more than it saves." if (scored > 0).any() else ", all work included."
        text = f"{where} takes {with_interval(more, of='seed')} more time{why}"
    if time.estimate < NOTHING:
        text += _break_even(good, method)
    share, warm = startup_share(good), warm_saving(good, method, ratio)
    if np.isfinite(share) and share >= WORTH and np.isfinite(warm):
        does = f"saves {percent(warm)}" if warm >= 0 else f"takes {percent(-warm)} more"
        text += f" Start-up takes {percent(share)} of full training's time. Without it, pruning {does}."
    return finding("saving", text, "sum", time, context.cell)


def _break_even(good: pd.DataFrame, method: str) -> str:
    """Largest ratio at which the method saves time, as a sentence."""
    ratios = sorted({float(r) for r in good.loc[good["method"] == method, "keep_ratio"]}, reverse=True)
    for ratio in ratios:
        found = saving(good, method, ratio, "device_time_s")
        if found.estimate >= NOTHING:
            return f" It saves time at {number(ratio)}: {percent(found.estimate)}."
    return " It saves time at no ratio of this run."


def _accuracy(context: VerdictContext) -> Finding:
    losses, ratio, second_set = context.losses, context.ratio, context.second_set
    found, method, metric = losses.common[ratio], losses.method, losses.metric
    differs = gain_in_words(found, metric)
    text = f"At {number(ratio)} the {metric.title} of {method} minus full training's is {differs}"
    evidence: Evidence = "none"
    if found.is_known:
        evidence = "yes"
        if lies(found, 0.0) > 0:
            text += f": it is {metric.better}{metric.direction}"
        elif lies(found, -losses.margin) > 0:
            text += f": {loss_in_words(found, losses)}"
        elif lies(found, 0.0) < 0:
            text += f": it is {metric.worse}{metric.direction}"
        else:
            evidence = "none"
            up_to = metric.difference(abs(found.low), sign=False)
            text += f": {metric.loss} of up to {up_to} is not ruled out"
    if second_set.stands_beside and losses.second[ratio].n:
        text += f". On {second_set.name} it is {gain_in_words(losses.second[ratio], metric)}"
    text = f"{text}. {' '.join(losses.left_out)}".strip()
    return finding("accuracy", text, evidence, oriented(found, metric), (method, ratio))


def _harm(losses: AccuracyLosses, second_set: SecondTestSet) -> Finding:
    """Largest ratio at which a loss is shown, and the ratios that stay open; likewise on the devices' own samples."""
    found = _harm_on_one(losses)
    on_second = losses.on_second()
    if not (second_set.is_own and on_second.common):
        return found
    text = _harm_on_one(on_second).text
    return replace(found, text=f"{found.text} On {second_set.name}: {text[0].lower()}{text[1:]}")


def _harm_on_one(losses: AccuracyLosses) -> Finding:
    """Largest ratio at which a loss is shown on the common test set, and the ratios that stay open."""
    method, harmful, metric = losses.method, losses.harmful, losses.metric
    lowest = min(losses.common)
    costs = f"costs {metric.title}" if metric.higher_is_better else f"raises {metric.noun}"
    if harmful:
        ratio = harmful[0]
        below = [other for other in losses.common if other <= ratio]
        where = f"At {number(ratio)}"
        if below == harmful and len(below) > 1:
            where = f"From keep ratio {number(ratio)} down"
        text = f"{where}, {method} {costs}: {gain_in_words(losses.common[ratio], metric)} there"
        if lowest < ratio:
            shown = lowest in harmful
            further = metric.difference(oriented(losses.common[lowest], metric).estimate)
            text += f", and {further} at {number(lowest)}" if shown else ""
        open_ = [other for other in losses.common if other not in harmful and other not in losses.safe]
        if open_:
            text += f". At {listed([number(other) for other in open_])} this run cannot tell"
        return finding("harm", text + ".", "yes", oriented(losses.common[ratio], metric), (method, ratio))
    found = oriented(losses.common[lowest], metric)
    if not found.is_known:
        text = f"The keep ratio from which {method} {costs} is unknown"
        text += f": {found.scope}." if found.scope else " from so few trials."
        return finding("harm", text, "none", found, (method, lowest))
    if len(losses.safe) == len(losses.common):
        margin = margin_in_words(losses.asked, metric)
        loses = "lose more than" if metric.higher_is_better else f"raise {metric.noun} by more than"
        text = f"At no keep ratio does {method} {loses} {margin}"
        text += f"; at {number(lowest)} it differs by {with_interval(found, metric)}."
        return finding("harm", text, "yes", found, (method, lowest))
    text = f"This run does not show from which keep ratio on {method} {costs}. At {number(lowest)} it differs by "
    return finding("harm", f"{text}{with_interval(found, metric)}.", "none", found, (method, lowest))


def _devices(good: pd.DataFrame, method: str, ratio: float) -> Finding:
    """Time saved by profile at that ratio. Accuracy depends on the shard, which has a profile by chance."""
    rows = by_profile(good, method, ratio)
    if not rows:
        return Finding("devices", "No device time is known, so the savings by profile are unknown.", method=method)
    (best, most, _), (worst, least, _) = rows[0], rows[-1]
    if len(rows) == 1:
        text = f"All devices are of one profile, {best}: at {number(ratio)} they save {percent(most)} of the time"
    else:
        text = f"At {number(ratio)} the time saved goes from {percent(least)} on {worst} to {percent(most)} on {best}"
        if percent(least) == percent(most):
            text = f"At {number(ratio)} devices of all profiles save {percent(most)} of the time"
    slower = [profile for profile, time, _ in rows if time <= -NOTHING]
    if slower:
        names = "all" if len(slower) == len(rows) else listed(slower)
        verb = "are" if len(slower) > 1 or names == "all" else "is"
        text += f"; {names} {verb} slower than with full training"
    share = {profile: startup_share(good[good["profile"] == profile]) for profile, _, _ in rows}
    started = [f"{percent(share[name])} on {name}" for name in dict.fromkeys((worst, best)) if share[name] >= WORTH]
    if started:
        text += f". Start-up takes {listed(started)} of full training's time"
    finished = Interval(least, n=len(rows))
    return finding("devices", text + ".", "sum", finished, (method, ratio))


def _limits(records: pd.DataFrame) -> list[Finding]:
    """Limits by the run's size and its failures; empty where there are none."""
    good = ok(records)
    sentences = []
    if good["seed"].nunique() == 1:
        sentences.append("The run has one seed: every number is of this seed alone, and nothing is known about others.")
    elif good["seed"].nunique() == 2:
        sentences.append("The run has only 2 seeds, so intervals are very wide.")
    if good["device"].nunique() == 1:
        sentences.append("The run has one device: every number is of this device alone.")
    bad = records[records["status"] != "ok"]
    if len(bad):
        pairs = len(bad[[*KEYS]].drop_duplicates())
        sentences.append(
            f"{len(bad):,} of {n_of(len(records), 'trial')}, of {n_of(pairs, '(seed, device) pair')}, did not end well "
            "and are left out."
        )
    return [Finding("limits", " ".join(sentences), n=len(good))] if sentences else []
