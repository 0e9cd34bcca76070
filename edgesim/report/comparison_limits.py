"""Limits of a comparison's numbers, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from edgesim.analysis.grouping import AnalysisResult
from edgesim.report import run_facts
from edgesim.report.run_tables import Run
from edgesim.report.verdict_section import unlike_watts

EXACT = ("dataset", "partition", "seeds")
"""parts of a scenario that determine the samples of a device"""


def of_fleets(run: Run, table: pd.DataFrame) -> list[str]:
    """Limits of the fleets' numbers, in sentences."""
    limits = run_facts.limits(run.records, run.info)
    for fleet in dict.fromkeys(table["fleet"]):
        own = table[table["fleet"] == fleet]
        if own["failed_devices"].any():
            limits.append(f"{fleet}: some trials have no result in the run. Its own devices could not do them, or a "
                          "rule chooses other ratios; see 'Failed and infeasible trials'.")  # fmt: skip
        if own["infeasible_devices"].any():
            limits.append(f"{fleet}: rows with infeasible devices are over the other devices. Their times, energies "
                          "and accuracies do not compare with those of other fleets.")  # fmt: skip
    if table["seeds"].max() < 2:
        limits.append("One seed: no number has an interval, and all are of this seed alone.")
    return limits


def of_runs(runs: Mapping[str, Run], differ: Mapping[str, AnalysisResult], pairs: AnalysisResult) -> list[str]:
    """Limits of the comparison of different runs, in sentences."""
    limits = [f"{name}: {note}" for name, run in runs.items()
              for note in (*run_facts.limits(run.records, run.info), *unlike_watts(run.info))]  # fmt: skip
    for name, found in differ.items():
        parts = [part for part in EXACT if any(path.split(".")[0] == part for path in found.table["path"])]
        if parts:
            limits.append(f"{name} differs from the first run in {' and '.join(parts)}. Its devices may hold other "
                          "samples; then pairs have equal device numbers, not equal data.")  # fmt: skip
    return [*limits, *pairs.missing]
