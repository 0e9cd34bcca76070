"""Uses of a fixed subset: several trainings on one kept set, less storage, less upload.

A device that keeps all its data and trains once can spend the same energy on fewer epochs. A subset that is chosen once
pays off where that opponent cannot run, or where the choice serves several trainings. There the method is compared with
a static random subset of the same size, at equal keep ratio.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.break_even import break_even
from edgesim.analysis.findings import Evidence, Finding, finding
from edgesim.analysis.gains import gain_in_words, oriented
from edgesim.analysis.grouping import FULL, RANDOM, mean
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.random_comparisons import RandomComparison, random_at
from edgesim.analysis.second_test_set import second_test_set
from edgesim.analysis.storage import storage_bound
from edgesim.formatting import listed, n_of, number, percent, ranges, size
from edgesim.tasks import metric_in


def fixed_subset_uses(records: pd.DataFrame, good: pd.DataFrame, method: str, ratio: float) -> list[Finding]:
    """Sentences at one keep ratio: the method against random, and the gains in each use.

    Args:
        records: one row per trial, in any state.
        good: those that ended well.
        method: one that keeps a subset; a dynamic one, and `random`, have no sentence.
        ratio: one of its keep ratios.
    """
    own = good[(good["method"] == method) & np.isclose(good["keep_ratio"], ratio)]
    if own.empty or method == RANDOM or own["dynamic"].fillna(False).astype(bool).any():
        return []
    random = random_at(good, method, ratio)  # the interval of the sentence on random: one comparison has one interval
    found = random.common if random else Interval()
    metric = metric_in(good)
    text = f"Where a fixed subset is needed, {_against_random(random, method, ratio)}."
    second = second_test_set(good)
    if random and found.n and random.second.n and second.stands_beside:
        text = f"{text[:-1]}; on {second.brief} {gain_in_words(random.second, metric)}."
    uses = [_repeated_trainings(good, method, ratio), _storage(records, good, own), _upload(good, own)]
    text = " ".join([text, *filter(None, uses)])
    evidence: Evidence = "yes" if lies(found, 0.0) > 0 else "no" if lies(found, 0.0) < 0 else "none"
    return [finding("use", text, evidence, oriented(found, metric), (method, ratio))]


def _against_random(random: RandomComparison | None, method: str, ratio: float) -> str:
    """The method against a static random subset of equal size."""
    if random is None or not random.common.n:
        return "the opponent is a static random subset, and none ran"
    found, basis = random.common, random.basis
    differs = gain_in_words(found, random.metric)
    if not found.is_known:
        return f"{method} at {number(ratio)} differs from random at {basis} by {differs}"
    side = lies(found, 0.0)
    result = "beats random" if side > 0 else "does worse than random" if side < 0 else "is not shown to beat random"
    return f"{method} at {number(ratio)} {result} at {basis}: {differs}"


def _repeated_trainings(good: pd.DataFrame, method: str, ratio: float) -> str:
    """Trainings on one kept set after which scoring has paid for itself, against each opponent."""
    table = break_even(good, method).table
    opponents: dict[str, list[str]] = {}
    for row in table[np.isclose(table["keep_ratio"], ratio)].to_dict("records"):
        count, opponent = float(row["n"]), "full training" if row["opponent"] == FULL else str(row["opponent"])
        when = f"after {n_of(count, 'training')}" if np.isfinite(count) else "never"
        when = "with the first training" if count == 1 else when
        when = "at once" if np.isinf(float(row["opponent_train_j"])) else when
        opponents.setdefault(when, []).append(opponent)
    if not opponents:
        return ""
    parts = [f"{when} against {listed(names)}" for when, names in opponents.items()]
    text = f"With several trainings on one kept set, scoring pays off {', '.join(parts)} (means, not tested)."
    less_accurate = opponents.get("at once")
    if less_accurate:
        text += (
            f" At once: {listed(less_accurate)} {'do' if len(less_accurate) > 1 else 'does'} not reach that "
            f"{metric_in(good).title}."
        )
    return text


def _storage(records: pd.DataFrame, good: pd.DataFrame, own: pd.DataFrame) -> str:
    """Storage of the kept samples, and the devices that cannot hold the samples that a dynamic opponent needs."""
    full = good.loc[good["method"] == FULL, "storage_bytes"]
    text = ""
    if len(full) and mean(full) > 0:
        text = f"Storage: the kept samples take {percent(mean(own['storage_bytes']) / mean(full))} of all."
    bound = storage_bound(records).table
    if len(bound):
        many = "devices" if len(bound) > 1 else "device"
        names = listed(sorted({name for opponents in bound["opponents"] for name in opponents.split(", ")}))
        text += f" On {many} {ranges(bound['device'])} it is too small for {names}; only static opponents run there."
    return text.strip()


def _upload(good: pd.DataFrame, own: pd.DataFrame) -> str:
    """Bytes sent where kept data is uploaded, and the seconds on devices whose link is known."""
    full = good[good["method"] == FULL]
    if not len(full) or not mean(full["upload_bytes"]) > 0:
        return ""
    sent, whole = mean(own["upload_bytes"]), mean(full["upload_bytes"])
    text = f"Upload: {size(sent)} per device instead of {size(whole)}"
    linked = own["upload_s"].notna()
    if linked.any():
        seconds, all_s = mean(own.loc[linked, "upload_s"]), mean(full["upload_s"])
        where = listed(sorted(set(own.loc[linked, "profile"])))
        text += f", {number(seconds, 3)} s instead of {number(all_s, 3)} s on {where}"
    return f"{text}."
