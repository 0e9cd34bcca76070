"""Charge of a battery over time, from the device's draw and the energy source's supply, in closed form.

Power is constant between events, so the charge is piecewise linear. It never exceeds the capacity: surplus harvest is
lost. The device stops at the second in which the charge reaches zero.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgesim.hardware.patterns import PowerPattern

Array = npt.NDArray[np.float64]

ROUNDING = 1e-12  # of the capacity: a charge that suffices exactly is not lost to rounding


def follow(
    times_s: Array, power_w: Array, charge_j: Array, capacity_j: Array, supply: PowerPattern | None
) -> tuple[Array, Array]:
    """Follow the charge of D batteries through K pieces of constant power.

    Args:
        times_s: [D, K + 1] bounds of the pieces, rising; every device starts at the same time.
        power_w: [D, K] drawn from the battery in each piece.
        charge_j: [D] at the first bound.
        capacity_j: [D] of the full battery.
        supply: power that it receives; None = none.

    Returns: [D] the second at which the charge reaches zero (inf where it does not), [D] the charge at the last bound.
    """
    devices, pieces = power_w.shape
    end_s = times_s[:, -1:]
    start_s = float(times_s[0, 0])
    changes_s, supply_w, on_mains = np.array([start_s]), np.zeros(1), None
    if supply is not None:
        changes_s, supply_w, on_mains = supply.changes(start_s, float(end_s.max()))
    # All events in order: the pieces' starts, and those of the steps of the source.
    events = np.concatenate([times_s[:, :-1], np.broadcast_to(changes_s, (devices, len(changes_s)))], axis=1)
    order = np.argsort(events, axis=1, kind="stable")
    begin = np.minimum(np.take_along_axis(events, order, axis=1), end_s)
    length_s = np.diff(begin, append=end_s, axis=1)
    piece = np.maximum.accumulate(np.where(order < pieces, order, 0), axis=1)
    step = np.maximum.accumulate(np.where(order >= pieces, order - pieces, 0), axis=1)
    drawn_w = np.take_along_axis(power_w, piece, axis=1)
    if on_mains is not None:
        drawn_w = np.where(on_mains[step], 0.0, drawn_w)
    net_w = supply_w[step] - drawn_w
    free_j = charge_j[:, None] + np.cumsum(net_w * length_s, axis=1)
    # A charge that cannot pass the capacity is the free one less all that ran over so far (Skorokhod's reflection).
    lost_j = np.maximum.accumulate(np.maximum(free_j - capacity_j[:, None], 0.0), axis=1)
    level_j = free_j - lost_j
    empty = level_j < -ROUNDING * capacity_j[:, None]
    dies = empty.any(axis=1)
    first = np.argmax(empty, axis=1)
    row = np.arange(devices)
    held_j = np.maximum(np.where(first > 0, level_j[row, first - 1], charge_j), 0.0)
    drain_w = np.where(dies, -net_w[row, first], 1.0)
    died_s = np.where(dies, begin[row, first] + held_j / drain_w, np.inf)
    return died_s, np.where(dies, 0.0, np.maximum(level_j[:, -1], 0.0))
