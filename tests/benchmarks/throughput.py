"""How near a run comes to what the machine can do: against a tuned pair of plain processes, and against Flower.

    .venv/bin/python tests/benchmarks/throughput.py [--rounds 3] [--out reports/benchmarks.md]

20 devices with Dirichlet(0.5) shards of Fashion-MNIST, small-cnn, batch 64, 2 epochs, every model evaluated on the
10,000 test images and on its own shard. The sides alternate and ratios are taken within a round, so that a machine that
changes its speed does not change the result. Flower takes part where `flwr[simulation]` is installed (it pins a Ray of
its own, so that an environment for it is made apart, with this package in it).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgesim.planning.run_plan import plan_run
from edgesim.results import provenance
from edgesim.scenario import loading

HERE = Path(__file__).parent
DOCUMENT: dict[str, Any] = {
    "name": "benchmark",
    "dataset": {"name": "fashion-mnist"},
    "partition": {"name": "dirichlet", "alpha": 0.5},
    "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 20}]},
    "model": "small-cnn",
    "training": {"epochs": 2, "batch_size": 64, "optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant"},
    "pruning": {"methods": ["full"], "keep_ratio": 1.0},
    "seeds": [0],
}
"""the scenario; other benchmarks change it by dotted overrides"""
AGREE = 0.02
"""sides may differ so much in their mean accuracy; they draw other weights and orders"""
MARK = "EDGESIM_BENCHMARK"
"""environment variable by which the processes of a side are known"""


@dataclass
class Side:
    """What the rounds of one side gave."""

    command: list[str]
    wall_s: list[float] = field(default_factory=list)
    span_s: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    idle_last: list[float] = field(default_factory=list)
    memory_bytes: int = 0


def write_work(folder: Path, **changes: Any) -> Path:
    """The scenario with some changes (`training__epochs=1`), and for the other sides its shards and images as files."""
    path = folder / "benchmark.yaml"
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    made = loading.from_document(DOCUMENT, "benchmark", folder, dotted)
    path.write_text(made.to_yaml())
    plan = plan_run(made)
    data = plan.config.dataset
    for name in ("train_samples", "train_labels", "test_samples", "test_labels"):
        np.save(folder / f"{name}.npy", np.ascontiguousarray(getattr(data, name)))
    shards = [plan.devices[0, index].shard for index in range(len(made.fleet))]
    for index, shard in enumerate(shards):
        np.save(folder / f"shard{index}.npy", shard)
    mean, std = (float(part[0]) for part in data.normalisation())
    known = {"mean": mean, "std": std, "epochs": made.training.epochs, "batch_size": made.training.batch_size}
    known |= {"evaluation_batch": made.evaluation.batch_size, "model": made.model.name}
    (folder / "plan.json").write_text(json.dumps(known | {"sizes": [len(shard) for shard in shards]}))
    return path


def run_side(name: str, side: Side, folder: Path) -> None:
    """One round of one side: wall time of its whole command, its training span, its accuracies."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    started = time.perf_counter()
    done = subprocess.run(side.command, capture_output=True, text=True, check=False, env=environment())
    side.wall_s.append(time.perf_counter() - started)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    if name == "edgesim":
        import pandas as pd

        session = json.loads((folder / "run" / "run.json").read_text())["sessions"][0]
        side.span_s.append(session["jobs_span_s"])
        side.idle_last.append(session["idle_share_last_tenth"])
        side.accuracy.append(float(pd.read_parquet(folder / "run" / "records.parquet")["test_accuracy"].mean()))
    else:
        found = json.loads(done.stdout.strip().splitlines()[-1])
        side.span_s.append(found["span_s"])
        side.accuracy.append(statistics.mean(values[0] for values in found["accuracy"].values()))


def environment(mark: str = "") -> dict[str, str]:
    """One thread per process on every side."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **single, MARK: mark}


def memory_of(command: list[str]) -> int:
    """Peak of the proportional set sizes of all processes of a command, looked at four times a second."""
    mark, peak, over = uuid.uuid4().hex, 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(0.25):
            peak = max(peak, sum(pss(pid) for pid in psutil.pids() if is_marked(pid, mark)))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        subprocess.run(command, capture_output=True, check=True, env=environment(mark))
    finally:
        over.set()
        watcher.join()
    return peak


def is_marked(pid: int, mark: str) -> bool:
    """Whether a process was started by the command with this mark."""
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def pss(pid: int) -> int:
    """Proportional set size in bytes; 0 for a process that has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def sides_of(folder: Path, path: Path, precision: str) -> dict[str, Side]:
    """The commands, in the order of a round."""
    command = [
        str(Path(sys.executable).parent / "edgesim"),
        "run",
        str(path),
        "--out",
        str(folder / "run"),
        "--no-progress",
    ]
    sides = {
        "reference": Side([sys.executable, str(HERE / "sides" / "reference.py"), str(folder), precision]),
        "edgesim": Side(command),
    }
    if importlib.util.find_spec("flwr"):
        flower = [sys.executable, str(HERE / "sides" / "flower.py"), str(folder), precision]
        sides |= {"flower": Side(flower), "flower, as its tutorials": Side([*flower, "tutorial"])}
    return sides


