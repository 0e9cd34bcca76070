"""Small networks trained as one: equal to training alone, and moved by nothing that shares the stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import Stopping, blobs
from test_run import assert_equal_runs
from torch import nn

import edgesim
from edgesim.analysis.claims import paper_claims
from edgesim.analysis.means import time_fits
from edgesim.analysis.prices import compare_prices
from edgesim.errors import TrainingDiverged
from edgesim.models import networks
from edgesim.planning.run_plan import plan_run
from edgesim.results.repricing import on_fleet
from edgesim.runtime import RayExecutor, SerialExecutor, stacking
from edgesim.scenario.experiment import DeviceSpec
from edgesim.scenario.loading import Scenario
from edgesim.training import evaluation, loop, stacked, tasks
from edgesim.training.settings import MAX_STACKED_PARAMETERS, Training

DATA = blobs(n=400)
TEST = tasks.of_test(DATA, "cpu")
SIZES = (12, 9, 16, 10)
SETTINGS = Training(epochs=4, batch_size=16, learning_rate=1e-2)
EVALUATED = evaluation.EvaluationConfig(7, "fp32", every=3)

Make = Callable[..., Scenario]


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return networks.mlp(DATA.input_shape, DATA.num_classes, (6,))


def members(sizes: tuple[int, ...] = SIZES, weighted: bool = False) -> list[stacked.StackMember]:
    """One per size in slots 3, 4, ..., the kept samples being every other one of the shard."""
    initial = {name: value.detach() for name, value in network().named_parameters()}
    made = []
    for number, size in enumerate(sizes):
        task = tasks.of_shard(DATA, np.arange(20 * number, 20 * number + size), "cpu")
        kept = np.arange(0, size, 2)
        weights = np.linspace(0.5, 2, len(kept)) if weighted else None
        streams = loop.Streams(0, 3 + number, "training")
        made.append(stacked.StackMember(3 + number, task, kept, weights, initial, streams))
    return made


def in_stack(chosen: list[stacked.StackMember], settings: Training = SETTINGS) -> list[Any]:
    return stacked.train(network(), chosen, settings, TEST, EVALUATED)


def alone(member: stacked.StackMember, settings: Training) -> tuple[loop.FitResult, list[evaluation.Scores]]:
    """The same by the one training loop; the scores after epochs 3 and 4 on the test set, then on the shard."""
    model = network()
    scores = []

    def after_epoch(epoch: loop.Epoch) -> None:
        if epoch.number in (3, 4):
            scores.append(evaluation.evaluate(model, TEST, EVALUATED))

    subset, hooks = loop.Subset(member.positions, member.weights), loop.Hooks(after_epoch=after_epoch)
    fitted = loop.fit(model, member.task, subset, settings, loop.Streams(0, member.slot, "training"), hooks=hooks)
    return fitted, [*scores, evaluation.evaluate(model, member.task, EVALUATED)]


def flat(trained: evaluation.TrainingOutcome) -> list[float]:
    """All numbers of an outcome but those of the machine's clock."""
    scores = [*trained.tests.values(), trained.shard]
    ended = [value for epoch in trained.fit_result.epochs for value in epoch]
    return ended + [v for s in scores for v in (s.loss, s.metrics["accuracy"], *s.per_class["accuracy"])]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, optimizer="adamw", weight_decay=0.1, schedule="constant"),
        replace(SETTINGS, optimizer="sgd", nesterov=True, weight_decay=0.01, schedule="step"),
    ],
    ids=["adam", "adamw", "sgd"],
)
def test_a_stack_equals_training_alone(settings: Training, weighted: bool) -> None:
    for member, trained in zip(members(weighted=weighted), in_stack(members(weighted=weighted), settings), strict=True):
        fitted, scores = alone(member, settings)
        assert trained.fit_result.work == fitted.work
        assert trained.fit_result.trace == fitted.trace
        assert list(trained.tests) == [3, 4]
        np.testing.assert_allclose(trained.fit_result.epochs, fitted.epochs, rtol=1e-4)
        for found, expected in zip([*trained.tests.values(), trained.shard], scores, strict=True):
            assert found.loss == pytest.approx(expected.loss, rel=1e-4)
            assert found.metrics == expected.metrics
            np.testing.assert_array_equal(found.per_class["accuracy"], expected.per_class["accuracy"])


