"""A page on several runs side by side, or on one training priced on several fleets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.analysis import fleets as fleets_table
from edgesim.analysis.comparison import QUANTITIES, against_first, fronts, mean_differences, scenario_differences
from edgesim.analysis.comparison_findings import SHOWN_LAMBDA, equal_cost_findings, fleet_findings, run_findings
from edgesim.analysis.curves import final_accuracy
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.fleets import best_of_fleets, composition, of_each_fleet, on_every_fleet
from edgesim.analysis.grouping import FULL, RANDOM, Answer
from edgesim.analysis.heterogeneity import infeasible
from edgesim.analysis.means import by_profile, failures
from edgesim.config import validation
from edgesim.formatting import n_of
from edgesim.report import markdown, plot_style, run_facts
from edgesim.report import page as pages
from edgesim.report.figures import run_comparison
from edgesim.report.figures.figure import rows
from edgesim.report.figures.prices import WORDS
from edgesim.report.outline import NO_TRIAL, NONE_WELL, leads
from edgesim.report.page import Page
from edgesim.report.run_tables import Run
from edgesim.report.sections import PageChoice, PageTable, Section
from edgesim.report.verdict import Verdict
from edgesim.results.grouped_ratios import by_rule

EXACT = ("dataset", "partition", "seeds")
"""parts of a scenario that decide which samples a device holds"""
IN_MARKDOWN = ("fleets", "equal-cost", "best", "profiles", "differ", "pairs", "failures")
CLOSED_FORM = (
    "The closed form (edge paper) leaves out start-up, dispatch, memory traffic, reading, heat and idle power."
)


def write(page: Page, out: Path) -> Path:
    """Write a comparison as HTML, or as Markdown where `out` ends in .md; folders above it are made. Returns `out`."""
    if out.suffix == ".md":
        return markdown.write_page(page, out, IN_MARKDOWN, ())
    return pages.write_page(page, out)


def of_fleets(run: Run, priced: Mapping[str, pd.DataFrame], fleets: Mapping[str, str], command: str = "") -> Page:
    """One training on several fleets.

    Args:
        run: the run that trained.
        priced: name of the fleet -> its records (`edgesim.compare_fleets`).
        fleets: name of the fleet -> its document as text.
        command: what made the comparison.
    """
    ruled = {name: by_rule(records, records) for name, records in priced.items()}
    told, best = fleets_table.fleets(ruled), best_of_fleets(ruled)
    table, epochs = told.table, dict.fromkeys(ruled, _epochs(run))
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
            [*fleet_findings(table, best.table), *equal_cost_findings(ruled, epochs)],
            [*_fleet_limits(run, table), *told.missing],
        ),
        sections=[
            _fleets(table, ruled, styles),
            _equal_cost(ruled, "fleet"),
            _best(best, ruled),
            _profiles(ruled),
            _failures(ruled, "fleet"),
        ],
        documents=[*yamls, ("The scenario as it was run", validation.dump(run.scenario))],
        data_notes=run_facts.data_notes(run.info),
    )


def of_runs(runs: Mapping[str, Run], command: str = "") -> Page:
    """Two or more runs, every later one against the first.

    Args:
        runs: name -> run, in any state; two or more.
        command: what made the comparison.
    """
    tables = {name: run.records for name, run in runs.items()}
    ruled = {name: by_rule(records, records) for name, records in tables.items()}
    first, *others = runs
    differ = {name: scenario_differences(runs[first].scenario, runs[name].scenario) for name in others}
    pairs = {column: against_first(tables, column) for column in QUANTITIES}
    accuracy = pairs["test_accuracy"]
    means = mean_differences(tables)
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
                *run_findings(means.table, accuracy.table),
                *equal_cost_findings(ruled, {name: _epochs(run) for name, run in runs.items()}),
            ],
            _run_limits(runs, differ, accuracy),
        ),
        sections=[
            _differ(differ),
            _pairs(pairs),
            _equal_cost(ruled, "run"),
            _fronts(ruled),
            _failures(ruled, "run"),
        ],
        documents=[(f"The scenario of {name}", validation.dump(run.scenario)) for name, run in runs.items()],
        data_notes=tuple(f"{name}: {note}" for name, run in runs.items() for note in run_facts.data_notes(run.info)),
    )


def answer(page: Page) -> dict[str, Any]:
    """A comparison for machines: name, findings, limits, the tables by their keys; numbers in full, None = unknown."""
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
    """The choice of a method; `random` last, it is what the others are compared with."""
    named = dict.fromkeys(str(name) for table in records.values() for name in table["method"])
    methods = [name for name in named if name not in (FULL, RANDOM)]
    return PageChoice("method", "Method shown", (*methods, *(name for name in named if name == RANDOM)))


def _epochs(run: Run) -> int | None:
    """Epochs of full training; None where the scenario does not say."""
    training = run.scenario.get("training")
    return training.get("epochs") if isinstance(training, dict) else None


def _equal_cost(tables: Mapping[str, pd.DataFrame], side: str) -> Section:
    """Every method against its opponents at equal total cost, priced on each fleet, or in each run."""
    found = []
    for key, price, caption, unit in (
        ("equal-cost", "device_energy_j", "At equal total energy, emulated", "energy_each_j"),
        ("equal-cost-closed", "analytic_energy_j", "At equal total energy by the closed form (edge paper)", "closed_j"),
    ):

        def told(records: pd.DataFrame, price: str = price, unit: str = unit) -> pd.DataFrame:
            return leads(equal_cost(records, price=price).table, unit)

        data = of_each_fleet(tables, told).rename(columns={"fleet": side})
        found.append(PageTable(f"{key}-{side}s", caption, data, folded=price != "device_energy_j"))
    lead = (
        "What the price of a method's trial, scoring included, buys of an opponent on the same devices. "
        f"Intervals are of each row by itself; those of the verdict are simultaneous. {CLOSED_FORM}"
    )
    nothing = "No method has an opponent that ran, so none is compared at equal total cost."
    return Section("equal-cost", "Equal total cost", [], found, nothing, lead)


def _fleets(table: pd.DataFrame, priced: Mapping[str, pd.DataFrame], styles: plot_style.Styles) -> Section:
    same, left_out = on_every_fleet(priced)
    drawn = fleets_table.fleets(same).table if any(len(own) for own in same.values()) else table
    shown = [run_comparison.fleet_figure(drawn, styles, column) for column in run_comparison.FLEET_COSTS]
    shown.append(run_comparison.exchange_figure(drawn, styles))
    if left_out and drawn is not table:
        shown = [replace(figure, note=f"{figure.note} Over the common devices.") for figure in shown]
    # Emulated here; without the word the columns' names mean the closed form.
    names = {f"{old}{what}_saved": f"{new}{what}_saved"
             for what in ("time", "energy") for old, new in (("", "device_"), ("analytic_", ""))}  # fmt: skip
    hidden = [] if left_out else [name for name in map(str, table) if name.startswith("common_")]
    renamed = table.drop(columns=hidden).rename(columns=names)
    every = PageTable("fleets", "Every fleet, method and keep ratio", renamed)
    lead = (
        "The same training on other hardware: what it gives is the same, what it takes is priced on each fleet. "
        f"{CLOSED_FORM}"
    )
    return Section("fleets", "Fleets", shown, [every], NO_TRIAL, lead, (_method({"": table}),))


def _best(best: Answer, priced: Mapping[str, pd.DataFrame]) -> Section:
    weights = tuple(f"{value:g}" for value in dict.fromkeys(best.table["lambda"]))
    choices = (_method(priced), PageChoice("lambda", "λ", weights, f"{SHOWN_LAMBDA:g}"))
    ratios = PageTable("best-ratios", "The same at every λ", best.table, folded=True)
    shown_best = best.table[best.table["lambda"] == SHOWN_LAMBDA].drop(columns="lambda")
    middle = PageTable("best", f"Devices by their best keep ratio, λ = {SHOWN_LAMBDA:g}", shown_best)
    figure = [run_comparison.best_ratio_figure(best.table)]
    lead = "Which of the ratios that were run each device would choose; the larger λ, the more cost counts."
    return Section("best", "Best keep ratio", figure, [middle, ratios], NONE_WELL, lead, choices, best.missing)


def _profiles(priced: Mapping[str, pd.DataFrame]) -> Section:
    devices = PageTable("composition", "What the fleets are", of_each_fleet(priced, composition))
    # A device's accuracy is its data's; which profile it has is chance, so accuracies per profile would mislead.
    means = of_each_fleet(priced, by_profile).drop(columns="test_accuracy")
    full = means[means["method"] == FULL].drop(columns=["method", "keep_ratio"])
    tables = [
        devices,
        PageTable("profiles-full", "Full training on one device of each profile", full),
        PageTable("profiles", "Means per fleet and profile", means, folded=True),
    ]
    lead = "Which devices the fleets are made of, and what full training takes on one of each."
    return Section("profiles", "Profiles", [], tables, NO_TRIAL, lead)


def _failures(tables: Mapping[str, pd.DataFrame], side: str) -> Section:
    found = of_each_fleet(tables, failures).rename(columns={"fleet": side})
    parts = [PageTable("failures", "Trials that did not end well", found)]
    if side == "fleet":
        cannot = of_each_fleet(tables, lambda records: infeasible(records).table)
        parts.append(PageTable("infeasible", "Devices that cannot do what was asked", cannot, folded=True))
    return Section("failures", "Who cannot", [], parts, "Every trial ended well.")


def _fleet_limits(run: Run, table: pd.DataFrame) -> list[str]:
    """What the fleets' numbers leave open, in sentences."""
    said = run_facts.limits(run.records, run.info)
    for fleet in dict.fromkeys(table["fleet"]):
        own = table[table["fleet"] == fleet]
        if own["failed_devices"].any():
            said.append(f"{fleet}: the run has no outcome of some trials there, for example because its own devices "
                        "could not do them or a rule chooses other ratios; see 'Who cannot'.")  # fmt: skip
        if own["infeasible_devices"].any():
            said.append(f"{fleet}: times, energies and accuracies of rows with devices that cannot are over the other "
                        "devices, and not comparable with those of other fleets.")  # fmt: skip
    if table["seeds"].max() < 2:
        said.append("One seed: no number has an interval, and all are of this seed alone.")
    return said


