"""Command line, one module per command. The only place that prints and exits."""

from __future__ import annotations

import gc
import sys

import typer

from edgesim.cli import calibrate, compare, init, plan, predict, report, run, schema, validate
from edgesim.cli import list as list_
from edgesim.cli.app import app, echo
from edgesim.errors import EdgesimError, RunError, shortened

__all__ = [
    "app", "calibrate", "compare", "init", "list_", "main", "plan", "predict", "report", "run", "schema", "validate",
]  # fmt: skip

_COLLECT_EVERY = 50_000
"""new objects between two garbage collections; Python's 700 would collect after every few imports"""


def main() -> None:
    """Entry point: a user's error is a message and an exit code, never a traceback."""
    gc.set_threshold(_COLLECT_EVERY)
    try:
        app(standalone_mode=True)
    except RunError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(1)
    except EdgesimError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        file = shortened(str(error.filename or "a file"))
        echo(f"edgesim: {file}: {error.strerror or error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("edgesim: interrupted", err=True)
        sys.exit(130)
    finally:
        # Python's exit would collect all that was imported once more, for up to a second. With torch it has to: triton
        # complains about everything that is not taken down.
        if "torch" not in sys.modules:
            gc.freeze()
