"""Comparison with the other methods, and detection, in words and tables, from results.csv."""

from __future__ import annotations

import itertools

from ada_claims import DETECTORS, LEARNED
from ada_points import (
    DATA,
    DETECTED,
    HIGH,
    LOW,
)
from ada_ranks import LEVEL
from ada_rows import ADAPRUNER, ALL, COST, FULL, METHODS, OTHER_SET, RANDOM, RATIO
from ada_words import (
    INCOMPLETE,
    SHOWN,
    SPANS,
    Rows,
    gaps_told,
    item,
    seeds_told,
    span,
    table,
    text,
)
from study.wording import wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of

OTHER_NAMES = {"prototypes": "prototypes (its BNSL)", "importance": "importance (not its)"}
"""method -> its name in the paper's terms"""


def compared(rows: Rows) -> list[str]:
    """How far AdaPruner is from random selection and from full training, at equal ratio and at equal cost."""
    lines = []
    for (name, ratios), each in zip(SPANS.items(), (HIGH, LOW), strict=True):
        key = {"section": "gap", "method": ADAPRUNER, "ratios": ratios}
        equal = gaps_told((SHOWN[data], rows.interval(data=data, at=RATIO, opponent=RANDOM, **key)) for data in DATA)
        if equal:
            lines += item(f"AdaPruner minus random at {name}, at equal ratio: {equal}. {_at_cost(rows, key, each)}")
    return lines or INCOMPLETE


def method_means(rows: Rows) -> list[str]:
    """A table of all methods, means over the data sets, and what their ranks show."""
    gaps = rows.of(section="gap")
    own = gaps[gaps["data"].isin(DATA)]
    if own.empty:
        return []
    seeds, count = seeds_told(own), own["data"].nunique()
    head = [
        "method",
        *(f"{name}: {what}" for name in SPANS for what in ("− random", "− full", "equal cost", "rank (1: best)")),
    ]
    body = [
        [OTHER_NAMES.get(method, method), *(cell for ratios in SPANS.values() for cell in _cells(rows, method, ratios))]
        for method in METHODS
    ]
    note = f"Means of {n_of(count, 'data set')} ({seeds} each), few for ranks. {_ranks(rows)}"
    return ["", "## Methods over the data sets", "", *wrapped(note), "", *table(head, body)]


def _at_cost(rows: Rows, key: dict[str, str], ratios: tuple[float, ...]) -> str:
    """The gaps at equal cost; where every trial takes more energy than full training, those to full training."""
    below: list[tuple[str, Interval | None]] = []
    beyond: list[tuple[str, Interval | None]] = []
    shares: list[float] = []
    every = [f"{ratio:g}" for ratio in ratios]
    for data in DATA:
        least = list(rows.of(section="least energy", data=data).set_index("ratios")["estimate"].filter(every))
        gap = rows.interval(data=data, at=COST, opponent=RANDOM, **key)
        is_beyond = len(least) == len(ratios) and min(least) > 100
        (beyond if is_beyond else below).append((SHOWN[data], gap))
        if is_beyond and gap is not None:
            own = rows.of(section="energy", data=data)
            shares += list(own[own["ratios"].isin(every)]["estimate"])
    parts = [f"At equal cost: {told}."] if (told := gaps_told(below)) else []
    if told := gaps_told(beyond):
        where = f" on {' and '.join(name for name, gap in beyond if gap is not None)}" if parts else ""
        parts.append(
            f"It takes more energy than full training{where} ({span(shares)} %); against full training: {told}."
        )
    return " ".join(parts)


def _cells(rows: Rows, method: str, ratios: str) -> list[str]:
    key = {"section": "gap", "data": ALL, "method": method, "ratios": ratios}
    rank = rows.interval(section="rank", method=method, at=RATIO, ratios=ratios)
    to_random = [
        text(rows.interval(opponent=RANDOM, at=at, **key)) if method != RANDOM else "–" for at in (RATIO, COST)
    ]
    full = text(rows.interval(opponent=FULL, at=RATIO, **key))
    return [to_random[0], full, to_random[1], "–" if rank is None else f"{rank.estimate:.1f}"]


