"""The goal of `auto` on the pages: a table of its lines with verdicts, all gaps, and what it chose."""

from __future__ import annotations

import pandas as pd
from paper_auto import (
    AUTO,
    BEST,
    CHOSE,
    GROUPS,
    IN_SETTING,
    IN_SETTING_BEST,
    MEAN,
    ON_AVERAGE,
    OPPONENTS,
    SUBSET,
    is_in,
)
from paper_estimates import ABOVE, COST, OWN_MIX, RATIO, verdict
from paper_points import TUNED, WITH_AUTO, Point, points
from paper_rows import Rows, setting_name
from study.comparisons import RANDOM
from study.wording import SHOWN, text, wrapped

from edgesim.analysis.claims import FAILS
from edgesim.formatting import n_of

COLUMNS = ((AUTO, RANDOM), (AUTO, BEST), (SUBSET, RANDOM), (SUBSET, BEST))
"""(method, opponent) of the table of the goal"""
HEADS = ("all stored: random", "all stored: best", "subset stored: random", "subset stored: best")
MOST_NAMES = 2
"""settings that a cell names; more are counted"""
EQUAL = {COST: "equal cost", RATIO: "equal ratio"}


def section(rows: Rows) -> list[str]:
    """The goal of `auto`, line by line; empty where `auto` has not run."""
    ratios = _ratios(rows)
    if not ratios:
        return []
    lines = [f"| goal | {' | '.join(HEADS)} |", "|---" * (len(HEADS) + 1) + "|"]
    lines += [_average(rows, f"equal cost, {ratio}: above on average", COST, ratio) for ratio in ratios]
    lines.append(_never(rows, "equal cost: settings shown below, at any ratio", "all"))
    lines.append(_average(rows, "equal ratio: above on average", RATIO, MEAN))
    if len(rows.of(claim=ON_AVERAGE, variant="untuned")):
        lines.append(_average(rows, "untuned data, equal cost: above on average", COST, MEAN, "untuned"))
        lines.append(_never(rows, "untuned data, equal cost: settings shown below", "untuned"))
        lines.append(_average(rows, "untuned data, equal ratio: above on average", RATIO, MEAN, "untuned"))
    return ["## Goal of `auto`", "", *_about(rows), "", *lines]


def details(rows: Rows) -> list[str]:
    """All gaps of `auto`, and what it chose; empty where it has not run."""
    if not _ratios(rows):
        return []
    lines = ["## Gaps of `auto`", "", *_gaps(rows)]
    lines += ["## What `auto` chose", "", *_choices(rows), ""] if len(rows.of(claim=CHOSE)) else []
    return lines


def _ratios(rows: Rows) -> list[str]:
    found = rows.of(claim=ON_AVERAGE, variant="all", at=COST)["keep_ratio"]
    return sorted(set(found) - {MEAN}, key=float)


def _settings(rows: Rows, claim: str, method: str, group: str) -> list[Point]:
    """Settings in which a form of `auto` ran."""
    found = rows.of(claim=claim, method=method)[["data", "partition", "model"]].drop_duplicates()
    every = [Point(*key) for key in found.itertuples(index=False)]
    return [point for point in every if is_in(point, group)]


def _about(rows: Rows) -> list[str]:
    """Meaning of the table's columns and words."""
    there = _settings(rows, IN_SETTING, AUTO, "all")
    missing = [
        point for point in points() if point.variant == WITH_AUTO and point[:3] not in {one[:3] for one in there}
    ]
    untuned = dict.fromkeys(SHOWN[one.data] for one in there if one.data not in TUNED)
    on = f"on {', '.join(untuned)} it was not" if untuned else "no data set without tuning is finished"
    near = " (handwriting, digits by writers, is near the tuned ones)" if SHOWN["handwriting"] in untuned else ""
    lacking = f" {n_of(len(missing), 'setting')} missing." if missing else ""
    return wrapped(
        f"Gaps of `auto`, over {n_of(len(there), 'setting')}; means of settings at keep ratios under 0.8, and of "
        "ratios where none is named. *All stored*: the opponents are random, random with the class shares, importance, "
        "fewer epochs, rs2 and online loss. *Subset stored* (`storage: subset`): only k samples stay after one pass "
        "over all; the opponents are the first three. *Best*: the opponent with the highest mean in a setting, chosen "
        "afterwards, which is biased against `auto`. *Shown below*: the interval of a ratio, 0.8 included, lies below "
        "0; those of a setting hold together, and without any difference this happens in at most 2.5 % of studies. "
        "*Lowest end*: theirs. *Own mix*: told where its verdict differs. "
        f"Its constants were tuned with mlp and small-cnn on digits, Fashion-MNIST and CIFAR-10; {on}{near}. "
        f"{_chosen(rows)}[Each opponent, own mix, what it chose](details.md).{lacking}"
    )


