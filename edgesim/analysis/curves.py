"""Loss and accuracy over the epochs, per method and keep_ratio (edge paper, Figs. 3-8)."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.cells import groups

CURVE_VALUES = ("subset_loss", "subset_accuracy", "test_loss", "test_accuracy")


def curve_means(curves: pd.DataFrame) -> pd.DataFrame:
    """Loss and accuracy per method, keep_ratio and epoch: means over the seeds and devices with a value.

    Returns: DataFrame method keep_ratio epoch trials + CURVE_VALUES.
    """
    parts = []
    for method, ratio, part in groups(curves):
        means = part.groupby("epoch")[list(CURVE_VALUES)].mean().reset_index()
        means.insert(1, "trials", part.groupby("epoch").size().to_numpy())
        means.insert(0, "keep_ratio", ratio)
        means.insert(0, "method", method)
        parts.append(means)
    columns = ["method", "keep_ratio", "epoch", "trials", *CURVE_VALUES]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
