"""Why a claim fails, and where it holds: forms of the method, what is kept, label noise, augmentation, shard size."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from paper_points import MAIN, MERGED, SHARDS, TWICE, VARIANTS
from paper_records import CLASSES, HARD, WRONG
from paper_rows import Rows
from study.wording import SHOWN, text

from edgesim.analysis.claims import FAILS, HOLDS

PLACES = {"data": "fashion-mnist", "partition": "iid"}
NOISE = {"noise-5": "5 %", "noise-20": "20 %"}


def section(rows: Rows) -> list[str]:
    """The section, or nothing where none of its points is finished."""
    lines = [*_kept(rows), *_forms(rows), *_noise(rows), *_shards(rows), *_regime(rows)]
    return ["## Why, and where it holds", "", *lines] if lines else []


def _kept(rows: Rows) -> list[str]:
    """Classes and hardness of what importance keeps, in the settings."""
    told = []
    for point in rows.settings():
        key = {"data": point.data, "partition": point.partition, "model": point.model, "variant": MAIN,
               "keep_ratio": "0.1"}  # fmt: skip
        shares = [rows.interval(claim=claim, method=method, **key) for claim in (CLASSES, HARD)
                  for method in ("importance", "random")]  # fmt: skip
        if all(shares) and point.partition in ("iid", "dirichlet-0.1"):
            classes, random_classes, hard, random_hard = (100 * one.estimate for one in shares if one)
            told.append(f"{SHOWN[point.data]} {'IID' if point.partition == 'iid' else 'α 0.1'} {point.model} "
                        f"{classes:.0f} % ({random_classes:.0f} %) and {hard:.0f} % ({random_hard:.0f} %)")  # fmt: skip
    if not told:
        return []
    return [
        "- **What is kept** at 0.1: share of the device's classes, and share of other classes among a kept sample's 10 "
        f"nearest; random in brackets: {'; '.join(told)}."
    ]


def _forms(rows: Rows) -> list[str]:
    """Forms of the method against random at equal ratio, and at equal cost."""
    return _table(rows, "scores", "small-cnn", "T0, estimator, reset or continue, class shares")


def _table(rows: Rows, variant: str, model: str, title: str) -> list[str]:
    """One row per form of the method in a variant's point."""
    own = rows.of(**PLACES, model=model, variant=variant, claim="above_random")
    if own.empty:
        return []
    ratios = sorted(set(own["keep_ratio"]), key=float)
    lines = ["", f"{SHOWN[PLACES['data']]} IID, {model}, gaps to random ({title}):", "",
             f"| form | {' | '.join(f'ratio {ratio}' for ratio in ratios)} | equal cost | classes kept at 0.1 |",
             "|---" * (len(ratios) + 3) + "|"]  # fmt: skip
    for method in dict.fromkeys(own["method"]):
        key = {**PLACES, "model": model, "variant": variant, "method": method}
        cells = [text(rows.interval(claim="above_random", keep_ratio=ratio, **key)) for ratio in ratios]
        cells.append(text(rows.interval(claim="above_random_mean", at="cost", **key)))
        kept = rows.interval(claim=CLASSES, keep_ratio="0.1", **key)
        cells.append(f"{100 * kept.estimate:.0f} %" if kept else "–")
        name = "T0 1 epoch, minibatch, reset (the study's)" if method == "importance" else method
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _gaps(rows: Rows, variant: str, model: str) -> str:
    """'0.1: -20.1 ±2.0, …' of importance to random at equal ratio."""
    own = rows.of(**PLACES, model=model, variant=variant, claim="above_random", method="importance")
    told = []
    for ratio in own["keep_ratio"]:
        gap = rows.interval(**PLACES, model=model, variant=variant, claim="above_random", method="importance",
                            keep_ratio=ratio)  # fmt: skip
        told.append(f"{ratio}: {text(gap)}")
    return ", ".join(told)


def _noise(rows: Rows) -> list[str]:
    """Label noise and augmentation."""
    told = []
    for variant, share in {MAIN: "none", **NOISE}.items():
        if gaps := _gaps(rows, variant, "small-cnn"):
            wrong = rows.interval(**PLACES, model="small-cnn", variant=variant, claim=WRONG, method="importance",
                                  keep_ratio="0.1")  # fmt: skip
            kept = f"; {100 * wrong.estimate:.0f} % of what it keeps at 0.1 are wrong labels" if wrong else ""
            told.append(f"{share} ({gaps}{kept})")
    lines = [f"- **Wrong labels**, gaps to random at equal ratio by their share: {'; '.join(told)}."] if told else []
    if gaps := _gaps(rows, "augmented", "small-cnn"):
        lines.append(f"- **Augmentation** (crop-flip): {gaps}.")
    return lines


def _shards(rows: Rows) -> list[str]:
    """Shards of 500 to 50,000 samples on one device."""
    told = [f"{samples:,} samples ({gaps})" for samples in SHARDS if (gaps := _gaps(rows, f"shard-{samples}", "mlp"))]
    if not told:
        return []
    return [f"- **Shard size**, one device, mlp, six seeds, gaps to random at equal ratio: {'; '.join(told)}."]


def _regime(rows: Rows) -> list[str]:
    """Where a lead on random is shown at equal ratio and at equal cost."""
    lines = []
    for at in ("ratio", "cost"):
        own = rows.of(claim="above_random_mean", at=at)
        own = own[own["variant"].isin([name for name in VARIANTS if name not in (TWICE, *MERGED)])]
        own = own[own["method"] == "importance"]
        where = {word: [_place(row) for _, row in own[own["verdict"] == word].iterrows()] for word in (HOLDS, FAILS)}
        lines.append(
            f"- **Shown above random at equal {at}**, mean of ratios: {_listed(where[HOLDS])}. Shown below: "
            f"{len(where[FAILS])} of {len(own)} points."
        )
    return lines


def _place(row: pd.Series) -> str:
    """Name of a point."""
    return " ".join(str(row[name]) for name in ("data", "partition", "model", "variant") if row[name] != MAIN)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nowhere"
