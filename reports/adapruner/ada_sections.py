"""Sections of AdaPruner's page, from results.csv: comparison, forms, other networks, transfer, detection."""

from __future__ import annotations

from ada_claims import LEARNED
from ada_geometry import BY_KEPT, COMPARED, KEPT, MEASURES, PAGES, SPACES
from ada_points import (
    DATA,
    DETECTED,
    GEOMETRY,
    GEOMETRY_RATIO,
    HIGH,
    LOW,
    TRANSFER,
    TWICE,
    Point,
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

OTHER_NAMES = {"prototypes": "prototypes (its BNSL)", "importance": "importance (not its)"}
"""method -> its name in the paper's terms"""


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
        [OTHER_NAMES.get(method, method), *(cell for ratios in SPANS.values() for cell in _cells(rows, method, ratios))]
        for method in METHODS
    ]
    note = wrapped(
        f"Means of {n_of(count, 'data set')} ({seeds} each), which are the blocks of the ranks; so few show only large "
        "differences of ranks. Rank 1 is best."
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
        cells += [f"{told[measure]:+z,.1f}" if measure in told else "–" for told in IN_PAPER.values()]
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
    """AdaPruner's gaps after fine-tuning, and what the fine-tuning takes, by pair of data sets."""
    own = rows.of(section=TRANSFER)
    if own.empty:
        return INCOMPLETE
    body = []
    for data in dict.fromkeys(own["data"]):
        key = {"section": TRANSFER, "data": data, "method": ADAPRUNER}
        price = [rows.interval(section=f"transfer {unit}", data=data) for unit in ("s", "J")]
        cost = " and ".join(f"{one.estimate:.1f} {unit}" for one, unit in zip(price, ("s", "J"), strict=True) if one)
        body.append([
            f"{route(data)}, {seeds_told(own[own['data'] == data])}",
            plain(rows.interval(section="transfer accuracy", data=data)),
            *(text(rows.interval(opponent=one, **key)) for one in (RANDOM, FULL)),
            cost or "–",
        ])  # fmt: skip
    head = ["after fine-tuning, 0.6 to 0.95", "all samples, %", "− random", "− full", "fine-tuning on a Raspberry Pi 5"]
    return table(head, body)


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
    unlearnt = [
        f"{model} has not learned here (mAP {one.estimate:.1f} % with all samples), so that its rows say nothing."
        for model in dict.fromkeys(own["model"])
        if (one := rows.interval(section="detection", model=model, method=FULL)) and one.estimate < LEARNED
    ]
    lines = wrapped(
        f"{seeds_told(own)}. At {DETECTED:g}, sets that the other detector chose minus random: {gaps or 'not run'}. "
        + " ".join(unlearnt)
    )
    return [*lines, "", *table(["mAP at 0.5, % (− random)", *sets], body)]