def _chosen(rows: Rows) -> str:
    """What it chose, in one sentence."""
    found = rows.of(claim=CHOSE, method=SUBSET)
    by_loss = found[found["opponent"].str.startswith("subset even")]
    stored = rows.of(claim=CHOSE, method=AUTO)
    moves = stored["opponent"].str.startswith("batches by loss")
    if found.empty or by_loss.empty or stored.empty:
        return ""
    least = 100 * stored.loc[moves, "estimate"].groupby(stored["keep_ratio"]).sum().min()
    often = "always draws" if moves.all() else f"draws in {least:.0f} % of the trials of a ratio or more"
    ends = [100 * by_loss["estimate"].min(), 100 * by_loss["estimate"].max()]
    return (
        f"Where all is stored it {often} batches by loss after one pass; where a subset is, a random one, or one "
        f"even over the losses where labels look wrong ({ends[0]:.0f} to {ends[1]:.0f} % of the trials of a ratio). "
    )


def _average(rows: Rows, name: str, at: str, ratio: str, group: str = "all") -> str:
    """A line that asks for a mean above 0."""
    cells = []
    for method, opponent in COLUMNS:
        key = {"claim": ON_AVERAGE, "variant": group, "method": method, "opponent": opponent, "keep_ratio": ratio}
        gap, own = (rows.interval(at=at + where, **key) for where in ("", OWN_MIX))
        words = [verdict(one, 0.0, ABOVE) for one in (gap, own) if one]
        cells.append(f"{text(gap)} {_both(words)}" if gap else "–")
    return f"| {name} | {' | '.join(cells)} |"


def _both(words: list[str]) -> str:
    """The verdict on the common test set, and the other one where the own mix has another."""
    return words[0] + "".join(f" (own mix: {word})" for word in words[1:] if word != words[0])


def _never(rows: Rows, name: str, group: str) -> str:
    """The line that asks for no setting below 0."""
    cells = []
    for method, opponent in COLUMNS:
        claim = IN_SETTING if opponent == RANDOM else IN_SETTING_BEST
        there = _settings(rows, claim, method, group)
        common, own = (
            _settings(Rows(rows.of(verdict=FAILS, at=COST + where)), claim, method, group) for where in ("", OWN_MIX)
        )
        names = f" ({', '.join(map(setting_name, common))})" if 0 < len(common) <= MOST_NAMES else ""
        mix = f"; own mix: {len(own)}" if len(own) != len(common) else ""
        lows = rows.of(claim=claim, method=method, at=COST)
        lows = lows[[is_in(Point(*key), group) for key in lows[["data", "partition", "model"]].itertuples(index=False)]]
        lowest = f"; lowest end {lows['low'].min():+.1f}" if len(lows) else ""
        cells.append(f"{len(common)} of {len(there)}{names}{mix}{lowest}" if there else "–")
    return f"| {name} | {' | '.join(cells)} |"


def _gaps(rows: Rows) -> list[str]:
    """Every group, equality, test distribution and ratio against every opponent."""
    lines: list[str] = []
    for method, opponents in OPPONENTS.items():
        columns = (*opponents, BEST)
        lines += [f"`{method}`:", "", f"| settings | what is equal | ratio | {' | '.join(columns)} |",
                  "|---" * (len(columns) + 3) + "|"]  # fmt: skip
        for group in GROUPS:
            for at in (COST, COST + OWN_MIX, RATIO, RATIO + OWN_MIX):
                own = rows.of(claim=ON_AVERAGE, variant=group, method=method, at=at)
                for ratio in dict.fromkeys(own["keep_ratio"]):
                    gaps = [_gap(own, opponent, ratio) for opponent in columns]
                    lines.append(f"| {group} | {_equal(at)} | {ratio} | {' | '.join(gaps)} |")
        lines.append("")
    return lines


def _gap(own: pd.DataFrame, opponent: str, ratio: str) -> str:
    """A cell."""
    return text(Rows(own).interval(opponent=opponent, keep_ratio=ratio))


def _equal(at: str) -> str:
    """'equal cost, own mix'."""
    return EQUAL[at.removesuffix(OWN_MIX)] + (OWN_MIX if at.endswith(OWN_MIX) else "")


def _choices(rows: Rows) -> list[str]:
    """A row per form of `auto`, keep ratio and choice."""
    found = rows.of(claim=CHOSE)
    lines = ["| method | keep ratio | choice | reason | trials |", "|---|---|---|---|---|"]
    for _, one in found.iterrows():
        choice, _, why = str(one["opponent"]).partition(": ")
        share = f"{100 * one['estimate']:.0f} %"
        lines.append(f"| {one['method']} | {one['keep_ratio']} | {choice} | {why} | {share} |")
    return [
        *wrapped(
            "From the records of all its trials; steps are the smallest to the largest. It decides from shard size, "
            "batch size, epochs, keep ratio, storage, and the losses of samples that it has not trained on yet. Where "
            "all is stored, fewer draws of a step follow the losses, the more of them are above the untrained "
            "network's. The records do not say how many."
        ),
        "",
        *lines,
    ]
