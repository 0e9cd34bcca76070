"""README.md of the study, from results.csv and costs.csv: claims with verdicts, tables, reasons, and what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import paper_advice
import paper_auto_page
import paper_costs
import paper_curves
import paper_reasons
import paper_results
from paper_claims import claims_table, group_table
from paper_points import MAIN, points
from paper_results import ALL, OUTCOME
from paper_rows import Rows, is_about, setting_name
from study.wording import SHOWN, side, text, wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import listed

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
    lines += [*paper_advice.section(rows), ""]
    lines += ["## Claims and verdicts", "", *claims_table(rows), "", *_after_claims(rows), ""]
    if costs is not None:
        lines += [*wrapped(_cost_in_words(costs)), ""]
    lines += [*paper_reasons.section(rows), ""]
    lines += paper_auto_page.section(rows)
    return "\n".join(lines).rstrip() + "\n"


def details(results: pd.DataFrame, costs: pd.DataFrame | None) -> str:
    """More tables: settings, devices, cost per kind of device, forms of the method, `auto` (arguments as of `page`)."""
    lines = ["# The edge paper's claims: details", "", *wrapped(
        "[The first page](README.md) says what the numbers are. Partners at equal cost: between its keep ratios the "
        "opponent's accuracy is interpolated over their energies, which favours the method; a trial that costs more "
        "than full training has full training as its partner; where the opponent's cheapest trial costs more than the "
        "method's, that one is the partner, which favours the opponent."
    ), ""]  # fmt: skip
    rows = Rows(results)
    if rows.settings():
        lines += ["## Setting by setting", "", *_settings(rows), "", "## Groups of settings, against random", "",
                  *group_table(rows), "", "## Devices differ", "", *_benefit(rows), ""]  # fmt: skip
    if costs is not None:
        lines += ["## Cost against the paper's section V-D", "", *_costs(costs), ""]
        lines += ["## Cost per kind of device", "", *_cost_table(costs), ""]
    if kept := paper_reasons.kept_table(rows):
        lines += ["## What is kept", "", *kept]
    found = paper_reasons.forms(rows)
    if found:
        lines += ["## Forms of the method", *found]
    lines += paper_auto_page.details(rows)
    return "\n".join(lines).rstrip() + "\n"


def _about(rows: Rows) -> list[str]:
    every = list(points())
    missing = [point.name for point in every if not rows.has(point)]
    gains = [rows.interval(claim="twice_the_epochs", data=one.data, model=one.model) for one in rows.settings("iid")]
    known = {f"{one.data} {one.model}": gain for one, gain in zip(rows.settings("iid"), gains, strict=True) if gain}
    lines = wrapped(
        "Does average-loss pruning on each device keep its promises? Unless another method is named, every gap is the "
        "accuracy of `importance` minus that of an opponent on the same device and seed, in points, on the common test "
        "set. ± is half of its 95 % interval over devices and seeds; **bold** leaves out 0. *Equal ratio*: as many "
        "samples trained on per epoch, on average. *Equal cost*: as much emulated energy, scoring included "
        "([partners](details.md)). *Own mix*: classes of the test set weigh as on the device. α: the Dirichlet "
        "partition's; smaller is more skewed. A claim holds where its interval lies on its side of the threshold, and "
        "does not where it lies on the other."
    )
    lines += wrapped(_size(rows))
    if known:
        told = "; ".join(f"{is_about(name)} {text(gain, False)}" for name, gain in known.items())
        grows = [is_about(name) for name, gain in known.items() if side(gain) > 0]
        open_ones = f" {listed(grows)} had not converged." if grows else ""
        lines += wrapped(
            f"Twice the epochs change full training's test accuracy (IID): {told} points ([curves](curves.svg))."
            f"{open_ones}"
        )
    lacking = ""
    if missing:
        named = len(missing) <= MOST_NAMES
        lacking = f" Missing: {', '.join(missing) if named else f'{len(missing)} points'}."
    return [*lines, *wrapped(
        f"Finished: {len(every) - len(missing)} of {len(every)} points (`reports/edge-paper/build.py --list`)."
        f"{lacking} `make reproduce-edge-paper` runs them and resumes; [results.csv](results.csv) has every number "
        "with interval, verdict and n, [details](details.md) each setting."
    )]  # fmt: skip


def _size(rows: Rows) -> str:
    """Sizes of the settings, for which all numbers are."""
    sizes = rows.of(claim="shard_size", variant=MAIN)
    even = sizes.loc[sizes["partition"] == "iid", "estimate"]
    epochs = sorted({int(value) for value in rows.of(claim="epochs", variant=MAIN)["estimate"]})
    reached = rows.of(claim="full_accuracy", variant=MAIN).groupby("data")["estimate"].mean()
    told = ", ".join(f"{SHOWN[str(data)]} {value:.0f} %" for data, value in reached.items())
    return (
        f"All sizes are small: {len(rows.settings())} settings of ten devices of five kinds, which train alone; five "
        f"seeds, three where a step takes long. Even shards hold {even.min():.0f} to {even.max():.0f} samples, so that "
        f"0.1 is some {even.mean() / 10:.0f} samples, one batch; {' or '.join(map(str, epochs))} epochs. Full training "
        f"reaches {told}. Means of settings are of these settings alone: their intervals cover no other data. "
        "All scenarios are in `scenarios/edge-paper`."
    )


def _after_claims(rows: Rows) -> list[str]:
    """What the table's numbers on time follow from, and what a device's own properties change."""
    speed, skew = (rows.interval(claim=OUTCOME + "gain_at_equal_ratio", data=ALL, opponent=name)
                   for name in ("speed", "skew"))  # fmt: skip
    epochs = " or ".join(sorted({f"{value:.0f}" for value in rows.of(claim="epochs", variant=MAIN)["estimate"]}))
    told = (
        "The rows on claims 2 and 3 are arithmetic: scoring is one epoch of E, so it takes 1/(1 + E·ratio) of the "
        f"time, makes it 1/(E·ratio) longer than random's, and puts it 1/E off proportional; here E is {epochs}. At "
        "0.5 scoring is below 5 % from 39 epochs on. Counted work and energy go with the time."
    )
    if speed and skew:
        told += (
            f" A device's gain over random at equal ratio goes with its speed by {text(_points(speed), False)} points "
            f"for twice as fast, and with its skew by {text(_points(skew), False)} from none to full, on the common "
            "test set; compared within a setting ([regression](details.md))."
        )
    return wrapped(told)


def _settings(rows: Rows) -> list[str]:
    """One row per setting: accuracy of full training, and gaps."""
    ratios = rows.ratios()
    head = ["setting", "full %", "samples", "minutes", "0.8 − full", "0.5 − full",
            *(f"ratio {ratio}" for ratio in ratios), "best, ratio", "cost", "cost, own mix", "best, cost"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in rows.settings():
        key = {"data": one.data, "partition": one.partition, "model": one.model, "variant": one.variant}
        own = {**key, "method": "importance"}
        cells = [f"{rows.number(claim='full_accuracy', **key):.1f}"]
        cells += [f"{rows.number(claim=claim, **key):.0f}" for claim in ("shard_size", "minutes")]
        cells += [text(rows.interval(claim="preserved", keep_ratio=ratio, **own)) for ratio in ("0.8", "0.5")]
        cells += [text(rows.interval(claim="above_random", keep_ratio=ratio, **own)) for ratio in ratios]
        cells.append(_best(rows, "ratio", own))
        cells += [text(rows.interval(claim="above_random_mean", at=at, **own)) for at in ("cost", "cost, own mix")]
        cells.append(_best(rows, "cost", own))
        lines.append(f"| {' | '.join([setting_name(one), *cells])} |")
    return [
        *wrapped(
            "*samples*: mean of a device; *minutes*: of all training on the machine that ran it. *ratio*: against "
            "random at equal keep ratio; the four of a row hold together. *cost* and *best*: means over the keep "
            "ratios. *best*: the hardest of fewer epochs, rs2 and online loss."
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


def _able(costs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Kinds of devices that can run both networks, and the others."""
    both = pd.concat([paper_costs.by_kind(costs, network) for network in paper_costs.NETWORKS])
    unable = sorted(set(both.loc[both["reason"].notna(), "profile"]))
    return both[~both["profile"].isin(unable)], unable


