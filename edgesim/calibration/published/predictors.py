"""Other predictors on the same measurements: the closed form, a roofline, and one device's costs scaled to another."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration import fit
from edgesim.calibration.cross_validation import Errors, models
from edgesim.calibration.fit import Data, Family
from edgesim.calibration.measured_step import MeasuredStep
from edgesim.cost import steps
from edgesim.cost.steps import BYTE_TERMS, FLOP_TERMS, TERMS
from edgesim.hardware.loading import DeviceProfile
from edgesim.work import FloatArray

_ROOFLINE_ROUNDS = 5


def closed_form(measured: Sequence[MeasuredStep], profile: DeviceProfile) -> Errors:
    """The closed form, FLOPs / (peak x training_utilisation); the utilisation has seen these measurements."""
    guess = [s.batch_size * s.network.workload().train_flops / profile.throughput_flops_per_s for s in measured]
    errors = np.array(guess) / np.array([s.time_s for s in measured]) - 1
    return Errors(tuple(s.model for s in measured), errors)


def held_out_roofline(
    family: Family,
    all_data: dict[str, Data],
    measured: Mapping[str, Sequence[MeasuredStep]],
    anchor: FloatArray | None = None,
) -> dict[str, Errors]:
    """As `held_out`, each operation taking the larger of its arithmetic and its memory in place of their sum.

    Args:
        measured: the steps of `all_data`, in the same order.
    """
    errors = {device: np.full(len(one.models), np.nan) for device, one in all_data.items()}
    parts = {device: [_operations(step) for step in steps_] for device, steps_ in measured.items()}
    for model in models(family, all_data):
        kept = {d: [i for i, name in enumerate(one.models) if name != model] for d, one in all_data.items()}
        costs = fit.fit(family, {d: one.subset(kept[d]) for d, one in all_data.items()}, anchor)
        for _ in range(_ROOFLINE_ROUNDS):  # which part of an operation binds depends on the costs that are sought
            bound = {d: _bound(one, parts[d], costs[d]) for d, one in all_data.items()}
            costs = fit.fit(family, {d: one.subset(kept[d]) for d, one in bound.items()}, anchor)
        for device, one in all_data.items():
            mine = np.array([name == model for name in one.models])
            final = _bound(one, parts[device], costs[device])
            errors[device][mine] = fit.relative_errors(final, costs[device])[mine]
    return {device: Errors(one.models, errors[device]) for device, one in all_data.items()}


def _operations(step: MeasuredStep) -> FloatArray:
    """[operations, terms] what each operation of a step's passes consists of."""
    workload, samples = step.network.workload(), np.array([float(step.batch_size)])
    passes = [workload.train_operations, *([workload.forward_operations] if step.recomputes else [])]
    return np.array([steps.features(one, samples)[0] for part in passes for one in part.each()])


def _bound(one: Data, parts: Sequence[FloatArray], costs: FloatArray) -> Data:
    """The data with the smaller of each operation's arithmetic and memory left out of the features."""
    flops, moved = len(FLOP_TERMS), len(FLOP_TERMS) + len(BYTE_TERMS)
    rows = one.features.copy()
    for row, part in zip(rows, parts, strict=True):
        arithmetic = part[:, :flops] @ costs[:flops] > part[:, flops:moved] @ costs[flops:moved]
        row[:flops] -= part[~arithmetic, :flops].sum(axis=0)
        row[flops:moved] -= part[arithmetic, flops:moved].sum(axis=0)
    return dataclasses.replace(one, features=np.maximum(rows, 0.0))


@dataclass(frozen=True)
class Transfer:
    """Errors on a second device whose costs are the first's times one factor, from a few models measured there."""

    measured_models: int
    choices: int
    medians: FloatArray
    """5th, 50th and 95th percentile over the choices of the mean absolute error on the models not chosen"""


def transfer(costs: FloatArray, second: Data, measured_models: int) -> Transfer:
    """Scale the costs of one device to another, for every choice of models measured there.

    Args:
        costs: [terms] of the first device.
        second: all measurements of the second.
        measured_models: how many of them are used for the factor, 1 or more.
    """
    ratios = second.times_s / fit.predict(second, costs)
    means = []
    for chosen in itertools.combinations(range(len(ratios)), measured_models):
        factor = np.exp(np.mean(np.log(ratios[list(chosen)])))
        rest = np.delete(ratios, list(chosen))
        means.append(np.mean(np.abs(factor / rest - 1)))
    return Transfer(measured_models, len(means), np.percentile(means, [5, 50, 95]))


def shares(one: Data, costs: FloatArray) -> FloatArray:
    """[terms] the share of each cost in the predicted time, averaged over the models.

    It is also the sensitivity: one per cent more of a cost makes a step longer by its share, in per cent.
    """
    parts = one.features * costs
    return np.asarray(np.mean(parts / parts.sum(axis=1, keepdims=True), axis=0))


def spreads(family: Family, all_data: dict[str, Data], anchor: FloatArray | None = None) -> dict[str, FloatArray]:
    """Device -> [terms] jackknife standard error of each cost over leaving out one model, relative; NaN where 0."""
    left_out = models(family, all_data)
    if not left_out:
        return {device: np.full(len(TERMS), np.nan) for device in all_data}
    fits = [fit.fit(family, {d: one.without(model) for d, one in all_data.items()}, anchor) for model in left_out]
    found = {}
    for device in all_data:
        costs = np.array([one[device] for one in fits])
        mean = costs.mean(axis=0)
        error = np.sqrt((len(left_out) - 1) * np.mean((costs - mean) ** 2, axis=0))
        found[device] = np.divide(error, mean, out=np.full_like(mean, np.nan), where=mean > 0)
    return found
