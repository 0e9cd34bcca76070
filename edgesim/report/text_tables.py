"""Tables as text: for the page, for Markdown and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from edgesim.analysis.second_test_set import SecondTestSet, sets_there
from edgesim.formatting import COUNT, number, points, rounded_percent
from edgesim.report.columns import COLUMNS, column
from edgesim.report.table_column import Column
from edgesim.tasks import ACCURACY, Metric, metric_in

MAX_ROWS = 400
"""rows of one table on the page; the run folder has the rest"""


@dataclass(frozen=True)
class Table:
    """A table as text, ready for the page."""

    headers: list[tuple[str, bool]]
    """(label, is a number)"""
    rows: list[list[str]]
    rows_left_out: int


def table(data: pd.DataFrame, max_rows: int = MAX_ROWS, known: Mapping[str, Column] = COLUMNS) -> Table:
    """First rows of a DataFrame as text, by the columns known on its page."""
    shown = data.head(max_rows)
    columns = [column(name, data[name], known) for name in data.columns]
    rows = [[c.write(value) for c, value in zip(columns, row, strict=True)]
            for row in shown.itertuples(index=False, name=None)]  # fmt: skip
    return Table([(c.label, c.is_number) for c in columns], rows, len(data) - len(shown))


def glossary(used: Iterable[str], known: Mapping[str, Column] = COLUMNS) -> list[tuple[str, str, str]]:
    """(label, name in records or tables, meaning) of the columns used, in the order of those known on the page."""
    names = set(used)
    return [(c.label, name, c.meaning) for name, c in known.items() if name in names]


def terminal_rows(summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Summary as (header, rows of text) for the terminal table at the end of a run; fits 80 columns.

    Args:
        summary: the table of `analysis.summary`. Accuracies and their half intervals are in per cent and points, other
            metrics than shares in their own unit.
    """
    metric = metric_in(summary)
    value, half_width = metric.column(), metric.named("accuracy_half_width")
    has_own = "own" in sets_there(summary)
    values_of = [value, half_width, *[metric.column("own")] * has_own]
    header = [
        "method",
        "keep",
        f"test\n{_short(metric)}{' %' * metric.is_share}",
        "±",
        *[f"own\n{_short(metric)}{' %' * metric.is_share}"] * has_own,
        "time\nsaved",
        "energy\nsaved",
        "start-up\nshare",
    ]
    header += ["closed\nform", "to random,\nequal cost"]
    lost = bool((summary["failed"] + summary["infeasible"]).any())
    rows = []
    for values in summary.to_dict("records"):
        row = [
            str(values["method"]),
            number(values["keep_ratio"]),
            *(
                (points(values[name], sign=False, unit="") if metric.is_share else number(values[name], 3))
                for name in values_of
            ),
            *(rounded_percent(values[name]) for name in ("device_time_saved", "device_energy_saved", "startup_share")),
            rounded_percent(values["time_saved"]),
            metric.difference(values["gap_at_cost"], unit=""),
        ]
        if lost:
            infeasible = f" + {COUNT(values['infeasible'])} infeasible" if values["infeasible"] else ""
            row.append(COUNT(values["failed"]) + infeasible)
        rows.append(row)
    return header + ["failed"] * lost, rows


def _short(metric: Metric) -> str:
    """Heading of a narrow column of a metric."""
    return "acc." if metric is ACCURACY else metric.key if metric.is_share else metric.key.upper()


def terminal_caption(metric: Metric, second_set: SecondTestSet) -> str:
    """Sentences below the table at the end of a run."""
    own = on_common = ""
    if second_set.is_own:
        own = f" 'own' is {metric.noun} on {second_set.name}, 'test' on the common test set."
        on_common = ", on the common test set"
    named = "" if metric is ACCURACY else f"{_short(metric)} is the {metric.title} on the common test set. "
    direction = "" if metric.higher_is_better else f"A lower {metric.title} is better. "
    in_points = ", in points" if metric.is_share else ""
    return (
        f"{named}{direction}{_CAPTION}{on_common}.{own} The last column is {metric.noun} minus that of random at "
        f"the same total energy{in_points}{on_common}."
    )


_CAPTION = (
    "Time and energy are emulated, start-up and scoring included. 'closed form' is the time saved by the closed form "
    "(edge paper). It counts every FLOP at one rate and leaves out start-up, dispatch, memory traffic, reading, heat "
    "and idle power. ± is half the 95 % interval of the mean"
)
