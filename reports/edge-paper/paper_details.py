"""details.md of the study: tables of settings, methods, devices, costs and times that the first page leaves out."""

from __future__ import annotations

import pandas as pd
import paper_advice
import paper_auto_page
import paper_costs
import paper_reasons
from paper_claims import SECONDARY, claims_table, group_table
from paper_points import MAIN, Point
from paper_results import OUTCOME, SPREAD, TWICE_THE_EPOCHS
from paper_rows import ALL, Rows, ends, in_points, is_about, setting_name
from paper_time_page import not_run_in_words, proportional_table, seeds_in_words, times_table
from paper_times import FULL_TIME
from study.wording import text, wrapped

RATIOS = ("0.1", "0.5", "0.8")
"""of the tables of cost"""
COVARIATES = {"speed": "twice as fast", "shard_size": "twice the samples", "skew": "skew 0 to 1"}
OUTCOMES = {
    "gain_at_equal_ratio": "accuracy over random, equal ratio",
    "gain_at_equal_cost": "accuracy over random, equal cost",
    "time_saved": "time saved",
    "energy_saved": "energy saved",
}


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
        lines += [
            "## Setting by setting",
            "",
            *_settings(rows),
            "",
            *wrapped(f"{seeds_in_words(rows)} {not_run_in_words(rows)}".rstrip()),
            "",
            *wrapped(f"{_trainings(rows)}{_unlearnt(rows)}"),
            "",
            *_twice(rows),
            "",
        ]
        lines += ["## Further claims", "", *claims_table(rows, SECONDARY), ""]
        lines += ["## Groups of settings, against random", "", *group_table(rows), ""]
        lines += ["## Further methods against random", "", *paper_advice.further(rows), ""]
        lines += ["## What to do where scoring is free", "", *paper_advice.at_equal_ratio(rows), ""]
        lines += ["## Devices differ", "", *_benefit(rows), ""]
        lines += ["## Time against proportional", "", *proportional_table(rows), ""]
    if costs is not None:
        lines += ["## Cost against the paper's section V-D", "", *_costs(costs), ""]
        lines += ["## Cost per kind of device", "", *_cost_table(costs), ""]
    if kept := paper_reasons.kept_table(rows):
        lines += ["## What is kept", "", *kept]
    found = paper_reasons.forms(rows)
    if found:
        lines += ["## Forms of the method", *found, *paper_reasons.noise_table(rows), *paper_reasons.shard_table(rows)]
    lines += [*paper_auto_page.details(rows), *times_table(rows)]
    return "\n".join(lines).rstrip() + "\n"


def _trainings(rows: Rows) -> str:
    """Epochs, batch size and learning rate of every data set and network."""
    names: dict[tuple[int, int, float], dict[str, None]] = {}
    for point in rows.settings():
        own = point.training
        key = int(own["epochs"]), int(own["batch_size"]), float(own["learning_rate"])
        names.setdefault(key, {})[is_about(f"{point.data} {point.model}")] = None
    told = [f"{epochs} epochs, batches of {size}, learning rate {rate:g}: {', '.join(there)}"
            for (epochs, size, rate), there in sorted(names.items())]  # fmt: skip
    return f"Adam with a cosine schedule: {'; '.join(told)}."


def _unlearnt(rows: Rows) -> str:
    """Settings in which random's networks learn nothing at the smallest ratio."""
    found = rows.of(claim=SPREAD, variant=MAIN)
    none = found[found["estimate"] == 0]
    names = [setting_name(Point(one["data"], one["partition"], one["model"])) for _, one in none.iterrows()]
    if not names:
        return ""
    return (
        f" At {none['keep_ratio'].iloc[0]} random's networks name one class whatever the image, so that a gap of 0 is "
        f"no tie: {', '.join(names)}."
    )


