"""Section on the kept samples: overlap of the methods, their scores, and most and least important samples."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edgesim.analysis import kept_samples
from edgesim.analysis.kept_samples import (
    dynamic_methods,
    extremes,
    kept_at,
    methods_without_extremes,
    score_histogram,
    trace_means,
)
from edgesim.formatting import n_of, number
from edgesim.ranked_samples import MAX_CLASSES
from edgesim.report.figures import kept
from edgesim.report.figures.figure import rows
from edgesim.report.fleet_sections import keeps_no_subset, without
from edgesim.report.pictures import Gallery, galleries
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import PageStyle, PageTable, Section, unless_empty
from edgesim.results.table_columns import ENDS
from edgesim.tasks import label_words

SAMPLES = ["method", "keep_ratio", "label", "class_name", "end", "rank", "index", "score", "tied", "kept_at"]
NO_TABLE = "The run folder has no table of extremes, so no samples are shown."
NO_RANKING = "No method of this run ranks samples, so none are shown."
NO_PICTURES = (
    "The samples of this run have no pictures (token ids, or few pixels in one direction); the table has indices."
)
SCORED_ELSEWHERE = "The subsets are those of {run} (pruning.scores_from), whose report shows the scored samples."
IN_MARKDOWN, METHODS_IN_MARKDOWN = 2, 3
"""samples per class and end, and methods, in Markdown: one line per method and class"""


def kept_section(source: RunTables, page_style: PageStyle) -> Section:
    """Kept samples of the methods."""
    dynamic = dynamic_methods(source.records)
    overlap = kept_samples.overlap(without(source.selections, dynamic), source.records)
    spread = score_histogram(source.scores)
    recorded = trace_means(source.traces)
    samples = _samples(source)
    found = galleries(samples, label_words(source.metric))
    shown = [kept.overlap_figure(overlap.table), kept.score_figure(spread.table)]
    shown += kept.trace_figures(recorded.table)
    table = samples[SAMPLES] if len(samples) else extremes(source.scores, source.shards).table
    tables = [PageTable("extremes", "Samples kept first and last, on one device", table, folded=True)]
    limits = (*unless_empty(overlap), *keeps_no_subset(dynamic), *spread.missing, *_no_samples(source, samples))
    nothing = "There are no subsets of two methods to compare."
    intro = "Samples that the methods keep, their overlap, and the scores that decide."
    return Section(
        "kept", "What was kept", shown, tables, nothing, intro, (page_style.method, page_style.ratio), limits,
        tuple(found), _about(source, samples, found), (_in_short(samples, source.shown or {}),),
    )  # fmt: skip


def _samples(source: RunTables) -> pd.DataFrame:
    """Table of extremes of the run, with `class_name` and `kept_at`, methods in the order of the run."""
    names = dict(zip(source.shards["label"], source.shards["class_name"].astype(str), strict=True))
    found, words = source.extremes, label_words(source.metric)
    named = found["label"].map(lambda label: names.get(label, f"{words.one} {label}"))
    return found.assign(class_name=named, kept_at=kept_at(found, source.selections))


def _no_samples(source: RunTables, samples: pd.DataFrame) -> list[str]:
    """Sentences on samples without pictures, and their reasons."""
    if not source.has_extremes:
        return [NO_TABLE] if len(source.records) else []
    if source.shown is None:
        return [NO_RANKING]
    if source.scores_from and samples.empty:
        return [SCORED_ELSEWHERE.format(run=source.scores_from)]
    sentences = methods_without_extremes(source.records, samples, source.shown["device"], source.shown["seed"])
    if len(samples) and not (samples["height"] > 0).any():
        sentences.append(NO_PICTURES)
    return sentences


def _about(source: RunTables, samples: pd.DataFrame, found: list[Gallery]) -> str:
    """Device whose samples are shown, and how to read the pictures."""
    if not found or source.shown is None:
        return ""
    device, classes, words = source.shown["device"], source.shown["classes"], label_words(source.metric)
    profile = dict(zip(source.records["device"], source.records["profile"], strict=True)).get(device, "")
    held = f"{n_of(source.shown['samples'], 'sample')} of {n_of(classes, words.one, words.many)}"
    text = f"Device {device} ({profile}) in seed {source.shown['seed']} with {held}"
    text += f". Of the devices with the most {words.many} it is the one nearest to the median size."
    text += f" Its {MAX_CLASSES} most frequent {words.many} are shown." if classes > MAX_CLASSES else ""
    ratios = sorted(set(samples["keep_ratio"]))
    at = f"at keep ratio {ratios[0]:.4g}" if len(ratios) == 1 else "at the keep ratio nearest to 0.5"
    return f"{text} Below each picture is its score, from the trial {at}; larger scores are kept first."


def _in_short(samples: pd.DataFrame, shown: dict[str, Any]) -> PageTable:
    """A row per class of the first methods: indices and scores of the most and least important samples."""
    keys = ["method", "class_name"]
    order = list(dict.fromkeys(samples["method"]))
    first = order[:METHODS_IN_MARKDOWN]
    short = samples[samples["method"].isin(first) & (samples["rank"] <= IN_MARKDOWN)]
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
    where += f", first {len(first)} of {len(order)} methods" if len(first) < len(order) else ""
    return PageTable("extremes-in-short", f"Samples kept first and last on {where}, index (score)", table)
