"""The parser with all commands, and exit codes of errors."""

from __future__ import annotations

import sys

import typer

from edgesim.cli import calibrate, compare, init, plan, predict, report, run, schema, validate
from edgesim.cli import list as list_
from edgesim.cli.app import app
from edgesim.errors import EdgesimError, RunError

__all__ = [
    "app", "calibrate", "call", "compare", "init", "list_", "plan", "predict", "report", "run", "schema", "validate",
]  # fmt: skip


def call() -> None:
    """Call the command that the arguments name; a user's error becomes a message and an exit code."""
    try:
        app(standalone_mode=True)
    except RunError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(1)
    except EdgesimError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"edgesim: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(1)
