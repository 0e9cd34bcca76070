"""The section on what was kept: how far methods agree, their scores, and the samples that they put first and last."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edgesim.analysis import kept_samples
from edgesim.analysis.kept_samples import (
    dynamic_methods,
    extremes,
    kept_at,
    score_histogram,
    trace_means,
    without_extremes,
)
from edgesim.formatting import n_of, number
from edgesim.ranked_samples import MAX_CLASSES
from edgesim.report.figures import kept
from edgesim.report.figures.figure import rows
from edgesim.report.fleet_sections import keeps_no_subset, without
from edgesim.report.pictures import Gallery, galleries
from edgesim.report.run_tables import Source
from edgesim.report.sections import PageStyle, PageTable, Section, unless_empty
from edgesim.results.table_columns import ENDS

SAMPLES = ["method", "keep_ratio", "label", "class_name", "end", "rank", "index", "score", "tied", "kept_at"]
NO_TABLE = "This copy of the run leaves out the table of ranked samples (extremes), so samples cannot be shown."
NO_RANKING = "No method of this run gives scores that rank samples, so there are none to show."
NO_PICTURES = "The samples of this run are no pictures (too few pixels in one direction): the table has their indices."
SCORED_ELSEWHERE = (
    "The subsets are those of {run} (pruning.scores_from), whose report shows the samples that it scored."
)
IN_MARKDOWN, METHODS_IN_MARKDOWN = 2, 3
"""samples per class and end, and methods, in Markdown: one line per method and class"""


def kept_section(source: Source, looks: PageStyle) -> Section:
    """What was kept."""
    dynamic = dynamic_methods(source.records)
    overlap = kept_samples.overlap(without(source.selections, dynamic), source.records)
    spread = score_histogram(source.scores)
    recorded = trace_means(source.traces)
    samples = _samples(source)
    found = galleries(samples)
    shown = [kept.overlap_figure(overlap.table), kept.score_figure(spread.table)]
    shown += kept.trace_figures(recorded.table)
    table = samples[SAMPLES] if len(samples) else extremes(source.scores, source.shards).table
    tables = [PageTable("extremes", "Samples kept first and last, on one device", table, folded=True)]
    cannot = (*unless_empty(overlap), *keeps_no_subset(dynamic), *spread.missing, *_no_samples(source, samples))
    nothing = "There are no subsets of two methods to compare."
    lead = "Which samples the methods choose, how far they agree on them, and what they go by."
    return Section(
        "kept", "What was kept", shown, tables, nothing, lead, (looks.method, looks.ratio), cannot,
        tuple(found), _about(source, samples, found), (_in_short(samples, source.shown or {}),),
    )  # fmt: skip


def _samples(source: Source) -> pd.DataFrame:
    """The run's table of extremes with `class_name` and `kept_at`, methods in the order of the run."""
    names = dict(zip(source.shards["label"], source.shards["class_name"].astype(str), strict=True))
    found = source.extremes
    named = found["label"].map(lambda label: names.get(label, f"class {label}"))
    return found.assign(class_name=named, kept_at=kept_at(found, source.selections))


def _no_samples(source: Source, samples: pd.DataFrame) -> list[str]:
    """Which samples there are no pictures of, and why."""
    if not source.has_extremes:
        return [NO_TABLE] if len(source.records) else []
    if source.shown is None:
        return [NO_RANKING]
    if source.scores_from and samples.empty:
        return [SCORED_ELSEWHERE.format(run=source.scores_from)]
    said = without_extremes(source.records, samples, source.shown["device"], source.shown["seed"])
    if len(samples) and not (samples["height"] > 0).any():
        said.append(NO_PICTURES)
    return said


def _about(source: Source, samples: pd.DataFrame, found: list[Gallery]) -> str:
    """Whose samples the pictures are, and how to read them."""
    if not found or source.shown is None:
        return ""
    device, classes = source.shown["device"], source.shown["classes"]
    profile = dict(zip(source.records["device"], source.records["profile"], strict=True)).get(device, "")
    held = f"{n_of(source.shown['samples'], 'sample')} of {n_of(classes, 'class', 'classes')}"
    said = f"Device {device} ({profile}) in seed {source.shown['seed']} with {held}"
    said += ": of the devices with the most classes the one nearest to the median size."
    said += f" Its {MAX_CLASSES} most frequent classes are shown." if classes > MAX_CLASSES else ""
    ratios = sorted(set(samples["keep_ratio"]))
    at = f"at keep ratio {ratios[0]:.4g}" if len(ratios) == 1 else "at the keep ratio nearest to 0.5"
    return f"{said} Below each picture stands its score, from the trial {at}; larger is kept first."


def _in_short(samples: pd.DataFrame, shown: dict[str, Any]) -> PageTable:
    """A row per class of the first methods: the indices and scores of the first and the last samples."""
    keys = ["method", "class_name"]
    order = list(dict.fromkeys(samples["method"]))
    told = order[:METHODS_IN_MARKDOWN]
    short = samples[samples["method"].isin(told) & (samples["rank"] <= IN_MARKDOWN)]
    short = short.sort_values(["label", "rank"], kind="stable")
    found = []
    for (method, class_name), part in short.groupby(keys, sort=False):
        texts = [
            ", ".join(f"{row['index']} ({number(row['score'])})" for row in rows(part[part["end"] == end]))
            for end in ENDS.values()
        ]
        found.append((method, class_name, *texts))
    table = pd.DataFrame(found, columns=[*keys, "most_important", "least_important"])
    table = table.sort_values("method", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    where = f"device {shown.get('device')} in seed {shown.get('seed')}"
    where += f", first {len(told)} of {len(order)} methods" if len(told) < len(order) else ""
    return PageTable("extremes-in-short", f"Samples kept first and last on {where}, index (score)", table)
