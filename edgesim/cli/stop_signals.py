"""Signals that stop a command: Ctrl-C, a polite kill, and a terminal that closes.

Before a command has anything to lose, Ctrl-C ends the process at once with one line: an exception in the midst of
imports would come out as a traceback of some library. Later the signals raise `KeyboardInterrupt`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def _is_main() -> bool:
    """True where handlers may be set."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def ending_at_once(code: int) -> Iterator[None]:
    """Let Ctrl-C end the process at once until `interrupting` is called; the handlers before come back at the end.

    Args:
        code: exit code.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"edgesim: interrupted\n")
        os._exit(code)

    if not _is_main():
        yield
        return
    before = {number: signal.getsignal(number) for number in _numbers()}
    if before[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def interrupting(also_others: bool = False) -> None:
    """Let Ctrl-C raise `KeyboardInterrupt`: from here on there is something to put in order.

    Called again once Ray is up, whose handler for SIGTERM would print a stack.

    Args:
        also_others: a polite kill (SIGTERM) and a closed terminal (SIGHUP, unless `nohup` ignores it) do, too.
    """
    if not _is_main():
        return
    for number in _numbers() if also_others else (signal.SIGINT,):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def deferring() -> Iterator[None]:
    """Let a block of imports end before a signal raises `KeyboardInterrupt`."""
    if not _is_main():
        yield
        return
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in _numbers()}
    for number, handler in before.items():
        if handler is signal.default_int_handler:
            signal.signal(number, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is signal.default_int_handler:
                signal.signal(number, handler)
    if seen:
        raise KeyboardInterrupt


def _numbers() -> tuple[signal.Signals, ...]:
    hangup = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()  # Windows has none
    return (signal.SIGINT, signal.SIGTERM, *hangup)
