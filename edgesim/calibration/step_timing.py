"""Times of real training steps on the machine that runs this: the project's own loop, on images that are noise.

Every case (a network at a batch size) is visited once in every round, for a few steps at a time. So a machine that
changes its speed (heat, other work on it) slows every case alike, not only the last. The time of a step lies between
the ends of two steps: nothing of the loop is left out, and the first step of a visit never counts. Disturbances of a
shared machine last for seconds, and a visit is short, so that one of many visits finds the machine undisturbed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from edgesim import seeds
from edgesim.calibration import operation_times
from edgesim.calibration.measured_step import CountedNetwork, MeasuredStep
from edgesim.models import resolve
from edgesim.models.model_fields import Shape
from edgesim.tasks import NetworkForm
from edgesim.training import loop
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.settings import OPTIMIZER_STATES, Training
from edgesim.work import FloatArray

TorchDevice = Literal["cpu", "cuda"]
ROUNDS = 9
OPTIMIZER: Literal["adam"] = "adam"
_STEPS = 10
"""of one visit at most; all rounds together give 90"""
_LEAST_STEPS = 2
"""of one visit; all rounds together give 18"""
_VISIT_S = 0.12
_TIMED_STEPS = 1
"""of one visit with every operation timed, after a first one"""
_CLASSES = 10
_BATCHES = 16
"""in the images of a case"""
_PURPOSE = "calibration"


@dataclass(frozen=True)
class TimedNetwork:
    """A network of the table of models at a batch size."""

    model: str
    input_shape: Shape
    batch_size: int
    arguments: tuple[tuple[str, Any], ...] = ()

    @property
    def network(self) -> CountedNetwork:
        """As the fit counts it; the name holds all but the batch size."""
        return CountedNetwork(self.name, NetworkForm(self.input_shape, _CLASSES), self.build)

    @property
    def name(self) -> str:
        """Model, arguments and input."""
        given = [f"{key} {'-'.join(map(str, v)) if isinstance(v, tuple) else v}" for key, v in self.arguments]
        return ", ".join([self.model, *given, "x".join(map(str, self.input_shape))])

    def build(self) -> nn.Module:
        """A fresh network."""
        module: nn.Module = resolve(self.model)(**dict(self.arguments)).build(self.input_shape, _CLASSES)
        return module


def cases(
    model: str, shape: Shape, batch_sizes: Sequence[int], *arguments: tuple[str, Any]
) -> tuple[TimedNetwork, ...]:
    """One network at several batch sizes."""
    return tuple(TimedNetwork(model, shape, size, arguments) for size in batch_sizes)


@dataclass(frozen=True)
class Timed:
    """The measured steps of one case."""

    case: TimedNetwork
    visits_s: tuple[FloatArray, ...]
    """of every visit the steps' times [n]"""
    shares: Mapping[str, float] = field(default_factory=dict)
    """part of a step -> its share (`parts`); empty where only whole steps were timed"""

    @property
    def step_s(self) -> float:
        """The median of the fastest visit: other programs, by the caches and cores they share, only lengthen steps."""
        return min(float(np.median(steps_s)) for steps_s in self.visits_s)

    @property
    def times_s(self) -> FloatArray:
        """[n] of all visits."""
        return np.concatenate(self.visits_s)

    @property
    def spread(self) -> float:
        """From the step's time to the upper quartile of all steps, over the first."""
        return float(np.percentile(self.times_s, 75) / self.step_s - 1)

    def step(self, device: str) -> MeasuredStep:
        """As the fit takes it; `device`: name of the profile."""
        return MeasuredStep(
            device,
            self.case.name,
            self.case.network,
            self.case.batch_size,
            self.step_s,
            "PyTorch",
            OPTIMIZER_STATES[OPTIMIZER],
        )


