"""Last-layer gradients, CRAIG, GRAD-MATCH and GLISTER: by hand, against brute force, and on a device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import blobs
from folding import over
from scipy.optimize import nnls

from edgesim import seeds
from edgesim.data.dataset import Dataset
from edgesim.errors import EdgesimError
from edgesim.pruning import base, selection
from edgesim.pruning.budgets import top_k
from edgesim.pruning.craig import Craig, facility_location
from edgesim.pruning.glister import Glister, ValidationPart, gains, glister
from edgesim.pruning.gradmatch import FILL, GradMatch, matching_pursuit
from edgesim.pruning.last_layer_gradients import LastLayer, observed_gradients, parts
from edgesim.training import tasks
from edgesim.training.loop import Streams
from edgesim.training.settings import Training
from edgesim.training.warmup import observe_warmup

DATA = blobs(90)
SETTINGS = Training(epochs=4, batch_size=16)
METHODS: list[Any] = [Craig(), GradMatch(), Glister(), Glister(balance="class")]


def network() -> torch.nn.Module:
    from edgesim.models import MODELS

    with seeds.torch_global(0, "init"):
        return MODELS["mlp"]().build(DATA.input_shape, DATA.num_classes)


def context_of(
    method: base.Method, positions: np.ndarray | None = None, data: Dataset = DATA, steps: int = 4
) -> base.ScoreContext:
    where = np.arange(len(data.train_labels)) if positions is None else positions
    task = tasks.of_shard(data, where, "cpu")
    shard = base.Shard(len(where), data.train_labels[where], 3, SETTINGS.batch_size, SETTINGS.epochs, steps)
    (seen,) = observe_warmup(network(), task, [method.needs(shard)], SETTINGS, Streams(0, 0, "warm-up"))
    return base.ScoreContext(0, 0, "m", shard, seen, task, SETTINGS, (), network)


def random_layer(n: int, classes: int = 3, width: int = 4, seed: int = 0) -> tuple[LastLayer, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(n, classes)), rng.integers(0, classes, n)
    return LastLayer.of(logits, labels, rng.normal(size=(n, width))), logits, labels


def explicit(layer: LastLayer) -> np.ndarray:
    """The gradients themselves, [n, C·D]."""
    return np.einsum("nc,nd->ncd", layer.errors, layer.inputs).reshape(len(layer.errors), -1)


# --- gradients -------------------------------------------------------------------------------------------------------


def test_factors_by_hand() -> None:
    layer = LastLayer.of([[0.0, 0.0]], [0], [[3.0, 4.0]])
    np.testing.assert_allclose(layer.errors, [[-0.5, 0.5]])  # softmax (1/2, 1/2) minus (1, 0)
    np.testing.assert_allclose(layer.inputs, [[3.0, 4.0, 1.0]])
    assert layer.squared_norms()[0] == pytest.approx(0.5 * 26)  # (1/4 + 1/4)·(9 + 16 + 1)
    assert LastLayer.of([[0.0, 0.0]], [0], [[3.0, 4.0]], bias=False).squared_norms()[0] == pytest.approx(0.5 * 25)


def test_factored_products_are_those_of_the_gradients() -> None:
    layer, *_ = random_layer(7)
    full = explicit(layer)
    np.testing.assert_allclose(layer.gram(), full @ full.T, atol=1e-12)
    np.testing.assert_allclose(layer.total().ravel(), full.sum(axis=0), atol=1e-12)
    apart = np.linalg.norm(full[:, None] - full[None, :], axis=2)
    np.testing.assert_allclose(layer.distances(), apart, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_autograd_on_the_networks_last_layer() -> None:
    context = context_of(Craig())
    layer = observed_gradients(context).layer
    model = network()
    # The same four warm-up steps, then the gradient of one sample by autograd.
    from edgesim.training.loop import Hooks, Subset, fit

    stop = Hooks(after_step=lambda step: step.number == 3)
    fit(model, context.task, Subset(np.arange(90)), SETTINGS, Streams(0, 0, "warm-up"), hooks=stop)
    model.eval()
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    for sample in (0, 17):
        model.zero_grad()
        one = slice(sample, sample + 1)
        context.task.losses(model(context.task.inputs(one)), one).sum().backward()
        assert last.weight.grad is not None
        assert last.bias.grad is not None
        by_torch = torch.cat([last.weight.grad, last.bias.grad[:, None]], dim=1).numpy()
        np.testing.assert_allclose(layer.at(np.array([sample])).total(), by_torch, rtol=1e-4, atol=1e-6)


def test_a_large_class_is_split_into_parts_with_their_share_of_the_budget() -> None:
    labels = np.array([0] * 10 + [1] * 3)
    found = parts(labels, 6, 4, np.random.default_rng(0))
    # Budgets 6·10/13 = 4.6 and 1.4: 5 and 1. Ten samples make three parts of 4, 3 and 3; 5 of 10 are 2, 1.5 and 1.5.
    assert sorted(len(members) for members, _ in found) == [3, 3, 3, 4]
    assert sorted(budget for _, budget in found) == [1, 1, 2, 2]
    assert sorted(np.concatenate([members for members, _ in found])) == list(range(13))


# --- craig -----------------------------------------------------------------------------------------------------------


def test_facility_location_by_hand() -> None:
    points = np.array([0.0, 1.0, 10.0, 11.0, 12.0])
    distances = np.abs(points[:, None] - points[None, :])
    # Sums of distances 34, 31, 22, 23, 26: the point 10 covers best. Then what is left at 0 and 1 is 10 and 9; point 0
    # takes away 10 + 8, point 1 takes away 9 + 9: a tie, which goes to the lower index. 0 serves {0, 1}, 10 the rest.
    found = facility_location(distances, 2)
    assert found.chosen.tolist() == [2, 0]
    assert found.weights.tolist() == [3, 2]


def naive_facility_location(distances: np.ndarray, k: int) -> list[int]:
    nearest, chosen = np.full(len(distances), distances.max()), []
    for _ in range(k):
        gain = np.maximum(nearest[:, None] - distances, 0).sum(axis=0)
        gain[chosen] = -1
        chosen.append(int(np.argmax(gain)))
        nearest = np.minimum(nearest, distances[chosen[-1]])
    return chosen


def test_facility_location_is_the_plain_greedy_one() -> None:
    points = np.random.default_rng(1).normal(size=(60, 3))
    distances = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    assert facility_location(distances, 40).chosen.tolist() == naive_facility_location(distances, 40)


def test_every_choice_stands_for_itself_at_least() -> None:
    points = np.array([0.0, 0.0, 0.0, 5.0])  # three duplicates
    distances = np.abs(points[:, None] - points[None, :])
    found = facility_location(distances, 3)
    assert sorted(found.chosen.tolist()) == [0, 1, 3]
    assert found.weights.sum() == 4
    assert found.weights.min() == 1


def test_facility_location_does_not_depend_on_the_order_of_the_samples() -> None:
    rng = np.random.default_rng(2)
    points, order = rng.normal(size=(50, 3)), rng.permutation(50)
    distances = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    # Later on two samples that nobody else is near to cover one another equally well: a tie, for the lower index.
    found, shuffled = facility_location(distances, 6), facility_location(distances[np.ix_(order, order)], 6)
    assert found.chosen.tolist() == order[shuffled.chosen].tolist()
    assert found.weights.tolist() == shuffled.weights.tolist()


# --- gradmatch -------------------------------------------------------------------------------------------------------


def test_matching_pursuit_by_hand() -> None:
    # Orthogonal, of squared norms 4, 1, 1: lambda is half their mean, 1. Inner products with the sum are 4, 1, 1.
    found = matching_pursuit(np.diag([4.0, 1.0, 1.0]), 2, 0.5)
    assert found.chosen.tolist() == [0, 1]
    np.testing.assert_allclose(found.weights, [4 / (4 + 1), 1 / (1 + 1)])


def test_what_does_not_help_fills_up_the_budget_with_little_weight() -> None:
    # Gradients 1, 1, -1 on a line, sum 1, lambda 1. One atom: w = 1/2. Two: (1 + 1)w + w = 1, w = 1/3 each; what is
    # left over is 1 - 2/3 > 0, against which the third gradient points.
    line = np.array([1.0, 1.0, -1.0])
    found = matching_pursuit(np.outer(line, line), 3, 1.0)
    assert found.chosen.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.weights, [1 / 3, 1 / 3, FILL / 3])


@pytest.mark.parametrize("seed", range(4))
def test_the_whole_pursuit_solves_the_non_negative_problem(seed: int) -> None:
    """At k = n its weights are those of scipy's non-negative least squares; the updated inverse has not drifted."""
    layer, *_ = random_layer(40, seed=seed)
    full, ridge = explicit(layer), 0.05 * layer.squared_norms().mean()
    stacked = np.vstack([full.T, np.sqrt(ridge) * np.eye(40)])
    expected, _ = nnls(stacked, np.concatenate([full.sum(axis=0), np.zeros(40)]))
    found = matching_pursuit(layer.gram(), 40, 0.05)
    weights = np.zeros(40)
    weights[found.chosen] = found.weights
    weights[expected == 0] = 0.0  # the fill
    assert (expected == 0).any()  # else nothing had to be dropped or left out
    np.testing.assert_allclose(weights, expected, atol=1e-8)


