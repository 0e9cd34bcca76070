"""Page on the geometry of what a method kept: maps of both embeddings, and measures of the classes in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgesim.analysis.geometry import DIFFERENCE, MEASURES, PANELS
from edgesim.formatting import n_of, number
from edgesim.report import markdown, page, plot_style, run_facts
from edgesim.report.figures.figure import Figure
from edgesim.report.plot_style import Spec
from edgesim.report.sections import PageTable, Section
from edgesim.report.verdict_section import Verdict
from edgesim.results.run_folder import Run

MAPS = {"by_full": "network trained on all samples", "by_kept": "network trained on the kept samples"}
"""embedding -> the network that made it"""
SECTION = "geometry"
MOST_COLOURS = len(plot_style.METHOD_COLOURS)


def geometry_page(run: Run, about: dict[str, Any], table: pd.DataFrame, maps: pd.DataFrame) -> page.Page:
    """The page.

    Args:
        run: whose trials these are.
        about: method, keep_ratio, device, seeds, map_seed (that of the maps), measured (samples measured of a device).
        table: of `analysis.geometry.geometry_table`.
        maps: one row per embedding and sample: embedding (of MAPS), label, class_name, kept, x, y.
    """
    seeds = int(about["seeds"])
    kept = f"{about['method']} at keep ratio {number(about['keep_ratio'])}"
    intro = (
        "Both networks are trained as in the run. An embedding is the input of the last linear layer, centred and "
        "scaled. Adjacent classes have the nearest centres. Fewer samples lie farther apart by chance alone, so "
        "compare the kept samples with as many random ones. Intervals are 95 %, over seeds, of each row by itself. A "
        "change is in % of the value of all samples; that of the silhouette, which can be 0 or below, is a difference."
    )
    limits = [f"Measured on {n_of(int(about['measured']), 'sample')} of one device."]
    if seeds < 2:
        limits.append("One seed has no interval: its numbers are of this seed alone.")
    figures = [_map(maps[maps["embedding"] == name], name, int(about["map_seed"])) for name in MAPS]
    section = Section(SECTION, "Geometry", figures, _tables(table), "", intro)
    return page.Page(
        name=f"{run.info.get('scenario')}: {kept}",
        kind="geometry",
        headline=f"device {about['device']} · {n_of(seeds, 'seed')}",
        about="Run",
        facts=run_facts.facts(run.info, run.records),
        verdict=Verdict([], [_sentence(table), *limits]),
        sections=[section],
        documents=[],
        metric=run.metric,
    )


def write(shown: page.Page, files: Sequence[Path]) -> list[Path]:
    """Write the page to each of these files, as Markdown where a name ends in .md, else as HTML. Returns the files."""
    for out in files:
        if out.suffix == ".md":
            markdown.write_page(shown, out, (SECTION,), ())
        else:
            page.write_page(shown, out)
    return list(files)


def _tables(table: pd.DataFrame) -> list[PageTable]:
    """The measures whose change is relative, and the silhouette, whose change is a difference."""
    worded = table.assign(
        panel=[PANELS[name] for name in table["panel"]], measure=[MEASURES[name] for name in table["measure"]]
    )
    is_difference = worded["change_is"] == DIFFERENCE
    worded = worded.drop(columns="change_is")
    ends = {f"change{end}": f"silhouette_change{end}" for end in ("", "_low", "_high")}
    return [
        PageTable(SECTION, "Geometry of the classes", worded[~is_difference]),
        PageTable("silhouette", "Silhouette of the classes", worded[is_difference].rename(columns=ends)),
    ]


def _sentence(table: pd.DataFrame) -> str:
    """What the Dunn index (Eq. 8) says, against all samples and against as many random ones."""
    index = table[table["measure"] == "dunn"].set_index("panel")["value"].astype(float)
    if not np.isfinite(index[["full", "kept"]]).all():
        return "The Dunn index is unknown: it needs two classes with two different samples each."
    names = {
        "full": "all samples",
        "kept": "the kept ones",
        "random": "as many random ones",
        "kept_network": "all samples by the network of the kept",
    }
    values = ", ".join(f"{name} {number(float(index[panel]), 3)}" for panel, name in names.items())
    return f"Dunn index (Eq. 8; larger: classes farther apart), mean over seeds: {values}."


def _map(points: pd.DataFrame, name: str, seed: int) -> Figure:
    """A t-SNE map of one embedding; samples that are not kept are small and pale."""
    traces: list[Spec] = []
    for place, (label, own) in enumerate(points.groupby("label")):
        colour = plot_style.METHOD_COLOURS[place % MOST_COLOURS]
        symbol = plot_style.SYMBOLS[(place + 3 * (place // MOST_COLOURS)) % len(plot_style.SYMBOLS)]
        parts = []
        for is_kept, looks in ((True, {"size": 5, "opacity": 0.9}), (False, {"size": 3, "opacity": 0.35})):
            some = own[own["kept"] == is_kept]
            if len(some):
                marks = {**plot_style.dots(str(label), some["x"], pd.Series(dtype=object), colour, symbol)}
                marks |= {"y": plot_style.numbers(some["y"]), "marker": {"color": colour, "symbol": symbol, **looks}}
                marks["hovertemplate"] = (
                    f"{plot_style.plain(own['class_name'].iloc[0])}{'' if is_kept else ', removed'}"
                )
                parts.append(marks)
        traces += plot_style.grouped(parts, str(label), str(own["class_name"].iloc[0]))
    layout = plot_style.layout(plot_style.axis("first coordinate of the map"), plot_style.axis("second coordinate"))
    count = int(points["kept"].sum())
    note = (
        f"t-SNE of seed {seed}. Large marks are kept, small pale ones removed. A map keeps neighbours; its distances, "
        "sizes of clusters and axes mean nothing."
    )
    alt = f"Map of {n_of(len(points), 'sample')} of {points['label'].nunique()} classes, {count:,} of them kept."
    return Figure(f"map-{name.replace('_', '-')}", f"Embedding by the {MAPS[name]}", note, alt,
                  {"data": traces, "layout": layout})  # fmt: skip
