"""What a practitioner does: methods compared where all of them ran, by what a device holds and how shards differ."""

from __future__ import annotations

from paper_points import FEWER_BALANCED
from paper_rows import Rows
from study.running import USERS
from study.wording import SHOWN, side, text, wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import listed, n_of

ALL = "all"
EVEN, SKEWED = "even", "skewed"
KINDS = {EVEN: ("iid", USERS), SKEWED: ("dirichlet-0.5", "dirichlet-0.1")}
"""how the shards of a fleet differ -> partitions"""
SETTINGS, RAN_IN = "settings", "ran_in"
"""claims of results.csv: number of settings of a group; of those of the advice, the number in which a method ran"""
PAIR = "advised_pair"
"""claim of results.csv: one method's lead on random minus another's, over the settings of the advice"""
HELD = {
    "k": ("random-balanced",),
    "k after scoring": ("importance",),
    "k after one pass": ("auto-subset",),
    "all": ("fewer-epochs", "rs2", "online-loss", FEWER_BALANCED, "auto"),
}
"""what the device holds -> methods that need it"""
ADVISED = tuple(method for methods in HELD.values() for method in methods)
LATE = FEWER_BALANCED
"""method that is advised once it ran in all settings in which the others did"""
NAMES = {FEWER_BALANCED: "balanced fewer epochs",
         "fewer-epochs": "fewer epochs", "rs2": "rs2", "online-loss": "online loss",
         "random-balanced": "balanced random", "auto-subset": "auto-subset"}  # fmt: skip
FURTHER = ("importance-balanced", "importance-counts", "dual")
"""methods that ran in some of the settings of the advice"""
COLUMNS = ((EVEN, ""), (SKEWED, ""), (SKEWED, ", own mix"))
"""kind of shards, test distribution"""
STAY = {
    "Only k samples can ever be held": ("random-balanced",),
    "All samples are there once, k can stay": ("random-balanced", "importance", "auto-subset"),
    "All samples stay": ADVISED,
}
"""situation -> methods to choose from"""
ONE_SUBSET = ("random-balanced", "importance")
"""methods whose subset serves further trainings"""


def section(rows: Rows) -> list[str]:
    """The section; empty where the methods have not all run in a setting."""
    counts = {kind: int(rows.number(claim=SETTINGS, data=ALL, partition=kind, variant="advised")) for kind in KINDS
              if len(rows.of(claim=SETTINGS, data=ALL, partition=kind, variant="advised"))}  # fmt: skip
    if not any(counts.values()):
        return []
    even, skewed = (", ".join(_data(rows, kind)) for kind in KINDS)
    told = (
        f"{counts.get(EVEN, 0)} even ({even}) and {counts.get(SKEWED, 0)} skewed settings ({skewed}; Dirichlet α 0.5, "
        "0.1)"
    )
    lines = wrapped(
        f"Points against static random at equal cost, means of keep ratios and of {told}. *Balanced*: class "
        "shares kept; *rs2*: a new random subset every epoch; *auto-subset*: auto with `storage: subset`; *close*: not "
        f"shown behind the first one, pair by pair.{_apart(rows, sum(counts.values()))}"
    )
    lines += ["", "| it stores | method | even shards | skewed | skewed, own mix |",
              "|---|---|---|---|---|"]  # fmt: skip
    for held, methods in HELD.items():
        for method in methods:
            cells = [text(_lead(rows, method, "cost", *column)) for column in COLUMNS]
            if method == LATE and set(cells) == {"–"}:
                continue
            lines.append(f"| {held} | {NAMES.get(method, method)} | {' | '.join(cells)} |")
    lines.append("")
    for situation, methods in STAY.items():
        lines.append(f"- **{situation}**: {_choice(rows, methods, 'cost')}")
    return ["## What to do", "", *lines]


