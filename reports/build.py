"""Make the pages of this folder anew: run what is missing, then write every page from its run.

`make reports` does both. Runs lie under runs/reports and are resumed where they stopped; what their verdicts and tables
need is copied to reports/runs, from which a test reads whether the pages still say what the code says. `--pages-only`
writes the pages from the runs that there are, `--only NAME` does one page.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import users_table

import edgesim
from edgesim import report
from edgesim.report import comparison_page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUNS = ROOT / "runs" / "reports"
SNAPSHOTS = HERE / "runs"
KEPT = (
    "run.json",
    "scenario.yaml",
    "terms.json",
    "records.parquet",
    "curves.parquet",
    "devices.parquet",
    "shards.parquet",
)
"""files of a run folder that a verdict, the claims and the tables of means are read from"""
FLEETS = ("mixed-edge-site", "phones", "raspberry-pis")


class Shipped(NamedTuple):
    """A page: the scenario that it is about, and what is changed in it."""

    scenario: str
    overrides: dict[str, Any]


PAGES = {
    "quickstart": Shipped("quickstart", {}),
    "fashion-mnist-12000": Shipped(
        "fashion-mnist-dirichlet",
        {
            "name": "fashion-mnist-12000",
            "dataset.limit_train": 12000,
            "dataset.limit_test": 2000,
            "pruning.methods": ["full", "random", "fewer-epochs", "rs2", "importance", "el2n"],
            "pruning.keep_ratio": [0.1, 0.3, 0.5, 0.8],
        },
    ),
    "methods-fashion-mnist": Shipped("methods-fashion-mnist", {}),
    **{name: Shipped(name, {}) for name in (*users_table.USERS, "har-microcontrollers", "cells-detection")},
}


def make(name: str, page: Shipped, train: bool) -> None:
    """One page and its snapshot, and with the run that has many devices the comparison of fleets."""
    out = RUNS / name
    if train:
        scenario = edgesim.load_scenario(ROOT / "scenarios" / f"{page.scenario}.yaml", page.overrides)
        edgesim.run(scenario, out=out, resume=out.exists())
    if not (out / "records.parquet").exists():
        print(f"{name}: there is no finished run in {out.relative_to(ROOT)}; its page stays as it is")
        return
    run = edgesim.load_run(out)
    report.write_all(run, [HERE / f"{name}.html", HERE / f"{name}.md"])
    (SNAPSHOTS / name).mkdir(parents=True, exist_ok=True)
    for file in KEPT:
        shutil.copyfile(out / file, SNAPSHOTS / name / file)
    if name == "fashion-mnist-12000":
        fleets = [ROOT / "scenarios" / "fleets" / f"{fleet}.yaml" for fleet in FLEETS]
        priced = edgesim.compare_fleets(run, fleets)
        texts = {fleet: file.read_text(encoding="utf-8") for fleet, file in zip(FLEETS, fleets, strict=True)}
        shown = comparison_page.of_fleets(run, priced, texts, "python reports/build.py")
        for ending in ("html", "md"):
            comparison_page.write(shown, HERE / f"compare-fleets.{ending}")


def main() -> None:
    """Run what is missing, and write the pages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", choices=PAGES, help="one page")
    parser.add_argument("--pages-only", action="store_true", help="run nothing")
    asked = parser.parse_args()
    for name, page in PAGES.items():
        if asked.only in (None, name):
            make(name, page, not asked.pages_only)
    finished = {name: RUNS / name for name in users_table.USERS if (RUNS / name / "records.parquet").exists()}
    if finished:
        (HERE / "users.md").write_text(users_table.text(finished), encoding="utf-8")


if __name__ == "__main__":
    main()
