"""Reads documents, and checks them against frozen dataclasses with every fault at once.

`yaml_text` says what a YAML value is read as. Used by `profiles` and `scenario`; knows no field of either.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import PydanticUserError, ValidationError

from edgesim.config import document_bounds as bounds
from edgesim.config.checked_dataclass import adapter, field_types
from edgesim.config.document_values import check_finite, meant
from edgesim.config.document_values import join as join
from edgesim.config.document_values import kind_of as kind_of
from edgesim.config.document_values import plain as plain
from edgesim.config.plausible import check_plausible
from edgesim.config.strict_yaml import dump as dump
from edgesim.config.strict_yaml import parse as parse
from edgesim.errors import Fault, FieldFaults, ScenarioError

T = TypeVar("T")
_LONG = re.compile(r"[0-9]{20,}(?:\.[0-9]+)?")
"""limits that pydantic writes with all their digits"""


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file that holds a map.

    Raises:
        ScenarioError: missing or empty file, one beyond a bound (`document_bounds`), syntax error (with line),
            duplicate key, a tag that would run code, or something else than a map at the top.
    """
    try:
        text = bounds.read_text(path)
    except FileNotFoundError:
        near = nearest(path.name, (p.name for p in path.parent.glob("*.yaml")))
        raise ScenarioError(str(path), [Fault("", f"there is no such file{near}")]) from None
    return parse(text, str(path))


