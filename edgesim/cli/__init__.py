"""The command line. The only place that prints and exits."""

from __future__ import annotations

import gc
import sys

import typer

from edgesim.cli import running, without_training
from edgesim.cli.app import app
from edgesim.errors import EdgesimError, RunError

__all__ = ["app", "main", "running", "without_training"]

_COLLECT_EVERY = 50_000
"""new objects between two looks for garbage in cycles; Python's 700 make a look of every few of the classes and
functions that imports create and keep"""


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
        typer.echo(f"edgesim: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("edgesim: interrupted", err=True)
        sys.exit(130)
    finally:
        # Python's exit would look through all that was imported once more, for up to a second. Where torch is it has
        # to: triton complains of everything that is not taken down.
        if "torch" not in sys.modules:
            gc.freeze()
