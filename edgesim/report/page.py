"""A run -> one self-contained HTML page: opens from disk without a network, plotly.js embedded once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jinja2

from edgesim import documents
from edgesim.report import embed, identity, marks, tables
from edgesim.report.sections import Section
from edgesim.report.source import Run, read
from edgesim.report.story import sections
from edgesim.report.verdict import read_verdict

FIRST_ROWS = 25
"""rows of a table in the document itself; the script shows the others"""
SHORT = 30
"""signs up to which a text of a table stays on one line"""


def write(run: Run, out: Path) -> Path:
    """Write the report of a run.

    Args:
        run: the run, in any state: still going, failed, with or without `full` and `random`.
        out: the HTML file to write; replaced as a whole, folders above it are made.

    Returns: `out`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    unfinished.write_text(render(run), encoding="utf-8")
    unfinished.replace(out)
    return out


def render(run: Run) -> str:
    """The page as text."""
    source = read(run)
    told = read_verdict(source, run.info)
    parts = sections(source)
    specs = _specs(parts)
    shown, packed = embed.fit([table for part in parts for table in part.all_tables], embed.room_beside(specs))
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2").render(
        name=str(run.info.get("scenario") or run.path.name),
        headline=identity.headline(run.info, source.records),
        facts=identity.facts(run.info, source.records),
        verdict=told,
        sections=parts,
        tables=shown,
        first_rows=_first_rows,
        short=SHORT,
        glossary=tables.glossary(name for table in shown.values() for name in table.data.columns),
        scenario_yaml=documents.dump(run.scenario),
        look=marks.LOOK,
        page_data=embed.as_json({"tables": packed, "figures": specs}),
        plotly_js=embed.plotly_js(),
    )


def _first_rows(data: Any) -> tables.Table:
    return tables.table(data, FIRST_ROWS)


def _specs(parts: list[Section]) -> dict[str, Any]:
    return {figure.key: figure.spec for part in parts for figure in part.shown_figures}
