"""Page of a sweep: which key matters most, each key by itself, and their interactions."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from edgesim.analysis.findings import Finding
from edgesim.analysis.grouping import FULL
from edgesim.analysis.sweep_effects import (
    INTERACTIONS,
    MEASURES,
    POINT,
    Levels,
    by_level,
    most_important,
    sweep_cells,
    variance_shares,
)
from edgesim.config import validation
from edgesim.formatting import n_of, percent
from edgesim.report import markdown, plot_style
from edgesim.report.figures import sweep_figures
from edgesim.report.page import Page, write_page
from edgesim.report.sections import PageTable, Section
from edgesim.report.verdict_section import Verdict
from edgesim.results import sweep_folder, text_columns
from edgesim.tasks import Metric, metric_in

MOST_PANELS = 12
"""panels of one pair of keys"""
NONE_WELL = "No trial has ended well, so there is nothing to show."


@text_columns.new_as_objects()
def of_sweep(folder: Path) -> Page:
    """Page of a sweep, finished or not.

    Args:
        folder: of the sweep.

    Raises:
        RunError: it holds no sweep, or no point has begun.
    """
    told, table = sweep_folder.read(folder), text_columns.as_objects(sweep_folder.table_of(folder))
    levels: Levels = told["keys"]
    metric, cells = metric_in(table), sweep_cells(table, levels)
    shares = variance_shares(table, levels)
    styles = plot_style.method_styles(table["method"], FULL)
    points, total = table[POINT].nunique(), len(told["points"])
    facts = [("Keys", "; ".join(f"{key}: {', '.join(texts)}" for key, texts in levels.items())),
             ("Points", f"{points:,} of {total:,}"), ("Trials", f"{len(table):,}"), ("Status", told["status"]),
             ("Command", str(told.get("command", "")))]  # fmt: skip
    first = next(iter(sweep_folder.runs_of(folder).values()))
    return Page(
        name=f"Sweep of {told['name']}",
        kind="comparison",
        headline=f"{n_of(points, 'point')} of {', '.join(levels)}",
        about="Sweep",
        facts=[(label, text) for label, text in facts if text],
        verdict=Verdict(_findings(shares.table, metric), [*_limits(table), *shares.missing]),
        sections=[_shares_section(shares.table, metric), *_level_sections(cells, levels, styles, metric),
                  *_interactions(cells, levels, styles, metric), _cells_section(cells, metric)],
        documents=[("The scenario of the first point as it was run", validation.dump(first.scenario))],
        metric=metric,
    )  # fmt: skip


def write(folder: Path, out: Path) -> Path:
    """Write the page of a sweep as HTML, or as Markdown where `out` ends in .md. Returns `out`."""
    page = of_sweep(folder)
    if out.suffix == ".md":
        return markdown.write_page(page, out, [section.key for section in page.sections], ())
    return write_page(page, out)


def _findings(shares: pd.DataFrame, metric: Metric) -> list[Finding]:
    """The key that matters most, for each measure."""
    found = []
    for measure in MEASURES:
        key = most_important(shares, measure)
        if not key:
            continue
        row = shares[(shares["measure"] == measure) & (shares["key"] == key)].iloc[0]
        ends = ""
        if pd.notna(row["low"]):
            ends = f" (95 % interval {percent(row['low'])} to {percent(row['high'])})"
        what = sweep_figures.title_of("value" if measure == "metric" else measure, metric)
        others = shares[(shares["measure"] == measure) & ~shares["key"].isin([key, INTERACTIONS])]
        is_shown = bool((row["low"] > others["high"]).all()) and pd.notna(row["low"])
        share = f"{percent(row['share'])}{ends}"
        if is_shown:
            text = (
                f"Of the keys, {key} explains the largest share of the variance of the {what} between points: {share}."
            )
        else:
            text = (
                f"These seeds cannot tell which key matters most to the {what}: {key} has the largest share of the "
                f"variance between points, {share}."
            )
        scope = "this seed alone" if row["seeds"] < 2 else ""
        found.append(Finding("devices", text, "yes" if is_shown else "none", row["share"], row["low"], row["high"],
                             int(row["seeds"]), scope=scope))  # fmt: skip
    return found


def _limits(table: pd.DataFrame) -> list[str]:
    """Limits of the numbers, in sentences."""
    limits = []
    if table["seed"].nunique() < 2:
        limits.append("One seed: no number has an interval, and all are of this seed alone.")
    bad = int((table["status"] != "ok").sum())
    if bad:
        limits.append(f"{n_of(bad, 'trial')} of {len(table):,} did not end well; they are in no mean.")
    return limits


def _shares_section(shares: pd.DataFrame, metric: Metric) -> Section:
    titles = {m: sweep_figures.title_of("value" if m == "metric" else m, metric) for m in MEASURES}
    there = [measure for measure in MEASURES if (shares["measure"] == measure).any()]
    figures = [sweep_figures.shares_figure(shares, measure, titles[measure]) for measure in there]
    data = shares.assign(measure=shares["measure"].map(titles)).rename(columns=SHARE_NAMES)
    table = PageTable("shares", "Share of the variance between points", data)
    intro = (
        "Means of a point are over the devices, methods and keep ratios that ended well in every point. "
        f"{INTERACTIONS.capitalize()} hold what no key explains by itself."
    )
    return Section("shares", "Which key matters most", figures, [table], NONE_WELL, intro)


SHARE_NAMES = {"share": "variance_share", "low": "variance_share_low", "high": "variance_share_high"}


def _level_sections(cells: pd.DataFrame, levels: Levels, styles: plot_style.Styles, metric: Metric) -> list[Section]:
    """One section per key."""
    means, found = by_level(cells, levels), []
    for place, key in enumerate(levels):
        own = means[means["key"] == key]
        figures = [sweep_figures.level_figure(own, key, column, styles, metric) for column in sweep_figures.COLUMNS]
        renamed = _named(own.drop(columns="key"), metric)
        table = PageTable(f"levels-{place}", f"Means by {key}", renamed, folded=True)
        found.append(Section(f"key-{place}", key, figures, [table], NONE_WELL))
    return found


def _interactions(cells: pd.DataFrame, levels: Levels, styles: plot_style.Styles, metric: Metric) -> list[Section]:
    """One section per pair of keys, with a panel per level of the second."""
    found = []
    for number, (one, other) in enumerate(itertools.combinations(levels, 2)):
        panels = []
        for level in levels[other][:MOST_PANELS]:
            own = cells[(cells[other] == level) & cells["value"].notna()]
            named = own[["method", "value"]].assign(level=own[one])
            panels.append(sweep_figures.panel_figure(named, (one, other), level, styles, metric))
        more = len(levels[other]) - MOST_PANELS
        limits = (f"{n_of(more, 'more level')} of {other} are in the table of points only.",) if more > 0 else ()
        intro = "One panel per level. Where the lines have other forms, the two keys interact."
        found.append(Section(f"pair-{number}", f"{one} and {other}", panels, [], NONE_WELL, intro, (), limits))
    return found


def _cells_section(cells: pd.DataFrame, metric: Metric) -> Section:
    table = PageTable("points", "Every point, method and keep ratio", _named(cells, metric))
    return Section("points", "Points", [], [table], NONE_WELL)


def _named(data: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """A table with the names of the metric's columns."""
    ends = {"value": metric.column(), "value_low": metric.named("accuracy_low"),
            "value_high": metric.named("accuracy_high")}  # fmt: skip
    return data.rename(columns={name: new for name, new in ends.items() if name in data})
