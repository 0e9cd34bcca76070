"""How the numbers and texts of tables are written, each form under its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

UNKNOWN = "–"


@dataclass(frozen=True)
class Column:
    """A column of a table on the page."""

    label: str
    write: Callable[[Any], str]
    meaning: str

    @property
    def is_number(self) -> bool:
        """Whether its values are aligned to the right."""
        return self.write is not text

    @property
    def form(self) -> str:
        """The name under which the page's script (templates/format.js) knows how to write its values."""
        return self.write.__name__


def text(value: Any) -> str:
    """A name or a reason; a dash for nothing."""
    return UNKNOWN if value is None or value == "" or (isinstance(value, float) and np.isnan(value)) else str(value)


def percent(value: float) -> str:
    """A share as a percentage with one decimal: 0.8731 -> '87.3 %'."""
    return f"{no_minus_zero(100 * value, 1):.1f} %" if np.isfinite(value) else UNKNOWN


def spread(value: float) -> str:
    """A spread of shares in percentage points: 0.0213 -> '2.1 pp'."""
    return f"{no_minus_zero(100 * value, 1):.1f} pp" if np.isfinite(value) else UNKNOWN


def gap(value: float) -> str:
    """A difference of two shares in percentage points, with its sign: 0.0042 -> '+0.42 pp'."""
    return f"{no_minus_zero(100 * value, 2):+.2f} pp" if np.isfinite(value) else UNKNOWN


def ratio(value: float) -> str:
    """A keep_ratio as the scenario writes it: 0.1; four digits of one that a rule chose."""
    return f"{value:.4g}" if np.isfinite(value) else UNKNOWN


def quantity(value: float) -> str:
    """A number with a unit in its header: four significant digits, thousands apart: '1,234', '0.01235'."""
    if not np.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def count(value: float) -> str:
    """A whole number."""
    return f"{int(value):,}" if np.isfinite(value) else UNKNOWN


def plain_count(value: float) -> str:
    """A whole number that names something: 1234."""
    return f"{int(value)}" if np.isfinite(value) else UNKNOWN


def p_value(value: float) -> str:
    """A p-value with two digits: 0.0347 -> '0.035', and '< 0.0001' for less."""
    if not np.isfinite(value):
        return UNKNOWN
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A duration in words: 3725 -> '1 h 2 min 5 s'."""
    if not np.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def no_minus_zero(value: float, digits: int) -> float:
    """A rounded number, zero without a sign."""
    return round(value, digits) + 0.0
