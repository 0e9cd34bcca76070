"""Numbers, units, counts and lists as text: by hand, and each form once for Python and for the script of a page."""

from __future__ import annotations

import math

import pytest

from edgesim import formatting
from edgesim.cli import terminal_table
from edgesim.formatting import COUNT, IDENTIFIER, NUMBER, P_VALUE, PERCENT, POINTS, SPREAD


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (32_000, "B", "32 KB"),
        (512, "B", "512 B"),
        (999.6e9, "FLOP/s", "1 TFLOP/s"),
        (8.141e12, "FLOP/s", "8.14 TFLOP/s"),
        (1.6e5, "FLOP/s", "160 KFLOP/s"),
        (0, "B", "0 B"),
        (2e16, "FLOP/s", "20,000 TFLOP/s"),
    ],
)
def test_scaled_units_by_hand(value: float, unit: str, text: str) -> None:
    assert formatting.scaled(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (123456.0, "123,456"),
        (999.96, "1,000"),
        (1234.5678, "1,235"),
        (0.000123456, "0.0001235"),
        (1.5, "1.5"),
        (2.0, "2"),
        (0.0, "0"),
        (-12.3456, "-12.35"),
        (1.23456e12, "1.235e+12"),
        (1.2e-7, "1.2e-07"),
        (1e9, "1e+09"),
        (float("inf"), "–"),
    ],
)
def test_numbers_by_hand(value: float, text: str) -> None:
    assert formatting.number(value) == text
    assert terminal_table.NUMBER.fullmatch(text)


def test_watts_and_shares_by_hand() -> None:
    assert [formatting.watts(w) for w in (0.011, 0.1, 0.105, 12.7, 2000)] == [
        "11 mW",
        "0.1 W",
        "0.105 W",
        "12.7 W",
        "2,000 W",
    ]
    shares = (1.0, 0.112, 0.0228, 0.009, 0.994, 0.9963, 0.9951, 0.0, 3e-9, 0.0004)
    assert [formatting.short_percent(share, 2) for share in shares] == [
        "100 %", "11 %", "2.3 %", "0.9 %", "99 %", "99.6 %", "99.5 %", "0 %", "<0.01 %", "0.04 %",
    ]  # fmt: skip
    assert [formatting.short_percent(share) for share in (0.5, 0.00034, 0.1234)] == ["50 %", "0.034 %", "12.3 %"]
    narrow = (0.384, -0.123, 0.094, 0.9963, 1.0, -0.0003, math.nan)
    assert [formatting.rounded_percent(share) for share in narrow] == [
        "38 %", "-12 %", "9.4 %", "99.6 %", "100 %", "0.0 %", "–",
    ]  # fmt: skip
    assert [formatting.percent(0.1234, 0), formatting.percent(0.1234, 1, sign=True)] == ["12 %", "+12.3 %"]
    assert [formatting.points(0.0004), formatting.points(-0.0123), formatting.points(0.02, sign=False)] == [
        "+0.0 points", "-1.2 points", "2.0 points",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (PERCENT, 0.87312, "87.3 %"), (PERCENT, -0.0001, "0.0 %"), (PERCENT, math.nan, "–"),
        (POINTS, 0.0042, "+0.42 pp"), (POINTS, -0.1, "-10.00 pp"), (POINTS, math.nan, "–"),
        (SPREAD, 0.0213, "2.1 pp"), (SPREAD, math.nan, "–"),
        (NUMBER, 0.1, "0.1"), (NUMBER, 1.0, "1"),
        (NUMBER, 1234.5, "1,234"), (NUMBER, 0.012345, "0.01235"), (NUMBER, math.inf, "–"),
        (COUNT, 12345, "12,345"), (COUNT, math.nan, "–"),
        (formatting.text, "", "–"), (formatting.text, None, "–"), (formatting.text, "el2n", "el2n"),
        (P_VALUE, 0.0347, "0.035"), (P_VALUE, 9e-5, "<0.0001"), (P_VALUE, math.nan, "–"),
        (IDENTIFIER, 1234.0, "1234"), (IDENTIFIER, math.nan, "–"),
        (formatting.duration, 3725, "1 h 2 min 5 s"), (formatting.duration, 83, "1 min 23 s"),
        (formatting.duration, 4.25, "4.2 s"), (formatting.duration, math.nan, "–"),
    ],
)  # fmt: skip
def test_how_values_of_columns_are_written(write, value, expected):
    assert write(value) == expected


def test_settings_are_what_differs_from_the_defaults():
    assert NUMBER.settings == {}
    assert PERCENT.settings == {"decimals": 1, "factor": 100, "unit": " %"}
    assert P_VALUE.settings == {"digits": 2, "least": 1e-4}


def test_lists_and_ranges():
    assert [formatting.listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert formatting.ranges([7, 0, 1, 2, 2]) == "0-2, 7"


def test_numbers_are_written_in_one_place():
    """Outside of formatting.py no per cent sign is put behind a formatted number, and no points."""
    import re
    from pathlib import Path

    package = Path(formatting.__file__).parent
    own = re.compile(r"""\{[^{}"]*:[^{}"]*\} ?(%|points|pp)|:\.?\d*%\}""")
    found = [str(path.relative_to(package)) for path in package.rglob("*.py") if own.search(path.read_text())]
    assert found == []
