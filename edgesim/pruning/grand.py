"""GraNd: norm of a sample's loss gradient early in training (Paul, Ganguli & Dziugaite 2021, Definition 2.1).

    s_i = mean over the replicas of norm2(gradient of the loss of sample i)

Larger = moves the weights more = harder = kept first. The gradients are read after T0 steps, in evaluation mode,
without augmentation, from unreduced losses. Batch normalisation then uses its running statistics, so that batch size
and order of the samples do not matter.

- `last_layer`: gradient with respect to the last linear layer alone, from the logits z_i [C] and the layer's input
  h_i [D]: norm(softmax(z_i) − y_i)·sqrt(norm(h_i)^2 + 1), without the 1 for a layer that has no bias.
- `full`: gradient with respect to all parameters, per sample (torch.func), of whatever loss the task has.

Deviations: the paper takes all parameters, 10 replicas, and epoch 10 to 20 of 200 or the initial weights. The default
here is the last layer, one replica and the end of the scenario's warm-up. `full` computes in fp32 always.

Work: the warm-up and n forward passes per replica; `full` instead n forward and backward passes per replica, charged in
batches of one sample: a device has no memory for many whole gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.el2n import el2n, error_flops
from edgesim.pruning.training_dynamics import warmup_steps
from edgesim.pruning.warmup_replicas import Replicas, expected_replicas, replicate
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, StepTrace, Work

if TYPE_CHECKING:
    import torch

    from edgesim.training.task import Task

_CHUNK = 32
"""samples whose gradients the simulation computes at once: the fastest on CPUs, and moves no score"""
_GRADIENT_NUMBERS = 2**24
"""numbers of per-sample gradients that it holds at once, at most"""


def grand_last_layer(
    logits: npt.ArrayLike, labels: npt.ArrayLike, embeddings: npt.ArrayLike, bias: bool = True
) -> FloatArray:
    """Norm of the gradient of each sample's cross-entropy with respect to the last linear layer.

    The gradient is the outer product of softmax − label and h; its norm is the product of the norms. For the bias it is
    softmax − label itself.

    Args:
        logits: float array [n, C].
        labels: int array [n], in [0, C).
        embeddings: inputs of the last layer, float array [n, D].
        bias: True where the layer has one.

    Returns: float64 [n], >= 0.
    """
    squares = (np.asarray(embeddings, dtype=np.float64) ** 2).sum(axis=1)
    return np.asarray(el2n(logits, labels) * np.sqrt(squares + (1.0 if bias else 0.0)))


def gradient_norms(model: torch.nn.Module, task: Task) -> FloatArray:
    """Norm of the gradient of each sample's loss with respect to all parameters, in evaluation mode.

    Args:
        model: the network; its weights, its statistics and the modes of its layers stay as they are.
        task: the shard, n samples.

    Returns: float64 [n], >= 0.
    """
    import torch
    from torch.func import functional_call, grad, vmap

    from edgesim.models.train_eval_modes import evaluating

    weights = {name: value.detach() for name, value in model.named_parameters()}
    buffers = dict(model.named_buffers())
    device = next(iter(weights.values())).device

    def loss_of_one(parameters: dict[str, torch.Tensor], x: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        outputs = functional_call(model, (parameters, buffers), (x.unsqueeze(0),))
        return task.losses(outputs, position.unsqueeze(0)).sum()

    per_sample = vmap(grad(loss_of_one), in_dims=(None, 0, 0))
    chunk = max(1, min(_CHUNK, _GRADIENT_NUMBERS // sum(value.numel() for value in weights.values())))
    norms = []
    with evaluating(model):
        for start in range(0, task.size, chunk):
            where = torch.arange(start, min(start + chunk, task.size), device=device)
            gradients = per_sample(weights, task.inputs(where), where)
            squares = sum(g.flatten(1).square().sum(dim=1, dtype=torch.float64) for g in gradients.values())
            norms.append(torch.as_tensor(squares).sqrt())
    return np.asarray(torch.cat(norms).cpu().numpy())


@checked_dataclass()
class Grand(Bounded, Method):
    """norm of the sample's loss gradient early in training, largest first"""

    variant: Literal["last_layer", "full"] = "last_layer"
    """last_layer: gradients of the last linear layer; full: of all parameters"""
    replicas: Annotated[int, Field(ge=1), PlausibleRange(1, 1_000)] = 1
    """independent short runs that the score is averaged over; the first is the shared warm-up"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Paul et al. 2021"
    reads: ClassVar[frozenset[str]] = frozenset({"input"})
    cost_class: ClassVar[str] = "warm-up + forward (full: + backward), per replica"

    def needs(self, shard: Shard) -> Needs:
        """Logits and embeddings after T0 steps, or the weights."""
        steps = warmup_steps(self.warmup, shard)
        if self.variant == "full":
            return Needs(steps, keep_weights=True)
        return Needs(steps, snapshots=(steps,), capture=frozenset({"logits", "embedding"}))

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The further replicas; the norms, or a forward and backward pass of one sample at a time."""
        own, n = expected_replicas(self.needs(shard), shard, self.replicas), shard.size
        if self.variant == "last_layer":
            norms = error_flops(shard.labels, shard.num_classes) + 2.0 * n * network.embedding_width
            return OwnWork(own.work + Work(other_flops=self.replicas * norms), own.trace)
        squares = self.replicas * 2.0 * n * network.parameters
        work = Work(train_samples=self.replicas * n, other_flops=squares)
        return OwnWork(own.work + work, own.trace + StepTrace.passes("train", n, 1, self.replicas))

    def score(self, context: ScoreContext) -> Scoring:
        """Mean gradient norm, float64 [n]."""
        runs = replicate(context, self.needs(context.shard), self.replicas)
        if self.variant == "full":
            return self._all_parameters(context, runs)
        return self._last_layer(context, runs)

    def _last_layer(self, context: ScoreContext, runs: Replicas) -> Scoring:
        from edgesim.models.networks import last_linear

        labels, shard = context.shard.labels, context.shard
        bias = last_linear(context.build_model()).bias is not None
        scores, width = np.zeros(shard.size), 0
        for seen in runs.observations:
            (snapshot,) = seen.snapshots.values()
            assert snapshot.logits is not None, "the logits were asked for"
            assert snapshot.embedding is not None, "the embeddings were asked for"
            scores += grand_last_layer(snapshot.logits, labels, snapshot.embedding, bias) / self.replicas
            width = snapshot.embedding.shape[1]
        per_replica = error_flops(labels, shard.num_classes) + 2.0 * shard.size * width
        return Scoring(scores, runs.work + Work(other_flops=self.replicas * per_replica), runs.trace)

    def _all_parameters(self, context: ScoreContext, runs: Replicas) -> Scoring:
        n, model = context.shard.size, context.build_model()
        scores, work, trace = np.zeros(n), runs.work, runs.trace
        parameters = sum(value.numel() for value in model.parameters())
        for seen in runs.observations:
            assert seen.weights is not None, "the weights were asked for"
            model.load_state_dict(seen.weights)
            scores += gradient_norms(model, context.task) / self.replicas
            work += Work(train_samples=n, other_flops=2.0 * n * parameters)
            trace += StepTrace.passes("train", n, 1)
        return Scoring(scores, work, trace)
