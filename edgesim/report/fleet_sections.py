"""Sections on single devices, on the fleet as a whole, and on the classes (or ranges of a target) of devices."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis import heterogeneity
from edgesim.analysis.best_ratio import Weighted, best_ratios
from edgesim.analysis.classes import class_counts, class_skew, data_of_devices, kept_class_shares
from edgesim.analysis.fairness import device_winners, fairness, winner_counts
from edgesim.analysis.grouping import FULL
from edgesim.analysis.heterogeneity import by_device
from edgesim.analysis.kept_samples import dynamic_methods
from edgesim.analysis.means import by_profile
from edgesim.errors import shortened
from edgesim.formatting import listed, number, percent, ranges
from edgesim.report import users
from edgesim.report.figures import classes, device_figures
from edgesim.report.figures.figure import rows
from edgesim.report.figures.prices import WORDS
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import MIDDLE, NONE_WELL, PageStyle, PageTable, Section, unless_empty
from edgesim.report.tradeoff_section import first_kind, pareto_figures
from edgesim.tasks import ACCURACY, Metric, label_words

FAIRNESS = ["method", "keep_ratio", "devices", "seeds", "mean", "mean_by_data", "worst_tenth", "gini", "jain"]
"""columns of the table shown; the figure's table has the intervals"""
OF_TRIALS = (
    "seeds", "test_accuracy", "local_accuracy", "own_accuracy", "analytic_time_s", "device_time_s",
    "analytic_energy_j", "device_energy_j",
)  # fmt: skip
"""columns that equal the trial's own where there is one seed: a third of a large page"""
MOST_SENTENCES = 4
"""sentences on devices that do not finish, at most"""
FOLDED = 12
"""number of rows from which a table is collapsed at first"""


def devices_section(source: RunTables, page_style: PageStyle) -> Section:
    """Time and energy of each device, accuracy against cost, and the most accurate method on each."""
    devices, winners, metric = by_device(source.records), device_winners(source.records), source.metric
    best_mean = f"{'highest' if metric.higher_is_better else 'lowest'} "
    best_mean += "mean accuracy" if metric is ACCURACY else f"mean of {metric.title}"
    shown = [device_figures.device_figure(devices.table, kind, users.device_names(source.devices)) for kind in WORDS]
    for kind in WORDS.keys() - {first_kind(source)}:
        shown += pareto_figures(source, page_style, kind)
    if source.records["device"].nunique() > 1:
        shown.append(device_figures.winner_figure(winner_counts(winners.table).table, page_style.styles, source.metric))
    tables = [
        PageTable(
            "devices",
            "Every device",
            users.with_users(_every_device(devices.table, metric), source.devices),
            folded=True,
        ),
        *([_power_modes(source.devices)] if source.has_power_modes else []),
        *_data_table(data_of_devices(source.shards, source.devices).table),
        PageTable(
            "winners",
            f"Method with the {best_mean} on every device",
            users.with_users(winners.table, source.devices),
            folded=True,
        ),
        PageTable("best-ratios", "Best keep ratio by Eq. 14", _best_ratios(source.records), folded=True),
        PageTable("profiles", "Means per profile", by_profile(source.records), folded=True),
    ]
    limits = (*unless_empty(devices), *unless_empty(winners))
    best = best_ratios(source.records)
    limits = (*limits, *(unless_empty(best) if len(best.table) else best.missing[:1]))
    intro = (
        f"Each device by itself: its time and energy, {metric.title} against cost, and its most accurate method. Best "
        "ratios "
        "by Eq. 14 weight the devices' risks by the samples that they hold (Eqs. 10 and 12), and all equally."
    )
    return Section("devices", "Devices", shown, tables, NONE_WELL, intro, (page_style.method,), limits)


