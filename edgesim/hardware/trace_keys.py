"""Keys that say which part of a trace file a device follows, common to availability and energy."""

from __future__ import annotations

import math
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import Fault
from edgesim.hardware.clock_times import Period, seconds

EACH = "each"
"""`user: each` deals the users of a trace to the devices of a group"""
LATEST_S = 4_102_444_800.0
"""2100-01-01 as Unix seconds; later times are most likely milliseconds"""
_DAY_S = 86_400


@checked_dataclass(kw_only=True)
class TraceKeys(Bounded):
    """A trace file, and the part of it that a device follows."""

    trace: Annotated[str, Field(min_length=1)] | None = None
    """file of a trace (CSV, parquet, or FedScale's availability as JSON), beside this file or below $EDGESIM_DATA"""
    user: str | None = None
    """rows that count: those with this text in the column `user`. `each` gives every device of the group another user,
    in the order of their names; after the last one the first follows again"""
    site: str | None = None
    """as `user`, with the column `site`"""
    start: Annotated[float, Field(ge=0, le=LATEST_S)] | str | None = None
    """second 0 of the scenario: a value of the column `t`, a time like 2016-06-01T06:00:00+02:00, or a clock time like
    22:00, the first one in the trace; left out: the first row"""
    timezone: str | None = None
    """of `start`: a name like America/Los_Angeles, or an offset like -07:00; left out: UTC"""
    length_s: Period | None = None
    """seconds of the trace that are used, or a clock time (24:00 for a day); left out: up to its end"""
    repeats: bool | None = None
    """true: the part that is used begins again after its end; false: afterwards the device is unavailable, harvests
    nothing, and is not charged; left out: true"""
    gap_s: Annotated[float, Field(gt=0, le=1e9), PlausibleRange(1.0, 1e9, "s")] | None = None
    """distance between two rows from which on there is a gap; left out: 1.5 times the usual distance, the median"""


KEYS = ("trace", "user", "site", "start", "timezone", "length_s", "repeats", "gap_s")
"""fields of TraceKeys"""


def key_faults(given: dict[str, Any], own: tuple[str, ...]) -> list[Fault]:
    """Contradictions between the keys of a trace in a document's map.

    Args:
        given: the map.
        own: keys of its own that only a trace gives a meaning.
    """
    if given.get("trace") is None:
        used = [key for key in (*KEYS, *own) if given.get(key) not in (None, {}, "refuse")]
        return [Fault(key, "has a meaning only with `trace`; add it, or leave this out") for key in used]
    found = []
    if given.get("user") is not None and given.get("site") is not None:
        found.append(Fault("site", "stands beside user; rows are chosen by one column: keep one"))
    for key in ("user", "site"):
        if isinstance(given.get(key), float):
            found.append(Fault(key, "is a number to YAML, as 27E04243 is; put quotes around the name"))
    zone = given.get("timezone")
    if isinstance(zone, str) and zone_of(zone) is None:
        form = "must be a name of the IANA time zones, like America/Los_Angeles, or an offset, like +02:00"
        found.append(Fault("timezone", f"{form}; got '{zone}'"))
    start = given.get("start")
    if isinstance(start, str) and seconds(start) is None and _date(start) is None:
        form = "must be a value of the column t, a time like 2016-06-01T06:00:00+02:00, or a clock time like 22:00"
        found.append(Fault("start", f"{form}; got '{start}'"))
    return found


def start_s(keys: TraceKeys, first_s: float) -> float:
    """Second of the trace's column `t` at which the scenario starts.

    Args:
        keys: checked.
        first_s: `t` of the first row. A clock time is the first one that is not before it.
    """
    if keys.start is None:
        return first_s
    if not isinstance(keys.start, str):
        return keys.start
    zone = zone_of(keys.timezone or "UTC")
    assert zone is not None  # checked
    clock_s = seconds(keys.start)
    if clock_s is None:
        moment = _date(keys.start)
        assert moment is not None  # checked
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    day = datetime.fromtimestamp(first_s, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    days, rest_s = divmod(clock_s, _DAY_S)
    for later in range(int(days), int(days) + 3):
        # On the wall clock: a day of 23 or 25 hours shifts no clock time.
        found = (day + timedelta(days=later, seconds=rest_s)).replace(tzinfo=zone).timestamp()
        if found >= first_s:
            return found
    raise AssertionError("a clock time comes every day")


def zone_of(name: str) -> tzinfo | None:
    """A time zone by its IANA name or its offset; None where there is none such."""
    if name[:1] in ("+", "-") and (offset_s := seconds(name[1:])) is not None and offset_s < _DAY_S:
        return timezone(timedelta(seconds=math.copysign(offset_s, -1 if name[0] == "-" else 1)))
    try:
        return zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return None


def _date(text: str) -> datetime | None:
    """An ISO 8601 date with a time; None of anything else."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
