"""details.md: the long tables of AdaPruner's study."""

from __future__ import annotations

from ada_forms import KINDS
from ada_geometry import COMPARED, MEASURES, SPACES
from ada_points import ABLATION, DATA, GEOMETRY, HIGH, LETTER, LONG_LETTER, LOW, TRANSFER
from ada_rows import ALL, FULL, METHODS, PAPER, RANDOM
from ada_sections import MEASURED, geometry_change
from ada_words import SHOWN, Rows, listed, plain, route, seeds_told, table, text
from study.wording import wrapped

from edgesim.formatting import n_of

FILE = "details.md"
TITLES = {
    LETTER: "The letter of Eq. 7",
    LONG_LETTER: "The letter of Eq. 7, pruning phase of 200 epochs",
    ABLATION: "Ablations",
}


def page(rows: Rows, papers: list[str]) -> str:
    """The tables as Markdown.

    Args:
        rows: of results.csv.
        papers: names of the finished points of the paper's size.
    """
    lines = ["# AdaPruner's experiments: tables", "", *wrapped(
        "± is half of a 95 % interval over seeds, or its longer side where it is cut; without ± one seed is finished. "
        "Gaps are in points, paired by seed; **bold** leaves out 0, each number by itself. [The page](README.md)."
    )]  # fmt: skip
    parts = (
        *_accuracies(rows), *_energies(rows), *_forms(rows, LETTER), *_forms(rows, LONG_LETTER),
        *_class_shares(rows), *_forms(rows, ABLATION), *_crossed(rows),
        *_transferred(rows), *_geometry(rows), *_papers(rows, papers),
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
            body.append([label, *map(text, gaps), *map(plain, off), plain(classes)])
        head = [
            "form",
            *(f"{r}: − random" for r in ratios),
            *(f"{r}: share off" for r in ratios),
            f"{ratios[0]}: classes",
        ]
        title = f"## {TITLES[kind]}: {SHOWN[data]}, {own['model'].iloc[0]}, {seeds_told(own)}"
        note = wrapped(
            "*Share off*: distance of the share of open gates from the keep ratio at the end, in points; the paper's "
            "tolerance is 2. *Classes*: share of the kept samples that would have to change class for the device's "
            f"shares, at the smallest keep ratio, {ratios[0]}, in %."
        )
        lines += ["", title, "", *note, "", *table(head, body)]
    return lines


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
    return ["", f"## Transfer, mean over 0.6, 0.8, 0.95, {seeds_told(own)}", "", *table(head, body)]


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
    title = f"## Geometry, changes in %: {SHOWN[own['data'].iloc[0]]}, {own['model'].iloc[0]}, {seeds_told(own)}"
    return ["", title, "", *table(["method", "space", *(MEASURED[one] for one in MEASURES)], body)]


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
