"""Wrong values, and documents, texts and bytes with wrong values in them."""

from __future__ import annotations

import copy
import random
from typing import Any

LONG = "x" * 5_000
VALUES: list[Any] = [
    None,
    "",
    " ",
    "\0",
    "a\0b",
    "~nouser/x",
    "~",
    LONG,
    "../" * 60,
    "/dev/zero",
    "/dev/null",
    "/",
    ".",
    "..",
    "/proc/self/mem",
    -1,
    0,
    1,
    2,
    -0.0,
    0.5,
    1.5,
    1e-300,
    5e-324,
    1e30,
    1e308,
    -1e308,
    10**12,
    10**18,
    2**63,
    2**64,
    -(2**63),
    int("9" * 4_000),
    True,
    False,
    "yes",
    "1e3",
    "0x10",
    "1,000",
    "22:00",
    "50 %",
    "nan",
    "<img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "a/b",
    "a\nb",
    "\u202e",
    [],
    {},
    [[]],
    [{}],
    [None],
    [1],
    [[1]],
    [[1, 2], [3]],
    [[0.1, 0.5], [0.2]],
    ["x"] * 200,
    list(range(2_000)),
    {"name": None},
    {"name": []},
    {"": 1},
    {"name": "x", "x": {"y": {"z": 1}}},
    "os:getcwd",
    "os:nothing",
    "no_such_module:X",
    "json:loads",
    "edgesim.errors:Fault",
    "fuzz.hostile:Exits",
    "fuzz.hostile:Raises",
    ":",
    "a:",
    "::",
    "a b:c",
    "random",
    "importance",
    "full",
    "iid",
    "mlp",
    float("nan"),
    float("inf"),
]
"""values that hardly any place takes"""
PIECES = [
    "[" * 3_000,
    "]" * 50,
    "{" * 3_000,
    "- " * 3_000 + "x",
    "&a [*a]",
    "*a",
    "&b {<<: *b}",
    "!!python/object/apply:os.system ['true']",
    "!!binary x",
    "!!float x",
    "? [1, 2]\n: 3\n",
    "%YAML 9.9\n---\n",
    "---\n---\n",
    "...\n",
    "\t",
    "\ufeff",
    "\u0085",
    "\x07",
    "'",
    '"',
    "|\n  x",
    ">-\n",
    "<<: 1\n",
    "<<: {a: 1}\n",
    ": ",
    "#",
    "\r",
    "9" * 5_000,
    "1" * 4_000 + ".5",
    "0" * 400 + "1",
    "a: " * 2_000,
    "x" * 100_000,
    "é" * 3_000,
    "\ud7ff",
    "𝕏" * 500,
]
"""pieces of YAML text"""


def places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values of a document."""
    found = [above] if above else []
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, inner in items:
        found += places(inner, (*above, step))
    return found


def document(base: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A copy of a document with one to three changes: another value, a key more, a key less, a value of elsewhere."""
    changed = copy.deepcopy(base)
    for _ in range(draw.choice((1, 1, 2, 3))):
        listed = places(changed)
        if not listed:
            return changed
        *way, last = draw.choice(listed)
        holder: Any = changed
        for step in way:
            holder = holder[step]
        kind = draw.choice(("value", "value", "value", "value", "drop", "key", "swap", "wrap"))
        if kind == "drop":
            del holder[last]
        elif kind == "key" and isinstance(holder, dict):
            holder[draw.choice((f"{last}s", "x" * 3_000, "a.b", "name", "size", str(last).upper(), "é"))] = draw.choice(
                VALUES
            )
        elif kind == "swap":
            *other, final = draw.choice(listed)
            value: Any = base
            try:
                for step in (*other, final):
                    value = value[step]
            except (LookupError, TypeError):
                value = draw.choice(VALUES)
            holder[last] = copy.deepcopy(value)
        elif kind == "wrap":
            holder[last] = draw.choice(
                ([holder[last]], {"name": holder[last]}, {"value": holder[last]}, str(holder[last]))
            )
        else:
            holder[last] = copy.deepcopy(draw.choice(VALUES))
    return changed


def text(base: str, draw: random.Random) -> str:
    """A text with one to three pieces put in, cut out, or repeated."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        place, kind = draw.randrange(len(base) + 1), draw.choice(("insert", "insert", "cut", "repeat", "line"))
        if kind == "insert":
            base = base[:place] + draw.choice(PIECES) + base[place:]
        elif kind == "cut":
            base = base[:place] + base[place + draw.randrange(1, 60) :]
        elif kind == "repeat":
            end = min(len(base), place + draw.randrange(1, 200))
            base = base[:end] + base[place:end] * draw.choice((1, 2, 30)) + base[end:]
        else:
            lines = base.splitlines()
            at = draw.randrange(len(lines) + 1)
            indent = " " * draw.choice((0, 1, 2, 4, 8, 300))
            base = "\n".join([*lines[:at], indent + draw.choice(PIECES), *lines[at:]])
    return base


def data(base: bytes, draw: random.Random) -> bytes:
    """Bytes with one to four changes: bits flipped, numbers of a header replaced, cut, repeated, zeroed."""
    changed = bytearray(base)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not changed:
            break
        # headers and footers are where lies cost most
        front = draw.random() < 0.5
        place = draw.randrange(min(len(changed), 256)) if front else draw.randrange(len(changed))
        kind = draw.choice(("bit", "bit", "number", "cut", "repeat", "zero", "tail"))
        if kind == "bit":
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == "number":
            width = draw.choice((1, 2, 4, 8))
            changed[place : place + width] = draw.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * width
        elif kind == "cut":
            del changed[place : place + draw.randrange(1, max(2, len(changed) // 4))]
        elif kind == "repeat":
            changed[place:place] = changed[place : place + 64]
        elif kind == "zero":
            changed[place : place + 32] = bytes(min(32, len(changed) - place))
        else:
            del changed[-draw.randrange(1, min(64, len(changed)) + 1) :]
    return bytes(changed)
