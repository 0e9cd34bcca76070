"""Folder of figures for print: every figure of a report and those of the edge paper, each with the table behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from edgesim.config.output_files import new_folder
from edgesim.errors import EdgesimError
from edgesim.formatting import listed
from edgesim.report.figures.figure import Figure
from edgesim.report.page import Page
from edgesim.report.print_figures import PrintSettings, check_installed, chosen_traces, draw, shown_table
from edgesim.report.sections import Section

CAPTIONS = "captions.csv"
EDGE_PAPER = {
    3: ("curve-subset-loss", "Training loss"), 4: ("curve-subset-accuracy", "Training accuracy"),
    5: ("curve-test-loss", "Test loss"), 6: ("curve-test-accuracy", "Test accuracy"),
    7: ("train-accuracy", "Final training accuracy"), 8: ("test-accuracy", "Final test accuracy"),
    9: ("gap", "Accuracy minus that of random"), 10: ("time-host", "Wall-clock training latency"),
}  # fmt: skip
"""figure of "Lightweight Edge Learning via Dataset Pruning" -> figure of the report that shows the same, and subject"""
NEEDS = dict.fromkeys(("curve-test-loss", "curve-test-accuracy"), "`evaluation: {every: 1}`") | {"gap": "`random`"}
"""figure -> what a run must have for it"""
IMPORTANCE = "importance"


def write_figures(page: Page, out: Path, settings: PrintSettings, choices: Mapping[str, str]) -> list[str]:
    """Write every figure of a page and those of the edge paper into a new folder.

    Args:
        page: of a run.
        out: a folder that is not there yet, or empty.
        settings: form and width.
        choices: choices of the reader, such as method or ratio; others are as the page shows them first.

    Returns: sentences on figures that are left out.

    Raises:
        EdgesimError: matplotlib is not installed, a choice is none of the page's, or there is nothing to draw.
        OutputError: the folder holds something, or cannot be written.
    """
    check_installed()
    _check_choices(page, choices)
    found = {figure.key: (part, figure) for part in page.sections for figure in part.shown_figures}
    if not found:
        raise EdgesimError(f"{page.name} has no figure: no trial has ended well")
    captions: list[tuple[str, str, str]] = []
    missing: list[str] = []
    with new_folder(out) as folder:
        for key, (part, figure) in found.items():
            _write(folder, key, figure, _chosen(part, choices), settings, captions)
        for number, (key, subject) in EDGE_PAPER.items():
            name = f"edge-paper-figure-{number:02d}"
            if key not in found:
                needs = f"; it needs {NEEDS[key]} in the scenario" if key in NEEDS else ""
                missing.append(f"{name} ({subject.lower()}) is left out: the run has no figure '{key}'{needs}")
                continue
            part, figure = found[key]
            first = _chosen(part, {"method": IMPORTANCE, **choices})
            _write(folder, name, figure, first, settings, captions)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([("file", "title", "note"), *captions])
        (folder / CAPTIONS).write_text(text.getvalue(), encoding="utf-8")
    return missing


def _write(
    folder: Path,
    name: str,
    figure: Figure,
    chosen: Mapping[str, str],
    settings: PrintSettings,
    captions: list[tuple[str, str, str]],
) -> None:
    """Write one figure and its table; figures without a mark for the choices are left out."""
    traces = chosen_traces(figure, chosen)
    if not traces:
        return
    file = f"{name}.{settings.form}"
    draw(figure, traces, folder / file, settings)
    shown_table(traces).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    used = {key for trace in traces for key in (trace.get("meta") or {}) if key in chosen}
    words = ", ".join(f"{key} {chosen[key]}" for key in sorted(used))
    captions.append((file, figure.title, f"{figure.note} Shown: {words}." if words else figure.note))


def _chosen(part: Section, choices: Mapping[str, str]) -> dict[str, str]:
    """Option of every choice of a section: the reader's where the section has it, else the one shown first."""
    found = {}
    for choice in part.shown_choices:
        first = choice.first if choice.first in choice.options else choice.options[0]
        wanted = choices.get(choice.key, first)
        found[choice.key] = wanted if wanted in choice.options else first
    return found


def _check_choices(page: Page, choices: Mapping[str, str]) -> None:
    """Refuse a choice that no section has."""
    known: dict[str, list[str]] = {}
    for part in page.sections:
        for choice in part.shown_choices:
            known.setdefault(choice.key, []).extend(choice.options)
    for key, option in choices.items():
        if key not in known:
            there = listed(sorted(known)) or "none"
            raise EdgesimError(f"--choose {key}={option}: there is no choice '{key}' in the report; there are: {there}")
        if option not in known[key]:
            options = ", ".join(dict.fromkeys(known[key]))
            raise EdgesimError(f"--choose {key}={option}: there is no {key} '{option}'; there are: {options}")
