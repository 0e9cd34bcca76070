"""Herding, k-center, prototypes, moderate, ccs and cg-score: hand values, properties, degenerate shards."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import blobs
from folding import over

from edgesim import seeds
from edgesim.data.arrays import digits_table
from edgesim.data.datasets import Dataset
from edgesim.errors import EdgesimError
from edgesim.pruning import base, selection
from edgesim.pruning.budgets import top_k
from edgesim.pruning.ccs import Ccs
from edgesim.pruning.cg_score import CgScore, complexity_gap, complexity_gap_flops
from edgesim.pruning.embeddings import scores_of_order, unit_rows
from edgesim.pruning.herding import Herding, herding
from edgesim.pruning.k_center import KCenter, k_center
from edgesim.pruning.moderate import Moderate, moderate
from edgesim.pruning.prototypes import Prototypes, class_distances, cosine_distances, spherical_k_means
from edgesim.pruning.subset_samplers import guarded_top_k, strata_of, stratified, without_hardest
from edgesim.training import tasks
from edgesim.training.loop import Streams
from edgesim.training.settings import Training, Warmup
from edgesim.training.task import Snapshot, observe
from edgesim.training.warmup import observe_warmup

SETTINGS = Training(epochs=4, batch_size=16)
LINE = np.array([[0.0], [1.0], [2.0], [9.0]])
EMBEDDING_METHODS = [
    Herding(),
    Herding(balance="none", normalise=False),
    KCenter(),
    KCenter(balance="class"),
    Moderate(),
    Moderate(balance="class"),
    Prototypes(),
    Prototypes(supervised=True, keep="easy"),
]
ALL_METHODS = [
    *EMBEDDING_METHODS,
    Prototypes(balance="class", clusters=40),
    *(Ccs(base=name) for name in ("importance", "aum", "el2n", "forgetting")),
    Ccs(balance="class", cutoff=0.5),
    CgScore(),
    CgScore(max_class_size=7, balance="none"),
]


def title(method: Any) -> str:
    """The class and the arguments that are not its defaults."""
    given = {key: value for key, value in vars(method).items() if value != getattr(type(method)(), key)}
    return "-".join([type(method).__name__, *(f"{key}={value}" for key, value in given.items())])


def context_of(method: Any, data: Dataset | None = None, seed: int = 0) -> base.ScoreContext:
    data = blobs() if data is None else data
    n = len(data.train_labels)
    task = tasks.of_shard(data, np.arange(n), "cpu")
    shard = base.Shard(n, data.train_labels, data.num_classes, SETTINGS.batch_size, SETTINGS.epochs, 4)

    def network() -> torch.nn.Module:
        from edgesim.models import MODELS

        with seeds.torch_global(0, "init"):
            return MODELS["mlp"]().build(data.input_shape, data.num_classes)

    (seen,) = observe_warmup(network(), task, [method.needs(shard)], SETTINGS, Streams(seed, 0, "warm-up"))
    return base.ScoreContext(0, seed, "m", shard, seen, task, SETTINGS, (), network)


def with_embeddings(context: base.ScoreContext, embeddings: np.ndarray, labels: np.ndarray) -> base.ScoreContext:
    """The same context as if the network had given these embeddings."""
    n = len(labels)
    (at,) = context.observations.snapshots
    snapshot = Snapshot(np.zeros(n), np.zeros(n), embedding=embeddings)
    return replace(
        context,
        shard=replace(context.shard, size=n, labels=labels),
        observations=replace(context.observations, snapshots={at: snapshot}),
    )


def features(n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Random ReLU features of the digits: as unevenly spread as real embeddings are."""
    table = digits_table()[:n]
    weights = np.random.default_rng(0).normal(size=(64, 32)) / 8
    return np.maximum(table[:, :-1] @ weights, 0.0), table[:, -1].astype(np.int64)


def kept(method: Any, context: base.ScoreContext, ratio: float) -> np.ndarray:
    return selection.choose(method, context, [ratio])[0].selection.positions


# herding


def test_herding_by_hand() -> None:
    # The mean is 3. t=0: nearest to 3 is 2. t=1: nearest to 2·3 - 2 = 4 is 1. t=2: nearest to 3·3 - 3 = 6 is 9.
    np.testing.assert_array_equal(herding(LINE, 4), [2, 1, 3, 0])
    np.testing.assert_array_equal(herding(LINE, 2), [2, 1])


