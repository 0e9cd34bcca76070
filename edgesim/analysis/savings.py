"""Savings of a fleet by pruning: sums of emulated prices, with start-up as a separate part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, KEYS, ok, partner_rows
from edgesim.analysis.intervals import Interval, ratio_interval
from edgesim.formatting import percent

WORTH = 0.01
"""share of time or energy from which a saving is worthwhile"""
NOTHING = 0.001
"""a saving below this share counts as none"""


def saving(records: pd.DataFrame, method: str, ratio: float, column: str) -> Interval:
    """Share of a cost that the fleet saves against `full` on the same seeds and devices, scoring included.

    Costs are summed over the devices of a seed; the interval is over seeds, for this fleet.

    Returns: 1 - sum / sum of `full`; `n` counts seeds.
    """
    good = ok(records)
    name = good["method"].to_numpy(dtype=object)
    part, full = good[(name == method) & np.isclose(good["keep_ratio"], ratio)], good[name == FULL]
    base = np.append(full[column].to_numpy(dtype=np.float64), np.nan)[partner_rows(part, full)]
    pairs = part[[*KEYS, column]].assign(base=base).dropna()
    if pairs.empty:
        return Interval()
    sums = pairs.groupby("seed")[[column, "base"]].sum()
    found = ratio_interval(sums[column].to_numpy()[None, :], sums["base"].to_numpy()[None, :])
    devices = pairs["device"].nunique()
    return found._replace(estimate=1 - found.estimate, low=1 - found.high, high=1 - found.low, devices=devices)


def saved_in_words(time: float, energy: float) -> str:
    """'saves 40.0 % of the time and 38.0 % of the energy', 'saves 5.0 % of the energy but takes 3.0 % more time'.

    Args:
        time, energy: shares saved, negative where more is taken; NaN = unknown, at most one of them.
    """
    known = [(share, name) for share, name in ((time, "time"), (energy, "energy")) if np.isfinite(share)]
    saves = [f"{percent(share)} of the {name}" for share, name in known if share >= NOTHING]
    takes = [f"{percent(-share)} more {name}" for share, name in known if share <= -NOTHING]
    keeps = [f"the {name}" for share, name in known if abs(share) < NOTHING]
    parts = [f"{verb} {' and '.join(amounts)}" for verb, amounts in (("saves", saves), ("takes", takes)) if amounts]
    parts += [f"changes {' and '.join(keeps)} by less than {percent(NOTHING)}"] if keeps else []
    return " but ".join(parts)


def startup_share(records: pd.DataFrame) -> float:
    """Share of full training's emulated time that is start-up; NaN where it is unknown."""
    full = records[records["method"] == FULL].dropna(subset=["device_startup_s", "device_time_s"])
    total = float(full["device_time_s"].sum())
    return float(full["device_startup_s"].sum()) / total if total > 0 else np.nan


def warm_saving(records: pd.DataFrame, method: str, ratio: float) -> float:
    """Share of the time saved without start-up on both sides; NaN where it is unknown."""
    warm = records.assign(warm_s=records["device_time_s"] - records["device_startup_s"])
    return saving(warm, method, ratio, "warm_s").estimate


def by_profile(good: pd.DataFrame, method: str, ratio: float) -> list[tuple[str, float, float]]:
    """(profile, time saved, energy saved) by the profile's devices together, the most time first."""
    rows = []
    for profile in dict.fromkeys(good["profile"]):
        own = good[good["profile"] == profile]
        time, energy = (saving(own, method, ratio, column).estimate for column in ("device_time_s", "device_energy_j"))
        if np.isfinite(time):
            rows.append((str(profile), time, energy))
    return sorted(rows, key=lambda row: -row[1])


def why_little(good: pd.DataFrame, method: str, ratio: float) -> str:
    """Sentence on start-up, where it explains the small saving; else empty."""
    share, warm = startup_share(good), warm_saving(good, method, ratio)
    if not (np.isfinite(share) and np.isfinite(warm)) or share < WORTH or warm < WORTH:
        return ""
    return (
        f" The reason is start-up: it takes {percent(share)} of full training's time. "
        f"Without it, {percent(warm)} would be saved."
    )
