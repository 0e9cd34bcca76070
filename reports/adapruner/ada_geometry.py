"""Geometry of the classes in what methods kept (the paper's Fig. 3): measured once per point, and its rows.

geometry.parquet has the measures of every seed, method, keep ratio and panel in the embedding, and in t-SNE maps those
of AdaPruner at the paper's keep ratio. geometry-maps.html shows maps of one seed, and geometry.md the table of the
embedding. The networks are trained again for it, so that the run folder has to be there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ada_points import GEOMETRY, GEOMETRY_RATIO, Point, points
from ada_rows import ADAPRUNER, FULL, RANDOM
from ada_stats import Sample, over_seeds

import edgesim
from edgesim.analysis.geometry import Geometry, geometry_table, maps_of, measured, measured_in_maps
from edgesim.report import geometry_page
from edgesim.results.run_folder import Run
from edgesim.sessions.embedding import Choice, embeddings

FILE = "geometry.parquet"
PAGES = ("geometry-maps.html", "geometry.md")
MOST_SAMPLES = 2000
COLUMNS = ["method", "keep_ratio", "seed", "space", "panel", "measure", "value"]
EMBEDDING, MAP = SPACES = "embedding", "map"
"""spaces in which distances are taken: the network's embedding, and a t-SNE map of it"""
KEPT, BY_KEPT = "kept", "kept_network"
COMPARED = {(KEPT, FULL): "kept − all", (KEPT, RANDOM): "kept − random", (BY_KEPT, FULL): "by its network"}
"""panels whose measures are compared -> words: the kept samples with all and with as many random ones by the network of
all, and all samples by the network of the kept ones with those by the network of all"""
MEASURES = ("dunn", "single_linkage", "centre_distance", "radius", "intra_distance")
CLAIMED = {
    (EMBEDDING, "dunn"): tuple(COMPARED),
    (EMBEDDING, "centre_distance"): ((KEPT, FULL), (KEPT, RANDOM)),
    (MAP, "dunn"): tuple(COMPARED),
}
"""space and measure -> panels whose change at the paper's keep ratio is in the row of its claim"""
BESIDE = (KEPT, FULL)
"""panels whose change the paper has and that does not decide: fewer samples lie farther apart by chance"""
DIFFERENCES = (-np.inf, np.inf)
COMMAND = "reports/adapruner/build.py"
"""makes run and page again; a run folder names a program without its folder"""


def keep(folder: Path, point: Point, run_folder: Path) -> None:
    """Write FILE and PAGES of a finished point.

    Args:
        folder: of the study.
        point: of the kind GEOMETRY.
        run_folder: of its run.
    """
    run = edgesim.load_run(run_folder)
    own = run.records[run.records["keep_ratio"] < 1]
    rows: list[tuple[Any, ...]] = []
    for method, ratio in dict.fromkeys(zip(own["method"], own["keep_ratio"], strict=True)):
        if method == RANDOM:  # the panel of that name has as many random samples
            continue
        is_papers = (method, ratio) == (ADAPRUNER, GEOMETRY_RATIO)
        each: dict[str, list[tuple[str, int, Geometry]]] = {space: [] for space in SPACES}
        maps = None
        for found in embeddings(run, Choice(method, ratio, 0), lambda line: None):
            each[EMBEDDING] += [(panel, found.seed, one) for panel, one in measured(found, 0, MOST_SAMPLES).items()]
            if is_papers:
                in_maps = measured_in_maps(found, 0, MOST_SAMPLES)
                each[MAP] += [(panel, found.seed, one) for panel, one in in_maps.items()]
                maps = maps_of(found) if maps is None else maps
        rows += [(method, ratio, seed, space, panel, name, value) for space, some in each.items()
                 for panel, seed, one in some for name, value in one._asdict().items()]  # fmt: skip
        if maps is not None:
            _write_pages(folder, run, each[EMBEDDING], maps)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs = {"design": point.design}
    table.to_parquet(folder / FILE, index=False, compression="zstd", write_statistics=False)


def _write_pages(folder: Path, run: Run, each: list[tuple[str, int, Geometry]], maps: pd.DataFrame) -> None:
    """PAGES of AdaPruner at the paper's keep ratio: (panel, seed, measures) in the embedding, and maps of one seed."""
    about = {"method": ADAPRUNER, "keep_ratio": GEOMETRY_RATIO, "device": 0, "seeds": len({one[1] for one in each}),
             "map_seed": each[0][1], "measured": min(MOST_SAMPLES, int(run.records["shard_size"].max()))}  # fmt: skip
    page = geometry_page.geometry_page(run, about, geometry_table(each), maps)
    facts = [(label, COMMAND if label == "Command" else text) for label, text in page.facts]
    geometry_page.write(dataclasses.replace(page, facts=facts), [folder / name for name in PAGES])


def read(folder: Path) -> pd.DataFrame | None:
    """The measures as the point is designed now; None where there are none."""
    point = next((one for one in points() if one.kind == GEOMETRY), None)
    if point is None or not (folder / FILE).exists():
        return None
    table = pd.read_parquet(folder / FILE)
    return table.assign(data=point.data, model=point.model) if table.attrs["design"] == point.design else None


def rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Changes between the panels of COMPARED, in % of the second one.

    The mean over seeds is that of the logarithms of the quotients. A measure of 0 has no quotient, and its seed none.

    Args:
        table: of `read`.
    """
    key = ["data", "model", "method", "keep_ratio", "space"]
    for (data, model, method, ratio, space), own in table[table["measure"].isin(MEASURES)].groupby(key, sort=False):
        told = {"data": data, "model": model, "method": method, "ratios": f"{ratio:g}"}
        for panel, base in COMPARED:
            for measure in MEASURES:
                change = _change(own[own["measure"] == measure], panel, base)
                yield {"section": GEOMETRY, **told, "opponent": base, "at": f"{space} {panel} {measure}", **change}


def claim_rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Changes of AdaPruner's sets at the paper's keep ratio; all but those of BESIDE decide its claim together."""
    own = table[(table["method"] == ADAPRUNER) & np.isclose(table["keep_ratio"], GEOMETRY_RATIO)]
    tests = sum(panels != BESIDE for every in CLAIMED.values() for panels in every)
    for (space, measure), every in CLAIMED.items():
        part = own[(own["space"] == space) & (own["measure"] == measure)]
        for panel, base in every if len(part) else ():
            yield {"section": "claim", "at": GEOMETRY, "data": part["data"].iloc[0], "model": part["model"].iloc[0],
                   "method": f"{space} {panel} {measure}", "opponent": base, "ratios": f"{GEOMETRY_RATIO:g}",
                   **_change(part, panel, base, tests)}  # fmt: skip


def _change(own: pd.DataFrame, panel: str, base: str, tests: int = 1) -> dict[str, Any]:
    """Change of one measure from one panel to another, in %, with its interval over seeds."""
    wide = own.pivot_table(index="seed", columns="panel", values="value")
    quotients = pd.Series(np.log(wide[panel].where(wide[panel] > 0) / wide[base].where(wide[base] > 0))).dropna()
    values = {int(str(seed)): float(value) for seed, value in quotients.items()}
    one = over_seeds(Sample(values), DIFFERENCES, tests)
    ends = {name: 100 * np.expm1(getattr(one, name)) for name in ("estimate", "low", "high")}
    return {**ends, "n": one.n, "seeds": one.n}
