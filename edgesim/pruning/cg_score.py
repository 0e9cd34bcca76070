"""Complexity-gap score (Nohyun et al. 2023): growth of the complexity of the fit by one sample. No model.

    H_ij = u_ij (pi - arccos u_ij) / (2 pi),  u = x x^T,  H_ii = 1/2
    CG_i = y^T H^-1 y - (the same without sample i) = ((H^-1 y)_i)^2 / (H^-1)_ii

Shapes: inputs x [m, D], flattened, unit norm, float64; signs y [m] in {-1, +1}. H is the kernel of an infinitely wide
two-layer ReLU network, y^T H^-1 y the complexity of its fit. For each class its samples (+1) stand against an
equal-sized draw of the others (-1); one Cholesky factor gives every score. Larger = more irregular = kept first.

State: none; the inputs are those that the network would get (`Task.inputs`: pixels normalised by the training split's
mean and deviation, no augmentation).

Edge cases. Where the others are fewer than the class, all of them serve. A shard of one class is scored by the same
formula without any -1; samples unlike the rest of the class then score high. An input of zeros is orthogonal to
all others and equal to other inputs of zeros. Equal inputs make H singular. With a jitter on
its diagonal, a redundant copy scores about zero, and a copy with the opposite label very high.

Deviations: classes of more than `max_class_size` samples are scored in random parts of at most that size. That bounds H
to 8·(2·max_class_size)^2 bytes, two such matrices at a time (notes: `max_class_size`, and `gram_bytes` of the largest
H). There is one draw of the others, not a mean over several. Each class keeps its share by default (`balance: class`),
as in the authors' code, since scores of different classes come from different matrices.

Complexity: O(n_c^2·D + n_c^3) per class.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.embeddings import unit_rows
from edgesim.training.needs import Needs
from edgesim.work import FloatArray, IntArray, Work

EQUAL = 1e-12
"""Cosines that are nearer to 1 than this belong to equal inputs: arccos would only magnify their rounding."""
JITTERS = (0.0, 1e-8, 1e-6, 1e-4)
"""Added to the diagonal of H: the first that lets it be factored, from the second on where inputs are equal."""


def complexity_gap(inputs: npt.ArrayLike, signs: npt.ArrayLike) -> FloatArray:
    """The complexity gap of every sample, in closed form (Nohyun et al. 2023, Eqs. 3-6).

    Args:
        inputs: float array [m, ...], finite; flattened and scaled to unit norm here.
        signs: [m], each -1 or +1.

    Returns: float64 [m], at least 0.

    Raises: ValueError for inputs that are not finite or signs that do not fit.
    """
    from scipy.linalg import lapack

    given, y = np.asarray(inputs, dtype=np.float64), np.asarray(signs, dtype=np.float64)
    if y.shape != (len(given),) or not (np.abs(y) == 1).all() or not np.isfinite(given).all():
        raise ValueError(f"needs finite inputs and one sign, -1 or +1, for each of {len(given)} samples")
    rows = unit_rows(given.reshape(len(given), -1))
    kernel, singular = _kernel(rows)
    for jitter in JITTERS[1:] if singular else JITTERS:
        kernel.flat[:: len(rows) + 1] = 0.5 + jitter
        factor, fault = lapack.dpotrf(kernel.T, lower=1, clean=1)  # symmetric: the transpose is Fortran's order
        if not fault:
            break
    else:
        raise ValueError(f"the kernel matrix of {len(rows)} samples could not be factored")
    inverse, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)  # H^-1 = inverse^T inverse
    solution = inverse.T @ (inverse @ y)
    diagonal = np.einsum("ij,ij->j", inverse, inverse)
    return np.asarray(solution**2 / diagonal)


def _kernel(rows: FloatArray) -> tuple[FloatArray, bool]:
    """H without jitter [m, m], and whether two inputs are equal."""
    cosines = rows @ rows.T
    np.clip(cosines, -1.0, 1.0, out=cosines)
    cosines[cosines > 1.0 - EQUAL] = 1.0
    empty = np.flatnonzero(~rows.any(axis=1))
    cosines[np.ix_(empty, empty)] = 1.0
    np.fill_diagonal(cosines, 1.0)
    singular = int(np.count_nonzero(cosines == 1.0)) > len(rows)
    kernel = np.arccos(cosines)
    np.subtract(np.pi, kernel, out=kernel)
    kernel *= cosines
    kernel /= 2 * np.pi
    return kernel, singular


def complexity_gap_flops(m: int, width: int) -> float:
    """Arithmetic of `complexity_gap` on m samples of `width` numbers: Gram matrix, kernel, factor, inverse, solves."""
    return 3.0 * m * width + m * (m + 1.0) * width + 4.0 * m * m + 2.0 * m**3 / 3.0 + 4.0 * m * m


@checked_dataclass()
class CgScore(Bounded, Method):
    """complexity gap of the inputs, without any model"""

    max_class_size: Annotated[int, Field(ge=1), PlausibleRange(1, 30_000)] = 1000
    """samples of a class that are scored together; larger classes are scored in parts, to bound the memory"""
    balance: Literal["none", "class"] = "class"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Nohyun et al. 2023"
    reads: ClassVar[frozenset[str]] = frozenset({"label", "input"})
    cost_class: ClassVar[str] = "no model: O(n_c^3)"

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The closed form of every part of every class."""
        flops = 0.0
        for size in np.unique(shard.labels, return_counts=True)[1]:
            count = -(-int(size) // self.max_class_size)
            for part in (len(piece) for piece in np.array_split(np.arange(size), count)):
                flops += complexity_gap_flops(part + min(part, shard.size - int(size)), network.input_numbers)
        return OwnWork(Work(other_flops=flops))

    def score(self, context: ScoreContext) -> Scoring:
        """The complexity gap within each class, float64 [n]."""
        scores = np.empty(context.shard.size)
        flops, largest = 0.0, 0
        for label in np.unique(context.shard.labels):
            rng = context.rng(f"class-{label}")
            for part, others in _parts(context.shard.labels, int(label), self.max_class_size, rng):
                inputs = _inputs(context, np.concatenate([part, others]))
                signs = np.repeat([1.0, -1.0], [len(part), len(others)])
                scores[part] = complexity_gap(inputs, signs)[: len(part)]
                flops += complexity_gap_flops(len(inputs), inputs.shape[1])
                largest = max(largest, len(inputs))
        notes = {"max_class_size": float(self.max_class_size), "gram_bytes": 8.0 * largest**2}
        return Scoring(scores, Work(other_flops=flops), notes=notes)


def _parts(labels: IntArray, label: int, max_size: int, rng: np.random.Generator) -> list[tuple[IntArray, IntArray]]:
    """A class in parts of at most `max_size`, each with as many of the others as there are, up to its own size."""
    members, others = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
    if len(members) > max_size:
        members = rng.permutation(members)
    parts = np.array_split(members, -(-len(members) // max_size))
    return [(part, np.sort(rng.choice(others, min(len(part), len(others)), replace=False))) for part in parts]


def _inputs(context: ScoreContext, positions: IntArray) -> FloatArray:
    """Network inputs of some samples, flattened, float64 [m, D]."""
    import torch

    inputs = context.task.inputs(torch.as_tensor(positions))
    return np.asarray(inputs.flatten(1).double().cpu().numpy())
