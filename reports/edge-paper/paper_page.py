"""README.md of the study, from results.csv and costs.csv: claims with verdicts, tables, reasons, and what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import paper_advice
import paper_auto_page
import paper_costs
import paper_curves
import paper_details
import paper_reasons
import paper_results
from paper_claims import claims_table, first_groups
from paper_points import MAIN, points
from paper_results import FULL_AT_HOME, OUTCOME, TWICE_THE_EPOCHS
from paper_rows import ALL, Rows, ends, epochs_told, in_points, is_about
from paper_time_page import time_in_words
from paper_times import WHOLE_MINUTES
from study.comparisons import FEWER_EPOCHS
from study.wording import side, text, wrapped

from edgesim.formatting import listed

FILE, DETAILS = "README.md", "details.md"
RS2 = "rs2"
NONE = "# The edge paper's claims, tested\n\nNo point is finished. `make reproduce-edge-paper` runs them.\n"


def write(folder: Path) -> None:
    """Write results.csv and curves.svg, and README.md."""
    paper_results.write(folder)
    paper_curves.write(folder)
    results, costs = paper_results.read(folder), paper_costs.read(folder)
    (folder / FILE).write_text(page(results, costs), encoding="utf-8")
    (folder / DETAILS).write_text(paper_details.details(results, costs), encoding="utf-8")


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
    lines += ["## Claims and verdicts", "", *claims_table(rows), "", *_after_claims(rows, costs), ""]
    lines += [*first_groups(rows), ""]
    lines += [*paper_reasons.section(rows), ""]
    lines += paper_auto_page.section(rows)
    return "\n".join(lines).rstrip() + "\n"


def _about(rows: Rows) -> list[str]:
    every = list(points())
    missing = [point.name for point in every if not rows.has(point)]
    lines = wrapped(
        "*Lightweight Edge Learning via Dataset Pruning* claims that (1) pruning by average loss (`importance`) "
        "preserves accuracy and beats random, most at small keep ratios; (2) time falls linearly with the ratio; (3) "
        "scoring is negligible; (4) all this holds for large and light networks and skewed data. The thresholds are "
        "ours. Gaps are `importance` minus an opponent on the same device and seed, in points of the common test set "
        "unless told otherwise. ± is half of the 95 % interval over devices and seeds; **bold** leaves out 0. *Equal "
        "ratio*: as many samples trained on. *Equal cost*: as much emulated energy, scoring included "
        "([partners](details.md)). *Own mix*: classes of the test set weigh as on the device. Intervals decide: a "
        "claim holds on its side of the threshold, does not hold on the other."
    )
    told = f"Finished: {len(every) - len(missing)} of {len(every)} points (`build.py --list` names the others). "
    return [*lines, "", *wrapped(
        f"{_size(rows)} {_converged(rows)} {told if missing else ''}`make reproduce-edge-paper` runs all; "
        "[results.csv](results.csv) has every number, [details](details.md) each setting and the times."
    )]  # fmt: skip


def _size(rows: Rows) -> str:
    """Sizes of the settings, for which all numbers are."""
    sizes = rows.of(claim="shard_size", variant=MAIN)
    even = sizes.loc[sizes["partition"] == "iid", "estimate"]
    minutes = rows.of(claim=WHOLE_MINUTES)["estimate"]
    within = int((minutes <= 60).sum())
    short = f", {within} of them under an hour" if within else ", over an hour each"
    reached, at_home = (rows.of(claim=claim, variant=MAIN)["estimate"] for claim in ("full_accuracy", FULL_AT_HOME))
    return (
        f"All is small: {len(rows.settings())} settings of ten devices, which train alone for "
        f"{epochs_told(rows)} epochs. Even shards hold {even.min():.0f} to {even.max():.0f} samples: 0.1 "
        "is one batch. "
        f"Five seeds; three in {len(minutes)} settings (five with all methods and ratios: [minutes](details.md){short})"
        f". Full training reaches {ends(reached, 0)} %, at the own mix {ends(at_home, 0)} %. Means are of these "
        "settings alone."
    )


def _converged(rows: Rows) -> str:
    """Range of what twice the epochs add, and where it is shown to be more than nothing."""
    gains = {f"{one.data} {one.model}": gain for one in rows.settings("iid")
             if (gain := rows.interval(claim=TWICE_THE_EPOCHS, data=one.data, model=one.model))}  # fmt: skip
    if not gains:
        return ""
    values = [gain.estimate for gain in gains.values()]
    grows = [is_about(name) for name, gain in gains.items() if side(gain) > 0]
    told = f"; {listed(grows)} had not converged" if grows else ", none shown above 0"
    together = rows.interval(claim=TWICE_THE_EPOCHS, data=ALL)
    most = max(gain.high for gain in gains.values())
    return (
        f"Twice the epochs change it by {min(values):+z.1f} to {max(values):+z.1f} points, together {text(together)} "
        f"({len(gains)} data sets and networks, IID, three seeds{told}, up to {most:+.1f} possible; "
        "[each](details.md), [curves](curves.svg))."
    )


def _after_claims(rows: Rows, costs: pd.DataFrame | None) -> list[str]:
    """Numbers of settings, what the numbers on time follow from, and what a device's own properties change."""
    told = f"{_opponents(rows)} {time_in_words(rows)}"
    speed, size, skew = (rows.interval(claim=OUTCOME + name, data=ALL, opponent=covariate) for name, covariate in (
        ("time_saved", "speed"), ("gain_at_equal_ratio", "shard_size"), ("gain_at_equal_ratio", "skew")))  # fmt: skip
    if speed and size and skew:
        told += (
            f" Twice the speed changes a device's share of time saved by {text(in_points(speed))} points; twice the "
            f"samples change the gain at equal ratio by {text(in_points(size))}, skew from none to full by "
            f"{text(in_points(skew))} (common test set; [regression](details.md))."
        )
    told = told if costs is None else f"{told} {_cost_in_words(costs)}"
    return wrapped(
        f"{told} Claim 4 against random, means of groups; bold above 0: holds, below: does not, else cannot tell. The "
        "two networks, of the paper's light and large kind, share data and partitions ([more](details.md))."
    )


def _opponents(rows: Rows) -> str:
    """Of the opponents that store all, those that ran, where it is not all of them."""
    gaps = {name: rows.of(claim="above_random", method=name, variant=MAIN) for name in (FEWER_EPOCHS, RS2)}
    ran = {name: set(zip(own["data"], own["partition"], own["model"], strict=True)) for name, own in gaps.items()}
    every = {tuple(point[:3]) for point in rows.settings()}
    alone, none = (every & ran[RS2]) - ran[FEWER_EPOCHS], every - ran[RS2] - ran[FEWER_EPOCHS]
    also = f", in {len(none)} none" if none else ""
    return f"*Hardest opponent*: of those that store all; in {len(alone)} of {len(every)} settings rs2 alone ran{also}."


def _cost_in_words(costs: pd.DataFrame) -> str:
    """Time, energy and scoring at 0.5, for the first page."""
    both, _ = paper_costs.able(costs)
    shares = {name: ends(100 * both[f"{name}_0.5"]) for name in ("importance", "scoring")}
    return (
        f"Plans of the paper's networks with {paper_costs.EPOCHS} epochs, at 0.5: {shares['importance']} % of full's "
        f"time, scoring {shares['scoring']} % (V-D's formula: "
        f"{100 * paper_costs.counted(0.5, paper_costs.EPOCHS):.1f} %; [{both['profile'].nunique()} kinds of devices, "
        "start-up, heat, storage](details.md))."
    )
