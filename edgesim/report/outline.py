"""Outline of a report page: the order of its sections, and those on methods, costs and failures."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from edgesim.analysis.claims import paper_claims
from edgesim.analysis.cost_parts import cost_parts, parts_by_profile
from edgesim.analysis.curves import curve_bands, curve_values, final_accuracy
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.gains import margin_in_words
from edgesim.analysis.grouping import OPPONENTS, ok
from edgesim.analysis.means import cost_by_ratio, failures, gap_to_random, summary, time_fits
from edgesim.analysis.prices import compare_prices, device_prices, price_sources
from edgesim.analysis.second_test_set import second_test_set, sets_there
from edgesim.analysis.transferred import VALUE, transferred
from edgesim.formatting import capital
from edgesim.report import fleet_sections
from edgesim.report.figures import accuracy, curves, parts, prices
from edgesim.report.figures.figure import Figure
from edgesim.report.kept_section import kept_section
from edgesim.report.run_tables import RunTables
from edgesim.report.sections import NO_TRIAL, NONE_WELL, PageStyle, PageTable, Section, unless_empty
from edgesim.report.tradeoff_section import tradeoff_section
from edgesim.report.verdict_section import claims_in_words
from edgesim.tasks import ACCURACY

# The ends of intervals are in the table of the accuracy figure; here they would only widen the table.
HIDDEN = {"accuracy_low", "accuracy_high", "gap_at_cost_low", "gap_at_cost_high", "random_keeps"}
COMMON = ["common_trials", "common_accuracy"]
STORAGE = "fewer-epochs and rs2 keep every sample on the device, so where storage binds only random runs."
LEADS = {f"{of}gap{end}": f"{of}lead{end}" for of in ("", "local_", "own_") for end in ("", "_low", "_high")}
RANKED = 3
"""number of methods from which they are ranked"""


def sections(source: RunTables) -> list[Section]:
    """Sections of the page, in their order."""
    page_style = PageStyle.of(source.records)
    found = [
        tradeoff_section(source, page_style),
        _summary(source),
        _equal_cost(source),
        _claims(source),
        _accuracy(source, page_style),
        _against_random(source, page_style),
        *_transfer(source),
        _training(source, page_style),
        _time(source, page_style),
        fleet_sections.devices_section(source, page_style),
        fleet_sections.fleet_section(source, page_style),
        fleet_sections.classes_section(source, page_style),
        _prices(source),
        kept_section(source, page_style),
        _failures(source),
        _trials(source),
    ]
    return [replace(part, colours=page_style.colours) for part in found]


def _summary(source: RunTables) -> Section:
    every, metric = summary(source.records), source.metric
    hidden = HIDDEN if (every["common_trials"] < every["trials"]).any() else HIDDEN | set(COMMON)
    hidden = set(map(metric.named, hidden))
    mean = "mean accuracy" if metric is ACCURACY else f"mean of {metric.title}"
    cells = PageTable("summary", "Every method and keep ratio", every[[name for name in every if name not in hidden]])
    intro = (
        "Means are over the trials that ended well. Devices count equally, except in "
        f"{metric.title} by data (Eq. 10). ± 95 % "
        f"is half the interval of the {mean}, of each row by itself. {_margin_in_words(source)}"
        f"{_own_in_words(source)}"
        "Savings are against full training on the same seeds and devices, emulated, with start-up and scoring. "
        "Savings by the closed form (edge paper) leave out start-up, dispatch, memory traffic, reading and heat."
    )
    return Section("summary", "Summary", [], [cells], NO_TRIAL, intro)


def _own_in_words(source: RunTables) -> str:
    """Sentence on the devices' own test samples; empty where there are none."""
    second_set = second_test_set(ok(source.records))
    if not second_set.is_own:
        return ""
    title = capital(source.metric.title)
    return f"{title}, own test, is on {second_set.name}; the other accuracies are on the common test set. "


def _margin_in_words(source: RunTables) -> str:
    """Sentences on the direction of a metric that is no share, and on the margin, which is relative; else empty."""
    metric = source.metric
    if metric.is_share:
        return ""
    margin = margin_in_words(source.margin, metric)
    return f"Of {metric.noun}, {metric.better} is better; the margin (report.margin) is {margin}. "


