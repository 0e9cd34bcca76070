"""What every method says it will be charged is what it is charged, or lies between the bounds that it gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from folding import over
from test_methods import CLASSES, EXPECTATIONS, SHARDS, context_of, network

from edgesim.models import network_costs
from edgesim.models.catalog import Mlp
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning import METHODS, base, expected_work, selection
from edgesim.pruning.online_loss import Redraw
from edgesim.tasks import NetworkForm
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.settings import Training, Warmup
from edgesim.work import StepTrace, Work

NETWORK = network_costs.network_of(Mlp(hidden=(8,)), NetworkForm((1, 6, 6), CLASSES))
WORK_IS = {"prototypes": "expected", "craig": "expected", "gradmatch": "expected", "adapruner": "at most"}
"""of those whose work is not exact"""
HALF = Warmup(epochs=0.5)
VARIANTS: list[tuple[str, dict[str, Any], bool]] = [
    *((name, dict(EXPECTATIONS[name].arguments), name not in WORK_IS) for name in METHODS),
    ("importance", {"estimator": "snapshot", "snapshots": 3}, True),
    ("importance", {"warmup": HALF}, True),
    ("importance", {"warmup": Warmup(iterations=1000)}, True),
    ("el2n", {"replicas": 3, "warmup": HALF}, True),
    ("grand", {"variant": "full", "replicas": 2}, True),
    ("grand", {"replicas": 2}, True),
    ("forgetting", {"replicas": 2, "warmup": HALF}, True),
    ("herding", {"balance": "none", "normalise": False}, True),
    ("glister", {"held_out": 0.3, "rounds": 4, "balance": "class"}, True),
    ("cg-score", {"max_class_size": 4}, True),
    ("prototypes", {"supervised": True}, True),
    ("prototypes", {"clusters": 2, "restarts": 1}, False),
    ("adapruner", {"warmup_epochs": 1, "epochs": 2, "extra_epochs": 0, "batch_size": 7}, True),
    ("k-center", {"balance": "class"}, True),
    ("aum", {"warmup": HALF}, True),
    ("ccs", {"base": "aum"}, True),
    ("ccs", {"base": "el2n", "balance": "class"}, True),
    ("ccs", {"base": "forgetting", "warmup": HALF}, True),
    ("tdds", {"warmup": HALF}, True),
    ("tdds", {"warmup": Warmup(epochs=1.5)}, True),
    ("dual", {"warmup": HALF}, True),
    ("dual", {"window": 2, "beta_up_to": 0.0}, True),
    ("dual", {"window": 2, "warmup": Warmup(epochs=2.5), "beta_up_to": 1.0}, True),
    ("infobatch", {"anneal": 0.5}, True),
    ("rs2", {"replacement": True, "balance": "class"}, True),
    ("online-loss", {"warm_epochs": 0.0, "redraw": Redraw(steps=3)}, True),
    ("online-loss", {"warm_epochs": 1.5, "redraw": Redraw(epochs=0.5), "clip": None}, True),
    ("online-loss", {"balance": "class", "most_hopeless": 0.2}, True),
    ("fewer-epochs", {"balance": "class"}, True),
    ("auto", {"storage": "subset"}, True),
    ("craig", {"max_class_size": 4}, False),
    ("gradmatch", {"max_class_size": 4}, False),
]


def tally(trace: StepTrace) -> Counter[tuple[str, int]]:
    counted: Counter[tuple[str, int]] = Counter()
    for segment in trace.segments:
        counted[segment.kind, segment.batch_size] += segment.steps
    return counted


@pytest.mark.parametrize(("name", "arguments", "exact"), VARIANTS)
@over("shard", SHARDS)
def test_the_expectation_is_the_charge(name: str, arguments: dict[str, Any], exact: bool, shard: str) -> None:
    images, labels = SHARDS[shard]
    method = METHODS[name](**arguments)
    context = context_of(method, images, labels)
    n = len(labels)
    ratios = sorted({1 / n, 0.3, 1.0})
    for ratio, chosen in zip(ratios, selection.choose(method, context, ratios), strict=True):
        k = max(1, round(ratio * n))
        found = expected_work.of_trial(method, context.shard, NETWORK, k)
        scoring = found.scoring
        assert scoring.work_is == ("exact" if exact else WORK_IS[name])
        assert found.kept == len(chosen.selection.positions)
        if exact:
            assert tally(scoring.trace) == tally(chosen.trace)
            assert scoring.work.other_flops == pytest.approx(chosen.work.other_flops, rel=1e-12)
            counts = [(w.train_samples, w.forward_samples, w.steps, w.comparisons) for w in (scoring.work, chosen.work)]
            assert counts[0] == counts[1]
            assert scoring.part("least") == scoring.part("most") == scoring.part("planned")
            continue
        charged = chosen.work, chosen.trace
        for low, high in ((scoring.part("least"), charged), (charged, scoring.part("most"))):
            assert low[0].comparisons == high[0].comparisons
            assert low[0].other_flops <= high[0].other_flops * (1 + 1e-12)
            missing = tally(low[1])
            missing.subtract(tally(high[1]))
            assert max(missing.values(), default=0) <= 0
        if scoring.work_is == "at most":
            assert scoring.part("planned") == scoring.part("most")


DYNAMIC = [entry for entry in VARIANTS if METHODS[entry[0]].dynamic]


@pytest.mark.parametrize(("name", "arguments", "exact"), [("random", {}, True), *DYNAMIC])
@over("shard", SHARDS)
def test_training_is_expected_as_it_is_done(name: str, arguments: dict[str, Any], exact: bool, shard: str) -> None:
    images, labels = SHARDS[shard]
    method, training, n = METHODS[name](**arguments), Training(epochs=5, batch_size=7), len(labels)
    context = context_of(method, images, labels, training)
    for ratio in sorted({1 / n, 0.4, 1.0}):
        (chosen,) = selection.choose(method, context, [ratio])
        subset = Subset(chosen.selection.positions, chosen.selection.weights, chosen.selection.epoch_sampler)
        done = fit(network(), context.task, subset, training, Streams(0, 0, "training"))
        found = expected_work.of_trial(method, context.shard, NETWORK, max(1, round(ratio * n)))
        assert (found.train, tally(found.train_trace)) == (done.work, tally(done.trace))


def test_by_hand() -> None:
    """40 samples in batches of 8, T0 = 10 steps = 2 epochs; el2n: 2 replicas of 80 trained and 40 passed forward."""
    shard = base.Shard(40, np.arange(40) % CLASSES, CLASSES, 8, 3, 10)
    found = expected_work.of_trial(METHODS["el2n"](replicas=2), shard, NETWORK, 20)
    assert found.scoring.work == Work(160, 80, 20, comparisons=40, other_flops=2 * 4 * 40 * CLASSES)
    assert tally(found.scoring.trace) == {("train", 8): 20, ("forward", 8): 10}
    assert found.train == Work(60, steps=9)  # three epochs of 8 + 8 + 4
    assert tally(found.train_trace) == {("train", 8): 6, ("train", 4): 3}


class Headless:
    def build(self, input_shape: tuple[int, int, int], num_classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten())


def test_the_network_is_looked_at() -> None:
    assert NetworkShape(36, 8, True, 36 * 8 + 8 + 8 * CLASSES + CLASSES) == NETWORK
    headless = network_costs.network_of(Headless(), NetworkForm((1, 2, 2), 4))
    assert headless == NetworkShape(4, 0, False, 0)


@dataclass(frozen=True)
class Plain(base.Method):
    """a user's own method that says nothing of its own work"""

    source: ClassVar[str] = "test"

    def needs(self, shard: base.Shard) -> Needs:
        return Needs(steps=10**6, snapshots=(10**6,))

    def score(self, context: base.ScoreContext) -> base.Scoring:
        return base.Scoring(np.zeros(context.shard.size))


def test_a_method_of_ones_own_is_expected_to_take_its_warm_up() -> None:
    images, labels = SHARDS["skewed"]
    context = context_of(Plain(), images, labels)
    (chosen,) = selection.choose(Plain(), context, [0.5])
    found = expected_work.of_trial(Plain(), context.shard, NETWORK, 20)
    assert (found.scoring.work, tally(found.scoring.trace)) == (chosen.work, tally(chosen.trace))
    assert found.scoring.work.train_samples == 120  # all three epochs, no more
