"""Geometry of the classes in what methods kept (the paper's Fig. 3): measured once per point, and its rows.

geometry.parquet has the measures of every seed, method, keep ratio and panel; geometry-maps.html shows the
maps, and geometry.md the table. The networks are trained again for it, so that the run folder has to be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ada_points import GEOMETRY, GEOMETRY_RATIO, Point, points
from ada_rows import ADAPRUNER, FULL, RANDOM
from ada_stats import Sample, over_seeds

import edgesim
from edgesim.analysis.geometry import geometry_table, maps_of, measured
from edgesim.report import geometry_page
from edgesim.sessions.embedding import Choice, embeddings

FILE = "geometry.parquet"
PAGES = ("geometry-maps.html", "geometry.md")
MOST_SAMPLES = 2000
COLUMNS = ["method", "keep_ratio", "seed", "panel", "measure", "value"]
KEPT, BY_KEPT = "kept", "kept_network"
COMPARED = ((KEPT, FULL), (KEPT, RANDOM), (BY_KEPT, FULL))
"""panels whose measures are compared: the kept samples with all and with as many random ones by the network of all, and
all samples by the network of the kept ones with those by the network of all"""
MEASURES = ("dunn", "single_linkage", "centre_distance", "radius", "intra_distance")
CLAIMED = {
    "dunn": COMPARED,
    "centre_distance": COMPARED[:1],
}
"""measure -> panels by whose change at the paper's keep ratio its claim is judged"""
DIFFERENCES = (-np.inf, np.inf)


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
        each, maps = [], None
        for found in embeddings(run, Choice(method, ratio, 0), lambda line: None):
            each += [(panel, found.seed, one) for panel, one in measured(found, 0, MOST_SAMPLES).items()]
            if maps is None and (method, ratio) == (ADAPRUNER, GEOMETRY_RATIO):
                maps = maps_of(found)
        rows += [(method, ratio, seed, panel, name, value) for panel, seed, one in each
                 for name, value in one._asdict().items()]  # fmt: skip
        if maps is not None:
            about = {"method": method, "keep_ratio": ratio, "device": 0, "seeds": len({seed for _, seed, _ in each}),
                     "map_seed": each[0][1], "measured": min(MOST_SAMPLES, int(own["shard_size"].max()))}  # fmt: skip
            page = geometry_page.geometry_page(run, about, geometry_table(each), maps)
            geometry_page.write(page, [folder / name for name in PAGES])
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs = {"design": point.design}
    table.to_parquet(folder / FILE, index=False, compression="zstd", write_statistics=False)


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
    key = ["data", "model", "method", "keep_ratio"]
    for (data, model, method, ratio), own in table[table["measure"].isin(MEASURES)].groupby(key, sort=False):
        told = {"data": data, "model": model, "method": method, "ratios": f"{ratio:g}"}
        for panel, base in COMPARED:
            for measure in MEASURES:
                change = _change(own[own["measure"] == measure], panel, base)
                yield {"section": GEOMETRY, **told, "opponent": base, "at": f"{panel} {measure}", **change}


def claim_rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Changes of AdaPruner's sets at the paper's keep ratio, by which its claim is judged together."""
    own = table[(table["method"] == ADAPRUNER) & np.isclose(table["keep_ratio"], GEOMETRY_RATIO)]
    tests = sum(map(len, CLAIMED.values()))
    for measure, every in CLAIMED.items():
        part = own[own["measure"] == measure]
        for panel, base in every if len(part) else ():
            yield {"section": "claim", "at": GEOMETRY, "data": part["data"].iloc[0], "model": part["model"].iloc[0],
                   "method": f"{panel} {measure}", "opponent": base, "ratios": f"{GEOMETRY_RATIO:g}",
                   **_change(part, panel, base, tests)}  # fmt: skip


def _change(own: pd.DataFrame, panel: str, base: str, tests: int = 1) -> dict[str, Any]:
    """Change of one measure from one panel to another, in %, with its interval over seeds."""
    wide = own.pivot_table(index="seed", columns="panel", values="value")
    quotients = np.log(wide[panel].where(wide[panel] > 0) / wide[base].where(wide[base] > 0)).dropna()
    values = {int(str(seed)): float(value) for seed, value in quotients.items()}
    one = over_seeds(Sample(values), DIFFERENCES, tests)
    ends = {name: 100 * np.expm1(getattr(one, name)) for name in ("estimate", "low", "high")}
    return {**ends, "n": one.n, "seeds": one.n}
