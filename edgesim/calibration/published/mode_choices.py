"""Power modes chosen by predictions, and their measured energy: how far a choice of `edgesim tune` can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration.published.jetson_fit import HeldOut
from edgesim.calibration.published.markdown_table import table
from edgesim.formatting import number, percent
from edgesim.hardware.profile import DeviceProfile
from edgesim.work import FloatArray

DEADLINES = (1.2, 1.5, 2.0)
"""deadlines of a step, as multiples of its time at the highest clocks"""


@dataclass(frozen=True)
class ModeChoice:
    """The mode of least predicted energy within a deadline, by its measured time and energy."""

    time: float
    """measured time over that at the highest clocks"""
    saved: float
    """measured energy saved against the highest clocks, as a share"""
    saved_predicted: float
    """the same by prediction"""
    saved_at_best: float
    """measured energy that the best measured mode within the deadline saves"""


def choice(one: HeldOut, deadline: float) -> ModeChoice:
    """The mode chosen by predictions of a workload that no fit has seen.

    Args:
        one: measured and predicted steps in all modes.
        deadline: of a step, as a multiple of its time at the highest clocks: of the predicted one for the choice, of
            the measured one for the best mode.
    """
    full, time_s, energy_j = one.full, one.run.times.times_s, one.run.energies_j
    chosen = _least(one.energies_j, one.times_s, deadline * one.times_s[full])
    best = _least(energy_j, time_s, deadline * time_s[full])
    return ModeChoice(
        time=float(time_s[chosen] / time_s[full]),
        saved=float(1 - energy_j[chosen] / energy_j[full]),
        saved_predicted=float(1 - one.energies_j[chosen] / one.energies_j[full]),
        saved_at_best=float(1 - energy_j[best] / energy_j[full]),
    )


def _least(energy_j: FloatArray, time_s: FloatArray, deadline_s: float) -> int:
    return int(np.argmin(np.where(time_s <= deadline_s, energy_j, np.inf)))


def mode_table(held_out: Sequence[HeldOut], profiles: Mapping[str, DeviceProfile]) -> str:
    """Markdown table of the choices for every workload and deadline."""
    rows = []
    for one in held_out:
        for deadline in DEADLINES:
            found = choice(one, deadline)
            late = " (**late**)" if found.time > deadline else ""
            rows.append([
                profiles[one.run.times.device.name].title, one.run.times.workload, number(deadline),
                f"{number(found.time, 3)}{late}", percent(found.saved), percent(found.saved_predicted),
                percent(found.saved_at_best),
            ])  # fmt: skip
    head = ["device", "workload", "deadline", "time", "energy saved", "predicted", "saved by the best mode"]
    return table(head, rows)
