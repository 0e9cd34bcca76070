"""Time on the pages: of the devices against proportional cost, and of the machine that ran the study."""

from __future__ import annotations

import itertools

import pandas as pd
from paper_advice import KINDS, SKEWED
from paper_points import MOBILENET, TUNED, Point, every_point
from paper_rows import Rows, ends, epochs_told, network_name, setting_name
from paper_times import LONGER, POINT_MINUTES, STEPS_OFF, TIME_OFF, WHOLE_MINUTES, WORK_OFF
from study.running import PARTITIONS
from study.wording import SHOWN, shards, wrapped

from edgesim.formatting import listed

LARGEST, SMALLEST = "0.8", "0.1"
BEYOND = 0.01
"""share of full training's time beyond scoring's from which on a setting is named as less proportional"""


def _off(rows: Rows, claim: str, method: str) -> pd.Series:
    """Deviation from proportional at the largest ratio, by setting, in per cent of full training's."""
    own = rows.of(claim=claim, method=method, keep_ratio=LARGEST)
    return 100 * own.set_index(["data", "partition", "model"])["estimate"]


def time_in_words(rows: Rows) -> str:
    """Arithmetic of claims 2 and 3, and where the devices' time is not that."""
    random = _off(rows, TIME_OFF, "random")
    further = random[random > 100 * BEYOND]
    longer = rows.of(claim=LONGER, keep_ratio=SMALLEST)["estimate"]
    told = (
        f"Claims 2 and 3: scoring is one of E epochs ({epochs_told(rows)}); it adds 1/(E·ratio) to "
        f"random's time ({ends(100 * longer, 0)} % at {SMALLEST}). So E decides: 5 % of proportional needs more than "
        "20 epochs, scoring below 5 % at 0.5 more than 38."
    )
    if len(further):
        uneven = [data == "digits" or partition in KINDS[SKEWED] for data, partition, _ in further.index]
        where = "digits or skewed; " if all(uneven) else ""
        told += (
            f" Batches filled in part add up to {further.max():.1f} % in {len(further)} settings ({where}"
            "[each](details.md))."
        )
    return told


def seeds_in_words(rows: Rows) -> str:
    """Settings with three seeds, and whether five would take long."""
    found = rows.of(claim=WHOLE_MINUTES)
    if found.empty:
        return "Five seeds."
    short = found[found["estimate"] <= 60]
    long = found.loc[found["estimate"] > 60, "estimate"]
    names = [f"{setting_name(Point(one['data'], one['partition'], one['model']))} ({one['estimate']:.0f})"
             for _, one in short.iterrows()]  # fmt: skip
    told = f"Five seeds, three in {len(found)} settings. With all methods, ratios and five seeds"
    hours = f" {len(long)} of them would take {ends(long)} minutes of a core" if len(long) else ""
    also = f"{', and' if hours else ''} {listed(names)} under an hour" if names else ""
    return f"{told}{hours}{also} (by the samples trained on)."


def not_run_in_words(rows: Rows) -> str:
    """What of the grid of image data, networks and partitions has not run; empty where all of it has."""
    there = {tuple(point[:3]) for point in rows.settings()}
    lacking: dict[tuple[str, str], list[str]] = {}
    for data, model, partition in itertools.product(TUNED, ("resnet8", MOBILENET), PARTITIONS):
        if (data, partition, model) not in there:
            lacking.setdefault((data, model), []).append(shards(partition))
    names = [f"{SHOWN[data]} {network_name(model)} ({listed(ones)})" for (data, model), ones in lacking.items()]
    grid = f"{listed([SHOWN[data] for data in TUNED])} with resnet8 and mobilenet-v2 at three partitions"
    return f"Of {grid}, these did not run: {', '.join(names)}." if names else ""


def proportional_table(rows: Rows) -> list[str]:
    """One row per setting: deviations from proportional."""
    columns = [_off(rows, claim, method) for claim, method in (
        (TIME_OFF, "importance"), (WORK_OFF, "importance"), (TIME_OFF, "random"), (STEPS_OFF, "random")
    )]  # fmt: skip
    longer = rows.of(claim=LONGER, keep_ratio=SMALLEST).set_index(["data", "partition", "model"])["estimate"]
    lines = ["| setting | time | counted work | random's time | random's steps | longer than random at 0.1 |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for point in rows.settings():
        cells = [f"{column[tuple(point[:3])]:+z.1f}" for column in (*columns, 100 * longer)]
        lines.append(f"| {setting_name(point)} | {' | '.join(cells)} |")
    return [
        *wrapped(
            f"At {LARGEST}, in per cent of full training's: time, counted work and steps minus the share of samples. "
            "Counted work is off by scoring alone. Where random's steps are off, batches are partly filled."
        ),
        "",
        *lines,
    ]


def times_table(rows: Rows) -> list[str]:
    """Minutes of every point, and their sum."""
    minutes = rows.of(claim=POINT_MINUTES)
    if minutes.empty:
        return []
    found = {tuple(key): one for *key, one in minutes[["data", "partition", "model", "variant", "estimate"]]
             .itertuples(index=False)}  # fmt: skip
    lines = [f"| {point.name} | {found[tuple(point[:4])]:.1f} |" for point in every_point()
             if tuple(point[:4]) in found]  # fmt: skip
    return [
        "## Times",
        "",
        *wrapped(
            f"Minutes of the trials of every point, added up; together {minutes['estimate'].sum() / 60:.1f} hours. "
            "They ran beside other work on the same two cores, so that a quiet machine takes less."
        ),
        "",
        "| point | minutes |",
        "|---|---|",
        *lines,
    ]
