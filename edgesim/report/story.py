"""The order in which a page tells what a run found."""

from __future__ import annotations

import pandas as pd

from edgesim import analysis
from edgesim.report import marks
from edgesim.report.figures import accuracy as accuracy_figures
from edgesim.report.figures import curves as curves_figures
from edgesim.report.figures import prices
from edgesim.report.sections import Choice, Section, Shown

# The ends of the interval stand behind the accuracy figure; here they would only widen the table.
SHOWN_SUMMARY = [name for name in analysis.SUMMARY_COLUMNS if name not in ("accuracy_low", "accuracy_high")]
NO_TRIAL = "There is no trial yet."
NONE_WELL = "No trial has ended well, so there is nothing to show here."


def sections(records: pd.DataFrame, curves: pd.DataFrame) -> list[Section]:
    """The parts of the page, in their order."""
    summary, gaps = analysis.summary(records), analysis.gap_to_random(records)
    costs, profiles = analysis.cost_by_ratio(records), analysis.by_profile(records)
    lines = curves_figures.curves_data(curves)
    styles = marks.method_styles(records["method"], analysis.FULL)
    # `random` comes last among the methods to choose from: it is what the others are compared with.
    methods = tuple(
        sorted(styles.keys() - {analysis.FULL}, key=lambda m: (m == analysis.RANDOM, list(styles).index(m)))
    )
    one_method = (Choice("method", "Method shown", methods),)
    cells = Shown("summary", "Every method and keep ratio", summary[SHOWN_SUMMARY])
    fits = Shown("fits", "Straight line through mean time against keep ratio", analysis.time_fits(records))
    epochs = Shown("curves", "Mean curves", analysis.curve_means(curves), folded=True)
    failed = Shown("failures", "Trials that did not end well", analysis.failures(records))
    by_profile = Shown("profiles", "Means per profile", profiles, folded=True)
    accuracy = accuracy_figures.accuracy_figure(accuracy_figures.accuracy_data(summary), styles)
    cost = [prices.cost_figure(costs, styles, kind) for kind in prices.WORDS]
    training = [curves_figures.curves_figure(lines, value) for value in analysis.CURVE_VALUES]
    per_profile = [prices.profile_figure(profiles, kind) for kind in prices.WORDS]
    no_pair = "There is no pair of a method and random with the same seed, device and keep ratio."
    no_failure = "Every trial so far ended well." if len(records) else NO_TRIAL
    trials = Shown("trials", "Every trial", records.drop(columns=["scenario"]))
    return [
        Section("summary", "Summary", [], [cells], NO_TRIAL),
        Section("accuracy", "Accuracy", [accuracy], [], NONE_WELL),
        Section("cost", "Time and energy", cost, [fits], NONE_WELL),
        Section("gap", "Against random", [accuracy_figures.gap_figure(gaps, styles)], [], no_pair),
        Section("training", "Training", training, [epochs], "No curves were recorded.", "", one_method),
        Section("profiles", "Profiles", per_profile, [by_profile], NONE_WELL, "", one_method),
        Section("failures", "Failures", [], [failed], no_failure),
        Section("trials", "Trials", [], [trials], NO_TRIAL),
    ]
