"""Method `auto`, and the class-even orders and draws that it is made of: by hand and from end to end."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import edgesim
from edgesim.data.dataset import Dataset
from edgesim.models import MODELS
from edgesim.planning.run_plan import plan_run
from edgesim.pruning import base, selection
from edgesim.pruning.auto import Auto
from edgesim.pruning.class_even import Classes, even_draw, even_order
from edgesim.pruning.full_passes import Passes
from edgesim.pruning.online_loss import OnlineLossSampler
from edgesim.pruning.pass_then_subset import AT_RANDOM, BY_LOSS, PassThenSubset
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import load_dataset
from edgesim.scenario.loading import Scenario
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.sampling import Draw, Kept, Visits
from edgesim.training.settings import Training

Make = Callable[..., Scenario]
LABELS = np.repeat([0, 1, 2], [12, 6, 2])
"""60, 30 and 10 % of 20 samples"""
RNG = np.random.default_rng


def counts(places: np.ndarray) -> list[int]:
    return np.bincount(LABELS[places], minlength=3).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_stretch_of_an_even_order_has_the_shares_of_the_shard(seed: int) -> None:
    order = even_order(LABELS, RNG(seed))
    assert sorted(order) == list(range(20))
    for start in range(11):  # ten in a row: 6, 3 and 1 of the classes, to within one
        assert np.abs(np.array(counts(order[start : start + 10])) - [6, 3, 1]).max() <= 1


def test_even_orders_differ_from_each_other() -> None:
    rng = RNG(0)
    firsts = {int(even_order(LABELS, rng)[0]) for _ in range(200)}
    assert len(firsts) == 20  # every sample may be the first


def test_even_draws_have_each_class_to_within_one() -> None:
    p = np.where(
        LABELS == 2, 0.25, 0.5 / 18
    )  # half of the draws are of class 2, a third of class 0, a sixth of class 1
    p[0], p[1] = 2 * p[0], 0.0
    expected = np.array([p[c == LABELS].sum() for c in range(3)]) * 8
    drawn = [even_draw(p, Classes(LABELS), 8, RNG(seed)) for seed in range(4000)]
    for places in drawn:
        assert np.abs(np.array(counts(places)) - expected).max() < 1
    often = np.bincount(np.concatenate(drawn), minlength=20)
    assert often[1] == 0
    deviation = (often - 32_000 * p) / np.sqrt(32_000 * np.maximum(p, 1e-9))
    assert np.abs(deviation[p > 0]).max() < 4  # each sample as often as its probability says


def test_one_class_and_one_sample() -> None:
    assert even_order(np.zeros(1, np.int64), RNG(0)).tolist() == [0]
    assert even_draw(np.ones(1), Classes(np.zeros(1, np.int64)), 3, RNG(0)).tolist() == [0, 0, 0]
    same = np.zeros(4, np.int64)
    assert set(even_draw(np.array([0, 0.5, 0.5, 0]), Classes(same), 50, RNG(1)).tolist()) == {1, 2}


def test_a_class_even_pass_is_cut_into_batches_as_it_stands() -> None:
    draws = list(Passes(20, 10, 3, Classes(LABELS)).draws(9, np.full(20, np.nan), RNG(0)))
    assert [len(draw.places) for draw in draws] == [20, 10]
    assert all(draw.in_order for draw in draws)
    assert counts(draws[0].places) == [12, 6, 2]
    assert np.abs(np.array(counts(draws[1].places)) - [6, 3, 1]).max() <= 1
    uniform = next(iter(Passes(20, 10, 3).draws(9, np.full(20, np.nan), RNG(0))))
    assert uniform == Draw(uniform.places)


def test_trainings_with_and_without_class_even_batches_are_not_taken_for_the_same() -> None:
    assert repr(Passes(20, 10, 3, Classes(LABELS))) != repr(Passes(20, 10, 3))
    sampler = OnlineLossSampler(20, 10, 9, 2, 1, 0.5, None, False)
    assert repr(sampler) != repr(replace(sampler, classes=Classes(LABELS)))


def test_the_share_drawn_by_loss_falls_with_the_hopeless_samples() -> None:
    sampler = OnlineLossSampler(
        10, 2, 20, 5, 1, 0.5, None, False, most_hopeless=0.2, classes=Classes(np.zeros(10, int))
    )
    some, none = np.full(10, 1.0), np.full(10, np.nan)
    some[3] = 3.0
    assert sampler.mix_at(some, untrained=4.0) == 0.5
    assert sampler.mix_at(some, untrained=2.0) == pytest.approx(0.25)  # one of ten: half of what is allowed
    some[[4, 5]] = 9.0, np.nan
    assert sampler.mix_at(some, untrained=2.0) == 0.0  # two of the nine that were visited
    assert sampler.mix_at(none, untrained=2.0) == 0.5
    assert replace(sampler, most_hopeless=None).mix_at(some, untrained=2.0) == 0.5
    assert sampler.visits(9)[:2] == (
        (2, 8),
        (2, 2, 2, 2, 2),
    )  # the first batch by itself: its loss is the untrained one


def test_half_of_a_batch_goes_on_through_passes_and_half_by_loss() -> None:
    sampler = OnlineLossSampler(20, 4, 55, 5, 1, 0.5, None, False, classes=Classes(LABELS))
    losses = np.zeros(20)
    losses[7] = 1.0
    going = sampler.draws(99, losses, RNG(0))
    assert sorted(next(going).places) == list(range(20))
    batches = [draw.places for draw in going]
    assert len(batches) == 50
    assert all(list(batch[2:]) == [7, 7] for batch in batches)
    passes = np.concatenate([batch[:2] for batch in batches]).reshape(5, 20)
    assert all(sorted(one) == list(range(20)) for one in passes)


def document(**changes: Any) -> dict[str, Any]:
    given = {
        "pruning__methods": ["full", "fewer-epochs", "auto"],
        "training__epochs": 3,
        "pruning__keep_ratio": [0.2, 0.6],
    }
    return given | changes


def run(scenario: Scenario, folder: Path) -> edgesim.Run:
    return edgesim.run(scenario, folder, executor=SerialExecutor())


def told(records: pd.DataFrame) -> pd.Series:
    return records.loc[records["method"] == "auto", "notes"].map(lambda text: json.loads(text)["auto"])


def test_it_moves_where_all_samples_may_be_stored(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(**document(pruning__keep_ratio=[0.2, 0.6, 1.0]))
    records = run(scenario, tmp_path / "run").records
    assert (records["status"] == "ok").all()
    auto = records[records["method"] == "auto"]
    assert auto["dynamic"].all()
    assert (auto["subset_size"] == auto["shard_size"]).all()
    few = records[records["method"] == "fewer-epochs"]
    np.testing.assert_array_equal(auto["steps"], few["steps"])
    np.testing.assert_array_equal(auto["train_flops"], few["train_flops"])
    assert told(records).str.contains("storage holds all samples|the budget is the whole shard").all()
    one, full = auto[auto["keep_ratio"] == 1], records[records["method"] == "full"]
    for column in ("test_loss", "train_loss", "device_energy_j", "analytic_time_s"):
        np.testing.assert_array_equal(one[column], full[column])
    planned = edgesim.plan(scenario)
    for column in ("subset_size", "device_time_s", "device_energy_j", "analytic_energy_j", "storage_bytes"):
        np.testing.assert_array_equal(planned[column], records[column])


def test_a_storage_budget_makes_it_keep_a_subset_with_the_class_shares(make_scenario: Make, tmp_path: Path) -> None:
    """Storage for 250 samples: of shards of 200 and of 600, one may be stored."""
    sizes = {"name": "dirichlet", "alpha": 2.0, "sizes": [200, 600, 600]}
    budget = {"budget": {"storage_bytes": 64 * 250}}
    scenario = make_scenario(**document(partition=sizes, pruning__keep_ratio=budget))
    plan = plan_run(scenario)
    finished = run(scenario, tmp_path / "run")
    records, planned = finished.records, edgesim.plan(scenario)
    auto = records[records["method"] == "auto"].set_index("device")
    assert auto["status"].tolist() == ["ok"] * 3
    assert auto["dynamic"].tolist() == [True, False, False]
    assert auto["subset_size"].tolist() == [200, 250, 250]
    assert told(records).tolist()[1].endswith("storage holds 250 of 600")
    able = (records["status"] == "ok").to_numpy()
    assert able.tolist().count(False) == 2  # fewer-epochs where it may not store its samples
    for column in ("device_energy_j", "storage_bytes", "subset_size"):
        np.testing.assert_array_equal(planned.loc[able, column], records.loc[able, column])
    kept = finished.selections.query("method == 'auto' and device == 1")["index"]
    shard = next(spec.shard for spec in plan.devices.values() if spec.index == 1)
    labels = plan.config.dataset.train_labels
    share = np.bincount(labels[shard], minlength=10) * 250 / 600
    assert np.abs(np.bincount(labels[kept], minlength=10) - share).max() <= 1


def test_storage_subset_keeps_k_after_one_pass_over_all(make_scenario: Make, tmp_path: Path) -> None:
    methods = ["random", "fewer-epochs", {"name": "auto", "storage": "subset"}]
    ratios = [0.2, 0.6, 1.0]  # of three epochs: 0.6, 1.8 and 3 passes
    scenario = make_scenario(**document(pruning__methods=methods, pruning__keep_ratio=ratios))
    plan, finished = plan_run(scenario), run(scenario, tmp_path / "run")
    records, planned = finished.records, edgesim.plan(scenario)
    auto, random, few = (records[records["method"] == name] for name in ("auto", "random", "fewer-epochs"))
    assert not auto["dynamic"].any()
    np.testing.assert_array_equal(auto["subset_size"], random["subset_size"])
    for column in ("device_energy_j", "device_score_time_s", "storage_bytes"):
        np.testing.assert_array_equal(planned[column], records[column])
    some, whole = (auto["keep_ratio"] == ratio for ratio in (0.6, 1.0))
    np.testing.assert_array_equal(auto.loc[some, "steps"], few.loc[(few["keep_ratio"] == 0.6), "steps"])
    said = told(records).groupby(auto["keep_ratio"]).first()
    assert said[0.2].startswith("random subset with the class shares from the start, as steps are few")
    assert said[0.6] == f"{AT_RANDOM}: storage: subset"
    np.testing.assert_array_equal(auto.loc[whole, "test_loss"], random.loc[random["keep_ratio"] == 1, "test_loss"])
    labels, kept = plan.config.dataset.train_labels, finished.selections.query("method == 'auto' and keep_ratio == 0.6")
    for device, mine in kept.groupby("device"):
        shard = plan.devices[0, device].shard
        assert set(mine["index"]) <= set(shard)
        share = np.bincount(labels[shard], minlength=10) * len(mine) / len(shard)
        assert np.abs(np.bincount(labels[mine["index"]], minlength=10) - share).max() <= 1


def test_draws_after_the_pass_are_of_the_kept_samples_alone() -> None:
    sampler = PassThenSubset(20, 10, 7, 5, Classes(LABELS), "")
    assert sampler.visits(99) == ((20,), (5,), (5,), (5,), (5,), (5,))  # 2 steps of a pass, and 5 of one batch each
    cut = replace(sampler, batch_size=2, steps=14)  # 10 steps, then 4 of 3 a pass
    assert cut.visits(99) == ((20,), (5,), (2,))
    losses = np.full(20, np.nan)
    draws = sampler.draws(99, losses, RNG(0))
    first = next(draws)
    assert first.kept is None
    assert sorted(first.places) == list(range(20))
    losses[:] = 1.0
    later = list(draws)
    assert all(draw.in_order and sorted(draw.places) == later[0].kept.places.tolist() for draw in later)
    assert counts(later[0].kept.places) == [2, 2, 1]  # 3, 1.5 and 0.5, rounded to 3, 2 and 0; every class keeps one


@dataclass(frozen=True)
class Settling:
    """Visits six samples, then two, and two again; what it names after the first pass is up to the test."""

    named: Any
    later: tuple[int, ...] = (1, 4)
    then: tuple[int, ...] | None = None

    def visits(self, epochs: int) -> Visits:
        return ((6,), (2,), (2,))

    def draws(self, epochs: int, losses: np.ndarray, rng: np.random.Generator) -> Iterator[Draw]:
        yield Draw(np.arange(6))
        named = Kept(np.array(self.named), {}) if type(self.named) is tuple else self.named
        yield Draw(np.array(self.later), kept=named)
        then = np.array(self.then or self.later)
        yield Draw(then, kept=None if self.then is None else Kept(then, {}))


@pytest.mark.parametrize(
    ("sampler", "settles_on", "words"),
    [
        (Settling((1, 4)), 2, None),
        (Settling(None), None, None),
        (Settling(None), 2, "named no subset; wanted: a draw that names 2 places in `kept`"),
        (Settling((1, 4)), None, "named a subset, which `choose` does not announce by `settles=True`"),
        (Settling((1, 4), then=(0, 5)), 2, "named a second subset; the first one is kept to the end"),
        (Settling(np.array([1, 4])), 2, "`kept` must be Kept(places, notes) with integers [k], got ndarray"),
        (Settling(Kept([1, 4], {})), 2, "with integers [k], got [1, 4]"),  # type: ignore[arg-type]
        (Settling((1.0, 4.0)), 2, "with integers [k], got array([1., 4.])"),
        (Settling(((1,), (4,))), 2, "with integers [k], got array([[1],"),
        (Settling((1, 4, 5)), 2, "named a subset of 3 places; allowed: 2 sorted unique places"),
        (Settling((4, 1)), 2, "allowed: 2 sorted unique places"),
        (Settling((4, 4)), 2, "allowed: 2 sorted unique places"),
        (Settling((1, 6)), 2, "allowed: 2 sorted unique places"),
        (Settling((-1, 4)), 2, "allowed: 2 sorted unique places"),
        (Settling((1, 5)), 2, "gave samples outside the subset that it had named"),
    ],
)
def test_a_subset_that_is_named_in_training_is_held_to_its_size(
    sampler: Settling, settles_on: int | None, words: str | None
) -> None:
    """Else a record would say that all samples are kept, or other ones than training uses."""
    images = RNG(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    inputs = ArrayInputs(images, (np.full(1, 0.5), np.ones(1)), "cpu")
    task = ClassificationTask(inputs, np.arange(6) % 2, 2)
    subset, model = Subset(np.arange(6), None, sampler, settles_on), MODELS["mlp"](hidden=()).build((1, 4, 4), 2)
    arguments = model, task, subset, Training(epochs=3, batch_size=4), Streams(0, 0, "training")
    if words is not None:
        with pytest.raises(ValueError, match=re.escape(words)):
            fit(*arguments)
        return
    kept = fit(*arguments).kept
    assert (None if kept is None else kept.places.tolist()) == (None if settles_on is None else [1, 4])


@pytest.mark.parametrize(("sampler", "dynamic"), [(None, False), (Settling((1, 4)), True)])
def test_a_method_that_settles_has_a_sampler_and_stores_a_subset(sampler: Settling | None, dynamic: bool) -> None:
    @dataclass(frozen=True)
    class Own(base.Method):
        dynamic: ClassVar[bool] = True

        def is_dynamic_on(self, shard: base.Shard) -> bool:
            return dynamic

        def choose(self, context: base.ScoreContext, k: int) -> base.SubsetChoice:
            return base.SubsetChoice(np.arange(6), epoch_sampler=sampler, settles=True)

    shard = base.Shard(6, np.arange(6) % 2, 2, 4, 1, 2)
    with pytest.raises(ValueError, match=r"Own.choose says `settles=True`: it must give an"):
        selection.choose(Own(), SimpleNamespace(shard=shard), [0.34])


@pytest.mark.parametrize(("learnt", "hopeless", "by_loss"), [(0.5, 2, True), (0.5, 1, False), (1.9, 2, False)])
def test_the_hold_out_decides_whether_losses_are_followed(learnt: float, hopeless: int, by_loss: bool) -> None:
    """The hold-out is the last ten of the pass: 2 of 10 above the untrained loss of 2 are enough, 1 is not."""
    sampler = PassThenSubset(20, 4, 30, 5, Classes(np.zeros(20, np.int64)), "why")
    order = RNG(1).permutation(20)
    losses = np.full(20, 2.0)
    losses[order[10:]] = learnt
    losses[order[10 : 10 + hopeless]] = 5.0
    kept = sampler.subset(losses, order, RNG(2))
    assert kept.notes["hold_out_loss"] == learnt / 2
    assert kept.notes["hold_out_hopeless"] == hopeless / 10
    assert kept.notes["auto"] == f"{BY_LOSS if by_loss else AT_RANDOM}: why"
    assert len(kept.places) == 5
    assert not by_loss or not set(kept.places) & set(order[10 : 10 + hopeless])  # the largest fifth is left out


def test_losses_of_zero_are_no_reason_to_follow_them() -> None:
    """A network of one class has no other."""
    sampler = PassThenSubset(20, 4, 30, 5, Classes(np.zeros(20, np.int64)), "why")
    kept = sampler.subset(np.zeros(20), np.arange(20), RNG(0))
    assert kept.notes == {"hold_out_loss": 1.0, "hold_out_hopeless": 0.0, "auto": f"{AT_RANDOM}: why"}


def test_a_subset_without_wrong_labels_is_what_the_hold_out_leads_to(make_scenario: Make, tmp_path: Path) -> None:
    """Of 30 % wrong labels, half or fewer stay where the hold-out shows them; clean labels are drawn from at random."""
    given = {"pruning__methods": [{"name": "auto", "storage": "subset"}], "pruning__keep_ratio": [0.5]}
    given |= {"training__epochs": 6, "partition": "iid", "model": {"name": "mlp", "hidden": [128]}}
    given |= {"fleet__groups": [{"profile": "raspberry-pi-5", "count": 1}], "training__batch_size": 8}
    clean = run(make_scenario(**given), tmp_path / "clean")
    noisy_scenario = make_scenario(**given, dataset__label_noise=0.3)
    noisy = run(noisy_scenario, tmp_path / "noisy")
    assert told(clean.records).str.startswith(AT_RANDOM).all()
    assert told(noisy.records).str.startswith(BY_LOSS).all()
    right, given_labels = (
        plan_run(each).config.dataset.train_labels for each in (make_scenario(**given), noisy_scenario)
    )
    wrong = right != given_labels
    kept = noisy.selections["index"].to_numpy()
    assert 0.2 < wrong.mean() < 0.35
    assert wrong[kept].mean() < wrong.mean() / 2


def test_it_never_touches_test_data(make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a test set of noise and wrong labels, subset, work and the trained network's loss on its shard are equal."""
    methods = ["auto", {"name": "auto", "label": "auto-subset", "storage": "subset"}]
    scenario = make_scenario(**document(pruning__methods=methods))
    honest = run(scenario, tmp_path / "honest")

    def spoilt(of: Scenario) -> Dataset:
        dataset = load_dataset(of)
        rng = RNG(0)
        noise = rng.integers(0, 17, size=dataset.test_samples.shape).astype(dataset.test_samples.dtype)
        return replace(dataset, test_samples=noise, test_labels=rng.permutation(dataset.test_labels))

    monkeypatch.setattr("edgesim.planning.run_plan.load_dataset", spoilt)
    blind = run(scenario, tmp_path / "blind")
    assert (honest.records["test_loss"] != blind.records["test_loss"]).all()
    for column in ("train_loss", "subset_size", "steps", "train_flops", "device_energy_j", "notes"):
        np.testing.assert_array_equal(honest.records[column], blind.records[column])
    pd.testing.assert_frame_equal(honest.selections, blind.selections)


def test_it_is_a_method_of_every_degenerate_shard() -> None:
    for labels in (np.zeros(1, np.int64), np.zeros(5, np.int64), np.array([0, 3])):
        shard = base.Shard(len(labels), labels, 5, 2, 3, 1)
        for k in range(1, len(labels) + 1):
            work = Auto().expected(shard, None, k)
            assert work.work_is == "exact"
            assert (work.visits is None) == (k == len(labels))
            kept = Auto(storage="subset").expected(shard, None, k)
            assert kept.visits is None or sum(kept.visits) <= 3 * len(labels)
            assert not math.isnan(work.work.comparisons)
