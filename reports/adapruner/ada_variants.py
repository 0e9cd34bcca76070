"""Section of AdaPruner's page on its forms: the letter of Eq. 7, and the ablations. A row per data set."""

from __future__ import annotations

from ada_points import ABLATION, DATA, LETTER, LONG_LETTER, OURS, Point, points
from ada_rows import RANDOM
from ada_words import INCOMPLETE, SHOWN, Rows, item, seeds_told, span, table, text
from study.wording import side, wrapped

from edgesim.formatting import n_of

NAMED = {
    LETTER: (OURS, "letter"),
    LONG_LETTER: (OURS, "letter"),
    ABLATION: (OURS, "no warm-up", "no classification", "no selection"),
}
"""kind -> forms whose gaps to random are on the page"""
KINDS = tuple(NAMED)
WHAT = {LETTER: "letter", LONG_LETTER: "letter, longer phase", ABLATION: "ablations"}
PAPER = (
    "*Steps*: of the pruning phase and of full training; the paper trains 39,200 (200 epochs at batch 256), and leaves "
    "the phase's open. *Gates off*: the share of open gates in the end, less the keep ratio, in points; it allows 2."
)


def variants(rows: Rows) -> list[str]:
    """What the forms of AdaPruner show."""
    designed = dict.fromkeys((point.kind, point.data) for point in points())
    asked = [(kind, data) for kind in KINDS for data in DATA if (kind, data) in designed]
    there = [one for one in asked if len(rows.of(section=one[0], data=one[1]))]
    if not there:
        return INCOMPLETE
    head = ["forms, data, seeds", "steps", "shown different from ours", "gaps not shown", "− random", "gates off"]
    below = [_name(*one) for one in there if one[0] != ABLATION and _is_below(rows, *one)]
    absent = [_name(*one) for one in asked if one not in there]
    told = [
        f"Ours and the letter are both below random ({'; '.join(below)}): it is not our departures." if below else "",
        f"Not run yet: {'; '.join(absent)}." if absent else "",
    ]
    notes = item(" ".join(filter(None, told))) if any(told) else []
    return [*wrapped(PAPER), "", *table(head, [_row(rows, *one) for one in there]), *([""] if notes else []), *notes]


def _name(kind: str, data: str) -> str:
    return f"{WHAT[kind]}: {SHOWN[data]}"


def _row(rows: Rows, kind: str, data: str) -> list[str]:
    own = rows.of(section=kind, data=data)
    phase, training = Point(data, kind, 0).regime.steps
    to_ours = own[own["opponent"] == OURS]
    decided = to_ours[(to_ours["low"] > 0) | (to_ours["high"] < 0)]
    least = []
    for seeds, part in rows.of(section=f"{kind} smallest", data=data).groupby("seeds"):
        ends = [f"{value:.1f} at {ratio}" for value, ratio in zip(part["estimate"], part["ratios"], strict=True)]
        least.append(f"{', '.join(ends)} with {n_of(int(str(int(seeds))), 'seed')}")
    told = [f"{one['method']} at {one['ratios']} ({one['estimate']:+z.1f})" for _, one in decided.iterrows()]
    low = min(own["ratios"], key=float)
    key = {"data": data, "ratios": low, "opponent": RANDOM}
    gaps = [(label, rows.interval(section=kind, method=label, **key)) for label in NAMED[kind]]
    off = [(label, rows.of(section=f"{kind} off", data=data, method=label)["estimate"]) for label in NAMED[kind]]
    return [
        f"{_name(kind, data)}, {seeds_told(own)}",
        f"{phase:,} + {training:,}",
        ", ".join(told) or ("none" if least else "–"),
        "; ".join(least) or "one seed has no interval",
        f"at {low}: " + ", ".join(f"{label} {text(gap)}" for label, gap in gaps if gap is not None),
        ", ".join(f"{label} {span(each, 1)}" for label, each in off if len(each) and kind != ABLATION) or "–",
    ]


def _is_below(rows: Rows, kind: str, data: str) -> bool:
    """True where both ours and the letter are shown below random at the smallest keep ratio."""
    low = min(rows.of(section=kind, data=data)["ratios"], key=float)
    key = {"section": kind, "data": data, "ratios": low, "opponent": RANDOM}
    gaps = [rows.interval(method=label, **key) for label in NAMED[kind]]
    return all(gap is not None and side(gap) < 0 for gap in gaps)
