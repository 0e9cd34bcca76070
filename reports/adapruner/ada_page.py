"""README.md of AdaPruner's study, from results.csv and costs.csv. Every sentence follows from their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ada_costs
import ada_records
import ada_results
import numpy as np
import pandas as pd
from ada_points import (
    ABLATION,
    ABLATIONS,
    COMPARE,
    CROSS,
    DATA,
    DETECTION,
    HIGH,
    LETTER,
    LETTERS,
    LOW,
    OURS,
    TARGETS,
    TRANSFER,
    Point,
    points,
)
from ada_ranks import LEVEL
from ada_results import ADAPRUNER, ALL, COST, FULL, METHODS, RANDOM, RATIO
from study.wording import Setting, text, told, wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of

FILE = "README.md"
TITLE = "# AdaPruner's experiments, on small real data"
NONE = f"{TITLE}\n\nNo point is finished. `make reproduce-adapruner` runs them.\n"
SHOWN = {
    "watch": "WISDM watch", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
    "tiny-imagenet-20": "Tiny-ImageNet-20", "mnist-writers": "handwriting",
}  # fmt: skip
MOST_NAMES = 6
"""missing points that are named on the page"""
BANDS = {"0.6 to 0.95": ",".join(f"{one:g}" for one in HIGH), "0.1 to 0.5": ",".join(f"{one:g}" for one in LOW)}


class Rows:
    """The rows of results.csv."""

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def of(self, **values: Any) -> pd.DataFrame:
        """Rows with these values, whose estimate is known."""
        wanted = self.table["estimate"].notna().to_numpy().copy()
        for name, value in values.items():
            wanted &= (self.table[name] == value).to_numpy()
        return self.table[wanted]

    def interval(self, **values: Any) -> Interval | None:
        """The one row with these values; None where there is none."""
        found = self.of(**values)
        if found.empty:
            return None
        row = found.iloc[0]
        return Interval(float(row["estimate"]), float(row["low"]), float(row["high"]), n=int(row["n"]))


def write(folder: Path) -> None:
    """Write results.csv and README.md."""
    ada_results.write(folder)
    (folder / FILE).write_text(page(folder), encoding="utf-8")


def page(folder: Path) -> str:
    """The page as Markdown, from the files of the folder."""
    rows, costs = Rows(ada_results.read(folder)), ada_costs.read(folder)
    done = {point: ada_records.read(folder, point) for point in points()}
    finished = {point: found for point, found in done.items() if found is not None}
    if not finished and costs is None:
        return NONE
    minutes = sum(float(found.attrs["minutes"]) for found in finished.values())
    lines = [TITLE, "", *_about(len(done), len(finished), minutes), ""]
    parts: list[tuple[str, Callable[[Rows], list[str]], str]] = [
        ("Against the other methods", _compared, COMPARE),
        ("The letter of Eq. 7, and our two departures", lambda own: _variants(own, LETTER, LETTERS), LETTER),
        ("Ablations", lambda own: _variants(own, ABLATION, ABLATIONS), ABLATION),
        ("Sets that another network chose", _crossed, CROSS),
        ("Transfer", _transferred, TRANSFER),
        ("Detection", _detected, DETECTION),
    ]
    for title, section, kind in parts:
        mine = [point for point in done if point.kind.startswith(kind)]
        there = any(point in finished for point in mine)
        missing = _missing([point.name for point in mine if point not in finished])
        lines += [f"## {title}", "", *(section(rows) if there else ["Not run yet."]), *missing, ""]
    lines += ["## What the pruning phase costs at the paper's size", "", *_costs(costs)]
    return "\n".join(lines).rstrip() + "\n"


def _about(every: int, finished: int, minutes: float) -> list[str]:
    lines = wrapped(
        "Does AdaPruner keep its paper's promises? One device holds all samples (256 to 2,000 per data set) and trains "
        "networks that two CPU cores can train; sizes are in `scenarios/adapruner`, and there in `paper-*.yaml` the "
        "paper's own, for a GPU. Gaps are in points of accuracy, paired by seed. ± is half of a 95 % interval over "
        "seeds, of each number by itself; **bold** leaves out 0; without ± one seed alone is finished. *Equal cost*: "
        "as much emulated energy, scoring included; beyond full training's energy the opponent is full training."
    )
    rest = "`make reproduce-adapruner` runs the rest" if finished < every else "`make reproduce-adapruner` ran them"
    return [*lines, "", *wrapped(
        f"Finished: {finished} of {n_of(every, 'point')}, {minutes:.0f} minutes of training. {rest}; "
        "[results.csv](results.csv) has every number with its interval and n."
    )]  # fmt: skip


def _missing(absent: list[str]) -> list[str]:
    """Points of a section that are not finished."""
    if not absent:
        return []
    more = f" and {len(absent) - MOST_NAMES} more (`build.py --list`)" if len(absent) > MOST_NAMES else ""
    return ["", *wrapped(f"Missing: {', '.join(absent[:MOST_NAMES])}{more}.")]


def _compared(rows: Rows) -> list[str]:
    """Sentences on AdaPruner, and a table of all methods like the paper's Table 1."""
    lines = []
    for name, band in BANDS.items():
        key = {"section": "gap", "method": ADAPRUNER, "ratios": band, "opponent": RANDOM}
        parts = []
        for at, word in ((RATIO, "equal ratio"), (COST, "equal cost")):
            gaps = {SHOWN[data]: rows.interval(data=data, at=at, **key) for data in DATA}
            settings = [Setting(data, gap) for data, gap in gaps.items() if gap is not None]
            parts += [f"{word}: {told(settings)}"] if settings else []
        lines += [f"- AdaPruner minus random at keep ratios {name}. At {'. At '.join(parts)}."] if parts else []
        lines += [f"- {sentence}" for sentence in _ranks(rows, name, band)]
    wide = [line for one in lines for line in _item(one)]
    head = ["method", *(f"{name}: {what}" for name in BANDS for what in ("− random", "− full", "equal cost", "rank"))]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method in METHODS:
        cells = []
        for band in BANDS.values():
            key = {"section": "gap", "data": ALL, "method": method, "ratios": band}
            of_random = method == RANDOM
            cells += [
                "–" if of_random else text(rows.interval(opponent=RANDOM, at=RATIO, **key)),
                text(rows.interval(opponent=FULL, at=RATIO, **key)),
                "–" if of_random else text(rows.interval(opponent=RANDOM, at=COST, **key)),
            ]
            rank = rows.interval(section="rank", method=method, at=RATIO, ratios=band)
            cells.append("–" if rank is None else f"{rank.estimate:.1f}")
        table.append(f"| {' | '.join([method, *cells])} |")
    energy = [(ratio, rows.interval(section="energy", ratios=f"{ratio:g}")) for ratio in (*LOW, *HIGH)]
    known = [f"{one.estimate:.0f} % at {ratio:g}" for ratio, one in energy if one is not None]
    price = wrapped(f"AdaPruner's total energy, in % of full training's: {', '.join(known)}.") if known else []
    note = wrapped(
        "Means over the finished data sets, with intervals over data sets and seeds. Rank: mean over blocks, 1 is best."
    )
    return [*wide, "", *table, "", *note, *price]


