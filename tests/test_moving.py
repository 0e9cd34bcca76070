"""Methods that choose while training goes on: fewer-epochs, rs2 and online-loss, by hand and from end to end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Stopping, blobs

import edgesim
from edgesim import seeds
from edgesim.analysis.kept_samples import dynamic_methods
from edgesim.errors import ScenarioError, TrainingDiverged
from edgesim.models import MODELS
from edgesim.planning.run_plan import plan_run
from edgesim.pruning import base, selection
from edgesim.pruning.fewer_epochs import FewerEpochs
from edgesim.pruning.full_passes import Passes, pass_sizes, steps_for
from edgesim.pruning.online_loss import OnlineLoss, OnlineLossSampler, Redraw, probabilities
from edgesim.pruning.rs2 import Rs2, Rs2Sampler
from edgesim.runtime import RayExecutor, SerialExecutor
from edgesim.scenario.loading import Scenario
from edgesim.training import tasks
from edgesim.training.loop import FitResult, Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, EpochSampler, per_epoch
from edgesim.training.settings import Training

Make = Callable[..., Scenario]
DATA = blobs(n=60)
TASK = tasks.of_shard(DATA, np.arange(60), "cpu")
NAN = math.nan
MOVING = ["fewer-epochs", "rs2", "online-loss", "infobatch"]


def shard_of(n: int, batch_size: int, epochs: int) -> base.Shard:
    return base.Shard(n, np.arange(n) % 3, 3, batch_size, epochs, 1)


def trained(sampler: EpochSampler | None, settings: Training) -> tuple[torch.nn.Module, FitResult]:
    with seeds.torch_global(0, "init"):
        model = MODELS["mlp"]().build(DATA.input_shape, DATA.num_classes)
    return model, fit(model, TASK, Subset(np.arange(60), epoch_sampler=sampler), settings, Streams(0, 0, "training"))


def assert_same_training(first: EpochSampler | None, second: EpochSampler | None, settings: Training) -> None:
    (one, fitted), (other, again) = trained(first, settings), trained(second, settings)
    assert fitted == again
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def draws(sampler: EpochSampler, epochs: int, losses: np.ndarray | None = None) -> list[Draw]:
    seen = np.full(sampler.size, NAN) if losses is None else losses  # type: ignore[attr-defined]
    return list(sampler.draws(epochs, seen, np.random.default_rng(7)))


def chi_square(counts: np.ndarray, expected: np.ndarray) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


# fewer-epochs


@pytest.mark.parametrize(
    ("n", "k", "steps", "sizes"),
    [
        # 100 samples in batches of 32 are 4 steps an epoch, 10 epochs 40 steps.
        (100, 30, 12, (100, 100, 100)),
        (100, 33, 13, (100, 100, 100, 32)),  # 13.2
        (100, 1, 1, (32,)),  # 0.4: at least one
        (100, 99, 40, (100,) * 10),  # 39.6
        (12, 4, 3, (12, 12, 12)),  # one step an epoch: 10/3
        (5, 2, 4, (5, 5, 5, 5)),
        (1, 1, 10, (1,) * 10),
    ],
)
def test_steps_and_visits_by_hand(n: int, k: int, steps: int, sizes: tuple[int, ...]) -> None:
    shard = shard_of(n, 32, 10)
    assert steps_for(shard, k) == steps
    assert pass_sizes(n, 32, steps) == sizes
    assert FewerEpochs().expected(shard, None, k).visits == sizes  # type: ignore[arg-type]
    assert per_epoch(Passes(n, 32, steps).visits(10)) == sizes


@pytest.mark.parametrize("sampler", [Passes(60, 16, 13), OnlineLossSampler(60, 16, 13, 4, 1, 0.5, 0.8, False)])
def test_the_schedule_spans_the_steps_that_there_are(sampler: EpochSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    settings = Training(epochs=10, batch_size=16, learning_rate=0.01)
    original = Training.learning_rate_at

    def noted(self: Training, step: int, total: int) -> float:
        rates.append(original(self, step, total))
        return rates[-1]

    monkeypatch.setattr(Training, "learning_rate_at", noted)
    _, fitted = trained(sampler, settings)
    assert (fitted.work.steps, fitted.work.train_samples) == (13, 3 * 60 + 16)
    assert [epoch.number for epoch in fitted.epochs] == [1, 2, 3, 4]
    np.testing.assert_allclose(rates, [0.005 * (1 + math.cos(math.pi * t / 13)) for t in range(13)], rtol=1e-12)
    assert rates[0] == 0.01
    assert rates[-1] == pytest.approx(0.000145, abs=1e-6)  # 0.005 (1 + cos(12/13 π))


def test_all_steps_of_all_samples_are_full_training() -> None:
    """The sampler itself, which `choose` leaves out at keep ratio 1."""
    settings = Training(epochs=3, batch_size=16)
    assert_same_training(None, Passes(60, 16, 12), settings)


def test_a_pass_that_breaks_off_visits_a_random_part_once() -> None:
    whole, part = draws(Passes(60, 16, 6), 10)
    np.testing.assert_array_equal(whole.places, np.arange(60))
    assert len(set(part.places.tolist())) == len(part.places) == 32
    assert set(part.places.tolist()) != set(range(32))


# rs2


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("n", "k", "epochs", "each"), [(10, 4, 5, 2), (10, 3, 10, 3), (7, 5, 7, 5), (9, 1, 9, 1)])
def test_without_replacement_all_come_equally_often(n: int, k: int, epochs: int, each: int, balanced: bool) -> None:
    pieces = [d.places for d in draws(Rs2Sampler(n, k, False, balanced, np.arange(n) % 2), epochs)]
    assert all(len(set(piece.tolist())) == k for piece in pieces)  # no sample twice in an epoch
    np.testing.assert_array_equal(np.bincount(np.concatenate(pieces), minlength=n), each)
    if n % k == 0 and not balanced:
        order = np.random.default_rng(7).permutation(n)
        np.testing.assert_array_equal(np.concatenate(pieces)[:n], order)  # one order, cut into pieces


def test_with_replacement_every_epoch_draws_from_all() -> None:
    """Inclusion counts of 4,000 epochs of 5 of 20: uniform by chi-square, and epochs overlap by chance."""
    pieces = [d.places for d in draws(Rs2Sampler(20, 5, True, False, np.zeros(20, dtype=int)), 4000)]
    assert all(len(set(piece.tolist())) == 5 for piece in pieces)
    counts = np.bincount(np.concatenate(pieces), minlength=20)
    # A draw of k without replacement has (n − k)/(n − 1) of the variance of independent draws.
    statistic = chi_square(counts, np.full(20, 1000.0)) * 19 / 15
    assert 6.8 < statistic < 38.6  # 0.5 % and 99.5 % of chi-square with 19 degrees of freedom
    shared = np.mean([len(set(a.tolist()) & set(b.tolist())) for a, b in pairwise(pieces)])
    assert shared == pytest.approx(5 * 5 / 20, abs=0.06)


@pytest.mark.parametrize("replacement", [False, True])
def test_balanced_draws_have_every_class_in_proportion(replacement: bool) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    sampler = Rs2Sampler(100, 20, replacement, True, labels)
    counts = np.array([np.bincount(labels[d.places], minlength=3) for d in draws(sampler, 400)])
    assert np.abs(counts - [12, 6, 2]).max() <= 2
    np.testing.assert_allclose(counts.mean(axis=0), [12, 6, 2], atol=0.1)
    plain = Rs2Sampler(100, 20, replacement, False, labels)
    spread = np.array([np.bincount(labels[d.places], minlength=3) for d in draws(plain, 400)])
    assert (spread.std(axis=0) > 2 * counts.std(axis=0)).all()


def test_a_small_class_is_not_forgotten_where_a_subset_is_smaller_than_the_classes() -> None:
    labels = np.r_[np.zeros(18, dtype=int), 1, 2]
    found = np.concatenate([d.places for d in draws(Rs2Sampler(20, 2, True, True, labels), 1000)])
    assert np.bincount(labels[found], minlength=3).min() > 50


def test_rs2_takes_k_samples_per_epoch_and_an_order_per_pass() -> None:
    shard = shard_of(10, 4, 5)
    assert Rs2().expected(shard, None, 4).visits == (4,) * 5  # type: ignore[arg-type]
    assert Rs2().expected(shard, None, 4).work.comparisons == 2 * 10  # type: ignore[arg-type]
    assert Rs2(replacement=True).expected(shard, None, 4).work.comparisons == 5 * 10  # type: ignore[arg-type]
    assert Rs2(replacement=True).expected(shard, None, 10).work.comparisons == 0  # type: ignore[arg-type]


# online-loss


def test_probabilities_by_hand() -> None:
    losses = np.array([0.0, 1.0, 3.0, NAN])
    # The unseen one has the mean 4/3 of the others; the sum is 16/3.
    expected = 0.5 * np.array([0, 1, 3, 4 / 3]) / (16 / 3) + 0.125
    np.testing.assert_allclose(probabilities(losses, 0.5, None), expected, rtol=1e-12)
    # Cut to the median 1 of the known ones: 0, 1, 1, and their mean 2/3.
    np.testing.assert_allclose(
        probabilities(losses, 0.5, 0.5), 0.5 * np.array([0, 1, 1, 2 / 3]) / (8 / 3) + 0.125, rtol=1e-12
    )
    np.testing.assert_allclose(probabilities(losses, 1.0, None), np.array([0, 1, 3, 4 / 3]) / (16 / 3), rtol=1e-12)
    np.testing.assert_array_equal(probabilities(losses, 0.0, 0.8), np.full(4, 0.25))
    np.testing.assert_array_equal(probabilities(np.zeros(4), 0.5, 0.8), np.full(4, 0.25))
    np.testing.assert_array_equal(probabilities(np.full(4, NAN), 0.5, 0.8), np.full(4, 0.25))
    np.testing.assert_array_equal(probabilities(np.array([2.0]), 0.5, 0.8), [1.0])


def test_the_cut_bounds_what_one_sample_takes() -> None:
    """10 samples, one loss of 1,000: with the cut at 80 % it is drawn as the others are."""
    losses = np.r_[np.ones(9), 1000.0]
    assert probabilities(losses, 1.0, None)[-1] == pytest.approx(1000 / 1009)
    np.testing.assert_allclose(probabilities(losses, 1.0, 0.8), 0.1)


def test_draws_follow_their_probabilities() -> None:
    losses = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 0.1, 3.0])
    sampler = OnlineLossSampler(8, 1000, 20_000, 0, 1, 0.5, None, True)
    p = probabilities(losses, 0.5, None)
    drawn = list(sampler.draws(20_000, losses, np.random.default_rng(3)))
    places, weights = (np.concatenate(part) for part in zip(*((d.places, d.weights) for d in drawn), strict=True))
    assert len(places) == 160_000
    statistic = chi_square(np.bincount(places, minlength=8), len(places) * p)
    assert 0.99 < statistic < 20.3  # 0.5 % and 99.5 % of chi-square with 7 degrees of freedom
    np.testing.assert_array_equal(weights, 1 / (8 * p[places]))
    assert (p * (1 / (8 * p))).sum() == pytest.approx(1.0)  # the expected weight
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.max() <= 2.0  # 1/(1 − mix)
    # The weighted mean loss is that of the shard, which plain draws overstate.
    assert (weights * losses[places]).mean() == pytest.approx(losses.mean(), rel=0.01)
    assert losses[places].mean() > 1.4 * losses.mean()


@pytest.mark.parametrize(
    ("warm", "redraw", "visits", "redraws"),
    [
        # 10 samples in batches of 4: 3 steps an epoch, 8 in all.
        (3, 1, ((10,), (4, 4, 2), (4, 4)), 5),
        (3, 2, ((10,), (8, 2), (4, 4)), 3),  # p at steps 3, 5 and 7; an epoch ends at 6
        (3, 3, ((10,), (10,), (8,)), 2),
        (2, 6, ((8, 2), (10,), (8,)), 1),
        (0, 100, ((10,), (10,), (8,)), 1),
        (8, 1, ((10,), (10,), (8,)), 0),
        (30, 1, ((10,), (10,), (8,)), 0),
        (4, 1, ((10,), (4, 4, 2), (4, 4)), 4),
    ],
)
def test_draws_end_where_the_losses_are_looked_at(
    warm: int, redraw: int, visits: tuple[tuple[int, ...], ...], redraws: int
) -> None:
    sampler = OnlineLossSampler(10, 4, 8, warm, redraw, 0.5, 0.8, False)
    assert sampler.visits(99) == visits
    assert sampler.redraws == redraws
    assert [len(d.places) for d in draws(sampler, 99)] == [count for epoch in visits for count in epoch]
    assert per_epoch(sampler.visits(99)) == pass_sizes(10, 4, 8)


def test_losses_are_looked_at_every_so_many_steps() -> None:
    """All weight moves to sample 3 while draws go on: seen at the next step, or only after the epoch."""
    for redraw, later in ((1, {3}), (3, set(range(10)))):
        losses = np.zeros(10)
        going = OnlineLossSampler(10, 4, 6, 0, redraw, 1.0, None, False).draws(2, losses, np.random.default_rng(0))
        next(going)
        losses[3] = 1.0
        assert set(next(going).places.tolist()) <= later
        if redraw == 3:
            assert set(next(going, Draw(np.array([3]))).places.tolist()) == {3}


def test_where_warm_passes_take_all_steps_it_is_fewer_epochs() -> None:
    settings = Training(epochs=10, batch_size=16)
    for steps in (2, 4, 7):
        assert_same_training(Passes(60, 16, steps), OnlineLossSampler(60, 16, steps, 7, 1, 0.5, 0.8, False), settings)


def test_training_keeps_the_losses_up_to_date() -> None:
    """What the sampler is shown before each draw is the loss of each sample when it was visited last."""
    shown: list[np.ndarray] = []

    @dataclass(frozen=True)
    class Watching:
        inner: OnlineLossSampler

        def visits(self, epochs: int) -> Any:
            return self.inner.visits(epochs)

        def draws(self, epochs: int, losses: np.ndarray, rng: np.random.Generator) -> Iterator[Draw]:
            with pytest.raises(ValueError, match="read-only"):
                losses[0] = 1.0
            for draw in self.inner.draws(epochs, losses, rng):
                yield draw
                shown.append(losses.copy())

    sampler = OnlineLossSampler(60, 16, 6, 4, 1, 0.5, None, False)
    _, fitted = trained(Watching(sampler), Training(epochs=4, batch_size=16))
    after_pass, after_step = shown[0], shown[1]
    assert fitted.epochs[0].loss == pytest.approx(after_pass.mean(), rel=1e-6)
    assert not np.isnan(after_pass).any()
    changed = np.flatnonzero(after_step != after_pass)
    assert 0 < len(changed) <= 16
    assert fitted.distinct == 60
    assert trained(Passes(60, 16, 2), Training(epochs=4, batch_size=16))[1].distinct == 32


@pytest.mark.parametrize(
    "sampler",
    [Rs2Sampler(60, 13, False, True, DATA.train_labels), OnlineLossSampler(60, 16, 9, 2, 1, 0.5, 0.8, True)],
)
def test_the_same_seed_trains_the_same(sampler: EpochSampler) -> None:
    settings = Training(epochs=3, batch_size=16)
    assert_same_training(sampler, sampler, settings)
    places = [[d.places for d in sampler.draws(3, np.ones(60), seeds.stream(s, "training:draws", 0))] for s in (0, 1)]
    assert any((a != b).any() for a, b in zip(*places, strict=True))


@pytest.mark.parametrize("redraw", [1, 100])
def test_a_training_that_diverges_says_so_and_draws_no_more(redraw: int) -> None:
    settings = Training(epochs=5, batch_size=16, optimizer="sgd", learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingDiverged):
        trained(OnlineLossSampler(60, 16, 20, 1, redraw, 0.5, 0.8, False), settings)


def test_a_sampler_that_draws_other_than_it_says_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        def visits(self, epochs: int) -> Any:
            return ((16, 16),)

        def draws(self, epochs: int, losses: np.ndarray, rng: np.random.Generator) -> Iterator[Draw]:
            yield Draw(np.arange(16))
            if epochs == 2:
                yield Draw(np.arange(15))

    for epochs, found in ((1, 0), (2, 15)):
        with pytest.raises(ValueError, match=f"Wrong.draws gave {found} samples where its `visits` says 16"):
            trained(Wrong(), Training(epochs=epochs, batch_size=16))


def test_a_method_of_ones_own_with_a_sampler_says_that_it_is_dynamic() -> None:
    @dataclass(frozen=True)
    class Silent(base.Method):
        source: ClassVar[str] = "test"

        def needs(self, shard: base.Shard) -> Needs:
            return Needs()

        def choose(self, context: base.ScoreContext, k: int) -> base.SubsetChoice:
            return base.SubsetChoice(np.arange(60), epoch_sampler=Passes(60, 16, 2))

    context = base.ScoreContext(0, 0, "m", shard_of(60, 16, 4), None, TASK, Training(), (), lambda: None)  # type: ignore
    with pytest.raises(ValueError, match="dynamic: ClassVar"):
        selection.choose(Silent(), context, [0.5])
    assert [m.dynamic for m in (FewerEpochs(), Rs2(), OnlineLoss(), Silent())] == [True, True, True, False]


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"redraw": {"steps": 2, "epochs": 1}}, "redraw", "either `steps` or `epochs`"),
        ({"redraw": {}}, "redraw", "either `steps` or `epochs`"),
        ({"redraw": {"steps": 0}}, "redraw.steps", "greater than or equal to 1"),
        ({"redraw": {"batches": 1}}, "redraw.batches", "allowed: epochs, steps"),
        ({"mix": 1.5}, "mix", "less than or equal to 1"),
        ({"clip": 0}, "clip", "greater than 0"),
        ({"warm_epochs": -1}, "warm_epochs", "greater than or equal to 0"),
    ],
)
def test_bad_arguments_are_faults(make_scenario: Make, given: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make_scenario(pruning__methods=[{"name": "online-loss", **given}])
    assert f"pruning.methods[0].{path}" in str(caught.value)
    assert words in str(caught.value)


def test_redraw_in_epochs_of_the_shard() -> None:
    assert Redraw(epochs=1).every(4) == 4
    assert Redraw(epochs=0.1).every(4) == 1
    assert Redraw(steps=3).every(4) == 3
    sampler = OnlineLoss(redraw=Redraw(epochs=2), warm_epochs=1.5)._sampler(shard_of(60, 16, 10), 30)
    assert (sampler.steps, sampler.warm_steps, sampler.redraw_steps) == (20, 6, 8)


# From end to end

METHODS = [
    "full",
    "random",
    *MOVING,
    {"name": "rs2", "label": "rs2-class", "replacement": True, "balance": "class"},
    {"name": "online-loss", "label": "online-stale", "redraw": {"epochs": 1}, "clip": None, "unbiased": True},
]


def scenario_of(make: Make, **changes: Any) -> Scenario:
    given = {"pruning__methods": METHODS, "training__epochs": 3, "evaluation__every": 1}
    return make(**given, **changes)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> edgesim.Run:
    from conftest import DOCUMENT

    from edgesim.scenario import loading as scenarios

    folder = tmp_path_factory.mktemp("moving")

    def make(**overrides: Any) -> Scenario:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return scenarios.from_document(DOCUMENT, "tiny.yaml", folder, dotted)

    return edgesim.run(scenario_of(make), folder / "run", executor=SerialExecutor())


def same(first: edgesim.Run, second: edgesim.Run) -> None:
    records = [r[[c for c in r.columns if not c.startswith("host_")]] for r in (first.records, second.records)]
    pd.testing.assert_frame_equal(*records, check_exact=True)
    for name in ("curves", "selections", "work"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


def test_rs2_saves_time_and_energy_but_no_storage(moving: edgesim.Run) -> None:
    full = moving.records[moving.records["method"] == "full"].set_index("device")
    rows = moving.records[moving.records["method"].str.startswith("rs2") & (moving.records["keep_ratio"] < 1)]
    assert len(rows) >= len(full)
    for row in rows.itertuples():
        whole = full.loc[row.device]
        assert row.train_flops < whole["train_flops"]
        assert row.device_train_time_s < whole["device_train_time_s"]
        assert row.device_energy_j < whole["device_energy_j"]
        kept = [row.subset_size, row.storage_bytes, row.upload_bytes]
        assert kept == whole[["subset_size", "storage_bytes", "upload_bytes"]].tolist()


def test_records_say_what_was_done(moving: edgesim.Run) -> None:
    records = moving.records
    assert (records["status"] == "ok").all()
    labels = [m if isinstance(m, str) else m["label"] for m in METHODS]
    assert sorted(records.loc[records["dynamic"], "method"].unique()) == sorted(set(labels) - {"full", "random"})
    dynamic = records[records["dynamic"]]
    assert (dynamic["subset_size"] == dynamic["shard_size"]).all()
    assert (dynamic["storage_bytes"] == 64 * dynamic["shard_size"]).all()
    samples = moving.work[moving.work["phase"] == "train"].set_index(["device", "method", "keep_ratio"])
    for row in dynamic.itertuples():
        n, trial = row.shard_size, (row.device, row.method, row.keep_ratio)
        k, per_epoch_steps = max(1, round(row.keep_ratio * n)), -(-n // 32)
        if row.method.startswith("rs2"):
            assert samples.loc[trial, "train_samples"] == 3 * k
            assert row.steps == 3 * -(-k // 32)
        elif row.method != "infobatch":
            assert row.steps == max(1, round(k / n * 3 * per_epoch_steps))
        share = json.loads(row.notes)["visited_share"]
        visited = samples.loc[trial, "train_samples"]
        assert 0 < share <= min(1.0, visited / n)
        if row.method.startswith("online"):  # one epoch of warm passes
            assert json.loads(row.notes)["loss_steps"] == max(0, row.steps - per_epoch_steps)
    fewer = dynamic[(dynamic["method"] == "fewer-epochs") & (dynamic["keep_ratio"] == 0.2)]
    for row in fewer.itertuples():  # less than one epoch: every visit is a new sample
        visited = samples.loc[(row.device, row.method, row.keep_ratio), "train_samples"]
        assert json.loads(row.notes)["visited_share"] == visited / row.shard_size
    assert dynamic_methods(records) == [m for m in labels if m not in ("full", "random")]


def test_at_keep_ratio_one_they_are_full_training(moving: edgesim.Run) -> None:
    records = moving.records.set_index(["method", "keep_ratio", "device"]).sort_index()
    outcome = ["test_accuracy", "test_loss", "train_loss", "steps", "train_flops", "score_flops"]
    full = records.loc[("full", 1.0), outcome]
    for method in ("fewer-epochs", "rs2", "rs2-class"):
        pd.testing.assert_frame_equal(records.loc[(method, 1.0), outcome], full, check_exact=True)
        for price in ("analytic_time_s", "analytic_energy_j", "device_time_s", "device_energy_j", "cost_j"):
            np.testing.assert_array_equal(records.loc[(method, 1.0), price], records.loc[("full", 1.0), price])
    curves = moving.curves.set_index(["method", "keep_ratio"])
    pd.testing.assert_frame_equal(
        curves.loc[("fewer-epochs", 1.0)].reset_index(drop=True), curves.loc[("full", 1.0)].reset_index(drop=True)
    )


def test_curves_have_the_epochs_that_there_were(moving: edgesim.Run) -> None:
    curves = moving.curves
    epochs = curves[(curves["keep_ratio"] == 0.2) & (curves["device"] == 0)].groupby("method")["epoch"].max()
    assert epochs[["random", "rs2", "infobatch", "fewer-epochs", "online-loss"]].tolist() == [3, 3, 3, 1, 1]
    assert curves["test_accuracy"].notna().all()


@pytest.mark.usefixtures("apart", "ray_started")
def test_on_hosts_apart_and_after_a_stop_not_a_bit_changes(
    moving: edgesim.Run, make_scenario: Make, tmp_path: Path
) -> None:
    executor = RayExecutor(hosts=2)
    try:
        same(moving, edgesim.run(scenario_of(make_scenario), tmp_path / "ray", executor=executor))
    finally:
        executor.close()
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(scenario_of(make_scenario), tmp_path / "run", executor=Stopping(9))
    resumed = edgesim.run(scenario_of(make_scenario), tmp_path / "run", resume=True, executor=SerialExecutor())
    same(moving, resumed)


def test_another_method_beside_them_changes_nothing(moving: edgesim.Run, make_scenario: Make, tmp_path: Path) -> None:
    few = make_scenario(
        pruning__methods=["online-loss", "rs2"], training__epochs=3, evaluation__every=1, pruning__keep_ratio=0.2
    )
    alone = edgesim.run(few, tmp_path / "few", executor=SerialExecutor()).records
    keys = ["method", "keep_ratio", "device"]
    both = alone.merge(moving.records, on=keys, suffixes=("", "_beside"))
    assert len(both) == 6
    np.testing.assert_array_equal(both["test_loss"], both["test_loss_beside"])


def test_moving_trainings_are_no_part_of_a_stack(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(
        fleet__groups=[{"profile": "raspberry-pi-4b", "count": 40}],
        partition="iid",
        training__batch_size=64,
        pruning__methods=["full", "random", *MOVING],
        pruning__keep_ratio=[0.5, 1.0],
    )
    records = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    assert (records["status"] == "ok").all()
    together = records.groupby(["method", "keep_ratio"])["host_stack_size"].max()
    assert (together[["full", "random"]] > 1).all()
    assert (together.loc[(slice(None), 0.5)][MOVING] == 0).all()
    # At keep ratio 1 it is the training of full itself, in a stack or not.
    one, full = (records[(records["method"] == m) & (records["keep_ratio"] == 1)] for m in ("fewer-epochs", "full"))
    np.testing.assert_array_equal(one["test_loss"], full["test_loss"])


def test_a_device_that_cannot_store_its_shard_cannot_do_any_of_them(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(partition="iid", pruning__methods=["random", *MOVING], pruning__keep_ratio=0.1)
    first, *others = scenario.fleet.devices
    storage = replace(first.storage, size_bytes=replace(first.storage.size_bytes, value=20_000.0))
    fleet = replace(scenario.fleet, devices=(replace(first, storage=storage), *others))
    scenario = replace(scenario, fleet=fleet)
    records = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    planned = edgesim.plan(scenario)
    cannot = records[records["device"] == 0]
    assert (cannot["status"] == "infeasible").all()
    assert cannot["reason"].str.fullmatch(r"needs 30\.8 KB of storage for its data, has 20 KB").all()  # 481 x 64
    assert (records.loc[records["device"] > 0, "status"] == "ok").all()
    np.testing.assert_array_equal(planned["subset_size"], records["subset_size"])
    expected = np.where(records["dynamic"], records["shard_size"], (0.1 * records["shard_size"]).round())
    np.testing.assert_array_equal(records["subset_size"], expected)


def test_a_budget_counts_what_they_keep_and_do(make_scenario: Make, tmp_path: Path) -> None:
    """Storage is that of the whole shard, whatever the ratio; time and energy are those of the training bought."""
    methods = ["random", *MOVING]
    storage = {"budget": {"storage_bytes": 64 * 200}}
    scenario = make_scenario(partition="iid", pruning__methods=methods, pruning__keep_ratio=storage)
    planned = edgesim.plan(scenario)
    short = planned[planned["method"] != "random"]
    assert (short["limit"] == "budget").all()
    assert (
        short["reason"]
        .str.endswith(
            (
                "all 481 samples would take 30,784 bytes, allowed are 12,800",
                "all 480 samples would take 30,720 bytes, allowed are 12,800",
            )
        )
        .all()
    )
    assert (planned.loc[planned["method"] == "random", "subset_size"] == 200).all()
    scenario = make_scenario(
        partition="iid",
        pruning__methods=methods,
        training__epochs=4,
        pruning__keep_ratio={"budget": {"latency_s": 8e-4, "price": "analytic"}},
    )
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    records, planned = run.records, edgesim.plan(scenario)
    assert (records["analytic_time_s"] <= 8e-4).all()
    np.testing.assert_array_equal(planned["analytic_time_s"], records["analytic_time_s"])
    np.testing.assert_array_equal(planned["keep_ratio"], records["keep_ratio"])
    bound = records[(records["binds"] == "latency_s") & records["dynamic"]]
    assert len(bound) > 4
    assert bound["reason"].str.contains("as much training as").all()


def test_pictures_and_scores_are_of_static_methods_only(make_scenario: Make) -> None:
    plan = plan_run(make_scenario(pruning__methods=[*MOVING, "importance"], pruning__keep_scores=True))
    assert {trial.method for trial in plan.config.shown} == {"importance"}
