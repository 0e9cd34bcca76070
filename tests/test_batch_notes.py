"""Last batches that leave batch normalisation too few values are counted, and said on plan, run and page."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from commands import command
from torch import nn

from edgesim import api, report
from edgesim.cost.step_counts import StepCounts
from edgesim.models.batch_norm_maps import BatchNormMaps
from edgesim.models.catalog import MODELS
from edgesim.planning import batch_notes
from edgesim.runtime import SerialExecutor
from edgesim.work import Segment, StepTrace, Work, Workload

WORKLOAD = Workload(train_flops=3.0, forward_flops=1.0, parameters=1, parameter_bytes=4)
SMALL = {"model": "resnet18", "training": {"epochs": 1, "batch_size": 16}}


def training(m, batch_size=16):
    return StepCounts.training(np.array(m), batch_size, 3, WORKLOAD)


def test_the_smallest_batch_of_too_few_values():
    # 115 samples in batches of 16 leave 3; 144 leave none; 14 are one batch; 33 leave one sample, which is no batch.
    assert batch_notes.too_small(training([115, 144, 14, 33, 22]), 1).tolist() == [3, 0, 0, 0, 6]
    assert batch_notes.too_small(training([115, 22]), 2).tolist() == [3, 0]  # 6 values and 12
    assert batch_notes.too_small(training([115, 22]), 4).tolist() == [0, 0]
    assert batch_notes.too_small(training([115, 22]), 0).tolist() == [0, 0]  # no batch normalisation
    assert batch_notes.too_small(training([6], batch_size=2), 1).tolist() == [2]  # all batches are small


def test_a_small_batch_among_very_many_is_lost():
    def of(full):
        trace = StepTrace((Segment("train", 16, full), Segment("train", 3, 1)))
        return StepCounts.of([(Work(train_samples=trace.samples, steps=full + 1), trace)], WORKLOAD)

    assert batch_notes.too_small(of(99), 1).tolist() == [3]
    assert batch_notes.too_small(of(100), 1).tolist() == [0]


def test_the_note_counts_trainings():
    smallest, each = np.array([3, 0, 4]), np.array([10, 20, 1_000])
    assert batch_notes.notes(smallest, each, 1) == (
        "in 1,010 of 1,030 trainings the last batch has 3 to 4 samples, and a layer's batch normalisation 3 to 4 "
        "values per channel, which can undo what was learnt; choose a training.batch_size that leaves it 8 samples or "
        "more",
    )
    (note,) = batch_notes.notes(np.array([3]), np.array([1]), 2)
    assert note.startswith("in 1 of 1 training the last batch has 3 samples, and ")
    assert "batch normalisation 6 values per channel" in note
    assert note.endswith("leaves it 4 samples or more")
    assert batch_notes.notes(np.array([0]), np.array([7]), 1) == ()


def test_values_of_the_smallest_map():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(3), nn.BatchNorm2d(2))

    def fewest(*sizes):
        maps = BatchNormMaps()
        watched = maps.watch(nn.Sequential(*network, *([nn.Flatten(), nn.BatchNorm1d(8)] if len(sizes) > 1 else [])))
        for samples in sizes:
            watched(torch.zeros(samples, 1, 8, 8))
        return maps.fewest

    assert fewest(2) == 4  # 8 -> 6 -> 2 pixels
    assert fewest(2, 5) == 1  # of the features behind it
    network[3].eval()
    assert fewest(2) == 36  # a frozen one takes no statistics
    maps = BatchNormMaps()
    linear = maps.watch(nn.Sequential(nn.Linear(3, 2)))
    linear(torch.zeros(2, 3))
    assert maps.fewest == 0
    maps.leave()
    assert not linear._forward_pre_hooks


@pytest.mark.parametrize(("name", "values"), [("resnet18", 1), ("mobilenet-v2", 4), ("resnet8", 4), ("mlp", 0)])
def test_networks_on_images_of_8_pixels(name, values):
    from edgesim.models import network_costs
    from edgesim.tasks import NetworkForm

    _, shape = network_costs.counted(MODELS[name](), name, NetworkForm((1, 8, 8), 10))
    assert shape.normalised_values == values


def test_run_plan_and_page_say_it(tmp_path, make_scenario):
    scenario = make_scenario(**{
        **{key.replace(".", "__"): value for key, value in SMALL.items()},
        "dataset": {"name": "digits", "limit_train": 57}, "partition": "iid",
        "pruning__methods": ["full", "random"], "pruning__keep_ratio": [0.5],
    })  # fmt: skip
    wanted = (
        "in 3 of 6 trainings the last batch has 3 samples, and a layer's batch normalisation 3 values per channel, "
        "which can undo what was learnt; choose a training.batch_size that leaves it 8 samples or more"
    )  # 19 samples on each device: 16 and 3; 9 of them are one batch
    run = api.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert run.info["training_notes"] == [wanted]
    assert f"training: {wanted}" in (tmp_path / "run" / "run.log").read_text()
    again = api.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert again.info["training_notes"] == [wanted]
    report.write(run, tmp_path / "r.html")
    assert f"{wanted[0].upper()}{wanted[1:]}.".replace("'", "&#39;") in (tmp_path / "r.html").read_text()
    file = tmp_path / "run" / "scenario.yaml"
    done = command("plan", str(file), "--json")
    assert json.loads(done.stdout)["training_notes"] == [wanted]
    assert f"training: {wanted}" in " ".join(command("plan", str(file)).stderr.split())
    (scaled,) = api.planned(scenario, devices=30).training_notes
    assert scaled == wanted.replace("in 3 of 6", "in 30 of 60")


def test_nothing_is_said_where_nothing_is_small(tmp_path, make_scenario):
    run = api.run(make_scenario(training__epochs=1, pruning__methods=["full"]), tmp_path / "run",
                  executor=SerialExecutor())  # fmt: skip
    assert run.info["training_notes"] == []