def _data(rows: Rows, kind: str) -> list[str]:
    """Data sets of the settings of the advice with one kind of shards."""
    found = rows.of(claim=SETTINGS, partition=kind, variant="advised")["data"]
    return [shown for data, shown in SHOWN.items() if data in set(found)]


def _apart(rows: Rows, of: int) -> str:
    """What the table leaves out: LATE while its points are missing, and methods of fewer settings."""
    ran = {name: int(rows.number(claim=RAN_IN, method=name)) for name in (LATE, *FURTHER)
           if len(rows.of(claim=RAN_IN, method=name))}  # fmt: skip
    few = [name for name, count in ran.items() if count < of]
    return f" [{n_of(len(few), 'more method')}](details.md) ran in fewer settings." if few else ""


def at_equal_ratio(rows: Rows) -> list[str]:
    """The table's gaps at equal ratio, and what to do where one subset serves many trainings."""
    lines = ["| method | even shards | skewed, common test set | skewed, own mix |", "|---|---|---|---|"]
    for method in ADVISED:
        cells = [text(_lead(rows, method, "ratio", *column)) for column in COLUMNS]
        if set(cells) != {"–"}:
            lines.append(f"| {NAMES.get(method, method)} | {' | '.join(cells)} |")
    return [*wrapped(
        "Gaps to random at equal ratio over the settings of the first page's advice. They count where one subset "
        f"serves many trainings: {_choice(rows, ONE_SUBSET, 'ratio')}"
    ), "", *lines]  # fmt: skip


def further(rows: Rows) -> list[str]:
    """Gaps to random of methods that ran in some of the settings; empty where none ran."""
    lines = []
    for method in (LATE, *FURTHER):
        for kind in KINDS:
            own = rows.of(claim="pooled", data=ALL, model=ALL, variant=ALL, partition=kind, method=method)
            if len(own):
                gaps = [text(Rows(own).interval(at=at)) for at in ("ratio", "ratio, own mix", "cost", "cost, own mix")]
                count = int(own["settings"].iloc[0])
                lines.append(f"| {NAMES.get(method, method)} | {kind} ({count}) | {' | '.join(gaps)} |")
    if not lines:
        return []
    return [*wrapped("Mean gaps to random over the settings in which each ran; in brackets their number."), "",
            "| method | shards (settings) | equal ratio | equal ratio, own mix | equal cost | equal cost, own mix |",
            "|---|---|---|---|---|---|", *lines]  # fmt: skip


def _lead(rows: Rows, method: str, at: str, kind: str, where: str) -> Interval | None:
    return rows.interval(claim="advised", variant="advised", method=method, partition=kind, at=at + where)


def _choice(rows: Rows, methods: tuple[str, ...], at: str) -> str:
    """'even shards X; skewed Y, own mix Z.'"""
    even, common, own = (_best(rows, methods, at, *column) for column in COLUMNS)
    if even == common == own:
        return f"{even}."
    if common == own:
        return f"even shards {even}; skewed {common}."
    return f"even shards {even}; skewed {common}, own mix {own}."


def _best(rows: Rows, methods: tuple[str, ...], at: str, kind: str, where: str) -> str:
    """The method with the highest mean among those shown above random, and those that are not shown behind it.

    Random where none is shown above it.
    """
    gaps = {method: gap for method in methods if (gap := _lead(rows, method, at, kind, where)) is not None}
    ahead = {method: gap for method, gap in gaps.items() if side(gap) > 0}
    if not ahead:
        return "static random"
    first = max(ahead, key=lambda method: ahead[method].estimate)
    key = {"claim": PAIR, "variant": "advised", "method": first, "partition": kind, "at": at + where}
    behind = {method: rows.interval(opponent=method, **key) for method in ahead if method != first}
    near = [method for method, gap in behind.items() if gap is None or side(gap) <= 0]
    also = f" (close: {listed([NAMES.get(method, method) for method in near])})" if near else ""
    return NAMES.get(first, first) + also
