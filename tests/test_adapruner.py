"""AdaPruner: its formulas by hand, and on real digits."""

from __future__ import annotations

import os
from typing import Any, get_args

import numpy as np
import pytest
import torch
from conftest import blobs
from scipy.stats import spearmanr

from edgesim import seeds
from edgesim.data import datasets
from edgesim.data.dataset import Dataset
from edgesim.errors import TrainingDiverged
from edgesim.pruning import adapruner, base, selection
from edgesim.pruning.adapruner import AdaPruner, border, gates, pull
from edgesim.pruning.gates import LOSS_FLOOR
from edgesim.tasks import TASKS
from edgesim.training import tasks
from edgesim.training.loop import Streams
from edgesim.training.settings import Training
from edgesim.training.task import Scores, Task
from edgesim.training.warmup import observe_warmup

DIGITS = datasets.DATASETS["digits"]().load(None)
SETTINGS = Training(epochs=4, batch_size=64)
QUICK = AdaPruner(epochs=4, warmup_epochs=1, extra_epochs=1)


def network(data: Dataset, name: str = "mlp") -> torch.nn.Module:
    from edgesim.models import MODELS

    with seeds.torch_global(0, "init"):
        return MODELS[name]().build(data.input_shape, data.num_classes)


def context_of(
    data: Dataset = DIGITS, positions: Any = None, seed: int = 0, task: Task | None = None, model: str = "mlp"
) -> base.ScoreContext:
    where = np.arange(len(data.train_labels)) if positions is None else np.asarray(positions)
    task = task or tasks.of_shard(data, where, "cpu")
    shard = base.Shard(len(where), data.train_labels[where], data.num_classes, SETTINGS.batch_size, 4, 0)
    needs = [AdaPruner().needs(shard)]
    (seen,) = observe_warmup(network(data, model), task, needs, SETTINGS, Streams(seed, 0, "warm-up"))
    return base.ScoreContext(0, seed, "ada", shard, seen, task, SETTINGS, (), lambda: network(data, model))


def mask_of(method: AdaPruner, context: base.ScoreContext, ratio: float) -> np.ndarray:
    scoring = method.choose(context, round(ratio * context.shard.size)).scoring
    assert scoring is not None
    return scoring.scores


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_gates_by_hand() -> None:
    # sigmoid(0) = 1/2; sigmoid(log 3) = 3/4; far out it is 0 or 1 without overflow.
    np.testing.assert_allclose(gates(np.array([0.0, np.log(3) / 2, -1e6, 1e6]), 2.0), [0.5, 0.75, 0.0, 1.0])


def test_pull_by_hand() -> None:
    losses = np.array([1.0, np.e, 0.5, 0.0])
    everything: Any = get_args(adapruner.Term)
    np.testing.assert_allclose(pull(losses, everything), [1, np.e - 1, 0.5 + np.log(2), -np.log(LOSS_FLOOR)])
    np.testing.assert_allclose(pull(losses, ("classification",)), losses)
    np.testing.assert_allclose(pull(losses, ("selection", "compression")), [0, -1, np.log(2), -np.log(LOSS_FLOOR)])


def test_pull_is_the_derivative_of_the_loss_by_the_gates() -> None:
    """Eqs. 4 and 5 as published, differentiated by torch; times N."""
    losses = np.array([0.01, 0.3, 1.0, 4.0])
    opened = torch.full((4,), 0.6, dtype=torch.float64, requires_grad=True)
    values = torch.from_numpy(losses)
    ((opened * values).sum() / 4 + (opened * -values.log()).sum() / 4).backward()
    assert opened.grad is not None
    np.testing.assert_allclose(pull(losses, ("classification", "selection")), 4 * opened.grad.numpy())


def test_border_by_hand() -> None:
    mask = np.array([3.0, 1.0, 2.0, 0.0])
    assert border(mask, 2) == 1.5  # between 2 and 1
    assert border(mask, 4) == -1.0  # one below the smallest
    assert (mask - border(mask, 1) > 0).sum() == 1


