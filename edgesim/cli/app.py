"""Parser of the command line, and arguments that several commands share. Each command's module registers itself."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgesim.cli import INTERRUPTED
from edgesim.errors import EdgesimError, RunError, shortened
from edgesim.formatting import visible

COMMANDS = (
    "run", "runs", "watch", "sweep", "compare", "report", "figures", "tables", "export", "geometry", "plan", "tune",
    "predict", "validate", "init", "list", "schema", "calibrate",
)  # fmt: skip
"""commands in the order of `edgesim --help`"""


def echo(text: str, err: bool = False) -> None:
    """Print text; control characters in names that a file holds are written as escapes."""
    typer.echo(visible(text), err=err)


def json_text(value: Any) -> str:
    """A value as indented JSON."""
    import json

    return json.dumps(value, indent=2)


_FAULTS: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""faults of a command line; typer has no name for their base"""


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Let faults of a command line be printed shortened, without the control characters that a word may hold."""
    try:
        yield
    except _FAULTS as error:
        error.message = shortened(visible(error.message))
        raise


class _Commands(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base, for faults of options before the command."""
        with _readable():
            return super().parse_args(ctx, args)

    def list_commands(self, _: Any) -> list[str]:
        """Names of the commands, those used most first."""
        return list(COMMANDS)

    def invoke(self, ctx: Any) -> Any:
        """Call the command; its faults are readable, and where Ctrl-C stops it, one line says so."""
        try:
            with _readable():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            with contextlib.suppress(OSError):  # the terminal may be closed
                echo(f"edgesim: {str(error) or 'interrupted'}", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="edgesim",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulate fleets of heterogeneous edge devices that score, prune and train on their own data.",
)

Scenario = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="Scenario file (YAML), or a name from `edgesim list scenarios`.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a scenario value, like training.epochs=3 (repeatable)."),
]
Track = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Tracker that follows the run: tensorboard, mlflow, wandb; one or more."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def with_trackers(overrides: list[str] | None, track: list[str] | None) -> list[str]:
    """The changes of a scenario by `--set` and `--track`."""
    import json

    return [*(overrides or ()), *([f"track={json.dumps(track)}"] if track else [])]


def _version(asked: bool) -> None:
    """Print versions and exit; nothing heavy is imported for it."""
    if asked:
        from edgesim.results import provenance

        found = provenance.versions()
        others = ", ".join(f"{name} {found[name]}" for name in ("python", "torch", "ray"))
        echo(f"edgesim {found['edgesim']} ({others})")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    """Simulate fleets of heterogeneous edge devices that score, prune and train on their own data."""


def with_commands(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The parser with some commands, all by default. Only their modules are imported; each registers itself."""
    for name in names:
        importlib.import_module(f"edgesim.cli.{name}")
    return app


def call() -> None:
    """Call the command that the arguments name; a user's error becomes a message and an exit code."""
    asked = sys.argv[1:2]
    needed = [] if asked == ["--version"] else asked if asked and asked[0] in COMMANDS else COMMANDS
    try:
        with_commands(needed)(standalone_mode=True)
    except RunError as error:
        echo(f"edgesim: {error}", err=True)
        sys.exit(1)
    except EdgesimError as error:
        echo(f"edgesim: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        file = shortened(str(error.filename or "a file"))
        echo(f"edgesim: {file}: {error.strerror or error}", err=True)
        sys.exit(1)


def fail(error: EdgesimError, code: int) -> Any:
    """Print an error to standard error and exit."""
    with contextlib.suppress(OSError):  # the terminal may be closed
        echo(f"edgesim: {error}", err=True)
    raise typer.Exit(code)


def check_choice(kind: str, given: str, allowed: Iterable[str]) -> None:
    """Refuse a word that is not among the allowed ones.

    Raises:
        typer.BadParameter: with the allowed words and the nearest one.
    """
    if given not in allowed:
        from edgesim.config.validation import nearest

        words = list(allowed)
        near = nearest(given, words)
        raise typer.BadParameter(f"there is no {kind} '{given}'{near}; allowed: {', '.join(words)}")
