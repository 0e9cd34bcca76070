"""The order in which a page tells what a run found."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from edgesim import analysis
from edgesim.report import marks
from edgesim.report.figures import accuracy, classes, curves, fleet, kept, prices
from edgesim.report.sections import Choice, Section, Shown
from edgesim.report.source import Source
from edgesim.report.verdict import claims_in_words

# The ends of the interval stand behind the accuracy figure; here they would only widen the table.
SHOWN_SUMMARY = [name for name in analysis.SUMMARY_COLUMNS if name not in ("accuracy_low", "accuracy_high")]
NO_TRIAL = "There is no trial yet."
NONE_WELL = "No trial has ended well, so there is nothing to show here."
RANKED = 3
"""methods from which on they are ranked"""
MIDDLE = 0.5
"""the keep_ratio shown first is the nearest to this one"""


@dataclass(frozen=True)
class Looks:
    """What the sections share: the look of the methods, and the choices that a reader has."""

    styles: marks.Styles
    method: Choice
    ratio: Choice


def sections(source: Source) -> list[Section]:
    """The parts of the page, in their order."""
    looks = _looks(source.records)
    return [
        _summary(source),
        _claims(source),
        _accuracy(source, looks),
        _against_random(source, looks),
        _training(source, looks),
        _time(source, looks),
        _devices(source, looks),
        _fleet(source, looks),
        _classes(source, looks),
        _prices(source),
        _kept(source, looks),
        _failures(source),
        Section("trials", "Trials", [], [_trials(source)], NO_TRIAL),
    ]


def _looks(records: pd.DataFrame) -> Looks:
    styles = marks.method_styles(records["method"], analysis.FULL)
    # `random` comes last among the methods to choose from: it is what the others are compared with.
    methods = sorted(styles.keys() - {analysis.FULL}, key=lambda m: (m == analysis.RANDOM, list(styles).index(m)))
    ratios = sorted({float(value) for value in records.loc[records["method"] != analysis.FULL, "keep_ratio"].dropna()})
    middle = min(ratios, key=lambda value: abs(value - MIDDLE), default=MIDDLE)
    return Looks(
        styles,
        Choice("method", "Method shown", tuple(methods)),
        Choice("ratio", "Keep ratio shown", tuple(f"{value:g}" for value in ratios), f"{middle:g}"),
    )


def _summary(source: Source) -> Section:
    cells = Shown("summary", "Every method and keep ratio", analysis.summary(source.records)[SHOWN_SUMMARY])
    return Section("summary", "Summary", [], [cells], NO_TRIAL)


def _claims(source: Source) -> Section:
    claims = analysis.paper_claims(source.records, source.shards)
    tables = [
        Shown("claims", "Claims of the edge paper, tested on this run", claims_in_words(claims.table)),
        Shown("claims-numbers", "The same in numbers", claims.table, folded=True),
    ]
    lead = "Differences are paired by seed and device; intervals are 95 %; p is corrected by Holm over the claims."
    return Section("claims", "The paper's claims", [], tables, " ".join(claims.missing), lead)


def _accuracy(source: Source, looks: Looks) -> Section:
    final = analysis.final_accuracy(source.records)
    shown = [accuracy.accuracy_figure(final.table, looks.styles, value) for value in accuracy.NOTES]
    return Section("accuracy", "Accuracy", shown, [], NONE_WELL)


def _against_random(source: Source, looks: Looks) -> Section:
    gaps = analysis.gap_to_random(source.records)
    shown = [accuracy.gap_figure(gaps, looks.styles)]
    ranked = gaps["method"].nunique() >= RANKED
    if ranked:
        shown.append(accuracy.ranking_figure(gaps, looks.styles))
    no_pair = "There is no pair of a method and random with the same seed, device and keep ratio."
    return Section("gap", "Against random", shown, [], no_pair, choices=(looks.ratio,) if ranked else ())


def _training(source: Source, looks: Looks) -> Section:
    bands = analysis.bands(source.curves)
    lines = curves.thinned(bands.table)
    # A line of one point, after the last epoch, is the accuracy section's again.
    several = lines.groupby(["method", "keep_ratio"], dropna=False)[list(analysis.CURVE_VALUES)].count().max()
    shown = [curves.curves_figure(lines, value) for value in analysis.CURVE_VALUES if several[value] > 1]
    epochs = Shown("curves", "Mean curves", bands.table, folded=True)
    nothing = "No curves were recorded."
    return Section("training", "Training", shown, [epochs], nothing, "", (looks.method,), _unless_empty(bands))


def _time(source: Source, looks: Looks) -> Section:
    costs, fits = analysis.cost_by_ratio(source.records), analysis.time_fits(source.records)
    shown = [prices.cost_figure(costs, looks.styles, kind) for kind in prices.WORDS]
    compared = analysis.compare_prices(source.records)
    shown += [prices.fit_figure(costs, fits), prices.relative_figure(compared.table)]
    return Section("time", "Time and energy", shown, [], NONE_WELL, "", (looks.method,), _unless_empty(compared))


def _devices(source: Source, looks: Looks) -> Section:
    devices, winners = analysis.by_device(source.records), analysis.winners(source.records)
    shown = [fleet.device_figure(devices.table, kind) for kind in prices.WORDS]
    for kind in prices.WORDS:
        points = analysis.accuracy_against(source.records, f"device_{kind}").table
        shown.append(fleet.pareto_figure(points, looks.styles, kind))
    if source.records["device"].nunique() > 1:
        shown.append(fleet.winner_figure(analysis.winner_counts(winners.table).table, looks.styles))
    tables = [
        Shown("devices", "Every device", devices.table, folded=True),
        Shown("winners", "Best method on every device", winners.table, folded=True),
        Shown("best-ratios", "Best keep ratio by Eq. 14", _best_ratios(source.records), folded=True),
        Shown("profiles", "Means per profile", analysis.by_profile(source.records), folded=True),
    ]
    cannot = (*_unless_empty(devices), *_unless_empty(winners))
    return Section("devices", "Devices", shown, tables, NONE_WELL, "", (looks.method,), cannot)


def _best_ratios(records: pd.DataFrame) -> pd.DataFrame:
    """The best ratios of the devices of each profile, method and lambda: least, median, most."""
    found = analysis.best_ratios(records).table.groupby(["profile", "method", "lambda"], sort=False)["keep_ratio"]
    return found.agg(devices="count", least="min", median="median", most="max").reset_index()


def _fleet(source: Source, looks: Looks) -> Section:
    last = analysis.stragglers(source.records, source.devices)
    fair = analysis.fairness(source.records)
    headroom = analysis.headroom(source.records, source.devices)
    infeasible = analysis.infeasible(source.records)
    shown = [
        fleet.straggler_figure(last.table, looks.styles),
        fleet.fairness_figure(fair.table, looks.styles),
        fleet.headroom_figure(headroom.table),
    ]
    tables = [Shown("infeasible", "What devices cannot do, and why", infeasible.table)]
    cannot = [sentence for found in (last, fair, headroom) for sentence in _unless_empty(found)]
    return Section("fleet", "The fleet together", shown, tables, NONE_WELL, "", (), tuple(dict.fromkeys(cannot)))


def _classes(source: Source, looks: Looks) -> Section:
    counts = analysis.class_counts(source.shards, source.selections)
    names = dict(zip(source.shards["label"], source.shards["class_name"].astype(str), strict=True))
    named = counts.table.assign(class_name=counts.table["label"].map(names))
    starved, skew = analysis.starved(counts.table).table, analysis.skew(source.shards)
    starved.insert(0, "class_name", starved["label"].map(names))
    shown = [
        classes.shares_figure(named, after=False),
        classes.shares_figure(named, after=True),
        classes.starved_figure(starved),
    ]
    tables = [Shown("skew", "How skewed the devices' data are", skew.table, folded=True)]
    missing = " ".join(counts.missing) or NONE_WELL
    return Section("classes", "Classes", shown, tables, missing, "", (looks.method, looks.ratio))


def _prices(source: Source) -> Section:
    parts = analysis.price_sources(source.records, source.workload, source.batch_size)
    compared = analysis.compare_prices(source.records).table.drop(columns="device")
    means = compared.groupby(["profile", "method", "keep_ratio"], sort=False).mean().reset_index()
    tables = [Shown("prices", "Prices per profile", means, folded=True)]
    shown = [prices.source_figure(parts.table)]
    lead = "The closed form takes every FLOP at one rate and every second at one power; the emulator walks every step."
    return Section("prices", "Prices against each other", shown, tables, NONE_WELL, lead, (), _unless_empty(parts))


def _kept(source: Source, looks: Looks) -> Section:
    overlap = analysis.overlap(source.selections)
    spread = analysis.score_histogram(source.scores)
    recorded = analysis.trace_means(source.traces)
    extremes = analysis.extremes(source.scores, source.shards)
    shown = [kept.overlap_figure(overlap.table), kept.score_figure(spread.table)]
    shown += kept.trace_figures(recorded.table)
    tables = [Shown("extremes", "Samples kept first and last, on one device", extremes.table, folded=True)]
    cannot = (*_unless_empty(overlap), *spread.missing)
    nothing = "No two methods chose subsets, and no scores were kept."
    return Section("kept", "What was kept", shown, tables, nothing, "", (looks.method, looks.ratio), cannot)


def _failures(source: Source) -> Section:
    failed = Shown("failures", "Trials that did not end well", analysis.failures(source.records))
    return Section("failures", "Failures", [], [failed],
                   "Every trial so far ended well." if len(source.records) else NO_TRIAL)  # fmt: skip


def _trials(source: Source) -> Shown:
    return Shown("trials", "Every trial", source.records.drop(columns=["scenario"]))


def _unless_empty(found: analysis.Answer) -> tuple[str, ...]:
    """What an answer cannot say, where it says anything; an empty one is the section's own sentence."""
    return () if found.table.empty else found.missing
