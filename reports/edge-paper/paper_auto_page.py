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
from paper_points import FEWER_BALANCED, WITH_AUTO, Point, points
from paper_rows import Rows, network_name, setting_name
from study.comparisons import RANDOM
from study.wording import SHOWN, text, wrapped

from edgesim.analysis.claims import FAILS, HOLDS
from edgesim.formatting import listed, n_of

COLUMNS = ((AUTO, RANDOM), (AUTO, BEST), (SUBSET, RANDOM), (SUBSET, BEST))
"""(method, opponent) of the table of the goal"""
HEADS = ("all stored: random", "all stored: best", "subset stored: random", "subset stored: best")
EQUAL = {COST: "equal cost", RATIO: "equal ratio"}


def section(rows: Rows) -> list[str]:
    """The goal of `auto`, line by line; empty where `auto` has not run."""
    ratios = _ratios(rows)
    if not ratios:
        return []
    lines = [f"| mean above 0 (settings) | {' | '.join(HEADS)} |", "|---" * (len(HEADS) + 1) + "|"]
    lines += [_average(rows, f"equal cost, {ratio}", COST, ratio) for ratio in ratios]
    lines.append(_never(rows, "equal cost: settings shown below"))
    lines.append(_average(rows, "equal ratio", RATIO, MEAN))
    if len(rows.of(claim=ON_AVERAGE, variant="untuned")):
        lines.append(_average(rows, f"untuned ({_untuned(rows)}), equal cost", COST, MEAN, "untuned"))
    return ["## Goal of `auto`", "", *_about(rows), "", *lines]


def details(rows: Rows) -> list[str]:
    """All gaps of `auto`, and what it chose; empty where it has not run."""
    if not _ratios(rows):
        return []
    lines = ["## Gaps of `auto`", "", *_in_settings(rows), *_gaps(rows)]
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
    """Meaning of the table's columns and words, what it does, and what its loss adds."""
    there = _settings(rows, IN_SETTING, AUTO, "all")
    missing = [
        point for point in points() if point.variant == WITH_AUTO and point[:3] not in {one[:3] for one in there}
    ]
    lacking = f" {n_of(len(missing), 'setting')} missing." if missing else ""
    return wrapped(
        "Ratios under 0.8; where no verdict is told, the goal holds. *All stored*: batches have even classes; after "
        "one pass up to half of a batch is drawn by loss. *Subset stored*: one pass over all, then k stay. *Best*: the "
        "hardest opponent of a setting, chosen afterwards, against `auto`. *Shown below*: a ratio's interval lies "
        f"below 0; by chance in at most {min(100.0, 2.5 * len(there)):.0f} % of studies of {len(there)} settings. "
        f"{loss_adds(rows)}"
        f"[Each opponent, its choices and why](details.md).{lacking}"
    )


def _untuned(rows: Rows) -> str:
    """Data sets on which its constants were not tuned."""
    there = _settings(rows, IN_SETTING, AUTO, "untuned")
    return ", ".join(dict.fromkeys(SHOWN[one.data] for one in there))


def loss_adds(rows: Rows) -> str:
    """What the loss adds to batches with even classes; '' where those have not run."""
    key = {"claim": ON_AVERAGE, "variant": "all", "method": AUTO, "opponent": FEWER_BALANCED, "keep_ratio": MEAN}
    common, own = (rows.interval(at=COST + where, **key) for where in ("", OWN_MIX))
    if common is None:
        return ""
    count = int(rows.of(at=COST, **key)["settings"].iloc[0])
    return (
        f"The loss adds {text(common)} to class-even batches (equal cost, {n_of(count, 'setting')}; own mix "
        f"{text(own)}). "
    )


def _average(rows: Rows, name: str, at: str, ratio: str, group: str = "all") -> str:
    """A line that asks for a mean above 0."""
    cells, counts = [], set()
    for method, opponent in COLUMNS:
        key = {"claim": ON_AVERAGE, "variant": group, "method": method, "opponent": opponent, "keep_ratio": ratio}
        gap, own = (rows.interval(at=at + where, **key) for where in ("", OWN_MIX))
        counts |= set(rows.of(at=at, **key)["settings"].astype(int))
        words = [verdict(one, 0.0, ABOVE) for one in (gap, own) if one]
        cells.append(f"{text(gap)}{_both(words)}" if gap else "–")
    return f"| {name} ({', '.join(map(str, sorted(counts)))}) | {' | '.join(cells)} |"


def _both(words: list[str]) -> str:
    """Verdict where it is not HOLDS, and that on the own mix where it is another."""
    first = "" if words[0] == HOLDS else f" {words[0]}"
    return first + "".join(f" (own mix: {word})" for word in words[1:] if word != words[0])


def _never(rows: Rows, name: str) -> str:
    """The line that asks for no setting below 0."""
    cells = []
    for method, opponent in COLUMNS:
        claim = IN_SETTING if opponent == RANDOM else IN_SETTING_BEST
        there = _settings(rows, claim, method, "all")
        common, own = (_below(rows, claim, method, "all", where) for where in ("", OWN_MIX))
        cells.append(f"{len(common)} of {len(there)}{_where_below(rows, claim, method, len(own))}" if there else "–")
    return f"| {name} | {' | '.join(cells)} |"