def test_herding_ties_go_to_the_lower_index() -> None:
    np.testing.assert_array_equal(herding(np.array([[0.1], [-0.1], [0.1], [-0.1]]), 4), [0, 1, 2, 3])
    np.testing.assert_array_equal(herding(np.full((50, 3), 0.1), 50), np.arange(50))


def test_herding_is_the_greedy_rule_of_the_paper() -> None:
    """Against the formula, spelt out; long enough for the candidates to be packed several times."""
    points, _ = features(200)
    left, chosen = list(range(200)), []
    for t in range(200):
        target = (t + 1) * points.mean(axis=0) - points[chosen].sum(axis=0)
        chosen.append(left.pop(int(np.linalg.norm(target - points[left], axis=1).argmin())))
    np.testing.assert_array_equal(herding(points, 200), chosen)


def test_herding_matches_the_mean_far_better_than_random() -> None:
    points, _ = features()
    points = unit_rows(points)
    rng = np.random.default_rng(1)

    def error(chosen: np.ndarray) -> float:
        return float(np.linalg.norm(points[chosen].mean(axis=0) - points.mean(axis=0)))

    for k, factor in ((10, 2), (50, 5), (150, 5)):
        by_chance = [error(rng.choice(500, k, replace=False)) for _ in range(30)]
        assert error(herding(points, k)) < min(min(by_chance), float(np.mean(by_chance)) / factor), k


def test_every_prefix_of_an_interleaved_order_holds_the_class_shares() -> None:
    points, _ = features(100)
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    scores = scores_of_order(points, labels, "class", herding)
    assert sorted(scores) == list(range(-99, 1))
    for k in range(1, 101):
        counts = np.bincount(labels[top_k(scores, k)], minlength=3)
        assert np.abs(counts - k * np.array([0.70, 0.25, 0.05])).max() <= 1.0
    # Within a class it is the herding of that class alone.
    first = np.flatnonzero(labels == 1)[herding(points[labels == 1], 5)]
    np.testing.assert_array_equal(np.argsort(-scores[labels == 1])[:5], first - 70)


def test_herding_charges_its_inner_products() -> None:
    chosen = selection.choose(Herding(), context_of(Herding()), [0.5])[0]
    (snapshot,) = context_of(Herding()).observations.snapshots.values()
    assert snapshot.embedding is not None
    width = snapshot.embedding.shape[1]
    # Three classes of 20: 20 + 19 + … + 1 = 210 candidates each; 4 passes over the data, 3 more to normalise.
    assert chosen.work.other_flops == 2 * width * 630 + 7 * 60 * width
    assert chosen.work.comparisons == 630 + 60
    assert (chosen.work.train_samples, chosen.work.forward_samples) == (60, 60)


# k-center


def test_k_center_by_hand() -> None:
    # Nearest to the mean 3 is 2; farthest from {2} is 9; from {2, 9} it is 0 (2 away).
    np.testing.assert_array_equal(k_center(LINE, 4), [2, 3, 0, 1])
    # From 0 it is 9, then 2 (2 from 0), then 1.
    np.testing.assert_array_equal(k_center(LINE, 4, first=0), [0, 3, 2, 1])


def test_k_center_ties_go_to_the_lower_index() -> None:
    np.testing.assert_array_equal(k_center(np.full((40, 2), 0.3), 40), np.arange(40))
    # 0 and 4 are equally far from the mean's nearest, 2; then 1 and 3 are equally far; copies come last.
    np.testing.assert_array_equal(k_center(np.array([[4.0], [0], [1], [2], [3], [2]]), 6), [3, 0, 1, 2, 4, 5])


def test_k_center_is_farthest_point_greedy() -> None:
    points, _ = features(200)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    chosen = [17]
    while len(chosen) < 200:
        nearest = distances[:, chosen].min(axis=1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    np.testing.assert_array_equal(k_center(points, 200, first=17), chosen)


def test_k_center_covers_better_than_random() -> None:
    points, _ = features()
    rng = np.random.default_rng(1)

    def radius(chosen: np.ndarray) -> float:
        return float(np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1).max())

    assert radius(k_center(points, 50)) < 0.8 * min(radius(rng.choice(500, 50, replace=False)) for _ in range(20))


@pytest.mark.parametrize("greedy", [herding, k_center])
def test_greedy_orders_refuse_what_cannot_be(greedy: Any) -> None:
    for k in (0, 5):
        with pytest.raises(ValueError, match="1 <= k <= n"):
            greedy(LINE, k)
    with pytest.raises(ValueError, match="`first`"):
        k_center(LINE, 2, first=4)


