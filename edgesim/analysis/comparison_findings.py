"""What a comparison found, in sentences: of runs, and of the fleets that one training is priced on."""

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
from edgesim.analysis.verdict import spoken_of
from edgesim.formatting import n_of, number, percent

SHOWN_LAMBDA = 0.1
"""lambda of the sentence on the best ratios, the middle one of those in the table"""


def run_findings(means: pd.DataFrame, pairs: pd.DataFrame) -> list[Finding]:
    """What every later run does otherwise than the first one.

    Args:
        means: the table of `mean_differences`.
        pairs: the table of `against_first` for test_accuracy.
    """
    found = []
    for run in dict.fromkeys(means["run"]):
        by_quantity = means[means["run"] == run].set_index("quantity")
        if "test_accuracy" in by_quantity.index:
            row = by_quantity.loc["test_accuracy"]
            ends = (float(row["difference"]), float(row["low"]), float(row["high"]))
            of, seeds, tests = (int(row[name]) for name in ("devices", "seeds", "tests"))
            change = Interval(*ends, n=int(row["pairs"]), devices=of, seeds=seeds, tests=tests)
            told: Evidence = "yes" if row["equal"] or lies(change, 0.0) else "none"
            cells = pairs.loc[pairs["run"] == run, "evidence"]
            counts = ", ".join(f"{word} in {(cells == word).sum()}" for word in ("higher", "lower"))
            text = (
                f"{run}: over all pairs the test accuracy changes by {with_interval(change, 'points')}; "
                f"of {n_of(len(cells), 'pair')} of method and keep ratio it is {counts} (the interval leaves out 0)."
            )
            if cells.eq("none").all() and not change.is_known:
                text = f"{run}: over all pairs the test accuracy changes by {with_interval(change, 'points')}."
            if row["equal"]:
                text = f"{run}: the test accuracy is that of the first run, in every pair (n = {change.n})."
            found.append(finding("accuracy", text, told, change, ("", np.nan)))
        costs = [f"{word} {number(row['a'])} to {number(row['b'])} {unit} ({_change(row['a'], row['b'])})"
                 for quantity, word, unit in (("device_time_s", "time", "s"), ("device_energy_j", "energy", "J"))
                 if quantity in by_quantity.index for row in [by_quantity.loc[quantity]]]  # fmt: skip
        if costs:
            text = f"{run}: over all pairs a device's emulated cost goes from the first run's to its own: "
            found.append(Finding("saving", f"{text}{', '.join(costs)}.", "sum"))
    return found


def fleet_findings(table: pd.DataFrame, best: pd.DataFrame) -> list[Finding]:
    """Which fleet is done first and which needs least, who cannot, what is best.

    Args:
        table: of `fleets`.
        best: of `best_of_fleets`.
    """
    return [*_full(table), *_least(table), *_savings(table, best), *_cannot(table)]


def equal_cost_findings(
    tables: Mapping[str, pd.DataFrame], epochs: Mapping[str, int | None] | None = None
) -> list[Finding]:
    """What the price of each fleet's (or run's) method buys of every opponent there; none where no opponent ran.

    Args:
        tables: fleet or run -> its records.
        epochs: of full training, by the same names; None = unknown.
    """
    found = []
    for name, given in tables.items():
        records = complete(given)
        good = ok(records)
        method = spoken_of(good) if len(good) else None
        against = at_cost(good, method) if method else []
        if method and against:
            told = equal_cost_finding(records, method, against, (epochs or {}).get(name))
            found.append(replace(told, text=f"{name}, {told.text[0].lower()}{told.text[1:]}"))
    return found


def _full(table: pd.DataFrame) -> list[Finding]:
    """The fleets in order by `full`, those that can do all of it."""
    rows = table[(table["method"] == FULL) & (table["infeasible_devices"] + table["failed_devices"] == 0)]
    found = []
    for column, kind, what, unit in (
        ("finish_s", "time", "time until the last device is done", "s"),
        ("energy_j", "energy", "energy of the fleet", "J"),
    ):
        known = rows[rows[column].notna()].sort_values(column, kind="stable")
        if len(known) > 1:
            told = [f"{name} {number(value)} {unit}" for name, value in zip(known["fleet"], known[column], strict=True)]
            factor = known[column].iloc[-1] / known[column].iloc[0]
            text = f"Full training, {what}: {', '.join(told)}. Least and most differ by a factor of {factor:.3g}."
            found.append(Finding(kind, text, "sum"))
    return found


def _least(table: pd.DataFrame) -> list[Finding]:
    """What the smallest keep ratio saves on every fleet, against the share of the data that it leaves out."""
    pruned = table[(table["method"] != FULL) & table["energy_saved"].notna()]
    if pruned.empty:
        return []
    method = RANDOM if (pruned["method"] == RANDOM).any() else pruned["method"].iloc[0]
    own = pruned[pruned["method"] == method]
    rows = own[own["keep_ratio"] == own["keep_ratio"].min()].sort_values("energy_saved", ascending=False, kind="stable")
    ratio = float(rows["keep_ratio"].iloc[0])
    told = [f"{name} {percent(value)}" for name, value in zip(rows["fleet"], rows["energy_saved"], strict=True)]
    text = (
        f"Keeping {number(ratio)} by {method} saves energy against full: {', '.join(told)}. It leaves out "
        f"{percent(1 - ratio)} of the data; what a device takes once per job, whatever the data, is not saved."
    )
    return [Finding("saving", text, "sum", method=str(method), keep_ratio=ratio)]


def _savings(table: pd.DataFrame, best: pd.DataFrame) -> list[Finding]:
    """Per fleet the ratio that most devices have as their best one, and what it saves there."""
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
            text += f"; against full training it {saved} there"
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
                f"{fleet}: {devices} cannot do {row['method']} at {number(row['keep_ratio'])}; "
                f"{n_of(len(own), 'pair')} of method and keep ratio {'has' if len(own) == 1 else 'have'} such devices."
            )
            found.append(Finding("devices", text, "sum"))
    return found


def _change(a: float, b: float) -> str:
    """What the first value changes by to become the second one, in per cent of the first."""
    if a == b:
        return "the same"
    return f"{100 * (b / a - 1):+.1f} %" if a > 0 else "from nothing"
