"""Several trainings on one kept set: their largest number, and the number after which scoring has paid for itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgesim.work import FloatArray

MOST_TRAININGS = 1_000_000
"""that one selection may serve: one a minute for two years"""
_ROUNDING = 1e-9


def trainings_to_break_even(score_j: npt.ArrayLike, train_j: npt.ArrayLike, opponent_j: npt.ArrayLike) -> FloatArray:
    """The smallest N >= 1 with score + N·train <= N·opponent.

    Args:
        score_j: energy of scoring and selection, done once, >= 0.
        train_j: energy of one training on the kept set, its start-up included.
        opponent_j: energy of one training of the opponent; inf where it cannot do the same at any price.

    Returns: float64 of their common shape: 1 = at once; NaN = never, not within MOST_TRAININGS, or not known.
    """
    score, train, opponent = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (score_j, train_j, opponent_j))
    )
    saved = opponent - train
    needed = np.divide(score, saved, out=np.full(score.shape, np.nan), where=saved > 0)
    found = np.maximum(np.ceil(needed * (1 - _ROUNDING)), 1.0)
    # Without scoring and without extra cost there is nothing to pay back.
    found = np.where((score == 0) & (saved == 0), 1.0, found)
    return np.asarray(np.where(found <= MOST_TRAININGS, found, np.nan))
