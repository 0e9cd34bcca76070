"""Numbers, units, counts and lists as people read them: the one place where values become text.

Shares are written in per cent ("50 %"), their differences in percentage points, bytes in powers of ten. A report page
gets the same `NumberFormat` objects as data, so that its script follows the same rules. Nothing of edgesim is imported.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

UNKNOWN = "–"
"""text of a value that is not known"""
MOST_PLAIN = 1e9
"""numbers of this size and more are written with an exponent"""
PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6))
_MOST_DIGITS = 17  # enough to distinguish any two doubles
_LEAST_SHARE = 1e-4


_STEERING = frozenset({*range(32), *range(127, 160), 0x2028, 0x2029} - {9, 10})
_BIDIRECTIONAL = frozenset({0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)})


class _Written(dict[int, str]):
    """Code of a character -> what is written.

    Escaped are characters that steer a terminal or reorder a line, and parts of names that are not UTF-8.
    """

    def __missing__(self, code: int) -> str:
        is_hidden = code in _STEERING or code in _BIDIRECTIONAL or 0xD800 <= code < 0xE000
        written = self[code] = chr(code).encode("unicode_escape").decode() if is_hidden else chr(code)
        return written


_WRITTEN = _Written()


def visible(text: str) -> str:
    """A text with control characters written as escapes (`\\x1b`): whatever it holds, a terminal only prints it."""
    return text.translate(_WRITTEN)


@dataclass(frozen=True)
class NumberFormat:
    """Rule by which a column's numbers are written: a fixed number of decimals, or of significant digits."""

    digits: int = 4
    """significant digits, where `decimals` is None; whole numbers below 1e9 keep all digits"""
    decimals: int | None = None
    factor: float = 1.0
    """multiplies the value first: 100 for per cent"""
    unit: str = ""
    """follows the number, with its space"""
    sign: bool = False
    """write the sign of positive numbers, too"""
    grouping: bool = True
    """commas at thousands"""
    least: float = 0.0
    """smaller values are written as '<least'; 0 = no such limit"""

    def __call__(self, value: float) -> str:
        """The value as text; UNKNOWN where it is not finite."""
        if not math.isfinite(value):
            return UNKNOWN
        if self.least and value < self.least:
            return f"<{self.least:f}".rstrip("0")
        value, comma = value * self.factor, "," if self.grouping else ""
        sign = "+" if self.sign else ""
        if self.decimals is not None:
            return f"{round(value, self.decimals) + 0.0:{sign}{comma}.{self.decimals}f}{self.unit}"
        if 10 ** (self.digits - 1) <= abs(value) < MOST_PLAIN:
            return f"{value:{sign}{comma}.0f}{self.unit}"
        return f"{value:{sign}{comma}.{self.digits}g}{self.unit}"

    @property
    def settings(self) -> dict[str, Any]:
        """Fields that differ from their defaults, as the script of a page reads them."""
        fields = dataclasses.fields(self)
        return {one.name: value for one in fields if (value := getattr(self, one.name)) != one.default}


NUMBER = NumberFormat()
PERCENT = NumberFormat(decimals=1, factor=100, unit=" %")
POINTS = NumberFormat(decimals=2, factor=100, unit=" pp", sign=True)
SIGNED = NumberFormat(decimals=3, sign=True)
SPREAD = NumberFormat(decimals=1, factor=100, unit=" pp")
COUNT = NumberFormat(decimals=0)
IDENTIFIER = NumberFormat(decimals=0, grouping=False)
P_VALUE = NumberFormat(digits=2, least=1e-4)


def number(value: float, digits: int = 4) -> str:
    """Number with so many significant digits; whole numbers in full: 0.01235, 12.3, 12,345, 1.2e+12."""
    return NumberFormat(digits)(value)


def percent(share: float | np.floating[Any], decimals: int = 1, sign: bool = False) -> str:
    """Share in per cent with so many decimals: 12.3 %; with its sign where asked: +12.3 %."""
    return dataclasses.replace(PERCENT, decimals=decimals, sign=sign)(float(share))


def short_percent(share: float, digits: int = 3) -> str:
    """Share >= 0 in per cent with so many significant digits: 50 %, 0.034 %, <0.01 %; near the whole 99.6 %."""
    if 0 < share < _LEAST_SHARE:
        return "<0.01 %"
    return f"{number(100 * share, max(digits, 3) if 0.995 <= share < 1 else digits)} %"


def rounded_percent(share: float) -> str:
    """Share in per cent for a narrow column: a decimal below 10 % and near the whole only: 38 %, 9.4 %, 99.6 %."""
    return percent(share, 0 if 0.0995 <= abs(share) < 0.995 or share in (0, 1) else 1)


def points(difference: float, sign: bool = True, unit: str = " points") -> str:
    """Difference of two shares in percentage points, for sentences: -0.0123 -> '-1.2 points'."""
    return NumberFormat(decimals=1, factor=100, unit=unit, sign=sign)(difference)


def scaled(value: float, unit: str, least: str = "", digits: int = 3) -> str:
    """Number and unit, with the prefix that keeps the number between 1 and 1,000: 160 KFLOP/s, 66 mW.

    Args:
        value: >= 0, in `unit`.
        unit: such as B, FLOP/s, W.
        least: smallest prefix of PREFIXES to use.
        digits: significant digits.
    """
    rounded = float(f"{value:.{digits}g}")
    usable = PREFIXES[: [prefix for prefix, _ in PREFIXES].index(least) + 1]
    prefix, factor = next(((p, f) for p, f in usable if rounded >= f), usable[-1] if rounded else ("", 1.0))
    return f"{number(rounded / factor, digits)} {prefix}{unit}"


def size(count: float, digits: int = 3) -> str:
    """Bytes in powers of ten, as data sheets count: 512 B, 3.1 GB."""
    return scaled(count, "B", digits=digits)


def watts(value: float) -> str:
    """W, and mW below a tenth of one."""
    return f"{number(value, 3)} W" if value >= 0.1 else scaled(value, "W", "m")


def duration(seconds: float) -> str:
    """Duration in words: 3725 -> '1 h 2 min 5 s'."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def distinguished(
    one: float, other: float, write: Callable[[float, int], str] = number, digits: int = 4
) -> tuple[str, str]:
    """Both numbers as text, with more than `digits` digits where these would read alike."""
    for enough in range(digits, _MOST_DIGITS + 1):
        written = write(one, enough), write(other, enough)
        if written[0] != written[1] or one == other:
            return written
    return written


def text(value: Any) -> str:
    """Name or reason; UNKNOWN for nothing."""
    return UNKNOWN if value is None or value == "" or (isinstance(value, float) and math.isnan(value)) else str(value)


def n_of(count: float, noun: str, plural: str | None = None) -> str:
    """Number and its noun: 1 fault, 2 faults, 1,200 faults, 0.5 points.

    Args:
        count: how many, or how much.
        noun: for one.
        plural: for any other number, where it is not the noun and an s.
    """
    written = f"{count:,.0f}" if float(count).is_integer() else number(count)
    return f"{written} {noun if written == '1' else plural or f'{noun}s'}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: 'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def capital(text: str) -> str:
    """Text with a capital first letter; 'mAP' and 'R2' keep theirs."""
    return text if any(letter.isupper() for letter in text.split(" ")[0]) else f"{text[0].upper()}{text[1:]}"


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in short: 0, 1, 2, 7 -> '0-2, 7'."""
    runs: list[list[int]] = []
    for value in sorted({int(n) for n in numbers}):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
