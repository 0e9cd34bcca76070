"""Reads YAML documents safely, and checks them against frozen dataclasses with every fault at once.

What PyYAML does by default and what is refused or mended here: duplicate keys silently win, `1e-3` is a string, and a
tag can ask for a Python object. Used by `profiles` and `scenario`; knows no field of either.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

try:  # libyaml's parser reads a fleet of 34 profiles in half the time
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from edgesim.errors import Fault, ScenarioError

T = TypeVar("T")


class _Loader(SafeLoader):
    """SafeLoader that refuses duplicate keys and reads 1e-3 as a number (YAML 1.2)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key must be a word, not {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$|^[-+]?\.\d+[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file that holds a map.

    Raises:
        ScenarioError: missing or empty file, syntax error (with line), duplicate key, a tag that would run code, or
            something else than a map at the top.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = nearest(path.name, (p.name for p in path.parent.glob("*.yaml")))
        raise ScenarioError(str(path), [Fault("", f"there is no such file{near}")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(str(path), [Fault("", f"cannot be read: {error}")]) from None
    return parse(text, str(path))


def parse(text: str, source: str) -> dict[str, Any]:
    """Parse YAML text that holds a map; `source` names it in errors. Raises as `read`."""
    try:
        document = yaml.load(text, Loader=_Loader)  # a SafeLoader with stricter keys
    except yaml.constructor.ConstructorError as error:
        raise ScenarioError(source, [Fault(_line(error.problem_mark), _constructor_problem(error))]) from None
    except yaml.MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise ScenarioError(source, [Fault(_line(error.problem_mark), f"YAML syntax: {problem}")]) from None
    except (ValueError, KeyError, AttributeError, RecursionError) as error:  # of PyYAML's own constructors
        message = f"a value cannot be read as what its tag or form says ({type(error).__name__}: {error})"
        raise ScenarioError(source, [Fault("", message)]) from None
    except yaml.YAMLError as error:
        raise ScenarioError(source, [Fault("", f"YAML syntax: {error}")]) from None
    if document is None:
        raise ScenarioError(source, [Fault("", "the file is empty; `edgesim init FILE` writes one to start from")])
    if not isinstance(document, dict):
        message = f"the top of the file must be a map (key: value), not {kind_of(document)}"
        raise ScenarioError(source, [Fault("", message)])
    return document


def dump(document: dict[str, Any]) -> str:
    """YAML text of a document, keys in their order."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def nearest(name: object, allowed: Iterable[str]) -> str:
    """' (did you mean …?)' for the allowed name that is nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def kind_of(value: object) -> str:
    """What a YAML value is, in words."""
    words = {dict: "a map", list: "a list", str: "text", bool: "true/false", type(None): "nothing"}
    word = words.get(type(value), "a number")
    return word if isinstance(value, dict | list) or value is None else f"{word} ({value!r})"


def build(cls: type[T], given: Any, path: str, faults: list[Fault]) -> T | None:
    """Construct a frozen dataclass from a YAML map; faults are added to `faults` with their YAML path.

    Args:
        cls: a dataclass (standard or pydantic) whose fields are the keys that are allowed.
        given: what the document holds there.
        path: YAML path of `given`, for messages.
        faults: the list that collects faults.

    Returns: the instance, or None where there was a fault.
    """
    if not isinstance(given, dict):
        faults.append(Fault(path, f"must be a map, not {kind_of(given)}"))
        return None
    before = len(faults)
    known = _known(cls, given, path, faults)
    try:
        # JSON mode with strict types: lists serve as tuples, but "5" is no number and 1 is no true.
        value = TypeAdapter(cls).validate_json(json.dumps(known, default=str), strict=True)
    except (PydanticUserError, NameError) as error:  # a user's own dataclass whose types cannot be checked
        faults.append(Fault(path, f"the fields of {cls.__name__} cannot be checked: {str(error).splitlines()[0]}"))
        return None
    except ValidationError as error:
        faults.extend(_translate(detail, path, known) for detail in error.errors(include_url=False))
        return None
    return value if len(faults) == before else None


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _known(cls: Any, given: dict[str, Any], path: str, faults: list[Fault]) -> dict[str, Any]:
    """`given` without unknown keys, at every depth; each of them is a fault."""
    hints = _hints(cls)
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    unknown_keys(given, names, path, faults)
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
    found = (_dataclass_in(argument) for argument in get_args(hint))
    return next((inner for inner in found if inner is not None), None)


def unknown_keys(given: dict[str, Any], allowed: list[str], path: str, faults: list[Fault]) -> None:
    """Add a fault for every key of `given` that is not in `allowed`."""
    for key in given:
        if key not in allowed:
            choice = f"allowed: {', '.join(sorted(allowed)) or 'no keys'}"
            faults.append(Fault(join(path, key), f"unknown key; {choice}{nearest(key, allowed)}"))


def join(path: str, key: str | int) -> str:
    """A YAML path with one more step: `fleet` + `groups` -> `fleet.groups`, + 0 -> `fleet.groups[0]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def override(
    document: dict[str, Any], overrides: Mapping[str, Any] | Sequence[str], named: Iterable[str], faults: list[Fault]
) -> None:
    """Change values of a document in place.

    Args:
        document: the map to change.
        overrides: `{"training.epochs": 3}` or `["training.epochs=3"]` with the value as YAML; lists by `key[0]`.
            Maps on the way are made, list items must exist.
        named: top-level keys whose value may be a bare name; setting an argument turns it into a map with `name`.
        faults: collects every fault.
    """
    for key, value in _pairs(overrides, faults):
        _set(document, key, value, set(named), faults)


def _pairs(overrides: Mapping[str, Any] | Sequence[str], faults: list[Fault]) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    pairs = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            faults.append(Fault(f"--set {text}", "must look like KEY=VALUE, for example training.epochs=3"))
            continue
        try:
            pairs.append((key, parse(f"value: {value}", "--set")["value"]))
        except ScenarioError as error:
            faults.append(Fault(f"--set {text}", error.faults[0].message))
    return pairs


def _set(document: dict[str, Any], key: str, value: Any, named: set[str], faults: list[Fault]) -> None:
    steps = [int(step) if re.fullmatch("[0-9]+", step) else step for step in re.split(r"[.\[\]]+", key.rstrip("]"))]
    target: Any = document
    for i, step in enumerate(steps):
        in_list = isinstance(step, int) and isinstance(target, list) and step < len(target)
        if not in_list and not (isinstance(step, str) and isinstance(target, dict)):
            faults.append(Fault(f"--set {key}", f"there is no {join('', '.'.join(map(str, steps[: i + 1])))} to set"))
            return
        if i == len(steps) - 1:
            target[step] = value
            return
        if i == 0 and step in named and isinstance(target.get(step), str):
            target[step] = {"name": target[step]}
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]


def _translate(detail: Any, path: str, given: dict[str, Any]) -> Fault:
    """A pydantic error as a fault in the words of this project."""
    where, value, missing = path, given, detail["type"] == "missing"
    for i, step in enumerate(detail["loc"]):
        if isinstance(value, dict | list) and not (isinstance(value, dict) and step not in value):
            value = value[step]
        elif isinstance(step, str) and where != path and not (missing and i == len(detail["loc"]) - 1):
            continue  # the name of a union's branch, not a key
        where = join(where, step)
    if missing:
        return Fault(where, "is missing and has no default")
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    message = (
        message.removeprefix("input ")
        .replace("valid array", "list")
        .replace("valid tuple", "list")
        .replace("valid list", "list")
    )
    return Fault(where, f"{message}; got {kind_of(detail['input'])}")


def _constructor_problem(error: yaml.constructor.ConstructorError) -> str:
    problem = error.problem or "cannot be read"
    if "could not determine a constructor" in problem:
        tag = problem.rsplit(" ", 1)[-1]
        return f"the tag {tag} is refused: edgesim reads plain data only, nothing that could run code"
    return problem


def _line(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """What differs between two documents: (path, value before, value now); None where a key is missing."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [found for key in keys for found in differences(before.get(key), now.get(key), join(path, key))]
    return [(path, before, now)] if before != now else []
