"""Patterns over time that a device works under: windows of availability, and power that its battery receives.

All functions depend on time alone: in any order of calls the results are equal. Time is in seconds from the start of
the scenario. Patterns come from the lists of a document (`conditions`) or from a trace file (`traces`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FOREVER_S = 1e12
"""period of a pattern that does not repeat: longer than any emulation"""


@dataclass(frozen=True)
class PowerPattern:
    """Power in steps of constant watts, repeated after its period. Equal where all its numbers are."""

    starts_s: Array = field(compare=False, repr=False)
    """[M] start of every step, rising, the first 0"""
    power_w: Array = field(compare=False, repr=False)
    """[M] that the battery receives; negative where the owner's use takes more than the idle device draws"""
    period_s: float
    on_mains: Flags | None = field(default=None, compare=False, repr=False)
    """[M] True where the mains carry the device, so that it draws nothing from the battery; None = nowhere"""
    key: str = field(init=False, default="")
    """hash of the numbers"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _hash(self.starts_s, self.power_w, self.on_mains))

    def __len__(self) -> int:
        return len(self.starts_s)

    def energy_j(self, time_s: npt.ArrayLike) -> Array:
        """Energy received from time 0 to `time_s` >= 0, by the closed form of the repeating steps.

        Args:
            time_s: seconds, of any shape.

        Returns: joules, of the shape of `time_s`.
        """
        moments, starts, power_w = np.asarray(time_s, dtype=np.float64), self.starts_s, self.power_w
        gained_j = np.concatenate([[0.0], np.cumsum(np.diff([*starts, self.period_s]) * power_w)])
        cycles = np.floor(moments / self.period_s)
        inside_s = moments - cycles * self.period_s
        step = np.clip(np.searchsorted(starts, inside_s, side="right") - 1, 0, None)
        return np.asarray(cycles * gained_j[-1] + gained_j[step] + (inside_s - starts[step]) * power_w[step])

    def changes(self, from_s: float, to_s: float) -> tuple[Array, Array, Flags | None]:
        """The steps that overlap [from_s, to_s].

        Returns: their starts in s (the first one is `from_s`), powers in W, and where the mains carry the device (None
            = nowhere). All are [K], K >= 1.
        """
        first, last = int(from_s // self.period_s), int(to_s // self.period_s)
        # Only the cycles' parts that can overlap are unrolled: a trace may have tens of thousands of steps.
        part = slice(0, len(self))
        if first == last:  # one step more on both sides, for the rounding of the times below
            inside_s = np.array([from_s, to_s]) - first * self.period_s
            low, high = (int(place) for place in np.searchsorted(self.starts_s, inside_s))
            part = slice(max(low - 2, 0), high + 2)
        times = (np.arange(first, last + 1)[:, None] * self.period_s + self.starts_s[part]).ravel()
        begin = max(int(np.searchsorted(times, from_s, side="right")) - 1, 0)
        end = max(int(np.searchsorted(times, to_s, side="left")), begin + 1)
        times = times[begin:end].copy()
        times[0] = from_s
        powers = np.tile(self.power_w[part], last - first + 1)[begin:end]
        mains = None if self.on_mains is None else np.tile(self.on_mains[part], last - first + 1)[begin:end]
        return times, powers, mains

    def cuts(self, from_s: float, steps: int) -> Iterator[float]:
        """Times after `from_s`, without end, between which the pattern has about `steps` steps."""
        if len(self) <= steps:
            length_s = self.period_s * -(-steps // len(self))
            count = 0
            while True:
                count += 1
                yield from_s + count * length_s
        marks = self.starts_s[::steps]
        cycle = int(from_s // self.period_s)
        while True:
            yield from (mark for mark in (cycle * self.period_s + marks).tolist() if mark > from_s)
            cycle += 1


@dataclass(frozen=True)
class Windows:
    """Windows of time in which a device may work. Equal where all their numbers are."""

    from_s: Array = field(compare=False, repr=False)
    """[W] starts, rising; none where the device may never work"""
    to_s: Array = field(compare=False, repr=False)
    """[W] ends, each up to the next start"""
    period_s: float
    repeats: bool = True
    """False: the device may not work after the last window"""
    key: str = field(init=False, default="")
    """hash of the numbers"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _hash(self.from_s, self.to_s, None))

    def __len__(self) -> int:
        return len(self.from_s)

    def openings(self, start_s: float) -> Iterator[tuple[float, float]]:
        """The windows (from_s, to_s) from `start_s` on; the first may have begun before. Without end if they repeat."""
        cycle = int(start_s // self.period_s) if self.repeats else 0
        while len(self):
            skipped = int(np.searchsorted(self.to_s, start_s - cycle * self.period_s - self.period_s * 1e-9))
            for from_s, to_s in zip(self.from_s[skipped:].tolist(), self.to_s[skipped:].tolist(), strict=True):
                begin, end = cycle * self.period_s + from_s, cycle * self.period_s + to_s
                if end > start_s:
                    yield max(begin, start_s), end
            if not self.repeats:
                return
            cycle += 1


def merged(edges_s: Array, *values: npt.NDArray) -> tuple[Array, tuple[npt.NDArray, ...]]:
    """Neighbouring steps with equal values as one.

    Args:
        edges_s: [K + 1] bounds of the steps.
        values: arrays [K], compared together.

    Returns: bounds of the fewer steps, and their values.
    """
    changed = np.ones(len(edges_s) - 1, dtype=bool)
    changed[1:] = np.any([value[1:] != value[:-1] for value in values], axis=0)
    places = np.flatnonzero(changed)
    return np.append(edges_s[places], edges_s[-1]), tuple(value[places] for value in values)


def _hash(first: Array, second: npt.NDArray, third: npt.NDArray | None) -> str:
    parts = [np.ascontiguousarray(first), np.ascontiguousarray(second)]
    digest = hashlib.blake2b(digest_size=12)
    for part in [*parts, *([] if third is None else [np.ascontiguousarray(third)])]:
        digest.update(part.tobytes())
    return digest.hexdigest()
