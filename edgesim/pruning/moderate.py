"""Moderate coreset (Xia et al. 2023): neither the most typical samples nor the strangest.

    d_i = norm(h_i - mean of h over the class of i),    s_i = -|d_i - median(d)|

Shapes: embeddings h [n, D], labels [n]. Larger = nearer to the median distance = kept first. The median is that of the
whole shard, as in the paper; with `balance: class` each class keeps those nearest to its own median.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the embeddings are those of a short warm-up and not of a network trained to the end. The authors' code keeps
a window of ranks around the median, and measures from the class median. The paper's text, followed here, keeps the
samples nearest in distance, and measures from the class mean.

Complexity: O(n·D + n log n).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.embeddings import ROUNDING, embedding_needs, embeddings_at_end
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, Work


def moderate(embeddings: npt.ArrayLike, labels: npt.ArrayLike, per_class: bool = False) -> FloatArray:
    """Minus the difference between a sample's distance to its class mean and the median distance (Xia et al. 2023).

    Args:
        embeddings: float array [n, D].
        labels: int array [n].
        per_class: compare with the median of the class and not of all samples.

    Returns: float64 [n], at most 0; larger = more moderate.
    """
    rows, classes = np.asarray(embeddings, dtype=np.float64), np.asarray(labels)
    distances = np.empty(len(rows))
    medians = np.empty(len(rows))
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        distances[members] = np.linalg.norm(rows[members] - rows[members].mean(axis=0), axis=1)
        medians[members] = np.median(distances[members])
    if not per_class:
        medians[:] = np.median(distances)
    gaps = np.abs(distances - medians)
    gaps[gaps <= ROUNDING * np.abs(rows).max(initial=0.0)] = 0.0  # equal samples tie
    return 0.0 - gaps


@checked_dataclass()
class Moderate(Method):
    """distance to the class mean, nearest to the median first"""

    balance: Literal["none", "class"] = "none"
    """class: each class keeps its share, measured against its own median; none: against that of the shard"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Xia et al. 2023"
    cost_class: ClassVar[str] = "warm-up + forward"

    def needs(self, shard: Shard) -> Needs:
        """Embeddings at T0."""
        return embedding_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Means, differences and squares, and a median."""
        return OwnWork(Work(comparisons=shard.size, other_flops=4.0 * shard.size * network.embedding_width))

    def score(self, context: ScoreContext) -> Scoring:
        """Minus the difference from the median distance, float64 [n]."""
        embeddings = embeddings_at_end(context)
        n, width = embeddings.shape
        scores = moderate(embeddings, context.shard.labels, per_class=self.balance == "class")
        # Means, differences and squares; a median is a selection of its own.
        return Scoring(scores, Work(comparisons=n, other_flops=4.0 * n * width))
