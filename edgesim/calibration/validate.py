"""How well the fitted costs predict what the fit has not seen, beside the closed form."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration import fit
from edgesim.calibration.fit import COLUMNS, FLOP_KINDS, Data, Family
from edgesim.calibration.measurements import Step
from edgesim.profiles import DeviceProfile
from edgesim.records import FloatArray

_ROOFLINE_ROUNDS = 5


@dataclass(frozen=True)
class Errors:
    """Relative errors of one device's predictions, (predicted - measured) / measured, in the order of its data."""

    models: tuple[str, ...]
    errors: FloatArray

    @property
    def mean(self) -> float:
        """Mean absolute error, over the measured value."""
        return float(np.mean(np.abs(self.errors)))

    @property
    def median(self) -> float:
        """Median absolute error."""
        return float(np.median(np.abs(self.errors)))

    def worst(self, count: int) -> list[tuple[str, float]]:
        """The models with the largest errors."""
        order = np.argsort(-np.abs(self.errors))[:count]
        return [(self.models[i], float(self.errors[i])) for i in order]


def closed_form(measured: Sequence[Step], profile: DeviceProfile) -> Errors:
    """The closed form, FLOPs / (peak x training_utilisation); the utilisation has seen these measurements."""
    guess = [s.batch_size * s.network.workload().train_flops / profile.throughput_flops_per_s for s in measured]
    errors = np.array(guess) / np.array([s.time_s for s in measured]) - 1
    return Errors(tuple(s.model for s in measured), errors)


def held_out(family: Family, all_data: dict[str, Data]) -> dict[str, Errors]:
    """Every model predicted by a fit that has not met it on any device of the family, at any batch size.

    NaN where the family has no more models than costs: without one of them the others say nothing about it.
    """
    errors = {device: np.full(len(one.models), np.nan) for device, one in all_data.items()}
    for model in _models(family, all_data):
        costs = fit.fit(family, {device: one.without(model) for device, one in all_data.items()})
        for device, one in all_data.items():
            mine = np.array([name == model for name in one.models])
            errors[device][mine] = fit.relative_errors(one, costs[device])[mine]
    return {device: Errors(one.models, errors[device]) for device, one in all_data.items()}


def held_out_roofline(
    family: Family, all_data: dict[str, Data], measured: Mapping[str, Sequence[Step]]
) -> dict[str, Errors]:
    """As `held_out`, each operation taking the larger of its arithmetic and its memory in place of their sum.

    Args:
        measured: the steps of `all_data`, in the same order.
    """
    errors = {device: np.full(len(one.models), np.nan) for device, one in all_data.items()}
    for model in _models(family, all_data):
        kept = {d: [i for i, name in enumerate(one.models) if name != model] for d, one in all_data.items()}
        costs = fit.fit(family, {d: one.subset(kept[d]) for d, one in all_data.items()})
        for _ in range(_ROOFLINE_ROUNDS):  # which part of an operation binds depends on the costs that are sought
            bound = {d: _bound(one, measured[d], costs[d]) for d, one in all_data.items()}
            costs = fit.fit(family, {d: one.subset(kept[d]) for d, one in bound.items()})
        for device, one in all_data.items():
            mine = np.array([name == model for name in one.models])
            final = _bound(one, measured[device], costs[device])
            errors[device][mine] = fit.relative_errors(final, costs[device])[mine]
    return {device: Errors(one.models, errors[device]) for device, one in all_data.items()}


def _models(family: Family, all_data: dict[str, Data]) -> list[str]:
    """The models that can be held out."""
    models = sorted({name for one in all_data.values() for name in one.models})
    return models if len(models) > len(family.groups) else []


def _bound(one: Data, measured: Sequence[Step], costs: FloatArray) -> Data:
    """The data with the smaller of each operation's arithmetic and memory left out of the features."""
    return dataclasses.replace(one, features=np.array([_bound_features(step, costs) for step in measured]))


def _bound_features(step: Step, costs: FloatArray) -> FloatArray:
    operations = step.network.workload().train_operations
    whole = fit.features(step)
    kinds, count = operations.kinds, operations.count
    flops = operations.flops @ [1.0, step.batch_size]
    activation, weight = operations.moved_bytes[:, 1] * step.batch_size, operations.moved_bytes[:, 0]
    column = {name: i for i, name in enumerate(COLUMNS)}
    flop_s = np.append(costs[: len(FLOP_KINDS)], [0.0, 0.0])[kinds]
    byte_s = activation * costs[column["activation"]] + weight * costs[column["weight"]]
    arithmetic = (flops * flop_s > byte_s) & (kinds < len(FLOP_KINDS))
    found = whole.copy()
    for kind in range(len(FLOP_KINDS)):
        found[kind] = (count * flops)[arithmetic & (kinds == kind)].sum()
    found[column["activation"]] -= (count * activation)[arithmetic].sum()
    found[column["weight"]] -= (count * weight)[arithmetic].sum()
    return np.asarray(found)


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
        costs: [columns] of the first device.
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
    """[columns] the share of each cost in the predicted time, averaged over the models.

    It is also the sensitivity: one per cent more of a cost makes a step longer by its share, in per cent.
    """
    parts = one.features * costs
    return np.asarray(np.mean(parts / parts.sum(axis=1, keepdims=True), axis=0))


def spreads(family: Family, all_data: dict[str, Data]) -> dict[str, FloatArray]:
    """Device -> [columns] jackknife standard error of each cost over leaving out one model, relative; NaN where 0."""
    models = _models(family, all_data)
    if not models:
        return {device: np.full(len(COLUMNS), np.nan) for device in all_data}
    fits = [fit.fit(family, {d: one.without(model) for d, one in all_data.items()}) for model in models]
    found = {}
    for device in all_data:
        costs = np.array([one[device] for one in fits])
        mean = costs.mean(axis=0)
        error = np.sqrt((len(models) - 1) * np.mean((costs - mean) ** 2, axis=0))
        found[device] = np.divide(error, mean, out=np.full_like(mean, np.nan), where=mean > 0)
    return found
