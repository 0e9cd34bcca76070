"""Plausible ranges of numbers, declared beside their fields, and the way past them: `unsafe: true` in the same map.

A field's own limits (`Field(gt=0)`) hold always. A plausible range is narrower: it holds what anyone has use for, and
catches slips such as 1e12 epochs, or GFLOP/s where FLOP/s belong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import GetJsonSchemaHandler
from pydantic_core import core_schema

from edgesim.config.checked_dataclass import field_types
from edgesim.config.document_values import join
from edgesim.errors import Fault

WAY_PAST = "put `unsafe: true` beside it if it is meant"


@dataclasses.dataclass(frozen=True)
class PlausibleRange:
    """A plausible range of a number, both ends included, and the unit mistakes that explain other values.

    Args:
        low, high: the range, in `unit`.
        unit: for the message.
        mistakes: (unit that the value looks like, factor to `unit`), the likeliest first.
    """

    low: float
    high: float
    unit: str = ""
    mistakes: tuple[tuple[str, float], ...] = ()

    def problem(self, value: float) -> str:
        """Fault of `value` with the fix, or an empty string."""
        if self.holds(value):
            return ""
        return f"{value:g} is not plausible: {self.allowed(value)}"

    def allowed(self, value: float) -> str:
        """The range in words, with the unit that `value` looks like."""
        limits = f"{_written(self.low)} to {_written(self.high)} {self.unit}".rstrip()
        return f"allowed is {limits}{self.hint(value)}"

    def holds(self, value: float) -> bool:
        """True where `value` is a number in the range."""
        return math.isfinite(value) and self.low <= value <= self.high

    def hint(self, value: float) -> str:
        """Unit that `value` looks like, with the number that was meant; empty where no unit explains it."""
        for unit, factor in self.mistakes:
            if self.holds(value * factor):
                return f"; it looks like {unit}: multiply by {factor:g}, which gives {value * factor:g}"
        return ""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The range as `plausible`; `field_docs.described` turns it into a condition on `unsafe`."""
        said = {"description": f"in {self.unit}"} if self.unit else {}
        return handler(schema) | {"plausible": [self.low, self.high]} | said


@dataclasses.dataclass(frozen=True)
class Bounded:
    """Base of a dataclass with plausible ranges: gives its map the key `unsafe`."""

    unsafe: bool = dataclasses.field(default=False, kw_only=True)
    """true: takes numbers of this map that are outside their plausible ranges"""


@dataclasses.dataclass(frozen=True)
class Implausible:
    """A number outside its plausible range."""

    path: str
    value: float
    within: PlausibleRange
    unsafe: bool
    """true: it is allowed"""


def check_plausible(cls: Any, given: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    """Add a fault for every number outside its plausible range; one with a fault already gets the range added.

    Args:
        cls: dataclass of the map.
        given: the map.
        path: its YAML path.
        faults: of the map.
    """
    places = {fault.path: place for place, fault in enumerate(faults)}
    for found in _implausible(cls, given, path):
        if found.path in places:
            known = faults[places[found.path]]
            faults[places[found.path]] = Fault(known.path, f"{known.message}; {found.within.allowed(found.value)}")
        elif not found.unsafe:
            faults.append(Fault(found.path, f"{found.within.problem(found.value)}; {WAY_PAST}"))


def stated(document: Any) -> Any:
    """A copy of a document without `unsafe: false`, which is what a missing key says."""
    if isinstance(document, dict):
        return {key: stated(value) for key, value in document.items() if key != "unsafe" or value is not False}
    return [stated(value) for value in document] if isinstance(document, list | tuple) else document


def _implausible(cls: Any, given: Mapping[str, Any], path: str) -> Iterator[Implausible]:
    """Numbers of a document's map outside their plausible ranges, at every depth.

    Args:
        cls: dataclass of the map, or a generic one with its arguments.
        given: the map; values of other types are left to the checks of types.
        path: its YAML path.
    """
    origin = get_origin(cls) or cls
    arguments = dict(zip(getattr(origin, "__parameters__", ()), get_args(cls), strict=False))
    unsafe = given.get("unsafe") is True
    for name, hint in field_types(origin).items():
        if name in given:
            found = arguments.get(hint, hint) if isinstance(hint, TypeVar) else hint
            yield from _outside(found, given[name], join(path, name), unsafe)


def _outside(
    hint: Any, value: Any, path: str, unsafe: bool, within: PlausibleRange | None = None
) -> Iterator[Implausible]:
    """As `_implausible`, of one value, or of those in a list."""
    if get_origin(hint) is Annotated:
        hint, *metadata = get_args(hint)
        within = next((each for each in metadata if isinstance(each, PlausibleRange)), within)
        yield from _outside(hint, value, path, unsafe, within)
    elif isinstance(value, dict):
        if dataclasses.is_dataclass(get_origin(hint) or hint):
            yield from _implausible(hint, value, path)
        else:
            for argument in get_args(hint):
                yield from _outside(argument, value, path, unsafe)
    elif isinstance(value, list):
        parts = get_args(hint)
        if get_origin(hint) is not tuple:
            for part in parts:
                yield from _outside(part, value, path, unsafe)
            return
        each = [parts[0]] * len(value) if parts[1:] == (...,) else parts
        for i, (part, one) in enumerate(zip(each, value, strict=False)):
            yield from _outside(part, one, join(path, i), unsafe)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if within is None:
            for part in get_args(hint):
                yield from _outside(part, value, path, unsafe)
        elif math.isfinite(value) and not within.holds(value):
            yield Implausible(path, value, within, unsafe)


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