def _ranks(rows: Rows, name: str, band: str) -> list[str]:
    """Friedman's and Nemenyi's tests in words, at equal ratio and at equal cost."""
    parts, blocks = [], ""
    for at, word in ((RATIO, "equal ratio"), (COST, "equal cost")):
        key = {"at": at, "ratios": band}
        p, distance = rows.interval(section="friedman p", **key), rows.interval(section="nemenyi", **key)
        if p is None or distance is None:
            continue
        mean = {
            method: one.estimate
            for method in METHODS
            if (one := rows.interval(section="rank", method=method, **key)) is not None
        }
        gap = {method: mean[method] - mean[ADAPRUNER] for method in mean if method != ADAPRUNER}
        is_shown = p.estimate <= LEVEL
        better = [one for one, value in gap.items() if is_shown and value > distance.estimate]
        worse = [one for one, value in gap.items() if is_shown and -value > distance.estimate]
        sides = [f"better than {', '.join(better)}"] if better else []
        sides += [f"worse than {', '.join(worse)}"] if worse else []
        shown = " and ".join(sides) or "neither better nor worse than any other"
        blocks = f"{n_of(p.n, 'block')} of a data set and a seed; Nemenyi's critical difference {distance.estimate:.1f}"
        parts.append(f"at {word} AdaPruner is shown {shown} (Friedman p = {p.estimate:.2g})")
    return [f"Ranks at {name} ({blocks}): {'; '.join(parts)}."] if parts else []