# prototypes


def test_class_distances_by_hand() -> None:
    # Class 0: directions e1 and e2, mean direction at 45 degrees of both. Class 1: alone, at its own mean.
    found = class_distances([[3.0, 0.0], [0.0, 0.5], [1.0, 2.0]], [0, 0, 1])
    np.testing.assert_allclose(found, [1 - np.sqrt(0.5), 1 - np.sqrt(0.5), 0.0], atol=1e-11)


def test_spherical_k_means_by_hand() -> None:
    points = np.array([[1.0, 0.0], [0.0, 2.0], [5.0, 0.0], [0.0, 0.0]])
    centres, _ = spherical_k_means(points, 1, np.random.default_rng(0))
    # Two samples at e1, one at e2, one without direction: the centre is (2, 1)/sqrt 5.
    np.testing.assert_allclose(centres, [[2 / np.sqrt(5), 1 / np.sqrt(5)]])
    expected = [1 - 2 / np.sqrt(5), 1 - 1 / np.sqrt(5), 1 - 2 / np.sqrt(5), 1.0]
    np.testing.assert_allclose(cosine_distances(points, centres), expected, atol=1e-11)


def test_k_means_has_no_more_centres_than_distinct_directions() -> None:
    points = np.repeat(np.eye(3), 4, axis=0) * np.arange(1, 13)[:, None]
    centres, _ = spherical_k_means(points, 10, np.random.default_rng(0))
    np.testing.assert_allclose(centres[np.argsort(centres @ [1, 2, 3])], np.eye(3), atol=1e-12)
    assert (cosine_distances(points, centres) == 0).all()


def test_k_means_finds_separate_directions_and_the_strangers_among_them() -> None:
    rng = np.random.default_rng(3)
    points = np.repeat(np.eye(4), 30, axis=0) + 0.05 * rng.normal(size=(120, 4))
    points[[7, 77]] = 1.0  # between all centres
    centres, _ = spherical_k_means(points, 4, rng, restarts=4)
    assert set(np.argsort(-cosine_distances(points, centres))[:2]) == {7, 77}


def test_the_guard_keeps_half_of_a_class_share() -> None:
    scores, labels = np.array([8.0, 7, 6, 5, 4, 3, 2, 1]), np.repeat([0, 1], 4)
    # k = 4: two per class is the share; half of it is one.
    np.testing.assert_array_equal(guarded_top_k(scores, labels, 4, 0.5), [0, 1, 2, 4])
    np.testing.assert_array_equal(guarded_top_k(scores, labels, 4, 0.0), [0, 1, 2, 3])
    np.testing.assert_array_equal(guarded_top_k(scores, labels, 4, 1.0), [0, 1, 4, 5])
    np.testing.assert_array_equal(guarded_top_k(scores, labels, 8, 0.5), np.arange(8))


def test_easy_keeps_what_hard_drops() -> None:
    points, labels = features(100)
    context = with_embeddings(context_of(Prototypes()), points, labels)
    hard = kept(Prototypes(supervised=True, guard=0.0), context, 0.5)
    easy = kept(Prototypes(supervised=True, guard=0.0, keep="easy"), context, 0.5)
    assert not set(hard) & set(easy)
    assert len(kept(Prototypes(clusters=7), context, 0.5)) == 50
    assert selection.choose(Prototypes(clusters=7), context, [0.5])[0].selection.notes == {"clusters": 7.0}


# moderate


def test_moderate_by_hand() -> None:
    points, labels = np.array([[0.0], [2.0], [4.0], [10.0], [20.0]]), [0, 0, 0, 1, 1]
    # Means 2 and 15; distances 2 0 2 5 5, median 2. By class the medians are 2 and 5.
    np.testing.assert_array_equal(moderate(points, labels), [0, -2, 0, -3, -3])
    np.testing.assert_array_equal(moderate(points, labels, per_class=True), [0, -2, 0, 0, 0])


def test_moderate_drops_both_ends() -> None:
    points, labels = features()
    context = with_embeddings(context_of(Moderate()), points, labels)
    means = np.array([points[labels == c].mean(axis=0) for c in range(10)])
    distances = np.linalg.norm(points - means[labels], axis=1)
    inside = distances[kept(Moderate(), context, 0.5)]
    assert distances.min() < inside.min() < np.median(distances) < inside.max() < distances.max()