def started(method: AdaPruner, values: list[float], k: int) -> adapruner._Mask:
    return adapruner._Mask(method, np.array(values), k, 0, np.array([1.0]))


def test_a_step_of_the_mask_by_hand() -> None:
    """Two samples move by 0.1 times their pulls; the third term shifts all by 0.5·(2/4)·2·100·gap^2, here less."""
    method = AdaPruner(terms=("classification", "compression"), mask_learning_rate=0.1, ratio_learning_rate=0.002)
    mask = started(method, [1.0, 1.0, 1.0, -1.0], 1)
    mask.move(np.array([0, 3]), np.array([2.0, 4.0]))
    # 1 - 0.2 and -1 - 0.4. Then r = 3/4, c_r = 1/4: lambda = 50, shift 0.002·(2/4)·2·50·(1/2) = 0.05.
    np.testing.assert_allclose(mask.values, [0.75, 0.95, 0.95, -1.45])


def test_the_third_term_goes_no_further_than_the_share_asked_for() -> None:
    mask = started(AdaPruner(terms=("compression",)), [4.0, 3.0, 2.0, 1.0], 2)
    mask.move(np.array([0]), np.array([1.0]))
    np.testing.assert_allclose(mask.values, [1.5, 0.5, -0.5, -1.5])  # 50·(1/4)·2·100·(1/2)^2 is far more than 2.5
    assert mask.share == 0.5
    mask.move(np.array([0]), np.array([1.0]))
    np.testing.assert_allclose(mask.values, [1.5, 0.5, -0.5, -1.5])  # lambda is 0 now


def test_a_sample_of_a_short_batch_moves_as_far_as_any_other() -> None:
    together = started(AdaPruner(terms=("classification", "selection")), [1.0] * 5, 2)
    together.move(np.arange(5), np.full(5, 0.3))
    alone = started(AdaPruner(terms=("classification", "selection")), [1.0] * 5, 2)
    alone.move(np.arange(4), np.full(4, 0.3))
    alone.move(np.array([4]), np.array([0.3]))
    np.testing.assert_array_equal(together.values, alone.values)
    assert len(set(alone.values)) == 1


# --- on digits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.02, 0.1, 0.3, 0.5, 0.8, 0.9])
def test_it_ends_within_the_tolerance_on_real_digits(ratio: float) -> None:
    context = context_of()
    n, k = context.shard.size, round(ratio * context.shard.size)
    choice = AdaPruner().choose(context, k)
    assert choice.scoring is not None
    scoring, history = choice.scoring, choice.scoring.history
    assert abs(scoring.notes["r_threshold"] - ratio) <= 0.02
    assert scoring.notes["r_threshold"] == pytest.approx((gates(scoring.scores, 5.0) > 0.5).mean())
    assert len(set(choice.positions.tolist())) == k
    assert scoring.scores[choice.positions].min() >= np.delete(scoring.scores, choice.positions).max()
    np.testing.assert_allclose([row["alpha"] for row in history[:20]], np.linspace(0.1, 5.0, 20))
    for row in history:
        assert row["lambda"] == pytest.approx(100 * abs(row["r"] - k / n))
    assert history[-1]["r"] == scoring.notes["r_threshold"]
    assert history[-1]["binary_share"] >= 0.9
    assert history[0]["binary_share"] == 0.0


def test_the_mask_follows_the_sample_under_shuffling() -> None:
    """Another order of the batches, and another order of the samples in the shard: each sample keeps its mask."""
    where = np.arange(700)
    shuffled = np.random.default_rng(5).permutation(where)
    mask = mask_of(AdaPruner(), context_of(positions=where), 0.5)
    other_batches = mask_of(AdaPruner(), context_of(positions=where, seed=1), 0.5)
    other_places = mask_of(AdaPruner(), context_of(positions=shuffled), 0.5)
    assert spearmanr(mask, other_batches).statistic > 0.9
    assert spearmanr(mask[shuffled], other_places).statistic > 0.9
    assert abs(spearmanr(mask, other_places).statistic) < 0.2  # by place there is nothing in common