def _variants(rows: Rows, kind: str, forms: list[dict[str, Any]]) -> list[str]:
    """A table of forms of AdaPruner, with what it shows."""
    own = rows.of(section=kind)
    if own.empty:
        return ["No seed has every keep ratio."]
    data, model = (str(own[name].iloc[0]) for name in ("data", "model"))
    ratios = sorted(set(own["ratios"]), key=float)
    decided = []
    for form in forms:
        for ratio in ratios:
            gap = rows.interval(section=kind, method=form["label"], opponent=OURS, ratios=ratio)
            if gap is not None and (gap.low > 0 or gap.high < 0):
                decided.append(f"{form['label']} at {ratio} ({gap.estimate:+.1f})")
    shown = ", ".join(decided)
    verdict = f"shown different from ours: {shown}" if decided else "no form is shown different from ours"
    verdict += ", all forms and keep ratios tested at once"
    if own["seeds"].max() < 2:
        verdict = "one seed has no interval, so that nothing is shown"
    head = [
        "form",
        *(f"{ratio}: − random" for ratio in ratios),
        *(f"{ratio}: share off" for ratio in ratios),
        "classes",
    ]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for form in forms:
        label = form["label"]
        cells = [text(rows.interval(section=kind, method=label, opponent=RANDOM, ratios=ratio)) for ratio in ratios]
        off = [rows.interval(section=f"{kind} off", method=label, ratios=ratio) for ratio in ratios]
        cells += ["–" if one is None else f"{one.estimate:.1f}" for one in off]
        changes = rows.of(section=f"{kind} classes", method=label)["estimate"]
        cells.append(f"{changes.max():.0f}" if len(changes) else "–")
        table.append(f"| {' | '.join([label, *cells])} |")
    note = wrapped(
        f"{SHOWN[data]}, {model}: {verdict}. *Share off*: distance of the share of open gates from the keep ratio at "
        "the end, in points; the paper's tolerance is 2. *Classes*: largest distance of the kept samples' class shares "
        "from the device's, in points."
    )
    return [*note, "", *table]


def _crossed(rows: Rows) -> list[str]:
    """Gaps to random with the network that scored and with the other one."""
    own = rows.of(section="cross")
    if own.empty:
        return ["No seed has every keep ratio."]
    columns = list(dict.fromkeys(zip(own["data"], own["model"], own["ratios"], strict=True)))
    head = ["− random", *(f"{SHOWN[data]} {model}, at {ratios.replace(',', ', ')}" for data, model, ratios in columns)]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method in (
        one for one in METHODS if (own.loc[own["method"] == one, "data"].nunique() == own["data"].nunique())
    ):
        cells = [
            text(rows.interval(section="cross", data=data, model=model, method=method, ratios=ratios))
            for data, model, ratios in columns
        ]
        table.append(f"| {' | '.join([method, *cells])} |")
    others = {(Point(data, CROSS, 0).model, data) for data in set(own["data"])}
    settings = [
        Setting(f"{SHOWN[data]} {model}", gap)
        for data, model, ratios in columns
        if (model, data) in others
        and (gap := rows.interval(section="cross", data=data, model=model, method=ADAPRUNER, ratios=ratios)) is not None
    ]
    lines = wrapped(f"AdaPruner minus random, on the other network: {told(settings)}.") if settings else []
    return [*lines, "", *table]