# ccs


def test_strata_by_hand() -> None:
    # Width 2 from 0 to 10: 1 is in the first, 2 opens the second, the largest belongs to the last.
    np.testing.assert_array_equal(strata_of([0.0, 1.0, 2.0, 10.0], 5), [0, 0, 1, 4])
    np.testing.assert_array_equal(strata_of([0.3, 0.1 + 0.2, 0.3], 50), [0, 0, 0])
    np.testing.assert_array_equal(strata_of([0.0, 0.0], 50), [0, 0])


def test_the_hardest_are_dropped_but_never_too_many() -> None:
    scores = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    np.testing.assert_array_equal(without_hardest(scores, 1, 0.4), [1, 3, 4])
    np.testing.assert_array_equal(without_hardest(scores, 4, 0.4), [1, 2, 3, 4])
    np.testing.assert_array_equal(without_hardest(scores, 5, 0.4), np.arange(5))
    np.testing.assert_array_equal(without_hardest(np.zeros(5), 1, 0.4), [0, 1, 2])


def test_stratified_choice_by_hand() -> None:
    groups, places = [0, 0, 0, 0, 1, 1, 2], [3, 0, 2, 1, 4, 5, 6]
    # Smallest first: group 2 has a share of 5 // 3 = 1; group 1 of 4 // 2 = 2; group 0 gets the last 2, lowest places.
    np.testing.assert_array_equal(stratified(groups, 5, places), [1, 3, 4, 5, 6])
    # k = 2 over three groups: the smallest has a share of 2 // 3 = 0, then 2 // 2 = 1 and 1.
    np.testing.assert_array_equal(stratified(groups, 2, places), [1, 4])
    np.testing.assert_array_equal(stratified(groups, 7, places), np.arange(7))


def test_ccs_spreads_evenly_over_the_range_of_the_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0, 0.1, 900), rng.uniform(0.1, 1.0, 100)])  # nearly all are easy
    groups = strata_of(scores, 10)
    counts = np.bincount(groups[stratified(groups, 50, rng.permutation(1000))], minlength=10)
    np.testing.assert_array_equal(counts, np.full(10, 5))


def test_ccs_drops_the_hardest_and_reports_how_many() -> None:
    context = context_of(Ccs())
    losses = selection.choose(Ccs(cutoff=0.0), context, [1.0])[0].scores
    assert losses is not None
    chosen = selection.choose(Ccs(cutoff=0.2), context, [0.5, 0.9])
    hardest = set(np.argsort(losses)[-12:])
    assert not hardest & set(chosen[0].selection.positions)
    assert chosen[0].selection.notes["cutoff"] == pytest.approx(0.2)
    assert chosen[1].selection.notes["cutoff"] == pytest.approx(0.1)


def test_ccs_is_nested_where_scores_are_equal() -> None:
    """One stratum: a uniform choice, larger with the budget, the same for one seed, another for another."""
    grey, ones = np.full((60, 8, 8, 1), 100, dtype=np.uint8), np.ones(60, dtype=np.int64)
    flat = replace(blobs(), train_samples=grey, train_labels=ones)
    method = Ccs(base="el2n", cutoff=0.0)
    context = context_of(method, flat)
    small, large = kept(method, context, 0.2), kept(method, context, 0.6)
    assert set(small) < set(large)
    assert selection.choose(method, context, [0.2])[0].selection.notes["strata"] == 1
    np.testing.assert_array_equal(small, kept(method, context, 0.2))
    assert set(small) != set(kept(method, replace(context, seed=1), 0.2))


# cg-score


def test_complexity_gap_by_hand() -> None:
    # Orthogonal: H = diag(1/2, 1/2), H^-1 y = 2 y, CG = 4/2.
    np.testing.assert_allclose(complexity_gap([[1.0, 0.0], [0.0, 3.0]], [1, -1]), [2, 2])
    # At 60 degrees: u = 1/2, H_12 = 1/2 (pi - pi/3)/(2 pi) = 1/6, H^-1 = [[9/4, -3/4], [-3/4, 9/4]].
    # y = (1, 1): H^-1 y = 3/2, CG = (9/4)/(9/4). y = (1, -1): H^-1 y = ±3, CG = 9/(9/4).
    pair = np.array([[2.0, 0.0], [0.5, np.sqrt(0.75)]])
    np.testing.assert_allclose(complexity_gap(pair, [1, 1]), [1, 1])
    np.testing.assert_allclose(complexity_gap(pair, [1, -1]), [4, 4])


