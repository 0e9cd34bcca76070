"""Puts coefficients into profile files and leaves every other line as it is, comments included."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

from edgesim.calibration.published.profile_coefficients import Value
from edgesim.config import validation
from edgesim.errors import EdgesimError

_WIDTH = 108


def update(path: Path, values: dict[str, Value]) -> None:
    """Write coefficients into one profile file, in place of those that it has.

    Args:
        path: a profile's YAML file, one section per top-level key, indented by two.
        values: `section.field` -> coefficient; those of a section go to its end.

    Raises:
        EdgesimError: the file is written in another form, so that the rest of it would change; it is left alone.
    """
    text = path.read_text(encoding="utf-8")
    changed = text
    sections: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        section, field = name.split(".")
        sections.setdefault(section, {})[field] = value
    for section, fields in sections.items():
        changed = _with_section(changed, section, fields)
    if _rest(validation.parse(changed, str(path)), sections) != _rest(validation.read(path), sections):
        raise EdgesimError(
            f"{path}: cannot add coefficients without changing the rest; write every section as a key at the margin "
            "with its fields below, indented by two spaces"
        )
    path.write_text(changed, encoding="utf-8")


def _with_section(text: str, section: str, fields: dict[str, Value]) -> str:
    lines = text.rstrip("\n").split("\n")
    start = next((i for i, line in enumerate(lines) if re.match(rf"{section}:\s*(#.*)?$", line)), None)
    if start is None:
        lines += ["", f"{section}:"]
        start = len(lines) - 1
    end = next((i for i in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines))
    while end > start + 1 and not lines[end - 1].startswith(" "):  # blank lines and comments before the next section
        end -= 1
    kept: list[str] = []
    skipping = False
    for line in lines[start + 1 : end]:
        if key := re.match(r"  (\w+):", line):
            skipping = key[1] in fields
        if not skipping:
            kept.append(line)
    new = [line for field, value in fields.items() for line in _block(field, value)]
    return "\n".join([*lines[: start + 1], *kept, *new, *lines[end:]]) + "\n"


def number(value: float | bool) -> str:
    """A coefficient as a profile holds it: with four digits."""
    return "true" if value is True else f"{value:.4g}"


def _block(field: str, value: Value) -> list[str]:
    lines = [f"  {field}:", f"    value: {number(value.value)}", f"    confidence: {value.confidence}"]
    plain = f"    source: {value.source}"
    if re.search(r": | #|^[^\w]", value.source):
        lines.append(f"    source: {json.dumps(value.source, ensure_ascii=False)}")
    elif len(plain) <= _WIDTH:
        lines.append(plain)
    else:
        lines.append("    source: >-")
        lines += textwrap.wrap(value.source, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    if value.relative_error is not None:
        lines.append(f"    relative_error: {value.relative_error:.3g}")
    return lines


def _rest(document: dict[str, Any], sections: dict[str, dict[str, Value]]) -> dict[str, Any]:
    """The document without the coefficients; a section that held nothing else is gone."""
    rest = {key: value for key, value in document.items() if key not in sections}
    for section, fields in sections.items():
        others = {key: value for key, value in (document.get(section) or {}).items() if key not in fields}
        if others:
            rest[section] = others
    return rest
