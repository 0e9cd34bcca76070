"""First-order heating with a limit that a governor holds, in closed form.

Heat θ is the temperature above that of an idle device, in units of the limit: 0 = idle for long, 1 = where the governor
steps in. d θ/dt = (θ∞ − θ)/τ is the lumped-capacity model of a package with one thermal resistance and one capacity. θ∞
is linear in the power above idle. Where a stretch of work would exceed 1 it is held at 1 instead.

The power that holds it follows from the profile: under full load the device can run for ever at `throttled_factor` f of
its full speed. Power above idle grows with the clock as f^2.2 (`CLOCK_EXPONENT`). So H = (max_w − idle_w)·f^2.2 is the
power above idle that the device can shed, θ∞(P) = (P − idle_w)/H, and full load has θ∞ = f^−2.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgesim.hardware.power_setting import CLOCK_EXPONENT

Array = npt.NDArray[np.float64]

_COLUMNS = 64  # up to so many segments are computed one by one; more of them in blocks


def sustained_w(idle_w: npt.ArrayLike, max_w: npt.ArrayLike, throttled_factor: npt.ArrayLike) -> Array:
    """H: the power above idle in W that a device can shed for ever at its limit.

    Args:
        idle_w, max_w: power idle and under full load, in W.
        throttled_factor: speed that lasts under full load over full speed, in (0, 1].
    """
    return np.asarray((np.asarray(max_w) - idle_w) * np.asarray(throttled_factor) ** CLOCK_EXPONENT)


def before(heat: Array, target: Array, decay: Array) -> Array:
    """Heat at the start of each of S stretches.

    One stretch takes θ to min(1, θ∞ + (θ − θ∞)·decay); how long it then stays at 1 does not matter to the next one.
    Such maps θ -> min(u, c + a·θ) are closed under composition, so a long row of them is composed in blocks.

    Args:
        heat: [D] at the start of the first stretch, in [0, 1].
        target: [D, S] θ∞ of each stretch.
        decay: [D, S] exp(−seconds/τ), the seconds at full speed.

    Returns: [D, S].
    """
    return _chain(heat, np.ones_like(target), target * (1.0 - decay), decay)


def _chain(heat: Array, limit: Array, added: Array, kept: Array) -> Array:
    """Apply θ -> min(limit, added + kept·θ) from left to right; [D, S] θ before each map."""
    devices, count = added.shape
    if count <= _COLUMNS:
        starts = np.empty_like(added)
        for j in range(count):
            starts[:, j] = heat
            heat = np.minimum(limit[:, j], added[:, j] + kept[:, j] * heat)
        return starts
    size = int(np.ceil(np.sqrt(count)))
    blocks = -(-count // size)
    # Filled up with maps that change nothing: θ never passes 1.
    parts = [
        np.pad(values, ((0, 0), (0, blocks * size - count)), constant_values=fill).reshape(devices, blocks, size)
        for values, fill in ((limit, 1.0), (added, 0.0), (kept, 1.0))
    ]
    whole = [part[:, :, 0] for part in parts]
    for j in range(1, size):
        u, c, a = (part[:, :, j] for part in parts)
        whole = [np.minimum(u, c + a * whole[0]), c + a * whole[1], a * whole[2]]
    inner = _chain(heat, *whole)
    starts = np.empty_like(parts[0])
    for j in range(size):
        starts[:, :, j] = inner
        inner = np.minimum(parts[0][:, :, j], parts[1][:, :, j] + parts[2][:, :, j] * inner)
    return starts.reshape(devices, blocks * size)[:, :count]


def seconds_to_limit(heat: Array, target: Array, time_constant_s: Array) -> Array:
    """τ·ln((θ∞ − θ)/(θ∞ − 1)): seconds until the heat reaches 1; inf where θ∞ <= 1.

    Args:
        heat: [D, S] at the start, in [0, 1].
        target: [D, S] θ∞.
        time_constant_s: τ, [D, 1].
    """
    hot = target > 1.0
    over = np.where(hot, target, 2.0)
    return np.where(hot, time_constant_s * np.log((over - heat) / (over - 1.0)), np.inf)