def test_the_closed_form_equals_leaving_one_out() -> None:
    rng = np.random.default_rng(0)
    inputs, signs = rng.normal(size=(20, 3, 4)), np.repeat([1.0, -1.0], [9, 11])
    rows = inputs.reshape(20, 12) / np.linalg.norm(inputs.reshape(20, 12), axis=1, keepdims=True)
    u = np.clip(rows @ rows.T, -1, 1)
    kernel = u * (np.pi - np.arccos(u)) / (2 * np.pi)
    np.fill_diagonal(kernel, 0.5)

    def complexity(stay: np.ndarray) -> float:
        return float(signs[stay] @ np.linalg.solve(kernel[np.ix_(stay, stay)], signs[stay]))

    everyone = np.arange(20)
    expected = [complexity(everyone) - complexity(np.delete(everyone, i)) for i in range(20)]
    np.testing.assert_allclose(complexity_gap(inputs, signs), expected, rtol=1e-9)


def test_copies_are_redundant_and_contradictions_hard() -> None:
    rng = np.random.default_rng(0)
    inputs, signs = rng.normal(size=(12, 6)), np.repeat([1.0, -1.0], 6)
    inputs[1], inputs[7] = 2 * inputs[0], inputs[2]  # 0 and 1 agree; 2 and 7 contradict each other
    gaps = complexity_gap(inputs, signs)
    assert np.isfinite(gaps).all()
    assert gaps[:2].max() < 1e-6 < gaps[[3, 4, 5]].min()
    assert set(np.argsort(-gaps)[:2]) == {2, 7}


def test_inputs_of_zeros_are_equal_to_each_other_and_unlike_the_rest() -> None:
    # A lone zero input is orthogonal to all: CG = 2. Two of one sign are copies.
    inputs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(complexity_gap(inputs, [1, 1, -1])[0], 2.0)
    assert (complexity_gap(np.zeros((2, 3)), [1, 1]) < 1e-6).all()
    assert (complexity_gap(np.zeros((2, 3)), [1, -1]) > 1e6).all()
    for bad in (np.full((2, 3), np.nan), np.full((2, 3), np.inf)):
        with pytest.raises(ValueError, match="finite"):
            complexity_gap(bad, [1, 1])
    with pytest.raises(ValueError, match="sign"):
        complexity_gap(np.eye(2), [1, 0])


def test_cg_score_finds_wrong_labels_without_a_model() -> None:
    data = blobs()
    labels = data.train_labels.copy()
    wrong = np.array([3, 16, 41])  # one of each class
    labels[wrong] = (labels[wrong] + 1) % 3
    context = context_of(CgScore(), replace(data, train_labels=labels))
    assert set(wrong) <= set(kept(CgScore(balance="none"), context, 0.1))
    chosen = selection.choose(CgScore(), context, [0.1])[0]
    assert chosen.selection.notes == {"max_class_size": 1000.0, "gram_bytes": 8.0 * 40**2}
    assert chosen.work.other_flops == pytest.approx(3 * complexity_gap_flops(40, 64))
    assert (chosen.work.train_samples, chosen.work.forward_samples, chosen.trace.samples) == (0, 0, 0)


def test_large_classes_are_scored_in_parts() -> None:
    """7, 7 and 6 of each class of 20, each against as many others."""
    method = CgScore(max_class_size=7)
    chosen = selection.choose(method, context_of(method), [0.5])[0]
    assert chosen.selection.notes["gram_bytes"] == 8 * 14**2
    assert chosen.work.other_flops == pytest.approx(
        3 * (2 * complexity_gap_flops(14, 64) + complexity_gap_flops(12, 64))
    )


# all of them


@pytest.mark.parametrize("method", EMBEDDING_METHODS, ids=title)
def test_the_order_of_the_samples_does_not_matter(method: Any) -> None:
    points, labels = features(300)
    context = context_of(method)
    shuffle = np.random.default_rng(5).permutation(300)
    plain = kept(method, with_embeddings(context, points, labels), 0.3)
    shuffled = kept(method, with_embeddings(context, points[shuffle], labels[shuffle]), 0.3)
    np.testing.assert_array_equal(np.sort(shuffle[shuffled]), plain)


