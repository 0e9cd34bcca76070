"""Errors of fitted costs on networks that the fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.calibration import fit
from edgesim.calibration.fit import Data, Family
from edgesim.work import FloatArray


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


def held_out(family: Family, all_data: dict[str, Data], anchor: FloatArray | None = None) -> dict[str, Errors]:
    """Every model predicted by a fit that has not met it on any device of the family, at any batch size.

    NaN where the family has no more models than costs: without one of them the others say nothing about it.

    Args:
        family: devices and costs.
        all_data: device -> its measurements.
        anchor: [terms], as in `fit.fit`.
    """
    errors = {device: np.full(len(one.models), np.nan) for device, one in all_data.items()}
    for model in models(family, all_data):
        costs = fit.fit(family, {device: one.without(model) for device, one in all_data.items()}, anchor)
        for device, one in all_data.items():
            mine = np.array([name == model for name in one.models])
            if device in costs:
                errors[device][mine] = fit.relative_errors(one, costs[device])[mine]
    return {device: Errors(one.models, errors[device]) for device, one in all_data.items()}


def models(family: Family, all_data: dict[str, Data]) -> list[str]:
    """The models that can be held out."""
    found = sorted({name for one in all_data.values() for name in one.models})
    return found if len(found) > len(family.groups) else []