def _where_below(rows: Rows, claim: str, method: str, on_own_mix: int) -> str:
    """' does not hold (at 0.1, behind importance; own mix 0)' where a setting is shown below; else ''."""
    found = rows.of(claim=claim, method=method, at=COST, verdict=FAILS)
    if found.empty:
        return ""
    names, ratios = (", ".join(sorted(set(found[column]))) for column in ("opponent", "keep_ratio"))
    return f" {FAILS} (at {ratios}, behind {names}; own mix {on_own_mix})"


def _below(rows: Rows, claim: str, method: str, group: str, where: str) -> list[Point]:
    """Settings shown below 0 at a ratio, at equal cost."""
    return _settings(Rows(rows.of(verdict=FAILS, at=COST + where)), claim, method, group)


def _in_settings(rows: Rows) -> list[str]:
    """The settings behind the lines on settings shown below, and the lowest end of their intervals."""
    lines = ["| method | opponent | shown below | shown below, own mix | lowest end |", "|---|---|---|---|---|"]
    for method, opponent in COLUMNS:
        claim = IN_SETTING if opponent == RANDOM else IN_SETTING_BEST
        lows = rows.of(claim=claim, method=method, at=COST)["low"]
        if len(lows):
            names = [", ".join(map(setting_name, _below(rows, claim, method, "all", where))) or "–"
                     for where in ("", OWN_MIX)]  # fmt: skip
            lines.append(f"| {method} | {opponent} | {' | '.join(names)} | {lows.min():+z.1f} |")
    without = [network_name(model) for model in dict.fromkeys(point.model for point in rows.settings())
               if model not in {point.model for point in _settings(rows, IN_SETTING, AUTO, "all")}]  # fmt: skip
    not_run = f"`auto` did not run with {listed(without)}. " if without else ""
    return [f"{not_run}Settings in which a ratio is shown below 0 at equal cost:", "", *lines, ""]


def _gaps(rows: Rows) -> list[str]:
    """Every group, equality, test distribution and ratio against every opponent."""
    lines: list[str] = []
    for method, opponents in OPPONENTS.items():
        columns = (*opponents, BEST)
        ran = [f"{name} {count}" for name in opponents if (count := _against(rows, method, name))]
        lines += [*wrapped(f"`{method}`; settings in which an opponent ran: {', '.join(ran)}. Means are over those."),
                  "", f"| settings | what is equal | ratio | {' | '.join(columns)} |",
                  "|---" * (len(columns) + 3) + "|"]  # fmt: skip
        for group in GROUPS:
            for at in (COST, COST + OWN_MIX, RATIO, RATIO + OWN_MIX):
                own = rows.of(claim=ON_AVERAGE, variant=group, method=method, at=at)
                for ratio in dict.fromkeys(own["keep_ratio"]):
                    gaps = [_gap(own, opponent, ratio) for opponent in columns]
                    lines.append(f"| {group} | {_equal(at)} | {ratio} | {' | '.join(gaps)} |")
        lines.append("")
    return lines


def _against(rows: Rows, method: str, opponent: str) -> int:
    """Number of settings in which an opponent ran beside a form of `auto`."""
    own = rows.of(claim=ON_AVERAGE, variant="all", method=method, opponent=opponent, keep_ratio=MEAN, at=COST)
    return int(own["settings"].iloc[0]) if len(own) else 0


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
    return [*wrapped(_chosen(rows)), "", *lines]


def _chosen(rows: Rows) -> str:
    """What it chooses, what it does not, and why."""
    found = rows.of(claim=CHOSE, method=SUBSET)
    alarms = found[found["opponent"].str.startswith("subset even")]
    told = ""
    if len(alarms):
        ends = " to ".join(dict.fromkeys(f"{100 * end:.0f}" for end in (alarms["estimate"].min(),
                                                                        alarms["estimate"].max())))  # fmt: skip
        told = (
            f"No point with `auto` has wrong labels, so the subsets even over the losses ({ends} % of the trials of a "
            "ratio) are false alarms. "
        )
    return (
        "`auto` decides from shard size, batch size, epochs, keep ratio, storage, and losses of samples that it has "
        "not trained on yet; not from test data. The score is the last training loss, which costs no pass of its own. "
        "Where all is stored, batches are drawn anew, as a subset kept once throws samples away for nothing: half of "
        "each by class-even passes, the other half too, or by loss. Fewer draws follow the losses, the more of them "
        "are above the untrained network's; the records do not say how many. "
        "Where a subset is stored and the budget has steps for one and a half passes, the "
        "first pass scores while it trains, and the subset is random with the class shares, or even over the losses "
        "where labels look wrong; otherwise nothing is scored. Subsets by loss on clean labels were dropped, as they "
        "gained nothing over random ones (`docs/concepts.md`, Choosing by device). "
        "Its constants were tuned with mlp and small-cnn on digits, Fashion-MNIST and CIFAR-10; handwriting, digits by "
        f"writers, is near them. {told}Steps in the table are the smallest to the largest."
    )