def test_cg_score_does_not_depend_on_the_order_where_all_others_serve() -> None:
    data = blobs(n=40, classes=2)
    shuffle = np.random.default_rng(5).permutation(40)
    moved = replace(data, train_samples=data.train_samples[shuffle], train_labels=data.train_labels[shuffle])
    plain = CgScore().score(context_of(CgScore(), data)).scores
    np.testing.assert_allclose(CgScore().score(context_of(CgScore(), moved)).scores, plain[shuffle], rtol=1e-8)


@pytest.mark.parametrize("method", EMBEDDING_METHODS, ids=title)
def test_the_batch_size_of_the_forward_pass_does_not_matter(method: Any) -> None:
    """60 samples in batches of 16 leave a partial batch of 12; in batches of 7, one of 4."""
    context = context_of(method)
    (at,) = context.observations.snapshots
    kinds = frozenset({"embedding"})
    found = []
    for batch_size in (7, 16, 60):
        snapshots = {at: observe(context.build_model(), context.task, kinds, batch_size)}
        found.append(
            kept(method, replace(context, observations=replace(context.observations, snapshots=snapshots)), 0.3)
        )
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def degenerate() -> dict[str, Dataset]:
    plain = blobs()
    images, labels = plain.train_samples, plain.train_labels

    def of(images: np.ndarray, labels: np.ndarray) -> Dataset:
        return replace(plain, train_samples=images.copy(), train_labels=labels.copy())

    return {
        "plain": plain,
        "one class": of(images[labels == 1], labels[labels == 1]),
        "one sample": of(images[:1], labels[:1]),
        "fewer than classes": of(images[:2], labels[:2]),
        "two of one class": of(images[[0, 3]], labels[[0, 3]]),
        "duplicates": of(np.repeat(images[:6], 5, axis=0), np.repeat(labels[:6], 5)),
        "contradictions": of(np.repeat(images[:6], 5, axis=0), np.arange(30) % 3),
        "one image": of(np.repeat(images[:1], 20, axis=0), np.zeros(20, dtype=np.int64)),
        "black": of(np.zeros_like(images[:20]), labels[:20]),
        "rare class": of(images[[0, 3, 6, 9, 12, 15, 18, 21, 1]], labels[[0, 3, 6, 9, 12, 15, 18, 21, 1]]),
    }


@pytest.mark.parametrize("method", ALL_METHODS, ids=title)
@pytest.mark.filterwarnings("error::RuntimeWarning")
@over("shard", degenerate())
def test_degenerate_shards(method: Any, shard: str) -> None:
    data = degenerate()[shard]
    images, labels = data.train_samples.copy(), data.train_labels.copy()
    n = len(labels)
    context = context_of(method, data)
    ratios = (1e-6, 0.3, 0.5, 1.0)
    first, again = (selection.choose(method, context, ratios) for _ in range(2))
    for ratio, one, two in zip(ratios, first, again, strict=True):
        assert len(one.selection.positions) == max(1, round(ratio * n))
        np.testing.assert_array_equal(one.selection.positions, two.selection.positions)
        assert one.scores is not None
        assert one.scores.shape == (n,)
        assert np.isfinite(one.scores).all()
    np.testing.assert_array_equal(data.train_samples, images)
    np.testing.assert_array_equal(data.train_labels, labels)
    assert pickle.loads(pickle.dumps(method)) == method


@pytest.mark.parametrize("method", EMBEDDING_METHODS, ids=title)
def test_no_embeddings_is_an_error_that_names_device_and_method(method: Any) -> None:
    context = context_of(method)
    (at,) = context.observations.snapshots
    for embedding, reason in ((None, "no embeddings"), (np.full((60, 2), np.nan), "not finite")):
        snapshot = Snapshot(np.zeros(60), np.zeros(60), embedding=embedding)
        broken = replace(context, observations=replace(context.observations, snapshots={at: snapshot}))
        with pytest.raises(EdgesimError, match=f"device 0, method 'm': .*{reason}"):
            kept(method, broken, 0.5)


def test_a_warmup_of_ones_own_is_cut_to_full_training() -> None:
    shard = base.Shard(60, blobs().train_labels, 3, 16, 4, 4)
    for method in (Herding, KCenter, Moderate, Prototypes):
        assert method(warmup=Warmup(iterations=9)).needs(shard).snapshots == (9,)
        assert method(warmup=Warmup(epochs=100)).needs(shard).steps == 16
        assert method().needs(shard).steps == 4
    assert CgScore().needs(shard).steps == 0
    assert Ccs(warmup=Warmup(iterations=9)).needs(shard).steps == 9
