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
from edgesim.report.print_features import unknown_features
from edgesim.report.print_figures import PrintSettings, check_installed, draw
from edgesim.report.print_table import chosen_traces, has_values, shown_table
from edgesim.report.sections import Section
from edgesim.tasks import Metric

CAPTIONS = "captions.csv"
EVERY = "`evaluation: {{every: 1}}` in a training of several epochs"
NO_CURVE = "the run's curves have no {} at two epochs or more"
EDGE_PAPER = {
    3: ("curve-subset-loss", "training loss", NO_CURVE), 4: ("curve-subset-{metric}", "training {title}", NO_CURVE),
    5: ("curve-test-loss", "test loss", f"{NO_CURVE}; {EVERY} records it"),
    6: ("curve-test-{metric}", "test {title}", f"{NO_CURVE}; {EVERY} records it"),
    7: ("train-{metric}", "final training {title}", "no trial of the run has a {}"),
    8: ("test-{metric}", "final test {title}", "no trial of the run has a {}"),
    9: ("gap", "{title} minus that of random", "`random` and another method have no seed, device and ratio in common"),
    10: ("time-host", "wall-clock training latency", "no trial of the run has a {}"),
}  # fmt: skip
"""figure of "Lightweight Edge Learning via Dataset Pruning" -> figure of the report that shows the same, its subject,
and why a run lacks it"""
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
            missing += _write(folder, key, figure, _chosen(part, choices), settings, captions)
        for number, (key, subject, lack) in _edge_paper(page.metric).items():
            name = f"edge-paper-figure-{number:02d}"
            if key not in found:
                missing.append(f"{name} ({subject}) is left out: {_sentences(page, key) or lack}")
                continue
            part, figure = found[key]
            first = _chosen(part, {"method": IMPORTANCE, **choices})
            missing += _write(folder, name, figure, first, settings, captions)
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
) -> list[str]:
    """Write one figure and its table.

    Returns: a sentence where it is left out: it has no mark for the choices, or what no figure for print draws.
    """
    traces = chosen_traces(figure, chosen)
    used = {key for trace in figure.spec["data"] for key in (trace.get("meta") or {}) if key in chosen}
    words = ", ".join(f"{key} {chosen[key]}" for key in sorted(used))
    if not has_values(traces):
        said = [one.text for one in figure.sentences if one.chosen.items() <= chosen.items()]
        return [f"{name} is left out: {' '.join(said) or f'it has no mark for {words}'}"]
    if unknown := unknown_features(traces, figure.spec["layout"]):
        return [f"{name} is left out: no figure for print draws its {', '.join(unknown)}"]
    file = f"{name}.{settings.form}"
    draw(figure, traces, folder / file, settings)
    shown_table(figure, chosen).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    captions.append((file, figure.title, f"{figure.note} Shown: {words}." if words else figure.note))
    return []


def _edge_paper(metric: Metric) -> dict[int, tuple[str, str, str]]:
    """EDGE_PAPER for a run with this metric: key, subject, and why a run lacks the figure."""
    found = {}
    for number, (key, subject, lack) in EDGE_PAPER.items():
        named = subject.format(title=metric.title)
        found[number] = (key.format(metric=metric.key), named, lack.format(named))
    return found


def _sentences(page: Page, key: str) -> str:
    """What the page says in place of a figure of equal bars; empty where it says nothing."""
    figures = [figure for part in page.sections for figure in part.finished_figures if figure.key == key]
    said = " ".join(sentence.text for figure in figures for sentence in figure.sentences)
    return f"the report has a sentence in its place: {said}" if said else ""


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
