"""The figure that stands with the verdict: what pruning saves and what it costs on this fleet."""

from __future__ import annotations

from edgesim.analysis.grouping import ok
from edgesim.analysis.pareto import accuracy_against
from edgesim.report.figures import fleet
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import NO_TRIAL, NONE_WELL, PageStyle, Section

KINDS = ("energy_j", "time_s")
"""of emulated cost; the first one that the run knows is shown first"""
LEAD = (
    "One mark per method and keep ratio. Further left costs less, further up is more accurate; the distance to full "
    "training is what pruning saves and what it costs."
)


def shown_first(source: RunTables) -> str:
    """The kind of cost that the first figure shows; empty where the run knows none."""
    good = ok(source.records)
    known = [kind for kind in KINDS if good[[f"device_{kind}", "test_accuracy"]].notna().all(axis=1).any()]
    return known[0] if known else ""


def tradeoff_section(source: RunTables, looks: PageStyle) -> Section:
    """Accuracy against what a device takes, every method and keep ratio beside full training."""
    kind = shown_first(source)
    figures = []
    if kind:
        points = accuracy_against(source.records, f"device_{kind}").table
        figures.append(fleet.pareto_figure(points, looks.styles, kind))
    nothing = NONE_WELL if len(source.records) else NO_TRIAL
    if len(ok(source.records)) and not kind:
        nothing = "The run knows neither energy nor time of its devices, so accuracy cannot be set against cost."
    return Section("answer", "What pruning saves and costs", figures, [], nothing, LEAD, opens=True)