def _cost_in_words(costs: pd.DataFrame) -> str:
    """Time, energy and scoring at 0.5, for the first page."""
    both, _ = _able(costs)
    ends = {name: _ends(100 * both[f"{name}_0.5"]) for name in ("importance", "energy", "scoring")}
    longer = _ends(100 * (both["importance_0.5"] / both["random_0.5"] - 1))
    return (
        f"Planned with the paper's networks and {paper_costs.EPOCHS} epochs, on {both['profile'].nunique()} kinds of "
        f"devices: at 0.5 it takes {ends['importance']} % of full training's time and {ends['energy']} % of its "
        f"energy, {longer} % more time than random; scoring is {ends['scoring']} % of its time "
        f"({100 * paper_costs.counted(0.5, paper_costs.EPOCHS):.1f} % by section V-D). "
        "[Each kind, start-up, heat, storage](details.md)."
    )


def _costs(costs: pd.DataFrame) -> list[str]:
    """V-D against the plans, over all kinds of devices that can run both networks."""
    both, unable = _able(costs)
    lines = ["| ratio | time, % of full's | longer than random, % | energy, % of full's | scoring, % of own time | "
             "V-D, % | the same, T0 10 steps | T0 5 epochs | start-up, % of own time |", "|---" * 9 + "|"]  # fmt: skip
    for ratio in RATIOS:
        columns = ("importance", "energy", "scoring", "tiny", "long", "startup")
        ends = [_ends(100 * both[f"{name}_{ratio}"]) for name in columns]
        ends.insert(1, _ends(100 * (both[f"importance_{ratio}"] / both[f"random_{ratio}"] - 1)))
        ends.insert(4, f"{100 * paper_costs.counted(float(ratio), paper_costs.EPOCHS):.1f}")
        lines.append(f"| {' | '.join([ratio, *ends])} |")
    return [
        *wrapped(
            "Plans with the paper's networks and data on "
            f"{both['profile'].nunique()} kinds of devices ([each](details.md)). Its text gives no epochs, shard or "
            f"batch size; ours are {paper_costs.EPOCHS} epochs, 5,000 samples, batch 128, T0 one epoch, cold start. "
            "Time is linear with an offset: scoring and start-up. T0 of 10 steps costs more than "
            f"V-D counts ({100 * paper_costs.counted(0.1, paper_costs.EPOCHS, paper_costs.TINY_EPOCHS):.1f} % at 0.1): "
            "samples that no batch met need a forward pass. By heat, full training takes at most "
            f"{100 * both['slowed'].max():.1f} % longer than ten times its first tenth. Storage falls in proportion "
            f"only after scoring: until then the whole shard is there. Too little memory: "
            f"{', '.join(unable) or 'none'}."
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
            "fleet's. They compare devices of one setting, and are associations on the common test set. The twelve "
            "intervals hold one by one. At equal ratio accuracy cannot depend on speed: that number is chance."
        ),
        "",
        *lines,
    ]


def _points(gap: Interval | None) -> Interval | None:
    return None if gap is None else gap._replace(estimate=100 * gap.estimate, low=100 * gap.low, high=100 * gap.high)
