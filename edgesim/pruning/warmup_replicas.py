"""Independent repetitions of the warm-up, for scores that are means or sums over several initial weights.

Replica 1 is the shared warm-up. Each further one is a training of the same length by the method itself. It has fresh
initial weights, its own order of the samples and its own augmentation, and is charged in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgesim import seeds
from edgesim.pruning.base import OwnWork, ScoreContext, Shard
from edgesim.training.needs import Needs
from edgesim.work import StepTrace, Work

if TYPE_CHECKING:
    import torch

    from edgesim.training.warmup import Observations


@dataclass(frozen=True)
class Replicas:
    """Replicas of a warm-up, and what those beyond the shared one took."""

    observations: tuple[Observations, ...]
    """of every replica, the shared warm-up first"""
    work: Work
    trace: StepTrace


def replicate(context: ScoreContext, needs: Needs, replicas: int) -> Replicas:
    """Observe `replicas` independent warm-ups in the same way.

    Args:
        context: of the device; its observations are the first replica.
        needs: what the method asked of the shared warm-up.
        replicas: how many in all, >= 1. The first r of them are the same whatever their number.

    Raises:
        TrainingDiverged: the loss of a step is not finite.
    """
    from edgesim.training.warmup import observe_warmup

    observed, work, trace = [context.observations], Work(), StepTrace()
    for number in range(2, replicas + 1):
        purpose = f"replica {number}"
        model = fresh_model(context, purpose)
        with seeds.torch_global(context.seed, f"select:{context.method}:{purpose}:dropout", context.device):
            streams = context.streams(purpose)
            (seen,) = observe_warmup(model, context.task, [needs], context.training, streams, context.augment)
        observed.append(seen)
        work, trace = work + seen.work, trace + seen.trace
    return Replicas(tuple(observed), work, trace)


def expected_replicas(needs: Needs, shard: Shard, replicas: int) -> OwnWork:
    """Work of the replicas beyond the shared warm-up.

    Args:
        needs: what the method asks of each.
        shard: the device's data.
        replicas: how many in all.
    """
    own = OwnWork()
    for _ in range(replicas - 1):
        work, trace = needs.clipped(shard.full_steps).charge(shard.size, shard.batch_size)
        own = OwnWork(own.work + work, own.trace + trace)
    return own


def fresh_model(context: ScoreContext, purpose: str) -> torch.nn.Module:
    """The network at initial weights of its own.

    The scenario's initial weights are shuffled within each parameter. Its entries are drawn independently from one
    distribution, so a permutation of them is again a draw of the same initialisation. `reset_parameters` of the layers
    would put torch's defaults in the place of what a network chose for itself. Frozen parameters and those of a file
    (`training.initial_weights`) stay as they are: they are no draw of an initialisation.
    """
    import torch

    model, rng = context.build_model(), context.rng(f"{purpose}:init")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad or name in context.given_weights:
                continue
            order = torch.from_numpy(rng.permutation(parameter.numel())).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view(parameter.shape))
    return model
