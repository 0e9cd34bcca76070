"""Steps of many trials by kind and batch size, and their work without steps, as arrays.

The cost of a step depends on its kind and batch size alone, so equal steps are counted together: first those forward
and backward, then those forward only, large batches first. Their order on the device changes its time and energy only
by the heat in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.cost import analytic
from edgesim.work import FloatArray, IntArray, StepTrace, Work, Workload


@dataclass(frozen=True)
class StepCounts:
    """Steps of C trials while they score, or while they train. C may be 1 where all are equal."""

    networks: tuple[Workload, ...]
    """that do the steps"""
    network: IntArray
    """[C] place in `networks` of the one that does those of a trial"""
    flops: FloatArray
    """[C] all FLOPs, comparisons not counted"""
    stepless: FloatArray
    """[C] operations without steps: comparisons, and arithmetic outside the network"""
    comparisons: FloatArray
    """[C]"""
    trains: npt.NDArray[np.bool_]
    """[C, S] forward and backward, else forward only"""
    batch_sizes: IntArray
    """[C, S] samples of one step; 0 where there is none"""
    steps: FloatArray
    """[C, S] number of steps of this kind and batch size"""

    @classmethod
    def training(cls, m: IntArray, batch_size: int, epochs: int, workload: Workload) -> StepCounts:
        """Training on m samples, the last batch of every epoch at its real size.

        Args:
            m: [C] subset sizes, >= 1.
            batch_size: B.
            epochs: E.
            workload: F.
        """
        full, rest = np.divmod(np.asarray(m, dtype=np.int64), batch_size)
        batches = np.stack([np.where(full > 0, batch_size, 0), rest], axis=1)
        steps = np.stack([full * epochs, np.where(rest > 0, epochs, 0)], axis=1).astype(np.float64)
        flops = analytic.training_flops(m, epochs, workload.train_flops)
        nothing = np.zeros(len(flops))
        trains, first_network = np.ones(batches.shape, dtype=bool), np.zeros(len(flops), dtype=np.int64)
        return cls((workload,), first_network, flops, nothing, nothing, trains, batches, steps)

    @classmethod
    def of(cls, parts: Sequence[tuple[Work, StepTrace]], workload: Workload | Sequence[Workload]) -> StepCounts:
        """Counts of C works with their steps, by one network or each by its own."""
        each = [workload] * len(parts) if isinstance(workload, Workload) else workload
        networks = list({id(network): network for network in each}.values())
        places = {id(network): place for place, network in enumerate(networks)}
        works = [work for work, _ in parts]
        counted = [_tally(trace) for _, trace in parts]
        width = max((len(tally) for tally in counted), default=0)
        trains, batches, steps = (np.zeros((len(parts), width), dtype=kind) for kind in (bool, np.int64, np.float64))
        for row, tally in enumerate(counted):
            for column, ((kind, size), count) in enumerate(tally):
                trains[row, column], batches[row, column], steps[row, column] = kind == "train", size, count
        comparisons = np.array([work.comparisons for work in works], dtype=np.float64)
        return cls(
            networks=tuple(networks),
            network=np.array([places[id(network)] for network in each], dtype=np.int64),
            flops=np.array([w.flops(n.train_flops, n.forward_flops) for w, n in zip(works, each, strict=True)]),
            stepless=comparisons + np.array([work.other_flops for work in works]),
            comparisons=comparisons,
            trains=trains,
            batch_sizes=batches,
            steps=steps,
        )

    @classmethod
    def stack(cls, counts: Sequence[StepCounts]) -> StepCounts:
        """Counts one after another: C is the sum of theirs."""
        ends = np.cumsum([0] + [len(one.flops) for one in counts])
        width = max(one.steps.shape[1] for one in counts)

        def grid(name: str) -> npt.NDArray[Any]:
            whole = np.zeros((ends[-1], width), dtype=getattr(counts[0], name).dtype)
            for one, start, end in zip(counts, ends, ends[1:], strict=False):
                values = getattr(one, name)
                whole[start:end, : values.shape[1]] = values
            return whole

        def flat(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(one, name) for one in counts])

        networks = list({id(network): network for one in counts for network in one.networks}.values())
        places = {id(network): place for place, network in enumerate(networks)}
        moved = [np.array([places[id(network)] for network in one.networks])[one.network] for one in counts]
        return cls(
            networks=tuple(networks),
            network=np.concatenate(moved),
            flops=flat("flops"),
            stepless=flat("stepless"),
            comparisons=flat("comparisons"),
            trains=grid("trains"),
            batch_sizes=grid("batch_sizes"),
            steps=grid("steps"),
        )

    def rows(self, which: IntArray) -> StepCounts:
        """Rows of some trials, in that order and as often as they are named."""
        arrays = {name: values[which] for name, values in vars(self).items() if name != "networks"}
        return StepCounts(self.networks, **arrays)

    def times(self, count: int | IntArray) -> StepCounts:
        """The same steps `count` times, [C] or the same number for all."""
        if np.all(np.asarray(count) == 1):
            return self
        counted = {name: count * getattr(self, name) for name in ("flops", "stepless", "comparisons")}
        return replace(self, **counted, steps=np.reshape(count, (-1, 1)) * self.steps)

    def repeated(self, count: int) -> StepCounts:
        """One row for each of `count` trials, where they have one in common."""
        return self if len(self.flops) == count else self.rows(np.repeat(np.arange(len(self.flops)), count))

    @property
    def largest_training_batch(self) -> IntArray:
        """[C] the largest batch that is passed backward; 0 where none is."""
        return np.asarray(np.where(self.trains, self.batch_sizes, 0).max(axis=1, initial=0))


def _tally(trace: StepTrace) -> list[tuple[tuple[str, int], int]]:
    """((kind, batch size), steps), the training steps and the large batches first."""
    counted: Counter[tuple[str, int]] = Counter()
    for segment in trace.segments:
        counted[segment.kind, segment.batch_size] += segment.steps
    return sorted(counted.items(), key=lambda entry: (entry[0][0] != "train", -entry[0][1]))
