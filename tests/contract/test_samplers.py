"""What every pair of a score and a sampler owes: exact budgets, determinism, planned work, on degenerate shards too."""

from __future__ import annotations

import functools
import pickle
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from folding import over
from test_expected import NETWORK
from test_methods import SHARDS, context_of, method_of

from edgesim.pruning import METHODS, SAMPLERS, base, expected_work, selection
from edgesim.pruning.budgets import class_budgets
from edgesim.pruning.subset_samplers import SubsetSampler
from edgesim.pruning.weighted_samplers import ImportanceSampling
from edgesim.scenario.method_options import takes_sampler

SCORING = [name for name, cls in METHODS.items() if takes_sampler(cls)]
VARIANTS: list[SubsetSampler] = [*(cls() for cls in SAMPLERS.values()), ImportanceSampling(mix=1.0, unbiased=True)]


@dataclass(frozen=True)
class Given(base.Method):
    """a user's own method: scores of one of several kinds"""

    kind: str = "even"
    source: ClassVar[str] = "test"

    def score(self, context: base.ScoreContext) -> base.Scoring:
        n = context.shard.size
        rising = np.arange(n, dtype=np.float64)
        kinds = {
            "even": np.zeros(n),
            "negative": -rising,
            "huge": rising * 1e300,
            "tiny": 1.0 + rising * 1e-15,
            "infinite": np.where(rising % 3 == 0, np.inf, np.where(rising % 3 == 1, -np.inf, rising)),
            "only infinite": np.full(n, -np.inf),
        }
        return base.Scoring(kinds[self.kind])


@functools.cache
def scored_context(name: str, shard: str) -> tuple[Any, base.ScoreContext]:
    method = method_of(name)
    return method, context_of(method, *SHARDS[shard])


def assert_contract(method: base.Method, context: base.ScoreContext) -> None:
    n = context.shard.size
    ratios = sorted({1 / n, 0.3, 0.7, 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        first = selection.choose(method, context, ratios)
        again = selection.choose(method, context, ratios)
    for ratio, chosen, same in zip(ratios, first, again, strict=True):
        k = max(1, round(ratio * n))
        positions, weights = chosen.selection.positions, chosen.selection.weights
        assert len(positions) == k
        assert (np.diff(positions) > 0).all()
        assert positions[0] >= 0
        assert positions[-1] < n
        np.testing.assert_array_equal(positions, same.selection.positions)
        if weights is not None:
            assert weights.shape == (k,)
            assert (weights >= 1).all()
            assert np.isfinite(weights).all()
            np.testing.assert_array_equal(weights, same.selection.weights)
        assert all(np.isfinite(value) for value in chosen.selection.notes.values())
        planned = expected_work.of_scoring(method, context.shard, NETWORK, k)
        if planned.work_is == "exact":
            assert planned.work.comparisons == chosen.work.comparisons
            assert planned.work.other_flops == pytest.approx(chosen.work.other_flops, rel=1e-12)
        if method.balance == "class" and not method.sampler_for(n, k).sets_class_shares:
            kept = context.shard.labels[positions]
            assert class_budgets(context.shard.labels, k) == {
                label: int((kept == label).sum()) for label in np.unique(context.shard.labels).tolist()
            }


@pytest.mark.parametrize("name", SCORING)
@over("shard", ["ordinary", "skewed"])
def test_every_score_goes_with_every_sampler(name: str, shard: str) -> None:
    method, context = scored_context(name, shard)
    for sampler in VARIANTS:
        assert_contract(method.with_options({"sampler": sampler}), context)


@pytest.mark.parametrize("sampler", VARIANTS, ids=lambda sampler: sampler.name)
@over("shard", SHARDS)
def test_shards_and_scores_of_all_kinds(sampler: SubsetSampler, shard: str) -> None:
    for kind in ("even", "negative", "huge", "tiny", "infinite", "only infinite"):
        method = Given(kind).with_options({"sampler": sampler})
        context = scored_context("random", shard)[1]
        assert_contract(method, context)
        if not sampler.sets_class_shares:
            assert_contract(method.with_options({"balance": "class"}), context)


def test_a_sampler_changes_no_score_and_no_other_stream() -> None:
    method, context = scored_context("importance", "ordinary")
    plain = selection.choose(method, context, [0.5])[0]
    for sampler in VARIANTS:
        sampled = method.with_options({"sampler": sampler})
        np.testing.assert_array_equal(selection.choose(sampled, context, [0.5])[0].scores, plain.scores)
        assert pickle.loads(pickle.dumps(sampled)).sampler == sampler
    assert method.sampler is None
    np.testing.assert_array_equal(
        selection.choose(method, context, [0.5])[0].selection.positions, plain.selection.positions
    )
