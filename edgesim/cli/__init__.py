"""Command line, one module per command. The only place that prints and exits."""

from __future__ import annotations

import gc
import sys

INTERRUPTED = 130
"""exit code of a command that Ctrl-C stopped; an interrupted run, which can be resumed, leaves with 1"""
_COLLECT_EVERY = 1_000_000
"""new objects between two garbage collections; Python's 700 would collect after every few imports"""
_COLLECT_EVERY_OF_LONG = 50_000
_LONG = ("run", "sweep", "compare", "calibrate")
"""commands that may train for hours"""


def main() -> None:
    """Entry point: a user's error is a message and an exit code, never a traceback."""
    gc.set_threshold(_COLLECT_EVERY_OF_LONG if sys.argv[1:2] and sys.argv[1] in _LONG else _COLLECT_EVERY)
    try:  # nothing is imported before Ctrl-C has its handler
        from edgesim.cli import stop_signals

        with stop_signals.ending_at_once(INTERRUPTED):
            from edgesim.cli.app import call

            call()
    except KeyboardInterrupt:
        sys.stderr.write("edgesim: interrupted\n")
        sys.exit(INTERRUPTED)
    finally:
        # Python's exit would collect all that was imported once more, for up to a second. With torch it has to: triton
        # complains about everything that is not taken down.
        if "torch" not in sys.modules:
            gc.freeze()
