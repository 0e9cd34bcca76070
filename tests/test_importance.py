"""Average loss over the warm-up (edge paper, Eqs. 16-20) by hand and on a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import blobs

from edgesim import seeds
from edgesim.pruning import METHODS, base, selection
from edgesim.pruning.importance import Importance, average_loss
from edgesim.training import tasks
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.loop import Hooks, Step, Streams, Subset, fit
from edgesim.training.settings import Training, Warmup
from edgesim.training.task import observe
from edgesim.training.warmup import observe_warmup

DATA = blobs()
SETTINGS = Training(epochs=4, batch_size=16)


def network() -> torch.nn.Module:
    from edgesim.models import MODELS

    with seeds.torch_global(0, "init"):
        return MODELS["mlp"]().build(DATA.input_shape, DATA.num_classes)


def context_of(method: base.Method, warmup_steps: int = 4) -> base.ScoreContext:
    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    shard = base.Shard(60, DATA.train_labels, 3, SETTINGS.batch_size, SETTINGS.epochs, warmup_steps)
    (seen,) = observe_warmup(network(), task, [method.needs(shard)], SETTINGS, Streams(0, 0, "warm-up"))
    return base.ScoreContext(0, 0, "m", shard, seen, task, SETTINGS, (), network)


def test_average_loss_by_hand() -> None:
    nan = np.nan
    losses = np.array([[1.0, 2.0, nan, 0.5], [3.0, nan, nan, 0.0]])
    # (1+3)/2 = 2; met once: 2; never met: NaN; (0.5+0)/2 = 0.25
    np.testing.assert_array_equal(average_loss(losses), [2.0, 2.0, nan, 0.25])


def test_minibatch_scores_are_the_mean_of_what_training_saw() -> None:
    """Recomputed independently from a plain training with its own record of losses."""
    scored = Importance(warmup=Warmup(iterations=10)).score(context_of(Importance(warmup=Warmup(iterations=10))))
    seen: dict[int, list[float]] = {i: [] for i in range(60)}

    def after_step(step: Step) -> bool:
        for position, loss in zip(step.positions.tolist(), step.losses.tolist(), strict=True):
            seen[position].append(loss)
        return step.number == 9

    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    fit(network(), task, Subset(np.arange(60)), SETTINGS, Streams(0, 0, "warm-up"), hooks=Hooks(after_step))
    assert {len(losses) for losses in seen.values()} == {2, 3}
    np.testing.assert_allclose(scored.scores, [np.mean(seen[i]) for i in range(60)], rtol=1e-6)


def test_a_sample_that_was_never_met_is_scored_by_a_charged_forward_pass() -> None:
    method = Importance(warmup=Warmup(iterations=2))  # 32 of 60 samples
    context = context_of(method)
    (scored,) = selection.choose(method, context, [0.5])
    assert scored.scores is not None
    assert not np.isnan(scored.scores).any()
    assert scored.work.train_samples == 32
    assert scored.work.forward_samples == 28
    assert scored.work.comparisons == 60
    # The passes are made at the weights after T0 = 2 steps: recomputed here.
    model = network()
    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    two = Hooks(after_step=lambda step: step.number == 1)
    fit(model, task, Subset(np.arange(60)), SETTINGS, Streams(0, 0, "warm-up"), hooks=two)
    unmet = context.observations.completion[0]
    expected = observe(model, task, frozenset(), 16, positions=unmet).loss
    np.testing.assert_allclose(scored.scores[unmet], expected, rtol=1e-6)


def test_snapshot_scores_are_the_mean_over_evenly_spaced_passes() -> None:
    method = Importance(estimator="snapshot", snapshots=3, warmup=Warmup(iterations=9))
    context = context_of(method)
    assert sorted(context.observations.snapshots) == [3, 6, 9]
    (scored,) = selection.choose(method, context, [0.5])
    losses = [context.observations.snapshots[at].loss for at in (3, 6, 9)]
    np.testing.assert_allclose(scored.scores, np.mean(losses, axis=0))
    assert scored.work.forward_samples == 180
    assert scored.work.train_samples == 136  # 9 steps: two epochs of 60 and a batch of 16


def test_harder_samples_score_higher() -> None:
    """Nine samples with wrong labels, three of each class, are among the hardest once the rest is learned."""
    images, labels = DATA.train_samples.copy(), DATA.train_labels.copy()
    wrong = np.arange(0, 60, 7)
    labels[wrong] = (labels[wrong] + 1) % 3
    task = ClassificationTask(ArrayInputs(images, DATA.normalisation(), "cpu"), labels, 3)
    method = Importance(estimator="snapshot", warmup=Warmup(epochs=4))
    settings = Training(epochs=20, batch_size=16, learning_rate=0.003)
    shard = base.Shard(60, labels, 3, 16, 20, 16)
    (seen,) = observe_warmup(network(), task, [method.needs(shard)], settings, Streams(0, 0, "warm-up"))
    context = base.ScoreContext(0, 0, "m", shard, seen, task, settings, (), network)
    kept = selection.choose(method, context, [9 / 60])[0].selection.positions
    assert len(set(kept) & set(wrong)) >= 7


@pytest.mark.parametrize("name", ["full", "random", "importance"])
def test_the_budget_is_exact(name: str) -> None:
    method = METHODS[name]()
    context = context_of(method)
    ratios = (0.01, 0.1, 0.5, 0.77, 1.0)
    for ratio, chosen in zip(ratios, selection.choose(method, context, ratios), strict=True):
        kept = chosen.selection.positions
        assert len(kept) == max(1, round(ratio * 60))
        assert kept.dtype == np.int64


def test_random_subsets_of_one_seed_are_nested() -> None:
    method = METHODS["random"]()
    context = context_of(method)
    chosen = selection.choose(method, context, [0.1, 0.3, 0.8])
    sets = [set(choice.selection.positions.tolist()) for choice in chosen]
    assert sets[0] < sets[1] < sets[2]
