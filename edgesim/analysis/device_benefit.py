"""Dependence of a device's benefit on its speed, the size of its shard and its skew: a mixed-effects regression.

    benefit = b0 + b1 log2(speed) + b2 log2(shard size) + b3 skew + u_run + u_device + u_seed + rest

with normal random intercepts for the run, the device within a run and the seed within a run, so that trials of one
device or of one seed do not count as independent. Fitted by restricted maximum likelihood (statsmodels' `MixedLM`). The
covariance of the coefficients is that of generalised least squares at the fitted variances.

Intervals are by Student's t with between-within degrees of freedom: a covariate that is constant over the seeds of a
device, such as its speed, has those of the devices; others have those of the trials. Covariates of several runs are
deviations from the mean of their run, so that a coefficient compares devices of one run: data sets and partitions
differ in more than their skew. Coefficients are associations: speed goes with the kind of device, and under a Dirichlet
partition small shards are the skewed ones.

Source: Laird and Ware, "Random-effects models for longitudinal data", 1982; degrees of freedom: Schluchter and
Elashoff, "Small-sample adjustments to tests with unbalanced repeated measures", 1990.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from edgesim.analysis.classes import class_skew
from edgesim.analysis.equal_cost import at_equal_cost
from edgesim.analysis.grouping import FULL, KEYS, RANDOM, AnalysisResult, below_full, complete, ok, paired, result
from edgesim.analysis.intervals import LEVEL, Interval
from edgesim.errors import EdgesimError
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

COLUMNS = ["outcome", "covariate", "estimate", "low", "high", "standard_error", "degrees", "n", "devices", "seeds",
           "runs"]  # fmt: skip
OUTCOMES = {
    "gain_at_equal_ratio": "gain over random at equal keep ratio",
    "gain_at_equal_cost": "gain over random at equal emulated energy",
    "time_saved": "1 - emulated time / that of full training",
    "energy_saved": "1 - emulated energy / that of full training",
}
"""benefit -> what it is; gains are in the metric's unit, an accuracy of 0.01 is one point"""
COVARIATES = {
    "speed": "a device that trains twice as fast",
    "shard_size": "a shard of twice the size",
    "skew": "all samples in classes that the fleet does not have, instead of the fleet's classes",
}
"""covariate -> the change that its coefficient is for"""
LEAST_ROWS = 8
LEAST_RANGE = 0.25
"""range of a covariate below which it is left out: its coefficient would be an extrapolation"""
SPREAD = 1e-9
"""of a benefit, relative; below, all its values are equal"""


class NoSolution(EdgesimError):
    """A regression without a solution, for these rows and covariates."""


def device_benefit(
    runs: dict[str, tuple[pd.DataFrame, pd.DataFrame | None]], method: str = "importance", tests: int = 1
) -> AnalysisResult:
    """Regression of each benefit on what a device is and holds; each row of data is a device in a seed of a run.

    Args:
        runs: name -> (records, shards); one run or several. `shards` gives the skew; None = a column `skew` of the
            records, where there is one.
        method: whose benefit, mean over its keep ratios below 1.
        tests: intervals that decide together (`intervals.interval`).

    Returns: COLUMNS; one row per outcome of OUTCOMES and covariate of COVARIATES that differs by LEAST_RANGE. A gain at
        equal cost is there where `random` and `full` ran. `missing` says what could not be estimated.

    Raises:
        EdgesimError: statsmodels is not installed.
    """
    parts = [benefits(records, shards, method).assign(run=name) for name, (records, shards) in runs.items()]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    for outcome in OUTCOMES:
        if outcome not in table or table[outcome].notna().sum() < LEAST_ROWS:
            missing.append(f"{OUTCOMES[outcome]}: fewer than {LEAST_ROWS} devices and seeds have it.")
            continue
        known = _within_runs(table[table[outcome].notna()])
        varying = [name for name in COVARIATES if name in known and _varies(known[name])]
        if still := [name for name in COVARIATES if name not in varying]:
            missing.append(f"{OUTCOMES[outcome]}: {', '.join(still)} hardly differs between these devices.")
        known = known.dropna(subset=varying)
        if not varying:
            continue
        try:
            coefficients = mixed_regression(known, outcome, varying, tests)
        except NoSolution as error:
            missing.append(str(error))
            continue
        for name, found in coefficients.items():
            counts = (found.n, found.devices, found.seeds, known["run"].nunique())
            rows.append((outcome, name, *found[:5], *counts))
    return result(rows, COLUMNS, tuple(missing))


