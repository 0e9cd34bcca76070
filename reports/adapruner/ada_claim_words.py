"""The table of the paper's claims, with what the study says about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import ada_claims
import pandas as pd
from ada_claims import CLAIMS, DETECTORS, PAPERS_OTHERS
from ada_geometry import BESIDE, COMPARED, MAP
from ada_points import ABLATION, COMPARE, GEOMETRY, HIGH, Point
from ada_rows import ADAPRUNER, FULL, RANDOM
from ada_words import SHOWN, Rows, interval_of, span, table, text
from study.wording import side, wrapped

from edgesim.formatting import n_of
from edgesim.pruning.adapruner import AdaPruner

NOT_RUN = ("–", "not run", "–")
HOLDS, FAILS, PARTLY, OPEN = "holds", "does not hold", "holds in part", "cannot tell"
HARDLY_MORE = 1.1
"""trainings of as many epochs that the pruning phase may take where it takes hardly more than one"""
PLANNED_EPOCHS = 1.15
"""epochs of a planned phase per epoch of training: 200, our 10 of warm-up and 20 further ones, of 200; on VOC half"""
TOLERANCE = 2
"""share of open gates, in points, that the paper takes for equal"""
RULE = (
    "A claim's numbers decide together (Bonferroni), for these data alone. *Holds*: all are shown (their intervals "
    "leave out 0) on the claim's side; *holds in part*: some are; *does not hold*: none is, but some are against it; "
    "*cannot tell*: none on either side. That two are equal can be refuted, never shown. *Kept − all* does not decide: "
    f"fewer samples lie farther apart by chance. Open gates (at most {TOLERANCE} %) and counted work (at most "
    f"{100 * HARDLY_MORE:.0f} %) need no interval."
)


def claims(rows: Rows, costs: pd.DataFrame | None) -> list[str]:
    """A row per claim: number, verdict, data and seeds; then the rule of the verdicts."""
    body = []
    for claim in CLAIMS:
        found = rows.of(section="claim", at=claim.key)
        if claim.key == ada_claims.COST:
            said = _cost(rows, costs)
        elif found.empty:
            said = NOT_RUN
        else:
            number = _number(claim.key, found) + _beside(rows, claim.key, found)
            said = (number, verdict(claim.key, found), _where(found))
        body.append([claim.text, *said])
    head = ["the paper's claim", "here", "verdict", "data, seeds"]
    return [*wrapped(_summary(rows, [cells[2] for cells in body])), "", *table(head, body), "", *wrapped(RULE)]


def _summary(rows: Rows, verdicts: list[str]) -> str:
    """'Of 11 claims, 2 hold, …': how many have each verdict, and how wide the intervals of the open ones are."""
    counted = Counter(one.removesuffix(" (counted)").removesuffix(" (one seed)") for one in verdicts)
    words = {HOLDS: ("holds", "hold"), PARTLY: ("holds in part", "hold in part"),
             FAILS: ("does not hold", "do not hold"), OPEN: ("cannot be told", "cannot be told"),
             "not run": ("has not run", "have not run")}  # fmt: skip
    open_ones = [claim.key for claim, said in zip(CLAIMS, verdicts, strict=True) if said == OPEN]
    found = rows.of(section="claim")
    found = found[found["at"].isin(open_ones)]
    halves = ((found["high"] - found["low"]) / 2).dropna()
    told = {said: f"{n} {words[said][n > 1]}" for said in words if (n := counted[said])}
    if len(halves):
        told[OPEN] += f" (their intervals reach ±{span(halves, 1)} points)"
    return f"Of {len(verdicts)} claims, {', '.join(told.values())}. Gaps in brackets are the paper's."


def verdict(claim: str, found: pd.DataFrame) -> str:
    """'holds', 'does not hold', 'holds in part' or 'cannot tell', from the intervals of a claim's rows."""
    if claim == ada_claims.COMPRESSION:
        return HOLDS if (found["estimate"] <= TOLERANCE).all() else FAILS
    if claim == GEOMETRY:
        panels = zip(found["method"].str.split().str[1], found["opponent"], strict=True)
        found = found[[one != BESIDE for one in panels]]
    sides = [side(interval_of(one)) for _, one in found.iterrows()]
    if claim == ada_claims.CLASSIFICATION:  # that claim is equality
        sides = [-abs(one) for one in sides]
    is_for, is_against = 1 in sides, -1 in sides
    if is_for:
        return HOLDS if set(sides) == {1} else PARTLY
    if is_against:
        return FAILS
    return OPEN if found["low"].notna().any() else f"{OPEN} (one seed)"


