"""One table of the scenarios whose devices hold the data of users: accuracy on their own test samples, by method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import edgesim
from edgesim.analysis.grouping import device_by_seed, groups, ok
from edgesim.analysis.intervals import interval
from edgesim.analysis.means import summary
from edgesim.formatting import PERCENT
from edgesim.results.run_folder import Run

PLAIN = {"har-watch": 0.751, "spoken-digits": 0.957, "handwriting": 0.961, "air-quality": 0.655}
"""scenario -> test accuracy of a 64-unit MLP on all users' raw samples, by the README of the data (same split)"""
USERS = tuple(PLAIN)
INTRODUCTION = (
    "Devices train on the samples of their own users. They are tested on their own users' test samples (*own*), and on",
    "those of all users (*common*). Means over devices and seeds, with 95 % intervals. Time and energy saved are",
    "emulated, start-up and scoring included. *Plain MLP* is one network of 64 units on all users' raw training",
    "samples, on the same split, as the README of the data gives it. A single device has a small part of them.",
)


def text(folders: dict[str, Path]) -> str:
    """The page as Markdown.

    Args:
        folders: scenario -> finished run.
    """
    lines = ["# Users and their devices", "", *INTRODUCTION, ""]
    for name, folder in folders.items():
        lines += [f"## {name}", "", *_rows(name, edgesim.load_run(folder)), ""]
    return "\n".join(lines)


def _rows(name: str, run: Run) -> Iterator[str]:
    """One scenario: a sentence, and a row for each method and keep ratio."""
    records = run.records
    devices, seeds = records["device"].nunique(), records["seed"].nunique()
    full = interval(device_by_seed(ok(records[records["method"] == "full"]), "own_accuracy"), (0.0, 1.0))
    side = "reaches" if full.estimate >= PLAIN[name] else "stays below"
    yield (
        f"{devices} devices, {seeds} seeds. Full training {side} the plain MLP: {PERCENT(full.estimate)} against "
        f"{PERCENT(PLAIN[name])}. Page: [{name}.html]({name}.html)."
    )
    yield from (
        "",
        "| method | keep | own | 95 % | common | time saved | energy saved |",
        "|---|---|---|---|---|---|---|",
    )
    means = {(row["method"], row["keep_ratio"]): row for row in summary(records).to_dict("records")}
    for method, ratio, part in groups(records):
        done = ok(part)
        own, row = interval(device_by_seed(done, "own_accuracy"), (0.0, 1.0)), means[method, ratio]
        yield (
            f"| {method} | {ratio:g} | {PERCENT(own.estimate)} | {PERCENT(own.low)} to {PERCENT(own.high)} | "
            f"{PERCENT(row['test_accuracy'])} | {PERCENT(row['device_time_saved'])} | "
            f"{PERCENT(row['device_energy_saved'])} |"
        )
