"""Geometry of the classes in an embedding: Dunn index, single linkage, radius, distances and silhouette.

Source: AdaPruner paper, "Visualization of the Pruning Results on MNIST", Eq. 8 and Fig. 3. A class is a cluster. Two
clusters are adjacent where one's centre is nearest to the other's. The paper leaves open in which space it measures.
`measured` takes the embedding itself, because a t-SNE map keeps neighbours and not distances; `measured_in_maps` takes
such maps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from edgesim import seeds
from edgesim.analysis.intervals import interval
from edgesim.errors import EdgesimError
from edgesim.work import FloatArray, IntArray

if TYPE_CHECKING:
    from edgesim.sessions.embedding import SeedEmbedding

MEASURES = {
    "dunn": "Dunn index",
    "single_linkage": "single linkage of adjacent classes",
    "centre_distance": "distance of adjacent centres",
    "radius": "radius of a class",
    "intra_distance": "mean distance within a class",
    "silhouette": "silhouette",
}
"""field of Geometry -> its name"""
PANELS = {
    "full": "all samples, network of all",
    "kept": "kept samples, network of all",
    "random": "as many random samples, network of all",
    "kept_network": "all samples, network of the kept",
}
"""samples and network -> their name: a, b and c of the paper's Fig. 3. Fewer samples lie farther apart by chance alone,
so as many random ones stand beside the kept ones"""
COLUMNS = ["panel", "measure", "seeds", "value", "low", "high", "change", "change_low", "change_high", "change_is"]
RELATIVE, DIFFERENCE = "relative", "difference"
"""kinds of a change: value / base - 1, and value - base"""
DIFFERENCES = {"silhouette": (-2.0, 2.0)}
"""measure whose change is a difference -> its least and largest one. It can be 0 or below, so it has no quotient"""
MAPPED = 600
"""samples of a map, at most"""
BOUNDS = {"silhouette": (-1.0, 1.0)}
"""measure -> least and largest possible value; the others are 0 or above"""


class Geometry(NamedTuple):
    """Measures of one embedding. NaN where fewer than two classes have samples."""

    dunn: float
    """Eq. 8: smallest single linkage of two classes over the largest mean distance within one"""
    single_linkage: float
    """smallest distance of two samples of adjacent classes, mean over the classes"""
    centre_distance: float
    """distance of a class's centre to the nearest other one, mean over the classes"""
    radius: float
    """largest distance of a sample to its class's centre, mean over the classes"""
    intra_distance: float
    """mean distance of the pairs within a class, mean over the classes with a pair"""
    silhouette: float
    """mean over the samples, by scikit-learn"""


def scaled(embedding: FloatArray) -> FloatArray:
    """An embedding [n, D] with its centre at 0 and a mean squared norm of 1: networks differ in the scale of theirs."""
    rows = np.asarray(embedding, dtype=np.float64)
    rows = rows - rows.mean(axis=0)
    spread = float(np.sqrt((rows**2).sum(axis=1).mean()))
    return rows / spread if spread > 0 else rows


def geometry(embedding: FloatArray, labels: IntArray) -> Geometry:
    """Measures of the classes.

    Args:
        embedding: float [n, D].
        labels: int [n].

    Raises:
        EdgesimError: scikit-learn is not there.
    """
    rows = np.asarray(embedding, dtype=np.float64)
    present = np.unique(labels)
    if len(present) < 2:
        return Geometry(*[np.nan] * len(Geometry._fields))
    members = [rows[labels == label] for label in present]
    centres = np.stack([own.mean(axis=0) for own in members])
    between = _distances(centres, centres)
    np.fill_diagonal(between, np.inf)
    linkage = np.full(between.shape, np.inf)
    for i in range(len(members)):
        for j in range(i + 1, len(members)):
            linkage[i, j] = linkage[j, i] = float(_distances(members[i], members[j]).min())
    radius = [float(_distances(own, centre[None]).max()) for own, centre in zip(members, centres, strict=True)]
    within = np.array([_mean_of_pairs(own) for own in members])
    nearest = between.argmin(axis=1)
    widest = np.nanmax(within) if np.isfinite(within).any() else np.nan
    return Geometry(
        dunn=float(linkage.min() / widest) if widest > 0 else np.nan,
        single_linkage=float(linkage[np.arange(len(nearest)), nearest].mean()),
        centre_distance=float(between.min(axis=1).mean()),
        radius=float(np.mean(radius)),
        intra_distance=float(np.nanmean(within)) if np.isfinite(within).any() else np.nan,
        silhouette=_silhouette(rows, labels),
    )


def panels_of(
    by_full: FloatArray, by_kept: FloatArray, labels: IntArray, kept: IntArray, random: IntArray
) -> dict[str, Geometry]:
    """Measures of every panel.

    Args:
        by_full: [n, D] embedding by the network trained on all samples.
        by_kept: [n, D] by the one trained on the kept ones.
        labels: [n].
        kept: positions of the kept samples.
        random: as many random positions.
    """
    full = scaled(by_full)
    return {
        "full": geometry(full, labels),
        "kept": geometry(full[kept], labels[kept]),
        "random": geometry(full[random], labels[random]),
        "kept_network": geometry(scaled(by_kept), labels),
    }


def measured(found: SeedEmbedding, device: int, most: int) -> dict[str, Geometry]:
    """Measures of every panel of one seed, on samples that `even_sample` takes.

    Args:
        found: embeddings of the device's samples.
        device: whose samples they are; the random ones of the panel "random" are drawn for it.
        most: samples that are measured.
    """
    chosen, kept, random = _positions(found, device, most)
    return panels_of(found.by_full[chosen], found.by_kept[chosen], found.labels[chosen], kept, random)


