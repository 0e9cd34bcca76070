"""Checks of values when they are read from a run folder: types, and the ranges that a run can have written.

Files may be damaged or changed by hand after the run. A value that no run can have written is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from edgesim.config.validation import kind_of
from edgesim.errors import shortened
from edgesim.records import TRANSFER_COLUMNS, Record
from edgesim.results.table_columns import ENDS, KEY, METRIC_COLUMNS, OF_TRIALS, WORK
from edgesim.tasks import metric_in

_LONGEST = 60
"""characters of a value in a message"""


class BadValue(NamedTuple):
    """A value that no run can have written."""

    column: str
    row: int
    """its place among the values, from 0"""
    problem: str
    """the value, and what is allowed"""


@dataclass(frozen=True)
class Number:
    """A number in a range, both ends included."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    """integers only"""
    may_be_empty: bool = False
    """NaN is allowed; infinity never is"""
    above_low: bool = False
    """the lower end is not allowed"""

    @property
    def allowed(self) -> str:
        """Allowed values in words."""
        kind = "an integer" if self.whole else "a finite number"
        above, high = "above" if self.above_low else "from", "" if self.high == math.inf else f" to {self.high:g}"
        ends = f" up{high}" if high else ""
        ends = ends if self.low == -math.inf else f" {above} {self.low:g}{high or ' up'}"
        return kind + ends + (", or empty" if self.may_be_empty else "")

    def holds(self, value: Any) -> bool:
        """True where a single value is allowed."""
        kind = type(value)
        if kind is not int and (self.whole or kind is not float):
            # Values of a table; those of the journal, which are many and come one by one, are Python's own.
            return isinstance(value, np.integer if self.whole else np.number) and self.holds(value.item())
        if value != value:
            return self.may_be_empty
        above = self.low < value if self.above_low else self.low <= value
        return above and value <= self.high and -math.inf < value < math.inf

    def mask(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where values of an array are allowed."""
        if self.whole and values.dtype.kind != "i":
            return np.zeros(len(values), bool)
        above = values > self.low if self.above_low else values >= self.low
        good = above & (values <= self.high) & (self.whole | np.isfinite(values))
        return good | np.isnan(values) if self.may_be_empty else good


@dataclass(frozen=True)
class Word:
    """A text; one of `choices` where there are any."""

    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """Allowed values in words."""
        return " or ".join(map(repr, self.choices)) if self.choices else "text"

    def holds(self, value: Any) -> bool:
        """True where a single value is allowed."""
        return isinstance(value, str) and (not self.choices or value in self.choices)


@dataclass(frozen=True)
class Truth:
    """True or false."""

    allowed: str = "true or false"

    def holds(self, value: Any) -> bool:
        """True where a single value is allowed."""
        return isinstance(value, bool | np.bool_)


Rule = Number | Word | Truth
_COUNT, _AMOUNT = Number(0, whole=True), Number(0, may_be_empty=True)
_LOSS = Number(may_be_empty=True)
_METRICS = {name: Number(*metric.bounds, may_be_empty=True) for name, metric in METRIC_COLUMNS.items()}
_BY_TYPE: dict[Any, Rule] = {int: _COUNT, float: _AMOUNT, str: Word(), bool: Truth()}


def _record_rules() -> dict[str, Rule]:
    """Rules of the columns of records by their types, and those of single columns."""
    rules: dict[str, Rule] = {}
    kinds = get_type_hints(Record)
    for name in OF_TRIALS["records"]:
        kind = kinds[name]
        rules[name] = Word(get_args(kind)) if get_origin(kind) is Literal else _BY_TYPE[kind]
    return rules | {
        "keep_ratio": Number(0, 1, above_low=True),
        "repeats": Number(1, whole=True),
        "ratio_rule": Word(("", "budget", "objective")),
        **_METRICS,
        "test_loss": _LOSS,
        "train_loss": _LOSS,
        **dict.fromkeys(TRANSFER_COLUMNS, _AMOUNT),
        **dict.fromkeys(("transfer_test_accuracy", "transfer_local_accuracy"), Number(0, 1, may_be_empty=True)),
        "transfer_test_loss": _LOSS,
    }


