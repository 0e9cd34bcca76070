"""details.md: the long tables of AdaPruner's study."""

from __future__ import annotations

import ada_cost_words
import pandas as pd
from ada_forms import KINDS
from ada_geometry import BY_KEPT, COMPARED, KEPT, MEASURES, PAGES, SPACES
from ada_points import (
    ABLATION,
    DATA,
    GEOMETRY,
    GEOMETRY_RATIO,
    HIGH,
    LETTER,
    LONG_LETTER,
    LOW,
    OURS,
    TRANSFER,
    TWICE,
    Point,
)
from ada_rows import ADAPRUNER, ALL, FULL, METHODS, PAPER, RANDOM
from ada_sections import detected, detection, method_means
from ada_variants import compared_forms
from ada_words import INTERVAL, SHOWN, Rows, gaps_told, listed, plain, route, seeds_told, table, text
from study.wording import wrapped

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of

FILE = "details.md"
TITLES = {
    LETTER: "The letter of Eq. 7",
    LONG_LETTER: "The letter of Eq. 7, pruning phase of 200 epochs",
    ABLATION: "Ablations",
}


def page(rows: Rows, papers: list[str], costs: pd.DataFrame | None = None) -> str:
    """The tables as Markdown.

    Args:
        rows: of results.csv.
        papers: names of the finished points of the paper's size.
        costs: of costs.csv; None where there is none.
    """
    of_costs = [] if costs is None else ["", f"## {ada_cost_words.TITLE}", "", *ada_cost_words.planned(costs)]
    lines = ["# AdaPruner's experiments: tables", "", *wrapped(
        f"{INTERVAL}, each number by itself; without an interval: one seed, or equal in all. Gaps are in points, "
        "paired by seed. [The page](README.md)."
    )]  # fmt: skip
    parts = (
        *method_means(rows), *_accuracies(rows), *_twice(rows),
        *_energies(rows), *compared_forms(rows), *_forms(rows, LETTER), *_forms(rows, LONG_LETTER),
        *_class_shares(rows), *_forms(rows, ABLATION), *_crossed(rows), *_transferred(rows), *_detected(rows),
        *_geometry(rows), *of_costs, *_papers(rows, papers),
    )  # fmt: skip
    return "\n".join([*lines, *parts]) + "\n"


def _accuracies(rows: Rows) -> list[str]:
    """Like the paper's Table 1: accuracy of each method at each keep ratio, and of full training."""
    lines = []
    for data in DATA:
        own = rows.of(section="accuracy", data=data)
        if own.empty:
            continue
        full = plain(rows.interval(section="accuracy", data=data, method=FULL))
        body = []
        for method in METHODS:
            each = [rows.interval(section="accuracy", data=data, method=method, ratios=f"{r:g}") for r in (*LOW, *HIGH)]
            body.append([method, *(plain(one) for one in each), full])
        title = f"## Accuracy, %: {SHOWN[data]}, {own['model'].iloc[0]}, {seeds_told(own)}"
        lines += ["", title, "", *table(["method", *(f"{ratio:g}" for ratio in (*LOW, *HIGH)), "1 (full)"], body)]
    return lines


def _twice(rows: Rows) -> list[str]:
    """Whether full training has converged."""
    gains = gaps_told((SHOWN[data], rows.interval(section=TWICE, data=data)) for data in DATA)
    return ["", *wrapped(f"Twice the epochs change full training's accuracy: {gains}.")] if gains else []


def _energies(rows: Rows) -> list[str]:
    """AdaPruner's energy at each keep ratio, by data set."""
    own = rows.of(section="energy")
    names = [data for data in DATA if (own["data"] == data).any()]
    if not names:
        return []
    ratios = [ratio for ratio in (*LOW, *HIGH) if (own["ratios"] == f"{ratio:g}").any()]
    body = [
        [SHOWN[data], *(plain(rows.interval(section="energy", data=data, ratios=f"{ratio:g}")) for ratio in ratios)]
        for data in names
    ]
    title = "## AdaPruner's total energy, % of full training's, pruning phase included"
    return ["", title, "", *table(["data", *(f"{ratio:g}" for ratio in ratios)], body)]


