"""DUAL: its score by hand, and its samplers by keep ratio."""

from __future__ import annotations

import numpy as np
from conftest import blobs

from edgesim import seeds
from edgesim.models import MODELS
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning import base, expected_work, selection
from edgesim.pruning.budgets import parts_of
from edgesim.pruning.dual import Dual, dual, true_class_probabilities
from edgesim.pruning.subset_samplers import Stratified, Top
from edgesim.pruning.weighted_samplers import Beta
from edgesim.training import tasks
from edgesim.training.loop import Streams
from edgesim.training.settings import Training, Warmup
from edgesim.training.warmup import observe_warmup

DATA = blobs(n=60)
SETTINGS = Training(epochs=6, batch_size=16)
SHARD = base.Shard(60, DATA.train_labels, 3, 16, 6, 4)


def network() -> object:
    with seeds.torch_global(0, "init"):
        return MODELS["mlp"]().build(DATA.input_shape, DATA.num_classes)


def context_of(method: Dual) -> base.ScoreContext:
    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    (seen,) = observe_warmup(network(), task, [method.needs(SHARD)], SETTINGS, Streams(0, 0, "warm-up"))  # type: ignore[arg-type]
    return base.ScoreContext(0, 0, "m", SHARD, seen, task, SETTINGS, (), network)  # type: ignore[arg-type]


def test_the_score_by_hand() -> None:
    """Two windows of two: deviations are half the square root of 2 times the difference."""
    p = np.array([[0.2, 0.5, 1.0], [0.4, 0.5, 1.0], [0.1, 0.9, 1.0]])
    half = np.sqrt(2) / 2
    first = (0.2 * half * 0.7 + 0.3 * half * 0.75) / 2
    second = (0.0 + 0.4 * half * 0.3) / 2
    np.testing.assert_allclose(dual(p, 2), [first, second, 0.0], rtol=1e-12, atol=1e-15)
    whole = p.std(axis=0, ddof=1) * (1 - p.mean(axis=0))
    np.testing.assert_allclose(dual(p, 3), whole)
    np.testing.assert_allclose(dual(p, 9), whole)  # fewer presentations than J are one window
    np.testing.assert_array_equal(dual(p[:1], 4), np.zeros(3))


def test_probabilities_of_the_true_class_by_hand() -> None:
    logits = np.log(np.array([[[1.0, 3.0], [1.0, 1.0]], [[9.0, 1.0], [2.0, 6.0]]])) + 700.0  # exp of these overflows
    np.testing.assert_allclose(true_class_probabilities(logits, [1, 0]), [[0.75, 0.5], [0.1, 0.25]])


def test_the_default_warm_up_lasts_a_window() -> None:
    assert Dual().needs(SHARD).steps == 16
    assert Dual(window=9).needs(SHARD).steps == 24  # all of training
    assert Dual(warmup=Warmup(epochs=2.5)).needs(SHARD).steps == 10
    context = context_of(Dual(window=2, warmup=Warmup(epochs=2.5)))
    assert selection.choose(Dual(window=2), context, [0.9])[0].selection.notes == {"presentations": 2.0}


def test_small_subsets_are_drawn_and_large_ones_are_the_largest_scores() -> None:
    method = Dual()
    context = context_of(method)
    small, large = selection.choose(method, context, [0.2, 0.8])
    assert large.scores is not None
    order = np.argsort(-large.scores, kind="stable")
    np.testing.assert_array_equal(large.selection.positions, np.sort(order[:48]))
    assert set(small.selection.positions) != set(order[:12])
    assert set(small.selection.notes) == {"presentations", "beta_a", "beta_b"}
    scoring = method.score(context)
    assert scoring.probability is not None
    drawn = Beta(c_d=4.0).choose(base.scored_shard(context, scoring), parts_of(SHARD.labels, 12, "none"))
    np.testing.assert_array_equal(np.sort(drawn.positions), small.selection.positions)
    assert [type(method.sampler_for(60, k)) for k in (12, 30, 31)] == [Beta, Beta, Top]
    other = method.with_options({"sampler": Stratified()})
    assert [other.sampler_for(60, k) for k in (1, 60)] == [Stratified(), Stratified()]
    assert isinstance(Dual(beta_up_to=0.0).sampler_for(60, 1), Top)


def test_the_work_depends_on_the_budget() -> None:
    """4 presentations of 60 samples and 3 classes, one window of 4: 4·60·(12 + 4) operations; Beta takes 12 more."""
    network_shape = NetworkShape(4, 4, True, 1)
    small, large = (expected_work.of_scoring(Dual(), SHARD, network_shape, k).work for k in (12, 48))
    assert (large.other_flops, large.comparisons) == (4 * 60 * 16, 60)
    assert (small.other_flops, small.comparisons) == (4 * 60 * 16 + 12 * 60, 120)
    assert not Dual().same_for_all_budgets