BATCHED = replace(SETTINGS, batch_size=4)
ALIKE = (12, 11, 12, 12)
"""sizes of which half are six samples: a batch of four, then one of two"""


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_follow_the_order_of_training_alone(weighted: bool) -> None:
    for member, trained in zip(members(ALIKE, weighted), in_stack(members(ALIKE, weighted), BATCHED), strict=True):
        fitted, scores = alone(member, BATCHED)
        assert (trained.fit_result.work, trained.fit_result.trace) == (fitted.work, fitted.trace)
        np.testing.assert_allclose(trained.fit_result.epochs, fitted.epochs, rtol=1e-4)
        for found, expected in zip([*trained.tests.values(), trained.shard], scores, strict=True):
            assert found.loss == pytest.approx(expected.loss, rel=1e-4)
    whole, single = in_stack(members(ALIKE), BATCHED), [in_stack([one], BATCHED)[0] for one in members(ALIKE)]
    np.testing.assert_array_equal([flat(one) for one in whole], [flat(one) for one in single])


def test_training_moves_the_weights() -> None:
    """So that the equality above is not one of networks that learn nothing."""
    for trained in in_stack(members()):
        losses = [epoch.loss for epoch in trained.fit_result.epochs]
        assert losses[-1] < 0.9 * losses[0]


def test_who_shares_the_stack_changes_no_bit() -> None:
    """Whole, by halves, alone, in another order."""
    whole = [flat(trained) for trained in in_stack(members())]
    parts = [flat(trained) for part in (members()[:2], members()[2:]) for trained in in_stack(part)]
    single = [flat(in_stack([member])[0]) for member in members()]
    turned = [flat(trained) for trained in in_stack(members()[::-1])][::-1]
    for other in (parts, single, turned):
        np.testing.assert_array_equal(whole, other)  # NaN, of a class that a shard lacks, equals NaN


def test_one_that_diverges_ends_alone() -> None:
    """A weight of 1e38 overflows in the first layer: the loss of the first step is not finite."""
    broken = members()
    broken[1] = replace(broken[1], initial={name: value * 1e38 for name, value in broken[1].initial.items()})
    healthy, found = in_stack(members()), in_stack(broken)
    assert isinstance(found[1], TrainingDiverged)
    assert found[1].step == 0
    assert not np.isfinite(found[1].loss)
    for place in (0, 2, 3):
        np.testing.assert_array_equal(flat(found[place]), flat(healthy[place]))


def test_what_is_stacked() -> None:
    small, cpu = network(), "cpu"
    assert stacked.stacks(small, SETTINGS, cpu)
    assert not stacked.stacks(small, SETTINGS, "cuda")
    assert not stacked.stacks(small, replace(SETTINGS, precision="bf16"), cpu)
    for layer in (nn.Dropout(), nn.BatchNorm1d(8), nn.Conv2d(1, 2, 3)):
        assert not stacked.stacks(nn.Sequential(nn.Flatten(), layer), SETTINGS, cpu)
    frozen = network()
    frozen[1].weight.requires_grad_(False)
    assert not stacked.stacks(frozen, SETTINGS, cpu)
    assert not stacked.stacks(network().double(), SETTINGS, cpu)
    assert not stacked.stacks(nn.Sequential(nn.Flatten()), SETTINGS, cpu)
    limit = MAX_STACKED_PARAMETERS  # of one linear layer with as many inputs, less its bias
    assert stacked.stacks(nn.Linear(limit - 1, 1), SETTINGS, cpu)
    assert not stacked.stacks(nn.Linear(limit, 1), SETTINGS, cpu)


def test_widths_are_powers_of_two() -> None:
    assert [stacked.width(n) for n in (1, 4, 5, 8, 12, 16, 17, 64)] == [4, 4, 8, 8, 16, 16, 32, 64]


