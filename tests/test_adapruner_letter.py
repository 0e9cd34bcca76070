"""AdaPruner to the letter of Eq. 7, beside its two departures: steps of the mask by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgesim.pruning.adapruner import AdaPruner, _Mask
from edgesim.pruning.gates import gates, slopes, third_pull

LOSSES = np.array([2.0, 0.5])
VALUES = np.array([1.0, 1.0, -0.5, 2.0])
TARGET, ALPHA = 0.5, 2.0


def moved(**fields: object) -> np.ndarray:
    """The mask after one step on samples 1 and 2 of four, at c_r = 1/2."""
    method = AdaPruner(mask_learning_rate=0.1, **fields)  # type: ignore[arg-type]
    mask = _Mask(method, VALUES.copy(), 2, 0, np.array([ALPHA]))
    mask.move(np.array([1, 2]), LOSSES, ALPHA)
    return mask.values


def test_the_letter_by_hand() -> None:
    """Own pulls l - log l; third term 2 · 100 · |3/4 - 1/2| · (mean(g) - 1/2), a batch of 2 of 4 being half a sum."""
    opened = 1 / (1 + np.exp(-ALPHA * VALUES))
    slope = ALPHA * opened * (1 - opened)
    third = 2 * 100 * 0.25 * (opened.mean() - 0.5)
    np.testing.assert_allclose(gates(VALUES, ALPHA), opened)
    np.testing.assert_allclose(slopes(VALUES, ALPHA), slope)
    assert third_pull(VALUES, ALPHA, TARGET, 100.0) == pytest.approx(third)
    own = np.zeros(4)
    own[[1, 2]] = LOSSES - np.log(LOSSES)
    expected = VALUES - 0.1 * slope * own
    np.testing.assert_allclose(moved(mask_step="gradient", third_term="letter"), expected - 0.1 * 0.5 * third * slope)
    np.testing.assert_allclose(moved(third_term="letter"), VALUES - 0.1 * own - 0.1 * 0.5 * third)
    alone = moved(mask_step="gradient", third_term="letter", terms=("classification", "selection"))
    np.testing.assert_allclose(alone, expected)


def test_each_departure_stands_alone() -> None:
    """Held, the third term shifts all alike and not past the border between the two largest and the others."""
    held = moved(mask_step="gradient")
    own = moved(mask_step="gradient", terms=("classification", "selection"))
    shift = held - own
    np.testing.assert_allclose(shift, shift[0])
    assert (held > 0).sum() >= 2
    np.testing.assert_allclose(moved(), moved(mask_step="mirror", third_term="held"))
