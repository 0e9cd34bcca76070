"""Gates of AdaPruner's mask, and derivatives of its loss by them (`pruning.adapruner`, Eqs. 4-7): pure functions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgesim.work import FloatArray

Term = Literal["classification", "selection", "compression"]
LOSS_FLOOR = 1e-8
"""below the smallest non-zero cross-entropy of float32; -log of it is the strongest push on an easy sample"""


def gates(mask: FloatArray, alpha: float) -> FloatArray:
    """The scaled sigmoid of a mask, sigmoid(alpha m): float64 [n] in (0, 1)."""
    # By tanh, which does not overflow where exp(-alpha m) would.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * alpha * mask)))


def pull(losses: FloatArray, terms: tuple[Term, ...]) -> FloatArray:
    """Pull of Eqs. 4 and 5 on each sample's gate, downwards: l - log l, or the part of it that `terms` names.

    Args:
        losses: float [B], at least 0; a loss of 0 counts as LOSS_FLOOR in the logarithm.
        terms: of the loss.

    Returns: float64 [B], N times the derivative of the two terms by the gate.
    """
    values = np.asarray(losses, dtype=np.float64)
    total = np.zeros(len(values))
    if "classification" in terms:
        total += values
    if "selection" in terms:
        total -= np.log(np.maximum(values, LOSS_FLOOR))
    return total


def border(mask: FloatArray, k: int) -> float:
    """The mask value between the k-th and the next: shifted by minus this, k gates are over 0.5 (ties apart)."""
    n = len(mask)
    if k == n:
        return float(mask.min()) - 1.0
    low, high = np.partition(mask, (n - k - 1, n - k))[[n - k - 1, n - k]]
    return 0.5 * float(low + high)


def slopes(mask: FloatArray, alpha: float) -> FloatArray:
    """Derivative of every gate by its mask value, alpha g (1 - g): float64 [n]."""
    opened = gates(mask, alpha)
    return np.asarray(alpha * opened * (1.0 - opened))


def third_pull(mask: FloatArray, alpha: float, target: float, scale: float) -> float:
    """N times the derivative of the third term by a gate, to the letter of Eqs. 6 and 7: 2 s |r - c_r| (mean(g) - c_r).

    Args:
        mask: [n].
        alpha: steepness of the gates.
        target: c_r, the share to keep.
        scale: s. r is the share of gates over 0.5.
    """
    weight = scale * abs(float(np.mean(mask > 0)) - target)
    return 2.0 * weight * (float(gates(mask, alpha).mean()) - target)
