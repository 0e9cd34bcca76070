"""Long runs do not grow: neither the writer of the run folder in memory and open files, nor the journal's lines."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import psutil
from conftest import RUN_INFO

from edgesim.records import CurvePoint, Record, Trial, TrialResult
from edgesim.results.run_writer import RunFolder

EARLY, LATE = 300, 900
KEPT = 500
MEASURED = [field.name for field in dataclasses.fields(Record) if field.type == "float" and field.name != "keep_ratio"]


def result(number: int) -> TrialResult:
    """The result of a trial that keeps 500 samples: 4 kB in memory."""
    record = Record(
        "long", number // 50, number % 50, "raspberry-pi-4b", "random", 0.5, "ok", shard_size=2 * KEPT,
        subset_size=KEPT, **dict.fromkeys(MEASURED, 0.5),
    )  # fmt: skip
    curve = tuple(CurvePoint(epoch, 1.0, 0.5, 1.0, 0.5) for epoch in range(1, 6))
    return TrialResult(record, curve, np.arange(KEPT) + number)


def test_the_writer_keeps_no_results(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "name: long\n", {**RUN_INFO, "scenario": "long"})
    sizes, files, bytes_ = [], [], []
    tracemalloc.start()
    try:
        for number in range(LATE):
            folder.append(result(number))
            if number + 1 in (EARLY, LATE):
                sizes.append(tracemalloc.get_traced_memory()[0])
                files.append(psutil.Process().num_fds())
                bytes_.append(folder.path.joinpath("journal.jsonl").stat().st_size)
    finally:
        tracemalloc.stop()
    trials = LATE - EARLY
    assert (sizes[1] - sizes[0]) / trials < 1000
    assert files[0] == files[1]
    assert (bytes_[1] - bytes_[0]) / trials < 1.1 * bytes_[0] / EARLY  # each result is written once
    order = [Trial(number // 50, number % 50, "random", 0.5) for number in range(LATE)]
    with folder:
        run = folder.finish(order, {})
    assert len(run.records) == LATE
    assert len(run.selections) == LATE * KEPT
    last = run.selections.tail(KEPT)
    assert (last["index"].to_numpy() == np.arange(KEPT) + LATE - 1).all()