def _forms(rows: Rows, kind: str) -> list[str]:
    """Gaps to random and open gates of the forms, and the classes of what they keep."""
    lines = []
    for data in DATA:
        own = rows.of(section=kind, data=data)
        if own.empty:
            continue
        ratios = sorted(set(own["ratios"]), key=float)
        key = {"data": data}
        body = []
        for label in (RANDOM, *KINDS[kind]):
            gaps = [rows.interval(section=kind, method=label, opponent=RANDOM, ratios=one, **key) for one in ratios]
            off = [rows.interval(section=f"{kind} off", method=label, ratios=one, **key) for one in ratios]
            classes = rows.interval(section=f"{kind} classes", method=label, **key)
            body.append([label, *map(text, gaps), *map(text, off), plain(classes)])
        head = [
            "form",
            *(f"{r}: − random" for r in ratios),
            *(f"{r}: gates off" for r in ratios),
            f"{ratios[0]}: classes",
        ]
        title = f"## {TITLES[kind]}: {SHOWN[data]}, {own['model'].iloc[0]}, {seeds_told(own)}"
        note = wrapped(
            "*Gates off*: share of open gates at the end − keep ratio, in points; the paper allows 2 either way. "
            "*Classes*: share of the kept samples that would have to change class for the device's shares, at the "
            f"smallest keep ratio, {ratios[0]}, in %.{_drawn_twice(rows, kind, data)}"
        )
        lines += ["", title, "", *note, "", *table(head, body)]
    return lines


def _drawn_twice(rows: Rows, kind: str, data: str) -> str:
    """How far AdaPruner varies within a seed: ours has another label than in the comparison, and so other streams."""
    told = " *Ours* is AdaPruner drawn anew: a method's label is part of its random streams."
    found = rows.of(section=f"{kind} drawn twice", data=data).set_index("method")
    if found.empty:
        return told
    one, accuracy = found.loc[OURS], found["estimate"]
    return (
        f"{told} So much it varies within a seed, where the two are farthest apart: at {one['ratios']}, {one['at']} "
        f"has {accuracy[OURS]:.1f} % as ours and {accuracy[ADAPRUNER]:.1f} % as adapruner in the comparison."
    )


def _class_shares(rows: Rows) -> list[str]:
    """Share of each class in what the forms keep at the smallest keep ratio."""
    lines = []
    for data in DATA:
        own = rows.of(section=f"{LETTER} class share", data=data)
        if own.empty:
            continue
        classes = sorted(set(own["at"]), key=int)
        body = []
        for label in (RANDOM, *KINDS[LETTER]):
            part = own[own["method"] == label].set_index("at")["estimate"]
            if len(part):
                body.append([label, *(f"{part[one]:.0f}" for one in classes)])
        title = f"## Classes of what is kept at {own['ratios'].iloc[0]}, %: {SHOWN[data]}, {seeds_told(own)}"
        lines += ["", title, "", *table(["form", *(f"class {one}" for one in classes)], body)]
    return lines


def _crossed(rows: Rows) -> list[str]:
    """Gaps to random of all methods, with the other network and with the one that chose."""
    lines = []
    own = rows.of(section="cross difference")
    for data, ratios in dict.fromkeys(zip(own["data"], own["ratios"], strict=True)):
        part = own[(own["data"] == data) & (own["ratios"] == ratios)]
        other, chooser = part["model"].iloc[0], part["opponent"].iloc[0]
        body = []
        for method in METHODS:
            key = {"data": data, "ratios": ratios, "method": method}
            gaps = [rows.interval(section="cross", model=model, **key) for model in (other, chooser)]
            if method != RANDOM:
                body.append([method, *map(text, gaps), text(rows.interval(section="cross difference", **key))])
        head = ["− random", f"chosen by {chooser}, trained by {other}", f"trained by {chooser}", "difference"]
        title = f"## Another network: {SHOWN[data]} at {listed(ratios)}, {seeds_told(part)}"
        lines += ["", title, "", *table(head, body)]
    return lines


