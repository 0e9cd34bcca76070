"""Which run it is, and what it cannot say."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edgesim import analysis
from edgesim.report import columns

FEW = 5
"""seeds or devices below which the bootstrap's intervals are known to be too narrow"""


def facts(info: dict[str, Any], records: pd.DataFrame) -> list[tuple[str, str]]:
    """What a reader needs to know which run this is: (label, text), unknown ones left out."""
    command = info.get("command")
    rows: list[tuple[str, Any]] = [
        ("Status", info.get("status")),
        ("Reason", info.get("reason")),
        ("Trials", _listed(info.get("trials") or dict(records["status"].value_counts()))),
        ("Devices", len(records["device"].unique()) or None),
        ("Seeds", ", ".join(map(str, info.get("seeds") or []))),
        ("Started", info.get("started")),
        ("Finished", info.get("finished")),
        ("Duration", columns.duration(info["wall_s"]) if info.get("wall_s") is not None else None),
        ("Host", _listed(info.get("host") or {})),
        ("Versions", _listed(info.get("versions") or {})),
        ("Git commit", info.get("git_commit")),
        ("Command", " ".join(command) if isinstance(command, list) else command),
    ]
    return [(label, str(value)) for label, value in rows if value not in (None, "")]


def limits(records: pd.DataFrame, info: dict[str, Any]) -> list[str]:
    """What this run cannot say, and why, in sentences."""
    good = analysis.ok(records)
    seeds, devices = good["seed"].nunique(), good["device"].nunique()
    counted = info.get("trials") or {}
    missing = _number(counted.get("missing") or 0, "trial")
    notes = {
        "running": f"This run is still going, with {missing} missing: every number here may change.",
        "interrupted": f"This run was interrupted with {missing} missing; run it again with --resume.",
        "failed": f"This run failed with {missing} missing.",
    }
    said = [notes[info["status"]]] if info.get("status") in notes else []
    if good.empty:
        return [*said, "No trial has ended well: there is no accuracy, no cost and no comparison to report."]
    lost = len(records) - len(good)
    if lost:
        said.append(
            f"{_number(lost, 'trial')} did not end well. A mean is over the trials that did, so rows with "
            "different numbers of trials are not over the same devices."
        )
    if analysis.FULL not in set(good["method"]):
        said.append("No trial of full has ended well: what pruning saves, and what it costs, cannot be said.")
    if analysis.RANDOM not in set(good["method"]):
        said.append("No trial of random has ended well: whether a method beats chance cannot be said.")
    if seeds == 1 and devices == 1:
        said.append("One seed and one device: there are no intervals.")
    elif seeds == 1:
        said.append("One seed: intervals cover the choice of devices only, not the chance of another run.")
    elif devices == 1:
        said.append("One device: intervals cover seeds only, and nothing is said about other devices.")
    if max(seeds, devices) > 1 and min(n for n in (seeds, devices) if n > 1) < FEW:
        said.append(
            f"{_number(seeds, 'seed')} and {_number(devices, 'device')}: with fewer than {FEW} of either, "
            "the intervals are too narrow."
        )
    return said


def _number(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(_sized(key, value) for key, value in values.items())


def _sized(key: str, value: Any) -> str:
    if key.endswith("_bytes") and isinstance(value, int):
        return f"{key.removesuffix('_bytes')} {value / 2**30:.1f} GiB"
    return f"{key} {value}"
