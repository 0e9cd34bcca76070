"""The pages under reports/ say what the code says of their runs: verdict, claims and summary, word for word."""

from pathlib import Path

import pytest

from edgesim.report import markdown, outline, page, run_tables
from edgesim.report.verdict_section import read_verdict
from edgesim.results.run_folder import Run

REPORTS = Path(__file__).parents[1] / "reports"
SNAPSHOTS = sorted(folder for folder in (REPORTS / "runs").iterdir() if folder.is_dir())
SAME = ("Verdict", "Summary", "Equal total cost", "The paper's claims")


def parts(text):
    """Title -> text of the parts of a Markdown page that are read from the files of a snapshot."""
    found = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    return {title: found.get(title) for title in SAME}


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda folder: folder.name)
def test_a_page_says_what_the_code_says(snapshot, tmp_path):
    shipped = (REPORTS / f"{snapshot.name}.md").read_text(encoding="utf-8")
    run = Run(snapshot)
    source = run_tables.read(run)
    sections = [make(source) for make in (outline._summary, outline._equal_cost, outline._claims)]
    shown = page.Page("", "report", "", "Run", [], read_verdict(source, run.info), sections, [], metric=source.metric)
    markdown.write_page(shown, tmp_path / "now.md", markdown.SHOWN_SECTIONS, markdown.SHOWN_FIGURES)
    now = parts((tmp_path / "now.md").read_text(encoding="utf-8"))
    assert all(now.values())
    assert now == parts(shipped), "run `make reports` (or `python reports/build.py --pages-only`) and commit the pages"


def test_every_page_of_a_run_has_its_snapshot():
    """A page of a run that cannot be made anew would keep the words of an older version."""
    of_runs = {file.stem for file in REPORTS.glob("*.html")} - {"compare-fleets"}
    assert of_runs == {folder.name for folder in SNAPSHOTS}
