"""Findings of a comparison in sentences: of runs, and of the fleets that one training is priced on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from edgesim.analysis.findings import Evidence, Finding, finding, with_interval
from edgesim.analysis.grouping import FULL, OPPONENTS, RANDOM, complete, ok
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.opponents import at_cost, equal_cost_finding
from edgesim.analysis.savings import saved_in_words
from edgesim.analysis.verdict import verdict_method
from edgesim.formatting import listed, n_of, number, percent
from edgesim.tasks import metric_in

SHOWN_LAMBDA = 0.1
"""lambda of the sentence on the best ratios: the middle one of the table"""


def run_findings(means: pd.DataFrame, pairs: pd.DataFrame, on_own: pd.DataFrame | None = None) -> list[Finding]:
    """Differences of every later run to the first one.

    Args:
        means: the table of `mean_differences`.
        pairs: the table of `against_first` for the metric that decides.
        on_own: the same on the devices' own test samples; None where a run has none.
    """
    found, metric = [], metric_in(set(means["quantity"]))
    compared = [(metric.column(), f"the test {metric.title}", pairs)]
    if on_own is not None:
        compared.append((metric.column("own"), f"the {metric.title} on the devices' own test samples", on_own))
    for run in dict.fromkeys(means["run"]):
        by_quantity = means[means["run"] == run].set_index("quantity")
        for value, about, table in compared:
            if value not in by_quantity.index:
                continue
            row = by_quantity.loc[value]
            ends = (float(row["difference"]), float(row["low"]), float(row["high"]))
            of, seeds, tests = (int(row[name]) for name in ("devices", "seeds", "tests"))
            change = Interval(*ends, n=int(row["pairs"]), devices=of, seeds=seeds, tests=tests)
            evidence: Evidence = "yes" if row["equal"] or lies(change, 0.0) else "none"
            cells = table.loc[table["run"] == run, "evidence"]
            counts = " and ".join(f"{word} in {(cells == word).sum()}" for word in ("higher", "lower"))
            text = (
                f"{run}: over all pairs {about} changes by {with_interval(change, metric)}{metric.direction}. "
                f"Of {n_of(len(cells), 'pair')} of method and keep ratio it is {counts}, by intervals that exclude 0."
            )
            if cells.eq("none").all() and not change.is_known:
                text = f"{run}: over all pairs {about} changes by {with_interval(change, metric)}{metric.direction}."
            if row["equal"]:
                text = f"{run}: {about} equals that of the first run in every pair (n = {change.n})."
            found.append(finding("accuracy", text, evidence, change, ("", np.nan)))
        costs = [f"{word} {number(row['a'])} to {number(row['b'])} {unit} ({_change(row['a'], row['b'])})"
                 for quantity, word, unit in (("device_time_s", "time", "s"), ("device_energy_j", "energy", "J"))
                 if quantity in by_quantity.index for row in [by_quantity.loc[quantity]]]  # fmt: skip
        if costs:
            text = f"{run}: emulated cost of a device over all pairs, first run to this run: "
            found.append(Finding("saving", f"{text}{', '.join(costs)}.", "sum"))
    return found


def fleet_findings(table: pd.DataFrame, best: pd.DataFrame) -> list[Finding]:
    """Order of the fleets by time and energy, savings, best ratios, and infeasible devices.

    Args:
        table: of `fleets`.
        best: of `best_of_fleets`.
    """
    return [*_full(table), *_least(table), *_savings(table, best), *_cannot(table)]


def best_turned(best: pd.DataFrame, own: pd.DataFrame) -> list[Finding]:
    """Sentence on fleets whose devices have other best ratios on their own test samples; empty where none has.

    Args:
        best: of `best_of_fleets`.
        own: of `best_on_own_samples`.
    """
    found = []
    for fleet in dict.fromkeys(own["fleet"]):
        at = [one[(one["fleet"] == fleet) & (one["lambda"] == SHOWN_LAMBDA)] for one in (best, own)]
        common, on_own = ({method: part.set_index("keep_ratio")["devices"].to_dict()
                           for method, part in one.groupby("method", sort=False)} for one in at)  # fmt: skip
        methods = [str(method) for method in on_own if on_own[method] != common.get(method)]
        if methods:
            text = f"{fleet}: at λ = {number(SHOWN_LAMBDA)} the best keep ratios of {listed(methods)} are others on "
            text += "the devices' own test samples than on the common test set."
            found.append(Finding("disagreement", text, "yes"))
    return found


def equal_cost_findings(
    tables: Mapping[str, pd.DataFrame], epochs: Mapping[str, int | None] | None = None
) -> list[Finding]:
    """Method of each fleet (or run) against every opponent at equal cost; none where no opponent ran.

    Args:
        tables: fleet or run -> its records.
        epochs: of full training, by the same names; None = unknown.
    """
    found = []
    for name, given in tables.items():
        records = complete(given)
        good = ok(records)
        method = verdict_method(good) if len(good) else None
        against = at_cost(good, method) if method else []
        if method and against:
            sentence = equal_cost_finding(records, method, against, (epochs or {}).get(name))
            found.append(replace(sentence, text=f"{name}: {sentence.text}"))
    return found


def _full(table: pd.DataFrame) -> list[Finding]:
    """Fleets in order of full training's time and energy, among those that can do all of it."""
    rows = table[(table["method"] == FULL) & (table["infeasible_devices"] + table["failed_devices"] == 0)]
    found = []
    for column, kind, what, unit in (
        ("finish_s", "time", "time until the last device finishes", "s"),
        ("energy_j", "energy", "energy of the fleet", "J"),
    ):
        known = rows[rows[column].notna()].sort_values(column, kind="stable")
        if len(known) > 1:
            costs = [
                f"{name} {number(value)} {unit}" for name, value in zip(known["fleet"], known[column], strict=True)
            ]
            factor = known[column].iloc[-1] / known[column].iloc[0]
            text = f"Full training, {what}: {', '.join(costs)}. Least and most differ by a factor of {factor:.3g}."
            found.append(Finding(kind, text, "sum"))
    return found


