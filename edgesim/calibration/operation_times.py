"""Times of the parts of a training step: every operation timed by itself, within real steps.

The time of a whole step says little about one kind of operation in it. The times of its convolutions, products and
updates say all. Timing every operation lengthens the step, but hardly the operations. The rest of an ordinary step,
with the interpreter between two operations, is the element-wise part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from edgesim.cost.steps import TERMS, features, update
from edgesim.models.operations import Recorder
from edgesim.work import OPERATION_KINDS, PROCESSOR_KINDS, FloatArray, Operations, Workload

_aten = torch.ops.aten
_UPDATES = {_aten._fused_adam_, _aten._fused_adamw_, _aten._fused_sgd_}
UPDATE, REST = "update", "rest"
_SHARED = ("elementwise", "unrolling", "recurrent", *PROCESSOR_KINDS)
OWN_KINDS = tuple(kind for kind in OPERATION_KINDS if kind not in _SHARED)
"""kinds of operations that are a part each; the optimiser's update and the rest are the other two"""
_LEAST_SHARE = 0.02
"""of a step; what is shorter cannot be told from the timing itself"""


class Stopwatch(Recorder):
    """Times every operation that runs inside its `with` block, in `seconds` by part."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._now = now
        self._last_s = 0.0

    def _run(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        began = self._now()
        out = super()._run(func, args, named)
        self._last_s = self._now() - began
        return out

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and add its time to that of its part."""
        before = len(self.operations)
        out = super().__torch_dispatch__(func, types, args, kwargs)
        new, self._last_s, took_s = self.operations[before:], 0.0, self._last_s
        kind = OPERATION_KINDS[new[0].kind] if new else "elementwise"
        if getattr(func, "_overloadpacket", func) in _UPDATES:
            kind = UPDATE
        self.seconds[kind if kind in OWN_KINDS or kind == UPDATE else REST] += took_s
        return out


def shares(steps_s: Sequence[Mapping[str, float]], step_s: float) -> dict[str, float]:
    """Part -> share of a step.

    Args:
        steps_s: of every timed step the seconds of its operations by part; at least one. The shortest counts.
        step_s: of an ordinary step; what it is more than the operations is the rest's, which may be negative where
            they happened to be slower.
    """
    timed = {part for one in steps_s for part in one} - {REST}
    found = {part: min(one.get(part, 0.0) for one in steps_s) / step_s for part in timed}
    return found | {REST: 1.0 - sum(found.values())}


def middle(visits: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median share of each part over visits, made to add up to 1."""
    timed = sorted({part for one in visits for part in one})
    found = {part: max(0.0, float(np.median([one.get(part, 0.0) for one in visits]))) for part in timed}
    whole = sum(found.values())
    return {part: share / whole for part, share in found.items()}


def part_features(workload: Workload, batch_size: int, optimizer_states: int) -> dict[str, FloatArray]:
    """Part -> [TERMS], what it consists of in one training step; the parts add up to the step.

    An update's operations count with the rest: in one fused kernel they have no time of their own to be seen.
    """
    samples = np.array([float(batch_size)])
    operations = workload.train_operations
    found = {}
    for kind in OWN_KINDS:
        found[kind] = features(_of_kind(operations, kind), samples)[0]
    moved_bytes, count = update(workload, optimizer_states)
    found[UPDATE] = np.where(np.array(TERMS) == "update", moved_bytes, 0.0)
    rest = sum(features(_of_kind(operations, kind), samples)[0] for kind in OPERATION_KINDS if kind not in OWN_KINDS)
    found[REST] = np.asarray(rest + np.where(np.array(TERMS) == "operation", count, 0.0))
    return found


def timed_rows(
    workload: Workload, batch_size: int, optimizer_states: int, step_s: float, shared: Mapping[str, float]
) -> tuple[FloatArray, FloatArray]:
    """The parts of one measured step that are long enough: features [n, TERMS] and seconds [n].

    Args:
        workload, batch_size, optimizer_states: as in `part_features`.
        step_s: the whole step's time.
        shared: part -> share of it, as `shares` gives them.
    """
    of_parts = part_features(workload, batch_size, optimizer_states)
    chosen = [part for part, share in shared.items() if share >= _LEAST_SHARE and of_parts[part].any()]
    rows = np.array([of_parts[part] for part in chosen]).reshape(-1, len(TERMS))
    return rows, np.array([step_s * shared[part] for part in chosen])


def _of_kind(operations: Operations, kind: str) -> Operations:
    return operations.chosen(operations.kinds == OPERATION_KINDS.index(kind))