def _ranks(rows: Rows) -> str:
    """Friedman's and Nemenyi's tests in words, at both spans of keep ratios, at equal ratio and at equal cost."""
    parts: dict[tuple[str, str], list[str]] = {}
    blocks, distances = [], []
    for (name, ratios), (at, word) in itertools.product(SPANS.items(), ((RATIO, "ratio"), (COST, "cost"))):
        key = {"at": at, "ratios": ratios}
        p, distance = rows.interval(section="friedman p", **key), rows.interval(section="nemenyi", **key)
        if p is None or distance is None:
            continue
        found = {method: rows.interval(section="rank", method=method, **key) for method in METHODS}
        mean = {method: one.estimate for method, one in found.items() if one is not None}
        gap = {method: mean[method] - mean[ADAPRUNER] for method in mean if method != ADAPRUNER}
        is_shown = p.estimate <= LEVEL
        better = [one for one, value in gap.items() if is_shown and value > distance.estimate]
        worse = [one for one, value in gap.items() if is_shown and -value > distance.estimate]
        sides = [f"better than {', '.join(better)}"] if better else []
        sides += [f"worse than {', '.join(worse)}"] if worse else []
        shown = " and ".join(sides) or "neither better nor worse than any other"
        parts.setdefault((shown, name), []).append(f"{word} ({p.estimate:.2g})")
        blocks.append(p.n)
        distances.append(distance.estimate)
    if not parts:
        return "Ranks: one data set has no test."
    each: dict[str, list[str]] = {}
    for (shown, name), words in parts.items():
        each.setdefault(shown, []).append(f"at {name} and equal {' and '.join(words)}")
    told = "; ".join(f"{shown} {', '.join(where)}" for shown, where in each.items())
    tests = f"{span(blocks)} data sets; Nemenyi's critical difference {span(distances, 1)}; Friedman's p"
    return f"Ranks of all data sets together, not of seeds ({tests}): AdaPruner is shown {told}."


def detection(rows: Rows) -> str:
    """What the detectors learn here and in the paper, and what each gains by a set of the other one."""
    own = rows.of(section="detection")
    if own.empty:
        return ""
    gaps = gaps_told(
        (model, rows.interval(section="detection gap", model=model, method=OTHER_SET))
        for model in dict.fromkeys(own["model"])
    )
    learned = []
    for model, papers in DETECTORS.items():
        one = rows.interval(section="detection", model=model, method=FULL)
        if one is None:
            continue
        told = "" if one.estimate >= papers / 2 else ": hardly learned"
        told = told if one.estimate >= LEARNED else ": not learned, its rows say nothing"
        learned.append(f"{model} {one.estimate:.1f} % (the paper, VOC: {papers:.1f}){told}")
    return (
        f"mAP at 0.5, {seeds_told(own)}: all samples give {'; '.join(learned)}. Sets of the other detector − random "
        f"at {DETECTED:g}: {gaps or 'not run'}."
    )


def detected(rows: Rows) -> list[str]:
    """mAP of both detectors at each keep ratio."""
    own = rows.of(section="detection")
    sets = [
        FULL,
        RANDOM,
        "importance",
        *dict.fromkeys(m for m in own["method"] if m not in (FULL, RANDOM, "importance")),
    ]
    sets = [name for name in sets if (own["method"] == name).any()]
    body = []
    for model, ratio in dict.fromkeys(zip(own["model"], own["ratios"], strict=True)):
        cells = []
        for name in sets:
            value = rows.interval(section="detection", model=model, method=name, ratios=ratio)
            gap = rows.interval(section="detection gap", model=model, method=name, ratios=ratio)
            shown = "–" if value is None else f"{value.estimate:.1f}"
            cells.append(shown if gap is None else f"{shown} ({text(gap)})")
        body.append([f"{model}, {ratio}", *cells])
    return table(["mAP at 0.5, % (− random)", *sets], body)