def fleet(make_scenario: Make, count: int = 40, **changes: Any) -> Scenario:
    """Devices with 10 to 40 of the 1,442 samples of digits, where a stack is 16."""
    groups = [{"profile": "raspberry-pi-4b", "count": count}]
    partition = {"name": "quantity", "sigma": 0.4, "min_size": 10}
    given = {"fleet": {"groups": groups}, "partition": partition, "training__batch_size": 128, **changes}
    return make_scenario(**given)


def with_slots(scenario: Scenario) -> list[DeviceSpec]:
    plan = plan_run(scenario)
    return list(stacking.with_stack_slots(plan.config, plan.devices).values())


def test_small_devices_have_slots_that_the_work_left_does_not_change(make_scenario: Make) -> None:
    specs = sorted(with_slots(fleet(make_scenario)), key=lambda spec: (-len(spec.shard), spec.index))
    small = [spec for spec in specs if len(spec.shard) <= 128]
    assert len(small) >= 32
    assert [spec.stack_slot for spec in small] == [place % 16 for place in range(len(small))]
    assert all(spec.stack_slot is None for spec in specs if len(spec.shard) > 128)
    assert all(spec.stack_slot is None for spec in with_slots(fleet(make_scenario, 31)))


@pytest.mark.parametrize(("epochs", "stacks"), [(9000, True), (11_000, False)])
def test_one_training_says_whether_a_device_is_small(make_scenario: Make, epochs: int, stacks: bool) -> None:
    """20 samples of mlp 64-160-10, whose training takes 50,560 FLOPs: 9.1e9 and 1.1e10, and the limit is 1e10."""
    given = {"partition": "iid", "dataset__limit_train": 800, "training__epochs": epochs}
    given["model"] = {"name": "mlp", "hidden": [160]}
    for methods in (["full"], ["full", "random", "importance", "el2n"]):  # no other trial plays a part
        specs = with_slots(fleet(make_scenario, **given, pruning__methods=methods))
        assert all((spec.stack_slot is not None) == stacks for spec in specs)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "small-cnn"},
        {"model": {"name": "mlp", "hidden": [2500]}},
        {"training__precision": "bf16"},
        {"training__augment": ["crop-flip"]},
        {"partition": "iid", "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 31}]}},
    ],
)
def test_nobody_has_a_slot_where_nothing_stacks(make_scenario: Make, changes: dict[str, Any]) -> None:
    assert all(spec.stack_slot is None for spec in with_slots(fleet(make_scenario, **changes)))


@pytest.fixture(scope="module")
def stack_run(tmp_path_factory: pytest.TempPathFactory) -> edgesim.Run:
    from conftest import DOCUMENT

    from edgesim.scenario import loading as scenarios

    folder = tmp_path_factory.mktemp("stack")

    def make(**overrides: Any) -> Scenario:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return scenarios.from_document(DOCUMENT, "tiny.yaml", folder, dotted)

    return edgesim.run(fleet(make), folder / "run", executor=SerialExecutor())