def fleet_section(source: RunTables, page_style: PageStyle) -> Section:
    """Stragglers, fairness of accuracy, and memory and storage of the devices."""
    last = heterogeneity.stragglers(source.records, source.devices)
    fair = fairness(source.records)
    headroom = heterogeneity.headroom(source.records, source.devices)
    infeasible = heterogeneity.infeasible(source.records)
    shown = [
        # A single device does not wait, and is its own worst tenth.
        *([device_figures.straggler_figure(last.table, page_style.styles)] if last.table["devices"].max() > 1 else []),
        *(
            [device_figures.fairness_figure(fair.table, page_style.styles, source.metric)]
            if fair.table["devices"].max() > 1
            else []
        ),
        device_figures.headroom_figure(headroom.table),
    ]
    several = fair.table[fair.table["devices"] > 1]
    tables = [
        PageTable("infeasible", "Infeasible trials by device and reason", infeasible.table),
        PageTable(
            "fairness", f"Spread of {source.metric.noun} over the devices", several[FAIRNESS], len(several) > FOLDED
        ),
    ]
    limits = [sentence for found in (last, fair, headroom) for sentence in unless_empty(found)]
    waiting = waiting_in_words(last.table)
    intro = f"All devices start at once. {waiting}" if waiting else "Memory and storage that the devices need."
    held = data_in_words(data_of_devices(source.shards, source.devices).table)
    intro = " ".join(filter(None, (intro, held, unfinished_in_words(source.records))))
    return Section("fleet", "The fleet together", shown, tables, NONE_WELL, intro, (), tuple(dict.fromkeys(limits)))


def classes_section(source: RunTables, page_style: PageStyle) -> Section:
    """Classes (of a regression: ranges of the target) that devices hold, and the share of each that a method keeps."""
    words = label_words(source.metric)
    dynamic = dynamic_methods(source.records)
    counts = class_counts(source.shards, without(source.selections, dynamic))
    names = dict(zip(source.shards["label"], source.shards["class_name"].astype(str), strict=True))
    named = counts.table.assign(class_name=counts.table["label"].map(names))
    kept_shares, skew = kept_class_shares(counts.table).table, class_skew(source.shards)
    kept_shares.insert(0, "class_name", kept_shares["label"].map(names))
    of_users = users.device_names(source.devices)
    shown = [
        classes.shares_figure(named, False, of_users, words),
        *(
            [classes.shares_figure(named, True, of_users, words), classes.kept_shares_figure(kept_shares, words)]
            if len(kept_shares)
            else []
        ),
    ]
    tables = [PageTable("skew", "How skewed the devices' data are", skew.table, folded=True)]
    missing = " ".join(counts.missing) or NONE_WELL
    intro = f"Effect of pruning on the mix of {words.many}, on each device and on all of them together. {words.meaning}"
    limits = keeps_no_subset(dynamic) if len(counts.table) else ()
    choices = (page_style.method, page_style.ratio)
    return Section("classes", words.title, shown, tables, missing, intro.strip(), choices, limits)