def _within_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The covariates as deviations from the means of their run."""
    named = [name for name in COVARIATES if name in table]
    return table.assign(**{name: table[name] - table.groupby("run")[name].transform("mean") for name in named})


def benefits(records: pd.DataFrame, shards: pd.DataFrame | None, method: str) -> pd.DataFrame:
    """Benefits and covariates of every device and seed of one run.

    Args:
        records: one row per trial.
        shards: the run's table of shards; None or empty = the records' own column `skew`, if any.
        method: whose benefit.

    Returns: `seed device`, OUTCOMES that the run has (means over keep ratios below 1), and COVARIATES: log2 of the
        FLOP/s that full training reaches, log2 of the samples, and the total variation distance of the classes.
    """
    good = ok(complete(records))
    metric = metric_in(good)
    own = below_full(good[good["method"] == method])
    found: dict[str, pd.Series] = {}
    at_ratio = below_full(paired(good[good["method"].isin([method, RANDOM])], RANDOM, metric.column()))
    found["gain_at_equal_ratio"] = metric.sign * at_ratio.groupby(KEYS)["difference"].mean()
    at_cost = at_equal_cost(good, method, RANDOM)
    if len(at_cost):
        found["gain_at_equal_cost"] = metric.sign * at_cost.groupby(KEYS)["gap"].mean()
    full = good[good["method"] == FULL].set_index(KEYS)
    for name, column in (("time_saved", "device_time_s"), ("energy_saved", "device_energy_j")):
        found[name] = 1 - own.groupby(KEYS)[column].mean() / full[column].astype(float)
    speed = full["train_flops"].astype(float) / full["device_train_time_s"].astype(float)
    found |= {"speed": speed.map(np.log2), "shard_size": full["shard_size"].astype(float).map(np.log2)}
    if shards is not None and len(shards):
        found["skew"] = class_skew(shards).table.set_index(KEYS)["skew"]
    elif "skew" in records:
        found["skew"] = records.drop_duplicates(KEYS).set_index(KEYS)["skew"].astype(float)
    return pd.DataFrame(found).reindex(full.index).reset_index()


def mixed_regression(
    table: pd.DataFrame, outcome: str, covariates: Sequence[str], tests: int = 1
) -> dict[str, Interval]:
    """Coefficients of covariates with random intercepts by run, by device in a run and by seed in a run.

    Args:
        table: `run seed device`, the outcome and the covariates; no missing values.
        outcome: column.
        covariates: columns that vary.
        tests: intervals that decide together.

    Returns: covariate -> coefficient with its interval.

    Raises:
        EdgesimError: statsmodels is not installed.
        NoSolution: the covariates determine one another, or the fit has no solution.
    """
    table = table.sort_values(["run", "device", "seed"], kind="stable").reset_index(drop=True)
    x = np.column_stack([np.ones(len(table)), table[list(covariates)].to_numpy(dtype=np.float64)])
    x[:, 1:] -= x[:, 1:].mean(axis=0)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise NoSolution(
            f"The regression of {outcome} on {', '.join(covariates)} has no solution: one of them follows from the "
            f"others in these {len(table)} rows. Leave one out, or add devices."
        )
    y = table[outcome].to_numpy(dtype=np.float64)
    levels = _levels(table)
    variances, rest = _variances(y, x, table["run"], levels)
    v = rest * np.eye(len(y))
    for name, level in levels.items():
        v += variances[name] * (level[:, None] == level[None, :])
    inverse = np.linalg.inv(v)
    covariance = np.linalg.inv(x.T @ inverse @ x)
    estimate = covariance @ x.T @ inverse @ y
    free = _degrees(table, covariates)
    counts = (len(table), int(np.unique(levels["device"]).size), int(np.unique(levels["seed"]).size))
    found = {}
    for place, name in enumerate(covariates, start=1):
        error = float(np.sqrt(covariance[place, place]))
        half = float(special.stdtrit(free[name], 1 - (1 - LEVEL) / (2 * tests))) * error
        middle = float(estimate[place])
        found[name] = Interval(middle, middle - half, middle + half, error, free[name], *counts, tests)
    return found


def _levels(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Random intercept -> level of each row; a run's own only where there are several runs."""
    run = pd.factorize(table["run"])[0]
    levels = {name: table.groupby(["run", name], sort=False).ngroup().to_numpy() for name in ("device", "seed")}
    return {"run": run, **levels} if run.max() > 0 else levels


