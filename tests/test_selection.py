"""Scores become a subset: exact budget, ties to the lower index, class shares by largest remainders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgesim.pruning.budgets import class_balanced_top_k, class_budgets, top_k


def test_top_k_by_hand() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.2])
    assert top_k(scores, 1).tolist() == [1]  # of the two 0.9 the lower index
    assert top_k(scores, 2).tolist() == [1, 3]
    assert top_k(scores, 3).tolist() == [1, 2, 3]
    assert top_k(scores, 5).tolist() == [0, 1, 2, 3, 4]


def test_equal_scores_keep_the_first() -> None:
    assert top_k(np.zeros(6), 4).tolist() == [0, 1, 2, 3]


def test_infinite_scores_are_ordered() -> None:
    assert top_k(np.array([-np.inf, 1.0, np.inf]), 2).tolist() == [1, 2]


@pytest.mark.parametrize("k", [0, 4, -1])
def test_a_budget_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="1 <= k <= n"):
        top_k(np.zeros(3), k)


def test_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 3 scores are NaN"):
        top_k(np.array([0.0, np.nan, 1.0]), 2)


def test_class_budgets_by_hand() -> None:
    # 5 + 3 + 2 samples, k = 4: exact shares 2.0, 1.2, 0.8 -> floors 2, 1, 0 -> the remaining one to the largest
    # remainder (0.8).
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    assert class_budgets(labels, 4) == {0: 2, 1: 1, 2: 1}
    # 900/100, k = 100: 90 and 10, as asked for.
    assert class_budgets(np.array([0] * 900 + [1] * 100), 100) == {0: 90, 1: 10}
    # A rare class keeps one sample while k allows it: exact shares 2.97 and 0.03.
    assert class_budgets(np.array([0] * 99 + [1]), 3) == {0: 2, 1: 1}
    # With k below the number of classes someone goes without.
    assert class_budgets(np.array([0, 0, 1, 2]), 2) == {0: 1, 1: 1, 2: 0}


def test_class_balanced_top_k_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    scores = np.array([4.0, 3.0, 2.0, 1.0, 0.5, 0.9])
    # k = 3: shares 2 and 1; plain top-3 would take class 0 only.
    assert class_balanced_top_k(scores, labels, 3).tolist() == [0, 1, 5]
    assert top_k(scores, 3).tolist() == [0, 1, 2]


SCORES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-5, 5, width=16))


@given(SCORES, st.data())
def test_top_k_properties(scores: np.ndarray, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(scores)))
    chosen = top_k(scores, k)
    assert len(chosen) == k
    assert (np.diff(chosen) > 0).all()
    rest = np.setdiff1d(np.arange(len(scores)), chosen)
    if len(rest):
        worst = scores[chosen].min()
        assert worst >= scores[rest].max()
        tied_out, tied_in = rest[scores[rest] == worst], chosen[scores[chosen] == worst]
        assert not len(tied_out) or tied_in.max() < tied_out.min()


@given(SCORES, st.data())
def test_class_balance_properties(scores: np.ndarray, data: st.DataObject) -> None:
    n = len(scores)
    labels = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, 4)))
    k = data.draw(st.integers(1, n))
    chosen = class_balanced_top_k(scores, labels, k)
    assert len(chosen) == len(set(chosen.tolist())) == k
    counts = {c: int((labels[chosen] == c).sum()) for c in np.unique(labels)}
    for label, kept in counts.items():
        size = int((labels == label).sum())
        assert kept <= size
        if k >= len(counts):
            assert kept >= 1
        members = np.flatnonzero(labels == label)
        if kept:
            inside = np.intersect1d(members, chosen)
            assert inside.tolist() == members[top_k(scores[members], kept)].tolist()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.data())
def test_budgets_are_within_one_of_the_exact_share(sizes: list[int], data: st.DataObject) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    k = data.draw(st.integers(len(sizes), len(labels)))
    budgets = class_budgets(labels, k)
    assert sum(budgets.values()) == k
    forced = sum(size * k / len(labels) < 1 for size in sizes)  # classes that are lifted to one take from others
    for label, budget in budgets.items():
        assert abs(budget - sizes[label] * k / len(labels)) < 1 + forced
