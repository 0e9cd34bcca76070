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
from ada_points import ABLATION, COMPARE, CROSS, DETECTION, LETTER, TRANSFER, paper_points, points
from ada_rows import ADAPRUNER, ALL, FULL, PAPER, RANDOM
from ada_sections import compared, crossed, detected, transferred, variants
from ada_words import Rows, listed, seeds_told, table, text
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
    return ada_details.page(Rows(ada_results.read(folder)))


def page(folder: Path) -> str:
    """The page as Markdown, from the files of the folder."""
    costs, every = ada_costs.read(folder), list(points())
    finished = [point for point in every if ada_records.read(folder, point) is not None]
    papers = [point.name for point in paper_points() if ada_records.read(folder, point) is not None]
    if not finished and not papers and costs is None:
        return NONE
    kinds = {point.kind for point in finished}
    return text_of(Rows(ada_results.read(folder)), costs, kinds, len(every) - len(finished), papers)


def text_of(rows: Rows, costs: pd.DataFrame | None, kinds: set[str], missing: int, papers: list[str]) -> str:
    """The page.

    Args:
        rows: of results.csv.
        costs: of costs.csv; None where there is none.
        kinds: of the finished points.
        missing: number of points that are not finished.
        papers: names of the finished points of the paper's size.
    """
    lines = [TITLE, "", *_about(missing), "", *claims(rows, costs), ""]
    parts: list[tuple[str, Callable[[Rows], list[str]], str]] = [
        ("Against the other methods", compared, COMPARE),
        ("The letter of Eq. 7, and our two departures", lambda own: variants(own, LETTER), LETTER),
        ("Ablations", lambda own: variants(own, ABLATION), ABLATION),
        ("Sets that another network chose", crossed, CROSS),
        ("Transfer", transferred, TRANSFER),
        ("Detection", detected, DETECTION),
    ]
    for title, section, kind in parts:
        there = any(one.startswith(kind) for one in kinds)
        lines += [f"## {title}", "", *(section(rows) if there else ["Not run yet."]), ""]
    lines += ["## What the pruning phase costs at the paper's size", "", *_costs(costs)]
    lines += ["", "## At the paper's size", "", *_papers(rows, papers)] if papers else []
    return "\n".join(lines).rstrip() + "\n"


def _about(missing: int) -> list[str]:
    left = f"Missing: {n_of(missing, 'point')}; `build.py --list` names them." if missing else "No point is missing."
    return wrapped(
        "Does AdaPruner keep its paper's promises? One device holds all samples (256 to 2,000 per data set) and trains "
        "networks that two CPU cores can train; sizes are in `scenarios/adapruner`, and there in `paper-*.yaml` the "
        "paper's own, for a GPU. Gaps are in points of accuracy, paired by seed. ± is half of a 95 % interval of "
        "each number by itself, or its longer side where it is cut; **bold** leaves out 0; a gap without ± is of one "
        "seed or one data set. *Equal cost*: as much emulated energy, scoring included; beyond full training's energy "
        f"the opponent is full training. {left} [details.md](details.md) has the long tables, "
        "[results.csv](results.csv) every number."
    )


def _papers(rows: Rows, papers: list[str]) -> list[str]:
    """A line per finished point of the paper's own size: gaps over its keep ratios."""
    body = []
    for name in papers:
        own = rows.of(section=PAPER, data=name)
        means = own[own["at"] == ALL]
        seeds = f", {seeds_told(means)}" if len(means) else ""
        over = listed(str(means["ratios"].iloc[0])) if len(means) else "–"
        gaps = [text(rows.interval(section=PAPER, data=name, opponent=one, at=ALL)) for one in (RANDOM, FULL)]
        body.append([f"{name}{seeds}", over, *gaps])
    return table(["AdaPruner", "mean over", "− random", "− full"], body)


def _costs(costs: pd.DataFrame | None) -> list[str]:
    """Break-even of AdaPruner's pruning phase, by device."""
    if costs is None:
        return ["Not planned yet."]
    own = costs[costs["method"] == ADAPRUNER]
    ratios = sorted(set(own["keep_ratio"]))
    head = ["device", "full training, h", *(f"pays after, at {ratio:g}" for ratio in ratios)]
    body = []
    for profile, part in own.groupby("profile", sort=False):
        cells = part.set_index("keep_ratio")
        hours = cells["full_h"].iloc[0]
        shown = f"{hours:.1f}" if np.isfinite(hours) else "cannot"
        after = [_pays(cells.loc[ratio, "pays_after"]) for ratio in ratios]
        body.append([str(profile), shown, *after])
    phase = own["scoring_in_trainings"].dropna()
    low, high = f"{phase.min():.2f}", f"{phase.max():.2f}"
    ends = low if low == high else f"{low} to {high}"
    work = "at most " if (own["work_is"] == "at most").any() else ""
    note = "No device can run it."
    if len(phase):
        note = (
            "CIFAR-10, ResNet-18, 200 epochs, all 50,000 samples on one device. The pruning phase of one keep ratio "
            f"takes {work}{ends} full trainings. *Pays after*: trainings on the kept set whose saved energy outweighs "
            "it, by the most work that it may take, against full training; a random subset saves the same from the "
            "first training on. Emulated hours."
        )
    return [
        *wrapped(f"{note} `edgesim plan scenarios/adapruner/paper-cifar10.yaml` says it for others."),
        "",
        *table(head, body),
    ]


def _pays(found: object) -> str:
    return "–" if not isinstance(found, str) else found