def _equal_cost(source: RunTables) -> Section:
    by_energy = equal_cost(source.records)
    by_time = equal_cost(source.records, price="device_time_s")
    tables = [
        PageTable("equal-cost", "At equal total energy; each interval by itself",
                  leads(by_energy.table, "energy_each_j")),
        PageTable("equal-cost-time", "At equal total time", leads(by_time.table, "time_each_s"),
              folded=True),
    ]  # fmt: skip
    intro = (
        "Each method against opponents that spend the same cost, scoring included. They are a larger random subset, "
        "all data in fewer epochs, and a new random subset every epoch. "
        f"An opponent's {source.metric.title} comes from its own "
        "curve on the same device and seed, linear between its keep ratios and full training. Few keep ratios favour "
        "the method. "
        f"Intervals are of each row by itself. {STORAGE}"
    )
    absent = [name for name in OPPONENTS if name not in set(source.records["method"])]
    limits = (f"Not run, so not compared: {', '.join(absent)}.",) if absent and len(by_energy.table) else ()
    return Section("equal-cost", "Equal total cost", [], tables, " ".join(by_energy.missing), intro, (), limits,
                   in_markdown=())  # fmt: skip


def leads(table: pd.DataFrame, price: str) -> pd.DataFrame:
    """Table of `equal_cost` with the column names of the page."""
    return table.rename(columns={"cost": price, **LEADS})


def _claims(source: RunTables) -> Section:
    claims = paper_claims(source.records, source.shards)
    tables = [
        PageTable("claims", "Claims of the edge paper, tested on this run", claims_in_words(claims.table)),
        PageTable("claims-numbers", "Claims in numbers", claims.table, folded=True),
    ]
    intro = (
        "Differences are paired by seed and device. Intervals are 95 %, simultaneous over all claims. A claim holds, "
        "or does not hold, where its interval lies on one side of the threshold. Otherwise this run cannot tell. One "
        "seed decides no claim, and one device only for itself."
    )
    return Section("claims", "The paper's claims", [], tables, " ".join(claims.missing), intro)


def _accuracy(source: RunTables, page_style: PageStyle) -> Section:
    final = final_accuracy(source.records)
    values = accuracy.notes_of(final.table.columns)
    shown = [accuracy.accuracy_figure(final.table, page_style.styles, value) for value in values]
    title = capital(source.metric.title)
    intro = f"{title} of the trained networks at the end (edge paper, Figs. 7 and 8), on one scale."
    return Section(
        "accuracy", title, shown, [], NONE_WELL, intro + accuracy.mix_in_words(source.shards, source.metric.groups)
    )


def _against_random(source: RunTables, page_style: PageStyle) -> Section:
    gaps = gap_to_random(source.records)
    sets = [of for of in sets_there(source.records) if of != "local"]
    shown = [accuracy.gap_figure(gaps, page_style.styles, source.metric, of) for of in sets]
    # With one ratio the gap figure compares the methods already.
    ranked = gaps["method"].nunique() >= RANKED and gaps["keep_ratio"].nunique() > 1
    if ranked:
        shown.append(accuracy.ranking_figure(gaps, page_style.styles, source.metric))
    no_pair = "There is no pair of a method and random with the same seed, device and keep ratio."
    intro = "Gain by selection over a random subset (edge paper, Fig. 9). Intervals are of each ratio by itself. "
    intro += accuracy.pairing(gaps) if len(gaps) else ""
    return Section("gap", "Against random", shown, [], no_pair, intro, choices=(page_style.ratio,) if ranked else ())


def _transfer(source: RunTables) -> list[Section]:
    """Section on the fine-tuning on another data set; none where the scenario has no `transfer`."""
    if VALUE not in source.records:
        return []
    found = transferred(source.records)
    table = PageTable("transfer", "Accuracy on the other data set", found.table)
    intro = (
        "Every trained network was fine-tuned on the device's samples of another data set and tested there (AdaPruner "
        "paper, Table 2). All methods have the same fine-tuning. Its cost is a job of its own, in no other number. "
        "Intervals are 95 %, of each row by itself."
    )
    return [Section("transfer", "Transfer", [], [table], " ".join(found.missing), intro)]


