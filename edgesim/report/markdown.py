"""Report of a run as a Markdown page of tables: for a pull request, a repository, or a paper's appendix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from edgesim.config.output_files import write_signed
from edgesim.formatting import n_of, visible
from edgesim.report import page, text_tables
from edgesim.report.run_tables import Run
from edgesim.report.sections import PageTable
from edgesim.results import text_columns

SHOWN_SECTIONS = ("summary", "equal-cost", "claims", "gap", "transfer", "time", "kept", "failures")
SHOWN_FIGURES = ("gap",)
"""figures whose tables are shown"""


def write_markdown(run: Run, out: Path) -> Path:
    """Write the tables of a run's report as Markdown.

    Args:
        run: the run, in any state.
        out: the file to write; folders above it are made.

    Returns: `out`.
    """
    return write_page(page.of_run(run), out, SHOWN_SECTIONS, SHOWN_FIGURES)


def write_all(run: Run, files: Sequence[Path]) -> list[Path]:
    """Write a run's report to each of these files, as Markdown where a name ends in .md, else as HTML.

    Returns: the files.
    """
    shown = page.of_run(run)
    for out in files:
        if out.suffix == ".md":
            write_page(shown, out, SHOWN_SECTIONS, SHOWN_FIGURES)
        else:
            page.write_page(shown, out)
    return list(files)


@text_columns.new_as_objects()
def write_page(shown: page.Page, out: Path, in_sections: Sequence[str], in_figures: Sequence[str]) -> Path:
    """Write verdict, facts and tables of any page as Markdown.

    Args:
        shown: the page.
        out: the file to write; folders above it are made.
        in_sections: keys of the sections whose tables are shown, except collapsed ones.
        in_figures: keys of the figures in them whose numbers are shown.

    Returns: `out`.
    """
    lines = [f"# {_plain(shown.name)}", "", "## Verdict", ""]
    lines += [f"- {_plain(finding.text)}" for finding in shown.verdict.findings]
    lines += ["", *(f"> {_plain(note)}\n>" for note in shown.verdict.limits), "", f"## {shown.about}", ""]
    lines += [*(f"- {_plain(label)}: {_plain(value)}" for label, value in shown.facts), ""]
    if shown.data_notes:
        lines += ["How the data were read:", "", *(f"- {_plain(note)}" for note in shown.data_notes), ""]
    used: list[str] = []
    for part in shown.sections:
        behind = [PageTable(f.key, f.title, f.table) for f in part.shown_figures if f.key in in_figures]
        found = [*behind, *(table for table in part.tables if not table.folded), *part.in_markdown]
        found = [table for table in found if len(table.data)]
        if part.key not in in_sections or not found:
            continue
        lines += [f"## {part.title}", ""]
        for table in found:
            lines += [f"{_plain(table.caption)}:", "", *_rows(table.data, shown), ""]
            used += [str(name) for name in table.data.columns]
    lines += [
        "## Columns",
        "",
        *(f"- **{label}**: {meaning}" for label, _, meaning in text_tables.glossary(used, shown.columns)),
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_signed(out, "\n".join(lines) + "\n")
    return out


def _rows(data: pd.DataFrame, shown: page.Page) -> list[str]:
    table = text_tables.table(data, known=shown.columns)
    head = "| " + " | ".join(_plain(label) for label, _ in table.headers) + " |"
    rule = "|" + "|".join("---:" if number else "---" for _, number in table.headers) + "|"
    body = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in table.rows]
    left_out = [f"The run folder has {n_of(table.rows_left_out, 'more row')}."] if table.rows_left_out else []
    return [head, rule, *body, *left_out]


def _plain(text: str) -> str:
    """Text with the characters escaped that Markdown would interpret."""
    for sign in "\\|<>*_`":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return visible(text).replace("\n", " ")
