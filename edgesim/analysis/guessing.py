"""Comparison of full training with guessing: where networks learn little, methods hardly differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from edgesim.analysis.findings import Finding
from edgesim.analysis.grouping import FULL
from edgesim.formatting import n_of, percent, points
from edgesim.tasks import ACCURACY


class Guess(NamedTuple):
    """Accuracy that needs no training: the most frequent class is named for every sample of the common test set."""

    accuracy: float
    """share of that class in the test set"""
    samples: int
    """of the test set"""

    @property
    def spread(self) -> float:
        """Two standard deviations of the accuracy of a guess on so many samples (binomial)."""
        return 2 * math.sqrt(self.accuracy * (1 - self.accuracy) / self.samples)


def guess_in(info: Mapping[str, Any]) -> Guess | None:
    """The guess that run.json has; None where it has none: the task is no classification, or no data were read."""
    found = info.get("guess")
    return Guess(float(found["accuracy"]), int(found["samples"])) if found else None


def no_lead_over_guessing(good: pd.DataFrame, guess: Guess | None) -> list[Finding]:
    """The sentence that full training shows no lead over guessing; empty where it does, or did not run.

    Args:
        good: trials that ended well.
        guess: of the test set.
    """
    if guess is None:
        return []
    ran = good[good["method"] == FULL]
    reached = float(ran["test_accuracy"].mean())
    if not reached <= guess.accuracy + guess.spread:
        return []
    text = (
        f"On the common test set full training shows no lead over guessing: it reaches {ACCURACY.value(reached)}. "
        f"Naming the most frequent class every time reaches {percent(guess.accuracy)} (two standard deviations are "
        f"{points(guess.spread, sign=False)}, {n_of(guess.samples, 'sample')}). So differences there say little about "
        "pruning. More epochs, smaller batches, another learning rate or more data per device may help."
    )
    return [Finding("learning", text, "none", reached, n=len(ran), method=FULL, keep_ratio=1.0)]
