"""The command line for tests in this process; `warm` starts it in one of its own."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT

EDGESIM = shutil.which("edgesim", path=str(Path(sys.executable).parent)) or "edgesim"
_get_command = typer.main.get_command


def command(*arguments: str, cwd: Path = ROOT, columns: int | None = 100) -> subprocess.CompletedProcess[str]:
    """Exit status and output of `edgesim ARGUMENTS`, on a terminal of so many columns; None = as the environment says.

    It is the script's entry point, called with its arguments, folder and standard streams. Modules of the user's that
    it imports are forgotten.
    """
    from edgesim.cli import main

    out, err = io.StringIO(), io.StringIO()
    thresholds, path = gc.get_threshold(), [*sys.path]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["edgesim", *arguments])
        patch.setattr(typer.main, "get_command", lambda app: _parser(app, len(app.registered_commands)))
        if columns is not None:
            patch.setenv("COLUMNS", str(columns))
        patch.chdir(cwd)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                status: object = 0
            except SystemExit as end:
                status = end.code
            finally:
                gc.set_threshold(*thresholds)
                sys.path[:] = path
                for name in _modules_of(cwd):
                    del sys.modules[name]
    code = status if isinstance(status, int) else int(status is not None)
    return subprocess.CompletedProcess(["edgesim", *arguments], code, out.getvalue(), err.getvalue())


@functools.cache
def _parser(app: typer.Typer, _: int) -> Any:
    """What `Typer` makes of its commands at each call, which takes longer than most of the commands; made once here."""
    return _get_command(app)


def _modules_of(folder: Path) -> list[str]:
    """Names of the imported modules that lie in a folder itself."""
    files = {name: vars(module).get("__file__") for name, module in sys.modules.items() if hasattr(module, "__dict__")}
    where = str(folder)
    return [name for name, file in files.items() if isinstance(file, str) and os.path.dirname(file) == where]
