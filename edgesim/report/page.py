"""Report of a run as one self-contained HTML page, which opens from disk without a network."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from edgesim.config import validation
from edgesim.config.output_files import write_signed
from edgesim.formatting import MOST_PLAIN, UNKNOWN
from edgesim.report import payload, pictures, plot_style, run_facts, text_tables
from edgesim.report.columns import columns_of
from edgesim.report.outline import sections
from edgesim.report.run_tables import Run, read
from edgesim.report.sections import PageTable, Section
from edgesim.report.table_column import Column
from edgesim.report.verdict_section import Verdict, read_verdict
from edgesim.results import text_columns
from edgesim.tasks import ACCURACY, Metric

FIRST_ROWS = 25
"""rows of a table in the document itself; the script adds the others"""
BRIEF = 20
"""rows up to which a table stays on one sheet of paper"""
SHORT = 30
"""characters up to which a text of a table stays on one line"""
DATA_PLACE = "\0numbers\0"
"""place of the numbers in a document"""
UNITS = re.compile(r"([+-]?\d[\d.,]* (?:%|points?|pp|s|J)(?!\w)|n = \d+)")
"""numbers with their units"""


@dataclass(frozen=True)
class Page:
    """Content of a page on one run or on several."""

    name: str
    kind: str
    """report or comparison"""
    headline: str
    about: str
    """title of the part with the facts"""
    facts: list[tuple[str, str]]
    """(label, text) that identify the run or runs"""
    verdict: Verdict
    sections: list[Section]
    documents: list[tuple[str, str]]
    """(title, text) of documents that can be expanded"""
    data_notes: tuple[str, ...] = ()
    """notes on how the data were read"""
    metric: Metric = ACCURACY
    """the metric that decides"""

    @property
    def columns(self) -> dict[str, Column]:
        """Columns of its tables, by name."""
        return columns_of(self.metric)


def write(run: Run, out: Path) -> Path:
    """Write the report of a run.

    Args:
        run: the run, in any state: still going, failed, with or without `full` and `random`.
        out: the HTML file to write; replaced as a whole, folders above it are made.

    Returns: `out`.
    """
    return write_page(of_run(run), out)


def write_page(page: Page, out: Path) -> Path:
    """Write any page; `out` as for `write`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_signed(out, render_page(page))
    return out


def render(run: Run) -> str:
    """Report of a run as HTML text."""
    return render_page(of_run(run))


@text_columns.new_as_objects()
def of_run(run: Run) -> Page:
    """Page with the report of a run."""
    source = read(run)
    return Page(
        name=str(run.info.get("scenario") or run.path.name),
        kind="report",
        headline=run_facts.headline(run.info, source.records),
        about="Run",
        facts=run_facts.facts(run.info, source.records),
        verdict=read_verdict(source, run.info),
        sections=sections(source),
        documents=[("The scenario as it was run", validation.dump(run.scenario))],
        data_notes=run_facts.data_notes(run.info),
        metric=source.metric,
    )


@text_columns.new_as_objects()
def render_page(page: Page) -> str:
    """Any page as HTML text."""
    specs = _specs(page.sections)
    bare = [part.with_pictures((), part.limits) for part in page.sections]
    all_tables = {table.key: table for part in page.sections for table in part.all_tables}
    document = _document(dataclasses.replace(page, sections=bare), all_tables)
    empty = _with_data(document, {"tables": {}, "figures": specs})
    room = payload.MAX_BYTES - payload.SPARE_BYTES - len(empty.encode())
    # Tables come first; pictures of samples get the remaining room, and a little in any case.
    packed = payload.packed_tables(list(all_tables.values()), page.columns)
    left = room - packed.bytes
    pictured = [_pictured(part, min(max(left, pictures.LEAST_BYTES), pictures.MOST_BYTES)) for part in page.sections]
    taken = sum(gallery.size for part in pictured for gallery in part.galleries)
    shown, numbers = payload.fit(packed, max(0, room - taken))
    is_bare = all(not part.galleries and part.limits == of_bare.limits
                  for part, of_bare in zip(pictured, bare, strict=True))  # fmt: skip
    if not is_bare or any(shown[key] is not table for key, table in all_tables.items()):
        document = _document(dataclasses.replace(page, sections=pictured), shown)
    return _with_data(document, {"tables": numbers, "figures": specs})


def _pictured(part: Section, max_bytes: int) -> Section:
    """Section with as many pictures as fit."""
    found, left_out = pictures.fitted(part.galleries, max_bytes)
    return part.with_pictures(tuple(found), (*part.limits, *left_out))


def _with_data(document: str, data: dict[str, Any]) -> str:
    """Document with its numbers."""
    before, _, after = document.rpartition(DATA_PLACE)  # texts stand before it
    return f"{before}{payload.as_json(data)}{after}"


def _document(page: Page, shown: Mapping[str, PageTable]) -> str:
    """The whole document, with DATA_PLACE for its numbers."""
    text: str = _template().render(
        page=page,
        tables=shown,
        first_rows=lambda data: text_tables.table(data, FIRST_ROWS, page.columns),
        short=SHORT,
        unknown=UNKNOWN,
        most_plain=MOST_PLAIN,
        brief=BRIEF,
        glossary=text_tables.glossary((name for table in shown.values() for name in table.data.columns), page.columns),
        colours=plot_style.PAGE_COLOURS,
        page_data=Markup(DATA_PLACE),
        plotly_js=payload.plotly_js(),
    )
    return text


@functools.cache  # a page is rendered twice, and compiling takes longer than that
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = unbroken
    return environment.get_template("report.html.j2")


def unbroken(text: str) -> Markup:
    """Sentence as HTML without line breaks between a number and its unit."""
    return Markup(UNITS.sub(r'<span class="unbroken">\1</span>', str(escape(text))))


def _specs(parts: list[Section]) -> dict[str, Any]:
    return {figure.key: figure.spec for part in parts for figure in part.shown_figures}
