"""Sections of AdaPruner's page, from results.csv: comparison, forms, other networks, transfer, detection."""

from __future__ import annotations

import math

from ada_geometry import BY_KEPT, COMPARED, KEPT, MEASURES, PAGES, SPACES
from ada_points import ABLATION, DATA, GEOMETRY, GEOMETRY_RATIO, HIGH, LETTER, LOW, OURS, TRANSFER, TWICE, Point, points
from ada_ranks import LEVEL
from ada_rows import ADAPRUNER, ALL, COST, FULL, METHODS, OTHER_SET, RANDOM, RATIO
from ada_words import (
    INCOMPLETE,
    SHOWN,
    SPANS,
    Rows,
    gaps_told,
    item,
    listed,
    plain,
    route,
    seeds_told,
    span,
    table,
    text,
)
from study.wording import wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of

NAMED = {LETTER: (OURS, "letter"), ABLATION: (OURS, "no warm-up", "no classification", "no selection")}
"""kind -> forms whose gaps to random are on the page"""


def compared(rows: Rows) -> list[str]:
    """Sentences on AdaPruner, and a table of all methods over the data sets."""
    lines = []
    for (name, ratios), each in zip(SPANS.items(), (HIGH, LOW), strict=True):
        key = {"section": "gap", "method": ADAPRUNER, "ratios": ratios}
        equal = gaps_told((SHOWN[data], rows.interval(data=data, at=RATIO, opponent=RANDOM, **key)) for data in DATA)
        if equal:
            lines += item(f"AdaPruner minus random at {name}, at equal ratio: {equal}. {_at_cost(rows, key, each)}")
            lines += item(_ranks(rows, name, ratios))
    if not lines:
        return INCOMPLETE
    twice = gaps_told((SHOWN[data], rows.interval(section=TWICE, data=data)) for data in DATA)
    if twice:
        lines += item(f"Twice the epochs change full training's accuracy: {twice}.")
    gaps = rows.of(section="gap")
    own = gaps[gaps["data"].isin(DATA)]
    seeds, count = seeds_told(own), own["data"].nunique()
    head = ["method", *(f"{name}: {what}" for name in SPANS for what in ("− random", "− full", "equal cost", "rank"))]
    body = [
        [method, *(cell for ratios in SPANS.values() for cell in _cells(rows, method, ratios))] for method in METHODS
    ]
    note = wrapped(
        f"Over {n_of(count, 'data set')} ({seeds} each): means of the data sets' means; ± is over data sets, which "
        "are the blocks of the ranks, too. Rank 1 is best."
    )
    return [*lines, "", *table(head, body), "", *note]


def _at_cost(rows: Rows, key: dict[str, str], ratios: tuple[float, ...]) -> str:
    """The gaps at equal cost; where every trial takes more energy than full training, those to full training."""
    below, beyond, shares = [], [], []
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
        where = "" if not parts else " on the others"
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


def _ranks(rows: Rows, name: str, ratios: str) -> str:
    """Friedman's and Nemenyi's tests in words, at equal ratio and at equal cost."""
    parts, blocks = [], ""
    for at, word in ((RATIO, "equal ratio"), (COST, "equal cost")):
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
        blocks = f"{n_of(p.n, 'data set')}; Nemenyi's critical difference {distance.estimate:.1f}"
        parts.append((shown, f"at {word} (Friedman p = {p.estimate:.2g})"))
    if not parts:
        return f"Ranks at {name}: one data set has no test."
    each = [f"{shown} {' and '.join(at for other, at in parts if other == shown)}" for shown in dict(parts)]
    return f"Ranks at {name} ({blocks}): AdaPruner is shown {'; '.join(each)}."


MEASURED = {"dunn": "Dunn index", "single_linkage": "single linkage", "centre_distance": "adjacent centres",
            "radius": "radius", "intra_distance": "within a class"}  # fmt: skip
_DUNN = 8.79e-5
IN_PAPER = {
    (KEPT, FULL): {
        "dunn": 100 * (2.05e-3 / _DUNN - 1),
        "single_linkage": 17.8,
        "centre_distance": 4.4,
        "radius": -10.9,
    },
    (BY_KEPT, FULL): {"dunn": 100 * (2.59e-4 / _DUNN - 1), "single_linkage": 31.16, "intra_distance": -3.2},
}
"""panels -> changes in %, of the section on MNIST"""


def geometry(rows: Rows) -> list[str]:
    """Changes of the classes' geometry by AdaPruner, and those that the paper reports."""
    own = rows.of(section=GEOMETRY)
    if own.empty:
        return INCOMPLETE
    data, body = own["data"].iloc[0], []
    ratio = f"{GEOMETRY_RATIO:g}"
    for measure in MEASURES:
        cells = [text(geometry_change(rows, ADAPRUNER, ratio, space, panels, measure))
                 for space in SPACES for panels in COMPARED]  # fmt: skip
        cells += [f"{told[measure]:+,.1f}" if measure in told else "–" for told in IN_PAPER.values()]
        body.append([MEASURED[measure], *cells])
    head = [f"{space}: {words}" for space in SPACES for words in COMPARED.values()]
    head += [f"the paper: {COMPARED[panels]}" for panels in IN_PAPER]
    samples = Point(data, GEOMETRY, 0).regime[0]
    note = (
        f"{SHOWN[data]} at {ratio}, {own['model'].iloc[0]}, {samples:,} samples, {seeds_told(own)}; the paper: "
        "ResNet-18, 60,000. Changes in %. *Map*: t-SNE of each set; the paper may measure there, where distances mean "
        "little. *By its network*: all samples, by the network of the kept. Fewer samples lie farther apart by "
        f"chance: *− random* decides. [Maps]({PAGES[0]}), [table]({PAGES[1]})."
    )
    return [*wrapped(note), "", *table(["AdaPruner: change of", *head], body)]


