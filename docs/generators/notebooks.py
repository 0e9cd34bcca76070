"""Notebooks as pages. `python docs/generators/notebooks.py` executes them anew and keeps their outputs.

mkdocs-jupyter would do the same with 600 KB of style per page and a script from a content network; this needs neither.
"""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TIMEOUT_S = 300
_TABLE = re.compile(r"<table[^>]*>")  # the theme styles tables without attributes
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)


def execute(path: Path, folder: Path) -> Any:
    """Run every cell of a notebook in a fresh kernel.

    Args:
        path: the notebook.
        folder: where it runs; what it writes stays there.

    Returns: the notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an error.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of the execution
    return notebook


def pages() -> dict[str, str]:
    """Name of every notebook -> its page."""
    return {path.stem: markdown_of(path) for path in sorted(FOLDER.glob("*.ipynb"))}


def markdown_of(path: Path) -> str:
    """A notebook as Markdown: its texts, its code and the outputs that it holds."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            parts += [_output(output) for output in cell.outputs]
    return "\n\n".join([*parts, f"[This page as a notebook]({path.name})"]) + "\n"


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    if output.output_type == "error":
        raise ValueError(f"a cell of a notebook ended with {output.ename}: {output.evalue}")
    if "image/png" in output.data:
        packed = base64.b64encode(base64.b64decode(output.data["image/png"])).decode()
        return f"![output](data:image/png;base64,{packed})"
    if "text/html" in output.data:
        lines = _TABLE.sub("<table>", _STYLE.sub("", output.data["text/html"])).splitlines()
        return "\n".join(line.strip() for line in lines if line.strip())
    return f"```text\n{output.data['text/plain']}\n```"


if __name__ == "__main__":
    for place in sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as scratch:
            nbformat.write(execute(place, Path(scratch)), place)
