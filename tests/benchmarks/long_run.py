"""Growth of a long run: memory and open files of the driver and of its hosts, and seconds per trial.

    .venv/bin/python tests/benchmarks/long_run.py [--trials 5000] [--out FILE]

Digits on 20 devices, mlp (128), five epochs; random and importance at five keep ratios, full training once, as many
seeds as make the trials. Every 50 trials the private memory (USS) and the open files of each process are read. Slopes
are least squares over what comes after the first 500 trials.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

import edgesim
from edgesim.records import Record, Trial
from edgesim.results import provenance
from edgesim.runtime import RayExecutor

EVERY = 50
WARM = 500
"""trials until which caches fill"""
LIMIT_BYTES = 1000.0
"""most that a process may grow by a trial"""
PER_SEED = 20 * 11
DOCUMENT: dict[str, Any] = {
    "name": "long-run",
    "dataset": "digits",
    "partition": {"name": "dirichlet", "alpha": 0.5},
    "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 20}]},
    "model": {"name": "mlp", "hidden": [128]},
    "training": {"epochs": 5, "batch_size": 16},
    "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": [0.1, 0.2, 0.3, 0.5, 0.8]},
}


class Watch:
    """Reads the processes of a run as its trials end."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._count, self._started_s = 0, time.perf_counter()

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Nothing is shown."""

    def record(self, record: Record) -> None:
        """Read memory and files after every 50th trial."""
        self._count += 1
        if self._count % EVERY:
            return
        own = psutil.Process()
        row: dict[str, float] = {"trials": self._count, "time_s": time.perf_counter() - self._started_s}
        row["driver_bytes"], row["driver_files"] = own.memory_full_info().uss, own.num_fds()
        hosts = [child for child in own.children(recursive=True) if "RayWorker" in " ".join(child.cmdline()[:1])]
        for number, host in enumerate(sorted(hosts, key=lambda one: one.pid)):
            row[f"host {number}_bytes"], row[f"host {number}_files"] = host.memory_full_info().uss, host.num_fds()
        self.rows.append(row)

    def note(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def stop(self) -> None:
        """Nothing is shown."""


def slope(rows: list[dict[str, float]], name: str) -> float:
    """Growth of a column by a trial, after the first 500."""
    later = [row for row in rows if row["trials"] > WARM and name in row]
    return float(np.polyfit([row["trials"] for row in later], [row[name] for row in later], 1)[0])


def measure(trials: int, folder: Path) -> tuple[list[dict[str, float]], float, float]:
    """Rows of a run, the seconds from its last trial to its end, and the bytes of its journal before that."""
    seeds = max(1, round(trials / PER_SEED))
    path = folder / "long.yaml"
    path.write_text(yaml.safe_dump({**DOCUMENT, "seeds": list(range(seeds))}))
    watch = Watch()
    executor = RayExecutor(2)
    try:
        edgesim.run(edgesim.load_scenario(path), folder / "run", executor=executor, progress=watch)
    finally:
        executor.close()
    ended_s = time.perf_counter() - watch._started_s - watch.rows[-1]["time_s"]
    return watch.rows, ended_s, sum(file.stat().st_size for file in (folder / "run").iterdir())


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmark-long-run.md"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        rows, ended_s, run_bytes = measure(arguments.trials, Path(name))
    processes = [column.removesuffix("_bytes") for column in rows[-1] if column.endswith("_bytes")]
    thirds = np.array_split([row["time_s"] for row in rows], 3)
    pace = [1e3 * (part[-1] - part[0]) / (EVERY * (len(part) - 1)) for part in thirds]
    lines = [
        "# Growth of a long run",
        "",
        f"{rows[-1]['trials']:,.0f} trials on 2 hosts; private memory (USS) and open files, read every {EVERY} trials. "
        f"Growth is least squares over all after the first {WARM}; asked: under {LIMIT_BYTES:,.0f} bytes a trial.",
        "",
        f"{provenance.host()['processor']}, load before {load:.1f}; "
        + ", ".join(f"{key} {value}" for key, value in provenance.versions().items()),
        "",
        "| process | bytes a trial | MiB at the end | open files after 500 trials, at the end |",
        "|---|---:|---:|---:|",
    ]
    for process in processes:
        early = next(row for row in rows if row["trials"] >= WARM)
        lines.append(
            f"| {process} | {slope(rows, f'{process}_bytes'):,.0f} | {rows[-1][f'{process}_bytes'] / 2**20:,.1f} "
            f"| {early[f'{process}_files']:.0f}, {rows[-1][f'{process}_files']:.0f} |"
        )
    lines += [
        "",
        f"Milliseconds a trial in the first, second and last third: {', '.join(f'{one:.1f}' for one in pace)}. From "
        f"the last trial to the end of the command {ended_s:.1f} s; the run folder has {run_bytes / 2**20:.1f} MiB.",
    ]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
