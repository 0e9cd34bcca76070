"""Tables and figures of an analysis on the common test set and, where there are any, on devices' own test samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from edgesim.analysis.best_ratio import Weighted, best_ratios
from edgesim.analysis.fairness import device_winners, fairness, winner_counts
from edgesim.analysis.grouping import AnalysisResult
from edgesim.analysis.second_test_set import on_own_samples, second_test_set
from edgesim.report import users
from edgesim.report.figures import device_figures
from edgesim.report.figures.figure import Figure
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import PageStyle, PageTable
from edgesim.tasks import ACCURACY

FAIRNESS = ["method", "keep_ratio", "devices", "seeds", "mean", "mean_by_data", "worst_tenth", "gini", "jain"]
"""columns of the table shown; the figure's table has the intervals"""


def on_both(
    records: pd.DataFrame, analyse: Callable[[pd.DataFrame], AnalysisResult]
) -> list[tuple[str, str, AnalysisResult]]:
    """Set of test samples ("test" or "own"), words behind a title, and the result on it; the common set first.

    The words are empty where there is one set alone.
    """
    own = on_own_samples(records)
    if own is None:
        return [("test", "", analyse(records))]
    name = second_test_set(records[records["status"] == "ok"]).name
    return [("test", ", common test set", analyse(records)), ("own", f", {name}", analyse(own))]


def winners(source: RunTables, page_style: PageStyle) -> tuple[list[Figure], list[PageTable]]:
    """Most accurate method on each device, on both sets: figures where there are several devices, and tables."""
    metric = source.metric
    shown: list[Figure] = []
    tables: list[PageTable] = []
    best_mean = f"{'highest' if metric.higher_is_better else 'lowest'} "
    best_mean += "mean accuracy" if metric is ACCURACY else f"mean of {metric.title}"
    for of, words, found in on_both(source.records, device_winners):
        key = _key("winners", of)
        if source.records["device"].nunique() > 1:
            counts = winner_counts(found.table).table
            figure = device_figures.winner_figure(counts, page_style.styles, metric)
            shown.append(_of_set(figure, key, words))
        title = f"Method with the {best_mean} on every device{words}"
        data = _own_columns(found.table, source, of)
        tables.append(PageTable(key, title, users.with_users(data, source.devices), folded=True))
    return shown, tables


def _own_columns(table: pd.DataFrame, source: RunTables, of: str) -> pd.DataFrame:
    """Table whose column of the metric has the name of its set."""
    metric = source.metric
    return table if of == "test" else table.rename(columns={metric.column(): metric.column("own")})


def _of_set(figure: Figure, key: str, words: str) -> Figure:
    """Figure with the set of test samples in its title and note."""
    if not words:
        return figure
    on = words.removeprefix(", ")
    on = on if on.startswith("the ") else f"the {on}"
    alt = f"{figure.alt} On {on}."
    return replace(figure, key=key, title=f"{figure.title}{words}", note=f"{figure.note} On {on}.", alt=alt)


def spread(source: RunTables, page_style: PageStyle, folded_from: int) -> tuple[list[Figure], list[PageTable]]:
    """Fairness over the devices, on both sets: figures and tables of runs with several devices."""
    shown: list[Figure] = []
    tables: list[PageTable] = []
    for of, words, found in on_both(source.records, fairness):
        key = _key("fairness", of)
        if found.table["devices"].max() > 1:
            figure = device_figures.fairness_figure(found.table, page_style.styles, source.metric)
            shown.append(_of_set(figure, key, words))
        several = found.table[found.table["devices"] > 1]
        title = f"Spread of {source.metric.noun} over the devices{words}"
        tables.append(PageTable(key, title, several[FAIRNESS], len(several) > folded_from))
    return shown, tables


def best_ratio_tables(records: pd.DataFrame) -> list[PageTable]:
    """Best keep ratios of the devices of each profile by Eq. 14, on both sets."""
    return [
        PageTable(_key("best-ratios", of), f"Best keep ratio by Eq. 14{words}", found.table, folded=True)
        for of, words, found in on_both(records, _best_ratios)
    ]


def _key(name: str, of: str) -> str:
    return name if of == "test" else f"{name}-{of}"


def _best_ratios(records: pd.DataFrame) -> AnalysisResult:
    """Least, median and largest best ratio of the devices of each profile, per method and lambda.

    For both weights of the devices' risks: by data, as in the paper, and equal.
    """
    keys = ["weights", "profile", "method", "lambda"]
    by: tuple[Weighted, ...] = ("data", "equal")
    tables = [best_ratios(records, weights_of_devices=name).table.assign(weights=name) for name in by]
    found = pd.concat(tables).groupby(keys, sort=False)["keep_ratio"]
    return AnalysisResult(found.agg(devices="count", least="min", median="median", most="max").reset_index())
