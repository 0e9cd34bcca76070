"""README.md of AdaPruner's study, from results.csv and costs.csv. Every sentence follows from their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ada_cost_words
import ada_costs
import ada_details
import ada_geometry
import ada_records
import ada_results
import pandas as pd
from ada_claim_words import claims
from ada_points import COMPARE, LETTER, paper_points, points
from ada_sections import compared
from ada_variants import variants
from ada_words import INTERVAL, Rows
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
    return ada_details.page(Rows(ada_results.read(folder)), papers, ada_costs.read(folder))


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
    parts: list[tuple[str, Callable[[Rows], list[str]], str]] = [
        ("Against the other methods", compared, COMPARE),
        ("Is our AdaPruner the paper's?", variants, LETTER),
    ]
    for title, section, kind in parts:
        lines += [f"## {title}", "", *(section(rows) if kind in kinds else ["Not run yet."]), ""]
    lines += [f"## {ada_cost_words.TITLE}", "", *ada_cost_words.told(costs)]
    return "\n".join(lines).rstrip() + "\n"


def _about(missing: int) -> list[str]:
    left = f"Missing: {n_of(missing, 'point')}; `build.py --list` names them." if missing else "No point is missing."
    return wrapped(
        "Does AdaPruner keep its paper's promises? One device holds all samples (256 to 2,000 per data set); two CPU "
        "cores train a small CNN. The paper trains ResNets on 50,000 to 100,000 images, keeps 60 % or more and gives "
        "no intervals; ratios below 0.6 are ours. Sizes are in `scenarios/adapruner`, the paper's own there in "
        "`paper-*.yaml` (GPU; `build.py --size paper`). Gaps are in points of accuracy, paired by seed. "
        f"{INTERVAL}; spans have theirs in the tables. *Equal cost*: as much emulated energy, scoring included; beyond "
        f"full training's energy the opponent is full training. {left} `make reproduce-adapruner` runs and resumes "
        f"all. [Tables](details.md), [t-SNE]({ada_geometry.PAGES[0]}), [every number](results.csv)."
    )