def test_the_match_is_closer_than_that_of_random_samples() -> None:
    context = context_of(GradMatch(regularisation=0.01))
    choice = GradMatch(regularisation=0.01).choose(context, 12)
    layer = observed_gradients(context).layer
    rng = np.random.default_rng(0)

    def error(chosen: np.ndarray, weights: np.ndarray) -> float:
        off = 0.0
        for label in range(3):
            mine = context.shard.labels[chosen] == label
            everything = layer.at(np.flatnonzero(context.shard.labels == label)).total()
            part = layer.at(chosen[mine])
            off += float(np.linalg.norm((part.errors * weights[mine, None]).T @ part.inputs - everything) ** 2)
        return off

    drawn = []
    for _ in range(50):  # four of each class, each standing for 30/4
        chosen = np.concatenate([rng.choice(np.arange(c, 90, 3), 4, replace=False) for c in range(3)])
        drawn.append(error(chosen, np.full(12, 7.5)))
    assert choice.weights is not None
    assert error(choice.positions, choice.weights) < min(drawn)


# --- glister ---------------------------------------------------------------------------------------------------------


def test_gains_are_inner_products_with_the_other_held_out_gradients() -> None:
    layer, logits, labels = random_layer(8, seed=3)
    where = np.array([1, 4, 6])
    held_out = ValidationPart(where, logits[where], labels[where])
    moved = np.random.default_rng(4).normal(size=(3, 5))
    found = gains(layer, held_out, moved)
    # Brute force: each held-out sample's logits at the moved weights, its explicit gradient, and the mean.
    moved_layer = LastLayer.of(logits - layer.inputs @ moved.T, labels, layer.inputs[:, :-1])
    full, judges = explicit(layer), explicit(moved_layer)
    for i in range(8):
        others = [v for v in where if v != i]
        assert found[i] == pytest.approx(np.mean([full[i] @ judges[v] for v in others]))


