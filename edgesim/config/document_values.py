"""Values of a document: their kind in words, hints for wrong ones, and plain copies."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from edgesim.config import document_bounds as bounds
from edgesim.errors import Fault, shortened

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_BOOLS = {"true": ("true", "yes", "on", "y"), "false": ("false", "no", "off", "n")}


def kind_of(value: object) -> str:
    """Kind of a YAML value, in words."""
    words = {dict: "a map", list: "a list", str: "text", bool: "true/false", type(None): "nothing"}
    word = words.get(type(value), "a number")
    return word if isinstance(value, dict | list) or value is None else f"{word} ({shortened(repr(value), 120)})"


def meant(value: object, wanted: str = "number") -> str:
    """Hint for a text where another kind of value is wanted, such as '; write 26'; empty where there is none.

    Args:
        value: what a document holds where something else is wanted.
        wanted: "number", "integer", "numbers" or "integers" (one or a list), "seconds" or "bool".
    """
    if isinstance(value, float) and wanted.startswith("integer") and value.is_integer():
        return f"; write {int(value)}"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if wanted == "bool":
        found = next((word for word, texts in _BOOLS.items() if text.lower() in texts), None)
        return f"; write {found}, without quotes" if found else ""
    if clock := re.fullmatch("([0-9]+):([0-9]{2})(?::([0-9]{2}))?", text):
        first, second, third = (int(part or 0) for part in clock.groups())
        if wanted != "seconds":
            return "; a decimal number is wanted, no clock time"
        hours = f"{first * 3600 + second * 60 + third} as h:mm{':ss' if clock[3] else ''}"
        return f"; write seconds: {hours}" + ("" if clock[3] else f", {first * 60 + second} as min:s")
    if re.fullmatch("[-+]?0(x[0-9a-f]+|o[0-7]+|b[01]+)", text.lower()):
        return f"; write {int(text, 0)}: numbers are decimal"
    if re.fullmatch("[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+", text):
        return f"; write {text.replace(',', '')}: no commas"
    if not wanted.startswith("integer") and re.fullmatch("[-+]?[0-9]+,[0-9]+", text):
        return f"; write {text.replace(',', '.')}: a point, no comma"
    if wanted in ("integers", "numbers") and re.fullmatch(rf"{_NUMBER}( *, *{_NUMBER})+", text):
        return f"; write [{', '.join(part.strip() for part in text.split(','))}]: a list"
    if percent := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", text):
        return f"; write {float(percent[1]) / 100:g}: no per cent"
    number = re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", text.lower())
    return f"; write {text}, without quotes" if number else ""


def plain(value: Any, path: str, faults: list[Fault], above: tuple[int, ...] = ()) -> Any:
    """A copy of a document in plain values: maps, lists, text, numbers, true/false and nothing.

    NumPy's numbers and arrays, tuples, ranges and paths become what YAML would hold; the rest is a fault.

    Args:
        value: of a document, from YAML or from Python.
        path: its YAML path.
        faults: collects every fault.
        above: ids of what holds it.
    """
    if isinstance(value, str):
        faults += _of_text(value, path)
        return value
    if isinstance(value, int) and abs(value) > bounds.MAX_INTEGER:
        faults.append(
            Fault(path, f"is an integer of {_digits(value)} digits; at most {bounds.MAX_INTEGER:,} is allowed")
        )
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy, without importing it
        return plain(value.tolist(), path, faults, above)
    if id(value) in above:
        faults.append(Fault(path, "holds itself (a YAML anchor inside its own value); write it out"))
        return None
    if len(above) >= bounds.MAX_DEPTH:
        faults.append(Fault(path, f"lies more than {bounds.MAX_DEPTH} lists or maps deep; flatten it"))
        return None
    above = (*above, id(value))
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str)]
        faults += [Fault(path, f"a key must be a word, not {key!r}") for key in odd]
        return {key: plain(v, join(path, key), faults, above) for key, v in value.items() if isinstance(key, str)}
    if isinstance(value, list | tuple | range):
        return [plain(v, join(path, i), faults, above) for i, v in enumerate(value)]
    faults.append(Fault(path, f"must be plain data (text, numbers, lists, maps), not {type(value).__name__}"))
    return None


def _of_text(text: str, path: str) -> list[Fault]:
    """Faults of a text: its length, and signs that no name or path can hold."""
    if len(text) > bounds.MAX_TEXT:
        return [Fault(path, f"has {len(text):,} characters; at most {bounds.MAX_TEXT:,} are allowed")]
    odd = next((sign for sign in text if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t\r"), None)
    return [] if odd is None else [Fault(path, f"holds the control character {odd!r}; leave it out")]


def _digits(value: int) -> int:
    """Decimal digits of an integer of any size, or one more."""
    return int(value.bit_length() * math.log10(2)) + 1


def check_finite(value: Any, path: str, faults: list[Fault]) -> None:
    """Add a fault for every infinite number and every NaN: no quantity here is one."""
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(Fault(path, f"must be a finite number; got {kind_of(value)}"))
    elif isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_finite(inner, join(path, step), faults)


def join(path: str, key: str | int) -> str:
    """A YAML path with one more step: `fleet` + `groups` -> `fleet.groups`, + 0 -> `fleet.groups[0]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
