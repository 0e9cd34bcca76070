"""The command line for tests: in this process where a command only reads, in a process of its own where it trains."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

EDGESIM = shutil.which("edgesim", path=str(Path(sys.executable).parent)) or "edgesim"
READING = ("list", "plan", "predict", "report", "schema", "tune", "validate")
"""commands that start no workers; a new process would import torch and pandas for each of them"""


def command(
    *arguments: str, cwd: Path = ROOT, timeout_s: float = 280, columns: int = 100
) -> subprocess.CompletedProcess[str]:
    """Exit status and output of `edgesim ARGUMENTS`, on a terminal of so many columns."""
    if arguments and arguments[0] in READING:
        return _here(arguments, cwd, columns)
    environment = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(
        [EDGESIM, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def _here(arguments: tuple[str, ...], cwd: Path, columns: int) -> subprocess.CompletedProcess[str]:
    """The script's entry point, with its arguments, folder and standard streams."""
    from edgesim.cli import main

    out, err = io.StringIO(), io.StringIO()
    thresholds = gc.get_threshold()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["edgesim", *arguments])
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
    code = status if isinstance(status, int) else int(status is not None)
    return subprocess.CompletedProcess(["edgesim", *arguments], code, out.getvalue(), err.getvalue())
