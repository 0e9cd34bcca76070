"""Numbers as a person reads them, with as many digits as tell two of them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_MOST_DIGITS = 17  # which tell any two doubles apart


def size(count: float, digits: int = 3) -> str:
    """Bytes: 512 B, 3.1 GB (powers of ten, as data sheets count)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{_plain(count / factor, digits)} {unit}"
    return f"{count:.0f} B"


def amount(value: float, digits: int = 4) -> str:
    """A number with thousands set off: 1,234."""
    return _plain(value, digits)


def share(part: float) -> str:
    """A share in per cent, three digits: 50 %, 0.034 %."""
    return f"{100 * part:.3g} %" if part == 0 or part >= 1e-4 else "under 0.01 %"


def per_cent(part: float | np.floating[Any], decimals: int = 1, sign: bool = False) -> str:
    """A share in per cent with so many decimals: 12.3 %; with its sign where asked: +12.3 %."""
    return f"{100 * part:{'+' if sign else ''}.{decimals}f} %"


def apart(one: float, other: float, write: Callable[[float, int], str], digits: int) -> tuple[str, str]:
    """Both numbers, with more digits than `digits` where these show no difference between them."""
    for enough in range(digits, _MOST_DIGITS + 1):
        written = write(one, enough), write(other, enough)
        if written[0] != written[1] or one == other:
            return written
    return written


def _plain(value: float, digits: int) -> str:
    """So many digits, and all those before the point: never 1e+03."""
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:,.{digits}g}"
