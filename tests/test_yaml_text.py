"""What a YAML value is read as: numbers are decimal, everything that YAML 1.1 made of text stays text."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edgesim.config import strict_yaml, validation
from edgesim.config.document_values import meant
from edgesim.errors import ScenarioError


def read(text: str) -> Any:
    return strict_yaml.parse(f"a: {text}", "x")["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("032", 32), ("007", 7), ("-08", -8), ("0", 0), ("00", 0), ("+5", 5), ("1_000", 1000),
        ("60_000_000", 60_000_000), ("1e3", 1000.0), ("12e03", 12000.0), ("1E-5", 1e-5), (".5", 0.5), ("1.", 1.0),
        ("-.5e3", -500.0), ("010.50", 10.5), ("1_000.5", 1000.5), (".inf", math.inf), ("-.INF", -math.inf),
        ("true", True), ("FALSE", False), ("~", None), ("null", None), ("", None), ("!!int 12", 12), ("!!float 3", 3.0),
        ("!!str 12", "12"), ("'10'", "10"),
    ],
)  # fmt: skip
def test_numbers_and_truths(text: str, value: object) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "22:00", "1:00", "01:00", "22:00:00", "1:30:00", "190:20:30.15", "-1:30", "0x1F", "0xC0FFEE", "0o17", "0b1",
        "1__0", "_1", "1_", "1.5.2", "1e", "e5", "2024-01-01", "2024-01-01T10:00:00Z", "yes", "no", "on", "off", "Yes",
        "NO", "y", "n", "=", ".", "+", "12h",
    ],
)  # fmt: skip
def test_everything_else_is_text(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    "text", ["!!int 22:00", "!!int 0x1F", "!!float 1:30", "!!timestamp 2024-01-01", "!!set {x}", "!!binary aGk="]
)
def test_a_tag_opens_no_second_way(text: str) -> None:
    with pytest.raises(ScenarioError):
        read(text)


WORDS = [
    "1e3", "12e03", "1e-3", ".5", "22:00", "010", "0o17", "0x1F", "1_000", ".inf", ".nan", "2024-01-01", "yes", "on",
    "=", "null", "~", "true", "1.5", "", "a: b", "# x", "ü", "- x",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_text_survives_being_written(word: str) -> None:
    document = {"a": word, "b": {word: [word]}}
    assert strict_yaml.parse(strict_yaml.dump(document), "x") == document


def test_every_key_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        strict_yaml.parse("a: 1\na: 2\n3: 1\nc: {d: 1, d: 2}\n", "x")
    assert [str(fault) for fault in caught.value.faults] == [
        "line 2, column 1: the key 'a' is given twice",
        "line 3, column 1: a key must be a word, not 3",
        "line 4, column 11: the key 'd' is given twice",
    ]


def test_merged_keys_may_stand_again() -> None:
    text = "base: &a {x: 1}\nmid: &b {<<: *a, x: 2}\ntop: {<<: *b, x: 3}\n"
    assert strict_yaml.parse(text, "x") == {"base": {"x": 1}, "mid": {"x": 2}, "top": {"x": 3}}


def test_set_reads_as_a_file_does() -> None:
    document: dict[str, Any] = {}
    validation.override(document, ["a=010", "b=22:00", "c=yes", "d=1e3", "e=[1_000, 0x1F]"], (), [])
    assert document == {"a": 10, "b": "22:00", "c": "yes", "d": 1000.0, "e": [1000, "0x1F"]}


@pytest.mark.parametrize(
    ("text", "wanted", "hint"),
    [
        ("22:00", "seconds", "; write seconds: 79200 as h:mm, 1320 as min:s"),
        ("1:30:05", "seconds", "; write seconds: 5405 as h:mm:ss"),
        ("22:00", "number", "; a decimal number is wanted, no clock time"),
        ("0x1F", "number", "; write 31: numbers are decimal"),
        ("0o17", "number", "; write 15: numbers are decimal"),
        ("0b101", "number", "; write 5: numbers are decimal"),
        ("1,000", "number", "; write 1000: no commas"),
        ("0,5", "number", "; write 0.5: a point, no comma"),
        ("12,345,678", "number", "; write 12345678: no commas"),
        ("5,6", "integer", ""),
        (10.0, "integer", "; write 10"),
        (10.5, "integer", ""),
        ("1,2", "integers", "; write [1, 2]: a list"),
        ("0, 1,2", "integers", "; write [0, 1, 2]: a list"),
        ("0.1,0.5", "numbers", "; write [0.1, 0.5]: a list"),
        ("0,5", "numbers", "; write 0.5: a point, no comma"),
        ("50%", "number", "; write 0.5: no per cent"),
        ("5", "number", "; write 5, without quotes"),
        ("yes", "bool", "; write true, without quotes"),
        ("off", "bool", "; write false, without quotes"),
        ("three", "number", ""),
        ("maybe", "bool", ""),
    ],
)
def test_a_fault_says_what_to_write(text: str | float, wanted: str, hint: str) -> None:
    assert meant(text, wanted) == hint
