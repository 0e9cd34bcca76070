"""Whole commands against the least that does the same: the start, the tuned pair at two sizes, and har-watch.

    EDGESIM_DATA=… .venv/bin/python tests/benchmarks/whole_command.py [--rounds 3] [--smallest]

All times are of the wall, from the command to its end, imports, Ray, tables and report included. The sides alternate,
and a ratio is taken within a round. `--smallest` runs everything once at a small size, to see that it works.

- start: `start.py`
- pair: `edgesim run` against the two tuned processes of `throughput.py`, where the pair takes 10 s and 25 s or more
- har-watch: `edgesim run --serial` against the plain loop of `har_watch.py` in one process, and `edgesim run` on two
  workers against two such processes
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import har_watch
import start
import throughput
import yaml

from edgesim.results import provenance
from edgesim.scenario import loading

HERE = Path(__file__).parent
SIZES = {10.0: ({"dataset__limit_train": 12_000, "dataset__limit_test": 2_000}, 1.25), 25.0: ({}, 1.15)}
"""seconds that the pair takes at least -> changes of the scenario, largest ratio that is asked for. Epochs follow"""
SMALLEST = {0.0: ({"dataset__limit_train": 1_000, "dataset__limit_test": 200}, 1.25)}
WATCH_LIMIT = 1.3
PARTS = ("start", "pair", "har-watch")

Side = Callable[[], float]
"""runs a side once and returns its seconds"""


def pair(rounds: int, smallest: bool) -> None:
    """The tuned pair at both sizes, with as many epochs as let it take that long on this machine."""
    for least_s, (changes, limit) in (SMALLEST if smallest else SIZES).items():
        with tempfile.TemporaryDirectory() as name:
            folder, epochs, pair_s = Path(name), 1, 0.0
            while True:
                work = throughput.write_work(folder, **changes, training__epochs=epochs)
                sides = throughput.sides_of(folder, work, "fp32")
                chosen = {name: sides[name] for name in ("reference", "edgesim")}
                throughput.run_side("reference", sides["reference"], folder)
                pair_s = sides["reference"].wall_s.pop()
                if pair_s >= least_s:
                    break
                epochs = max(epochs + 1, int(epochs * least_s / pair_s))

            def run(side: str, folder: Path = folder, sides: Mapping[str, throughput.Side] = chosen) -> Side:
                def once() -> float:
                    throughput.run_side(side, sides[side], folder)
                    return sides[side].wall_s[-1]

                return once

            against(f"tuned pair of {epochs} epochs", run("reference"), run("edgesim"), rounds, limit)
            accuracies = [statistics.median(side.accuracy) for side in chosen.values()]
            print(f"mean accuracy: pair {accuracies[0]:.3f}, edgesim {accuracies[1]:.3f}\n", flush=True)


def watch(rounds: int, smallest: bool) -> None:
    """har-watch against the plain loop, on one process and on two."""
    epochs, limit = (1, 500) if smallest else (20, None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = loading.load(har_watch.SCENARIO, har_watch.changed(epochs, limit))
        (folder / "watch.yaml").write_text(yaml.safe_dump(scenario.document, sort_keys=False))
        for workers in (1, 2):
            loops = [[str(HERE / "har_watch.py"), "--epochs", str(epochs), *(["--limit", str(limit)] if limit else []),
                      "--plain", f"{part}/{workers}"]
                     for part in range(workers)]  # fmt: skip

            def plain(loops: list[list[str]] = loops) -> float:
                return timed([[sys.executable, *loop] for loop in loops], folder)

            def edgesim(workers: int = workers) -> float:
                how = ["--serial"] if workers == 1 else ["--hosts", str(workers)]
                words = ["run", "watch.yaml", "--no-progress", *how, "--out", f"run-{time.time()}"]
                return timed([[str(Path(sys.executable).parent / "edgesim"), *words]], folder)

            title = f"har-watch, plain loop in {workers} process{'es' * (workers > 1)}"
            against(title, plain, edgesim, rounds, WATCH_LIMIT)
            print(flush=True)


def timed(commands: list[list[str]], folder: Path) -> float:
    """Seconds until all of several commands ended, with one thread each."""
    begun = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "env": throughput.environment(), "cwd": folder}
    started = [subprocess.Popen(command, **quiet) for command in commands]
    errors = [process.communicate()[1].decode() for process in started]
    for command, process, error in zip(commands, started, errors, strict=True):
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{error[-3000:]}")
    return time.perf_counter() - begun


def against(title: str, least: Side, edgesim: Side, rounds: int, limit: float) -> None:
    """Alternate two sides, and print every round and the median ratio."""
    least(), edgesim()  # data are decoded and files read once before
    both = []
    for _ in range(rounds):
        both.append((least(), edgesim()))
        print(f"{title}: {both[-1][0]:.1f} s, edgesim {both[-1][1]:.1f} s", flush=True)
    ratios = [ours / bare for bare, ours in both]
    middle, bare = statistics.median(ratios), statistics.median(bare for bare, _ in both)
    verdict = "kept" if middle <= limit else "MISSED"
    print(
        f"{title}: {bare:.1f} s; edgesim {middle:.2f} x ({min(ratios):.2f} to {max(ratios):.2f}, n = {rounds}); "
        f"at most {limit}: {verdict}",
        flush=True,
    )


def main() -> None:
    """Run the parts and print what they gave, with the load before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    rounds = 1 if arguments.smallest else arguments.rounds
    host = provenance.host()
    print(f"{host['processor']}, {host['cpus']} CPUs, load before {os.getloadavg()[0]:.1f}\n", flush=True)
    wanted = [arguments.only] if arguments.only else PARTS
    if "start" in wanted:
        start.measure(rounds)
    if "pair" in wanted:
        pair(rounds, arguments.smallest)
    if "har-watch" in wanted:
        watch(rounds, arguments.smallest)


if __name__ == "__main__":
    main()
