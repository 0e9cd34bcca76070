"""Errors that edgesim raises for what a user or a device can cause.

Every message names the place, the value given, what is allowed, and the fix. Programming mistakes are plain
Python exceptions and are not caught anywhere but at the boundary of an executor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgesim.formatting import n_of, visible

MAX_LINE = 1_000
"""characters of a line of a message; whatever a user's file holds, its error stays readable"""


def shortened(text: str, most: int = MAX_LINE) -> str:
    """A text of at most `most` characters, and how many there were where its middle is left out."""
    if len(text) <= most:
        return text
    note = f" … [{len(text):,} characters] … "
    kept = max(2, most - len(note))
    return f"{text[: kept - kept // 4]}{note}{text[-(kept // 4) :]}"


class EdgesimError(Exception):
    """Base of all errors that a user can cause. The command line prints it without a traceback."""

    def __str__(self) -> str:
        return "\n".join(shortened(line) for line in visible(super().__str__()).split("\n"))


class DataError(EdgesimError):
    """A data set or a partition cannot be made: a missing, corrupt or inconsistent file, or too little data."""


class ProfileError(EdgesimError):
    """A device profile is missing, malformed or not plausible."""


class TrainingDiverged(EdgesimError):
    """The loss became infinite or NaN at the 0-based optimiser step `step`."""

    def __init__(self, step: int, loss: float, key: str = "training.learning_rate"):
        """Say what happened, and the scenario key that would mend it."""
        super().__init__(
            f"the training loss became {loss} at step {step}; "
            f"a smaller {key} usually fixes this, sometimes fp32 instead of bf16 does"
        )
        self.step = step
        self.loss = loss
        self.key = key

    def __reduce__(self) -> tuple[type, tuple[int, float, str]]:
        return type(self), (self.step, self.loss, self.key)


class RunError(EdgesimError):
    """A run folder cannot be written, resumed or read."""


class OutputError(RunError):
    """A file cannot be written: the disk is full, for example."""


@dataclass(frozen=True)
class Fault:
    """One fault of a document: YAML path, value given, allowed values, and the fix."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class FieldFaults(ValueError):
    """Faults that a dataclass finds in its fields; their paths start at the dataclass."""

    def __init__(self, faults: list[Fault]):
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults

    def __reduce__(self) -> tuple[type, tuple[list[Fault]]]:
        return type(self), (self.faults,)


class ScenarioError(EdgesimError):
    """A scenario, fleet or profile document has faults.

    `faults` has all of them. In the text, many faults that differ only in numbers are counted.
    """

    def __init__(self, source: str, faults: list[Fault]):
        super().__init__("\n".join([f"{source}: {n_of(len(faults), 'fault')}", *_lines(faults)]))
        self.source = source
        self.faults = faults

    def __reduce__(self) -> tuple[type, tuple[str, list[Fault]]]:
        return type(self), (self.source, self.faults)


_FEW = 3
"""faults of one kind that are always listed one by one"""
_LISTED = 10
"""faults of one kind that are listed where each has another message"""
_NUMBERS = r"'[^']*'|-?[0-9][0-9_.:]*(?:e[-+]?[0-9]+)?"  # compiled when the first fault is told


def _kind(text: str) -> str:
    """Text with its numbers replaced, except in quotes, where they belong to names."""
    return re.sub(_NUMBERS, lambda found: found[0] if found[0].startswith("'") else "#", text)


def _lines(faults: list[Fault]) -> list[str]:
    """Lines of faults in their order; of many that differ in numbers alone the first, their number, and the last."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault((_kind(fault.path), _kind(fault.message)), []).append(fault)
    lines = []
    for same_kind in kinds.values():
        shown = len(same_kind)
        if shown > _FEW:
            shown = 1 if len({fault.message for fault in same_kind}) == 1 else min(shown, _LISTED)
        lines += [f"  {fault}" for fault in same_kind[:shown]]
        if shown < len(same_kind):
            last = same_kind[-1] if same_kind[-1].path == same_kind[0].path else same_kind[-1].path
            lines.append(f"    and {n_of(len(same_kind) - shown, 'fault')} more of this kind, the last: {last}")
    return lines
