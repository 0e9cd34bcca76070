"""Page that compares several runs, or one training on several fleets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.analysis import comparison
from edgesim.analysis.comparison_findings import (
    best_turned,
    equal_cost_findings,
    fleet_findings,
    run_findings,
)
from edgesim.analysis.curves import final_accuracy
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.fleets import (
    best_of_fleets,
    best_on_own_samples,
    composition,
    fleet_table,
    of_each_fleet,
    on_every_fleet,
)
from edgesim.analysis.grouping import FULL, RANDOM, AnalysisResult
from edgesim.analysis.heterogeneity import infeasible
from edgesim.analysis.means import by_profile, failures
from edgesim.config import validation
from edgesim.formatting import capital, n_of
from edgesim.report import comparison_limits, markdown, plot_style, run_facts
from edgesim.report.best_ratio_section import best_ratio_section
from edgesim.report.figures import run_comparison
from edgesim.report.figures.figure import rows
from edgesim.report.figures.prices import WORDS
from edgesim.report.outline import NO_TRIAL, NONE_WELL, leads
from edgesim.report.page import Page, write_page
from edgesim.report.run_tables import Run
from edgesim.report.sections import PageChoice, PageTable, Section
from edgesim.report.verdict_section import Verdict
from edgesim.results import text_columns
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import Metric, metric_in

IN_MARKDOWN = ("fleets", "equal-cost", "best", "profiles", "differ", "pairs", "failures")
CLOSED_FORM = (
    "The closed form (edge paper) leaves out start-up, dispatch, memory traffic, reading, heat and idle power."
)


def write(page: Page, out: Path) -> Path:
    """Write a comparison as HTML, or as Markdown where `out` ends in .md; folders above it are made. Returns `out`."""
    if out.suffix == ".md":
        return markdown.write_page(page, out, IN_MARKDOWN, ())
    return write_page(page, out)


@text_columns.new_as_objects()
def of_fleets(
    run: Run,
    priced: Mapping[str, pd.DataFrame],
    fleets: Mapping[str, str],
    command: str = "",
    notes: Sequence[str] = (),
) -> Page:
    """One training on several fleets.

    Args:
        run: the run that trained.
        priced: name of the fleet -> its records (`edgesim.compare_fleets`).
        fleets: name of the fleet -> its document as text.
        command: command line of the comparison.
        notes: sentences on what does not compare.
    """
    ruled = {name: by_rule(records, records) for name, records in priced.items()}
    metric = comparison.common_metric(ruled)
    costs, best, own = fleet_table(ruled), best_of_fleets(ruled), best_on_own_samples(ruled)
    table, epochs = costs.table, dict.fromkeys(ruled, _epochs(run))
    turned = [] if own is None else best_turned(best.table, own.table)
    styles = plot_style.method_styles(priced, "")
    name = str(run.info.get("scenario") or run.path.name)
    facts = [("Fleets", ", ".join(priced)), ("Compared by", command), *run_facts.facts(run.info, run.records)]
    yamls = [(f"The fleet {fleet}", text) for fleet, text in fleets.items()]
    return Page(
        name=f"{name} on {n_of(len(priced), 'fleet')}",
        kind="comparison",
        headline=f"trained once, priced on {', '.join(priced)} · {run_facts.headline(run.info, run.records)}",
        about="Run",
        facts=[(label, value) for label, value in facts if value],
        verdict=Verdict(
            [*turned, *fleet_findings(table, best.table), *equal_cost_findings(ruled, epochs)],
            [*notes, *comparison_limits.of_fleets(run, table), *costs.missing],
        ),
        sections=[
            _fleets(table, ruled, styles),
            _equal_cost(ruled, "fleet"),
            best_ratio_section(best, own, _method(ruled)),
            _profiles(ruled),
            _failures(ruled, "fleet"),
        ],
        documents=[*yamls, ("The scenario as it was run", validation.dump(run.scenario))],
        data_notes=run_facts.data_notes(run.info),
        metric=metric,
    )


@text_columns.new_as_objects()
def of_runs(runs: Mapping[str, Run], command: str = "") -> Page:
    """Two or more runs, every later one against the first.

    Args:
        runs: name -> run, in any state; two or more.
        command: command line of the comparison.

    Raises:
        RunError: the runs are of different tasks.
    """
    tables = {name: run.records for name, run in runs.items()}
    ruled = {name: by_rule(records, records) for name, records in tables.items()}
    first, *others = runs
    differ = {name: comparison.scenario_differences(runs[first].scenario, runs[name].scenario) for name in others}
    metric = comparison.common_metric(tables)
    pairs = {column: comparison.against_first(tables, column) for column in comparison.quantities(tables)}
    accuracy, own = pairs[metric.column()], metric.column("own")
    means = comparison.mean_differences(tables)
    facts = [(f"{name}: {label}", value)
             for name, run in runs.items() for label, value in run_facts.facts(run.info, run.records)]  # fmt: skip
    return Page(
        name=f"{' and '.join(others)} against {first}",
        kind="comparison",
        headline=" · ".join(f"{name}: {run_facts.headline(run.info, run.records)}" for name, run in runs.items()),
        about="Runs",
        facts=[*([("Compared by", command)] if command else []), *facts],
        verdict=Verdict(
            [
                *run_findings(means.table, accuracy.table, pairs[own].table if own in pairs else None),
                *equal_cost_findings(ruled, {name: _epochs(run) for name, run in runs.items()}),
            ],
            comparison_limits.of_runs(runs, differ, accuracy),
        ),
        sections=[
            _differ(differ),
            _pairs(pairs, metric),
            _equal_cost(ruled, "run"),
            _fronts(ruled),
            _failures(ruled, "run"),
        ],
        documents=[(f"The scenario of {name}", validation.dump(run.scenario)) for name, run in runs.items()],
        data_notes=tuple(f"{name}: {note}" for name, run in runs.items() for note in run_facts.data_notes(run.info)),
        metric=metric,
    )


def as_data(page: Page) -> dict[str, Any]:
    """A comparison for machines: name, findings, limits, tables by key; numbers in full, None = unknown."""
    behind = [PageTable(figure.key, "", figure.table) for part in page.sections for figure in part.figures]
    shown = [table for table in behind if len(table.data.columns)]
    shown += [table for part in page.sections for table in part.tables]
    return {
        "name": page.name,
        "findings": [{"about": found.kind, "text": found.text, "evidence": found.evidence}
                     for found in page.verdict.findings],
        "limits": page.verdict.limits,
        "tables": {table.key: _plain_rows(table.data) for table in shown},
    }  # fmt: skip


def _plain_rows(data: pd.DataFrame) -> list[dict[str, Any]]:
    return rows(data.astype(object).where(data.notna(), None))


def _method(records: Mapping[str, pd.DataFrame]) -> PageChoice:
    """Choice of a method; `random` is last, since the others are compared with it."""
    named = dict.fromkeys(str(name) for table in records.values() for name in table["method"])
    methods = [name for name in named if name not in (FULL, RANDOM)]
    return PageChoice("method", "Method shown", (*methods, *(name for name in named if name == RANDOM)))


def _epochs(run: Run) -> int | None:
    """Epochs of full training; None where the scenario does not say."""
    training = run.scenario.get("training")
    return training.get("epochs") if isinstance(training, dict) else None


def _equal_cost(tables: Mapping[str, pd.DataFrame], compared: str) -> Section:
    """Every method against its opponents at equal total cost, priced on each fleet, or in each run."""
    found = []
    for key, price, caption, unit in (
        ("equal-cost", "device_energy_j", "At equal total energy, emulated", "energy_each_j"),
        (
            "equal-cost-closed",
            "analytic_energy_j",
            "At equal total energy by the closed form (edge paper)",
            "closed_j",
        ),
    ):

        def analyse(records: pd.DataFrame, price: str = price, unit: str = unit) -> pd.DataFrame:
            return leads(equal_cost(records, price=price).table, unit)

        data = of_each_fleet(tables, analyse).rename(columns={"fleet": compared})
        found.append(
            PageTable(
                f"{key}-{compared}s", f"{caption}; each interval by itself", data, folded=price != "device_energy_j"
            )
        )
    intro = (
        "Each method against opponents that spend the same cost on the same devices, scoring included. "
        f"Intervals are of each row by itself; those of the verdict are simultaneous. {CLOSED_FORM}"
    )
    nothing = "No method has an opponent that ran, so none is compared at equal total cost."
    return Section("equal-cost", "Equal total cost", [], found, nothing, intro)


def _fleets(table: pd.DataFrame, priced: Mapping[str, pd.DataFrame], styles: plot_style.Styles) -> Section:
    same, left_out = on_every_fleet(priced)
    drawn = fleet_table(same).table if any(len(own) for own in same.values()) else table
    shown = [run_comparison.fleet_figure(drawn, styles, column) for column in run_comparison.FLEET_COSTS]
    shown.append(run_comparison.exchange_figure(drawn, styles))
    if left_out and drawn is not table:
        shown = [replace(figure, note=f"{figure.note} Over the common devices.") for figure in shown]
    # Emulated; without a prefix these columns would mean the closed form.
    names = {f"{old}{what}_saved": f"{new}{what}_saved"
             for what in ("time", "energy") for old, new in (("", "device_"), ("analytic_", ""))}  # fmt: skip
    hidden = [] if left_out else [name for name in map(str, table) if name.startswith("common_")]
    renamed = table.drop(columns=hidden).rename(columns=names)
    every = PageTable("fleets", "Every fleet, method and keep ratio", renamed)
    intro = (
        f"The same training on other hardware: its {metric_in(table).title} stays, its time and energy are priced on "
        f"each fleet. {CLOSED_FORM}"
    )
    return Section("fleets", "Fleets", shown, [every], NO_TRIAL, intro, (_method({"": table}),))


def _profiles(priced: Mapping[str, pd.DataFrame]) -> Section:
    devices = PageTable("composition", "Devices of the fleets", of_each_fleet(priced, composition))
    # Accuracy depends on a device's data, and profiles are assigned by chance: accuracies per profile would mislead.
    means = of_each_fleet(priced, by_profile).drop(columns=comparison.common_metric(priced).column())
    full = means[means["method"] == FULL].drop(columns=["method", "keep_ratio"])
    tables = [
        devices,
        PageTable("profiles-full", "Full training on one device of each profile", full),
        PageTable("profiles", "Means per fleet and profile", means, folded=True),
    ]
    intro = "Devices of each fleet, and time and energy of full training on one device of each profile."
    return Section("profiles", "Profiles", [], tables, NO_TRIAL, intro)


def _failures(tables: Mapping[str, pd.DataFrame], compared: str) -> Section:
    found = of_each_fleet(tables, failures).rename(columns={"fleet": compared})
    parts = [PageTable("failures", "Trials that did not end well", found)]
    if compared == "fleet":
        limits = of_each_fleet(tables, lambda records: infeasible(records).table)
        parts.append(PageTable("infeasible", "Infeasible trials by device and reason", limits, folded=True))
    return Section("failures", "Failed and infeasible trials", [], parts, "Every trial ended well.")


def _differ(differ: Mapping[str, AnalysisResult]) -> Section:
    names = {"a": "first_setting", "b": "this_setting"}
    parts = [found.table.rename(columns=names).assign(run=name) for name, found in differ.items()]
    table = pd.concat(parts, ignore_index=True)[["run", "path", *names.values()]]
    same = [name for name, found in differ.items() if found.table.empty]
    limits = tuple(f"{name}: the scenario equals that of the first run." for name in same) if len(table) else ()
    every = PageTable("differences", "Differences of the scenarios", table)
    intro = "Settings of the scenarios as they were run; equal ones are left out."
    return Section("differ", "Scenarios", [], [every], "The scenarios are equal.", intro, (), limits)


def _pairs(pairs: Mapping[str, AnalysisResult], metric: Metric) -> Section:
    accuracy = pairs[metric.column()].table
    styles = plot_style.method_styles(accuracy["method"], FULL)
    ends = {"a": metric.named("first_accuracy"), "b": metric.named("this_accuracy"),
            "low": "difference_low", "high": "difference_high"}  # fmt: skip
    tables = [PageTable("pairs", f"Test {metric.title}, paired", accuracy.rename(columns=ends))]
    if (own := metric.column("own")) in pairs:
        on_own = pairs[own].table.rename(columns=ends)
        tables.append(
            PageTable("pairs-own", f"{capital(metric.title)} on the devices' own test samples, paired", on_own)
        )
    costs = {"a": "first_cost", "b": "this_cost", "difference": "cost_difference",
             "low": "cost_difference_low", "high": "cost_difference_high"}  # fmt: skip
    for kind, (word, unit) in WORDS.items():
        found = pairs[f"device_{kind}"].table.rename(columns=costs)
        tables.append(PageTable(f"pairs-{word}", f"Emulated {word} ({unit}), paired", found, folded=True))
    runs = tuple(str(name) for name in dict.fromkeys(accuracy["run"]))
    intro = "Differences are other run minus first run. Intervals are 95 %, simultaneous over all rows (Bonferroni)."
    missing = " ".join(pairs[metric.column()].missing) or NONE_WELL
    figures = [run_comparison.difference_figure(accuracy, styles, metric)]
    return Section("pairs", "Paired trials", figures, tables, missing, intro, (PageChoice("run", "Run shown", runs),))


def _fronts(tables: Mapping[str, pd.DataFrame]) -> Section:
    styles = plot_style.method_styles(tables, "")
    final = of_each_fleet(tables, lambda records: final_accuracy(records).table)
    shown = [run_comparison.accuracy_figure(final.rename(columns={"fleet": "run"}), styles)]
    limits: list[str] = []
    for kind in WORDS:
        found = comparison.fronts(tables, f"device_{kind}")
        shown.append(run_comparison.fronts_figure(found.table, styles, kind))
        limits += found.missing
    title = comparison.common_metric(tables).title
    intro = f"All trials of every run, paired or not: {title} against the keep ratio, and against time and energy."
    return Section("fronts", "All runs", shown, [], NONE_WELL, intro, (_method(tables),), tuple(dict.fromkeys(limits)))
