"""Parts of a device's emulated time and energy: start-up, scoring, training."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import comparable, complete, groups, mean, ok

TIME_PARTS = ("device_startup_s", "device_score_time_s", "device_train_time_s")
ENERGY_PARTS = ("device_startup_energy_j", "device_work_energy_j")
PART_COLUMNS = ["method", "keep_ratio", "trials", *TIME_PARTS, *ENERGY_PARTS]


def cost_parts(records: pd.DataFrame) -> pd.DataFrame:
    """Parts of a device's emulated time and energy per method and keep_ratio, means over seeds and devices.

    Args:
        records: one row per trial.

    Returns: PART_COLUMNS over the pairs that finish all of them (`grouping.comparable`); where no pair does, over all
        trials that ended well. The times add up to device_time_s; `device_work_energy_j` is
        device_energy_j without that of start-up. Where start-up is unknown it is NaN, and part of training.
    """
    rows = [(method, ratio, len(part), *_means(part)) for method, ratio, part in groups(_comparable(_priced(records)))]
    return pd.DataFrame(rows, columns=PART_COLUMNS)


def parts_by_profile(records: pd.DataFrame) -> pd.DataFrame:
    """Parts per profile, in order of first appearance: `profile` and PART_COLUMNS."""
    good = _priced(records)
    rows = [
        (profile, method, ratio, len(part), *_means(part))
        for profile in dict.fromkeys(good["profile"])
        for method, ratio, part in groups(_comparable(good[good["profile"] == profile]))
    ]
    return pd.DataFrame(rows, columns=["profile", *PART_COLUMNS])


def _priced(records: pd.DataFrame) -> pd.DataFrame:
    known = complete(records)
    good = ok(known.reindex(columns=list(dict.fromkeys([*known.columns, *TIME_PARTS, ENERGY_PARTS[0]]))))
    work_j = good["device_energy_j"] - good["device_startup_energy_j"].fillna(0.0)
    return good.assign(device_work_energy_j=work_j)


def _comparable(good: pd.DataFrame) -> pd.DataFrame:
    same, _ = comparable(good)
    return same if len(same) else good


def _means(part: pd.DataFrame) -> list[float]:
    return [mean(part[name]) for name in (*TIME_PARTS, *ENERGY_PARTS)]
