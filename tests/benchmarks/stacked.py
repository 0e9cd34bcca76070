"""Whether tiny networks should train stacked, one vectorised step for many devices: speed and equality of bits.

    .venv/bin/python tests/benchmarks/stacked.py [--devices 60] [--rounds 5] [--out FILE]

Every device has 12 samples, an mlp (784-64-10), 5 epochs of one Adam step each, and is evaluated on 1,000 images. One
by one is the loop of this package; stacked is the same with `torch.func` over the parameters of a group of devices.
Images are noise: the time does not depend on them. One thread.
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
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from edgesim import provenance, seeds
from edgesim.training import evaluation, loop
from edgesim.training.settings import Training
from edgesim.training.task import ClassificationTask

SAMPLES, EPOCHS, CLASSES, TESTS = 12, 5, 10, 1000
LEARNING_RATE = 1e-3
STACKS = (10, 20, 60)
_LEVELS = (np.full(1, 0.5), np.full(1, 0.29))


def network() -> nn.Module:
    with seeds.torch_global(0, "benchmark"):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def task(count: int, number: int) -> ClassificationTask:
    noise = seeds.stream(0, "benchmark:images", number)
    images = noise.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return ClassificationTask(images, noise.integers(0, CLASSES, count), _LEVELS, "cpu")


def one_by_one(shards: list[ClassificationTask], test: ClassificationTask) -> None:
    settings = Training(
        epochs=EPOCHS, batch_size=64, optimizer="adam", learning_rate=LEARNING_RATE, schedule="constant"
    )
    model = network()
    initial = [value.detach().clone() for value in model.parameters()]
    for number, shard in enumerate(shards):
        with torch.no_grad():
            for value, first in zip(model.parameters(), initial, strict=True):
                value.copy_(first)
        loop.fit(model, shard, loop.Subset(np.arange(SAMPLES)), settings, loop.Streams(0, number, "benchmark"))
        evaluation.evaluate(model, test, CLASSES, 256, "fp32")


def trained(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Weights of D devices after EPOCHS full-batch Adam steps on [D, SAMPLES, ...]."""
    model = network()
    weights, _ = stack_module_state([model] * len(inputs))
    weights = {name: value.detach() for name, value in weights.items()}

    def loss(own: dict[str, Tensor], images: Tensor, classes: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, own, (images,)), classes)

    gradients = vmap(grad(loss))
    first = {name: torch.zeros_like(value) for name, value in weights.items()}
    second = {name: torch.zeros_like(value) for name, value in weights.items()}
    for step in range(1, EPOCHS + 1):
        found = gradients(weights, inputs, labels)
        for name, value in weights.items():
            first[name].lerp_(found[name], 0.1)
            second[name].mul_(0.999).addcmul_(found[name], found[name], value=0.001)
            size = LEARNING_RATE / (1 - 0.9**step)
            value.addcdiv_(first[name], (second[name] / (1 - 0.999**step)).sqrt_().add_(1e-8), value=-size)
    return weights


def stacked(size: int, shards: list[ClassificationTask], test: ClassificationTask) -> None:
    model, every = network(), torch.arange(SAMPLES)
    outputs = vmap(lambda own, images: functional_call(model, own, (images,)), in_dims=(0, None))
    images, classes = test.inputs(torch.arange(TESTS)), test.labels
    with torch.no_grad():
        for start in range(0, len(shards), size):
            group = shards[start : start + size]
            weights = trained(torch.stack([s.inputs(every) for s in group]), torch.stack([s.labels for s in group]))
            for first in range(0, TESTS, 256):
                (outputs(weights, images[first : first + 256]).argmax(-1) == classes[first : first + 256]).sum(-1)


def unequal(shards: list[ClassificationTask], few: int) -> int:
    """Of the devices of a stack, how many have other bits where a smaller stack of `few` trains them."""
    every = torch.arange(SAMPLES)
    inputs, labels = torch.stack([s.inputs(every) for s in shards]), torch.stack([s.labels for s in shards])
    with torch.no_grad():
        whole = trained(inputs, labels)
        parts = [trained(inputs[i : i + few], labels[i : i + few]) for i in range(0, len(shards), few)]
    joined = {name: torch.cat([part[name] for part in parts]) for name in whole}
    same = torch.stack([(whole[n] == joined[n]).flatten(1).all(1) for n in whole]).all(0)
    return int((~same).sum())


def cpu_s(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmark-stacked.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    shards, test = [task(SAMPLES, number) for number in range(arguments.devices)], task(TESTS, arguments.devices)
    sides: dict[str, Callable[[], None]] = {"one by one": lambda: one_by_one(shards, test)}
    for size in STACKS:
        sides[f"stacks of {size}"] = lambda size=size: stacked(size, shards, test)  # type: ignore[misc]
    for work in sides.values():
        work()
    times = {name: [] for name in sides}  # type: dict[str, list[float]]
    for _ in range(arguments.rounds):
        for name, work in sides.items():
            times[name].append(cpu_s(work) / arguments.devices * 1e3)
    lines = [
        "# Tiny networks trained stacked: does it pay?",
        "",
        f"{arguments.devices} devices with {SAMPLES} samples each, mlp (64), {EPOCHS} epochs, evaluated on {TESTS:,} "
        f"images; processor time per device, median (range) of {arguments.rounds} alternating rounds; one thread.",
        "",
        f"{provenance.host()['processor']}, load before {load:.1f}; "
        + ", ".join(f"{k} {v}" for k, v in provenance.versions().items()),
        "",
        "| | ms per device | one by one over this |",
        "|---|---:|---:|",
    ]
    for name, found in times.items():
        gain = statistics.median(a / b for a, b in zip(times["one by one"], found, strict=True))
        lines.append(f"| {name} | {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f}) | {gain:.2f} |")
    changed = {few: unequal(shards, few) for few in (1, *STACKS[:-1])}
    lines += [
        "",
        f"Devices whose weights have other bits than in one stack of {len(shards)}: "
        + ", ".join(f"{count} of {len(shards)} in stacks of {few}" for few, count in changed.items())
        + ".",
        "",
        "The package trains one by one. Before it stacks, which devices share a stack has to depend on the scenario "
        "alone: where the bits above differ for some stack, a resumed run, another number of hosts or one device more "
        "in the fleet would otherwise change the numbers of other devices.",
    ]
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
