"""The errors that edgesim raises for what a user or a device can cause.

Every message says what was wrong, what was given, what is allowed and how to mend it. Programming mistakes are plain
Python exceptions and are not caught anywhere but at the boundary of an executor.
"""

from __future__ import annotations

from dataclasses import dataclass


class EdgesimError(Exception):
    """Base of all errors that a user can cause. The command line prints it without a traceback."""


class DataError(EdgesimError):
    """A data set or a partition cannot be made: a missing, corrupt or inconsistent file, or too little data."""


class ProfileError(EdgesimError):
    """A device profile is missing, malformed or not plausible."""


class TrainingDiverged(EdgesimError):
    """The loss became infinite or NaN. `step` is the 0-based optimiser step at which that was seen."""

    def __init__(self, step: int, loss: float):
        super().__init__(
            f"the training loss became {loss} at step {step}; "
            "a smaller training.learning_rate usually mends this, fp32 instead of bf16 sometimes"
        )
        self.step = step
        self.loss = loss

    def __reduce__(self) -> tuple[type, tuple[int, float]]:
        return type(self), (self.step, self.loss)


class RunError(EdgesimError):
    """A run folder cannot be written, resumed or read."""


@dataclass(frozen=True)
class Fault:
    """One fault of a document: where (YAML path), what was given, what is allowed, and the fix."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ScenarioError(EdgesimError):
    """A scenario, fleet or profile document has faults; all of them are listed at once in `faults`."""

    def __init__(self, source: str, faults: list[Fault]):
        lines = [f"{source}: {len(faults)} fault{'s' if len(faults) != 1 else ''}"]
        lines += [f"  {fault}" for fault in faults]
        super().__init__("\n".join(lines))
        self.source = source
        self.faults = faults

    def __reduce__(self) -> tuple[type, tuple[str, list[Fault]]]:
        return type(self), (self.source, self.faults)
