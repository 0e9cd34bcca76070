"""The sections on devices that differ: each one, the fleet together, and the classes that they hold."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis import classes as classes_analysis
from edgesim.analysis import heterogeneity
from edgesim.analysis.best_ratio import Weighted, best_ratios
from edgesim.analysis.classes import class_counts
from edgesim.analysis.fairness import fairness, winner_counts
from edgesim.analysis.fairness import winners as winners_of
from edgesim.analysis.grouping import FULL
from edgesim.analysis.heterogeneity import by_device
from edgesim.analysis.kept_samples import dynamic_methods
from edgesim.analysis.means import by_profile
from edgesim.analysis.pareto import accuracy_against
from edgesim.formatting import number, percent, ranges
from edgesim.report.answer import shown_first
from edgesim.report.figures import classes, fleet
from edgesim.report.figures.figure import rows
from edgesim.report.figures.prices import WORDS
from edgesim.report.run_tables import Source
from edgesim.report.sections import MIDDLE, NONE_WELL, PageStyle, PageTable, Section, unless_empty

FAIRNESS = ["method", "keep_ratio", "devices", "seeds", "mean", "mean_by_data", "worst_tenth", "gini", "jain"]
"""of the table shown; the intervals stand behind the figure"""
OF_TRIALS = (
    "seeds", "test_accuracy", "local_accuracy", "analytic_time_s", "device_time_s", "analytic_energy_j",
    "device_energy_j",
)  # fmt: skip
"""columns of devices that are the trial's own where there is one seed: a third of a large page"""
MOST_SAID = 4
"""sentences on devices that do not finish"""
FOLDED = 12
"""rows from which on that table opens only when asked for"""


def devices_section(source: Source, looks: PageStyle) -> Section:
    """What each device takes, what accuracy that buys, and which method wins where."""
    devices, winners = by_device(source.records), winners_of(source.records)
    shown = [fleet.device_figure(devices.table, kind) for kind in WORDS]
    for kind in WORDS.keys() - {shown_first(source)}:
        points = accuracy_against(source.records, f"device_{kind}").table
        shown.append(fleet.pareto_figure(points, looks.styles, kind))
    if source.records["device"].nunique() > 1:
        shown.append(fleet.winner_figure(winner_counts(winners.table).table, looks.styles))
    tables = [
        PageTable("devices", "Every device", _every_device(devices.table), folded=True),
        PageTable("winners", "Method with the highest mean accuracy on every device", winners.table, folded=True),
        PageTable("best-ratios", "Best keep ratio by Eq. 14", _best_ratios(source.records), folded=True),
        PageTable("profiles", "Means per profile", by_profile(source.records), folded=True),
    ]
    cannot = (*unless_empty(devices), *unless_empty(winners))
    best = best_ratios(source.records)
    cannot = (*cannot, *(unless_empty(best) if len(best.table) else best.missing[:1]))
    lead = (
        "Each device by itself: what it takes, what accuracy that buys, and which method has the highest mean there. "
        "Best ratios by Eq. 14 weigh the devices' risks by the samples that they hold (Eqs. 10 and 12), and all alike."
    )
    return Section("devices", "Devices", shown, tables, NONE_WELL, lead, (looks.method,), cannot)


def fleet_section(source: Source, looks: PageStyle) -> Section:
    """Who is waited for, how fair accuracy is, and what does not fit."""
    last = heterogeneity.stragglers(source.records, source.devices)
    fair = fairness(source.records)
    headroom = heterogeneity.headroom(source.records, source.devices)
    infeasible = heterogeneity.infeasible(source.records)
    shown = [
        # One device waits for nobody, and is its own worst tenth.
        *([fleet.straggler_figure(last.table, looks.styles)] if last.table["devices"].max() > 1 else []),
        *([fleet.fairness_figure(fair.table, looks.styles)] if fair.table["devices"].max() > 1 else []),
        fleet.headroom_figure(headroom.table),
    ]
    several = fair.table[fair.table["devices"] > 1]
    tables = [
        PageTable("infeasible", "What devices cannot do, and why", infeasible.table),
        PageTable(
            "fairness", "How evenly accuracy is spread over the devices", several[FAIRNESS], len(several) > FOLDED
        ),
    ]
    cannot = [sentence for found in (last, fair, headroom) for sentence in unless_empty(found)]
    waiting = waiting_in_words(last.table)
    lead = f"All devices start at once. {waiting}" if waiting else "What the devices need of what they have."
    lead = " ".join(filter(None, (lead, unfinished_in_words(source.records))))
    return Section("fleet", "The fleet together", shown, tables, NONE_WELL, lead, (), tuple(dict.fromkeys(cannot)))


