"""Seconds from the command to the first training step, against the least that Ray and torch allow.

    .venv/bin/python tests/benchmarks/start.py [--rounds 5]

The least is a process that imports torch and ray, starts Ray and waits for two actors that import torch. The run is of
two devices on two hosts, with data that are decoded already. Its network notes the time of its first forward pass in
training, on a host. The sides alternate, and the ratio is the median of the rounds' own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LEAST = """
import time, torch, ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
@ray.remote(num_cpus=1)
class Host:
    def ready(self):
        import torch
        return torch.get_num_threads()
ray.get([host.ready.remote() for host in [Host.remote(), Host.remote()]])
print(time.time())
"""
NETWORK = '''
import os, time
from dataclasses import dataclass
from torch import nn

class Noting(nn.Module):
    noted = False

    def __init__(self, inputs, classes):
        super().__init__()
        self.layer = nn.Linear(inputs, classes)

    def forward(self, x):
        if self.training and x.device.type != "meta" and not Noting.noted:
            Noting.noted = True
            path = os.path.join(FOLDER, f"first-step-{os.getpid()}")
            with open(path, "w") as file:
                file.write(repr(time.time()))
        return self.layer(x.flatten(1))

@dataclass(frozen=True)
class Net:
    """A linear network that notes the time of its first step."""

    def build(self, input_shape, num_classes):
        size = 1
        for side in input_shape:
            size *= side
        return Noting(size, num_classes)
'''
SCENARIO = """
name: start
dataset: digits
partition: iid
fleet: {groups: [{profile: raspberry-pi-5, count: 2}]}
model: "noting:Net"
training: {epochs: 1, batch_size: 32}
pruning: {methods: [full], keep_ratio: 1.0}
"""


def least(folder: Path) -> float:
    """Seconds until both actors have torch."""
    begun = time.time()
    done = subprocess.run([sys.executable, "-c", LEAST], cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1]) - begun


def edgesim(folder: Path) -> float:
    """Seconds until the first step of a host."""
    for path in folder.glob("first-step-*"):
        path.unlink()
    command = str(Path(sys.executable).parent / "edgesim")
    begun = time.time()
    words = ["run", "start.yaml", "--hosts", "2", "--no-progress", "--out", f"run-{begun}"]
    subprocess.run([command, *words], cwd=folder, env=os.environ, capture_output=True, check=True)
    return min(float(path.read_text()) for path in folder.glob("first-step-*")) - begun


def main() -> None:
    """Alternate the sides and print every round with its ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "noting.py").write_text(f"FOLDER = {name!r}\n{NETWORK}")
        (folder / "start.yaml").write_text(SCENARIO)
        edgesim(folder), least(folder)  # files are read once before
        ratios = []
        for _ in range(rounds):
            bare, run = least(folder), edgesim(folder)
            ratios.append(run / bare)
            print(f"least {bare:.2f} s, edgesim {run:.2f} s: {ratios[-1]:.2f} x", flush=True)
    print(f"median {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f}, n = {rounds})")


if __name__ == "__main__":
    main()
