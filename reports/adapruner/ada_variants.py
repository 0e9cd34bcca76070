"""Section of AdaPruner's page on its forms: the letter of Eq. 7, and the ablations. A row per data set."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from ada_forms import own_training
from ada_points import ABLATION, DATA, LETTER, LONG_LETTER, OURS, Point, points
from ada_rows import RANDOM
from ada_words import INCOMPLETE, SHOWN, Rows, anchor, item, seeds_told, span, table, text
from study.wording import side, wrapped

from edgesim.analysis.intervals import Interval

NAMED = {
    LETTER: (OURS, "letter"),
    LONG_LETTER: (OURS, "letter"),
    ABLATION: (OURS, "no warm-up", "no classification", "no selection"),
}
"""kind -> forms whose gaps to random are on the page"""
KINDS = tuple(NAMED)
WHAT = {LETTER: "letter", LONG_LETTER: "letter, longer phase", ABLATION: "ablations"}
ABOUT = (
    "Ours departs twice from Eq. 7: the mask's step leaves out a gate's factor g·(1-g); the third term has a step of "
    "its own and holds the mask at the budget's share. A line's forms and keep ratios are compared with ours together, "
    "by accuracy; − random is at its smallest ratio. *Steps*: of the phase and of full training (the paper: 39,200, "
    "the phase open). *Gates off*: share of open gates − keep ratio, in points (the paper allows 2)."
)
TITLE = "The letter of Eq. 7 and ablations against ours"


def variants(rows: Rows) -> list[str]:
    """Whether the letter of Eq. 7 is better than ours: a list item per data set and length of the phase."""
    there, absent = _designed(rows)
    if not there:
        return INCOMPLETE
    left = [f"Not run yet: {'; '.join(absent)}."] if absent else []
    items = [line for one in there if one[0] != ABLATION for line in item(_told(rows, *one))]
    return [*wrapped(" ".join([*_answer(rows), f"{ABOUT} [Table](details.md#{anchor(TITLE)}).", *left])), "", *items]


def _answer(rows: Rows) -> list[str]:
    """Whether the letter is shown different from ours, and which of the two keeps the paper's tolerance."""
    kinds = (LETTER, LONG_LETTER)
    gaps = pd.concat([rows.of(section=kind, method="letter", opponent=OURS) for kind in kinds]).dropna(subset=["low"])
    off = pd.concat([rows.of(section=f"{kind} off") for kind in kinds])
    far = off["estimate"].abs().groupby(off["method"]).max()
    if gaps.empty or not {OURS, "letter"} <= set(far.index):
        return []
    shown = int(((gaps["low"] > 0) | (gaps["high"] < 0)).sum())
    said = f"{shown} of {len(gaps)} accuracies {'shows' if shown == 1 else 'show'}" if shown else "No accuracy shows"
    gates = f"the letter's open gates are up to {far['letter']:.1f} points off, ours up to {far[OURS]:.1f}"
    return [f"{said} a difference between ours and the letter of Eq. 7; {gates}."]


def compared_forms(rows: Rows) -> list[str]:
    """A row per kind of forms and data set, with the half widths of what is not shown different from ours."""
    there, _ = _designed(rows)
    head = ["forms, data, seeds", "steps", "shown different from ours", "± of those not shown", "− random", "gates off"]
    about = wrapped(ABOUT)
    return ["", f"## {TITLE}", "", *about, "", *table(head, [_row(rows, *one).cells for one in there])] if there else []


def _designed(rows: Rows) -> tuple[list[tuple[str, str]], list[str]]:
    """Kinds of forms with their data sets, of those that ran; and the names of the others."""
    designed = dict.fromkeys((point.kind, point.data) for point in points())
    asked = [(kind, data) for kind in KINDS for data in DATA if (kind, data) in designed]
    there = [one for one in asked if len(rows.of(section=one[0], data=one[1]))]
    return there, [_name(*one) for one in asked if one not in there]


def _told(rows: Rows, kind: str, data: str) -> str:
    """What the letter shows on one data set."""
    row = _row(rows, kind, data)
    said = f"shown different from ours: {', '.join(row.shown)}" if row.shown else "none is shown different from ours"
    said = said if row.is_known else "one seed has no interval"
    name = row.name[:1].upper() + row.name[1:]
    sentence = f"{name}, steps {row.steps}: {said}; − random {row.gaps}; gates off: {row.off}."
    return f"{sentence} {_to_random(rows, kind, data)}".rstrip()


