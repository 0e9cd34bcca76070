"""Choice of trials of a run by method, keep ratio, seed and device, with an error that says what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from edgesim.config.validation import nearest
from edgesim.errors import RunError, shortened
from edgesim.formatting import number, ranges
from edgesim.results.run_folder import Run


def trials(
    run: Run, method: str, keep_ratio: float | None = None, seed: int | None = None, device: int | None = None
) -> pd.DataFrame:
    """Records of one method, keep ratio and seed: of one device, or of all.

    Args:
        run: finished or not.
        method: its label.
        keep_ratio: of the trials; None = the only one of the method, or those that a rule chose.
        seed: of the trials; None = the only one of the run.
        device: index; None = all.

    Raises:
        RunError: there is no such trial, or a value that is left out is not the only one.
    """
    found = run.records
    found = found[found["method"] == _one_of(found["method"], method, "method", "--method", run)]
    found = found[found["seed"] == _one_of(found["seed"], seed, "seed", "--seed", run)]
    if device is not None:
        found = found[found["device"] == _one_of(found["device"], device, "device", "--device", run)]
    by_rule = (found["ratio_rule"].fillna("") != "").all()
    if keep_ratio is None and by_rule:
        return found
    ratios = found["keep_ratio"].to_numpy(dtype=np.float64)
    there = sorted(set(ratios.tolist()))
    if keep_ratio is None:
        if len(there) != 1:
            raise RunError(f"{run.path}: '{method}' has several keep ratios; name one with --keep: {_listed(there)}")
        return found
    same = np.isclose(ratios, keep_ratio, rtol=1e-9, atol=0)
    if not same.any():
        rule = "; a rule chose them, device by device: leave out --keep" if by_rule else ""
        raise RunError(
            f"{run.path}: '{method}' has no keep ratio {number(keep_ratio)}; there are: {_listed(there)}{rule}"
        )
    return found[same]


def _one_of(column: pd.Series[Any], given: Any, what: str, option: str, run: Run) -> Any:
    """The value that is given, or the only one there is."""
    there = list(dict.fromkeys(column.tolist()))
    if given is None and len(there) == 1:
        return there[0]
    if given in there:
        return given
    if not there:
        raise RunError(f"{run.path} has no trial with a record yet")
    if given is None:
        raise RunError(f"{run.path} has several {what}s; name one with {option}: {_listed(there)}")
    near = nearest(given, there) if isinstance(given, str) else ""
    raise RunError(f"{run.path} has no {what} '{given}'{near}; there are: {_listed(there)}")


def _listed(values: Sequence[Any]) -> str:
    """Values in short."""
    if all(isinstance(value, int) for value in values):
        return ranges(values)
    return shortened(", ".join(number(v, 6) if isinstance(v, float) else str(v) for v in values), 300)