def test_the_same_seed_gives_the_same_mask() -> None:
    np.testing.assert_array_equal(mask_of(QUICK, context_of(), 0.3), mask_of(QUICK, context_of(), 0.3))


def test_each_term_pulls_wrong_labels_its_own_way() -> None:
    """Eq. 4 pushes them out, Eq. 5 holds them, and l - log l lies between. Few epochs: nothing is learned by heart."""
    labels = DIGITS.train_labels.copy()
    wrong = np.arange(0, 600, 30)  # 20 of 600
    labels[wrong] = (labels[wrong] + 3) % 10
    noisy = Dataset("noisy", DIGITS.train_samples, labels, DIGITS.test_samples, DIGITS.test_labels, DIGITS.class_names)
    context = context_of(noisy, np.arange(600))
    mask = mask_of(AdaPruner(epochs=8), context, 0.5)
    classification = mask_of(AdaPruner(epochs=8, terms=("classification", "compression")), context, 0.5)
    selection = mask_of(AdaPruner(epochs=8, terms=("selection", "compression")), context, 0.5)
    place = {
        name: np.argsort(np.argsort(values))[wrong].mean() / 600
        for name, values in {"both": mask, "classification": classification, "selection": selection}.items()
    }
    assert place["classification"] < 0.1  # the highest losses go first
    assert place["selection"] > 0.9  # the highest losses stay
    assert place["classification"] < place["both"] < place["selection"]


# --- ablations (Table 5, and Table 4) --------------------------------------------------------------------------------


def test_without_the_compression_term_no_sample_is_selected() -> None:
    method = AdaPruner(terms=("classification", "selection"))
    choice = method.choose(context_of(), 721)
    assert choice.scoring is not None
    assert choice.scoring.notes["r_threshold"] == 0.0
    assert len(choice.positions) == 721  # the budget is exact all the same


def test_without_the_selection_term_the_highest_losses_are_pruned() -> None:
    context = context_of()
    full, without = AdaPruner(), AdaPruner(terms=("classification", "compression"))
    # Hardness as a plain training sees it: the loss of every sample averaged over ten epochs.
    from edgesim.pruning.importance import Importance
    from edgesim.training.settings import Warmup

    judge = Importance(warmup=Warmup(epochs=10))
    settings = Training(epochs=10, batch_size=64)
    shard = base.Shard(context.shard.size, context.shard.labels, 10, 64, 10, 10)
    (seen,) = observe_warmup(network(DIGITS), context.task, [judge.needs(shard)], settings, Streams(0, 0, "judge"))
    hardness = seen.dynamics.values["loss"].mean(axis=0)
    kept_full, kept_without = full.choose(context, 721).positions, without.choose(context, 721).positions
    assert hardness[kept_full].mean() > 1.2 * hardness.mean()
    assert hardness[kept_without].mean() < 0.8 * hardness.mean()


def test_without_the_classification_term_selection_is_as_good_as_random() -> None:
    """From scratch the network then never learns, so that its losses say nothing about the samples."""
    everything, selection_only = (
        AdaPruner(warmup_epochs=0),
        AdaPruner(warmup_epochs=0, terms=("selection", "compression")),
    )
    reference = mask_of(AdaPruner(), context_of(seed=1), 0.5)
    assert spearmanr(reference, mask_of(everything, context_of(), 0.5)).statistic > 0.8
    assert abs(spearmanr(reference, mask_of(selection_only, context_of(), 0.5)).statistic) < 0.4


# --- cost, degenerate shards, other tasks ----------------------------------------------------------------------------


