"""What every method of the table owes, also on the shards that edge devices really have.

A method without an entry in EXPECTATIONS fails here: adding one is one file, one row of the table and one row below.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from folding import over

from edgesim import seeds
from edgesim.models.catalog import Mlp
from edgesim.pruning import METHODS, base, selection
from edgesim.pruning.last_layer_gradients import LastLayer
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.loop import Streams, Subset
from edgesim.training.settings import Training
from edgesim.training.warmup import observe_warmup

CLASSES = 4


@dataclass(frozen=True)
class Expectation:
    """What holds for one method beside the contract."""

    follows_order: bool = True
    """its choice follows the samples when the shard is permuted and training changes nothing (no draws by position)"""
    charges: bool = True
    """it costs the device something"""
    dynamic: str = ""
    """what a budget of k samples buys, of a method that keeps all n: k `visits` per epoch, or `steps` in proportion"""
    arguments: tuple[tuple[str, Any], ...] = ()
    """smaller hyper-parameters than the defaults, to keep the suite fast"""


EXPECTATIONS = {
    "full": Expectation(charges=False),
    "random": Expectation(follows_order=False, charges=False),
    "importance": Expectation(),
    "el2n": Expectation(),
    "grand": Expectation(),
    "forgetting": Expectation(),
    "herding": Expectation(),
    "glister": Expectation(follows_order=False),
    "cg-score": Expectation(follows_order=False),
    "prototypes": Expectation(follows_order=False),
    "adapruner": Expectation(follows_order=False, arguments=(("warmup_epochs", 1), ("epochs", 3))),
    "k-center": Expectation(),
    "aum": Expectation(),
    "ccs": Expectation(follows_order=False),
    "moderate": Expectation(),
    "tdds": Expectation(),
    "dual": Expectation(),
    "infobatch": Expectation(follows_order=False, charges=False, dynamic="visits"),
    "craig": Expectation(follows_order=False),  # below: mutual nearest neighbours tie exactly
    "gradmatch": Expectation(),
    "fewer-epochs": Expectation(follows_order=False, charges=False, dynamic="steps"),
    "rs2": Expectation(follows_order=False, charges=False, dynamic="visits"),
    "online-loss": Expectation(follows_order=False, charges=False, dynamic="steps"),
    "auto": Expectation(follows_order=False, charges=False, dynamic="steps"),
}


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(n, 6, 6, 1), dtype=np.uint8)


SHARDS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "ordinary": (noise(40, 0), np.arange(40) % CLASSES),
    "skewed": (noise(40, 1), np.array([0] * 36 + [1] * 3 + [2])),
    "one class": (noise(12, 2), np.full(12, 2)),
    "one sample": (noise(1, 3), np.array([1])),
    "fewer samples than classes": (noise(3, 4), np.array([0, 1, 3])),
    "duplicates": (np.repeat(noise(6, 5), 3, axis=0), np.repeat(np.arange(6) % CLASSES, 3)),
    "all equal": (np.full((9, 6, 6, 1), 77, dtype=np.uint8), np.zeros(9, dtype=np.int64)),
    "black images": (np.zeros((10, 6, 6, 1), dtype=np.uint8), np.arange(10) % CLASSES),
}


def method_of(name: str) -> Any:
    return METHODS[name](**dict(EXPECTATIONS[name].arguments))


def network() -> torch.nn.Module:
    with seeds.torch_global(0, "init"):
        return Mlp(hidden=(8,)).build((1, 6, 6), CLASSES)


def context_of(
    method: Any, images: np.ndarray, labels: np.ndarray, training: Training | None = None, seed: int = 0
) -> base.ScoreContext:
    training = training or Training(epochs=3, batch_size=8)
    task = ClassificationTask(ArrayInputs(images, (np.array([0.5]), np.array([0.25])), "cpu"), labels, CLASSES)
    n, size = len(labels), training.batch_size
    shard = base.Shard(n, labels.astype(np.int64), CLASSES, size, training.epochs, 2 * -(-n // size))
    streams = Streams(seed, 0, "warm-up")
    (seen,) = observe_warmup(network(), task, [method.needs(shard)], training, streams)
    return base.ScoreContext(0, seed, "m", shard, seen, task, training, (), network)


def test_every_method_has_its_expectations() -> None:
    assert set(EXPECTATIONS) == set(METHODS)


@pytest.mark.parametrize("name", EXPECTATIONS)
@over("shard", SHARDS)
def test_the_contract(name: str, shard: str) -> None:
    images, labels = SHARDS[shard]
    before = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    method = method_of(name)
    n = len(labels)
    ratios = sorted({1 / n, 0.3, 0.5, 1.0})
    global_states = (np.random.get_state()[1].tolist(), torch.random.get_rng_state())  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        first = selection.choose(method, context_of(method, images, labels), ratios)
        second = selection.choose(method, context_of(method, images, labels), ratios)
    assert np.random.get_state()[1].tolist() == global_states[0]  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), global_states[1])
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == before
    for ratio, chosen, again in zip(ratios, first, second, strict=True):
        positions = chosen.selection.positions
        budget = max(1, round(ratio * n))
        assert method.dynamic == bool(EXPECTATIONS[name].dynamic)
        if EXPECTATIONS[name].dynamic:
            visits = Subset(positions, epoch_sampler=chosen.selection.epoch_sampler).visits(
                3
            )  # the epochs of `context_of`
            if EXPECTATIONS[name].dynamic == "visits":
                assert sum(map(sum, visits)) == budget * 3
            else:
                steps = sum(-(-count // 8) for epoch in visits for count in epoch)
                assert steps == max(1, round(budget / n * 3 * -(-n // 8)))
            budget = n
        assert len(positions) == budget
        assert (np.diff(positions) > 0).all()
        assert positions[0] >= 0
        assert positions[-1] < n
        np.testing.assert_array_equal(positions, again.selection.positions)
        assert pickle.loads(pickle.dumps(chosen.selection)).notes == chosen.selection.notes
        if chosen.selection.weights is not None:
            assert chosen.selection.weights.shape == positions.shape
            assert (chosen.selection.weights >= 0).all()
            assert chosen.selection.weights.sum() > 0
        if chosen.scores is not None:
            assert not np.isnan(chosen.scores).any()
        work = chosen.work
        assert work == again.work
        assert min(work.train_samples, work.forward_samples, work.steps, work.comparisons, work.other_flops) >= 0
        assert chosen.trace.samples == work.train_samples + work.forward_samples
    if shard == "ordinary" and EXPECTATIONS[name].charges:
        assert first[0].work.flops(3.0, 1.0) > 0


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_methods_are_picklable_and_described(name: str) -> None:
    method = METHODS[name]()
    assert pickle.loads(pickle.dumps(method)) == method
    assert method.source  # type: ignore[attr-defined]
    assert method.cost_class  # type: ignore[attr-defined]
    assert (type(method).__doc__ or "").strip()


@pytest.mark.parametrize("name", [name for name, e in EXPECTATIONS.items() if e.follows_order])
def test_choices_follow_the_sample_not_its_place_or_its_batch(name: str) -> None:
    """With a learning rate of nothing the network stays as it is, so neither order nor batch size may matter."""
    images, labels = SHARDS["ordinary"]
    order = np.random.default_rng(9).permutation(len(labels))
    method = method_of(name)
    found = []
    for where, size in ((np.arange(len(labels)), 8), (order, 8), (np.arange(len(labels)), 7)):
        training = Training(epochs=3, batch_size=size, learning_rate=1e-30)
        context = context_of(method, images[where], labels[where], training)
        (chosen,) = selection.choose(method, context, [0.5])
        if not method.scores_once:
            found.append(set(where[chosen.selection.positions].tolist()))
        else:
            assert chosen.scores is not None
            scores = np.empty(len(labels))
            scores[where] = chosen.scores
            found.append(scores)
    for other in found[1:]:
        if not method.scores_once:
            assert found[0] == other
        else:
            np.testing.assert_allclose(found[0], other, atol=1e-5)


def test_craig_covers_equally_well_in_any_order_and_batch() -> None:
    """Two samples that are each other's nearest have the same gain, and such a tie goes to the lower place.

    So the choice may differ by a tied sample; how well the chosen cover each class may not.
    """
    images, labels = SHARDS["ordinary"]
    order = np.random.default_rng(9).permutation(len(labels))
    covered = []
    for where, size in ((np.arange(len(labels)), 8), (order, 8), (np.arange(len(labels)), 7)):
        training = Training(epochs=3, batch_size=size, learning_rate=1e-30)
        context = context_of(METHODS["craig"](), images[where], labels[where], training)
        (chosen,) = selection.choose(METHODS["craig"](), context, [0.5])
        (seen,) = context.observations.snapshots.values()
        distances = LastLayer.of(seen.logits, labels[where], seen.embedding, True).distances()
        kept = chosen.selection.positions
        inside = [(np.flatnonzero(labels[where] == c), kept[labels[where][kept] == c]) for c in range(CLASSES)]
        covered.append([float(distances[np.ix_(members, picked)].min(axis=1).sum()) for members, picked in inside])
    np.testing.assert_allclose(covered[0], covered[1], rtol=1e-5)
    np.testing.assert_allclose(covered[0], covered[2], rtol=1e-5)
    worse = [(m, m[:5]) for m in (np.flatnonzero(labels == c) for c in range(CLASSES))]
    plain = context_of(METHODS["craig"](), images, labels, Training(epochs=3, batch_size=8, learning_rate=1e-30))
    (seen,) = plain.observations.snapshots.values()
    distances = LastLayer.of(seen.logits, labels, seen.embedding, True).distances()
    assert sum(covered[0]) < sum(float(distances[np.ix_(m, first)].min(axis=1).sum()) for m, first in worse)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_the_draws_of_another_method_change_nothing(name: str) -> None:
    """The streams of one method are its own: another method's draws in between change nothing."""
    images, labels = SHARDS["ordinary"]
    method = method_of(name)
    (alone,) = selection.choose(method, context_of(method, images, labels), [0.5])
    selection.choose(METHODS["random"](), context_of(METHODS["random"](), images, labels), [0.5])
    (after,) = selection.choose(method, context_of(method, images, labels), [0.5])
    np.testing.assert_array_equal(alone.selection.positions, after.selection.positions)
