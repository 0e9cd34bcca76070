"""Prototypes, "BNSL" in the AdaPruner paper (Sorscher et al. 2022): distance of a sample from its cluster's centre.

    s_i = 1 - cos(h_i, nearest centre),   centres by spherical k-means (k-means++ start) on unit-length embeddings

Shapes: embeddings h [n, D], centres [K, D]. Larger = farther = harder; `keep: hard` keeps those first, `keep: easy` the
prototypical ones. By the theory, hard is right where data is plentiful, easy where it is scarce. K defaults to the
number of classes and is never above the number of distinct embeddings. `supervised: true` takes class means as the
centres and measures each sample from its own.

Sampler `guarded`: at least `guard` (one half, as published) of each class's balanced share is kept; the rest goes by
score alone. `balance: class` gives exact class shares. The key `sampler` names another sampler.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the embeddings are those of the device's own warm-up, not of a self-supervised network. Shares are in
proportion to the classes of the shard. An embedding of zeros has no direction and is at distance 1.

Complexity: O(restarts·iterations·n·K·D). Equal embeddings count as one weighted point, in a canonical order. So
neither duplicates nor the order of the samples move the clusters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, Part, ScoreContext, Scoring, Shard
from edgesim.pruning.embeddings import embedding_needs, embeddings_at_end, unit_rows
from edgesim.pruning.subset_samplers import Guarded, SubsetSampler
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray, StepTrace, Work

DISTINCT = 1e-6
"""Cosine distances below this are the float32 rounding of one and the same embedding."""
MAX_ITERATIONS = 100
"""passes of one start, at most"""
SETTLES = 1.15
"""a start settles after about SETTLES·n^(1/2)/K^(1/4) passes: measured on digits and Fashion-MNIST, n from 150 to 1,200
and K of 10 and 20, four starts each; single means are 0.8 to 1.25 times that"""


def cosine_distances(embeddings: npt.ArrayLike, centres: npt.ArrayLike) -> FloatArray:
    """1 - cosine between each sample and the centre nearest to it, float64 [n]; 1 without direction or centre.

    Args:
        embeddings: float array [n, D].
        centres: float array [K, D].
    """
    rows, targets = unit_rows(embeddings), unit_rows(centres)
    if not len(targets):
        return np.ones(len(rows))
    similarity = (rows @ targets.T).max(axis=1)
    # Rounded, so that equal directions tie and rounding does not choose between them.
    return np.round(1.0 - similarity, 12)


def spherical_k_means(
    embeddings: npt.ArrayLike, clusters: int, rng: np.random.Generator, restarts: int = 1
) -> tuple[FloatArray, int]:
    """Centres of spherical k-means with a k-means++ start, the best of `restarts` (Dhillon & Modha 2001).

    Args:
        embeddings: float array [n, D]; rows of zeros have no direction and are left out.
        clusters: K >= 1, cut to the number of distinct directions.
        rng: draws the starts.
        restarts: how often to start.

    Returns: unit centres, float64 [at most K, D], none where all rows are zero; and how many passes over all pairs
        of points and centres that took.
    """
    rows = unit_rows(embeddings)
    points, counts = np.unique(rows[rows.any(axis=1)] + 0.0, axis=0, return_counts=True)  # + 0.0: no -0.0
    best, best_fit, passes = np.empty((0, rows.shape[1])), -np.inf, 0
    for _ in range(restarts if len(points) else 0):
        centres, fit, taken = _lloyd(points, counts, _start(points, counts, clusters, rng))
        passes += taken + 1
        if fit > best_fit:
            best, best_fit = centres, fit
    return best, passes


def _start(points: FloatArray, counts: IntArray, clusters: int, rng: np.random.Generator) -> FloatArray:
    """k-means++: each next centre is drawn in proportion to its squared distance, 2·(1 - cos) on the unit sphere."""
    distances = np.full(len(points), 2.0)  # the largest there is
    chosen: list[int] = []
    while len(chosen) < clusters and distances.max() > DISTINCT:
        cumulated = np.cumsum(np.where(distances > DISTINCT, distances, 0.0) * counts)
        chosen.append(int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")))
        distances = np.minimum(distances, 1.0 - points @ points[chosen[-1]])
    return points[chosen]


def _lloyd(points: FloatArray, counts: IntArray, centres: FloatArray) -> tuple[FloatArray, float, int]:
    """Assign and average until nothing moves; (centres, weighted sum of cosines, passes)."""
    assigned = np.full(len(points), -1)
    for passes in range(1, MAX_ITERATIONS + 1):
        similarity = points @ centres.T  # [points, K]
        now = similarity.argmax(axis=1)
        if (now == assigned).all() or passes == MAX_ITERATIONS:
            break
        assigned = now
        members = np.zeros(similarity.shape)
        members[np.arange(len(points)), assigned] = counts
        means = unit_rows(members.T @ points)
        centres = np.where(means.any(axis=1, keepdims=True), means, centres)  # an empty cluster stays where it is
    return centres, float(similarity.max(axis=1) @ counts), passes


def class_distances(embeddings: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """1 - cosine between each sample and the mean direction of its own class, float64 [n].

    Args:
        embeddings: float array [n, D].
        labels: int array [n].
    """
    rows, classes = unit_rows(embeddings), np.asarray(labels)
    distances = np.empty(len(rows))
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        distances[members] = cosine_distances(rows[members], rows[members].mean(axis=0, keepdims=True))
    return distances


@checked_dataclass()
class Prototypes(Bounded, Method):
    """distance to the nearest cluster centre, class shares guarded"""

    keep: Literal["hard", "easy"] = "hard"
    """hard: far from the centres first; easy: near first"""
    clusters: Annotated[int, Field(ge=1), PlausibleRange(1, 100_000)] | None = None
    """centres of k-means; left out: the number of classes"""
    supervised: bool = False
    """class means serve as centres, without clustering"""
    guard: Annotated[float, Field(ge=0, le=1)] = 0.5
    """part of its share of the samples that each class keeps at least, with `balance: none`"""
    restarts: Annotated[int, Field(ge=1), PlausibleRange(1, 1_000)] = 4
    """starts of k-means, the best of which counts"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: at least `guard` of it"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Sorscher et al. 2022"
    cost_class: ClassVar[str] = "warm-up + forward"
    of_own_sampler: ClassVar[tuple[str, ...]] = ("guard",)

    def needs(self, shard: Shard) -> Needs:
        """Embeddings at T0."""
        return embedding_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Class means take what they take; a clustering as many passes as are usual, at most MAX_ITERATIONS a start."""
        n, width = shard.size, network.embedding_width
        if self.supervised:
            return OwnWork(Work(other_flops=6.0 * n * width))
        clusters = min(self.clusters or shard.num_classes, n)

        def work(iterations: float) -> Part:
            passes = self.restarts * (iterations + 1)
            return Work(other_flops=_clustering_flops(n, width, clusters, passes)), StepTrace()

        usual = min(max(SETTLES * n**0.5 / clusters**0.25, 1.0), MAX_ITERATIONS)
        return OwnWork(*work(usual), "expected", most=work(MAX_ITERATIONS))

    def score(self, context: ScoreContext) -> Scoring:
        """Distance to the nearest centre, float64 [n]; the negative one with `keep: easy`."""
        embeddings = embeddings_at_end(context)
        n, width = embeddings.shape
        if self.supervised:
            found = Scoring(class_distances(embeddings, context.shard.labels), Work(other_flops=6.0 * n * width))
        else:
            wanted = self.clusters or context.shard.num_classes
            centres, passes = spherical_k_means(embeddings, wanted, context.rng("k-means"), self.restarts)
            work = Work(other_flops=_clustering_flops(n, width, len(centres), passes))
            found = Scoring(cosine_distances(embeddings, centres), work, notes={"clusters": float(len(centres))})
        return found if self.keep == "hard" else replace(found, scores=-found.scores)

    def sampler_for(self, n: int, k: int) -> SubsetSampler:
        """The scenario's sampler; else `guarded`."""
        return self.sampler if self.sampler is not None else Guarded(guard=self.guard)


def _clustering_flops(n: int, width: int, clusters: int, passes: float) -> float:
    """Each pass compares all pairs and averages once; one more gives the scores."""
    return 2.0 * n * width * (clusters * (passes + 1) + passes)