def without(selections: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Subsets of all other methods; copied only if necessary, for a copy of a large run takes a second."""
    return selections[~selections["method"].isin(methods)] if methods else selections


def keeps_no_subset(dynamic: list[str]) -> tuple[str, ...]:
    """Sentence on the dynamic methods, which have no subset."""
    if not dynamic:
        return ()
    choose, they, have = ("chooses", "it", "has") if len(dynamic) == 1 else ("choose", "they", "have")
    return (f"{listed(dynamic)} {choose} samples during training, so {they} {have} no subset to show.",)


def waiting_in_words(stragglers: pd.DataFrame) -> str:
    """Last device of the fleet and the cost of waiting, at the ratio nearest to MIDDLE; empty for one device or none.

    Args:
        stragglers: the table of `heterogeneity.stragglers`.
    """
    several = stragglers[stragglers["devices"] > 1]
    pruned = several[several["method"] != FULL]
    chosen = pruned[pruned["method"] == "importance"] if (pruned["method"] == "importance").any() else pruned
    chosen = chosen if len(chosen) else several
    nearest = (chosen["keep_ratio"] - MIDDLE).abs().sort_values(kind="stable").index[:1]
    for row in rows(chosen.loc[nearest]):
        full = row["method"] == FULL
        at = "In full training" if full else f"Keeping {number(row['keep_ratio'])} by {row['method']}"
        text = f"{at}, the last device to finish is device {row['device']} ({row['profile']})"
        text += (
            f" in {round(row['share_of_seeds'] * row['seeds'])} of {row['seeds']:,} seeds. "
            if row["seeds"] > 1
            else ". "
        )
        text += f"Waiting for the last takes {percent(row['wait_share'])} of all devices' time"
        known = row["idle_energy_share"] == row["idle_energy_share"]
        return text + (f" and {percent(row['idle_energy_share'])} of their energy." if known else ".")
    return ""


def data_in_words(data: pd.DataFrame) -> str:
    """Sizes of the devices' data and their differences, in words; empty where they are not known.

    Args:
        data: the table of `classes.data_of_devices`.
    """
    if data.empty:
        return ""
    sizes = data["samples"]
    least, most = (number(float(end)) for end in (sizes.min(), sizes.max()))
    median = number(float(sizes.median()))
    held = f"{most} training samples" if least == most else f"{least} to {most} training samples (median {median})"
    words = f"{'Each device holds' if len(data) > 1 and least == most else 'The devices hold'} {held}."
    if len(data) == 1:
        return f"The device holds {held}."
    words += f" Their mean label skew is {number(float(data['skew'].mean()), 2)}"
    shift = float(data["feature_shift"].mean())
    words += f", their mean feature shift {number(shift, 2)}" if shift == shift else ""
    return f"{words} (0: no difference between devices)."


def unfinished_in_words(records: pd.DataFrame) -> str:
    """Devices without a trial that ended well, at all or at some keep ratios, in words; empty where all finish.

    Args:
        records: one row per trial, of a run in any state.
    """
    sentences = []
    well = records["status"] == "ok"
    profiles = dict(zip(records["device"], records["profile"], strict=True))
    never = sorted(profiles.keys() - set(records.loc[well, "device"]))
    if never:
        sentences.append(f"{_named(never, profiles)} never {_finish(never)} a trial.")
    done = records.assign(ended=well).groupby(["device", "keep_ratio"])["ended"].any().reset_index()
    lost = done[~done["ended"] & ~done["device"].isin(never)]
    by_ratios: dict[tuple[str, ...], list[int]] = {}
    for device, own in lost.groupby("device"):
        by_ratios.setdefault(tuple(map(number, own["keep_ratio"])), []).append(int(str(device)))
    for ratios, devices in by_ratios.items():
        at = "keep ratio" if len(ratios) == 1 else "keep ratios"
        named = _named(devices, profiles)
        sentences.append(f"{named} {_finish(devices)} no trial at {at} {', '.join(ratios)}.")
    return " ".join(sentences[:MOST_SENTENCES]) + (
        " The table below has the others." if len(sentences) > MOST_SENTENCES else ""
    )


def _named(devices: list[int], profiles: dict[int, str]) -> str:
    kinds = list(dict.fromkeys(profiles[device] for device in devices))
    word = "Device" if len(devices) == 1 else "Devices"
    return f"{word} {ranges(devices)} ({', '.join(kinds)})"


def _finish(devices: list[int]) -> str:
    return "finishes" if len(devices) == 1 else "finish"


def _every_device(devices: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Table of `by_device`; with one seed without the columns that the table of trials has."""
    several = devices["seeds"].max() > 1
    return (
        devices if several else devices.drop(columns=[name for name in map(metric.named, OF_TRIALS) if name in devices])
    )


def _power_modes(devices: pd.DataFrame) -> PageTable:
    """Power mode of every device; open while the fleet is small."""
    found = devices[["device", "profile", "power_mode"]]
    return PageTable("power-modes", "Power mode of every device", found, len(found) > FOLDED)


def _data_table(data: pd.DataFrame) -> list[PageTable]:
    """Data of every device, without columns that are not known. None of a run whose shards are unknown."""
    if data.empty:
        return []
    shown = data.assign(users=[shortened(names, users.LONGEST) for names in data["users"]])
    empty = {"users": (data["users"] == "").all(), "feature_shift": data["feature_shift"].isna().all()}
    shown = shown.drop(columns=[name for name, is_empty in empty.items() if is_empty])
    return [PageTable("device-data", "Data of every device, means over seeds", shown, folded=True)]


def _best_ratios(records: pd.DataFrame) -> pd.DataFrame:
    """Least, median and largest best ratio of the devices of each profile, per method and lambda.

    For both weights of the devices' risks: by data, as in the paper, and equal.
    """
    keys = ["weights", "profile", "method", "lambda"]
    by: tuple[Weighted, ...] = ("data", "equal")
    tables = [best_ratios(records, weights_of_devices=name).table.assign(weights=name) for name in by]
    found = pd.concat(tables).groupby(keys, sort=False)["keep_ratio"]
    return found.agg(devices="count", least="min", median="median", most="max").reset_index()
