"""Verdict of a run and claims of the paper, as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edgesim.analysis.findings import Finding
from edgesim.analysis.verdict import verdict_of
from edgesim.formatting import UNKNOWN, number, percent
from edgesim.report import run_facts
from edgesim.report.figures.figure import rows
from edgesim.report.run_tables import RunTables
from edgesim.results import power_scopes
from edgesim.tasks import METRICS

EVIDENCE = {
    "yes": "Shown by this run.",
    "no": "Shown by this run.",
    "none": "This run cannot tell.",
    "sum": "Emulated prices, added up.",
}
CLAIM_COLUMNS = ["statement", "verdict", "found", "against", "p_adjusted", "n", "reason"]


@dataclass(frozen=True)
class Verdict:
    """Findings and limits at the top of a page."""

    findings: list[Finding]
    limits: list[str]
    """sentences on what the run does not show"""

    def basis(self, finding: Finding) -> str:
        """Evidence of a finding in words."""
        scope = f"{finding.scope[0].upper()}{finding.scope[1:]}." if finding.scope else ""
        return scope if scope and finding.evidence != "sum" else EVIDENCE[finding.evidence]


def read_verdict(source: RunTables, info: dict[str, object]) -> Verdict:
    """Sentences of `verdict_of`; those on the run's size join those on its state."""
    found = verdict_of(source.records, margin=source.margin, epochs=source.epochs, guess=source.guess)
    limits = [finding.text for finding in found if finding.kind == "limits"]
    return Verdict([finding for finding in found if finding.kind != "limits"],
                   [*run_facts.limits(source.records, info), *unlike_watts(info), *limits])  # fmt: skip


def unlike_watts(info: Mapping[str, Any]) -> list[str]:
    """The note on a fleet whose energies add watts of unlike parts; of older runs the parts are not known."""
    given = info.get("power_scopes")
    return power_scopes.sum_in_words({str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {})


def claims_in_words(claims: pd.DataFrame) -> pd.DataFrame:
    """Table of `paper_claims` for readers: estimate and interval as one text, in the unit of each claim.

    Returns: DataFrame with CLAIM_COLUMNS.
    """
    table = claims.assign(
        found=[_found(row) for row in rows(claims)], against=[_threshold(row) for row in rows(claims)]
    )
    return table.reindex(columns=CLAIM_COLUMNS)


def _write(value: float, unit: str) -> str:
    """A claim's number in its unit; points with one decimal, for the intervals are wider than the second."""
    if unit in METRICS:
        return METRICS[unit].difference(value, unit=" pp")
    return percent(value) if unit == "share" else number(value)


def _found(row: dict[str, object]) -> str:
    estimate, low, high = (float(str(row[name])) for name in ("estimate", "low", "high"))
    if not np.isfinite(estimate):
        return UNKNOWN
    unit = str(row["unit"])
    ends = f" ({_write(low, unit)} to {_write(high, unit)})" if np.isfinite(low) else ""
    return _write(estimate, unit) + ends


def _threshold(row: dict[str, object]) -> str:
    threshold, unit = float(str(row["threshold"])), str(row["unit"])
    if unit in METRICS:
        return METRICS[unit].difference(threshold, sign=False, unit=" pp")
    return _write(threshold, unit)