def _training(source: RunTables, page_style: PageStyle) -> Section:
    bands = curve_bands(source.curves)
    lines = curves.thinned(bands.table)
    # A line of one point, after the last epoch, repeats the accuracy section.
    values = curve_values(source.curves)
    several = lines.groupby(["method", "keep_ratio"], dropna=False)[list(values)].count().max()
    shown = [curves.curves_figure(lines, value) for value in values if several[value] > 1]
    epochs = PageTable("curves", "Mean curves", bands.table, folded=True)
    nothing = "No curves were recorded."
    limits = unless_empty(bands)
    if len(bands.table) and not shown:
        limits = ("There is one epoch, so there is no curve to draw; the table has its values.",)
    intro = (
        f"Loss and {source.metric.title} over the epochs (edge paper, Figs. 3 to 6), on the subset and on the common "
    )
    intro += "test set."
    return Section("training", "Training", shown, [epochs], nothing, intro, (page_style.method,), limits)


def _time(source: RunTables, page_style: PageStyle) -> Section:
    by_ratio, fits = cost_by_ratio(source.records), time_fits(source.records)
    costs = by_ratio.table
    compared = compare_prices(source.records)
    shown = [prices.time_figure(costs, fits, page_style.styles, column) for column in prices.TIMES]
    shown += [prices.energy_figure(costs, page_style.styles, column) for column in prices.ENERGIES]
    shown = _with_parts(shown, source)
    shown.append(prices.relative_figure(compared.table))
    tables = [PageTable("fits", "Fitted lines of time against the ratio", fits, folded=True)]
    limits = [*by_ratio.missing, *unless_empty(compared)]
    if len(costs) and fits.empty:
        limits.append("A fitted line needs two keep ratios of a method, so none is shown.")
    intro = "Time and energy of one device by three clocks (edge paper, Fig. 10), each on its own scale."
    choices = (page_style.method, page_style.ratio)
    return Section("time", "Time and energy", shown, tables, NONE_WELL, intro, choices, tuple(limits),
                   in_markdown=tuple(tables))  # fmt: skip


def _with_parts(shown: list[Figure], source: RunTables) -> list[Figure]:
    """Figures of time and energy, each emulated one followed by its parts; at one ratio the parts replace it."""
    together, by_profile = cost_parts(source.records), parts_by_profile(source.records)
    found = []
    for figure in shown:
        kind = next((kind for kind in parts.KINDS if figure.key == f"{kind}-device"), None)
        consists = parts.parts_figure(together, kind) if kind else None
        # At one ratio the bars of the parts are as high as those of the whole.
        bars = any(trace["type"] == "bar" for trace in figure.spec["data"])
        if consists is None or not consists.spec["data"] or not bars:
            found.append(figure)
        if kind and consists is not None and len(consists.spec["data"]):
            found.append(consists)
            if by_profile["profile"].nunique() > 1:
                found.append(parts.profiles_figure(by_profile, kind))
    return found


def _prices(source: RunTables) -> Section:
    causes = price_sources(source.records, source.workload, source.batch_size)
    compared = compare_prices(source.records).table
    of_devices = device_prices(compared).table
    means = compared.drop(columns="device").groupby(["profile", "method", "keep_ratio"], sort=False).mean()
    tables = [
        PageTable("device-prices", "Prices of every device", of_devices),
        PageTable("prices", "Prices per profile", means.reset_index(), folded=True),
    ]
    shown = [prices.factor_figure(of_devices), prices.source_figure(causes.table)]
    intro = (
        "The closed form prices every FLOP at one rate and every second at one power; the emulator walks every step. "
        "Errors are those of each price in predicting the training time that pruning leaves on the simulating machine."
    )
    return Section("prices", "Prices against each other", shown, tables, NONE_WELL, intro, (), unless_empty(causes))


def _failures(source: RunTables) -> Section:
    failed = PageTable("failures", "Trials that did not end well", failures(source.records))
    return Section("failures", "Failures", [], [failed],
                   "Every trial so far ended well." if len(source.records) else NO_TRIAL)  # fmt: skip


def _trials(source: RunTables) -> Section:
    records = source.records
    if "own_keep_ratio" in records:  # under a rule keep_ratio is the method's mean; this table has each trial's own
        records = records.assign(keep_ratio=records["own_keep_ratio"]).drop(columns=["own_keep_ratio"])
    every = PageTable("trials", "Every trial", records.drop(columns=["scenario"]))
    intro = "One row per seed, device, method and keep ratio, as in records.parquet."
    return Section("trials", "Trials", [], [every], NO_TRIAL, intro)
