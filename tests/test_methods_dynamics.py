"""Methods that read training dynamics: el2n, grand, forgetting, aum, tdds, and the dynamic infobatch."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from conftest import blobs

from edgesim import seeds
from edgesim.data.datasets import Dataset
from edgesim.models import MODELS
from edgesim.pruning import base, selection
from edgesim.pruning.aum import Aum, aum
from edgesim.pruning.el2n import El2n, el2n
from edgesim.pruning.forgetting import Forgetting, forgetting_events
from edgesim.pruning.grand import Grand, gradient_norms, grand_last_layer
from edgesim.pruning.infobatch import Infobatch, InfoBatchSampler, high_visits
from edgesim.pruning.tdds import Tdds, tdds
from edgesim.pruning.training_dynamics import presentations
from edgesim.pruning.warmup_replicas import fresh_model, replicate
from edgesim.training import tasks
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.settings import Training, Warmup
from edgesim.training.task import observe
from edgesim.training.warmup import observe_warmup

DATA = blobs()
SETTINGS = Training(epochs=4, batch_size=16)  # 4 steps per epoch on 60 samples
SCORED = (El2n, Grand, Forgetting, Aum, Tdds)


def build(data: Dataset, model: str = "mlp") -> torch.nn.Module:
    with seeds.torch_global(0, "init"):
        network: torch.nn.Module = MODELS[model]().build(data.input_shape, data.num_classes)
    return network


def context_of(
    method: base.Method,
    data: Dataset = DATA,
    settings: Training = SETTINGS,
    warmup_steps: int = 8,
    model: str = "mlp",
) -> base.ScoreContext:
    n = len(data.train_labels)
    task = tasks.of_shard(data, np.arange(n), "cpu")
    full = settings.epochs * -(-n // settings.batch_size)
    shard = base.Shard(
        n, data.train_labels, data.num_classes, settings.batch_size, settings.epochs, min(warmup_steps, full)
    )
    (seen,) = observe_warmup(build(data, model), task, [method.needs(shard)], settings, Streams(0, 0, "warm-up"))
    return base.ScoreContext(0, 0, "m", shard, seen, task, settings, (), lambda: build(data, model))


def of(images: np.ndarray, labels: Any, classes: int = 3) -> Dataset:
    """A data set of these training samples, with the test split of the blobs."""
    names = tuple(f"class {c}" for c in range(classes))
    return Dataset("made", images, np.asarray(labels), DATA.test_samples, DATA.test_labels % classes, class_names=names)


# Pure functions by hand


def test_el2n_by_hand() -> None:
    ln3 = np.log(3.0)
    logits = [[0.0, 0.0], [ln3, 0.0], [0.0, ln3], [800.0, 0.0]]
    # softmax 1/2, 1/2 against (1, 0): norm (−1/2, 1/2). 3/4, 1/4 against (1, 0) and (0, 1). Sure and wrong: sqrt 2.
    expected = [np.sqrt(0.5), np.sqrt(2) / 4, np.sqrt(2) / 4, np.sqrt(2)]
    np.testing.assert_allclose(el2n(logits, [0, 0, 1, 1]), expected, rtol=1e-12)
    np.testing.assert_array_equal(el2n([[3.0], [-1.0]], [0, 0]), [0.0, 0.0])  # a single class is never wrong


def test_grand_last_layer_by_hand() -> None:
    logits, labels, embeddings = [[0.0, 0.0]] * 3, [0, 1, 0], [[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]
    half = np.sqrt(0.5)  # the error norm of each; norms of h are 0, 5, sqrt 2
    with_bias = grand_last_layer(logits, labels, embeddings)
    np.testing.assert_allclose(with_bias, half * np.sqrt([1.0, 26.0, 3.0]), rtol=1e-12)
    without = grand_last_layer(logits, labels, embeddings, bias=False)
    np.testing.assert_allclose(without, half * np.sqrt([0.0, 25.0, 2.0]), rtol=1e-12)


def test_forgetting_events_by_hand() -> None:
    nan = np.nan
    # samples: kept once learned | lost twice | never right | right, lost in the end | met late | never met
    correct = np.array(
        [
            [0, 1, 0, 1, nan, nan],
            [1, 0, 0, 1, nan, nan],
            [1, 1, 0, 1, 1, nan],
            [1, 0, 0, 0, 0, nan],
        ]
    )
    np.testing.assert_array_equal(forgetting_events(correct), [0, 2, 4, 1, 1, nan])
    # A gap keeps the state before it; a never-right sample counts all presentations of the run, met or not.
    np.testing.assert_array_equal(forgetting_events(np.array([[1, 0], [nan, 0], [0, nan]])), [1, 3])
    np.testing.assert_array_equal(forgetting_events(np.array([[True, False]])), [0, 1])


def test_never_learned_is_hardest_whatever_else_happens() -> None:
    """All 2^P histories of up to 6 presentations: only the one without a correct prediction reaches P."""
    for length in range(1, 7):
        histories = np.array([[code >> t & 1 for code in range(2**length)] for t in range(length)])
        events = forgetting_events(histories)
        assert events[0] == length
        assert events[1:].max(initial=0) < length


def test_aum_by_hand() -> None:
    nan = np.nan
    logits = np.array(
        [
            [[2.0, 1.0, 0.0], [0.0, 0.0, 5.0], [1.0, 1.0, 1.0], [nan] * 3],
            [[4.0, 1.0, 3.5], [0.0, 3.0, 1.0], [nan] * 3, [nan] * 3],
        ]
    )
    # sample 0, label 0: (2−1 + 4−3.5)/2; sample 1, label 1: (0−5 + 3−1)/2; sample 2: 0 once; sample 3: never met
    np.testing.assert_allclose(aum(logits, [0, 1, 2, 0]), [0.75, -1.5, 0.0, nan])
    np.testing.assert_array_equal(aum(np.ones((2, 3, 1)), [0, 0, 0]), [0.0, 0.0, 0.0])


def logits_of(probabilities: list[list[float]]) -> np.ndarray:
    """[P, samples, 2] logits from the probability of class 0."""
    p = np.array(probabilities)
    return np.log(np.stack([p, 1 - p], axis=2))


def test_tdds_by_hand() -> None:
    def change(a: float, b: float) -> float:
        """From probability a to b of class 0."""
        return abs(b * np.log(b / a)) + abs((1 - b) * np.log((1 - b) / (1 - a)))

    # Sample 0 never changes; sample 1 goes 0.5, 0.8, 0.8, 0.2; sample 2 goes 0.3, 0.6, 0.9, 0.9.
    logits = logits_of([[0.7, 0.5, 0.3], [0.7, 0.8, 0.6], [0.7, 0.8, 0.9], [0.7, 0.2, 0.9]])
    changes = [[change(0.5, 0.8), 0.0, change(0.8, 0.2)], [change(0.3, 0.6), change(0.6, 0.9), 0.0]]
    # Windows of 3 presentations hold 2 changes a, b with norm |a − b|/sqrt 2; the older of two weighs 0.9·0.1.
    expected = [0.0]
    for a, b, c in changes:
        expected.append(0.9 * abs(b - c) / np.sqrt(2) + 0.09 * abs(a - b) / np.sqrt(2))
    np.testing.assert_allclose(tdds(logits, 3, 0.9), expected, rtol=1e-9, atol=1e-15)
    # One window over all four presentations: norm of the deviations of three changes from their mean.
    whole = [0.9 * np.linalg.norm(np.array(row) - np.mean(row)) for row in [[0.0] * 3, *changes]]
    for window in (4, 10):
        np.testing.assert_allclose(tdds(logits, window, 0.9), whole, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(tdds(logits[:2], 4, 0.9), [0.0, changes[0][0], changes[1][0]], rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(tdds(logits[:1], 4, 0.9), [0.0, 0.0, 0.0])


def test_tdds_survives_certainty() -> None:
    """Probabilities that underflow must not give infinities."""
    logits = np.array([[[2000.0, 0.0]], [[0.0, 2000.0]], [[2000.0, 0.0]], [[2000.0, 0.0]]])
    assert np.isfinite(tdds(logits, 3, 0.9)).all()


# On a device


@pytest.mark.parametrize("bias", [True, False])
def test_the_closed_form_of_grand_is_the_gradient_of_the_last_layer(bias: bool) -> None:
    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    with seeds.torch_global(0, "init"):
        model = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3, bias=bias)
        )
    seen = observe(model, task, frozenset({"logits", "embedding"}), 16)
    assert seen.logits is not None
    assert seen.embedding is not None
    closed = grand_last_layer(seen.logits, DATA.train_labels, seen.embedding, bias)
    for index in range(6):
        where = slice(index, index + 1)
        gradients = torch.autograd.grad(
            task.losses(model(task.inputs(where)), where).sum(), list(model[3].parameters())
        )
        norm = float(torch.cat([g.flatten() for g in gradients]).norm())
        assert closed[index] == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("name", ["mlp", "small-cnn", "resnet8"])
def test_gradient_norms_equal_one_backward_pass_per_sample(name: str) -> None:
    """With batch normalisation, too: in evaluation mode, so that the statistics neither move nor mix samples."""
    data = blobs(n=9)
    task = tasks.of_shard(data, np.arange(9), "cpu")
    model = build(data, name)
    fit(model, task, Subset(np.arange(9)), Training(epochs=2, batch_size=4), Streams(0, 0, "t"))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    norms = gradient_norms(model, task)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    for index in range(9):
        where = slice(index, index + 1)
        gradients = torch.autograd.grad(task.losses(model(task.inputs(where)), where).sum(), list(model.parameters()))
        norm = float(torch.cat([g.flatten() for g in gradients]).norm())
        assert norms[index] == pytest.approx(norm, rel=2e-4, abs=1e-6)


def test_gradient_norms_do_not_move_with_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesim.pruning import grand

    task = tasks.of_shard(DATA, np.arange(60), "cpu")
    whole = gradient_norms(build(DATA), task)
    parameters = sum(p.numel() for p in build(DATA).parameters())
    monkeypatch.setattr(grand, "_GRADIENT_NUMBERS", 7 * parameters)  # 8 chunks of 7 and one of 4
    np.testing.assert_allclose(gradient_norms(build(DATA), task), whole, rtol=1e-5, atol=1e-9)


def test_el2n_reads_the_logits_at_the_end_of_the_warmup() -> None:
    method = El2n(warmup=Warmup(iterations=6))
    (scored,) = selection.choose(method, context_of(method), [0.5])
    model, task = build(DATA), tasks.of_shard(DATA, np.arange(60), "cpu")
    from edgesim.training.loop import Hooks

    fit(
        model,
        task,
        Subset(np.arange(60)),
        SETTINGS,
        Streams(0, 0, "warm-up"),
        hooks=Hooks(after_step=lambda step: step.number == 5),
    )
    logits = observe(model, task, frozenset({"logits"}), 60).logits
    assert logits is not None
    np.testing.assert_allclose(scored.scores, el2n(logits, DATA.train_labels), rtol=1e-5)
    assert scored.work.train_samples == 60 + 2 * 16
    assert scored.work.forward_samples == 60
    assert scored.trace.samples == 60 + 2 * 16 + 60


@pytest.mark.parametrize("method", [El2n(replicas=3), Grand(replicas=3), Forgetting(replicas=3)])
def test_replicas_are_charged_and_combined(method: Any) -> None:
    slow = dataclasses.replace(SETTINGS, learning_rate=1e-4)  # so that two epochs leave something unlearned
    context = context_of(method, settings=slow)
    (scored,) = selection.choose(method, context, [0.5])
    (single,) = selection.choose(dataclasses.replace(method, replicas=1), context, [0.5])
    assert scored.work.train_samples == 3 * single.work.train_samples == 3 * 120
    assert scored.work.forward_samples == 3 * single.work.forward_samples
    assert scored.work.steps == 24
    assert scored.trace.samples == 3 * single.trace.samples
    runs = replicate(context, method.needs(context.shard), 3)
    assert len(runs.observations) == 3
    alone = []
    for seen in runs.observations:
        one = dataclasses.replace(context, observations=seen)
        alone.append(dataclasses.replace(method, replicas=1).score(one).scores)
    combine = np.sum if isinstance(method, Forgetting) else np.mean
    np.testing.assert_allclose(scored.scores, combine(alone, axis=0), rtol=1e-9)
    assert not np.allclose(alone[0], alone[1])
    assert not np.allclose(alone[1], alone[2])


def test_full_gradients_are_charged_as_backward_passes() -> None:
    method = Grand(variant="full", replicas=2)
    context = context_of(method)
    (scored,) = selection.choose(method, context, [0.5])
    assert scored.work.train_samples == 2 * (120 + 60)  # two epochs of warm-up, and one backward pass per sample
    assert scored.work.steps == 16
    assert scored.trace.samples == 360
    assert context.observations.weights is not None
    model = build(DATA)
    model.load_state_dict(context.observations.weights)
    first = gradient_norms(model, context.task)
    np.testing.assert_allclose(dataclasses.replace(method, replicas=1).score(context).scores, first, rtol=1e-6)


def test_fresh_models_are_draws_of_the_same_initialisation() -> None:
    context = context_of(El2n(), model="resnet8")
    initial = dict(context.build_model().named_parameters())
    one, again, two = (dict(fresh_model(context, p).named_parameters()) for p in ("a", "a", "b"))
    for name, value in initial.items():
        assert torch.equal(one[name], again[name])
        assert one[name].stride() == value.stride()
        assert torch.equal(one[name].flatten().sort().values, value.flatten().sort().values)
        if value.numel() > 8 and value.std() > 0:  # not the constants of batch normalisation
            assert not torch.equal(one[name], value)
            assert not torch.equal(one[name], two[name])


def test_a_sample_that_was_never_presented_is_scored_by_one_pass() -> None:
    """T0 = 2 steps of 16 present 32 of 60 samples."""
    short = Warmup(iterations=2)
    for method in (Forgetting(warmup=short), Aum(warmup=short), Tdds(warmup=short)):
        context = context_of(method)
        (scored,) = selection.choose(method, context, [0.5])
        assert scored.work.train_samples == 32
        assert scored.work.forward_samples == 60
    context = context_of(Forgetting(warmup=short))
    unmet = ~context.observations.dynamics.met.any(axis=0)
    assert unmet.sum() == 28
    (snapshot,) = context.observations.snapshots.values()
    scores = Forgetting(warmup=short).score(context).scores
    np.testing.assert_array_equal(scores[unmet], 1 - snapshot.correct[unmet])
    seen = context.observations.dynamics.values["correct"][0]
    np.testing.assert_array_equal(scores[~unmet], 1 - seen[~unmet])
    assert np.isnan(seen[unmet]).all()  # what was observed is not written into


def test_aum_and_forgetting_read_what_training_saw() -> None:
    method = Aum(warmup=Warmup(iterations=10))  # two epochs and a half
    context = context_of(method)
    logits = context.observations.dynamics.values["logits"]
    assert logits.shape == (3, 60, 3)
    assert np.isnan(logits[2]).any()
    np.testing.assert_allclose(method.score(context).scores, -aum(logits, DATA.train_labels))
    counting = Forgetting(warmup=Warmup(iterations=16))
    context = context_of(counting)
    correct = context.observations.dynamics.values["correct"]
    np.testing.assert_array_equal(presentations(context.observations, "correct"), correct)
    np.testing.assert_array_equal(counting.score(context).scores, forgetting_events(correct))


def test_tdds_lengthens_the_scenarios_warmup_but_not_its_own() -> None:
    shard = base.Shard(60, DATA.train_labels, 3, 16, 10, 4)
    assert Tdds().needs(shard).steps == 16
    assert Tdds(window=6).needs(shard).steps == 24
    assert Tdds(warmup=Warmup(epochs=2)).needs(shard).steps == 8
    assert Tdds().needs(dataclasses.replace(shard, epochs=3)).steps == 12
    assert Tdds().needs(dataclasses.replace(shard, warmup_steps=30)).steps == 30


def test_tdds_leaves_an_unfinished_epoch_out() -> None:
    ended, cut = Tdds(warmup=Warmup(iterations=12)), Tdds(warmup=Warmup(iterations=14))
    np.testing.assert_array_equal(ended.score(context_of(ended)).scores, cut.score(context_of(cut)).scores)


@pytest.mark.parametrize("method", [El2n(), Grand(), Grand(variant="full"), Forgetting(), Aum()])
def test_wrong_labels_are_among_the_hardest(method: base.Method) -> None:
    labels = DATA.train_labels.copy()
    wrong = np.arange(0, 60, 7)  # nine samples, three of each class
    labels[wrong] = (labels[wrong] + 1) % 3
    settings = Training(epochs=8, batch_size=16, learning_rate=0.003)
    context = context_of(method, of(DATA.train_samples, labels), settings, warmup_steps=32)
    kept = selection.choose(method, context, [9 / 60])[0].selection.positions
    assert len(set(kept) & set(wrong)) >= 7


@pytest.mark.parametrize("method", [El2n(), Grand(), Grand(variant="full")])
def test_scores_move_neither_with_the_batch_size_nor_with_the_order(method: Any) -> None:
    """At given weights: the initial ones, read in other batches, and from a shuffled shard."""
    order = np.random.default_rng(0).permutation(60)
    shuffled = of(DATA.train_samples[order], DATA.train_labels[order])
    scores = []
    for data, batch_size in ((DATA, 16), (DATA, 7), (shuffled, 60)):
        settings = Training(epochs=4, batch_size=batch_size, learning_rate=1e-12)
        scores.append(method.score(context_of(method, data, settings, warmup_steps=1)).scores)
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4)
    np.testing.assert_allclose(scores[2], scores[0][order], rtol=1e-4)


DEGENERATE = {
    "one sample": of(DATA.train_samples[:1], [1]),
    "fewer samples than classes": of(DATA.train_samples[:2], [2, 0]),
    "one class": of(DATA.train_samples[:20], np.full(20, 1)),
    "constant images": of(np.full((20, 8, 8, 1), 7, dtype=np.uint8), np.arange(20) % 3),
    "duplicates": of(np.repeat(DATA.train_samples[:2], 10, axis=0), np.repeat([0, 1], 10)),
    "a remainder of one": of(DATA.train_samples[:17], DATA.train_labels[:17]),
    "one class in all": of(DATA.train_samples[:5], np.zeros(5, dtype=np.int64), classes=1),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shard", list(DEGENERATE))
def test_degenerate_shards(shard: str) -> None:
    data = DEGENERATE[shard]
    n = len(data.train_labels)
    methods = [kind(balance=balance) for kind in SCORED for balance in ("none", "class")]
    for method in [*methods, Grand(variant="full", replicas=2), Forgetting(replicas=2), Infobatch()]:
        context = context_of(method, data)
        labels = context.shard.labels.copy()
        for chosen, ratio in zip(selection.choose(method, context, [1e-9, 0.5, 1.0]), (1e-9, 0.5, 1.0), strict=True):
            expected = n if isinstance(method, Infobatch) else max(1, round(ratio * n))
            assert len(chosen.selection.positions) == expected
            assert chosen.scores is not None
            assert np.isfinite(chosen.scores).all()
        np.testing.assert_array_equal(context.shard.labels, labels)


@pytest.mark.parametrize("kind", [*SCORED, Infobatch])
def test_methods_say_what_they_are(kind: Any) -> None:
    method = kind()
    assert pickle.loads(pickle.dumps(method)) == method
    assert kind.source
    assert kind.cost_class
    assert kind.__doc__
    assert "\n" not in kind.__doc__


# InfoBatch


def drawn(sampler: InfoBatchSampler, losses: np.ndarray, epoch: int = 1, draws: int = 1) -> list[Any]:
    rng = np.random.default_rng(5)
    return [sampler.draw(sampler.sizes(10)[epoch], losses, rng) for _ in range(draws)]


@pytest.mark.parametrize("k", [1, 2, 6, 13, 30, 47, 59, 60])
@pytest.mark.parametrize("epochs", [1, 4, 10])
def test_infobatch_makes_exactly_k_visits_per_epoch_on_average(k: int, epochs: int) -> None:
    method = Infobatch()
    settings = dataclasses.replace(SETTINGS, epochs=epochs)
    context = context_of(method, settings=settings)
    choice = method.choose(context, k)
    np.testing.assert_array_equal(choice.positions, np.arange(60))
    sampler = pickle.loads(pickle.dumps(choice.epoch_sampler))
    sizes = sampler.sizes(epochs)
    assert sum(sizes) == k * epochs
    assert all(1 <= size <= 60 for size in sizes)
    fitted = fit(
        build(DATA), context.task, Subset(choice.positions, epoch_sampler=sampler), settings, Streams(0, 0, "training")
    )
    assert fitted.work.train_samples == k * epochs
    assert fitted.work.steps == sum(-(-size // 16) for size in sizes)


def test_infobatch_ends_with_full_epochs_where_the_budget_allows() -> None:
    # k = 60 of 100, 16 epochs: 960 visits; the last 2 epochs take 200, the other 14 share 760 as evenly as can be.
    assert InfoBatchSampler(100, 60).sizes(16) == (55,) * 4 + (54,) * 10 + (100,) * 2
    # k = 10: 160 visits; one full epoch would leave 60 of 150 for the others, two nothing.
    assert InfoBatchSampler(100, 10).sizes(16) == (10,) * 16
    # k = 20: 320 visits; two full epochs leave 120 for 14, less than half of 20 each; one leaves 220 for 15.
    assert InfoBatchSampler(100, 20).sizes(16) == (15,) * 10 + (14,) * 5 + (100,)
    assert InfoBatchSampler(100, 60, anneal=0.0).sizes(3) == (60, 60, 60)
    places, weights, *_ = InfoBatchSampler(100, 60).draw(100, np.full(100, np.nan), np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(places), np.arange(100))
    np.testing.assert_array_equal(weights, np.ones(100))


def test_infobatch_shares_by_hand() -> None:
    # 20 above, 80 below, r at most 0.5. 70 visits: all 20, and 50 of 80. 60: 20 and 40, the last that has all above.
    assert high_visits(20, 80, 70, 0.5) == 20
    assert high_visits(20, 80, 60, 0.5) == 20
    # 30 visits: q·20 + q/2·80 = 30 with q = 1/2, so 10 above and 20 below.
    assert high_visits(20, 80, 30, 0.5) == 10
    # 20 above, 1,000 below, 2 visits: one each would weigh them 20 and 1,000, so that all are drawn alike.
    assert high_visits(20, 1000, 2, 0.5) == 0
    assert high_visits(76, 1, 2, 0.5) == 0  # weights of 76 and 1
    assert high_visits(0, 5, 3, 0.5) == high_visits(5, 0, 3, 0.5) == 0


@pytest.mark.parametrize("max_r", [0.0, 0.3, 0.5, 0.9])
def test_no_infobatch_weight_is_more_than_its_bound_times_another(max_r: float) -> None:
    """On every shard of up to 12 samples and some lopsided ones, for every number of visits."""
    sizes = [(high, low) for high in range(13) for low in range(13 - high) if high + low > 1]
    for high, low in [*sizes, (1, 400), (400, 1), (3, 777), (38, 38 * 38)]:
        n = high + low
        losses = np.r_[np.full(high, 2.0), np.full(low, 1.0)]
        for visits in range(1, n, max(1, n // 12)):
            sampler = InfoBatchSampler(n, visits, anneal=0.0, max_r=max_r)
            places, weights, *_ = sampler.draw(visits, losses, np.random.default_rng(0))
            assert len(set(places.tolist())) == visits
            assert weights.max() <= weights.min() / (1 - max_r) * (1 + 1e-6)
            assert weights.sum() == pytest.approx(n)
            if high >= 1 and low >= 1 and visits >= high + (1 - max_r) * low:
                assert (places < high).sum() == high  # all above the mean, where that can be paid


def test_infobatch_keeps_every_sample_above_the_mean_loss_where_the_budget_allows() -> None:
    losses = np.r_[np.full(20, 5.0), np.full(80, 1.0)]
    for places, weights, *_ in drawn(InfoBatchSampler(100, 70, anneal=0.0), losses, draws=20):
        assert len(set(places.tolist())) == 70
        assert set(range(20)) <= set(places.tolist())
        np.testing.assert_array_equal(weights[places < 20], 1.0)
        np.testing.assert_allclose(weights[places >= 20], 80 / 50)


@pytest.mark.parametrize("k", [1, 10, 30, 55, 70, 99])
def test_infobatch_is_unbiased(k: int) -> None:
    """The expected weighted sum of losses is the sum over the shard: by inclusion probabilities and by many draws."""
    losses = np.random.default_rng(3).exponential(size=100)
    sampler = InfoBatchSampler(100, k, anneal=0.0)
    sums, weight_of = [], np.zeros(100)
    for places, weights, *_ in drawn(sampler, losses, draws=4000):
        assert len(places) == k
        assert weights.sum() == pytest.approx(100)
        sums.append(weights @ losses[places])
        weight_of[places] += weights
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - losses.sum()) < 4 * error + 1e-9
    # Every sample's expected weight is 1. A visit has probability 1/w, so the variance of its weight is w − 1.
    largest = max(weights.max() for _, weights, *_ in drawn(sampler, losses, draws=50))
    assert np.abs(weight_of / 4000 - 1).max() < 5 * np.sqrt(max(largest - 1, 0) / 4000) + 1e-9


def test_infobatch_by_the_mean_keeps_the_step_size() -> None:
    losses = np.random.default_rng(3).exponential(size=100)
    ((_, weights, *_),) = drawn(InfoBatchSampler(100, 30, anneal=0.0, rescale="mean"), losses)
    assert weights.mean() == pytest.approx(1.0)


def test_infobatch_before_the_first_losses() -> None:
    sampler = InfoBatchSampler(100, 30, anneal=0.0)
    first, second = drawn(sampler, np.full(100, np.nan), epoch=0, draws=2)
    assert set(first[0]) != set(second[0])
    np.testing.assert_allclose(first[1], 100 / 30)
    # What was never visited counts as above the mean: 10 seen and easy, 90 unseen or hard, 95 visits.
    losses = np.r_[np.full(10, 0.1), np.full(5, 9.0), np.full(85, np.nan)]
    ((places, *_),) = drawn(InfoBatchSampler(100, 95, anneal=0.0), losses)
    assert set(range(10, 100)) <= set(places.tolist())


def test_infobatch_is_charged_what_it_did() -> None:
    method = Infobatch()
    settings = dataclasses.replace(SETTINGS, epochs=8)
    (chosen,) = selection.choose(method, context_of(method, settings=settings), [0.5])
    assert chosen.work.train_samples == chosen.work.forward_samples == 0
    assert chosen.selection.notes == {"full_epochs": 1.0}
    assert chosen.work.comparisons == 7 * 60
    (whole,) = selection.choose(method, context_of(method, settings=settings), [1.0])
    assert whole.work.comparisons == whole.work.other_flops == 0  # nothing is chosen