def redundant() -> tuple[LastLayer, ValidationPart]:
    """Six copies of one useful gradient, two of another, slightly less useful one, and two held-out samples."""
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0, 1])
    inputs = np.zeros((10, 2))
    inputs[labels == 0, 0] = 1.0
    inputs[labels == 1, 1] = 0.9
    logits = np.zeros((10, 2))  # the network knows nothing yet
    layer = LastLayer.of(logits, labels, inputs, bias=False)
    return layer, ValidationPart(np.array([8, 9]), logits[8:], labels[8:])


def test_glister_differs_from_the_static_top_k_where_gradients_are_redundant() -> None:
    layer, held_out = redundant()
    everyone, groups = np.array([4]), np.zeros(10, dtype=np.int64)
    candidates = gains(layer, held_out, np.zeros((2, 2)))[:8]
    # Errors (-1/2, 1/2) of squared length 1/2, inputs of squared length 1 or 0.81, one judge of two of the same class.
    np.testing.assert_allclose(candidates, [0.5 * 1.0 / 2] * 6 + [0.5 * 0.81 / 2] * 2)
    static = set(np.argsort(-candidates, kind="stable")[:4].tolist())
    assert static == {0, 1, 2, 3}
    chosen = glister(layer, held_out, everyone, groups, step=2.0, rounds=4)
    assert {6, 7} & set(chosen.tolist())
    assert {0, 1, 2, 3, 4, 5} & set(chosen.tolist())
    # Without a step nothing is ever judged anew.
    still = glister(layer, held_out, everyone, groups, step=0.0, rounds=4)
    assert set(still.tolist()) == static


