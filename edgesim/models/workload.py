"""Cost of a network: FLOPs, weights, operations and memory, counted on meta tensors.

FLOPs are those of matrix products, convolutions and attention; a multiply-add is two. As is usual, normalisations,
activations, pooling and the optimiser's update are not counted. Training needs no gradient of the samples, so F is a
little below three times the forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from edgesim.errors import EdgesimError
from edgesim.formatting import n_of
from edgesim.models import counted_pass, networks, signal_networks
from edgesim.models.model_fields import IMAGES, kind_of
from edgesim.models.operations import Recorder, affine
from edgesim.models.recurrent import RecurrentKernels, has_recurrent_layers
from edgesim.models.train_eval_modes import evaluating, start_training
from edgesim.models.training_memory import training_memory
from edgesim.tasks import NetworkForm
from edgesim.work import Workload

_FAILURES = (AttributeError, RuntimeError, ValueError, TypeError, LookupError, AssertionError)
"""errors that a network raises for an input that it cannot take"""
_SMALL_WEIGHTS = 1_000_000
_MOST_NUMBERS, _LONGEST = 10_000_000, 1024
"""of one sample, and positions of an attention, that are counted on real tensors: at most some GB of memory"""
_PLAIN_LAYERS = {
    nn.AvgPool2d,
    nn.BatchNorm2d,
    nn.Conv1d,
    nn.Conv2d,
    nn.Dropout,
    nn.Embedding,
    nn.Flatten,
    nn.Identity,
    nn.LayerNorm,
    nn.Linear,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.ReLU,
    nn.Sequential,
    networks.BasicBlock,
    networks.ResNet8Module,
    signal_networks.EncoderLayer,
    signal_networks.MeanOverImage,
    signal_networks.MeanOverTime,
    signal_networks.TransformerModule,
}


def count(
    build: Callable[[], nn.Module], form: NetworkForm, batch_size: int = 2, *, with_memory: bool = True
) -> Workload:
    """Count a network by a real forward and backward pass of its task's loss, on tensors without data.

    Meta tensors have no numbers. Real tensors take their place where the control flow of a network needs numbers, and
    for small plain networks, where they give the same count sooner. The caller's random state stays as it was.

    Args:
        build: makes the network, for example `lambda: model.build(form.input_shape, form.num_outputs)`; may be called
            twice.
        form: shape and kind of the samples, task and number of outputs.
        batch_size: samples in the pass that is counted; at least 2, for batch norm cannot train on one value.
        with_memory: False leaves out the memory of a step, which needs a pass of its own.

    Returns: FLOPs and bytes per sample.

    Raises:
        EdgesimError: `build` gives no module, or the network cannot take this input or gives other outputs.
    """
    assert batch_size >= 2
    with torch.random.fork_rng(devices=[]):
        try:
            module = _built(build)
            if not _counts_on_real_tensors(module, form):
                with suppress(*_FAILURES):
                    return _count(module, form, batch_size, torch.device("meta"), with_memory)
                module = _built(build)  # there were no numbers to look at, or the network is wrong
            return _count(module, form, batch_size, torch.device("cpu"), with_memory)
        except _FAILURES as error:
            kind = kind_of(form.input_shape, form.tokens)
            wanted = ("class", "classes") if form.task != "regression" else ("output", "outputs")
            fix = "use another model, or larger images" if kind == IMAGES else "use another model"
            raise EdgesimError(
                f"the model cannot be trained on {kind} of {form} with {n_of(form.num_outputs, *wanted)} "
                f"({type(error).__name__}: {error}); {fix}"
            ) from error


def _built(build: Callable[[], nn.Module]) -> nn.Module:
    module = build()
    if not isinstance(module, nn.Module):
        raise EdgesimError(f"a model must be a torch.nn.Module, not {type(module).__name__}")
    return module


def _counts_on_real_tensors(module: nn.Module, form: NetworkForm) -> bool:
    """True for small plain networks, and for recurrent layers, which torch takes apart differently on meta tensors.

    Large samples and long attentions stay on meta tensors, which take no memory.
    """
    attentions = (one for one in module.modules() if isinstance(one, signal_networks.TransformerModule))
    if math.prod(form.input_shape) > _MOST_NUMBERS or any(len(one.positions) > _LONGEST for one in attentions):
        return False
    on_meta = any(weight.is_meta for weight in module.parameters())
    return _is_small_and_plain(module) or (has_recurrent_layers(module) and not on_meta)


def _is_small_and_plain(module: nn.Module) -> bool:
    """True where real tensors give the same count sooner: the first pass over meta tensors imports torch._dynamo.

    The import takes seconds, a pass over a small network milliseconds. Only layers whose two counts the tests compare
    are plain. torch's attention runs through other kernels on real tensors, and is counted differently.
    """
    weights = list(module.parameters())
    if any(weight.is_meta for weight in weights) or sum(weight.numel() for weight in weights) > _SMALL_WEIGHTS:
        return False
    return all(type(layer) in _PLAIN_LAYERS for layer in module.modules())


def _count(
    module: nn.Module, form: NetworkForm, batch_size: int, device: torch.device, with_memory: bool = True
) -> Workload:
    module.to(device)
    forward, train = [], []
    with device:
        for samples in (batch_size, 2 * batch_size):
            inputs = counted_pass.inputs(form, samples, device)
            targets = counted_pass.targets(form, samples, device)
            recorder = Recorder()
            with evaluating(module), recorder, RecurrentKernels(recorder), torch.no_grad():
                outputs = module(inputs)
            counted_pass.check(form, outputs, samples)
            forward.append(recorder)
            start_training(module)
            train.append(_train_pass(module, form, inputs, targets))
        memories = training_memory(module, form, device) if with_memory else (None, None)
    weights = list(module.parameters())
    return Workload(
        train_flops=train[0].flops / batch_size,
        forward_flops=forward[0].flops / batch_size,
        parameters=sum(weight.numel() for weight in weights),
        parameter_bytes=sum(weight.numel() * weight.element_size() for weight in weights),
        train_operations=affine(train[0].operations, train[1].operations, batch_size),
        forward_operations=affine(forward[0].operations, forward[1].operations, batch_size),
        parameter_tensors=sum(weight.requires_grad for weight in weights),
        memory=memories[0],
        memory_in_blocks=memories[1],
    )


def _train_pass(module: nn.Module, form: NetworkForm, inputs: Any, targets: Any) -> Recorder:
    """The operations of one forward and backward pass."""
    for weight in module.parameters():
        weight.grad = None  # adding to the gradients of the pass before would be operations too
    recorder = Recorder()
    with recorder, RecurrentKernels(recorder):
        counted_pass.loss(form, module(inputs), targets).backward()
    return recorder
