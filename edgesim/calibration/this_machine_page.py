"""The page of `edgesim calibrate --report`: what was measured on this machine and how well it is predicted."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from edgesim.calibration import this_machine_profile, this_machine_repeats
from edgesim.calibration.step_timing import Timed
from edgesim.calibration.this_machine import Calibrated, Check
from edgesim.formatting import n_of, number, percent
from edgesim.hardware.quantity import Scope

_COVERED: dict[Scope | None, str] = {
    None: "parts of the machine that have no common name",
    "wall": "all of it at its socket",
    "device": "all of it behind its supply",
    "module": "the computing module",
    "card": "the GPU's card",
    "processor": "the processor",
}
GOAL = 0.10
"""mean absolute error that is aimed at"""


def page(sessions: Sequence[Calibrated], command: str) -> str:
    """The Markdown text.

    Args:
        sessions: one or more; the tables are of the last, and several have a section on their spread.
        command: how it was called.
    """
    found = sessions[-1]
    machine, share = found.machine, found.machine.timings.share
    head = (
        f"# Calibration of the machine that simulates\n\n`{command}` on {machine.processor}, "
        f"{n_of(machine.threads, 'thread')}, {this_machine_profile.versions()}.\n\n"
        "Training steps of the project's own loop (Adam, channels-last, images of noise), in a process that keeps the "
        "memory it frees as the hosts of a run do, were timed in rounds over all cases; a case's time is the median of "
        "its fastest visit. With one thread on a CPU the clock is the process's processor time, which other programs "
        "on the machine do not lengthen but for the caches and cores they share. "
        f"Peak: {machine.peak_flops_per_s / 1e9:.4g} GFLOP/s in FP32, "
        f"copies of {machine.copies.large_bytes >> 20} MiB: {machine.copies.large_bytes_per_s / 1e9:.3g} GB/s."
    )
    if share is not None:
        head += f" The process had a processor for {percent(share, 0)} of the time on the wall."
    head += f" Load of the machine just before: {number(found.load, 2)} on {n_of(os.cpu_count() or 1, 'core')}."
    parts = [head, _clocks(found), _fitted(found)]
    if found.check is not None:
        parts.append(_checked(found.check))
    if len(sessions) > 1:
        parts.append(this_machine_repeats.section(sessions))
    return "\n\n".join(parts) + "\n"


def _clocks(found: Calibrated) -> str:
    """Clocks and power of the measurement, and what could not be read."""
    machine = found.machine
    clocks = this_machine_profile.clock_words(machine) or "none can be read"
    power = f"{machine.sensors}, covering {_COVERED[machine.scope]}" if machine.sensors else "no sensor"
    lines = [f"Clocks while the steps were timed: {clocks}. Power: {power}.", *(f"- {note}" for note in found.notes)]
    return "## Clocks and power\n\n" + "\n".join([lines[0], *([""] if found.notes else []), *lines[1:]])


def _fitted(found: Calibrated) -> str:
    timed = found.machine.timings.timed
    predicted = [one.step_s * (1 + error) for one, error in zip(timed, found.fitted.errors, strict=True)]
    costs = ", ".join(f"{_short(field)} {cost:.3g} {_unit(field)}" for field, cost in found.fitted.costs.items())
    mean = float(np.mean(np.abs(found.fitted.errors)))
    return (
        f"## Cases that the costs were fitted to\n\nMean absolute error {percent(mean)} "
        f"(n = {n_of(len(timed), 'case')}); {found.fitted.held_out_words} {percent(found.fitted.held_out)}.\n\n"
        f"{table(timed, predicted)}\n\nCosts: {costs}."
    )


def _short(field: str) -> str:
    return field.split(".")[1].removesuffix("_efficiency").removesuffix("_overhead_s")


def _unit(field: str) -> str:
    section, name = field.split(".")
    return "s" if name.endswith("_s") else {"compute": "s/FLOP", "memory": "s/byte"}[section]


def _checked(check: Check) -> str:
    outcome = "reached" if check.mean <= GOAL else "not reached"
    cases = n_of(len(check.timed), "case")
    return (
        f"## Networks that no fit has met\n\nMean absolute error {percent(check.mean)} (n = {cases}; "
        f"median {percent(np.median(np.abs(check.errors)))}, largest {percent(np.max(np.abs(check.errors)))}). "
        f"The goal of {percent(GOAL, 0)} is {outcome}.{_foreign(check)}\n\n{table(check.timed, check.predicted_s)}"
    )


def _foreign(check: Check) -> str:
    """The mean of the networks of other builds, which are in the mean above, and of the rest."""
    if not check.foreign.any():
        return ""
    own, other = (float(np.mean(np.abs(check.errors[mask]))) for mask in (~check.foreign, check.foreign))
    return (
        f" Networks of the table of models: {percent(own)} (n = {int((~check.foreign).sum())}); "
        f"of timm, with layers that no fitted case has: {percent(other)} (n = {int(check.foreign.sum())})."
    )


def table(timed: Sequence[Timed], predicted_s: Sequence[float] | np.ndarray) -> str:
    """Rows of measured and predicted steps, in Markdown."""
    lines = [
        "| network | batch | steps | measured, ms | upper quartile | predicted, ms | error |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for one, guess_s in zip(timed, predicted_s, strict=True):
        lines.append(
            f"| {one.case.name} | {one.case.batch_size} | {len(one.times_s)} | {one.step_s * 1e3:.3g} | "
            f"+{percent(one.spread, 0)} | {guess_s * 1e3:.3g} | {percent(guess_s / one.step_s - 1, 0, sign=True)} |"
        )
    return "\n".join(lines)
