"""A warm-up that counts: the same training goes on with the subset, and the work charged is W + rho (E - W) epochs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import blobs
from torch import nn

import edgesim
from edgesim import seeds
from edgesim.errors import ScenarioError
from edgesim.planning.fleet_pricer import plan_fleet
from edgesim.planning.run_plan import plan_run
from edgesim.pruning.after_warmup import WarmupThenSubset, use_of
from edgesim.pruning.base import Shard
from edgesim.pruning.el2n import El2n
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario
from edgesim.training import tasks
from edgesim.training.loop import FitResult, Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.settings import Training
from edgesim.training.warmup import observe_warmup

Make = Callable[..., Scenario]
DATA = blobs(n=60)
TASK = tasks.of_shard(DATA, np.arange(60), "cpu")
STREAMS = Streams(0, 0, "training")
SETTINGS = Training(epochs=4, batch_size=16, learning_rate=0.01)


class Noise(nn.Module):
    """An augmentation that draws from its generator."""

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:  # type: ignore[override]
        return images + 0.1 * torch.randn(images.shape, generator=generator)


def network() -> nn.Module:
    """Every kind of state that a training carries: statistics of batches, dropout, weights."""
    with seeds.torch_global(0, "init"):
        width = int(np.prod(DATA.input_shape))
        return nn.Sequential(
            nn.Flatten(), nn.Linear(width, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 3)
        )


def trained(subset: Subset) -> tuple[dict[str, torch.Tensor], FitResult]:
    model = network()
    with seeds.torch_global(0, "training:dropout", 0):
        result = fit(model, TASK, subset, SETTINGS, STREAMS, (Noise(),))
    return model.state_dict(), result


def counted(epochs: int, positions: np.ndarray, weights: np.ndarray | None = None) -> Subset:
    sampler = WarmupThenSubset(60, epochs, positions, weights)
    return Subset(np.arange(60), epoch_sampler=sampler, schedule_by_epochs=True)


def test_with_all_samples_it_is_full_training_bit_for_bit() -> None:
    everything = np.arange(60)
    state, result = trained(Subset(everything))
    for epochs in (1, 3):
        again, counted_result = trained(counted(epochs, everything))
        assert counted_result == result
        assert all(torch.equal(value, again[name]) for name, value in state.items())
    other, _ = trained(counted(1, np.arange(13)))
    assert not torch.equal(other["1.weight"], state["1.weight"])


def test_what_is_observed_is_the_beginning_of_the_training() -> None:
    """Snapshots and records change nothing: the weights at W are those of a training that nobody watches."""
    needs = Needs(4, record=frozenset({"loss", "logits"}), snapshots=(2, 4), keep_weights=True, counts=True)
    with seeds.torch_global(0, "training:dropout", 0):
        (seen,) = observe_warmup(network(), TASK, [needs], SETTINGS, STREAMS, (Noise(),))
    model, after_one = network(), {}

    def keep(epoch: Any) -> None:
        if epoch.number == 1:
            after_one.update({name: value.clone() for name, value in model.state_dict().items()})

    from edgesim.training.loop import Hooks

    with seeds.torch_global(0, "training:dropout", 0):
        fit(model, TASK, counted(1, np.arange(13)), SETTINGS, STREAMS, (Noise(),), Hooks(after_epoch=keep))
    assert seen.weights is not None
    assert all(torch.equal(value, after_one[name]) for name, value in seen.weights.items())
    assert (seen.work.train_samples, seen.work.steps, seen.work.forward_samples) == (0, 0, 120)


def test_the_schedule_follows_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 steps of 16 in the epoch of all 60 samples, one step in each of three epochs of 13."""
    asked: list[tuple[int, int]] = []
    original = Training.learning_rate_at

    def noted(self: Training, step: int, total: int) -> float:
        asked.append((step, total))
        return original(self, step, total)

    monkeypatch.setattr(Training, "learning_rate_at", noted)
    _, result = trained(counted(1, np.arange(5, 18)))
    assert asked == [(0, 16), (1, 16), (2, 16), (3, 16), (1, 4), (2, 4), (3, 4)]
    assert (result.work.train_samples, result.work.steps, result.distinct) == (60 + 3 * 13, 7, 60)


def test_weights_of_the_subset_have_a_mean_of_one() -> None:
    sampler = WarmupThenSubset(60, 1, np.array([2, 7, 9]), np.array([1.0, 2.0, 3.0]))
    first, second, third = sampler.draws(3, np.zeros(60), np.random.default_rng(0))
    assert (first.weights, len(first.places)) == (None, 60)
    np.testing.assert_array_equal(second.places, [2, 7, 9])
    np.testing.assert_allclose(third.weights, [0.5, 1.0, 1.5])
    assert sampler.visits(3) == ((60,), (3,), (3,))
    assert WarmupThenSubset(60, 5, np.arange(3)).visits(2) == ((60,), (60,))


def test_continue_asks_for_the_weights_of_any_method() -> None:
    shard = Shard(60, np.arange(60) % 3, 3, 16, 4, 4)
    method = El2n().with_options({"after_warmup": "continue"})
    assert use_of(method, shard).needs == Needs(4, snapshots=(4,), capture=frozenset({"logits"}), keep_weights=True)
    assert use_of(El2n(), shard).needs.keep_weights is False