def nearest(name: object, allowed: Iterable[str]) -> str:
    """' (did you mean …?)' for the allowed name that is nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def build(cls: type[T], given: Any, path: str, faults: list[Fault], beside: Sequence[str] = ()) -> T | None:
    """Construct a frozen dataclass from a YAML map; faults are added to `faults` with their YAML path.

    Args:
        cls: a dataclass (standard or pydantic) whose fields are the keys that are allowed.
        given: what the document holds there.
        path: YAML path of `given`, for messages.
        faults: the list that collects faults.
        beside: keys that are allowed there and read elsewhere, for the list of those that are allowed.

    Returns: the instance, or None where there was a fault.
    """
    if not isinstance(given, dict):
        faults.append(Fault(path, f"must be a map, not {kind_of(given)}"))
        return None
    before = len(faults)
    known = _known(cls, given, path, faults, beside)
    check_finite(known, path, faults)
    crossed = _crossed(cls, given, path)
    faults.extend(crossed)
    value = None
    try:
        # JSON mode with strict types: lists serve as tuples, but "5" is no number and 1 is no true.
        value = adapter(cls).validate_json(json.dumps(known), strict=True)
    except (PydanticUserError, NameError) as error:  # a user's own dataclass whose types cannot be checked
        faults.append(Fault(path, f"the fields of {cls.__name__} cannot be checked: {str(error).splitlines()[0]}"))
        return None
    except ValidationError as error:
        reported = {fault.path for fault in faults[before:]}
        for detail in error.errors(include_url=False):
            found = _translate(detail, path, known)
            own = isinstance(detail.get("ctx", {}).get("error"), FieldFaults)
            faults.extend(fault for fault in found if not (own and crossed) and fault.path not in reported)
    found = faults[before:]
    check_plausible(cls, known, path, found)
    faults[before:] = found
    return value if len(faults) == before else None


def _crossed(cls: Any, given: dict[str, Any], path: str) -> list[Fault]:
    """Faults that dataclasses find by `faults_in` between the fields of their maps, at every depth."""
    find = getattr(cls, "faults_in", None)
    found = [] if find is None else [Fault(join(path, f.path) if f.path else path, f.message) for f in find(given)]
    hints = field_types(cls)
    for key, value in given.items():
        inner = _dataclass_in(hints[key]) if key in hints else None
        listed = value if isinstance(value, list) else [value]
        for i, one in enumerate(listed if inner else ()):
            if isinstance(one, dict):
                where = join(path, key)
                found += _crossed(inner, one, join(where, i) if isinstance(value, list) else where)
    return found


def _known(
    cls: Any, given: dict[str, Any], path: str, faults: list[Fault], beside: Sequence[str] = ()
) -> dict[str, Any]:
    """`given` without unknown keys, at every depth; each of them is a fault."""
    hints = field_types(cls)
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    unknown_keys(given, list(dict.fromkeys([*names, *beside])), path, faults)
    known: dict[str, Any] = {}
    for key, value in given.items():
        if key in names:
            inner, where = _dataclass_in(hints[key]), join(path, key)
            if inner and isinstance(value, dict):
                known[key] = _known(inner, value, where, faults)
            elif inner and isinstance(value, list):
                items = enumerate(value)
                known[key] = [_known(inner, v, join(where, i), faults) if isinstance(v, dict) else v for i, v in items]
            else:
                known[key] = value
    return known


def _dataclass_in(hint: Any) -> Any:
    """The dataclass in a type such as `Inner`, `Inner | None` or `tuple[Inner, ...]`; None if there is none."""
    if dataclasses.is_dataclass(hint):
        return hint
    parts = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)  # metadata are no types
    found = (_dataclass_in(part) for part in parts)
    return next((inner for inner in found if inner is not None), None)


def unknown_keys(given: dict[str, Any], allowed: list[str], path: str, faults: list[Fault]) -> None:
    """Add a fault for every key of `given` that is not in `allowed`."""
    for key in given:
        if key not in allowed:
            choice = f"allowed: {', '.join(sorted(allowed)) or 'no keys'}"
            faults.append(Fault(join(path, key), f"unknown key; {choice}{nearest(key, allowed)}"))


def override(
    document: dict[str, Any], overrides: Mapping[str, Any] | Sequence[str], named: Iterable[str], faults: list[Fault]
) -> None:
    """Change values of a document in place.

    Args:
        document: the map to change.
        overrides: `{"training.epochs": 3}` or `["training.epochs=3"]` with the value as YAML; lists by `key[0]`.
            Maps on the way are made, list items must exist.
        named: keys whose value may be a bare name, as items of lists may; setting an argument turns it into a map with
            `name`.
        faults: collects every fault.
    """
    for key, value in _pairs(overrides, faults):
        _set(document, key, value, set(named), faults)


def _pairs(overrides: Mapping[str, Any] | Sequence[str], faults: list[Fault]) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        return [(key, plain(value, f"--set {key}", faults)) for key, value in overrides.items()]
    pairs = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            faults.append(Fault(f"--set {text}", "must look like KEY=VALUE, for example training.epochs=3"))
            continue
        try:
            pairs.append((key, parse(f"value: {value}", "--set")["value"]))
        except ScenarioError as error:
            faults += [Fault(f"--set {text}", fault.message) for fault in error.faults]
    return pairs


def _set(document: dict[str, Any], key: str, value: Any, named: set[str], faults: list[Fault]) -> None:
    steps = [int(step) if re.fullmatch("[0-9]+", step) else step for step in re.split(r"[.\[\]]+", key.rstrip("]"))]
    target: Any = document
    for i, step in enumerate(steps):
        in_list = isinstance(step, int) and isinstance(target, list) and step < len(target)
        if not in_list and not (isinstance(step, str) and isinstance(target, dict)):
            place = functools.reduce(join, steps[:i], "")
            found = f"{place or 'the document'} is {kind_of(target)}"
            wanted = functools.reduce(join, steps[: i + 1], "")
            faults.append(Fault(f"--set {key}", f"there is no {wanted} to set: {found}"))
            return
        if i == len(steps) - 1:
            target[step] = value
            return
        if isinstance(target, dict):
            target.setdefault(step, {})
        bare = isinstance(target[step], str) and isinstance(steps[i + 1], str)
        if bare and (step in named or isinstance(step, int)):  # a name of a table
            target[step] = {"name": target[step]}
        target = target[step]


def _translate(detail: Any, path: str, given: dict[str, Any]) -> list[Fault]:
    """A pydantic error as faults in the words of this project."""
    where, value, missing = path, given, detail["type"] == "missing"
    for i, step in enumerate(detail["loc"]):
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            value = value[step]
        elif isinstance(step, str) and where != path and not (missing and i == len(detail["loc"]) - 1):
            continue  # the name of a union's branch, not a key
        where = join(where, step)
    if missing:
        return [Fault(where, "is missing and has no default")]
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, FieldFaults):
        return [Fault(join(where, fault.path) if fault.path else where, fault.message) for fault in error.faults]
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    message = _LONG.sub(lambda number: f"{float(number[0]):g}", message)
    message = (
        message.removeprefix("input ")
        .removeprefix("tuple ")
        .replace(" after validation", "")
        .replace("valid array", "list")
        .replace("valid tuple", "list")
        .replace("valid list", "list")
        .replace("a valid boolean", "true or false")
        .replace("a valid string", "text")
    )
    if isinstance(error, ValueError) and isinstance(detail["input"], dict | list):
        return [Fault(where, message)]  # of a check across fields, with a message of its own
    return [Fault(where, f"{message}; got {kind_of(detail['input'])}{_fix(detail, where)}")]


def _fix(detail: Any, where: str) -> str:
    """Hint for a value of another type than wanted."""
    given, kind = detail["input"], detail["type"]
    if kind == "string_type" and isinstance(given, bool | int | float):
        return "; put text in quotes"
    wanted = "bool" if kind.startswith("bool") else "integer" if kind.startswith("int") else "number"
    wanted = "seconds" if where.endswith("_s") else wanted
    return meant(given, wanted) if kind.endswith("_type") else ""


def differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Differences between two documents: (path, value before, value now); None where a key is missing."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [found for key in keys for found in differences(before.get(key), now.get(key), join(path, key))]
    return [(path, before, now)] if before != now else []