def test_records_of_stacks_equal_those_of_training_alone(
    stack_run: edgesim.Run, make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "FEWEST_STACKED", 1000)
    single = edgesim.run(fleet(make_scenario), tmp_path / "run", executor=SerialExecutor()).records
    records = stack_run.records
    assert (records["host_stack_size"] > 8).mean() > 0.5
    assert (single["host_stack_size"] == 0).all()
    hosts = [column for column in records if column.startswith("host_")]
    pd.testing.assert_frame_equal(records.drop(columns=hosts), single.drop(columns=hosts), rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("ray_started")
def test_on_ray_and_after_a_stop_not_a_bit_changes(stack_run: edgesim.Run, make_scenario: Make, tmp_path: Path) -> None:
    scenario = fleet(make_scenario)
    executor = RayExecutor(hosts=2)
    try:
        assert_equal_runs(stack_run, edgesim.run(scenario, tmp_path / "ray", executor=executor))
    finally:
        executor.close()
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(scenario, tmp_path / "run", executor=Stopping(11))
    assert 0 < len(edgesim.load_run(tmp_path / "run").records) < len(stack_run.records)
    resumed = edgesim.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert_equal_runs(stack_run, resumed)


def test_another_method_changes_no_bit_of_the_others(
    stack_run: edgesim.Run, make_scenario: Make, tmp_path: Path
) -> None:
    methods = ["full", "random", "importance", "el2n"]
    more = edgesim.run(fleet(make_scenario, pruning__methods=methods), tmp_path / "run", executor=SerialExecutor())
    kept = more.records[more.records["method"] != "el2n"].reset_index(drop=True)
    hosts = [column for column in kept if column.startswith("host_")]
    pd.testing.assert_frame_equal(kept.drop(columns=hosts), stack_run.records.drop(columns=hosts), check_exact=True)


def test_another_seed_changes_no_bit_of_the_first(stack_run: edgesim.Run, make_scenario: Make, tmp_path: Path) -> None:
    """Devices of two seeds share stacks: their shards differ in size, and the longest come first."""
    both = edgesim.run(fleet(make_scenario, seeds=[0, 1]), tmp_path / "run", executor=SerialExecutor()).records
    first = both[both["seed"] == 0].reset_index(drop=True)
    hosts = [column for column in both if column.startswith("host_")]
    pd.testing.assert_frame_equal(first.drop(columns=hosts), stack_run.records.drop(columns=hosts), check_exact=True)


def test_another_fleet_takes_over_what_was_trained(stack_run: edgesim.Run, make_scenario: Make, tmp_path: Path) -> None:
    groups = [{"profile": "jetson-nano", "count": 40}]
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    there = edgesim.run(on_fleet(stack_run, file), tmp_path / "there", executor=SerialExecutor(), trained=[stack_run])
    alone = edgesim.run(fleet(make_scenario, fleet={"groups": groups}), tmp_path / "alone", executor=SerialExecutor())
    hosts = [column for column in alone.records if column.startswith("host_")]
    taken, trained = (run.records.drop(columns=hosts) for run in (there, alone))
    pd.testing.assert_frame_equal(taken.assign(scenario="tiny"), trained.assign(scenario="tiny"), check_exact=True)


def test_a_share_of_a_stack_is_no_time_of_one_training(stack_run: edgesim.Run) -> None:
    """Neither the line through host times, nor the claim, nor a ratio to `full` is made of such shares."""
    small = stack_run.records[stack_run.records["host_stack_size"] > 0]
    assert len(small) > 100
    assert set(time_fits(small)["time"]) == {"analytic_time_s", "device_time_s"}
    prices = compare_prices(small).table
    assert prices["host_relative"].isna().all()
    assert prices["device_relative"].notna().all()
    claims = paper_claims(small).table.set_index("claim")
    assert "trained in stacks" in claims.loc["linear_host", "reason"]
    alone = small.assign(host_stack_size=0)
    assert "host_wall_s" in set(time_fits(alone)["time"])
    assert compare_prices(alone).table["host_relative"].notna().all()


@pytest.mark.parametrize("layer", [nn.SiLU(inplace=True), nn.BatchNorm1d(64), nn.Dropout()])
def test_layers_that_need_care_are_trained_alone(layer: nn.Module) -> None:
    assert not stacked.stacks(nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 3)), SETTINGS, "cpu")


def test_a_layer_with_a_hook_is_trained_alone() -> None:
    model = network()
    model[1].register_forward_pre_hook(lambda *_: None)
    assert not stacked.stacks(model, SETTINGS, "cpu")


def test_a_stack_that_breaks_fails_its_own_trials_only(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stacked.train

    def train(model: Any, chosen: Any, *others: Any) -> Any:
        if any(member.task.size == smallest and len(member.positions) == smallest for member in chosen):
            raise RuntimeError("no memory left")
        return real(model, chosen, *others)

    scenario = fleet(make_scenario)
    smallest = min(len(spec.shard) for spec in plan_run(scenario).devices.values())
    monkeypatch.setattr(stacked, "train", train)
    records = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    failed = records[records["status"] == "failed"]
    assert len(failed)
    assert failed["shard_size"].eq(smallest).all()
    assert failed["reason"].str.contains("RuntimeError: no memory left").all()
    assert (records["status"] == "ok").sum() == len(records) - len(failed)
