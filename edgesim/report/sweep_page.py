"""Page of a sweep: which key matters most, each key by itself, and their interactions."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from edgesim.analysis.findings import Finding
from edgesim.analysis.grouping import FULL
from edgesim.analysis.sweep_design import MEASURES, POINT, Design, design_of, title_of
from edgesim.analysis.sweep_effects import (
    INTERACTIONS,
    interaction_share,
    means_by,
    most_important,
    sweep_cells,
    variance_shares,
)
from edgesim.config import validation
from edgesim.formatting import listed, n_of, percent
from edgesim.report import markdown, plot_style
from edgesim.report.figures import sweep_figures
from edgesim.report.page import Page, write_page
from edgesim.report.sections import PageTable, Section
from edgesim.report.verdict_section import Verdict
from edgesim.results import sweep_folder, text_columns
from edgesim.tasks import Metric, metric_in

MOST_PANELS = 12
"""panels of one pair of keys and measure"""
LEAST_INTERACTION = 0.01
"""share of the variance over two keys from which on time and energy have panels: their interactions are arithmetic"""
SHARE_NAMES = {"measure": "quantity", "share": "variance_share", "low": "variance_share_low",
               "high": "variance_share_high"}  # fmt: skip


@text_columns.new_as_objects()
def of_sweep(folder: Path) -> Page:
    """Page of a sweep, finished or not.

    Args:
        folder: of the sweep.

    Raises:
        RunError: it holds no sweep, or no point has begun.
    """
    told, runs = sweep_folder.read(folder), sweep_folder.runs_of(folder)
    table = text_columns.as_objects(sweep_folder.table_of(folder))
    levels = told["keys"]
    metric, cells = metric_in(table), sweep_cells(table, levels)
    finished = sweep_folder.finished(runs)
    design = design_of(table[table[POINT].isin(finished)], levels)
    shares = variance_shares(design)
    styles = plot_style.method_styles(table["method"], FULL)
    facts = [("Keys", "; ".join(f"{key}: {', '.join(texts)}" for key, texts in levels.items())),
             ("Points", f"{len(finished):,} of {len(told['points']):,} finished"), ("Trials", f"{len(table):,}"),
             ("Status", told["status"]), ("Command", str(told.get("command", "")))]  # fmt: skip
    first = validation.dump(next(iter(runs.values())).scenario)
    of_shares = [_shares_section(shares.table, metric)] if len(shares.table) else []
    return Page(
        name=f"Sweep of {told['name']}",
        kind="comparison",
        headline=f"{n_of(len(told['points']), 'point')} of {listed(list(levels))}",
        about="Sweep",
        facts=[(label, text) for label, text in facts if text],
        verdict=Verdict(_findings(shares.table, metric), [*_limits(table), *design.missing, *shares.missing]),
        sections=[*of_shares, *_level_sections(design, styles), *_interactions(design, styles),
                  _cells_section(cells, metric)],
        documents=[("The scenario of the first point as it was run", first)],
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
        what = title_of(measure, metric)
        others = shares[(shares["measure"] == measure) & ~shares["key"].isin([key, INTERACTIONS])]
        is_shown = bool((row["low"] > others["high"]).all()) and pd.notna(row["low"])
        share = f"{percent(row['share'])}{ends}"
        if is_shown:
            text = (
                f"Of the keys, {key} explains the largest share of the variance of the {what} between points: {share}."
            )
        else:
            text = (
                f"{'One seed' if row['seeds'] < 2 else 'These seeds'} cannot tell which key matters most to the "
                f"{what}: {key} has the largest share of the variance between points, {share}."
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
    titles = {measure: title_of(measure, metric) for measure in MEASURES}
    there = [measure for measure in MEASURES if (shares["measure"] == measure).any()]
    figures = [sweep_figures.shares_figure(shares, measure, titles[measure]) for measure in there]
    data = shares.assign(measure=shares["measure"].map(titles)).rename(columns=SHARE_NAMES)
    table = PageTable("shares", "Share of the variance between points", data)
    intro = (
        "Means of a point are over the devices, methods and keep ratios that ended well in every point. "
        f"{INTERACTIONS.capitalize()} hold what no key explains by itself."
    )
    return Section("shares", "Which key matters most", figures, [table], "", intro)


def _level_sections(design: Design, styles: plot_style.Styles) -> list[Section]:
    """One section per key."""
    found = []
    for place, key in enumerate(design.levels):
        means = means_by(design, [key])
        figures = [
            sweep_figures.level_figure(means, key, column, styles, design.metric) for column in sweep_figures.COLUMNS
        ]
        table = PageTable(f"levels-{place}", f"Means by {key}", _named(means, design.metric), folded=True)
        found.append(Section(f"key-{place}", key, figures, [table], _nothing(design), in_markdown=(table,)))
    return found


def _nothing(design: Design) -> str:
    """Sentence where there are no means."""
    return f"There is nothing to compare: {design.common['metric'].reason}."


def _interactions(design: Design, styles: plot_style.Styles) -> list[Section]:
    """One section per pair of keys that vary, with a panel per level of the second, measure by measure."""
    found = []
    varied = [key for key, texts in design.levels.items() if len(texts) > 1]
    for number, (one, other) in enumerate(itertools.combinations(varied, 2)):
        means = means_by(design, [one, other])
        shown = means[means[other].isin(list(design.complete[other][:MOST_PANELS]))]
        columns, limits = _drawn(design, (one, other))
        panels = [
            panel
            for column in columns
            for panel in sweep_figures.panel_figures(shown, (one, other), column, styles, design.metric)
        ]
        more = len(design.complete[other]) - MOST_PANELS
        if more > 0:
            limits.append(f"{n_of(more, 'more level')} of {other} are in the table only.")
        intro = (
            f"One panel per value of {other}, all of a quantity on one vertical axis. Where the lines have other "
            "forms, the two keys interact."
        )
        title = f"{one} and {other}"
        table = PageTable(f"pairs-{number}", f"Means by {title}", _named(means, design.metric), folded=True)
        found.append(Section(f"pair-{number}", title, panels, [table], _nothing(design), intro, (), tuple(limits),
                             in_markdown=(table,)))  # fmt: skip
    return found


def _drawn(design: Design, pair: tuple[str, str]) -> tuple[list[str], list[str]]:
    """Columns that have panels, metric and gain in any case, and a sentence on those that have none."""
    drawn, left_out = [], []
    for column in sweep_figures.COLUMNS:
        measure = sweep_figures.MEASURE_OF[column]
        if design.common[measure].reason:
            continue  # said at the top of the page
        # NaN of a measure that does not vary is not above the limit.
        if column in ("value", "gap") or interaction_share(design, pair, measure) >= LEAST_INTERACTION:
            drawn.append(column)
        else:
            left_out.append(title_of(measure, design.metric))
    if not left_out:
        return drawn, []
    have = "have" if len(left_out) > 1 else "has"
    return drawn, [
        f"The {listed(left_out)} {have} no panels: the interaction of the two keys is less than "
        f"{percent(LEAST_INTERACTION, 0)} of the variance over them."
    ]


def _cells_section(cells: pd.DataFrame, metric: Metric) -> Section:
    table = PageTable("points", "Every point, method and keep ratio", _named(cells, metric))
    intro = "Each row is over all of its own trials that ended well, so that rows may be over different devices."
    return Section("points", "Points", [], [table], "", intro)


def _named(data: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """A table with the names of the metric's columns."""
    ends = {"value": metric.column(), "value_low": metric.named("accuracy_low"),
            "value_high": metric.named("accuracy_high")}  # fmt: skip
    return data.rename(columns={name: new for name, new in ends.items() if name in data})
