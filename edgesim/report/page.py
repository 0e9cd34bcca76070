"""A run -> one self-contained HTML page: opens from disk without a network, plotly.js embedded once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from edgesim import analysis, documents
from edgesim.records import CurvePoint, Record
from edgesim.report import figures, marks, tables
from edgesim.report.figures import Figure
from edgesim.report.tables import Table
from edgesim.tables import by_rule

FEW = 5
"""seeds or devices below which the bootstrap's intervals are known to be too narrow"""
RECORD_COLUMNS = [field.name for field in dataclasses.fields(Record)]
CURVE_COLUMNS = ["seed", "device", "method", "keep_ratio", *CurvePoint._fields]


# The ends of the interval stand behind the accuracy figure; here they would only widen the table.
SHOWN_SUMMARY = [name for name in analysis.SUMMARY_COLUMNS if name not in ("accuracy_low", "accuracy_high")]
NO_TRIAL = "There is no trial yet."
NONE_WELL = "No trial has ended well, so there is nothing to show here."


class Run(Protocol):
    """What a report reads of a run."""

    @property
    def records(self) -> pd.DataFrame:
        """One row per trial."""

    @property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch."""

    @property
    def info(self) -> dict[str, Any]:
        """What run.json holds."""

    @property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario."""

    @property
    def path(self) -> Path:
        """The run folder."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    key: str
    title: str
    figures: list[Figure]
    tables: list[tuple[str, pd.DataFrame]]
    """(caption, numbers)"""
    missing: str = ""
    """what to say where there is nothing to show"""
    methods: tuple[str, ...] = ()
    """methods to choose from, for figures that show one at a time"""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(figure.spec["data"] for figure in self.figures) and all(t.empty for _, t in self.tables)


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
    records = _with_columns(by_rule(run.records, run.records), RECORD_COLUMNS)
    parts = sections(records, _with_columns(by_rule(run.curves, run.records), CURVE_COLUMNS))
    shown = [name for part in parts for name in _columns(part)]
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2").render(
        name=str(run.info.get("scenario") or run.path.name),
        status=str(run.info.get("status", "unknown")),
        facts=facts(run.info, records),
        notes=limits(records, run.info),
        sections=parts,
        table=tables.table,
        glossary=tables.glossary(shown),
        scenario_yaml=documents.dump(run.scenario),
        light=marks.LIGHT,
        dark=marks.DARK,
        # plotly.js holds no closing script tag (a test looks), so it may stand in the page as it is.
        plotly_js=Markup(get_plotlyjs()),
    )


def sections(records: pd.DataFrame, curves: pd.DataFrame) -> list[Section]:
    """The parts of the page, in their order."""
    summary, gaps = analysis.summary(records), analysis.gap_to_random(records)
    costs, profiles = analysis.cost_by_ratio(records), analysis.by_profile(records)
    lines = figures.curves_data(curves)
    styles = marks.method_styles(records["method"], analysis.FULL)
    # `random` comes last among the methods to choose from: it is what the others are compared with.
    methods = tuple(
        sorted(styles.keys() - {analysis.FULL}, key=lambda m: (m == analysis.RANDOM, list(styles).index(m)))
    )
    cells = ("Every method and keep ratio", summary[SHOWN_SUMMARY])
    fits = ("Straight line through mean time against keep ratio", analysis.time_fits(records))
    epochs = ("Mean curves", figures.curves_data(curves, figures.CURVE_ROWS))
    failed = ("Trials that did not end well", analysis.failures(records))
    accuracy = figures.accuracy_figure(figures.accuracy_data(summary), styles)
    cost = [figures.cost_figure(costs, styles, kind) for kind in figures.WORDS]
    training = [figures.curves_figure(lines, value) for value in analysis.CURVE_VALUES]
    per_profile = [figures.profile_figure(profiles, kind) for kind in figures.WORDS]
    no_pair = "There is no pair of a method and random with the same seed, device and keep ratio."
    no_failure = "Every trial so far ended well." if len(records) else NO_TRIAL
    return [
        Section("summary", "Summary", [], [cells], NO_TRIAL),
        Section("accuracy", "Accuracy", [accuracy], [], NONE_WELL),
        Section("cost", "Time and energy on the device", cost, [fits], NONE_WELL),
        Section("gap", "Against random", [figures.gap_figure(gaps, styles)], [], no_pair),
        Section("training", "Training", training, [epochs], "No curves were recorded.", methods),
        Section("profiles", "Profiles", per_profile, [("Means per profile", profiles)], NONE_WELL, methods),
        Section("failures", "Failures", [], [failed], no_failure),
    ]


def facts(info: dict[str, Any], records: pd.DataFrame) -> list[tuple[str, str]]:
    """What a reader needs to know which run this is: (label, text), unknown ones left out."""
    command = info.get("command")
    rows: list[tuple[str, Any]] = [
        ("Status", info.get("status")),
        ("Reason", info.get("reason")),
        ("Trials", _listed(info.get("trials") or dict(records["status"].value_counts()))),
        ("Devices", len(records["device"].unique()) or None),
        ("Seeds", ", ".join(map(str, info.get("seeds") or []))),
        ("Started", info.get("started")),
        ("Finished", info.get("finished")),
        ("Duration", tables.duration(info["wall_s"]) if info.get("wall_s") is not None else None),
        ("Host", _listed(info.get("host") or {})),
        ("Versions", _listed(info.get("versions") or {})),
        ("Git commit", info.get("git_commit")),
        ("Command", " ".join(command) if isinstance(command, list) else command),
    ]
    return [(label, str(value)) for label, value in rows if value not in (None, "")]


def limits(records: pd.DataFrame, info: dict[str, Any]) -> list[str]:
    """What this run cannot say, and why, in sentences."""
    good = analysis.ok(records)
    seeds, devices = good["seed"].nunique(), good["device"].nunique()
    counted = info.get("trials") or {}
    missing = _number(counted.get("missing") or 0, "trial")
    notes = {
        "running": f"This run is still going, with {missing} missing: every number here may change.",
        "interrupted": f"This run was interrupted with {missing} missing; run it again with --resume.",
        "failed": f"This run failed with {missing} missing.",
    }
    said = [notes[info["status"]]] if info.get("status") in notes else []
    if good.empty:
        return [*said, "No trial has ended well: there is no accuracy, no cost and no comparison to report."]
    lost = len(records) - len(good)
    if lost:
        said.append(
            f"{_number(lost, 'trial')} did not end well. A mean is over the trials that did, so rows with "
            "different numbers of trials are not over the same devices."
        )
    if analysis.FULL not in set(good["method"]):
        said.append("No trial of full has ended well: what pruning saves, and what it costs, cannot be said.")
    if analysis.RANDOM not in set(good["method"]):
        said.append("No trial of random has ended well: whether a method beats chance cannot be said.")
    if seeds == 1 and devices == 1:
        said.append("One seed and one device: there are no intervals.")
    elif seeds == 1:
        said.append("One seed: intervals cover the choice of devices only, not the chance of another run.")
    elif devices == 1:
        said.append("One device: intervals cover seeds only, and nothing is said about other devices.")
    if max(seeds, devices) > 1 and min(n for n in (seeds, devices) if n > 1) < FEW:
        said.append(
            f"{_number(seeds, 'seed')} and {_number(devices, 'device')}: with fewer than {FEW} of either, "
            "the intervals are too narrow."
        )
    return said


def _number(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(_sized(key, value) for key, value in values.items())


def _sized(key: str, value: Any) -> str:
    if key.endswith("_bytes") and isinstance(value, int):
        return f"{key.removesuffix('_bytes')} {value / 2**30:.1f} GiB"
    return f"{key} {value}"


def _columns(part: Section) -> Iterable[str]:
    for data in [figure.table for figure in part.figures] + [data for _, data in part.tables]:
        if not data.empty:
            yield from data.columns


def _with_columns(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The table with all columns that a report reads; a run that has just begun may have none."""
    missing = [column for column in columns if column not in table.columns]
    return table.reindex(columns=[*table.columns, *missing]) if missing else table


__all__ = ["Run", "Section", "Table", "facts", "limits", "render", "sections", "write"]
