"""YAML text <-> plain data, read strictly and safely. The only module that knows PyYAML.

A value without quotes is one of these, and text otherwise:

    null       nothing, `~`, null
    true/false true, false (also True, TRUE, ...)
    a number   decimal digits with an optional sign, point and exponent: 10, -2.5, .5, 1e-3, 4.8e10; `_` between two
               digits is left out: 1_000 is 1000; `.inf` and `.nan` are read, and refused wherever a number is checked

So leading zeros are no octal (010 is 10). These are text, for which a check of a number or of true/false gives the
value to write: 22:00 and 1:30:00 (no base 60), 0x1F, 0o17, 0b1, 1,000, 2024-01-01, yes, no, on, off. PyYAML reads
them by YAML 1.1: as 1320, 5400, 31, 15, 1, text, a date, true and false, and 1e-3 as text. Where seconds of a day are
meant, `conditions` takes clock times.

Also refused: a key that is given twice, a key that is no word, and a tag that asks for anything else than these.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

try:  # libyaml's parser reads a fleet of 34 profiles in half the time
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

from edgesim.config import document_bounds as bounds
from edgesim.config.document_values import plain
from edgesim.errors import Fault, ScenarioError

_TAG = "tag:yaml.org,2002:"
_DIGITS = "[0-9](?:_?[0-9])*"
_INTEGER = re.compile(f"[-+]?{_DIGITS}")
_FLOAT = re.compile(
    rf"[-+]?(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS}|{_DIGITS}(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_FORMS = (
    ("null", re.compile("~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+0123456789.")),
    ("merge", re.compile("<<"), ["<"]),
)
"""(kind, form, first characters) of values without quotes that are not text"""


class _Loader(SafeLoader):
    """SafeLoader with the forms above, which collects faults of keys."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.faults: list[Fault] = []
        self.at: Any = None
        """mark of the value that is read"""
        self._checked: set[yaml.MappingNode] = set()

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the base; notes the place."""
        self.at = node.start_mark
        return super().construct_object(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys before those of other maps are merged in (`<<`), which may stand for a second time."""
        if node not in self._checked:
            self._checked.add(node)
            self._check_keys(node)
        super().flatten_mapping(node)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        good = []
        for key_node, value_node in node.value:
            merge = key_node.tag == f"{_TAG}merge"
            key = None if merge else self.construct_object(key_node, deep=True)
            if not merge and not isinstance(key, str):
                self.faults.append(Fault(bounds.place(key_node.start_mark), f"a key must be a word, not {key!r}"))
            elif key in seen:
                self.faults.append(Fault(bounds.place(key_node.start_mark), f"the key '{key}' is given twice"))
            else:
                good.append((key_node, value_node))
            if isinstance(key, str):
                seen.add(key)
        node.value = good


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"'{text}' is no integer in decimal digits")
    if len(text) > bounds.MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits; at most {bounds.MAX_DIGITS} are read")
    return int(text.replace("_", ""))


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    if not _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text):
        raise ValueError(f"'{text}' is no decimal number")
    return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()).replace("_", ""))


def _resolvers(base: dict[str, list[tuple[str, re.Pattern[str]]]]) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's table, by first character, of `base` and the forms above."""
    table = {first: list(entries) for first, entries in base.items()}
    for kind, form, firsts in _FORMS:
        for first in firsts:  # PyYAML asks by `match`, which does not look at the end
            table.setdefault(first, []).append((_TAG + kind, re.compile(f"(?:{form.pattern})$")))
    return table


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes text which this module or a reader of YAML 1.1 would read as another kind of value."""


_Loader.yaml_implicit_resolvers = _resolvers({})
_Loader.yaml_constructors = {
    tag: make
    for tag, make in SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str", "seq", "map")
}
_Loader.add_constructor(f"{_TAG}int", _integer)
_Loader.add_constructor(f"{_TAG}float", _number)
_Dumper.yaml_implicit_resolvers = _resolvers(yaml.SafeDumper.yaml_implicit_resolvers)


def parse(text: str, source: str) -> dict[str, Any]:
    """The map that a YAML text holds.

    Args:
        text: of the document.
        source: its name in errors.

    Raises:
        ScenarioError: a syntax error or a tag that would run code (with line), keys that are given twice or are no
            words, an empty text, or something else than a map at the top.
    """
    faults: list[Fault] = []
    loader: _Loader | None = None
    try:
        broken = bounds.check(text, SafeLoader)
        if broken:
            raise ScenarioError(source, [broken])
        loader = _Loader(text)  # a SafeLoader with stricter keys
        try:
            document = plain(loader.get_single_data(), "", loader.faults)
        finally:
            faults = loader.faults
            loader.dispose()
    except yaml.constructor.ConstructorError as error:
        faults.append(Fault(bounds.place(error.problem_mark), _constructor_problem(error)))
    except yaml.MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        faults.append(Fault(bounds.place(error.problem_mark), f"YAML syntax: {problem}"))
    except (ValueError, KeyError, AttributeError, RecursionError) as error:  # of PyYAML's own constructors
        message = f"a value cannot be read as what its tag or form says ({type(error).__name__}: {error})"
        faults.append(Fault(bounds.place(loader and loader.at), message))
    except yaml.YAMLError as error:
        faults.append(Fault("", f"YAML syntax: {error}"))
    if faults:
        raise ScenarioError(source, faults)
    if document is None:
        raise ScenarioError(source, [Fault("", "the file is empty; `edgesim init FILE` writes one to start from")])
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else f"a single value ({_outline(document)})"
        message = f"the top of the file must be a map (key: value), not {kind}"
        raise ScenarioError(source, [Fault("", message)])
    return document


def _outline(value: object) -> str:
    """A single value in words: a file that is no document may hold anything, and is not printed."""
    text = str(value)
    return repr(value) if len(text) <= 20 else f"text of {len(text):,} characters"


def dump(document: dict[str, Any]) -> str:
    """YAML text of a document, keys in their order; `parse` reads it as an equal one."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def _constructor_problem(error: yaml.constructor.ConstructorError) -> str:
    problem = error.problem or "cannot be read"
    if "could not determine a constructor" in problem:
        tag = problem.rsplit(" ", 1)[-1]
        return f"the tag {tag} is refused: edgesim reads plain data only, nothing that could run code"
    return problem
