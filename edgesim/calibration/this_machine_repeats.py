"""Spread of repeated calibrations of one machine: coefficients, measured speeds and errors, session by session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration.this_machine import Calibrated, Check
from edgesim.formatting import listed, n_of, number, percent
from edgesim.work import FloatArray


@dataclass(frozen=True)
class Spread:
    """One number of all sessions."""

    name: str
    unit: str
    values: FloatArray
    """[sessions]"""

    @property
    def relative_range(self) -> float:
        """Highest less lowest, over the median; NaN where the median is 0."""
        median = float(np.median(self.values))
        return float(np.ptp(self.values)) / median if median else float("nan")


def spreads(sessions: Sequence[Calibrated]) -> list[Spread]:
    """Fitted costs as speeds or times, and what was measured beside them; of at least one session."""
    found = []
    for field in sessions[0].fitted.costs:
        costs = np.array([one.fitted.costs[field] for one in sessions])
        section, name = field.split(".")
        if name.endswith("_s"):
            found.append(Spread(name.removesuffix("_overhead_s"), "µs", 1e6 * costs))
        else:
            unit = {"compute": "GFLOP/s", "memory": "GB/s"}[section]
            found.append(Spread(name.removesuffix("_efficiency"), unit, 1e-9 / costs))
    measured: list[tuple[str, str, Callable[[Calibrated], float | None]]] = [
        ("peak in FP32", "GFLOP/s", lambda one: one.machine.peak_flops_per_s / 1e9),
        ("fastest copy", "GB/s", lambda one: one.machine.copies.fastest_bytes_per_s / 1e9),
        ("large copy", "GB/s", lambda one: one.machine.copies.large_bytes_per_s / 1e9),
        ("storage, read", "MB/s", lambda one: one.machine.storage.read_bytes_per_s / 1e6),
        ("storage, write", "MB/s", lambda one: one.machine.storage.write_bytes_per_s / 1e6),
        ("idle power", "W", lambda one: one.machine.idle_w),
        ("power in training", "W", lambda one: one.machine.full_w),
    ]
    for name, unit, read in measured:
        values = [value for one in sessions if (value := read(one)) is not None]
        if len(values) == len(sessions):
            found.append(Spread(name, unit, np.array(values)))
    return found


def section(sessions: Sequence[Calibrated]) -> str:
    """Markdown on the spread over sessions; at least two."""
    rows = spreads(sessions)
    ranges = [row.relative_range for row in rows[: len(sessions[0].fitted.costs)]]
    parts = [
        "## Repeated",
        f"{n_of(len(sessions), 'session')}, one after another, each with new measurements and a new fit; the tables "
        f"above and the profile are of the last. {_load(sessions)}",
        f"From session to session a fitted cost ranges over {percent(np.median(ranges), 0)} of its median "
        f"(median of {len(ranges)} costs; largest {percent(np.max(ranges), 0)}).",
        "| number | unit | median | lowest | highest | range over median |\n|---|---|--:|--:|--:|--:|\n"
        + "\n".join(map(_row, rows)),
    ]
    checks = [one.check for one in sessions if one.check is not None]
    if len(checks) == len(sessions):
        parts += list(_checks(checks))
    return "\n\n".join(parts)


def _row(row: Spread) -> str:
    numbers = [number(float(value), 3) for value in (np.median(row.values), row.values.min(), row.values.max())]
    return f"| {row.name} | {row.unit} | {' | '.join(numbers)} | {percent(row.relative_range, 0)} |"


def _load(sessions: Sequence[Calibrated]) -> str:
    loads = listed([number(one.load, 2) for one in sessions])
    found = f"Load of the machine just before each, on {n_of(os.cpu_count() or 1, 'core')}: {loads}."
    shares = [one.machine.timings.share for one in sessions]
    if None not in shares:
        found += f" Share of the time with a processor: {listed([percent(share or 0.0, 0) for share in shares])}."
    return found


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    """Errors on the networks that no fit has met, of every session and of every network."""
    means = [percent(check.mean) for check in checks]
    medians = [percent(np.median(np.abs(check.errors))) for check in checks]
    largest = [percent(np.max(np.abs(check.errors))) for check in checks]
    yield (
        f"Mean absolute error on networks that no fit has met: {listed(means)}; its median over networks "
        f"{listed(medians)}; the largest {listed(largest)}."
    )
    measured_s = np.array([[one.step_s for one in check.timed] for check in checks])
    errors = np.array([check.errors for check in checks])
    lines = [
        "| network | batch | measured, ms: median | lowest | highest | lowest error | highest error |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for i, one in enumerate(checks[0].timed):
        times = [f"{value * 1e3:.3g}" for value in (np.median(measured_s[:, i]), *_ends(measured_s[:, i]))]
        signed = [percent(value, 0, sign=True) for value in _ends(errors[:, i])]
        lines.append(f"| {one.case.name} | {one.case.batch_size} | {' | '.join([*times, *signed])} |")
    yield "\n".join(lines)


def _ends(values: FloatArray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