def _name(kind: str, data: str) -> str:
    return f"{WHAT[kind]}: {SHOWN[data]}"


def _training(kind: str, data: str) -> str:
    if kind == ABLATION:
        return ""
    return ", its own training" if own_training(data, kind) else ", the paper's settings"


class _Row(NamedTuple):
    """Forms of one kind on one data set, in words."""

    name: str
    steps: str
    is_known: bool
    """True where gaps to ours have intervals"""
    shown: list[str]
    """forms that are shown different from ours"""
    halves: list[str]
    """half widths of the intervals of the others"""
    gaps: str
    """to random at the smallest keep ratio"""
    off: str
    """open gates minus keep ratio"""

    @property
    def cells(self) -> list[str]:
        """Those of a table."""
        none, no_halves = ("none", "–") if self.is_known else ("–", "one seed has no interval")
        shown, halves = ", ".join(self.shown) or none, ", ".join(self.halves) or no_halves
        return [self.name, self.steps, shown, halves, self.gaps, self.off]


def _row(rows: Rows, kind: str, data: str) -> _Row:
    own = rows.of(section=kind, data=data)
    phase, training = Point(data, kind, 0).regime.steps
    to_ours = own[own["opponent"] == OURS]
    is_shown = (to_ours["low"] > 0) | (to_ours["high"] < 0)
    shown = [f"{one['method']} at {one['ratios']} ({one['estimate']:+z.1f})" for _, one in to_ours[is_shown].iterrows()]
    left = to_ours[~is_shown & to_ours["low"].notna()]
    halves = [
        f"{span((part['high'] - part['low']) / 2, 1)} at {ratio}" for ratio, part in left.groupby("ratios", sort=False)
    ]
    gaps = [(label, text(_gap(rows, kind, data, label))) for label in NAMED[kind]]
    off = [(label, rows.of(section=f"{kind} off", data=data, method=label)["estimate"]) for label in NAMED[kind]]
    return _Row(
        name=f"{_name(kind, data)}{_training(kind, data)}, {seeds_told(own)}",
        steps=f"{phase:,} + {training:,}",
        is_known=bool(to_ours["low"].notna().any()),
        shown=shown,
        halves=halves,
        gaps=f"at {_smallest(rows, kind, data)}: " + ", ".join(f"{label} {gap}" for label, gap in gaps if gap != "–"),
        off=", ".join(f"{label} {span(each, 1, '+')}" for label, each in off if len(each) and kind != ABLATION) or "–",
    )


def _smallest(rows: Rows, kind: str, data: str) -> str:
    """The smallest keep ratio of the forms."""
    return str(min(rows.of(section=kind, data=data)["ratios"], key=float))


def _gap(rows: Rows, kind: str, data: str, label: str, opponent: str = RANDOM) -> Interval | None:
    """A form minus random or minus ours at the smallest keep ratio."""
    key = {"section": kind, "data": data, "ratios": _smallest(rows, kind, data)}
    return rows.interval(method=label, opponent=opponent, **key)


def _to_random(rows: Rows, kind: str, data: str) -> str:
    """Whether ours and the letter are shown below random at the smallest keep ratio, and what that leaves open."""
    gaps = {label: _gap(rows, kind, data, label) for label in NAMED[kind]}
    known = {label: gap for label, gap in gaps.items() if gap is not None and gap.is_known}
    if len(known) < len(gaps):
        return ""
    below, low = [label for label, gap in known.items() if side(gap) < 0], _smallest(rows, kind, data)
    if len(below) == 1:
        name = OURS if below[0] == OURS else f"the {below[0]}"
        return f"At {low} {name} alone is below random."
    if not below:
        return f"At {low} neither ours nor the letter is shown below random."
    parts = [f"At {low} both are below random"]
    between = _gap(rows, kind, data, "letter", OURS)
    if between is not None and between.is_known and side(between):
        parts.append(f"the letter minus ours is {text(between)}")
    elif between is not None and between.is_known:
        half = (between.high - between.low) / 2
        parts.append(f"a difference between them under {half:.1f} points could not be seen")
    opened = rows.interval(section=f"{kind} open", data=data, method="letter", ratios=low)
    if opened is not None:
        gates = f"{opened.estimate:.1f} % of its gates" if opened.estimate > 0 else "no gate"
        parts.append(f"the letter opens {gates} there")
    return "; ".join(parts) + "."
