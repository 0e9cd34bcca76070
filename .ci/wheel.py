"""Tries an installed wheel as a stranger would: in an empty folder, by the interpreter that this script runs in.

    .venv-empty/bin/python .ci/wheel.py

It must not see the repository, so the package is looked for where it is installed alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = str(Path(sys.executable).parent / "edgesim")
SMALL = ["--set", "training.epochs=2", "--set", "seeds=[0]", "--set", "dataset.limit_train=600"]
"""a quickstart of seconds"""


def called(folder: Path, *words: str) -> str:
    """Output of a command; it must end well and say nothing on stderr, also while its process ends."""
    hidden = {"PYTHONPATH", "EDGESIM_DATA", "EDGESIM_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"EDGESIM_CACHE": str(folder / "cache"), "COLUMNS": "100"}
    done = subprocess.run([COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert done.stderr == "", (words, done.stderr)
    print("edgesim", *words, "- ok", flush=True)
    return done.stdout


def main() -> None:
    """Run the commands, and look at what they wrote."""
    with tempfile.TemporaryDirectory(prefix="edgesim-wheel-") as name:
        folder = Path(name)
        where = subprocess.run(
            [sys.executable, "-c", "import edgesim; print(edgesim.__file__)"],
            cwd=folder, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert not Path(where.strip()).is_relative_to(REPOSITORY / "edgesim"), where
        assert "quickstart" in called(folder, "list", "scenarios")
        for what in ("profiles", "fleets", "methods"):
            called(folder, "list", what)
        found = {row["name"]: row["from"] for row in json.loads(called(folder, "list", "methods", "--json"))}
        assert found["middle"] == "edgesim-middle 0.1.0", found  # docs/plugin-template
        plugins = ["--set", "pruning.methods=[full, middle]", "--set", "partition=every-nth"]
        called(folder, "run", "quickstart", "--no-progress", "--out", "plugins", *SMALL, *plugins)
        package = Path(where.strip()).parent
        assert (package / "py.typed").is_file()
        shipped = package / "_scenarios"
        assert {path.name for path in shipped.iterdir()} == {path.name for path in (REPOSITORY / "scenarios").iterdir()}
        assert json.loads(called(folder, "plan", "quickstart", "--json"))["devices"] == 8
        called(
            folder,
            "predict",
            "--profile",
            "raspberry-pi-5",
            "--model",
            "resnet8",
            "--input",
            "3x32x32",
            "--batch-size",
            "8",
        )
        called(folder, "init", "mine.yaml")
        called(folder, "validate", "--data", "mine.yaml")
        called(folder, "run", "quickstart", "--no-progress", "--out", "run", *SMALL)
        fleets = ["--fleet", "phones", "--fleet", "raspberry-pis"]
        compared = json.loads(called(folder, "compare", "run", *fleets, "--json"))
        assert {row["fleet"] for row in compared["tables"]["fleets"]} == {"phones", "raspberry-pis"}
        written = {path.name for path in folder.iterdir()} - {"cache"}
        assert {"mine.yaml", "run"} <= written, written
        assert (folder / "run" / "report.html").is_file()


if __name__ == "__main__":
    main()