def test_all_of_its_training_is_charged_for_every_budget() -> None:
    context = context_of(positions=np.arange(300))
    few, many = selection.choose(QUICK, context, [0.1, 0.6])
    for chosen in (few, many):
        epochs = chosen.selection.notes["epochs"]
        assert epochs in (5, 6)  # one of warm-up, four of pruning, and one more where the gates are not binary
        assert chosen.work.train_samples == epochs * 300
        assert chosen.work.steps == epochs * 2  # batches of 256 and 44
        assert chosen.trace.samples == epochs * 300
        assert {segment.batch_size for segment in chosen.trace.segments} == {256, 44}
        assert chosen.work.other_flops > 0
        assert len(chosen.history) == epochs - 1


@pytest.mark.parametrize("n", [1, 2, 5, 257])
def test_small_shards_and_the_whole_budget(n: int) -> None:
    context = context_of(positions=np.arange(n))
    for k in {1, (n + 1) // 2, n}:
        choice = QUICK.choose(context, k)
        assert len(set(choice.positions.tolist())) == k
        assert choice.scoring is not None
        assert np.isfinite(choice.scoring.scores).all()


@pytest.mark.parametrize("classes", [1, 3])
def test_constant_images_and_one_class(classes: int) -> None:
    data = blobs(12)
    labels = np.arange(12) % classes
    images = np.full_like(data.train_samples, 9)
    flat = Dataset("flat", images, labels, images, labels, data.class_names)
    for k in (1, 5, 12):
        assert len(set(AdaPruner(epochs=6).choose(context_of(flat), k).positions.tolist())) == k


class Regression:
    """A task that is no classification: the mean of each image from the image, squared error; ten are hopeless."""

    kind = TASKS["regression"]
    channels = kind.channels

    def __init__(self) -> None:
        self.size = 120
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand((120, 1, 8, 8), generator=generator)
        self.targets = self.images.mean(dim=(1, 2, 3)) * 4
        self.targets[:10] += 8.0

    def inputs(self, positions: torch.Tensor | slice) -> torch.Tensor:
        return self.images[positions]

    def losses(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        return (outputs[:, 0] - self.targets[positions]).square()

    def results(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        return outputs[:, 0] - self.targets[positions]

    def running(self, results: torch.Tensor) -> torch.Tensor:
        return results.abs()

    def scores(self, losses: np.ndarray, results: list[torch.Tensor], own: np.ndarray | None = None) -> Scores:
        return Scores(float(losses.mean()), {"mae": float(torch.cat(results).abs().mean())})


def test_any_loss_per_sample_will_do() -> None:
    context = context_of(positions=np.arange(120), task=Regression())
    choice = AdaPruner(learning_rate=0.01).choose(context, 84)
    assert choice.scoring is not None
    assert abs(choice.scoring.notes["r_threshold"] - 0.7) <= 0.02
    assert not set(range(10)) & set(choice.positions.tolist())


def test_a_divergence_names_the_methods_own_learning_rate() -> None:
    with pytest.raises(TrainingDiverged, match=r"a smaller `learning_rate` of ada \(now 1e\+06\) usually fixes this"):
        AdaPruner(learning_rate=1e6).choose(context_of(positions=np.arange(120), task=Regression()), 84)


@pytest.mark.slow
def test_it_ends_within_the_tolerance_on_fashion_mnist() -> None:
    if "EDGESIM_DATA" not in os.environ:
        pytest.skip("EDGESIM_DATA names no folder with fashion-mnist")
    found = datasets.find(None, "fashion-mnist")
    fashion = datasets.DATASETS["fashion-mnist"](limit_train=800, limit_test=100).load(found)
    choice = AdaPruner().choose(context_of(fashion, model="small-cnn"), 240)
    assert choice.scoring is not None
    assert abs(choice.scoring.notes["r_threshold"] - 0.3) <= 0.02
