"""Fit of the costs in `cost.steps` to measured steps: least squares on relative error, with priors on log costs.

Costs are positive and ten orders apart, so the fit is of their logarithms. Devices of one family share a shape: their
log costs, less one constant per device, scatter around the family's with DEVICE_SPREAD. A family's log costs may be
drawn to the proportions of a device that is known better, with ANCHOR_SPREAD. Both priors are wide (factors of 1.6 and
e). Many measurements outweigh them, and a kind of operation with few measurements is not left to chance. The scatter of
the measurements is estimated, too. No cost may be below the limit of the device's nominal peak and bandwidth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from edgesim.calibration.measured_step import MeasuredStep
from edgesim.cost import steps
from edgesim.cost.steps import BYTE_TERMS, COUNT_TERMS, FLOP_TERMS, TERMS
from edgesim.hardware.loading import DeviceProfile
from edgesim.work import FloatArray, IntArray

DEVICE_SPREAD = 0.5
"""standard deviation of a device's log costs around its family's, their common factor left out"""
ANCHOR_SPREAD = 1.0
"""the same of a family's around its anchor's"""
_ROUNDS = 3
_FIRST_SCATTER = 0.2
_LEAST_SCATTER = 0.02
"""of relative errors; a fit without any would leave no room for the priors"""
_FLAT = 1e-3
"""pull of a cost to where the search began, where nothing else holds it"""


@dataclass(frozen=True)
class Family:
    """Devices that run the same software, and what their measurements can tell apart."""

    name: str
    devices: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """fitted costs, each of one or more TERMS that share it"""
    anchor: str | None = None
    """a device of an earlier family, to whose proportions the costs are drawn"""
    unanchored: tuple[str, ...] = ()
    """TERMS that are not"""

    @property
    def basis(self) -> FloatArray:
        """[terms, groups] 1 where a term takes the cost of a group."""
        return np.array([[float(term in group) for group in self.groups] for term in TERMS])


def field_of(term: str) -> str:
    """The field of a profile that holds the cost of a term."""
    if term in BYTE_TERMS:
        return f"memory.{term}_efficiency"
    return f"compute.{term}_efficiency" if term in FLOP_TERMS else f"compute.{term}_overhead_s"


def features(step: MeasuredStep) -> FloatArray:
    """[terms] what one measured step consists of, in the order of TERMS."""
    samples = np.array([float(step.batch_size)])
    return steps.step_features("train", samples, step.network.workload(), step.optimizer_states, step.recomputes)[0]


def least_costs(profile: DeviceProfile) -> FloatArray:
    """[terms] no cost can be lower: nominal peak and bandwidth."""
    return lowest(profile.compute.peak_fp32_flops_per_s.value, profile.memory.bandwidth_bytes_per_s.value)


def lowest(peak_flops_per_s: float, bandwidth_bytes_per_s: float) -> FloatArray:
    """[terms] the costs of a device that reaches its peak and its bandwidth in everything."""
    flop_s, byte_s = [1 / peak_flops_per_s], [1 / bandwidth_bytes_per_s]
    return np.array(flop_s * len(FLOP_TERMS) + byte_s * len(BYTE_TERMS) + [0.0] * len(COUNT_TERMS))


@dataclass(frozen=True)
class Data:
    """The measured steps of one device, or parts of steps, as arrays."""

    models: tuple[str, ...]
    """[n] published names"""
    features: FloatArray
    """[n, terms]"""
    times_s: FloatArray
    """[n]"""
    fixed: FloatArray
    """[terms] costs that are known and not fitted, else 0"""
    least: FloatArray
    """[terms]"""

    def without(self, model: str) -> Data:
        """The measurements of all other models."""
        return self.subset([i for i, name in enumerate(self.models) if name != model])

    def subset(self, rows: Sequence[int]) -> Data:
        """Some of the measurements."""
        models = tuple(self.models[i] for i in rows)
        return Data(models, self.features[list(rows)], self.times_s[list(rows)], self.fixed, self.least)


def data(measured: Sequence[MeasuredStep], profile: DeviceProfile, fixed: FloatArray) -> Data:
    """The arrays of one device's measured steps; `fixed`: [terms] costs that are not fitted."""
    rows = np.array([features(step) for step in measured]).reshape(len(measured), len(TERMS))
    times_s = np.array([step.time_s for step in measured])
    return Data(tuple(step.model for step in measured), rows, times_s, fixed, least_costs(profile))


def fit(family: Family, all_data: dict[str, Data], anchor: FloatArray | None = None) -> dict[str, FloatArray]:
    """The costs of each device of a family.

    Args:
        family: devices and the costs to fit.
        all_data: device -> its measurements, at least one.
        anchor: [terms] costs to whose proportions the family's are drawn; None = the measurements are all there is.

    Returns: device -> [terms] costs, the fixed ones included. A cost that neither measurements nor anchor know is at
        its lower bound.
    """
    known = {device: one for device, one in all_data.items() if one.models}
    problem = _FitProblem.of(family, known, anchor)
    found = problem.solved()
    return {
        device: np.asarray(family.basis @ costs + one.fixed)
        for (device, one), costs in zip(known.items(), found, strict=True)
    }


def predict(one: Data, costs: FloatArray) -> FloatArray:
    """[n] seconds of the measured steps at these costs."""
    return np.asarray(one.features @ costs)


def relative_errors(one: Data, costs: FloatArray) -> FloatArray:
    """[n] (predicted - measured) / measured."""
    return predict(one, costs) / one.times_s - 1


