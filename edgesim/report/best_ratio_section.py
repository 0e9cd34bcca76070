"""Section on the best keep ratios of the devices of several fleets."""

from __future__ import annotations

from edgesim.analysis.comparison_findings import SHOWN_LAMBDA
from edgesim.analysis.grouping import AnalysisResult
from edgesim.report.figures import run_comparison
from edgesim.report.outline import NONE_WELL
from edgesim.report.sections import PageChoice, PageTable, Section


def best_ratio_section(best: AnalysisResult, own: AnalysisResult | None, method: PageChoice) -> Section:
    """Number of devices with each best keep ratio, fleet by fleet, on the common test set and on own test samples.

    Args:
        best: of `best_of_fleets`.
        own: of `best_on_own_samples`.
        method: choice of a method.
    """
    weights = tuple(f"{value:g}" for value in dict.fromkeys(best.table["lambda"]))
    choices = (method, PageChoice("lambda", "λ", weights, f"{SHOWN_LAMBDA:g}"))
    ratios = PageTable("best-ratios", "Devices by their best keep ratio, every λ", best.table, folded=True)
    shown_best = best.table[best.table["lambda"] == SHOWN_LAMBDA].drop(columns="lambda")
    middle = PageTable("best", f"Devices by their best keep ratio, λ = {SHOWN_LAMBDA:g}", shown_best)
    figure = [run_comparison.best_ratio_figure(best.table)]
    intro = "Best ratio of each device among those that ran. The larger λ, the more cost counts."
    tables = [middle, ratios]
    if own is not None:
        name = "the devices' own test samples"
        tables.append(PageTable("best-ratios-own", f"The same on {name}, every λ", own.table, folded=True))
        differ = not own.table.equals(best.table)
        turned = f"On {name} some devices have another best ratio. " if differ else f"On {name} they are the same. "
        intro = f"{turned}{intro} The figure and the first tables are on the common test set."
    return Section("best", "Best keep ratio", figure, tables, NONE_WELL, intro, choices, best.missing)
