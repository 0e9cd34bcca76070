"""Progress of a calibration: a line that changes on a terminal, a line per stage and round in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from edgesim.calibration.time_left import Stage, Tell
from edgesim.cli import terminal_table
from edgesim.cli.app import echo
from edgesim.formatting import visible

_SHORT_S = 90.0


@contextmanager
def watcher() -> Iterator[Tell]:
    """A receiver of stages for the time of a calibration."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    console = terminal_table.console(stderr=True)
    with console.status("") as line:
        yield _Updates(console, line)


class _Lines:
    """One line per stage and round; a round's time left comes with its first case."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, stage: Stage) -> None:
        if stage.doing != self._last:
            self._last = stage.doing
            echo(sentence(stage), err=True)


class _Updates:
    """One line that changes; what is more than progress stays on the screen."""

    def __init__(self, console: Console, line: Status):
        self._console, self._line = console, line

    def __call__(self, stage: Stage) -> None:
        if stage.stays:
            self._console.print(visible(stage.doing), highlight=False, markup=False, emoji=False)
        else:
            self._line.update(Text(sentence(stage, detail=True)))


def sentence(stage: Stage, detail: bool = False) -> str:
    """A stage as text.

    Args:
        stage: the state.
        detail: whether to name the case.
    """
    parts = [stage.doing, *([stage.detail] if detail and stage.detail else [])]
    if stage.left_s is not None:
        parts.append(f"about {short_time(stage.left_s)} left, then the fit")
    elif stage.detail:
        parts.append("time left known after the first round")
    return visible(", ".join(parts))


def short_time(seconds: float) -> str:
    """A duration as it is estimated, without false digits: 40 s, 4 min."""
    return f"{max(0, round(seconds / 5) * 5)} s" if seconds < _SHORT_S else f"{seconds / 60:.0f} min"
