"""What every method with a warm-up owes where the warm-up counts as training: its work is that of one training."""

from __future__ import annotations

import numpy as np
import pytest
from folding import over
from test_expected import NETWORK, tally
from test_methods import CLASSES, SHARDS, method_of, network

from edgesim.pruning import METHODS, base, expected_work, selection
from edgesim.pruning.after_warmup import WarmupThenSubset, use_of
from edgesim.scenario.method_options import takes_after_warmup
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.settings import Training, Warmup
from edgesim.training.warmup import observe_warmup
from edgesim.work import StepTrace

EPOCHS, BATCH = 4, 8
STREAMS = Streams(0, 0, "training")
WARMED = ["importance", *(name for name, cls in METHODS.items() if takes_after_warmup(cls))]


def test_methods_with_a_warm_up() -> None:
    assert {"el2n", "forgetting", "aum", "tdds", "moderate", "grand", "ccs", "glister", "craig"} <= set(WARMED)
    assert not set(WARMED) & {"full", "random", "cg-score", "rs2", "infobatch", "adapruner"}


@pytest.mark.parametrize("name", WARMED)
@over("shard", ["ordinary", "one class", "one sample", "duplicates"])
def test_the_work_is_that_of_one_training(name: str, shard: str) -> None:
    images, labels = SHARDS[shard]
    n, each = len(labels), -(-len(labels) // BATCH)
    training = Training(epochs=EPOCHS, batch_size=BATCH)
    task = ClassificationTask(ArrayInputs(images, (np.array([0.5]), np.array([0.25])), "cpu"), labels, CLASSES)
    given = base.Shard(n, labels.astype(np.int64), CLASSES, BATCH, EPOCHS, each + (each > 1))  # cut short
    method = method_of(name).with_options({"after_warmup": "counts"})
    use = use_of(method, given)
    epochs = {1: 1}.get(each, 2) if name not in ("tdds", "dual") else EPOCHS  # a window of 4
    assert use.epochs == epochs
    (seen,) = observe_warmup(network(), task, [use.needs], training, STREAMS)
    assert (seen.work.train_samples, seen.work.steps) == (0, 0)
    context = base.ScoreContext(0, 0, "m", use.shard, seen, task, training, (), network)
    for ratio in sorted({1 / n, 0.4, 1.0}):
        k = max(1, round(ratio * n))
        (chosen,) = selection.choose(use.method, context, [ratio])
        positions, weights = chosen.selection.positions, chosen.selection.weights
        counted = WarmupThenSubset(n, use.epochs, positions, weights)
        subset = Subset(np.arange(n), epoch_sampler=counted, schedule_by_epochs=True)
        done = fit(network(), task, subset, training, STREAMS)
        found = expected_work.of_trial(method, given, NETWORK, k)
        assert (found.train, tally(found.train_trace)) == (done.work, tally(done.trace))
        assert done.work.train_samples == epochs * n + (EPOCHS - epochs) * k
        assert found.kept == (n if epochs == EPOCHS else k)
        if found.scoring.work_is == "exact":
            assert tally(found.scoring.trace) == tally(chosen.trace)
            assert found.scoring.work == chosen.work
        assert tally(chosen.trace)["train", BATCH] == 0


def test_a_warm_up_of_its_own_is_rounded_up_to_whole_epochs() -> None:
    shard = base.Shard(40, np.arange(40) % CLASSES, CLASSES, BATCH, 10, 3)
    for warmup, epochs in ((Warmup(epochs=0.2), 1), (Warmup(epochs=1.5), 2), (Warmup(iterations=11), 3)):
        method = METHODS["aum"](warmup=warmup).with_options({"after_warmup": "counts"})  # type: ignore[call-arg]
        use = use_of(method, shard)
        assert (use.epochs, use.needs.steps, use.needs.snapshots) == (epochs, 5 * epochs, ())
        found = expected_work.of_trial(method, shard, NETWORK, 10)
        assert found.scoring.trace == StepTrace()
        assert (found.train.train_samples, found.train.steps) == (40 * epochs + 10 * (10 - epochs), 20 + 3 * epochs)
