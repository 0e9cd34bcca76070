"""First section of a report: accuracy against the cost of a device, with the verdict above it."""

from __future__ import annotations

from edgesim.analysis.grouping import ok
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.second_test_set import sets_there
from edgesim.report.figures import device_figures
from edgesim.report.figures.figure import Figure
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import NO_TRIAL, NONE_WELL, PageStyle, Section

KINDS = ("energy_j", "time_s")
"""kinds of emulated cost; the first one with values is shown"""
INTRO = (
    "One mark per method and keep ratio. Further left costs less, further {better} is more accurate. The distance to "
    "full training shows the savings and the {change}."
)


def first_kind(source: RunTables) -> str:
    """Kind of cost in the first figure; empty where none is known."""
    good = ok(source.records)
    known = [kind for kind in KINDS if good[[f"device_{kind}", source.metric.column()]].notna().all(axis=1).any()]
    return known[0] if known else ""


def pareto_figures(source: RunTables, page_style: PageStyle, kind: str) -> list[Figure]:
    """Accuracy against one cost: on the common test set, and on the devices' own test samples where there are any."""
    shown = []
    for of in sets_there(source.records):
        if of != "local":
            points = accuracy_against(source.records, f"device_{kind}", of).table
            shown.append(device_figures.pareto_figure(points, page_style.styles, kind, source.metric, of))
    return shown


def tradeoff_section(source: RunTables, page_style: PageStyle) -> Section:
    """Accuracy against the cost of a device, for every method and keep ratio and for full training."""
    kind = first_kind(source)
    figures = []
    if kind:
        figures = pareto_figures(source, page_style, kind)
    nothing = NONE_WELL if len(source.records) else NO_TRIAL
    if len(ok(source.records)) and not kind:
        nothing = "The run has neither energy nor time of its devices, so there is no cost to show."
    metric = source.metric
    words = ("up", f"loss of {metric.title}") if metric.higher_is_better else ("down", f"rise of {metric.noun}")
    intro = INTRO.format(better=words[0], change=words[1])
    return Section("answer", "What pruning saves and costs", figures, [], nothing, intro, opens=True)