def _settings(rows: Rows) -> list[str]:
    """One row per setting: accuracy of full training, and gaps."""
    ratios = rows.ratios()
    head = ["setting", "full %", "full, s", "samples", "minutes", "0.8 − full", "0.5 − full",
            *(f"ratio {ratio}" for ratio in ratios), "best, ratio", "cost", "cost, own mix", "best, cost"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in rows.settings():
        key = {"data": one.data, "partition": one.partition, "model": one.model, "variant": one.variant}
        own = {**key, "method": "importance"}
        cells = [f"{rows.number(claim='full_accuracy', **key):.1f}"]
        cells += [f"{rows.number(claim=claim, **key):.0f}" for claim in (FULL_TIME, "shard_size", "minutes")]
        cells += [text(rows.interval(claim="preserved", keep_ratio=ratio, **own)) for ratio in ("0.8", "0.5")]
        cells += [text(rows.interval(claim="above_random", keep_ratio=ratio, **own)) for ratio in ratios]
        cells.append(_best(rows, "ratio", own))
        cells += [text(rows.interval(claim="above_random_mean", at=at, **own)) for at in ("cost", "cost, own mix")]
        cells.append(_best(rows, "cost", own))
        lines.append(f"| {' | '.join([setting_name(one), *cells])} |")
    return [
        *wrapped(
            "*full, s*: its emulated time; *samples*: mean of a device; *minutes*: of all training on the machine that "
            "ran it. *ratio*: against random at equal keep ratio; the four of a row hold together. *cost* and *best*: "
            "means over the keep ratios. *best*: the hardest of fewer epochs, balanced or not, rs2 and online loss, of "
            "those that ran."
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
    both, unable = paper_costs.able(costs)
    lines = ["| ratio | time, % of full's | longer than random, % | energy, % of full's | scoring, % of own time | "
             "V-D, % | the same, T0 10 steps | T0 5 epochs | start-up, % of own time |", "|---" * 9 + "|"]  # fmt: skip
    for ratio in RATIOS:
        columns = ("importance", "energy", "scoring", "tiny", "long", "startup")
        cells = [ends(100 * both[f"{name}_{ratio}"]) for name in columns]
        cells.insert(1, ends(100 * (both[f"importance_{ratio}"] / both[f"random_{ratio}"] - 1)))
        cells.insert(4, f"{100 * paper_costs.counted(float(ratio), paper_costs.EPOCHS):.1f}")
        lines.append(f"| {' | '.join([ratio, *cells])} |")
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


def _cost_table(costs: pd.DataFrame) -> list[str]:
    """One row per kind of device and network."""
    names = ("importance", "energy", "scoring", "startup")
    labels = ("time", "energy", "scoring", "start-up")
    head = ["device", "network", "full, h", *(f"{name} at {ratio}" for ratio in RATIOS for name in labels),
            "memory, MB", "longer by heat, %", "storage while scoring, MB",
            *(f"storage at {ratio}" for ratio in RATIOS)]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    unable = []
    for network in paper_costs.NETWORKS:
        for _, one in paper_costs.by_kind(costs, network).iterrows():
            if isinstance(one["reason"], str):
                unable.append(f"{one['profile']} with {network}: {one['reason']}")
            cells = [f"{100 * one[f'{name}_{ratio}']:.1f}" for ratio in RATIOS for name in names]
            hours, memory = f"{one['full_h']:.2f}", f"{one['memory_bytes'] / 1e6:.0f}"
            memory += f" | {100 * one['slowed']:.1f} | {one['storage_bytes'] / 1e6:.1f}"
            kept = [f"{float(ratio) * one['storage_bytes'] / 1e6:.1f}" for ratio in RATIOS]
            lines.append(f"| {' | '.join([one['profile'], network, hours, *cells, memory, *kept])} |")
    said = (
        "Of importance: time and energy in per cent of full training's, scoring and start-up of its own time. Heat: "
        "how much longer full training takes than ten times its first tenth."
    )
    return [*wrapped(f"{said} Not feasible: {'; '.join(unable) or 'none'}."), "", *lines]


def _twice(rows: Rows) -> list[str]:
    """What twice the epochs add to full training, by data set and network."""
    found = rows.of(claim=TWICE_THE_EPOCHS)
    told = [f"{is_about(f'{one.data} {one.model}')} "
            f"{text(rows.interval(claim=TWICE_THE_EPOCHS, data=one.data, model=one.model))}"
            for one in found.itertuples() if one.data != ALL]  # fmt: skip
    return wrapped(f"Twice the epochs change full training's accuracy (IID, three seeds): {'; '.join(told) or '–'}.")


def _benefit(rows: Rows) -> list[str]:
    """Coefficients of the mixed-effects regression."""
    head = ["benefit, mean over keep ratios", *COVARIATES.values()]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for outcome, name in OUTCOMES.items():
        gaps = [rows.interval(claim=OUTCOME + outcome, data=ALL, opponent=covariate) for covariate in COVARIATES]
        if any(gaps):
            lines.append(f"| {' | '.join([name, *(text(in_points(gap)) for gap in gaps)])} |")
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
