"""The limit: the same work in two plain processes, without Ray, edgesim or any framework.

    python reference.py FOLDER PRECISION

Every process takes half of the devices (longest first), holds the whole tensors of its data, trains channels-last with
the fused kernel behind torch.optim.Adam(fused=True) and evaluates in batches of 256. What it prints as JSON: accuracy
per device, and when the first device began and the last one ended (time.time).
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def halves(sizes: list[int], processes: int) -> list[list[int]]:
    """Devices per process: the largest shard first, to whichever has least so far."""
    mine: list[list[int]] = [[] for _ in range(processes)]
    load = [0] * processes
    for device in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = load.index(min(load))
        mine[least].append(device)
        load[least] += sizes[device]
    return mine


def work(folder: Path, precision: str, devices: list[int]) -> None:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    for option, value in ((-3, 32 << 20), (-1, 2**31 - 1), (-2, 64 << 20)):
        ctypes.CDLL(None).mallopt(option, value)  # freed pages are kept: about a quarter of the time (glibc)
    plan = json.loads((folder / "plan.json").read_text())
    train = torch.from_numpy(np.load(folder / "train_samples.npy"))  # [n, 28, 28, 1] uint8
    test = torch.from_numpy(np.load(folder / "test_samples.npy"))
    labels = torch.from_numpy(np.load(folder / "train_labels.npy"))
    test_labels = torch.from_numpy(np.load(folder / "test_labels.npy"))
    mean, std = plan["mean"], plan["std"]

    def inputs(images: torch.Tensor) -> torch.Tensor:
        return images.permute(0, 3, 1, 2).float().mul_(1 / (255 * std)).sub_(mean / std)

    def cast() -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

    def accuracy(model: nn.Module, images: torch.Tensor, truth: torch.Tensor) -> float:
        model.eval()
        hits = 0
        with torch.no_grad(), cast():
            for at in range(0, len(truth), plan["evaluation_batch"]):
                here = slice(at, at + plan["evaluation_batch"])
                hits += int((model(inputs(images[here])).argmax(1) == truth[here]).sum())
        return hits / len(truth)

    found = {}
    began = time.time()
    for device in devices:
        shard = torch.from_numpy(np.load(folder / f"shard{device}.npy"))
        own, own_labels = train[shard], labels[shard]
        torch.manual_seed(0)
        layers = [nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, 10)]
        if plan["model"] == "small-cnn":
            layers = [
                nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
                nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
                nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10),
            ]  # fmt: skip
        model = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        parameters = list(model.parameters())
        averages = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in parameters]
        squares = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in parameters]
        steps = [torch.zeros(()) for _ in parameters]
        order = torch.Generator().manual_seed(device)
        model.train()
        for _ in range(plan["epochs"]):
            permutation = torch.randperm(len(shard), generator=order)
            for at in range(0, len(shard), plan["batch_size"]):
                here = permutation[at : at + plan["batch_size"]]
                with cast():
                    outputs = model(inputs(own[here]))
                functional.cross_entropy(outputs.float(), own_labels[here]).backward()
                with torch.no_grad():
                    torch._foreach_add_(steps, 1)
                    torch._fused_adam_(
                        parameters, [p.grad for p in parameters], averages, squares, [], steps,
                        lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
                    )  # fmt: skip
                for p in parameters:
                    p.grad = None
        found[device] = [accuracy(model, test, test_labels), accuracy(model, own, own_labels)]
    print(json.dumps({"accuracy": found, "began": began, "ended": time.time()}))


def main() -> None:
    folder, precision = Path(sys.argv[1]), sys.argv[2]
    if len(sys.argv) > 3:
        work(folder, precision, json.loads(sys.argv[3]))
        return
    sizes = json.loads((folder / "plan.json").read_text())["sizes"]
    command = [sys.executable, __file__, str(folder), precision]
    started = [
        subprocess.Popen([*command, json.dumps(mine)], stdout=subprocess.PIPE, text=True) for mine in halves(sizes, 2)
    ]
    outcomes = [json.loads(process.communicate()[0]) for process in started]
    print(
        json.dumps(
            {
                "accuracy": {k: v for outcome in outcomes for k, v in outcome["accuracy"].items()},
                "span_s": max(o["ended"] for o in outcomes) - min(o["began"] for o in outcomes),
            }
        )
    )


if __name__ == "__main__":
    main()
