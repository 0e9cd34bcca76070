"""Numbers as a person reads them: three or four digits, never an exponent where a unit or a comma will do."""

from __future__ import annotations

import math

PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6))
_PLAIN = (-4, 9)
"""powers of ten between which numbers are written out"""


def plain(value: float, digits: int = 4) -> str:
    """Up to so many significant digits, with commas at thousands; an exponent only for the very small and large."""
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or not math.isfinite(rounded):
        return f"{rounded:g}"
    power = math.floor(math.log10(abs(rounded)))
    if not _PLAIN[0] <= power < _PLAIN[1]:
        return f"{rounded:.{digits}g}"
    text = f"{rounded:,.{max(0, digits - 1 - power)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scaled(value: float, unit: str, least: str = "") -> str:
    """Three digits and the unit with the prefix that keeps the number between 1 and 1,000.

    Args:
        value: >= 0, in `unit`.
        unit: such as B, FLOP/s, W.
        least: the smallest prefix of PREFIXES to use.
    """
    rounded = float(f"{value:.3g}")
    usable = PREFIXES[: [prefix for prefix, _ in PREFIXES].index(least) + 1]
    prefix, factor = next(((p, f) for p, f in usable if rounded >= f), usable[-1] if rounded else ("", 1.0))
    return f"{plain(rounded / factor, 3)} {prefix}{unit}"


def percent(share: float) -> str:
    """A share with two digits: 11 %, 2.3 %, 0.9 %, <0.1 %; three near all of it: 99.6 %."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{plain(100 * share, 3 if 0.995 <= share < 1 else 2)} %"


def watts(value: float) -> str:
    """W, and mW below a tenth of one."""
    return f"{plain(value, 3)} W" if value >= 0.1 else scaled(value, "W", "m")