def measured_in_maps(found: SeedEmbedding, device: int, most: int) -> dict[str, Geometry]:
    """Measures of every panel of one seed in t-SNE maps, on the samples that `measured` takes.

    Each panel has a map of its own, as in the paper's Fig. 3: a map of fewer samples is another one. Each is scaled as
    an embedding is.

    Args:
        found: embeddings of the device's samples.
        device: as for `measured`.
        most: samples that are measured.

    Raises:
        EdgesimError: scikit-learn is not there.
    """
    chosen, kept, random = _positions(found, device, most)
    by_full, by_kept = found.by_full[chosen], found.by_kept[chosen]
    every = np.arange(len(chosen))
    panels = {"full": (by_full, every), "kept": (by_full, kept), "random": (by_full, random),
              "kept_network": (by_kept, every)}  # fmt: skip
    return {
        panel: geometry(
            scaled(tsne_map(rows[own], seeds.integer(found.seed, f"geometry:map:{panel}"))), found.labels[chosen][own]
        )
        for panel, (rows, own) in panels.items()
    }


def _positions(found: SeedEmbedding, device: int, most: int) -> tuple[IntArray, IntArray, IntArray]:
    """Positions of the measured samples, and among these those of the kept and of as many random ones."""
    chosen = even_sample(found.labels, most)
    kept = np.flatnonzero(np.isin(chosen, found.kept))
    random = np.sort(seeds.stream(found.seed, "geometry:random", device).permutation(len(chosen))[: len(kept)])
    return chosen, kept, random


def geometry_table(found: Iterable[tuple[str, int, Geometry]]) -> pd.DataFrame:
    """Means over seeds of every panel and measure, with their change against the first panel of the same seed.

    Args:
        found: (panel, seed, measures).

    Returns: COLUMNS. `value` is the mean with its 95 % interval over seeds, `change` the mean over seeds of the change
        from the panel "full". `change_is` RELATIVE: value / base - 1, unknown from 0. DIFFERENCE: value - base, in the
        measure's own unit. One seed has no interval.
    """
    values: dict[tuple[str, str], dict[int, float]] = {}
    for panel, seed, measures in found:
        for name, value in measures._asdict().items():
            values.setdefault((panel, name), {})[seed] = value
    rows = []
    for panel in PANELS:
        for measure in MEASURES:
            own = values.get((panel, measure), {})
            base = values.get(("full", measure), {})
            mean = interval(np.array([list(own.values()) or [np.nan]]), BOUNDS.get(measure, (0.0, np.inf)))
            kind = DIFFERENCE if measure in DIFFERENCES else RELATIVE
            paired = [(own[seed], base[seed]) for seed in own if seed in base and panel != "full"]
            if kind == DIFFERENCE:
                changes = [one - other for one, other in paired]
            else:
                changes = [one / other - 1 for one, other in paired if other]
            change = interval(np.array([changes or [np.nan]]), DIFFERENCES.get(measure, (-np.inf, np.inf)))
            rows.append((panel, measure, len(own), *mean[:3], *change[:3], kind))
    return pd.DataFrame(rows, columns=COLUMNS)


def tsne_map(embedding: FloatArray, seed: int) -> FloatArray:
    """A map of an embedding [n, D] on a plane, float64 [n, 2], by t-SNE (van der Maaten & Hinton 2008).

    Args:
        embedding: at least four samples.
        seed: of its random numbers.

    Raises:
        EdgesimError: scikit-learn is not there.
    """
    manifold = _sklearn("manifold")
    perplexity = float(min(30.0, (len(embedding) - 1) / 3))
    tsne = manifold.TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed % 2**32)
    with threadpool_limits(limits=1):  # small problems, in which threads mostly wait for each other
        return np.asarray(tsne.fit_transform(embedding), dtype=np.float64)


def maps_of(found: SeedEmbedding) -> pd.DataFrame:
    """Maps of both embeddings of one seed: a row per embedding and sample.

    Returns: embedding (by_full, by_kept), label, class_name, kept, x, y.
    """
    chosen = even_sample(found.labels, MAPPED)
    labels = found.labels[chosen]
    parts = []
    for name in ("by_full", "by_kept"):
        places = tsne_map(getattr(found, name)[chosen], seeds.integer(found.seed, f"geometry:{name}"))
        columns = {"embedding": name, "label": labels, "class_name": np.array(found.classes, dtype=object)[labels],
                   "kept": np.isin(chosen, found.kept), "x": places[:, 0], "y": places[:, 1]}  # fmt: skip
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def even_sample(labels: IntArray, most: int) -> IntArray:
    """Sorted positions of at most so many samples, evenly spaced in the order of class and position."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    return np.sort(order[np.linspace(0, len(labels) - 1, most).round().astype(np.int64)])


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances [len(a), len(b)]."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(a, b))


def _mean_of_pairs(rows: FloatArray) -> float:
    """Mean distance of all pairs of different samples; NaN for a single sample."""
    from scipy.spatial.distance import pdist

    return float(pdist(rows).mean()) if len(rows) > 1 else np.nan


def _silhouette(rows: FloatArray, labels: IntArray) -> float:
    """Mean silhouette; NaN where every sample is a class of its own."""
    if len(np.unique(labels)) == len(labels):
        return np.nan
    with threadpool_limits(limits=1):
        return float(_sklearn("metrics").silhouette_score(rows, labels))


def _sklearn(module: str):  # type: ignore[no-untyped-def]  # a module
    """A module of scikit-learn, which nothing else needs."""
    import importlib

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise EdgesimError(
            "the geometry of classes needs scikit-learn, which is not installed: pip install 'edgesim[geometry]'"
        ) from None
