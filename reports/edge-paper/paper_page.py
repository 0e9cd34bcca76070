"""README.md of the study, from results.csv and costs.csv: claims with verdicts, tables, reasons, and what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import paper_auto_page
import paper_costs
import paper_curves
import paper_reasons
import paper_results
from paper_claims import advice, claims_table
from paper_points import points
from paper_results import ALL, OUTCOME
from paper_rows import Rows, is_about, setting_name
from study.wording import text, wrapped

from edgesim.analysis.intervals import Interval

FILE, DETAILS = "README.md", "details.md"
NONE = "# The edge paper's claims, tested\n\nNo point is finished. `make reproduce-edge-paper` runs them.\n"
RATIOS = ("0.1", "0.5", "0.8")
"""of the tables of cost"""
MOST_NAMES = 6
"""missing points that are named"""
COVARIATES = {"speed": "twice as fast", "shard_size": "twice the samples", "skew": "skew 0 to 1"}
OUTCOMES = {
    "gain_at_equal_ratio": "accuracy over random, equal ratio",
    "gain_at_equal_cost": "accuracy over random, equal cost",
    "time_saved": "time saved",
    "energy_saved": "energy saved",
}


def write(folder: Path) -> None:
    """Write results.csv and curves.svg, and README.md."""
    paper_results.write(folder)
    paper_curves.write(folder)
    results, costs = paper_results.read(folder), paper_costs.read(folder)
    (folder / FILE).write_text(page(results, costs), encoding="utf-8")
    (folder / DETAILS).write_text(details(results, costs), encoding="utf-8")


def page(results: pd.DataFrame, costs: pd.DataFrame | None) -> str:
    """The page as Markdown.

    Args:
        results: of `paper_results.read`.
        costs: of `paper_costs.read`.
    """
    rows = Rows(results)
    if not rows.settings():
        return NONE
    lines = ["# The edge paper's claims, tested", "", *_about(rows), ""]
    lines += ["## Claims and verdicts", "", *claims_table(rows), ""]
    lines += ["[Setting by setting, and what a device's speed, shard and skew change](details.md).", ""]
    if costs is not None:
        lines += ["## Cost against the paper's section V-D", "", *_costs(costs), ""]
    lines += [*paper_reasons.section(rows), ""]
    lines += [*paper_auto_page.section(rows), ""]
    lines += ["## What to do", "", *advice(rows)]
    return "\n".join(lines).rstrip() + "\n"


def details(results: pd.DataFrame, costs: pd.DataFrame | None) -> str:
    """More tables: settings, devices, cost per kind of device, forms of the method, `auto` (arguments as of `page`)."""
    lines = ["# The edge paper's claims: details", "", "[The first page](README.md) says what the numbers are.", ""]
    rows = Rows(results)
    if rows.settings():
        lines += ["## Setting by setting", "", *_settings(rows), "", "## Devices differ", "", *_benefit(rows), ""]
    if costs is not None:
        lines += ["## Cost per kind of device", "", *_cost_table(costs), ""]
    found = paper_reasons.forms(rows)
    if found:
        lines += ["## Forms of the method", *found]
    lines += paper_auto_page.details(rows)
    return "\n".join(lines).rstrip() + "\n"


def _about(rows: Rows) -> list[str]:
    every = list(points())
    missing = [point.name for point in every if not rows.has(point)]
    minutes = rows.of(claim="minutes")["estimate"].sum()
    gains = [rows.interval(claim="twice_the_epochs", data=one.data, model=one.model) for one in rows.settings("iid")]
    known = {f"{one.data} {one.model}": gain for one, gain in zip(rows.settings("iid"), gains, strict=True) if gain}
    lines = wrapped(
        "Does average-loss pruning on each device keep its promises? Every gap is the accuracy of `importance` minus "
        "that of an opponent on the same device and seed, in points, on the common test set. ± is half of its 95 % "
        "interval over devices and seeds; **bold** leaves out 0. *Equal ratio*: as many samples. *Equal cost*: as much "
        "emulated energy, scoring included. *Best*: of fewer epochs, a new random subset every epoch (rs2) and online "
        "loss, which need the whole shard on the device; random does not. *Own mix*: classes of the test set weigh as "
        "on the device. α: the Dirichlet partition's; smaller is more skewed. Sizes are small: `scenarios/edge-paper` "
        "has them, and in paper.yaml the paper's, for a GPU. Ten devices of five kinds train alone; five seeds, three "
        "where a step takes long. A claim holds where its interval lies on its side of the threshold, and does not "
        "where it lies on the other. Of the settings together, those with five seeds count."
    )
    if known:
        told = "; ".join(f"{is_about(name)} {text(gain, False)}" for name, gain in known.items())
        lines += ["", *wrapped(f"Twice the epochs change full training's accuracy (IID) by: {told} points. "
                             "[Curves](curves.svg) of its training accuracy.")]  # fmt: skip
    lines += ["", *wrapped(
        f"Finished: {len(every) - len(missing)} of {len(every)} points, {minutes:.0f} minutes of training for the "
        "settings below. `make reproduce-edge-paper` runs them and resumes; [results.csv](results.csv) has every "
        "number with its interval, verdict and n."
    )]  # fmt: skip
    if len(missing) > MOST_NAMES:
        return [*lines, *wrapped(f"Missing: {len(missing)} points; `reports/edge-paper/build.py --list` names all.")]
    return [*lines, *wrapped(f"Missing: {', '.join(missing)}.")] if missing else lines


def _settings(rows: Rows) -> list[str]:
    """One row per setting: accuracy of full training, and gaps."""
    ratios = rows.ratios()
    head = ["setting", "full %", "0.8 − full", "0.5 − full", *(f"ratio {ratio}" for ratio in ratios),
            "best, ratio", "cost", "cost, own mix", "best, cost"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in rows.settings():
        key = {"data": one.data, "partition": one.partition, "model": one.model, "variant": one.variant}
        own = {**key, "method": "importance"}
        cells = [f"{rows.number(claim='full_accuracy', **key):.1f}"]
        cells += [text(rows.interval(claim="preserved", keep_ratio=ratio, **own)) for ratio in ("0.8", "0.5")]
        cells += [text(rows.interval(claim="above_random", keep_ratio=ratio, **own)) for ratio in ratios]
        cells.append(_best(rows, "ratio", own))
        cells += [text(rows.interval(claim="above_random_mean", at=at, **own)) for at in ("cost", "cost, own mix")]
        cells.append(_best(rows, "cost", own))
        lines.append(f"| {' | '.join([setting_name(one), *cells])} |")
    return [
        *wrapped(
            "*ratio*: against random at equal keep ratio; the four of a row hold together. *cost* and *best*: means "
            "over the keep ratios."
        ),
        "",
        *lines,
    ]


def _best(rows: Rows, at: str, own: dict[str, str]) -> str:
    """The gap to the best opponent, with its name."""
    found = rows.of(claim="above_best", at=at, **own)
    if found.empty:
        return "–"
    return f"{text(rows.interval(claim='above_best', at=at, **own))} {found['opponent'].iloc[0]}"


def _costs(costs: pd.DataFrame) -> list[str]:
    """V-D against the plans, over all kinds of devices that can run both networks."""
    both = pd.concat([paper_costs.by_kind(costs, network) for network in paper_costs.NETWORKS])
    unable = sorted(set(both.loc[both["reason"].notna(), "profile"]))
    both = both[~both["profile"].isin(unable)]
    lines = ["| ratio | time, % of full's | energy, % of full's | scoring, % of own time | V-D, % | "
             "the same, T0 10 steps | T0 5 epochs | start-up, % of own time |", "|---" * 8 + "|"]  # fmt: skip
    for ratio in RATIOS:
        columns = ("importance", "energy", "scoring", "tiny", "long", "startup")
        ends = [_ends(100 * both[f"{name}_{ratio}"]) for name in columns]
        ends.insert(3, f"{100 * paper_costs.counted(float(ratio), paper_costs.EPOCHS):.1f}")
        lines.append(f"| {' | '.join([ratio, *ends])} |")
    return [
        *wrapped(
            f"Plans of the paper's own configuration: 5,000 samples a device, {paper_costs.EPOCHS} epochs, T0 one "
            f"epoch, cold start; ResNet-34 and MobileNetV2 on {both['profile'].nunique()} kinds of devices "
            "([each](details.md)). Time is linear with an offset: scoring and start-up. T0 of 10 steps costs more than "
            f"V-D counts ({100 * paper_costs.counted(0.1, paper_costs.EPOCHS, paper_costs.TINY_EPOCHS):.1f} % at 0.1): "
            "samples that no batch met need a forward pass. Heat slows full training by at most "
            f"{100 * both['slowed'].max():.1f} % more than its first tenth. Storage falls in proportion only after "
            f"scoring: until then the whole shard is there. Too little memory: {', '.join(unable) or 'none'}."
        ),
        "",
        *lines,
    ]


def _ends(values: pd.Series) -> str:
    """'12.0 to 15.4'."""
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return low if low == high else f"{low} to {high}"


def _cost_table(costs: pd.DataFrame) -> list[str]:
    """One row per kind of device and network."""
    names = ("importance", "energy", "scoring", "startup")
    labels = ("time", "energy", "scoring", "start-up")
    head = ["device", "network", "full, h", *(f"{name} at {ratio}" for ratio in RATIOS for name in labels),
            "memory, MB"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    unable = []
    for network in paper_costs.NETWORKS:
        for _, one in paper_costs.by_kind(costs, network).iterrows():
            if isinstance(one["reason"], str):
                unable.append(f"{one['profile']} with {network}: {one['reason']}")
            cells = [f"{100 * one[f'{name}_{ratio}']:.1f}" for ratio in RATIOS for name in names]
            hours, memory = f"{one['full_h']:.2f}", f"{one['memory_bytes'] / 1e6:.0f}"
            lines.append(f"| {' | '.join([one['profile'], network, hours, *cells, memory])} |")
    said = "Of importance: time and energy in per cent of full training's, scoring and start-up of its own time."
    return [*wrapped(f"{said} Not feasible: {'; '.join(unable) or 'none'}."), "", *lines]


def _benefit(rows: Rows) -> list[str]:
    """Coefficients of the mixed-effects regression."""
    head = ["benefit, mean over keep ratios", *COVARIATES.values()]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for outcome, name in OUTCOMES.items():
        gaps = [rows.interval(claim=OUTCOME + outcome, data=ALL, opponent=covariate) for covariate in COVARIATES]
        if any(gaps):
            lines.append(f"| {' | '.join([name, *(text(_points(gap)) for gap in gaps)])} |")
    return [
        *wrapped(
            "Coefficients of a mixed-effects regression over all settings, in points or per cent of full training's "
            "cost, with random intercepts for setting, device and seed (`edgesim.analysis.device_benefit`). Speed is "
            "the FLOP/s that full training reaches; skew the total variation distance of a device's classes from the "
            "fleet's. They are associations. At equal ratio accuracy cannot depend on speed: that number is chance."
        ),
        "",
        *lines,
    ]


def _points(gap: Interval | None) -> Interval | None:
    return None if gap is None else gap._replace(estimate=100 * gap.estimate, low=100 * gap.low, high=100 * gap.high)
