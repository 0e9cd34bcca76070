"""What a practitioner does: methods compared where all of them ran, by what a device holds and how shards differ."""

from __future__ import annotations

from paper_rows import Rows
from study.running import USERS
from study.wording import side, text, wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import listed, n_of

ALL = "all"
EVEN, SKEWED = "even", "skewed"
KINDS = {EVEN: ("iid", USERS), SKEWED: ("dirichlet-0.5", "dirichlet-0.1")}
"""how the shards of a fleet differ -> partitions"""
SETTINGS = "settings"
"""claim of results.csv: number of settings of a group"""
HELD = {
    "k samples from the start": ("random-balanced",),
    "all samples for scoring, then k": ("importance",),
    "all samples for one pass, then k": ("auto-subset",),
    "all samples": ("fewer-epochs", "rs2", "online-loss", "auto"),
}
"""what the device holds -> methods that need it"""
ADVISED = tuple(method for methods in HELD.values() for method in methods)
NAMES = {"fewer-epochs": "fewer epochs", "rs2": "a new random subset every epoch (rs2)", "online-loss": "online loss",
         "random-balanced": "random with the class shares", "auto-subset": "auto with `storage: subset`"}  # fmt: skip
COLUMNS = ((EVEN, ""), (SKEWED, ""), (SKEWED, ", own mix"))
"""kind of shards, test distribution"""
STAY = {
    "only k samples can ever be held": ("random-balanced",),
    "all samples are there once, and k can stay": ("random-balanced", "importance", "auto-subset"),
    "all samples stay": ADVISED,
}
"""situation -> methods to choose from"""
ONE_SUBSET = ("random-balanced", "importance")
"""methods whose subset serves further trainings"""


def section(rows: Rows) -> list[str]:
    """The section; empty where the methods have not all run in a setting."""
    counts = {kind: int(rows.number(claim=SETTINGS, partition=kind, variant="advised")) for kind in KINDS
              if len(rows.of(claim=SETTINGS, partition=kind, variant="advised"))}  # fmt: skip
    if not any(counts.values()):
        return []
    told = [f"{n_of(counts.get(EVEN, 0), 'setting')} with even shards (IID or by user)",
            f"{n_of(counts.get(SKEWED, 0), 'setting')} with skewed ones (α 0.5 and 0.1)"]  # fmt: skip
    lines = wrapped(
        "Points of accuracy against a static random subset at equal cost: means of the keep ratios, over the "
        f"settings in which all of these methods ran, {listed(told)}. *Own mix*: of the device's own classes. "
        "*Close*: its interval reaches the first one's."
    )
    lines += ["", "| the device holds | method | even shards | skewed, common test set | skewed, own mix |",
              "|---|---|---|---|---|"]  # fmt: skip
    for held, methods in HELD.items():
        for method in methods:
            cells = [text(_gap(rows, method, "cost", *column)) for column in COLUMNS]
            lines.append(f"| {held} | {NAMES.get(method, method)} | {' | '.join(cells)} |")
    lines.append("")
    for situation, methods in STAY.items():
        lines.append(f"- **Where {situation}**: {_choice(rows, methods, 'cost')}")
    cells = {one: ", ".join(text(_gap(rows, one, "ratio", *column), False) for column in COLUMNS) for one in ONE_SUBSET}
    told = "; ".join(f"{NAMES.get(one, one)} {gaps}" for one, gaps in cells.items())
    lines.append(
        f"- **Where one subset serves many trainings**, scoring is free, and gaps at equal ratio count ({told}, in the "
        f"order of the columns): {_choice(rows, ONE_SUBSET, 'ratio')}"
    )
    return ["## What to do", "", *lines]


def _gap(rows: Rows, method: str, at: str, kind: str, where: str) -> Interval | None:
    return rows.interval(claim="advised", variant="advised", method=method, partition=kind, at=at + where)


def _choice(rows: Rows, methods: tuple[str, ...], at: str) -> str:
    """'take X on even shards; on skewed ones Y, and for the own mix Z.'"""
    even, common, own = (_best(rows, methods, at, *column) for column in COLUMNS)
    if even == common == own:
        return f"take {even}."
    if common == own:
        return f"on even shards take {even}; on skewed ones {common}."
    return f"on even shards take {even}; on skewed ones {common} for all classes, {own} for the device's own mix."


def _best(rows: Rows, methods: tuple[str, ...], at: str, kind: str, where: str) -> str:
    """The method with the highest mean among those shown above random, and those that it is not told from."""
    gaps = {method: gap for method in methods if (gap := _gap(rows, method, at, kind, where)) is not None}
    ahead = {method: gap for method, gap in gaps.items() if side(gap) > 0}
    if not ahead:
        return "static random (nothing is shown above it)"
    first = max(ahead, key=lambda method: ahead[method].estimate)
    near = [method for method, gap in ahead.items() if method != first and gap.high >= ahead[first].low]
    also = f" (close: {listed([NAMES.get(method, method) for method in near])})" if near else ""
    return NAMES.get(first, first) + also