def table(sides: dict[str, Side]) -> list[str]:
    """Medians, and ratios to the reference taken round by round."""
    lines = [
        "| side | whole command s | of the reference | training span s | of the reference | memory MiB | accuracy |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    base = sides["reference"]
    for name, side in sides.items():
        wall = statistics.median(a / b for a, b in zip(side.wall_s, base.wall_s, strict=True))
        span = statistics.median(a / b for a, b in zip(side.span_s, base.span_s, strict=True))
        lines.append(
            f"| {name} | {spread(side.wall_s)} | {wall:.2f} | {spread(side.span_s)} | {span:.2f} "
            f"| {side.memory_bytes / 2**20:.0f} | {statistics.median(side.accuracy):.3f} |"
        )
    return lines


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def verdicts(sides: dict[str, Side], memory_many: int) -> list[str]:
    """What was asked for, and whether it holds."""
    edgesim, base = sides["edgesim"], sides["reference"]
    wall = statistics.median(a / b for a, b in zip(edgesim.wall_s, base.wall_s, strict=True))
    span = statistics.median(a / b for a, b in zip(edgesim.span_s, base.span_s, strict=True))
    rows = [
        ("training span over the reference's", span, 1.08),
        ("whole command over the reference's", wall, 1.8),
        ("hosts idle in the last tenth", statistics.median(edgesim.idle_last), 0.10),
        ("memory, GiB", edgesim.memory_bytes / 2**30, 2.5),
    ]
    for name in (name for name in sides if name.startswith("flower")):
        ratio = statistics.median(a / b for a, b in zip(edgesim.wall_s, sides[name].wall_s, strict=True))
        rows.append((f"whole command over that of {name}", ratio, 0.5))
    if memory_many:
        rows.append(("memory with 2,000 devices over that with 20", memory_many / edgesim.memory_bytes, 1.1))
    lines = ["| asked for | at most | measured | |", "|---|---:|---:|---|"]
    lines += [f"| {what} | {most:g} | {got:.2f} | {'kept' if got <= most else 'MISSED'} |" for what, got, most in rows]
    if "flower" in sides:
        bare = statistics.median(a / b for a, b in zip(base.wall_s, sides["flower"].wall_s, strict=True))
        lines += [
            "",
            f"The clients of `flower` train with the reference's own code, which alone, without any engine, takes "
            f"{bare:.2f} of that whole command: nobody can be below that.",
        ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--many", type=int, default=2000, help="devices of the memory run; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks.md"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_work(folder, training__precision=arguments.precision)
        sides = sides_of(folder, path, arguments.precision)
        for number in range(arguments.rounds):
            for side_name, side in sides.items():
                run_side(side_name, side, folder)
                print(
                    f"round {number + 1}, {side_name}: {side.wall_s[-1]:.1f} s, span {side.span_s[-1]:.1f} s",
                    flush=True,
                )
        for side in sides.values():
            shutil.rmtree(folder / "run", ignore_errors=True)
            side.memory_bytes = memory_of(side.command)
        memory_many = 0
        if arguments.many:
            many = folder / "many"
            many.mkdir()
            # One epoch, and one test image in twenty: the run would take hours, and memory does not depend on either.
            fleet = [{"profile": "raspberry-pi-4b", "count": arguments.many}]
            small = {"training__epochs": 1, "dataset__limit_test": 500, "partition": "iid"}
            path = write_work(many, training__precision=arguments.precision, fleet__groups=fleet, **small)
            memory_many = memory_of(sides_of(many, path, arguments.precision)["edgesim"].command)
    accuracies = {name: statistics.median(side.accuracy) for name, side in sides.items()}
    if max(accuracies.values()) - min(accuracies.values()) > AGREE:
        raise SystemExit(f"the sides do not agree, so their times compare nothing: {accuracies}")
    write(arguments, sides, memory_many, load)


def write(arguments: Any, sides: dict[str, Side], memory_many: int, load: float) -> None:
    """The page."""
    versions = provenance.versions()
    if "flower" in sides:
        versions["flwr"] = metadata.version("flwr")
    host = provenance.host()
    lines = [
        "# How near a run comes to what the machine can do",
        "",
        "20 devices with Dirichlet(0.5) shards of Fashion-MNIST, small-cnn, batch 64, 2 epochs, "
        f"{arguments.precision}; every model evaluated on 10,000 test images and on its own shard. "
        "`reference`: the same in two plain processes, whole tensors, no framework; `flower`: its training in Flower's "
        "simulation engine, and that with a client as Flower's tutorials write it. "
        f"Median (range) of {arguments.rounds} alternating rounds; ratios are medians of the ratios within a round. "
        "Memory: peak proportional set size of all processes, in a run of its own.",
        "",
        f"{host['processor']}, {host['cpus']} CPUs, load before {load:.1f}; "
        + ", ".join(f"{k} {v}" for k, v in versions.items()),
        "",
        *table(sides),
        "",
        *verdicts(sides, memory_many),
    ]
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
