"""Samples that a dynamic method visits, chosen during training. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from edgesim.work import FloatArray, IntArray

Visits = Sequence[Sequence[int]]
"""epoch -> draw -> samples visited"""


class Kept(NamedTuple):
    """A subset that a sampler settled on while it trained, of which alone all later draws are."""

    places: IntArray
    """[k] sorted"""
    notes: Mapping[str, float | str]
    """facts on the choice, to be kept with the trial"""


class Draw(NamedTuple):
    """Samples of one stretch of training, each visited once per mention."""

    places: IntArray
    """[b] places within the subset; one may be there more than once"""
    weights: FloatArray | None = None
    """[b] loss weights, used as they are; None = all one"""
    in_order: bool = False
    """True where batches are cut from `places` as they stand; else training shuffles them first"""
    kept: Kept | None = None
    """the subset that the device keeps from this draw on; None = as before"""


def check_kept(kept: object, sampler: str, k: int | None, size: int) -> None:
    """Refuse a subset that a draw of a sampler names in `kept`.

    Args:
        kept: of the draw.
        sampler: name of its class.
        k: samples of the subset; None = the sampler may name none.
        size: m, of the samples that it draws from.

    Raises:
        ValueError: it is no Kept of integers, or has another size, order or range.
    """
    places = kept.places if isinstance(kept, Kept) else None
    if not isinstance(places, np.ndarray) or places.ndim != 1 or places.dtype.kind not in "iu":
        given = type(kept).__name__ if places is None else repr(places)
        raise ValueError(f"{sampler}.draws: `kept` must be Kept(places, notes) with integers [k], got {given}")
    if k is None:
        raise ValueError(f"{sampler}.draws named a subset, which `choose` does not announce by `settles=True`")
    if len(places) != k or places[0] < 0 or places[-1] >= size or (np.diff(places) <= 0).any():
        wanted = f"{k} sorted unique places in [0, {size})"
        raise ValueError(f"{sampler}.draws named a subset of {len(places)} places; allowed: {wanted}")


class EpochSampler(Protocol):
    """Interface: it chooses samples during training. A frozen dataclass, picklable, without state.

    The number of visits is known beforehand, so that the schedule, plans and budgets know the work. A batch holds
    samples of one draw.
    """

    def visits(self, epochs: int) -> Visits:
        """Samples that each draw of each epoch will visit.

        Args:
            epochs: of the scenario; the sampler may take fewer, at least one.
        """

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """The draws of all epochs in order, each asked for when its turn comes.

        Args:
            epochs: as in `visits`.
            losses: [m] the last loss that training saw of each sample of the subset; NaN before its first visit.
                Training keeps it up to date from draw to draw.
            rng: the sampler's own stream.
        """


def per_epoch(visits: Visits) -> tuple[int, ...]:
    """Samples visited in each epoch."""
    return tuple(sum(epoch) for epoch in visits)