def _run_limits(runs: Mapping[str, Run], differ: Mapping[str, Answer], pairs: Answer) -> list[str]:
    """What pairs of trials of different runs leave open, in sentences."""
    said = [f"{name}: {note}" for name, run in runs.items() for note in run_facts.limits(run.records, run.info)]
    for name, found in differ.items():
        parts = [part for part in EXACT if any(path.split(".")[0] == part for path in found.table["path"])]
        if parts:
            said.append(f"{name} differs from the first run in {' and '.join(parts)}: its devices may hold other "
                        "samples, and pairs are then of equal places, not of equal data.")  # fmt: skip
    return [*said, *pairs.missing]


def _differ(differ: Mapping[str, Answer]) -> Section:
    names = {"a": "first_setting", "b": "own_setting"}
    parts = [found.table.rename(columns=names).assign(run=name) for name, found in differ.items()]
    table = pd.concat(parts, ignore_index=True)[["run", "path", *names.values()]]
    same = [name for name, found in differ.items() if found.table.empty]
    cannot = tuple(f"{name}: the scenario equals that of the first run." for name in same) if len(table) else ()
    every = PageTable("differences", "What the scenarios differ in", table)
    lead = "Settings of the scenarios as they were run; those that are equal are left out."
    return Section("differ", "Scenarios", [], [every], "The scenarios are equal.", lead, (), cannot)


