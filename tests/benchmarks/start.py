"""Seconds from the command to the first training step, against the least that Ray and torch allow, and where they go.

    .venv/bin/python tests/benchmarks/start.py [--rounds 5]

The least is a process that imports torch and ray, starts Ray and waits for two actors that import torch. The run is of
two devices on two hosts, with data that are decoded already. Its network notes the time of its first forward pass in
training, on a host. The sides alternate, and the ratio is the median of the rounds' own. The tables have the stages of
both sides, as medians of the rounds.
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

LIMIT = 1.25
LEAST = """
import time
print(time.time(), "interpreter")
import torch
print(time.time(), "import of torch")
import ray
print(time.time(), "import of ray")
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
print(time.time(), "ray.init")
@ray.remote(num_cpus=1)
class Host:
    def ready(self):
        import torch
        return torch.get_num_threads()
ray.get([host.ready.remote() for host in [Host.remote(), Host.remote()]])
print(time.time(), "two actors that import torch")
"""
STAGES = (
    ("interpreter", "interpreter"),
    ("scenario ends", "command line, scenario, its own network with the import of torch"),
    ("ray begins", "imports before Ray"),
    ("ray ends", "Ray's own start; the workers begin theirs"),
    ("opening begins", "other imports"),
    ("opening ends", "run folder, identity of the code"),
    ("plan begins", "between"),
    ("plan ends", "data and plan, beside the workers' imports"),
    ("hosts begins", "tables of the fleet, log"),
    ("hosts ends", "wait for workers that have torch and the data"),
    ("first step", "first job until its first forward pass in training"),
)
"""mark of `sides/marked_run.py` that ends a stage, and the stage"""
Stages = dict[str, float]
"""stage -> seconds"""
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


def least(folder: Path) -> Stages:
    """Seconds until both actors have torch, by stage."""
    begun = time.time()
    done = subprocess.run([sys.executable, "-c", LEAST], cwd=folder, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return _differences(begun, [(name, float(at)) for at, name in lines])


def edgesim(folder: Path) -> Stages:
    """Seconds until the first step of a host, by stage."""
    for path in folder.glob("first-step-*"):
        path.unlink()
    marks = folder / "marks"
    marks.unlink(missing_ok=True)
    begun = time.time()
    words = ["run", "start.yaml", "--hosts", "2", "--no-progress", "--out", f"run-{begun}"]
    command = [sys.executable, str(Path(__file__).parent / "sides" / "marked_run.py"), str(marks), *words]
    subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, check=True)
    first = min(float(path.read_text()) for path in folder.glob("first-step-*"))
    at = {name: float(time_s) for time_s, name in (line.split(maxsplit=1) for line in marks.read_text().splitlines())}
    return _differences(begun, [(stage, {**at, "first step": first}[mark]) for mark, stage in STAGES])


def _differences(begun: float, ends: list[tuple[str, float]]) -> Stages:
    """Seconds of each stage from the moments when they end."""
    starts = [begun, *(at for _, at in ends[:-1])]
    return {name: at - start for (name, at), start in zip(ends, starts, strict=True)}


def table(name: str, rounds: list[Stages]) -> list[str]:
    """Median seconds of each stage, and of the whole."""
    lines = [f"| {name} | s |", "|---|---:|"]
    lines += [f"| {stage} | {statistics.median(one[stage] for one in rounds):.2f} |" for stage in rounds[0]]
    return [*lines, f"| whole | {statistics.median(sum(one.values()) for one in rounds):.2f} |"]


def measure(rounds: int) -> float:
    """Alternate the sides, print every round with its ratio, and the stages. Returns the median ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "noting.py").write_text(f"FOLDER = {name!r}\n{NETWORK}")
        (folder / "start.yaml").write_text(SCENARIO)
        edgesim(folder), least(folder)  # files are read once before
        sides: tuple[list[Stages], list[Stages]] = [], []
        ratios = []
        for _ in range(rounds):
            for side, run in zip(sides, (least, edgesim), strict=True):
                side.append(run(folder))
            bare, whole = (sum(side[-1].values()) for side in sides)
            ratios.append(whole / bare)
            print(f"least {bare:.2f} s, edgesim {whole:.2f} s: {ratios[-1]:.2f} x", flush=True)
    middle = statistics.median(ratios)
    print(f"start: median {middle:.2f} x ({min(ratios):.2f} to {max(ratios):.2f}, n = {rounds}); limit {LIMIT}\n")
    for title, side in zip(("the least possible", "edgesim, until the first step"), sides, strict=True):
        print("\n".join([*table(title, side), ""]))
    return middle


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    measure(options.parse_args().rounds)
