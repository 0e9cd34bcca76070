"""Whether a sweep costs what its training costs: nine methods that read one warm-up, six ratios, 20 devices.

    .venv/bin/python tests/benchmarks/sweep.py [--limit-train 12000] [--out reports/benchmark-sweep.md]

The hosts' busy time against what no sharing can save: one warm-up per device, and one training with its evaluation for
every different subset. Both are read from the run's own records and timesheet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import throughput

from edgesim.formatting import percent
from edgesim.results import provenance

METHODS = ["importance", "el2n", "grand", "forgetting", "aum", "tdds", "ccs", "moderate", "prototypes"]
RATIOS = [0.1, 0.2, 0.3, 0.5, 0.7, 0.9]
LIMIT = 1.1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit-train", type=int, default=12000)
    parser.add_argument("--limit-test", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmark-sweep.md"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = throughput.write_work(
            folder,
            dataset__limit_train=arguments.limit_train,
            dataset__limit_test=arguments.limit_test,
            training__epochs=4,
            pruning__methods=METHODS,
            pruning__keep_ratio=RATIOS,
            pruning__warmup={"epochs": 2},
        )
        command = throughput.sides_of(folder, path, "fp32")["edgesim"].command
        subprocess.run(command, check=True, capture_output=True, env=throughput.environment())
        records = pd.read_parquet(folder / "run" / "records.parquet")
        session = json.loads((folder / "run" / "run.json").read_text())["sessions"][0]
    # Trials of one training share its time to the last digit, and none other has it.
    trainings = records.drop_duplicates(["device", "host_train_wall_s"])
    train_s = float(trainings["host_train_wall_s"].sum())
    # The warm-up is what every method's scoring contains: the least of them on each device.
    warmup_s = float(records.groupby("device")["host_score_wall_s"].min().sum())
    busy_s = session["jobs_span_s"] * session["hosts"] * (1 - session["idle_share"])
    ratio = busy_s / (warmup_s + train_s)
    lines = [
        "# A sweep costs what its training costs",
        "",
        f"{len(METHODS)} methods x {len(RATIOS)} keep ratios x 20 devices of Fashion-MNIST "
        f"({arguments.limit_train:,} samples, Dirichlet 0.5), small-cnn, 4 epochs, warm-up of 2, "
        f"{arguments.limit_test:,} test images. One run.",
        "",
        f"{provenance.host()['processor']}, load before {load:.1f}; "
        + ", ".join(f"{k} {v}" for k, v in provenance.versions().items()),
        "",
        "| part | s |",
        "|---|---:|",
        f"| {len(records):,} trials: hosts' busy time | {busy_s:.1f} |",
        f"| {records['device'].nunique()} warm-ups | {warmup_s:.1f} |",
        f"| {len(trainings):,} different trainings, with their evaluation | {train_s:.1f} |",
        f"| whole command | {session['wall_s']:.1f} |",
        "",
        f"Busy time over warm-ups and trainings: {ratio:.3f}; asked for: at most {LIMIT}: "
        f"{'kept' if ratio <= LIMIT else 'MISSED'}. "
        f"Hosts idle in the last tenth: {percent(session['idle_share_last_tenth'])}.",
    ]
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