def _pairs(pairs: Mapping[str, Answer]) -> Section:
    accuracy = pairs["test_accuracy"].table
    styles = plot_style.method_styles(accuracy["method"], FULL)
    ends = {"a": "first_accuracy", "b": "own_accuracy", "low": "difference_low", "high": "difference_high"}
    tables = [PageTable("pairs", "Test accuracy, paired", accuracy.rename(columns=ends))]
    costs = {"a": "first_cost", "b": "own_cost", "difference": "cost_difference",
             "low": "cost_difference_low", "high": "cost_difference_high"}  # fmt: skip
    for kind, (word, unit) in WORDS.items():
        found = pairs[f"device_{kind}"].table.rename(columns=costs)
        tables.append(PageTable(f"pairs-{word}", f"Emulated {word} ({unit}), paired", found, folded=True))
    runs = tuple(str(name) for name in dict.fromkeys(accuracy["run"]))
    lead = "Differences are other run minus first run; intervals are 95 %, simultaneous over all rows (Bonferroni)."
    missing = " ".join(pairs["test_accuracy"].missing) or NONE_WELL
    figures = [run_comparison.difference_figure(accuracy, styles)]
    return Section("pairs", "Paired trials", figures, tables, missing, lead, (PageChoice("run", "Run shown", runs),))


def _fronts(tables: Mapping[str, pd.DataFrame]) -> Section:
    styles = plot_style.method_styles(tables, "")
    final = of_each_fleet(tables, lambda records: final_accuracy(records).table)
    shown = [run_comparison.accuracy_figure(final.rename(columns={"fleet": "run"}), styles)]
    cannot: list[str] = []
    for kind in WORDS:
        found = fronts(tables, f"device_{kind}")
        shown.append(run_comparison.fronts_figure(found.table, styles, kind))
        cannot += found.missing
    lead = "All trials of every run, paired or not: accuracy against the keep ratio, and against what it takes."
    return Section("fronts", "All runs", shown, [], NONE_WELL, lead, (_method(tables),), tuple(dict.fromkeys(cannot)))