@dataclass(frozen=True)
class _FitProblem:
    """D devices, G groups; unknown are the log costs [D, G] and the family's shape [G], both over the known groups."""

    rows: list[FloatArray]
    """D of [n, G]: features over measured time, so that a row times the costs is predicted over measured"""
    targets: list[FloatArray]
    """D of [n]: 1, less what the fixed costs explain"""
    least: FloatArray
    """[D, G] lower bounds of the costs"""
    anchor: FloatArray
    """[G] log costs, NaN where there is none"""

    @classmethod
    def of(cls, family: Family, known: dict[str, Data], anchor: FloatArray | None) -> _FitProblem:
        basis, measured = family.basis, list(known.values())
        logs = np.full(len(family.groups), np.nan)
        if anchor is not None:
            given = np.array([anchor[i] if name not in family.unanchored else 0.0 for i, name in enumerate(TERMS)])
            for g in range(len(logs)):
                of_group = given[(basis[:, g] > 0) & (given > 0)]
                logs[g] = np.mean(np.log(of_group)) if len(of_group) else np.nan
        return cls(
            [one.features @ basis / one.times_s[:, None] for one in measured],
            [1 - one.features @ one.fixed / one.times_s for one in measured],
            np.array([np.max(basis * one.least[:, None], axis=0) for one in measured]),
            logs,
        )

    def solved(self) -> FloatArray:
        """[D, G] costs."""
        seen = np.any([(rows > 0).any(axis=0) for rows in self.rows], axis=0)
        chosen = np.flatnonzero(seen | ~np.isnan(self.anchor))
        costs = self.least.copy()
        if len(chosen):
            costs[:, chosen] = self._search(chosen)
        return costs

    def _search(self, chosen: IntArray) -> FloatArray:
        rows = [one[:, chosen] for one in self.rows]
        lowest = np.log(np.maximum(self.least[:, chosen], np.finfo(float).tiny))
        start = _start(rows, self.anchor[chosen])
        at = np.concatenate([np.maximum(np.tile(start, (len(rows), 1)), lowest + 1e-6).ravel(), start])
        bounds = (np.concatenate([lowest.ravel(), np.full(len(start), -np.inf)]), np.inf)
        priors = _priors(len(rows), self.anchor[chosen], start)
        count = sum(map(len, rows))
        scatter = _FIRST_SCATTER
        for _ in range(_ROUNDS):
            fitted = _Residuals(rows, self.targets, priors, scatter)
            at = least_squares(fitted.residuals, at, fitted.jacobian, bounds=bounds).x
            errors = scatter * fitted.residuals(at)[:count]
            free = max(1, count - len(start))
            scatter = max(float(np.sqrt(np.sum(errors**2) / free)), _LEAST_SCATTER)
        return np.exp(at[: lowest.size].reshape(lowest.shape))


def _start(rows: Sequence[FloatArray], anchor: FloatArray) -> FloatArray:
    """[G] log costs that share the time equally; the anchor's where no measurement has a group."""
    every = np.vstack(rows)
    start = anchor.copy()
    for g, column in enumerate(every.T):
        if (column > 0).any():
            start[g] = -np.log(np.median(column[column > 0]) * every.shape[1])
    return start


@dataclass(frozen=True)
class _Priors:
    """Residuals that are linear in the unknowns: matrix @ unknowns - target."""

    matrix: FloatArray
    target: FloatArray


def _priors(devices: int, anchor: FloatArray, start: FloatArray) -> _Priors:
    groups = len(start)
    size = groups * (devices + 1)
    shape = slice(groups * devices, size)
    # A common factor is free where there is more than one device to share it, and for the anchor's proportions.
    centred = np.eye(groups) - (1 / groups if devices > 1 else 0.0)
    parts, targets = [], []
    for d in range(devices):
        part = np.zeros((groups, size))
        part[:, d * groups : (d + 1) * groups], part[:, shape] = centred, -centred
        parts.append(part / DEVICE_SPREAD)
        targets.append(np.zeros(groups))
    known = np.flatnonzero(~np.isnan(anchor))
    if len(known):
        part = np.zeros((len(known), size))
        part[:, groups * devices + known] = (np.eye(len(known)) - 1 / len(known)) / ANCHOR_SPREAD
        parts.append(part)
        targets.append((anchor[known] - anchor[known].mean()) / ANCHOR_SPREAD)
    flat = np.zeros((groups, size))
    flat[:, shape] = _FLAT * np.eye(groups)
    return _Priors(np.vstack([*parts, flat]), np.concatenate([*targets, _FLAT * start]))


@dataclass(frozen=True)
class _Residuals:
    """Residuals of the least-squares fit: relative errors over their scatter, and the priors."""

    rows: Sequence[FloatArray]
    targets: Sequence[FloatArray]
    priors: _Priors
    scatter: float

    def residuals(self, at: FloatArray) -> FloatArray:
        """[n + priors]"""
        costs = np.exp(at).reshape(len(self.rows) + 1, -1)
        errors = [
            (rows @ one - target) / self.scatter
            for rows, one, target in zip(self.rows, costs, self.targets, strict=False)
        ]
        return np.concatenate([*errors, self.priors.matrix @ at - self.priors.target])

    def jacobian(self, at: FloatArray) -> FloatArray:
        """[n + priors, unknowns]"""
        costs = np.exp(at).reshape(len(self.rows) + 1, -1)
        groups = costs.shape[1]
        found = np.zeros((sum(map(len, self.rows)), at.size))
        first = 0
        for d, rows in enumerate(self.rows):
            found[first : first + len(rows), d * groups : (d + 1) * groups] = rows * costs[d] / self.scatter
            first += len(rows)
        return np.vstack([found, self.priors.matrix])