def _least(table: pd.DataFrame) -> list[Finding]:
    """Energy saved by the smallest keep ratio on every fleet, beside the share of the data that it leaves out."""
    pruned = table[(table["method"] != FULL) & table["energy_saved"].notna()]
    if pruned.empty:
        return []
    method = RANDOM if (pruned["method"] == RANDOM).any() else pruned["method"].iloc[0]
    own = pruned[pruned["method"] == method]
    rows = own[own["keep_ratio"] == own["keep_ratio"].min()].sort_values("energy_saved", ascending=False, kind="stable")
    ratio = float(rows["keep_ratio"].iloc[0])
    savings = [f"{name} {percent(value)}" for name, value in zip(rows["fleet"], rows["energy_saved"], strict=True)]
    text = (
        f"Keeping {number(ratio)} by {method} saves energy against full: {', '.join(savings)}. It leaves out "
        f"{percent(1 - ratio)} of the data; start-up, paid once per job, is not saved."
    )
    return [Finding("saving", text, "sum", method=str(method), keep_ratio=ratio)]


def _savings(table: pd.DataFrame, best: pd.DataFrame) -> list[Finding]:
    """Most frequent best ratio of each fleet's devices, and its savings there."""
    found = []
    methods = [method for method in dict.fromkeys(best["method"]) if method not in OPPONENTS]
    for fleet in dict.fromkeys(best["fleet"]) if methods else ():
        own = best[(best["fleet"] == fleet) & (best["method"] == methods[0]) & (best["lambda"] == SHOWN_LAMBDA)]
        if own.empty:
            continue
        most = own.sort_values(["devices", "keep_ratio"], ascending=[False, True]).iloc[0]
        text = (
            f"{fleet}: with {methods[0]} the best keep ratio by Eq. 14 at lambda = {SHOWN_LAMBDA:g} is "
            f"{most['keep_ratio']:g} on {most['devices']:,} of {n_of(most['of'], 'device')}"
        )
        at = (table["fleet"] == fleet) & np.isclose(table["keep_ratio"], most["keep_ratio"])
        cell = table[at & (table["method"] == methods[0])]
        if len(cell) and np.isfinite(cell["energy_saved"].iloc[0]):
            saved = saved_in_words(float(cell["time_saved"].iloc[0]), float(cell["energy_saved"].iloc[0]))
            text += f". Against full training it {saved} there"
        found.append(Finding("ratio", f"{text}.", "sum", method=methods[0], keep_ratio=float(most["keep_ratio"])))
    return found


def _cannot(table: pd.DataFrame) -> list[Finding]:
    found = []
    for fleet in dict.fromkeys(table["fleet"]):
        own = table[(table["fleet"] == fleet) & (table["infeasible_devices"] > 0)]
        if len(own):
            row = own.sort_values("infeasible_devices", ascending=False, kind="stable").iloc[0]
            devices = n_of(row["infeasible_devices"], "device")
            text = (
                f"{fleet}: {row['method']} at {number(row['keep_ratio'])} is infeasible on {devices}. "
                f"{n_of(len(own), 'pair')} of method and keep ratio {'has' if len(own) == 1 else 'have'} such devices."
            )
            found.append(Finding("devices", text, "sum"))
    return found


def _change(a: float, b: float) -> str:
    """Change from the first value to the second, in per cent of the first."""
    if a == b:
        return "the same"
    return percent(b / a - 1, sign=True) if a > 0 else "from nothing"