def test_glister_lowers_the_held_out_loss_more_than_random_samples() -> None:
    """At the weights of the last layer that the chosen gradients lead to."""
    method = Glister(held_out=0.3, rounds=18)
    context = context_of(method, steps=2)
    layer, logits = observed_gradients(context)
    held_out = method._held_out(context, logits)
    step = method.eta / (0.5 * (layer.inputs**2).sum())

    def loss(chosen: np.ndarray) -> float:
        moved = held_out.logits - step * layer.inputs[held_out.positions] @ layer.at(chosen).total().T
        shifted = moved - moved.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(moved)), held_out.labels]
        return float((np.log(np.exp(shifted).sum(axis=1)) - own).mean())

    rng = np.random.default_rng(0)
    drawn = [loss(rng.choice(90, 18, replace=False)) for _ in range(50)]
    assert loss(method.choose(context, 18).positions) < min(drawn)


def test_the_held_out_part_has_every_class_and_its_samples_can_be_chosen() -> None:
    method = Glister(held_out=0.2)
    context = context_of(method)
    held_out = method._held_out(context, observed_gradients(context).logits)
    assert np.bincount(held_out.labels).tolist() == [6, 6, 6]
    assert len(set(method.choose(context, 90).positions.tolist())) == 90


def test_glister_by_class_gives_the_class_shares() -> None:
    positions = np.r_[np.arange(0, 90, 3), np.arange(1, 31, 3)]  # 30 of class 0 and 10 of class 1
    choice = Glister(balance="class").choose(context_of(Glister(), np.sort(positions)), 20)
    labels = DATA.train_labels[np.sort(positions)[choice.positions]]
    assert np.bincount(labels).tolist() == [15, 5]


# --- all three -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_budget_weights_and_work(method: Any) -> None:
    context = context_of(method)
    for ratio, chosen in zip((0.05, 0.4, 1.0), selection.choose(method, context, [0.05, 0.4, 1.0]), strict=True):
        assert len(chosen.selection.positions) == round(ratio * 90)
        assert chosen.work.forward_samples == 90
        assert chosen.work.other_flops > 0
        if isinstance(method, Craig | GradMatch):
            weights = chosen.selection.weights
            assert weights is not None
            assert (weights > 0).all()
            for label in range(3):
                assert weights[DATA.train_labels[chosen.selection.positions] == label].sum() == pytest.approx(30)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_same_seed_same_choice_and_scores_reproduce_it(method: Any) -> None:
    first, second = (selection.choose(method, context_of(method), [0.3])[0] for _ in range(2))
    assert first.selection.positions.tolist() == second.selection.positions.tolist()
    assert first.scores is not None
    assert top_k(first.scores, 27).tolist() == first.selection.positions.tolist()


DEGENERATE = {
    "one sample": np.array([4]),
    "fewer samples than classes": np.array([0, 1]),
    "one class": np.arange(0, 30, 3),
    "duplicates": np.array([0, 0, 0, 1, 1, 5]),
}


@pytest.mark.parametrize("method", [*METHODS, Craig(max_class_size=2), GradMatch(max_class_size=2)], ids=repr)
@over("name", DEGENERATE)
def test_degenerate_shards(method: Any, name: str) -> None:
    where = DEGENERATE[name]
    context = context_of(method, where)
    for k in range(1, len(where) + 1):
        choice = method.choose(context, k)
        assert len(set(choice.positions.tolist())) == k
        assert choice.weights is None or np.isfinite(choice.weights).all()


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_constant_images(method: Any) -> None:
    images = np.full_like(DATA.train_samples[:9], 7)
    data = Dataset("flat", images, DATA.train_labels[:9], images, DATA.train_labels[:9], DATA.class_names)
    context = context_of(method, data=data)
    for k in (1, 4, 9):
        assert len(set(method.choose(context, k).positions.tolist())) == k


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_task_without_logits_is_refused_by_name(method: Any) -> None:
    context = context_of(method)
    (at,) = context.observations.snapshots
    bare = {at: replace(context.observations.snapshots[at], logits=None, embedding=None)}
    context.task.channels = frozenset({"loss", "correct"})
    refused = replace(context, device=7, observations=replace(context.observations, snapshots=bare))
    with pytest.raises(EdgesimError, match=r"device 7, method 'm'.*no embedding and no logits.*adapruner"):
        method.choose(refused, 3)
