"""Facts that identify a run, and limits by its state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from edgesim.analysis.grouping import ok
from edgesim.formatting import duration, n_of, percent, size
from edgesim.results.run_info import REPORT_MISSING


def facts(info: dict[str, Any], records: pd.DataFrame) -> list[tuple[str, str]]:
    """Facts that identify a run: (label, text); unknown ones are left out."""
    command, noise = info.get("command"), info.get("label_noise")
    rows: list[tuple[str, Any]] = [
        ("Scenario", info.get("scenario")),
        ("Status", _status(info)),
        ("Reason", info.get("reason")),
        ("Trials", _listed(info.get("trials") or dict(records["status"].value_counts()))),
        ("Devices", len(records["device"].unique()) or None),
        ("Seeds", ", ".join(map(str, info.get("seeds") or []))),
        (
            "Label noise",
            f"{percent(noise)} of the training labels are wrong on purpose" if noise else None,
        ),
        ("Verified", _verified(info)),
        ("Changed between sessions", _changes(info)),
        ("Started", _moment(info.get("started"))),
        ("Finished", _moment(info.get("finished"))),
        ("Duration", duration(info["wall_s"]) if info.get("wall_s") is not None else None),
        ("Host", _listed(info.get("host") or {})),
        ("Versions", _listed(info.get("versions") or {})),
        ("Git commit", info.get("git_commit")),
        ("Command", " ".join(command) if isinstance(command, list) else command),
    ]
    return [(label, str(value)) for label, value in rows if value not in (None, "")]


def headline(info: dict[str, Any], records: pd.DataFrame) -> str:
    """State, size, duration and commit in one line."""
    parts = [
        _status(info) or "unknown",
        n_of(len(records), "trial"),
        n_of(records["device"].nunique(), "device"),
        n_of(records["seed"].nunique(), "seed"),
        duration(info["wall_s"]) if info.get("wall_s") is not None else "",
        f"commit {str(info['git_commit'])[:8]}" if info.get("git_commit") else "",
    ]
    return " · ".join(part for part in parts if part)


def _status(info: dict[str, Any]) -> str | None:
    """The status of the run; on a page that is the missing report, it is not missing."""
    status = info.get("status")
    return None if status is None else str(status).removesuffix(REPORT_MISSING)


def _verified(info: dict[str, Any]) -> str:
    """Trials that were trained again, and how many of them were equal."""
    found = info.get("verified") or []
    total, equal = (sum(one.get(name, 0) for one in found) for name in ("trials", "equal"))
    return f"{n_of(total, 'trial')} trained again, {equal:,} of them equal bit for bit" if total else ""


def _changes(info: dict[str, Any]) -> str:
    """Changes between the sessions of a run that were accepted."""
    found = [change for session in info.get("sessions") or [] for change in session.get("accepted", [])]
    return "; ".join(f"{one.get('what')}: {one.get('was')}, then {one.get('now')}" for one in found)


def limits(records: pd.DataFrame, info: dict[str, Any]) -> list[str]:
    """Limits by the state of the run, in sentences; the verdict has those by its size."""
    missing = n_of((info.get("trials") or {}).get("missing") or 0, "trial")
    notes = {
        "running": f"This run is still going, with {missing} missing, so every number may change.",
        "stopped": f"This run stopped with {missing} missing; run it again with --resume.",
        "interrupted": f"This run was interrupted with {missing} missing; run it again with --resume.",
        "failed": f"This run failed with {missing} missing.",
    }
    sentences = [notes[info["status"]]] if info.get("status") in notes else []
    if _changes(info):
        mixed = "Something changed between the sessions of this run, so its trials may not be comparable"
        sentences.append(f"{mixed}: {_changes(info)}.")
    sentences += [f"{note[:1].upper()}{note[1:]}." for note in info.get("training_notes") or []]
    good = ok(records)
    if 0 < len(good) < len(records):
        sentences.append("Means are over the trials that ended well. Rows with different numbers of trials are over "
                         "different devices.")  # fmt: skip
    return sentences


def data_notes(info: dict[str, Any]) -> tuple[str, ...]:
    """Notes on how the data were read: samples left out, missing, duplicate or reinterpreted."""
    given = info.get("data_notes")
    return tuple(map(str, given)) if isinstance(given, list) else ()


def _moment(text: Any) -> Any:
    """'2026-11-25T21:17:21+00:00' as '2026-11-25 21:17:21 UTC'; other values unchanged."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (TypeError, ValueError):
        return text


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(_sized(key, value) for key, value in values.items())


def _sized(key: str, value: Any) -> str:
    if key.endswith("_bytes") and isinstance(value, int):
        return f"{key.removesuffix('_bytes')} {size(value)}"
    return f"{key} {value}"