@dataclass(frozen=True)
class Timings:
    """All cases, in their order."""

    timed: tuple[Timed, ...]
    first_step_s: float
    """time of the very first step beyond the later ones of its case"""
    share: float | None
    """processor time over wall time, 1 where no other program was waited for. None with more than one thread
    and on a GPU, where it says nothing"""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run a block with so many threads for torch's arithmetic."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def clock(device: TorchDevice) -> Callable[[], float]:
    """The clock for work on a device, in seconds.

    With one thread on a CPU it is the process's processor time, which leaves out the waiting for other programs. On an
    idle machine that equals wall time. Everywhere else it is wall time; on a GPU the clock waits for all work.
    """
    if device == "cuda":

        def awaited() -> float:
            torch.cuda.synchronize()
            return time.perf_counter()

        return awaited
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def measure(
    chosen: Sequence[TimedNetwork],
    device: TorchDevice,
    rounds: int = ROUNDS,
    after_visit: Callable[[int, int, float], None] | None = None,
) -> Timings:
    """Time training steps of every case.

    Args:
        chosen: at least one case.
        device: where torch computes, with as many threads as it is set to.
        rounds: how often every case is visited, >= 1.
        after_visit: told the number of the round, the position of the case, and the seconds that its visit took.
    """
    visits = [_Visit(case, device) for case in chosen]
    first_s = wall_s = used_s = 0.0
    for number in range(rounds):
        for position, visit in enumerate(visits):
            began_s, began_used_s = time.perf_counter(), time.process_time()
            visit.run()
            took_s = time.perf_counter() - began_s
            wall_s, used_s = wall_s + took_s, used_s + time.process_time() - began_used_s
            first_s = first_s or visit.first_s
            if after_visit is not None:
                after_visit(number, position, took_s)
    timed = tuple(Timed(v.case, tuple(v.visits_s), operation_times.middle(v.shares)) for v in visits)
    share = used_s / wall_s if device == "cpu" and torch.get_num_threads() == 1 else None
    return Timings(timed, max(0.0, first_s - timed[0].step_s), share)


class _Visit:
    """A case ready to train, and the times of its steps so far."""

    def __init__(self, case: TimedNetwork, device: TorchDevice):
        self.case, self.device = case, device
        self.visits_s: list[FloatArray] = []
        self.shares: list[dict[str, float]] = []
        self.first_s = 0.0
        self.settings = Training(
            epochs=_STEPS, batch_size=case.batch_size, optimizer=OPTIMIZER, learning_rate=1e-4, schedule="constant"
        )
        with seeds.torch_global(0, _PURPOSE):
            self.network = case.build().to(device).to(memory_format=torch.channels_last)
        noise = seeds.stream(0, _PURPOSE)
        channels, height, width = case.input_shape
        count = _BATCHES * case.batch_size
        images = noise.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
        levels = (np.full(channels, 0.5), np.full(channels, 0.29))
        self.task = ClassificationTask(
            ArrayInputs(images, levels, device), noise.integers(0, _CLASSES, count), _CLASSES
        )

    def run(self) -> None:
        """Train for a few steps and keep their times, then for a few more with every operation timed."""
        now = clock(self.device)
        ends: list[float] = []
        started = time.perf_counter()

        def after_step() -> bool:
            ends.append(now())
            if len(ends) == 1:
                self.first_s = time.perf_counter() - started
            timed = len(ends) - 1
            return timed >= _STEPS or (timed >= _LEAST_STEPS and ends[-1] - ends[0] >= _VISIT_S)

        self._train(after_step)
        steps_s = np.diff(ends)
        self.visits_s.append(steps_s)
        # Set against the steps just before, so that what slows the machine down for a while slows both.
        self.shares.append(operation_times.shares(self._timed_operations(now), float(np.median(steps_s))))

    def _timed_operations(self, now: Callable[[], float]) -> list[dict[str, float]]:
        """Seconds by part, of every operation of a few steps."""
        found: list[dict[str, float]] = []
        with operation_times.Stopwatch(now) as watch:

            def after_step() -> bool:
                found.append(dict(watch.seconds))
                watch.seconds.clear()
                return len(found) > _TIMED_STEPS

            self._train(after_step)
        return found[1:]

    def _train(self, after_step: Callable[[], bool]) -> None:
        """Train until `after_step`, called after every step, says that it is enough."""
        subset = loop.Subset(np.arange(self.task.size))
        hooks = loop.Hooks(after_step=lambda _: after_step())
        loop.fit(self.network, self.task, subset, self.settings, loop.Streams(0, 0, _PURPOSE), hooks=hooks)