def _variances(y: FloatArray, x: FloatArray, run: pd.Series, levels: dict[str, np.ndarray]) -> tuple[dict, float]:
    """Variances of the random intercepts and of the rest, by restricted maximum likelihood."""
    scale = float(y.std())
    if scale < SPREAD * max(1.0, float(np.abs(y).max())):
        return dict.fromkeys(levels, 0.0), SPREAD**2
    mixed = _mixed_linear_model()
    groups = run.to_numpy()
    order = np.unique(groups)
    mats: list[list[Any]] = []
    for level in levels.values():
        mats.append([_indicators(level[groups == one]) for one in order])
    names = [[[str(i) for i in range(mat.shape[1])] for mat in own] for own in mats]
    spec = mixed.VCSpec(list(levels), names, mats)
    model = mixed.MixedLM(y / scale, x, groups, exog_vc=spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of 0 lies on the boundary, which is no fault
        try:
            fit = model.fit(reml=True, method=["lbfgs", "powell"])
        except np.linalg.LinAlgError as error:
            raise NoSolution(f"The variances of a regression over {len(y)} rows have no solution: {error}.") from None
    known = dict(zip(model.exog_vc.names, np.asarray(fit.vcomp, dtype=np.float64), strict=True))
    return {name: known[name] * scale**2 for name in levels}, float(fit.scale) * scale**2


def _mixed_linear_model() -> Any:
    """The module of statsmodels.

    Raises:
        EdgesimError: it is not installed.
    """
    try:
        from statsmodels.regression import mixed_linear_model
    except ImportError:
        message = "the mixed-effects regression needs statsmodels, which is not installed"
        raise EdgesimError(f"{message}: pip install 'edgesim[regression]'") from None
    return mixed_linear_model


def _indicators(level: np.ndarray) -> FloatArray:
    """[rows, levels], 1 where a row has the level."""
    return np.asarray(level[:, None] == np.unique(level)[None, :], dtype=np.float64)


def _degrees(table: pd.DataFrame, covariates: Sequence[str]) -> dict[str, float]:
    """Between-within degrees of freedom of every covariate, at least 1."""
    by_device = table.groupby(["run", "device"], sort=False)
    between = {name for name in covariates if by_device[name].nunique().max() == 1}
    devices, runs = by_device.ngroups, table["run"].nunique()
    of_devices = max(devices - runs - len(between), 1)
    of_trials = max(len(table) - devices - len(covariates) + len(between), 1)
    return {name: float(of_devices if name in between else of_trials) for name in covariates}


def _varies(values: pd.Series) -> bool:
    """True where a covariate spreads over LEAST_RANGE: a factor of 1.19, or a quarter of all classes."""
    known = values[np.isfinite(values.astype(float))]
    return len(known) > 1 and float(known.max() - known.min()) >= LEAST_RANGE
