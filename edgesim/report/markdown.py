"""A run -> one Markdown page of tables: for a pull request, a repository, or a paper's appendix."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edgesim import analysis
from edgesim.report import columns, tables
from edgesim.report.identity import facts
from edgesim.report.sections import Shown
from edgesim.report.source import Run, read
from edgesim.report.story import sections
from edgesim.report.verdict import read_verdict

SHOWN_SECTIONS = ("claims", "summary", "gap", "time", "failures")
SHOWN_FIGURES = ("gap", "fits")
"""figures whose numbers are shown"""


def write_markdown(run: Run, out: Path) -> Path:
    """Write the tables of a run's report as Markdown.

    Args:
        run: the run, in any state.
        out: the file to write; folders above it are made.

    Returns: `out`.
    """
    source = read(run)
    told = read_verdict(source, run.info)
    lines = [f"# {_plain(str(run.info.get('scenario') or run.path.name))}", "", "## Verdict", ""]
    lines += [f"- {_plain(finding.text)}" for finding in told.findings]
    lines += ["", *(f"> {_plain(note)}\n>" for note in told.limits), "", "## Run", ""]
    lines += [*(f"- {label}: {_plain(value)}" for label, value in facts(run.info, source.records)), ""]
    for part in sections(source):
        if part.key not in SHOWN_SECTIONS or part.is_empty:
            continue
        lines += [f"## {part.title}", ""]
        behind = [Shown(f.key, f.title, f.table) for f in part.shown_figures if f.key in SHOWN_FIGURES]
        for shown in [*behind, *(table for table in part.tables if not table.folded)]:
            lines += [f"{_plain(shown.caption)}:", "", *_rows(shown.data), ""]
    used = [name for name in analysis.SUMMARY_COLUMNS if name in columns.COLUMNS]
    lines += ["## Columns", "", *(f"- **{label}**: {meaning}" for label, _, meaning in tables.glossary(used))]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def _rows(data: pd.DataFrame) -> list[str]:
    table = tables.table(data)
    head = "| " + " | ".join(_plain(label) for label, _ in table.headers) + " |"
    rule = "|" + "|".join("---:" if number else "---" for _, number in table.headers) + "|"
    body = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in table.rows]
    left_out = [f"{table.rows_left_out} more rows are in the run folder."] if table.rows_left_out else []
    return [head, rule, *body, *left_out]


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for sign in "\\|<>*_`":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text.replace("\n", " ")