def _transferred(rows: Rows) -> list[str]:
    """Gaps of all methods after the fine-tuning."""
    own = rows.of(section=TRANSFER)
    if own.empty:
        return []
    data = list(dict.fromkeys(own["data"]))
    head = ["gap after fine-tuning", *(f"{route(one)}: − {what}" for one in data for what in (RANDOM, FULL))]
    body = []
    for method in (one for one in METHODS if (own["method"] == one).any()):
        key = {"section": TRANSFER, "method": method}
        gaps = [rows.interval(data=one, opponent=what, **key) for one in data for what in (RANDOM, FULL)]
        body.append([method, *map(text, gaps)])
    title = f"## Transfer, mean over 0.6, 0.8, 0.95, {seeds_told(own)}"
    return ["", title, "", *wrapped(" ".join(_priced(rows, one) for one in data)), "", *table(head, body)]


def _priced(rows: Rows, data: str) -> str:
    """Accuracy after all samples, and what the fine-tuning takes."""
    price = [(rows.interval(section=f"transfer {unit}", data=data), unit) for unit in ("s", "J")]
    cost = " and ".join(f"{one.estimate:.1f} {unit}" for one, unit in price if one)
    accuracy = plain(rows.interval(section="transfer accuracy", data=data))
    takes = f"; the fine-tuning takes {cost} on a Raspberry Pi 5" if cost else ""
    return f"{route(data)}: {accuracy} % after all samples{takes}."


def _detected(rows: Rows) -> list[str]:
    """mAP of both detectors on every set."""
    told = detection(rows)
    return ["", "## Detection", "", *wrapped(told), "", *detected(rows)] if told else []


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


def _geometry(rows: Rows) -> list[str]:
    """Changes of the classes' geometry, in %, of every method at every keep ratio."""
    own = rows.of(section=GEOMETRY)
    if own.empty:
        return []
    body = []
    for method, ratio in dict.fromkeys(zip(own["method"], own["ratios"], strict=True)):
        for space in SPACES:
            for panels, words in COMPARED.items():
                found = [geometry_change(rows, method, ratio, space, panels, measure) for measure in MEASURES]
                if any(found):
                    body.append([f"{method} {ratio}: {words}", space, *map(text, found)])
    for panels, papers in IN_PAPER.items():
        told = [f"{papers[one]:+z,.1f}" if one in papers else "–" for one in MEASURES]
        body.append([f"the paper {GEOMETRY_RATIO:g}: {COMPARED[panels]}", "–", *told])
    samples = Point(own["data"].iloc[0], GEOMETRY, 0).regime.samples
    note = wrapped(
        f"{samples:,} samples (the paper: 60,000). Fewer samples lie farther apart by chance, so that *kept − random* "
        "decides, and *by its network*. *Kept* and *random*: by the network of all samples. *By its network*: all "
        "samples, by the network of the kept. *Map*: t-SNE of each set; the paper does not say where it measures. "
        f"Changes are means of logarithms; [geometry.md]({PAGES[1]}) has arithmetic means, [maps]({PAGES[0]}) a t-SNE "
        "of each set."
    )
    title = f"## Geometry, changes in %: {SHOWN[own['data'].iloc[0]]}, {own['model'].iloc[0]}, {seeds_told(own)}"
    return ["", title, "", *note, "", *table(["method", "space", *(MEASURED[one] for one in MEASURES)], body)]


def geometry_change(
    rows: Rows, method: str, ratio: str, space: str, panels: tuple[str, str], measure: str
) -> Interval | None:
    """Change of a measure between two panels in one space, in %."""
    key = {"section": GEOMETRY, "method": method, "ratios": ratio, "opponent": panels[1]}
    return rows.interval(at=f"{space} {panels[0]} {measure}", **key)


def _papers(rows: Rows, papers: list[str]) -> list[str]:
    """A line per form of AdaPruner in each finished point of the paper's own size: means over its keep ratios."""
    if not papers:
        return []
    body = []
    for name in papers:
        means = rows.of(section=f"{PAPER} accuracy", data=name)
        for _, one in means.iterrows():
            key = {"data": name, "method": one["method"], "at": ALL}
            gaps = [text(rows.interval(section=PAPER, opponent=other, **key)) for other in (RANDOM, FULL)]
            values = [plain(rows.interval(section=f"{PAPER} {what}", **key)) for what in ("accuracy", "transfer")]
            told = f"{name}, {one['method']}, {n_of(int(one['seeds']), 'seed')}"
            body.append([told, listed(str(one["ratios"])), values[0], *gaps, values[1]])
    head = ["point, method", "mean over", "accuracy, %", "− random", "− full", "after transfer, %"]
    return ["", "## At the paper's size", "", *table(head, body)]
