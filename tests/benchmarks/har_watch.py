"""Fifty-one tiny networks on windows of a wrist, against a plain loop over the same trainings.

    EDGESIM_DATA=… .venv/bin/python tests/benchmarks/har_watch.py [--rounds 3] [--model cnn1d]

One process each. The plain loop is what a researcher would write: for every person and keep ratio one network, batches
of 32 drawn by permutation, Adam with a cosine schedule, one evaluation on the 1,824 test windows and one on the
person's own. Both sides read the windows first; the reading is not timed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import edgesim
from edgesim import models
from edgesim.data.dataset import Dataset
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading
from edgesim.scenario.experiment import load_dataset, shards_of
from edgesim.scenario.loading import Scenario

SCENARIO = Path(__file__).parents[2] / "scenarios" / "har-watch.yaml"
RATIOS = (0.1, 0.3, 0.5)
CHANGES = {"seeds": [0], "pruning.methods": ["full", "random"], "pruning.keep_ratio": list(RATIOS)}
"""of the scenario"""
LIMIT = 1.3


def plain(scenario: Scenario, dataset: Dataset, devices: slice = slice(None)) -> None:
    """The same trainings in a loop, of all or some devices."""
    mean, deviation = (torch.from_numpy(part)[:, None] for part in dataset.normalisation())
    inputs, test = (
        (torch.from_numpy(np.array(part)).float() - mean) / deviation
        for part in (dataset.train_samples, dataset.test_samples)
    )
    labels, answers = (torch.from_numpy(np.array(part)) for part in (dataset.train_labels, dataset.test_labels))
    settings, rng = scenario.training, np.random.default_rng(0)
    for shard in shards_of(scenario, dataset, 0).rows[devices]:
        for ratio in (1.0, *RATIOS):
            kept = rng.permutation(shard)[: round(ratio * len(shard))]
            torch.manual_seed(0)
            network = scenario.model.plugin.build(dataset.input_shape, dataset.num_classes)
            optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, fused=True)
            steps = settings.epochs * -(-len(kept) // settings.batch_size)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            for _ in range(settings.epochs):
                order = torch.from_numpy(rng.permutation(kept))
                for batch in order.split(settings.batch_size):
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
                    optimizer.step()
                    schedule.step()
            network.eval()
            with torch.no_grad():
                (network(test).argmax(1) == answers).float().mean().item()
                own = torch.from_numpy(shard)
                (network(inputs[own]).argmax(1) == labels[own]).float().mean().item()


def changed(epochs: int, limit: int | None) -> dict[str, Any]:
    """Changes of the scenario: so many epochs, and so many training samples with a fifth as many test samples."""
    limits = {} if limit is None else {"dataset.limit_train": limit, "dataset.limit_test": limit // 5}
    return {**CHANGES, "training.epochs": epochs, **limits}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="cnn1d", choices=sorted(models.MODELS))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--limit", type=int, help="training samples, and a fifth as many test samples")
    parser.add_argument("--plain", metavar="K/N", help="run part K of N of the plain loop once, and nothing else")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scenario = loading.load(SCENARIO, changed(arguments.epochs, arguments.limit) | {"model": arguments.model})
    dataset = load_dataset(scenario)
    if arguments.plain:
        part, parts = map(int, arguments.plain.split("/"))
        plain(scenario, dataset, slice(part, None, parts))
        return
    ratios = []
    for number in range(arguments.rounds):
        spent = []
        for side in ("plain", "edgesim"):
            started = time.process_time()
            if side == "plain":
                plain(scenario, dataset)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    edgesim.run(scenario, out=Path(folder, "run"), executor=SerialExecutor())
            spent.append(time.process_time() - started)
        ratios.append(spent[1] / spent[0])
        print(
            f"round {number + 1}: plain {spent[0]:.1f} s, edgesim {spent[1]:.1f} s, ratio {ratios[-1]:.2f}", flush=True
        )
    middle = statistics.median(ratios)
    print(f"{arguments.model}: median ratio {middle:.2f} of {len(ratios)}; limit {LIMIT}")


if __name__ == "__main__":
    main()
