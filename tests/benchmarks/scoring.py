"""What scoring costs this machine, per method, for one device of 6,000 samples of Fashion-MNIST.

    .venv/bin/python tests/benchmarks/scoring.py [--repeats 3] [--out reports/scoring-speed.md]

One thread. Methods alternate with the shared warm-up, and the ratio is taken within a round, so that a machine that
changes its speed does not change the result. CPU time is shown beside wall time: on a busy machine it is the steadier
of the two. Needs Fashion-MNIST (downloaded on first use, or below $EDGESIM_DATA).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgesim import seeds
from edgesim.data import datasets
from edgesim.models import MODELS
from edgesim.pruning import METHODS, base, selection
from edgesim.pruning.cg_score import complexity_gap
from edgesim.pruning.herding import herding
from edgesim.pruning.k_center import k_center
from edgesim.results import provenance
from edgesim.runtime.executor import one_thread
from edgesim.training import tasks
from edgesim.training.loop import Streams
from edgesim.training.settings import Training
from edgesim.training.warmup import observe_warmup

SIZE, KEEP_RATIO = 6000, 0.3
INHERENTLY_MORE = {"cg-score", "glister", "craig", "gradmatch", "adapruner"}
LIMIT = 1.2
TRAINING = Training(epochs=10, batch_size=64)


def measured(work: Any) -> tuple[float, float, Any]:
    """(wall s, CPU s, result) of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("reports/scoring-speed.md"))
    arguments = parser.parse_args()
    one_thread()
    data = datasets.load(datasets.FashionMnist(limit_train=SIZE), "fashion-mnist")
    task = tasks.of_shard(data, np.arange(SIZE), "cpu")
    shard = base.Shard(SIZE, data.train_labels, data.num_classes, 64, TRAINING.epochs, 2 * -(-SIZE // 64))

    def network() -> torch.nn.Module:
        with seeds.torch_global(0, "init"):
            model: torch.nn.Module = MODELS["small-cnn"]().build(data.input_shape, data.num_classes)  # type: ignore[attr-defined]
        return model.to(memory_format=torch.channels_last)

    def observed(method: Any) -> Any:
        needs, streams = [method.needs(shard)], Streams(0, 0, "warm-up")
        (seen,) = observe_warmup(network(), task, needs, TRAINING, streams)
        return base.ScoreContext(0, 0, "m", shard, seen, task, TRAINING, (), network)

    rows: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in METHODS}
    observed(METHODS["importance"]())  # first calls import and allocate; not counted
    for _ in range(arguments.repeats):
        for name, cls in METHODS.items():
            method = cls()
            warm_wall, warm_cpu, _ = measured(lambda: observed(METHODS["importance"]()))
            context = observed(method)
            wall, cpu, _ = measured(lambda m=method, c=context: selection.choose(m, c, [KEEP_RATIO]))
            rows[name].append((wall, cpu, warm_wall, warm_cpu))
    lines = [
        "# What scoring costs the machine that simulates",
        "",
        f"One device, {SIZE} samples of Fashion-MNIST, small-cnn, keep_ratio {KEEP_RATIO}, one thread; the shared "
        f"warm-up is 2 epochs. Time beyond that warm-up, median of {arguments.repeats} rounds; the ratio is the median "
        "of (CPU time of the method / CPU time of a warm-up) taken pair by pair.",
        "",
        f"{provenance.host()['processor']}, load {os.getloadavg()[0]:.1f}; "
        + ", ".join(f"{k} {v}" for k, v in provenance.versions().items()),
        "",
        "| method | wall s | CPU s | of a warm-up | limit |",
        "|---|---:|---:|---:|---|",
    ]
    for name, found in rows.items():
        wall, cpu = (statistics.median(row[i] for row in found) for i in (0, 1))
        ratio = statistics.median(row[1] / row[3] for row in found)
        verdict = "inherently more" if name in INHERENTLY_MORE else ("kept" if ratio <= LIMIT else "MISSED")
        lines.append(f"| {name} | {wall:.3f} | {cpu:.3f} | {ratio:.2f} | {verdict} |")
    lines += ["", "| part | CPU s, median | asked for |", "|---|---:|---|", *parts(arguments.repeats)]
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def parts(repeats: int) -> list[str]:
    """The three pure functions that the issue gives limits for."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((SIZE, 64))
    inputs, signs = rng.standard_normal((2000, 784)), np.repeat([1.0, -1.0], 1000)
    calls = {
        "herding, 6,000 x 64, k = 6,000": (lambda: herding(embeddings, SIZE), "under 1 s"),
        "k-center, 6,000 x 64, k = 6,000": (lambda: k_center(embeddings, SIZE), "under 1 s"),
        "cg-score, a class of 1,000 against 1,000": (lambda: complexity_gap(inputs, signs), "under 2 s"),
    }
    lines = []
    for name, (call, limit) in calls.items():
        seconds = statistics.median(measured(call)[1] for _ in range(repeats))
        lines.append(f"| {name} | {seconds:.2f} | {limit} |")
    return lines


if __name__ == "__main__":
    main()