def classes_section(source: Source, looks: PageStyle) -> Section:
    """Which classes the devices hold, and which of them a method starves."""
    dynamic = dynamic_methods(source.records)
    counts = class_counts(source.shards, without(source.selections, dynamic))
    names = dict(zip(source.shards["label"], source.shards["class_name"].astype(str), strict=True))
    named = counts.table.assign(class_name=counts.table["label"].map(names))
    starved, skew = classes_analysis.starved(counts.table).table, classes_analysis.skew(source.shards)
    starved.insert(0, "class_name", starved["label"].map(names))
    shown = [
        classes.shares_figure(named, after=False),
        *([classes.shares_figure(named, after=True), classes.starved_figure(starved)] if len(starved) else []),
    ]
    tables = [PageTable("skew", "How skewed the devices' data are", skew.table, folded=True)]
    missing = " ".join(counts.missing) or NONE_WELL
    lead = "What pruning does to the mix of classes, on each device and on all of them together."
    cannot = keeps_no_subset(dynamic) if len(counts.table) else ()
    return Section("classes", "Classes", shown, tables, missing, lead, (looks.method, looks.ratio), cannot)


def without(selections: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """The subsets of all other methods; of large runs a copy takes a second."""
    return selections[~selections["method"].isin(methods)] if methods else selections


def keeps_no_subset(dynamic: list[str]) -> tuple[str, ...]:
    """What is left out of the sections on subsets, and why."""
    if not dynamic:
        return ()
    choose = "chooses" if len(dynamic) == 1 else "choose"
    return (f"{', '.join(dynamic)} {choose} while training goes on: there is no subset to show.",)


def waiting_in_words(stragglers: pd.DataFrame) -> str:
    """Whom the fleet waits for and what that costs, at the ratio nearest to MIDDLE; empty for one device or none.

    Args:
        stragglers: the table of `heterogeneity.stragglers`.
    """
    several = stragglers[stragglers["devices"] > 1]
    pruned = several[several["method"] != FULL]
    told = pruned[pruned["method"] == "importance"] if (pruned["method"] == "importance").any() else pruned
    told = told if len(told) else several
    nearest = (told["keep_ratio"] - MIDDLE).abs().sort_values(kind="stable").index[:1]
    for row in rows(told.loc[nearest]):
        full = row["method"] == FULL
        at = "In full training" if full else f"Keeping {number(row['keep_ratio'])} by {row['method']}"
        said = f"{at}, the last device to be done is device {row['device']} ({row['profile']})"
        said += (
            f" in {round(row['share_of_seeds'] * row['seeds'])} of {row['seeds']:,} seeds. "
            if row["seeds"] > 1
            else ". "
        )
        said += f"Waiting for the last takes {percent(row['wait_share'])} of all devices' time"
        known = row["idle_energy_share"] == row["idle_energy_share"]
        return said + (f" and {percent(row['idle_energy_share'])} of their energy." if known else ".")
    return ""


def unfinished_in_words(records: pd.DataFrame) -> str:
    """The devices with no trial that ended well, and those with none at some keep ratios; empty where all finish.

    Args:
        records: one row per trial, of a run in any state.
    """
    said = []
    well = records["status"] == "ok"
    profiles = dict(zip(records["device"], records["profile"], strict=True))
    never = sorted(profiles.keys() - set(records.loc[well, "device"]))
    if never:
        said.append(f"{_named(never, profiles)} never {_finish(never)} a trial.")
    done = records.assign(ended=well).groupby(["device", "keep_ratio"])["ended"].any().reset_index()
    lost = done[~done["ended"] & ~done["device"].isin(never)]
    alike: dict[tuple[str, ...], list[int]] = {}
    for device, own in lost.groupby("device"):
        alike.setdefault(tuple(map(number, own["keep_ratio"])), []).append(int(str(device)))
    for ratios, devices in alike.items():
        at = "keep ratio" if len(ratios) == 1 else "keep ratios"
        named = _named(devices, profiles)
        said.append(f"{named} {_finish(devices)} no trial at {at} {', '.join(ratios)}.")
    return " ".join(said[:MOST_SAID]) + (" The table below has the others." if len(said) > MOST_SAID else "")


def _named(devices: list[int], profiles: dict[int, str]) -> str:
    kinds = list(dict.fromkeys(profiles[device] for device in devices))
    word = "Device" if len(devices) == 1 else "Devices"
    return f"{word} {ranges(devices)} ({', '.join(kinds)})"


def _finish(devices: list[int]) -> str:
    return "finishes" if len(devices) == 1 else "finish"


def _every_device(devices: pd.DataFrame) -> pd.DataFrame:
    """The table of `by_device`; with one seed without what stands in the table of trials already."""
    several = devices["seeds"].max() > 1
    return devices if several else devices.drop(columns=[name for name in OF_TRIALS if name in devices])


def _best_ratios(records: pd.DataFrame) -> pd.DataFrame:
    """The best ratios of the devices of each profile, method and lambda: least, median, most.

    By both weights of the devices' risks: by data, as the paper has it, and alike.
    """
    keys = ["weights", "profile", "method", "lambda"]
    by: tuple[Weighted, ...] = ("data", "equal")
    tables = [best_ratios(records, weights_of_devices=name).table.assign(weights=name) for name in by]
    found = pd.concat(tables).groupby(keys, sort=False)["keep_ratio"]
    return found.agg(devices="count", least="min", median="median", most="max").reset_index()
