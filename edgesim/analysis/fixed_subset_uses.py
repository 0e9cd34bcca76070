"""What a fixed subset is for: several trainings on one kept set, storage, and sending less; does the method pay there?

A device that keeps all its data and trains once can spend the same energy on fewer epochs. A subset that is chosen once
pays where that opponent cannot run, or where the choice serves more than one training. In these cases the comparison is
with a static random subset of the same size, at equal keep ratio.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.accuracy_loss import skewed
from edgesim.analysis.break_even import break_even
from edgesim.analysis.findings import Evidence, Finding, finding, with_interval
from edgesim.analysis.grouping import FULL, RANDOM, mean
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.opponents import random_at
from edgesim.analysis.storage import storage_bound
from edgesim.formatting import listed, n_of, number, percent, ranges, size


def uses(records: pd.DataFrame, good: pd.DataFrame, method: str, ratio: float) -> list[Finding]:
    """Two sentences at one keep ratio: which cases there are, and whether the method is ahead of random in them.

    Args:
        records: one row per trial, in any state.
        good: those that ended well.
        method: a method that keeps one subset; nothing is said of a dynamic one, or of `random`.
        ratio: one of its keep ratios.
    """
    own = good[(good["method"] == method) & np.isclose(good["keep_ratio"], ratio)]
    if own.empty or method == RANDOM or own["dynamic"].fillna(False).astype(bool).any():
        return []
    beside = random_at(good, method, ratio)  # the interval of the sentence on random: one comparison has one
    found = beside.common if beside else Interval()
    text = f"Where a fixed subset is needed, {_pays(found, method, ratio, beside.what if beside else '')}."
    if beside and found.n and skewed(good):
        text = f"{text[:-1]}; on the own class mix {with_interval(beside.local, 'points')}."
    told = [_repeats(good, method, ratio), _storage(records, good, own), _upload(good, own)]
    text = " ".join([text, *filter(None, told)])
    evidence: Evidence = "yes" if lies(found, 0.0) > 0 else "no" if lies(found, 0.0) < 0 else "none"
    return [finding("use", text, evidence, found, (method, ratio))]


def _pays(found: Interval, method: str, ratio: float, what: str) -> str:
    """What the method is worth at equal size."""
    if not found.n:
        return "a static random subset is the opponent, and none ran"
    if not found.is_known:
        return f"{method} at {number(ratio)} differs from random at {what} by {with_interval(found, 'points')}"
    side = lies(found, 0.0)
    told = "pays" if side > 0 else "does worse than random" if side < 0 else "is not shown to beat random"
    return f"{method} at {number(ratio)} {told} at {what}: {with_interval(found, 'points')}"


def _repeats(good: pd.DataFrame, method: str, ratio: float) -> str:
    """After how many trainings on one kept set scoring has paid for itself, against each opponent."""
    table = break_even(good, method).table
    parts = []
    for row in table[np.isclose(table["keep_ratio"], ratio)].to_dict("records"):
        count, opponent = float(row["n"]), "full training" if row["opponent"] == FULL else str(row["opponent"])
        if np.isinf(float(row["opponent_train_j"])):
            parts.append(f"at once against {opponent}, which never reaches that accuracy")
            continue
        parts.append(f"never against {opponent}" if not np.isfinite(count) else
                     f"with the first against {opponent}" if count == 1 else
                     f"after {n_of(count, 'training')} against {opponent}")  # fmt: skip
    if not parts:
        return ""
    return f"Several trainings on one kept set (means, not tested): scoring is paid back {listed(parts)}."


def _storage(records: pd.DataFrame, good: pd.DataFrame, own: pd.DataFrame) -> str:
    """What the kept samples take of the storage, and the devices that cannot hold what a moving opponent needs."""
    full = good.loc[good["method"] == FULL, "storage_bytes"]
    told = ""
    if len(full) and mean(full) > 0:
        told = f"Storage: the kept samples take {percent(mean(own['storage_bytes']) / mean(full))} of all."
    bound = storage_bound(records).table
    if len(bound):
        many = "devices" if len(bound) > 1 else "device"
        names = listed(sorted({name for text in bound["opponents"] for name in text.split(", ")}))
        told += f" On {many} {ranges(bound['device'])} it is too small for {names}: static opponents alone count there."
    return told.strip()


def _upload(good: pd.DataFrame, own: pd.DataFrame) -> str:
    """Bytes that are sent where kept data is uploaded, and the seconds on the devices whose link is known."""
    full = good[good["method"] == FULL]
    if not len(full) or not mean(full["upload_bytes"]) > 0:
        return ""
    sent, whole = mean(own["upload_bytes"]), mean(full["upload_bytes"])
    told = f"Sending: {size(sent)} per device in place of {size(whole)}"
    linked = own["upload_s"].notna()
    if linked.any():
        seconds, all_s = mean(own.loc[linked, "upload_s"]), mean(full["upload_s"])
        where = listed(sorted(set(own.loc[linked, "profile"])))
        told += f", {number(seconds, 3)} s in place of {number(all_s, 3)} s on {where}"
    return f"{told}."
