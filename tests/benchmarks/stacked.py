"""What training small networks in stacks gains over training them one by one, network by network.

    .venv/bin/python tests/benchmarks/stacked.py [--devices 96] [--rounds 5] [--out FILE]

Devices with one batch of samples each, 5 epochs, one evaluation on 1,000 images of 28 by 28 and one on the shard. Both
sides are the package's own: `training.loop` with `evaluation`, and `training.stacked`, also for networks that
it does not accept. Images are noise: the time does not depend on them. One thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgesim import seeds
from edgesim.models import networks
from edgesim.results import provenance
from edgesim.runtime.executor import keep_freed_memory
from edgesim.training import evaluation, loop, stacked
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.settings import MAX_STACKED_PARAMETERS, STACK_SLOTS, Training

EPOCHS, CLASSES, TESTS = 5, 10, 1000
SHAPE = (1, 28, 28)
EVALUATED = evaluation.EvaluationConfig(250, "fp32")
SETTINGS = Training(epochs=EPOCHS, batch_size=64, schedule="constant")
LEVELS = (np.full(1, 0.5), np.full(1, 0.29))
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp (16)": lambda: networks.mlp(SHAPE, CLASSES, (16,)),
    "mlp (64)": lambda: networks.mlp(SHAPE, CLASSES, (64,)),
    "mlp (128, 64)": lambda: networks.mlp(SHAPE, CLASSES, (128, 64)),
    "mlp (256, 128)": lambda: networks.mlp(SHAPE, CLASSES, (256, 128)),
    "mlp (512, 256)": lambda: networks.mlp(SHAPE, CLASSES, (512, 256)),
    "small-cnn (8, 16; 32)": lambda: networks.small_cnn(SHAPE, CLASSES, (8, 16), 32),
}


def network(name: str) -> nn.Module:
    with seeds.torch_global(0, "benchmark"):
        return NETWORKS[name]().to(memory_format=torch.channels_last)


def task(count: int, number: int) -> ClassificationTask:
    noise = seeds.stream(0, "benchmark:images", number)
    images = noise.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return ClassificationTask(ArrayInputs(images, LEVELS, "cpu"), noise.integers(0, CLASSES, count), CLASSES)


def one_by_one(model: nn.Module, shards: list[ClassificationTask], test: ClassificationTask) -> list[float]:
    initial = [value.detach().clone() for value in model.parameters()]
    losses = []
    for number, shard in enumerate(shards):
        with torch.no_grad():
            for value, first in zip(model.parameters(), initial, strict=True):
                value.copy_(first)
        streams = loop.Streams(0, number, "benchmark")
        loop.fit(model, shard, loop.Subset(np.arange(shard.size)), SETTINGS, streams)
        losses.append(evaluation.evaluate(model, test, EVALUATED).loss)
        evaluation.evaluate(model, shard, EVALUATED)
    with torch.no_grad():
        for value, first in zip(model.parameters(), initial, strict=True):
            value.copy_(first)
    return losses


def in_stacks(model: nn.Module, shards: list[ClassificationTask], test: ClassificationTask) -> list[float]:
    initial = {name: value.detach() for name, value in model.named_parameters()}
    losses = []
    for start in range(0, len(shards), STACK_SLOTS):
        group = shards[start : start + STACK_SLOTS]
        members = [
            stacked.StackMember(slot, s, np.arange(s.size), None, initial, loop.Streams(0, start + slot, "benchmark"))
            for slot, s in enumerate(group)
        ]
        for trained in stacked.train(model, members, SETTINGS, test, EVALUATED):
            assert isinstance(trained, evaluation.TrainingOutcome)
            losses.append(trained.tests[EPOCHS].loss)
    return losses


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def row(name: str, samples: int, devices: int, rounds: int) -> str:
    model, test = network(name), task(TESTS, devices)
    shards = [task(samples, number) for number in range(devices)]
    sides = {side: lambda side=side: side(model, shards, test) for side in (one_by_one, in_stacks)}  # type: ignore[misc]
    alone, together = (np.array(work()) for work in sides.values())
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for found, work in zip(times, sides.values(), strict=True):
            found.append(cpu_s(work) / devices * 1e3)
    gain = statistics.median(a / b for a, b in zip(*times, strict=True))
    spread = [f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})" for found in times]
    count = sum(value.numel() for value in model.parameters())
    taken = "yes" if stacked.stacks(model, SETTINGS, "cpu") else "no"
    apart = float(np.abs(together / alone - 1).max())
    return f"| {name} | {count:,} | {samples} | {spread[0]} | {spread[1]} | {gain:.2f} | {apart:.0e} | {taken} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmark-stacked.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    load = os.getloadavg()[0]
    rows = [
        row(name, samples, arguments.devices, arguments.rounds)
        for name in NETWORKS
        for samples in ((12,) if name.startswith("small-cnn") else (12, 64))
    ]
    lines = [
        "# What training small networks in stacks gains",
        "",
        f"{arguments.devices} devices, {EPOCHS} epochs of one Adam step each on all samples of a device, evaluated on "
        f"{TESTS:,} images of 28 x 28; processor time per device, median (range) of {arguments.rounds} alternating "
        f"rounds; stacks of {STACK_SLOTS}; one thread.",
        "",
        f"{provenance.host()['processor']}, load before {load:.1f}; "
        + ", ".join(f"{k} {v}" for k, v in provenance.versions().items()),
        "",
        "| network | weights | samples | one by one, ms | in stacks, ms | gain | largest relative difference of test "
        "losses | stacked in runs |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *rows,
        "",
        f"Runs stack networks of linear layers up to {MAX_STACKED_PARAMETERS:,} weights. Which devices share a stack "
        "changes no bit of any (a test compares stacks by halves, alone and in another order).",
    ]
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