METHODS: list[Any] = [
    "full",
    {"name": "importance", "after_warmup": "counts"},
    {"name": "el2n", "after_warmup": "counts", "warmup": {"epochs": 1.5}, "sampler": "stratified"},
    {"name": "ccs", "after_warmup": "counts", "warmup": {"epochs": 3}},
    {"name": "moderate", "after_warmup": "continue"},
]


def run_of(scenario: Scenario, out: Path) -> pd.DataFrame:
    return edgesim.run(scenario, out=out, executor=SerialExecutor()).records


def test_records_plans_and_budgets(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(pruning__methods=METHODS, training__epochs=3, pruning__keep_ratio=[0.25, 1.0])
    records = run_of(scenario, tmp_path / "run").set_index(["device", "method", "keep_ratio"])
    assert (records["status"] == "ok").all()
    full = records.xs("full", level="method").droplevel("keep_ratio")
    for (device, label, ratio), record in records.iterrows():
        n, k, steps = record["shard_size"], max(1, round(ratio * record["shard_size"])), -(-record["shard_size"] // 32)
        whole = {"importance": 1, "el2n": 2, "ccs": 3}.get(label)
        if whole is None:
            continue
        samples = whole * n + (3 - whole) * k
        assert record["train_flops"] == pytest.approx(full.loc[device, "train_flops"] * samples / (3 * n))
        assert record["steps"] == whole * steps + (3 - whole) * -(-k // 32)
        assert record["subset_size"] == (n if whole == 3 else k)
        assert f'"warmup_epochs": {whole}.0' in record["notes"]
        assert record["score_flops"] < full.loc[device, "train_flops"] / 3  # one forward pass at most, no epoch
        if ratio == 1.0 or whole == 3:
            outcomes = ["test_accuracy", "test_loss", "train_loss", "train_flops", "storage_bytes"]
            assert record[outcomes].tolist() == full.loc[device, outcomes].tolist()
    plan = plan_run(scenario)
    assert len(plan.method_notes) == 1
    assert plan.method_notes[0].startswith(
        "ccs is full training on 3 of 3 shards: its warm-up counts and is all 3 epochs"
    )
    priced = plan_fleet(scenario).frame().set_index(["device", "method", "keep_ratio"])
    both = ["subset_size", "device_time_s", "device_energy_j", "device_score_energy_j", "storage_bytes"]
    pd.testing.assert_frame_equal(
        priced[both].sort_index(), records[both].sort_index(), check_dtype=False, check_index_type=False, rtol=1e-12
    )


def test_a_budget_knows_of_the_counted_epochs(make_scenario: Make, tmp_path: Path) -> None:
    """Half of the energy of full training: of 4 epochs one counts, so that a third of each other one is left."""
    methods = ["full", {"name": "importance", "after_warmup": "counts"}]
    warm = {"groups": [{"profile": "jetson-nano", "count": 1, "startup": "warm"}]}
    scenario = make_scenario(pruning__methods=methods, training__epochs=4, fleet=warm, partition="iid")
    energy = plan_fleet(scenario).frame().query("method == 'full'")["device_energy_j"].item()
    bound = make_scenario(
        pruning__methods=methods, training__epochs=4, fleet=warm, partition="iid",
        pruning__keep_ratio={"budget": {"energy_j": energy / 2}},
    )  # fmt: skip
    record = run_of(bound, tmp_path / "run").query("method == 'importance'").iloc[0]
    assert record["device_energy_j"] <= energy / 2
    assert record["keep_ratio"] == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "random", "after_warmup": "counts"}, "after_warmup: random has no warm-up"),
        ({"name": "cg-score", "after_warmup": "continue"}, "after_warmup: cg-score has no warm-up"),
        ({"name": "rs2", "after_warmup": "counts"}, "after_warmup: rs2 chooses while it trains"),
        ({"name": "el2n", "after_warmup": "count"}, "must be one of reset, continue, counts"),
        ({"name": "importance", "after_warmup": "count"}, "should be 'reset', 'continue' or 'counts'"),
    ],
)
def test_uses_that_are_refused(make_scenario: Make, entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make_scenario(pruning__methods=[entry])
    assert f"pruning.methods[0].after_warmup: {words.removeprefix('after_warmup: ')}" in str(caught.value)


def test_subsets_of_another_run_have_no_warm_up_to_count(make_scenario: Make) -> None:
    with pytest.raises(ScenarioError, match=r"scores_from: el2n goes on with its warm-up \(after_warmup: counts\)"):
        make_scenario(pruning__methods=[{"name": "el2n", "after_warmup": "counts"}], pruning__scores_from="runs/a")


def test_the_resolved_document_keeps_the_key(make_scenario: Make) -> None:
    scenario = make_scenario(pruning__methods=METHODS)
    listed = {entry["name"]: entry for entry in scenario.document["pruning"]["methods"]}
    assert listed["el2n"]["after_warmup"] == listed["importance"]["after_warmup"] == "counts"
    assert listed["moderate"]["after_warmup"] == "continue"
    again = make_scenario(pruning__methods=scenario.document["pruning"]["methods"])
    assert again.document == scenario.document
