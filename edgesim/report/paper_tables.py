"""Tables of a run for a paper: LaTeX (booktabs), CSV and Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from edgesim.analysis.best_methods import best_methods
from edgesim.analysis.grouping import FULL
from edgesim.config.output_files import new_folder
from edgesim.errors import EdgesimError
from edgesim.formatting import UNKNOWN, capital, n_of, number, percent, size
from edgesim.report import latex
from edgesim.results.run_folder import Run
from edgesim.tasks import Metric

FORMATS = ("latex", "csv", "md")
ENDINGS = {"latex": "tex", "csv": "csv", "md": "md"}


@dataclass(frozen=True)
class Cell:
    """Text of a cell."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class PaperTable:
    """A table as text, and its numbers."""

    key: str
    """name of its file"""
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    data: pd.DataFrame
    """its numbers, for CSV"""


def tables_of(run: Run) -> list[PaperTable]:
    """Accuracy by method and keep ratio, and costs.

    Raises:
        EdgesimError: no trial has ended well.
    """
    table, name = best_methods(run.records), str(run.info.get("scenario") or run.path.name)
    if not table["trials"].any():
        raise EdgesimError(f"{run.path} has no trial that ended well, so there is nothing to tabulate")
    trials = run.info.get("trials") or {}
    if trials.get("missing"):
        name += f" (unfinished: {len(run.records):,} of {n_of(trials['total'], 'trial')})"
    return [_accuracy(table, run.metric, name), _costs(table, name)]


def write_tables(run: Run, out: Path, form: str) -> list[Path]:
    """Write the tables of a run into a new folder.

    Args:
        run: the run.
        out: a folder that is not there yet, or empty.
        form: one of FORMATS.

    Returns: the files.

    Raises:
        EdgesimError: no trial has ended well.
        OutputError: the folder holds something, or cannot be written.
    """
    render: dict[str, Callable[[PaperTable], str]] = {"latex": as_latex, "csv": as_csv, "md": as_markdown}
    found = tables_of(run)
    names = [f"{table.key}.{ENDINGS[form]}" for table in found]
    with new_folder(out) as folder:
        for table, name in zip(found, names, strict=True):
            (folder / name).write_text(render[form](table), encoding="utf-8")
    return [out / name for name in names]


def _accuracy(table: pd.DataFrame, metric: Metric, name: str) -> PaperTable:
    """Methods by keep ratios, each a mean with half its interval."""
    ratios = sorted({float(ratio) for ratio in table.loc[table["method"] != FULL, "keep_ratio"]})
    header = ("method", *(f"keep {number(ratio)}" for ratio in ratios), *(["all data"] if _has_full(table) else []))
    rows = []
    for method in dict.fromkeys(table["method"]):
        own = table[table["method"] == method]
        cells = [Cell(str(method))]
        if method == FULL:
            cells += [Cell("")] * len(ratios) + [_mean_cell(own.iloc[0], metric)]
        else:
            by_ratio = {float(row["keep_ratio"]): row for _, row in own.iterrows()}
            cells += [_mean_cell(by_ratio[r], metric) if r in by_ratio else Cell("") for r in ratios]
            cells += [Cell("")] * _has_full(table)
        rows.append(tuple(cells))
    data = table[["method", "keep_ratio", "trials", "seeds", "value", "half_width", "is_best", "is_among_best"]]
    data = data.rename(columns={"value": metric.column()})
    return PaperTable("accuracy", _accuracy_caption(table, metric, name), header, tuple(rows), data)


def _accuracy_caption(table: pd.DataFrame, metric: Metric, name: str) -> str:
    unit = ", in %" if metric.is_share else ""
    fewest, most = int(table["trials"].min()), int(table["trials"].max())
    count = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    seeds = int(table["seeds"].max())
    text = (
        f"{capital(metric.title)} on the common test set of {name}{unit}: mean ± half the 95 % interval over "
        f"n = {count} trials (seed × device) of {n_of(seeds, 'seed')}."
    )
    if seeds < 2:
        return f"{text} One seed gives no interval, so no method is set in bold."
    return (
        f"{text} Bold at each keep ratio: the best method over the trials that all have, and those not significantly "
        "worse (paired by seed and device, 95 %, simultaneous over the methods)."
    )


def _mean_cell(row: pd.Series, metric: Metric) -> Cell:
    """A mean with half its interval."""
    value, half = float(row["value"]), float(row["half_width"])
    if pd.isna(value):
        return Cell(UNKNOWN)
    if metric.is_share:
        value, half, decimals = 100 * value, 100 * half, 1
    elif pd.isna(half) or half <= 0:
        return Cell(number(value, 3) + (" ± 0" if half == 0 else ""), bool(row["is_among_best"]))
    else:  # as many decimals as two digits of the half width have
        decimals = max(0, 1 - math.floor(math.log10(half)))
    text = f"{value:,.{decimals}f}" + ("" if pd.isna(half) else f" ± {half:,.{decimals}f}")
    return Cell(text, bool(row["is_among_best"]))


def _costs(table: pd.DataFrame, name: str) -> PaperTable:
    """Emulated time and energy, and storage, with what is saved of full training's."""
    full = table[table["method"] == FULL]
    rows = []
    for _, row in table.iterrows():
        cells = [str(row["method"]), number(float(row["keep_ratio"]))]
        for column in ("device_time_s", "device_energy_j"):
            value = float(row[column])
            base = float(full[column].iloc[0]) if len(full) else float("nan")
            cells += [number(value), UNKNOWN if pd.isna(base) else percent(1 - value / base)]
        cells.append(UNKNOWN if pd.isna(row["storage_bytes"]) else size(float(row["storage_bytes"])))
        rows.append(tuple(Cell(text) for text in cells))
    header = ("method", "keep ratio", "time (s)", "saved", "energy (J)", "saved", "storage")
    caption = (
        f"Emulated time and energy of a trial on a device of {name}, start-up and scoring included, and storage of the "
        "kept samples. Means over the trials that ended well; saved: of the mean of full training."
    )
    data = table[["method", "keep_ratio", "trials", "device_time_s", "device_energy_j", "storage_bytes"]]
    return PaperTable("costs", caption, header, tuple(rows), data)


def _has_full(table: pd.DataFrame) -> bool:
    return bool((table["method"] == FULL).any())


def as_latex(table: PaperTable) -> str:
    """A table environment with booktabs' rules, no wider than the text; it needs `\\usepackage{booktabs,graphicx}`."""
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{latex.escaped(table.caption)}}}", rf"\label{{tab:{table.key}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule",
        " & ".join(map(latex.escaped, table.header)) + r" \\", r"\midrule",
    ]  # fmt: skip
    for row in table.rows:
        cells = [(latex.escaped(cell.text), cell.bold) for cell in row]
        lines.append(" & ".join(rf"\textbf{{{text}}}" if bold else text for text, bold in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def as_markdown(table: PaperTable) -> str:
    """A pipe table below its caption."""

    def escaped(text: str) -> str:
        return "".join(f"\\{sign}" if sign in "\\|*_`<>[]" else sign for sign in text)

    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [table.caption, "", *(f"| {' | '.join(cells)} |" for cells in (map(escaped, table.header), rule))]
    for row in table.rows:
        cells = [f"**{escaped(cell.text)}**" if cell.bold else escaped(cell.text) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def as_csv(table: PaperTable) -> str:
    """The numbers of a table, unrounded."""
    return str(table.data.to_csv(index=False, lineterminator="\n"))