def _number(claim: str, found: pd.DataFrame) -> str:
    """The gaps of a claim's rows."""
    if claim in (ada_claims.ABOVE_OTHERS, ada_claims.TRANSFERS):
        to_random = found[found["opponent"] == RANDOM]
        told = [f"− random: {text(interval_of(to_random.iloc[0]))}"] if len(to_random) else []
        return "; ".join([*told, *_others(found[found["opponent"] != RANDOM])])
    if claim == ada_claims.COMPRESSION:
        return f"{span(found['estimate'], 1)} % of the gates open"
    if claim == GEOMETRY:
        return _changes(found)
    if claim == ada_claims.TERMS:
        return f"with − without: {', '.join(_by_term(found))}"
    names = {
        ada_claims.ABOVE_FULL: "− full: ",
        ada_claims.DETECTS: "− full: ",
        ada_claims.WARM_UP: "with − without: ",
    }
    first = names.get(claim, "− random: ")
    if claim == ada_claims.NETWORKS:
        first = "− random, at those ratios that ran: "
    by = "model" if claim == ada_claims.DETECTS else "ratios"
    each = [(str(one[by]), text(interval_of(one))) for _, one in found.iterrows()]
    return first + (
        each[0][1]
        if len(each) == 1 and by == "ratios"
        else "; ".join(f"{gap} at {name}" if by == "ratios" else f"{name} {gap}" for name, gap in each)
    )


def _others(rest: pd.DataFrame) -> Iterator[str]:
    """'− each of 7 others: -0.2 to +3.9 (shown above el2n)'."""
    if rest.empty:
        return
    sides = [side(interval_of(one)) for _, one in rest.iterrows()]
    named = [(word, [name for name, one in zip(rest["opponent"], sides, strict=True) if one == where])
             for word, where in (("above", 1), ("below", -1))]  # fmt: skip
    shown = "; ".join(f"shown {word} {', '.join(names)}" for word, names in named if names)
    papers = f" (the paper: {len(PAPERS_OTHERS)})" if len(rest) < len(PAPERS_OTHERS) else ""
    ends = span(rest["estimate"], 1, "+")
    yield f"− each of {n_of(len(rest), 'other')}{papers}: {ends}" + (f" ({shown})" if shown else "")


def _beside(rows: Rows, claim: str, found: pd.DataFrame) -> str:
    """'; not judged: +1.0 ±2.0 at 0.6' of selection without classification; detectors that have hardly learned."""
    if claim == ada_claims.DETECTS:
        return _to_random(rows, found) + _hardly_learned(rows)
    if claim != ada_claims.CLASSIFICATION:
        return ""
    own = rows.of(section=ABLATION, method="no classification", opponent=RANDOM)
    gaps = [f"{text(interval_of(one))} at {one['ratios']}" for _, one in own.iterrows()
            if one["ratios"] not in set(found["ratios"])]  # fmt: skip
    return f"; not judged: {', '.join(gaps)}" if gaps else ""


def _to_random(rows: Rows, found: pd.DataFrame) -> str:
    """'; − random: yolov3-tiny +0.0 ±20.0', which is not judged: a random set may be above full training, too."""
    each = []
    for _, one in found.iterrows():
        key = {"model": one["model"], "method": one["method"], "ratios": one["ratios"]}
        if (gap := rows.interval(section="detection gap", **key)) is not None:
            each.append(f"{one['model']} {text(gap)}")
    return f"; not judged: − random: {'; '.join(each)}" if each else ""


