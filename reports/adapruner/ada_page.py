"""README.md of AdaPruner's study, from results.csv and costs.csv. Every sentence follows from their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ada_costs
import ada_details
import ada_records
import ada_results
import numpy as np
import pandas as pd
from ada_claim_words import claims
from ada_points import (
    COMPARE,
    CROSS,
    DETECTION,
    GEOMETRY,
    LETTER,
    TRANSFER,
    paper_points,
    points,
)
from ada_rows import ADAPRUNER
from ada_sections import compared, elsewhere
from ada_variants import variants
from ada_words import INTERVAL, Rows, span, table
from study.wording import wrapped

from edgesim.formatting import n_of

FILE = "README.md"
TITLE = "# AdaPruner's experiments, on small real data"
NONE = f"{TITLE}\n\nNo point is finished. `make reproduce-adapruner` runs them.\n"


def write(folder: Path) -> None:
    """Write results.csv, README.md and details.md."""
    ada_results.write(folder)
    (folder / FILE).write_text(page(folder), encoding="utf-8")
    (folder / ada_details.FILE).write_text(details(folder), encoding="utf-8")


def details(folder: Path) -> str:
    """The long tables as Markdown."""
    papers = [point.name for point in paper_points() if ada_records.read(folder, point) is not None]
    return ada_details.page(Rows(ada_results.read(folder)), papers)


def page(folder: Path) -> str:
    """The page as Markdown, from the files of the folder."""
    costs, every = ada_costs.read(folder), list(points())
    finished = [point for point in every if ada_records.read(folder, point) is not None]
    if not finished and costs is None:
        return NONE
    kinds = {point.kind for point in finished}
    return text_of(Rows(ada_results.read(folder)), costs, kinds, len(every) - len(finished))


def text_of(rows: Rows, costs: pd.DataFrame | None, kinds: set[str], missing: int) -> str:
    """The page.

    Args:
        rows: of results.csv.
        costs: of costs.csv; None where there is none.
        kinds: of the finished points.
        missing: number of points that are not finished.
    """
    lines = [TITLE, "", *_about(missing), "", *claims(rows, costs), ""]
    parts: list[tuple[str, Callable[[Rows], list[str]], str | tuple[str, ...]]] = [
        ("Against the other methods", compared, COMPARE),
        ("The letter of Eq. 7, our two departures, and ablations", variants, LETTER),
        ("Other networks, transfer, detection, geometry", elsewhere, (CROSS, TRANSFER, DETECTION, GEOMETRY)),
    ]
    for title, section, kind in parts:
        there = any(one.startswith(kind) for one in kinds)
        lines += [f"## {title}", "", *(section(rows) if there else ["Not run yet."]), ""]
    lines += ["## What the pruning phase costs at the paper's size", "", *_costs(costs)]
    return "\n".join(lines).rstrip() + "\n"


def _about(missing: int) -> list[str]:
    left = f"Missing: {n_of(missing, 'point')}; `build.py --list` names them." if missing else "No point is missing."
    return wrapped(
        "Does AdaPruner keep its paper's promises? One device holds all samples (256 to 2,000 per data set); two "
        "CPU cores train its networks. Sizes are in `scenarios/adapruner`, the paper's own there in `paper-*.yaml` "
        "(GPU; `build.py --size paper`). Gaps are in points of accuracy, paired by seed. "
        f"{INTERVAL}; a gap without an interval has one seed. Means of data sets hold for these alone. The numbers of "
        "a claim decide together (Bonferroni), as do forms against ours; any other stands by itself. *Equal cost*: as "
        "much emulated energy, scoring included; beyond full training's energy the opponent is full training. "
        f"{left} `make reproduce-adapruner` runs and resumes all. Long tables: [details.md](details.md); every number: "
        "[results.csv](results.csv)."
    )


def _costs(costs: pd.DataFrame | None) -> list[str]:
    """Break-even of AdaPruner's pruning phase: a row per data set and network."""
    if costs is None:
        return ["Not planned yet."]
    own = costs[costs["method"] == ADAPRUNER]
    devices = list(dict.fromkeys(own["profile"]))
    body = []
    for name, part in own.groupby("plan", sort=False):
        hours = part.groupby("profile")["full_h"].first()
        shown = [f"{hours[one]:,.1f}" if one in hours and np.isfinite(hours[one]) else "cannot" for one in devices]
        phase = part["scoring_in_trainings"].dropna()
        after = [
            f"{_ends(each['pays_after'].dropna())} at {ratio:g}"
            for ratio, each in part.groupby("keep_ratio")
            if each["pays_after"].notna().any()
        ]
        body.append([str(name), *shown, span(phase, 2) if len(phase) else "–", ", ".join(after) or "–"])
    work = " at most" if (own["work_is"] == "at most").any() else ""
    note = (
        "One device holds all samples (Tiny-ImageNet, VOC: blank images); emulated hours. *Cannot*: lacks memory at "
        "batch 256 (VOC: 16). VOC is not at the paper's size: 100 epochs, 416 pixels and YOLOv3-tiny's own backbone "
        f"(the paper: ResNet-50) are ours. *Phase*: one pruning, in full trainings{work}: as many epochs, our 10 of "
        "warm-up and 20 extra (VOC: half). *Pays after*: trainings on the kept set that save its energy against full "
        "training; random sets do at once."
    )
    return [*wrapped(note), "", *table(["full training, h", *devices, "phase", "pays after"], body)]


def _ends(found: pd.Series) -> str:
    """'3', or '3 to 4' where devices differ; a plan whose phase never pays says so."""
    words = sorted({str(one) for one in found}, key=lambda one: float(one) if one.isdigit() else np.inf)
    return words[0] if len(words) == 1 else f"{words[0]} to {words[-1]}"
