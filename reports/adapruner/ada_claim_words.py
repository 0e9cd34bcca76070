"""The table of the paper's claims, with what the study says about each."""

from __future__ import annotations

from collections.abc import Iterator

import ada_claims
import pandas as pd
from ada_claims import CLAIMS
from ada_geometry import COMPARED, MAP
from ada_points import GEOMETRY, HIGH
from ada_rows import ADAPRUNER, RANDOM
from ada_words import SHOWN, Rows, interval_of, span, table, text
from study.wording import side

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


def claims(rows: Rows, costs: pd.DataFrame | None) -> list[str]:
    """A row per claim: number, verdict, data and seeds."""
    body = []
    for claim in CLAIMS:
        found = rows.of(section="claim", at=claim.key)
        if claim.key == ada_claims.COST:
            said = _cost(rows, costs)
        elif found.empty:
            said = NOT_RUN
        else:
            said = (_number(claim.key, found), verdict(claim.key, found), _where(found))
        body.append([claim.text, *said])
    return table(["the paper's claim", "here", "verdict", "data, seeds"], body)


def verdict(claim: str, found: pd.DataFrame) -> str:
    """'holds', 'does not hold', 'holds in part' or 'cannot tell', from the intervals of a claim's rows."""
    if claim == ada_claims.COMPRESSION:
        return HOLDS if (found["estimate"] <= TOLERANCE).all() else FAILS
    sign = -1 if claim == ada_claims.CLASSIFICATION else 1  # that claim is that there is nothing above
    sides = [sign * side(interval_of(one)) for _, one in found.iterrows()]
    if min(sides) < 0:
        return FAILS if max(sides) <= 0 else PARTLY
    if max(sides) > 0:
        return HOLDS if min(sides) > 0 else PARTLY
    return OPEN if found["low"].notna().any() else f"{OPEN} (one seed)"


def _number(claim: str, found: pd.DataFrame) -> str:
    """The gaps of a claim's rows."""
    if claim in (ada_claims.ABOVE_OTHERS, ada_claims.TRANSFERS):
        to_random = found[found["opponent"] == RANDOM]
        rest = found.loc[found["opponent"] != RANDOM, "estimate"]
        told = [f"− random: {text(interval_of(to_random.iloc[0]))}"] if len(to_random) else []
        ends = " to ".join(dict.fromkeys(f"{value:+z.1f}" for value in (rest.min(), rest.max()))) if len(rest) else ""
        return "; ".join([*told, *([f"− each other: {ends}"] if ends else [])])
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
    by = "model" if claim == ada_claims.DETECTS else "ratios"
    each = [(str(one[by]), text(interval_of(one))) for _, one in found.iterrows()]
    return first + (
        each[0][1]
        if len(each) == 1
        else "; ".join(f"{gap} at {name}" if by == "ratios" else f"{name} {gap}" for name, gap in each)
    )


def _by_term(found: pd.DataFrame) -> Iterator[str]:
    """'selection +11.0 ±4.2 at 0.6; +3.0 ±1.1 at 0.9' of each ablation."""
    for label, own in found.groupby("opponent", sort=False):
        gaps = [f"{text(interval_of(one))} at {one['ratios']}" for _, one in own.iterrows()]
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
    """'CIFAR-10; 2 seeds' or '3 data sets; 1 seed or more each'."""
    data = max((str(one).split() for one in found["data"]), key=len)
    fewest, most = int(found["seeds"].min()), int(found["seeds"].max())
    if len(data) == 1:
        seeds = n_of(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
        return f"{SHOWN[data[0]]}; {seeds}"
    return f"{len(data)} data sets; {n_of(fewest, 'seed')} or more each"


def _cost(rows: Rows, costs: pd.DataFrame | None) -> tuple[str, str, str]:
    """AdaPruner's phase in full trainings, here and at the paper's size, and its energy with one training."""
    wanted = [f"{ratio:g}" for ratio in HIGH]
    phase, whole = (rows.of(section=name) for name in ("phase", "energy"))
    phase, whole = (one[one["ratios"].isin(wanted)] for one in (phase, whole))
    own = costs[costs["method"] == ADAPRUNER]["scoring_in_trainings"].dropna() if costs is not None else []
    own_phase = AdaPruner()
    least = own_phase.warmup_epochs + own_phase.epochs
    each = max(own) / PLANNED_EPOCHS if len(own) else None
    planned = [] if each is None else [f"planned at the paper's size {100 * each:.0f} % for equally many epochs"]
    if phase.empty or whole.empty:
        return ("; ".join(planned) or "–", "not run", "–")
    told = [
        *planned,
        f"here with {least} to {least + own_phase.extra_epochs} epochs {span(phase['estimate'])} % of full training's "
        f"energy, and {span(whole['estimate'])} % with the training after it",
    ]
    said = OPEN if each is None else HOLDS if each <= HARDLY_MORE else FAILS
    return "; ".join(told), said, _where(whole.assign(data=" ".join(dict.fromkeys(whole["data"]))))
