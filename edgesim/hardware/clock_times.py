"""Types of times in a document: seconds, or clock times counted from the start of the scenario."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from edgesim.config.plausible import PlausibleRange

_CLOCK = re.compile("([0-9]{1,6}):([0-5][0-9])(?::([0-5][0-9]))?")


def seconds(value: Any) -> float | None:
    """Seconds of a number, or of a clock time: 79,200 for 22:00 and 22:00:00, 5,400 for 1:30; None of anything else."""
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + rest)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None


class _ClockTimes:
    """Lets a field in seconds take clock times, counted from the start of the scenario."""

    @staticmethod
    def _read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if (read_s := seconds(value)) is None:
            raise PydanticCustomError("clock", "must be seconds, or a clock time like 22:00 or 22:00:00")
        return read_s

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": f"^{_CLOCK.pattern}$"}]}


Period = Annotated[float, Field(gt=0, le=1e9), PlausibleRange(1.0, 1e9, "s"), _ClockTimes()]
Moment = Annotated[float, Field(ge=0, le=1e9), _ClockTimes()]