def _transferred(rows: Rows) -> list[str]:
    """Accuracy after fine-tuning on the other data set."""
    own = rows.of(section=TRANSFER)
    if own.empty:
        return ["No seed has every keep ratio."]
    listed = list(dict.fromkeys(own["data"]))
    head = ["fine-tuned accuracy", *(f"{_route(data)}: {what}" for data in listed for what in ("− random", "− full"))]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method in (one for one in METHODS if (own["method"] == one).any()):
        cells = [
            text(rows.interval(section=TRANSFER, data=data, method=method, opponent=opponent))
            for data in listed
            for opponent in (RANDOM, FULL)
        ]
        table.append(f"| {' | '.join([method, *cells])} |")
    settings = [
        Setting(_route(data), gap)
        for data in listed
        if (gap := rows.interval(section=TRANSFER, data=data, method=ADAPRUNER, opponent=RANDOM)) is not None
    ]
    sentence = f"AdaPruner minus random after the transfer, mean over 0.6, 0.8, 0.95: {told(settings)}. "
    full = [rows.interval(section="transfer accuracy", data=data) for data in listed]
    known = [f"{_route(data)} {one.estimate:.1f} %" for data, one in zip(listed, full, strict=True) if one is not None]
    return [*wrapped(f"{sentence}Pre-trained on all samples: {', '.join(known)}."), "", *table]


def _route(data: str) -> str:
    target = TARGETS[data]
    return f"{SHOWN[data]} to {SHOWN[target['root']]}"


def _detected(rows: Rows) -> list[str]:
    """mAP of both detectors."""
    own = rows.of(section="detection")
    if own.empty:
        return ["No seed has every keep ratio."]
    models = list(dict.fromkeys(own["model"]))
    sets = list(dict.fromkeys(own["method"]))
    table = [f"| mAP at 0.5, % (− random) | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for model in models:
        cells = []
        for name in sets:
            value = rows.interval(section="detection", model=model, method=name)
            gap = rows.interval(section="detection gap", model=model, method=name)
            shown = "–" if value is None else f"{value.estimate:.1f}"
            cells.append(shown if gap is None else f"{shown} ({text(gap)})")
        table.append(f"| {' | '.join([model, *cells])} |")
    settings = [
        Setting(model, gap)
        for model in models
        if (gap := rows.interval(section="detection gap", model=model, method=ada_results.OTHER_SET)) is not None
    ]
    lines = wrapped(f"At 0.85, sets that the other detector chose minus random: {told(settings)}.") if settings else []
    return [*lines, "", *table]


def _costs(costs: pd.DataFrame | None) -> list[str]:
    """Break-even of AdaPruner's pruning phase, by device."""
    if costs is None:
        return ["Not planned yet."]
    own = costs[costs["method"] == ADAPRUNER]
    ratios = sorted(set(own["keep_ratio"]))
    head = ["device", "full training, h", *(f"pays after, at {ratio:g}" for ratio in ratios)]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for profile, part in own.groupby("profile", sort=False):
        cells = part.set_index("keep_ratio")
        hours = cells["full_h"].iloc[0]
        shown = f"{hours:.1f}" if np.isfinite(hours) else "cannot"
        after = [_pays(cells.loc[ratio, "pays_after"]) for ratio in ratios]
        table.append(f"| {' | '.join([str(profile), shown, *after])} |")
    phase = own["scoring_in_trainings"].dropna()
    low, high = f"{phase.min():.2f}", f"{phase.max():.2f}"
    ends = low if low == high else f"{low} to {high}"
    work = "at most " if (own["work_is"] == "at most").any() else ""
    note = "No device can run it."
    if len(phase):
        note = (
            "CIFAR-10, ResNet-18, 200 epochs, all 50,000 samples on one device. The pruning phase of one keep ratio "
            f"takes {work}{ends} full trainings. *Pays after*: trainings on the kept set whose saved energy outweighs "
            "it, by the most work that it may take."
        )
    return [*wrapped(f"{note} `edgesim plan scenarios/adapruner/paper-cifar10.yaml` says it for others."), "", *table]


def _pays(found: object) -> str:
    return "–" if not isinstance(found, str) else found


def _item(line: str) -> list[str]:
    """A list item as lines."""
    first, *rest = wrapped(line)
    return [first, *(f"  {one}" for one in rest)]