def geometry_change(
    rows: Rows, method: str, ratio: str, space: str, panels: tuple[str, str], measure: str
) -> Interval | None:
    """Change of a measure between two panels in one space, in %."""
    key = {"section": GEOMETRY, "method": method, "ratios": ratio, "opponent": panels[1]}
    return rows.interval(at=f"{space} {panels[0]} {measure}", **key)


def variants(rows: Rows, kind: str) -> list[str]:
    """What the forms of AdaPruner show, by data set."""
    there = [data for data in DATA if len(rows.of(section=kind, data=data))]
    lines = [line for data in there for line in item(_variant(rows, kind, data))]
    absent = [
        f"{SHOWN[data]} ({_regime(data, kind)})"
        for data in DATA
        if data not in there and any(p[:2] == (data, kind) for p in points())
    ]
    note = [f"Not run yet: {', '.join(absent)}."] if absent else []
    if kind == LETTER:
        note.append("The paper's training is 200 epochs of 50,000 samples at batch 256 = 39,200 steps.")
    if not there:
        return INCOMPLETE
    return [*lines, *item(" ".join(note))] if note else lines


def _regime(data: str, kind: str) -> str:
    """'2,000 samples, 20 epochs at batch 32 = 1,260 steps'."""
    samples, epochs, batch = Point(data, kind, 0).regime
    return f"{samples:,} samples, {epochs} epochs at batch {batch} = {epochs * math.ceil(samples / batch):,} steps"


def _variant(rows: Rows, kind: str, data: str) -> str:
    own = rows.of(section=kind, data=data)
    regime = f"{_regime(data, kind)}; {seeds_told(own)}"
    to_ours = own[own["opponent"] == OURS]
    decided = to_ours[(to_ours["low"] > 0) | (to_ours["high"] < 0)]
    least = []
    for seeds, part in rows.of(section=f"{kind} smallest", data=data).groupby("seeds"):
        ends = [f"{value:.1f} at {ratio}" for value, ratio in zip(part["estimate"], part["ratios"], strict=True)]
        least.append(f"{', '.join(ends)} with {n_of(int(str(int(seeds))), 'seed')}")
    told = [f"{one['method']} at {one['ratios']} ({one['estimate']:+.1f})" for _, one in decided.iterrows()]
    shown = f"shown different from ours: {', '.join(told)}" if told else "no form is shown different from ours"
    verdict = f"{shown}; gaps below {' and '.join(least)} cannot be shown" if least else "one seed has no interval"
    low = min(own["ratios"], key=float)
    at_low = [(label, rows.interval(section=kind, data=data, method=label, opponent=RANDOM, ratios=low))
              for label in NAMED[kind]]  # fmt: skip
    gaps = ", ".join(f"{label} {text(gap)}" for label, gap in at_low if gap is not None)
    return f"{SHOWN[data]}, {own['model'].iloc[0]} ({regime}): {verdict}. At {low}, minus random: {gaps}."


def crossed(rows: Rows) -> list[str]:
    """AdaPruner's gaps to random with the network that scored and with the other one, in the same seeds."""
    found = rows.of(section="cross difference", method=ADAPRUNER)
    if found.empty:
        return INCOMPLETE
    body = []
    for _, one in found.iterrows():
        key = {"data": one["data"], "method": ADAPRUNER, "ratios": one["ratios"]}
        gaps = [rows.interval(section="cross", model=one[who], **key) for who in ("model", "opponent")]
        difference = rows.interval(section="cross difference", **key)
        name = f"{SHOWN[one['data']]}, {n_of(int(one['seeds']), 'seed')}"
        cells = [f"{one[who]}: {text(gap)}" for who, gap in zip(("model", "opponent"), gaps, strict=True)]
        body.append([name, listed(one["ratios"]), *cells, text(difference)])
    head = [
        "AdaPruner − random",
        "keep ratios",
        "trained by another network",
        "trained by the one that chose",
        "difference",
    ]
    return table(head, body)


def transferred(rows: Rows) -> list[str]:
    """Accuracy after fine-tuning on the other data set, and what the fine-tuning costs."""
    own = rows.of(section=TRANSFER)
    if own.empty:
        return INCOMPLETE
    lines = []
    for data in dict.fromkeys(own["data"]):
        gaps = {
            one: rows.interval(section=TRANSFER, data=data, method=ADAPRUNER, opponent=one) for one in (RANDOM, FULL)
        }
        full = plain(rows.interval(section="transfer accuracy", data=data))
        price = [rows.interval(section=f"transfer {unit}", data=data) for unit in ("s", "J")]
        cost = " and ".join(f"{one.estimate:.1f} {unit}" for one, unit in zip(price, ("s", "J"), strict=True) if one)
        lines += item(
            f"{route(data)} ({seeds_told(own[own['data'] == data])}): gap after fine-tuning, mean over 0.6, 0.8, "
            f"0.95, to random {text(gaps[RANDOM])}, to full {text(gaps[FULL])}; pre-trained on all samples {full} %. "
            + (f"The fine-tuning takes {cost}, emulated." if cost else "")
        )
    return lines


def detected(rows: Rows) -> list[str]:
    """mAP of both detectors at each keep ratio."""
    own = rows.of(section="detection")
    if own.empty:
        return INCOMPLETE
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
    gaps = gaps_told(
        (model, rows.interval(section="detection gap", model=model, method=OTHER_SET))
        for model in dict.fromkeys(own["model"])
    )
    lines = wrapped(
        f"{seeds_told(own)}. At 0.85, sets that the other detector chose minus random: {gaps or 'not run'}."
    )
    return [*lines, "", *table(["mAP at 0.5, % (− random)", *sets], body)]