RULES: dict[str, dict[str, Rule]] = {
    "records": _record_rules(),
    "curves": {
        "epoch": Number(1, whole=True), "subset_loss": _LOSS, "subset_accuracy": _METRICS["subset_accuracy"],
        "test_loss": _LOSS, **_METRICS,
    },
    "selections": {"index": _COUNT, "weight": Number(0)},
    "scores": {"index": _COUNT},
    "traces": {"epoch": Number(1, whole=True), "quantity": Word()},
    "work": {"phase": Word(("score", "train")), "reused": Truth(), "trace": Word(), **dict.fromkeys(WORK, Number(0))},
    "extremes": {"label": _COUNT, "end": Word(tuple(ENDS.values())), "rank": _COUNT, "index": _COUNT, "tied": _COUNT},
    "shards": {"index": _COUNT, "label": _COUNT},
}  # fmt: skip
"""table -> column -> rule. Columns of KEY are checked in the records; losses may have any sign with a user's network"""


def first_bad(name: str, columns: Mapping[str, Any]) -> BadValue | None:
    """The first value of a table that no run can have written; None where all are good.

    Args:
        name: of the table.
        columns: column -> its values, or one value that all rows have; columns that are left out are not checked.
    """
    for column, rule in RULES.get(name, {}).items():
        if column not in columns:
            continue
        values = columns[column]
        row = _first(rule, values)
        if row is not None:
            value = values[row] if isinstance(values, list | np.ndarray) else values
            given = shortened(kind_of(value.item() if isinstance(value, np.generic) else value), _LONGEST)
            return BadValue(column, row, f"{column} is {given}; allowed: {rule.allowed}")
    return _contradiction(columns) if name == "records" else None


def _first(rule: Rule, values: Any) -> int | None:
    """Place of the first value that breaks a rule."""
    kind = type(values)
    if kind is not list and kind is not np.ndarray:
        return None if rule.holds(values) else 0
    if kind is np.ndarray and values.dtype.kind in "iuf" and isinstance(rule, Number):
        bad = ~rule.mask(values)
        return int(bad.argmax()) if bad.any() else None
    if kind is np.ndarray and values.dtype.kind == "b" and isinstance(rule, Truth):
        return None
    return next((row for row, value in enumerate(values) if not rule.holds(value)), None)


def _contradiction(columns: Mapping[str, Any]) -> BadValue | None:
    """A record that contradicts itself: more samples kept than held, or a good end without the task's metric."""
    metric = metric_in(columns).column()
    names = ("subset_size", "shard_size", "status", metric)
    if not all(name in columns for name in names):
        return None
    kept, held, status, accuracy = (columns[name] for name in names)
    if not np.size(kept):
        return None
    if isinstance(status, str):  # a single record
        more, lost = int(kept > held), int(status == "ok" and accuracy != accuracy)
        row = 0
    else:
        more, lost = kept > held, (status == "ok") & np.isnan(accuracy)
        row = int((more | lost).argmax())
        kept, held, more, lost = kept[row], held[row], more[row], lost[row]
    if more:
        return BadValue("subset_size", row, f"subset_size is {kept}; allowed: at most shard_size, {held}")
    if lost:
        return BadValue(metric, row, f"{metric} is empty; a trial with status ok has one")
    return None


def first_bad_row(name: str, table: pd.DataFrame) -> BadValue | None:
    """As `first_bad`, of a table as it is read from its file."""
    return first_bad(name, {str(column): table[column].to_numpy() for column in table if column in RULES.get(name, ())})


def trial_of(row: Mapping[str, Any]) -> str:
    """A trial in words, from the columns that name it."""
    seed, device, method, ratio = (row.get(name) for name in KEY)
    return f"seed {seed}, device {device}, {method} at keep ratio {ratio}"