def _hardly_learned(rows: Rows) -> str:
    """'; fasterrcnn has hardly learned (mAP 8.9 %; the paper, VOC: 70.3)': it is below half of the paper's mAP."""
    told = ""
    for model, papers in DETECTORS.items():
        own = rows.interval(section="detection", model=model, method=FULL)
        if own is not None and own.estimate < papers / 2:
            told += f"; {model} has hardly learned (mAP {own.estimate:.1f} %; the paper, VOC: {papers:.1f})"
    return told


def _by_term(found: pd.DataFrame) -> Iterator[str]:
    """'selection +3.0 ±1.1' of each ablation."""
    for label, own in found.groupby("opponent", sort=False):
        gaps = [text(interval_of(one)) for _, one in own.iterrows()]  # one per data set, at the paper's keep ratio
        yield f"{str(label).removeprefix('no ')} {'; '.join(gaps)}"


def _changes(found: pd.DataFrame) -> str:
    """'Dunn index: kept − all +0.5 ±1.9 %, …; adjacent centres: …' of the rows of the geometry's claim."""
    told: dict[str, list[str]] = {}
    for _, one in found.iterrows():
        space, panel, measure = str(one["method"]).split()
        gap = f"{COMPARED[panel, one['opponent']]} {text(interval_of(one))} %"
        name = "Dunn index" if measure == "dunn" else "adjacent centres"
        told.setdefault(f"{name} in the maps" if space == MAP else name, []).append(gap)
    return "; ".join(f"{name}: {', '.join(gaps)}" for name, gaps in told.items())


def _where(found: pd.DataFrame) -> str:
    """'CIFAR-10; 2 seeds' or '3 data sets; 1 seed or more'."""
    data = max((str(one).split() for one in found["data"]), key=len)
    fewest, most = int(found["seeds"].min()), int(found["seeds"].max())
    if len(data) == 1:
        seeds = n_of(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
        return f"{SHOWN[data[0]]}; {seeds}"
    return f"{len(data)} data sets; {n_of(fewest, 'seed')}" + (" or more" if most > fewest else "")


def _cost(rows: Rows, costs: pd.DataFrame | None) -> tuple[str, str, str]:
    """An epoch of AdaPruner's phase at the paper's size; here its epochs, and its energy with one training after it."""
    wanted = [f"{ratio:g}" for ratio in HIGH]
    phase, whole = (rows.of(section=name) for name in ("phase", "energy"))
    phase, whole = (one[one["ratios"].isin(wanted)] for one in (phase, whole))
    own = [] if costs is None else list(costs[costs["method"] == ADAPRUNER]["scoring_in_trainings"].dropna())
    each = max(own) / PLANNED_EPOCHS if own else None
    planned = [] if each is None else [f"planned at the paper's size {100 * each:.0f} % of one, counted, not timed"]
    if phase.empty or whole.empty:
        return ("; ".join(planned) or "–", "not run", "–")
    data = list(dict.fromkeys(whole["data"]))
    regimes = [Point(one, COMPARE, 0).regime for one in data]
    least = max(one.phase_epochs for one in regimes)
    told = [
        *planned,
        f"here a phase of {least} to {least + AdaPruner().extra_epochs} epochs in batches of "
        f"{span(one.phase_batch for one in regimes)} takes {span(phase['estimate'])} % of the energy of full training "
        f"({span(one.epochs for one in regimes)} in batches of {span(one.batch for one in regimes)}), and "
        f"{span(whole['estimate'])} % with the training after it",
    ]
    said = OPEN if each is None else f"{HOLDS if each <= HARDLY_MORE else FAILS} (counted)"
    return "; ".join(told), said, _where(whole.assign(data=" ".join(data)))
