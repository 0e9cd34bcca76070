"""The device profiles: a table of all, and one page for each with every number, its confidence and its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgesim.cli.list import LEGENDS, rows_of
from edgesim.hardware import loading
from generators.markdown import code, page, table


def devices() -> str:
    """One row per shipped profile, in the order and words of `edgesim list profiles`."""
    rows = rows_of("profiles") or []
    keys = [key for key in rows[0] if key not in ("name", "title")]
    cells = [
        (
            f"[`{row['name']}`](../devices/{row['name']}.md)",
            row["title"],
            *("" if row[k] is None else row[k] for k in keys),
        )
        for row in rows
    ]
    return page(table(("profile", "device", *keys), cells), LEGENDS["profiles"] + ".")


def device_pages() -> Iterator[tuple[str, str]]:
    """Name and page of every shipped profile."""
    for name in loading.names():
        yield name, device_page(loading.to_dict(loading.load(name)))


def device_page(profile: dict[str, Any]) -> str:
    """Page of a profile: every number with its confidence and source.

    Args:
        profile: as `edgesim.hardware.loading.to_dict` gives it.
    """
    facts = [(key, profile[key]) for key in ("class", "processor", "software") if profile.get(key)]
    parts = [table(("", ""), facts), profile.get("note") or ""]
    for section, values in profile.items():
        if isinstance(values, dict):
            parts.append(_section(section, values))
    back = "[All devices](../reference/devices.md)"
    return page(f"# {profile['title']}", f"Profile {code(profile['name'])}. {back}.", *parts)


def _section(name: str, values: dict[str, Any]) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    plain = [(code(key), value) for key, value in given.items() if not isinstance(value, dict | list)]
    numbers = [(code(path), *_cells(value)) for path, value in _quantities("", given)]
    modes = [_mode(mode) for mode in given.get("modes", ()) if "clocks" in mode]
    return page(
        f"## {name.capitalize()}",
        table(("field", "value"), plain) if plain else "",
        table(("quantity", "value", "confidence", "source"), numbers) if numbers else "",
        table(("mode", "CPU MHz", "GPU MHz", "memory MHz", "GPU cores on", "confidence", "source"), modes)
        if modes
        else "",
    )


def _mode(mode: dict[str, Any]) -> tuple[str, ...]:
    """Row of a power mode that is given by its clocks."""
    clocks = mode["clocks"]
    frequencies = (_mhz(clocks[key]) if key in clocks else "highest" for key in ("cpu_hz", "gpu_hz", "memory_hz"))
    on = f"{100 * clocks.get('gpu_core_share', 1):.3g} %"
    return code(mode["name"]), *frequencies, on, clocks["confidence"], clocks["source"]


def _mhz(frequency_hz: float) -> str:
    return f"{frequency_hz / 1e6:.6g}"


def _quantities(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted name and map of every quantity; entries of a list go by their name."""
    for key, value in values.items():
        if isinstance(value, list):
            for entry in value:
                yield from _quantities(f"{prefix}{key}[{entry.get('name', '')}].", entry)
        elif isinstance(value, dict) and "value" in value:
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _quantities(f"{prefix}{key}.", value)


def _cells(quantity: dict[str, Any]) -> tuple[str, str, str]:
    error = quantity.get("relative_error")
    spread = f" (± {100 * error:.3g} %)" if error else ""
    note = f" Note: {quantity['note']}" if quantity.get("note") else ""
    value = quantity["value"]
    shown = f"{', '.join(map(_mhz, value))} MHz" if isinstance(value, list) else f"{value:.6g}"
    return f"{shown}{spread}", quantity["confidence"], quantity["source"] + note
