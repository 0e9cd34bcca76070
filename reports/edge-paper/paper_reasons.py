"""Why a claim fails, and where it holds: forms of the method, what is kept, label noise, augmentation, shard size."""

from __future__ import annotations

import numpy as np
from paper_points import MAIN, MIDDLE, SHARDS, Point
from paper_records import CLASSES, HARD, WRONG
from paper_rows import Rows, setting_name
from study.wording import SHOWN, text, wrapped

from edgesim.analysis.claims import FAILS, HOLDS
from edgesim.analysis.intervals import Interval

PLACES = {"data": "fashion-mnist", "partition": "iid"}
FORMS = (("scores", "small-cnn"), (f"shard-{MIDDLE}", "mlp"))
"""(variant, network) of the points that compare forms of the method"""
NOISE = {"noise-5": "5 %", "noise-20": "20 %"}


def section(rows: Rows) -> list[str]:
    """The section, or nothing where none of its points is finished."""
    lines = [*_classes(rows), *_hard(rows), *_longer(rows), *_noise(rows), *_augmented(rows), *_shards(rows),
             *_regime(rows)]  # fmt: skip
    return ["## Why, and where it holds", "", *lines] if lines else []


def kept_table(rows: Rows) -> list[str]:
    """Classes and hardness of what importance and random keep at 0.1, by setting; empty where none is finished."""
    lines = []
    for point in rows.settings():
        key = {"data": point.data, "partition": point.partition, "model": point.model, "variant": MAIN,
               "keep_ratio": "0.1"}  # fmt: skip
        shares = [rows.interval(claim=claim, method=method, **key) for claim in (CLASSES, HARD)
                  for method in ("importance", "random")]  # fmt: skip
        if all(shares):
            cells = [f"{100 * one.estimate:.0f} %" for one in shares if one]
            lines.append(f"| {' | '.join([setting_name(point), *cells])} |")
    if not lines:
        return []
    head = ["setting", "classes, importance", "classes, random", "other classes near, importance", "random"]
    return [
        *wrapped(
            "At keep ratio 0.1: share of the device's classes that are kept, and share of other classes among a kept "
            "sample's 10 nearest."
        ),
        "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""]  # fmt: skip


def _means(rows: Rows, claim: str) -> tuple[float, float] | None:
    """Share of importance and of random at 0.1: means of the IID settings, in per cent."""
    own = rows.of(claim=claim, partition="iid", variant=MAIN, keep_ratio="0.1")
    found = [own.loc[own["method"] == method, "estimate"].mean() for method in ("importance", "random")]
    return None if np.isnan(found).any() else (100 * found[0], 100 * found[1])


def _at_cost(rows: Rows, method: str, variant: str = "scores", model: str = "small-cnn") -> Interval | None:
    return rows.interval(**PLACES, model=model, variant=variant, claim="above_random_mean", at="cost", method=method)


def _classes(rows: Rows) -> list[str]:
    """Class coverage: what is lost, and what keeping the shares brings back."""
    kept, plain, shares = _means(rows, CLASSES), _at_cost(rows, "importance"), _at_cost(rows, "class shares")
    if kept is None or plain is None or shares is None:
        return []
    return _bullet(
        f"**Classes go missing.** At 0.1 importance keeps {kept[0]:.0f} % of a device's classes, random "
        f"{kept[1]:.0f} % (means of the IID settings). With the class shares kept, its gap to random at equal cost is "
        f"{text(shares)} points, without {text(plain)} ({SHOWN[PLACES['data']]} small-cnn)."
    )


def _hard(rows: Rows) -> list[str]:
    """Hardness: of what is kept, and where no class is missing."""
    kept, large = _means(rows, HARD), f"shard-{MIDDLE}"
    key = {**PLACES, "model": "mlp", "variant": large, "method": "importance", "keep_ratio": "0.1"}
    classes, gap = rows.interval(claim=CLASSES, **key), rows.interval(claim="above_random", at="ratio", **key)
    if kept is None or classes is None or gap is None:
        return []
    return _bullet(
        f"**What is kept is hard.** {kept[0]:.0f} % of the 10 nearest of a kept sample are of other classes, "
        f"{kept[1]:.0f} % with random. On a shard of {MIDDLE:,} samples it keeps {100 * classes.estimate:.0f} % of the "
        f"classes at 0.1, and is still {text(gap)} points off random (mlp). [By setting](details.md)."
    )


def _longer(rows: Rows) -> list[str]:
    """Lengths of T0, estimator and what follows the warm-up."""
    told = [f"{name} {text(gap)}" for method, name in TOLD.items() if (gap := _at_cost(rows, method))]
    if len(told) < len(TOLD):
        return []
    return _bullet(
        f"**Longer scoring does not mend it**: gaps to random at equal cost, T0 of {', '.join(told)} "
        f"({SHOWN[PLACES['data']]} small-cnn; [table](details.md), {MIDDLE:,} samples too)."
    )


TOLD = {"T0 5 steps": "5 steps", "importance": "1 epoch", "T0 2 epochs": "2", "T0 5 epochs": "5",
        "snapshots": "losses of snapshots", "continue": "training that goes on from it"}  # fmt: skip
"""form of the method -> its name in the sentence"""


def _bullet(sentence: str) -> list[str]:
    return [f"- {sentence}"]


def forms(rows: Rows) -> list[str]:
    """Tables of forms of the method against random; empty where none is finished."""
    return [line for variant, model in FORMS for line in _table(rows, variant, model)]


def _shown(variant: str, model: str) -> str:
    """Name of a point that compares forms."""
    return f"{model}, {'150 samples a device' if variant == 'scores' else f'{MIDDLE:,} samples'}"


def _table(rows: Rows, variant: str, model: str) -> list[str]:
    """One row per form of the method in a variant's point."""
    own = rows.of(**PLACES, model=model, variant=variant, claim="above_random")
    if own.empty:
        return []
    ratios = sorted(set(own["keep_ratio"]), key=float)
    lines = ["", f"{SHOWN[PLACES['data']]} IID, {_shown(variant, model)}, gaps to random:", "",
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
    """'-20.1 ±2.0 at 0.1 and +0.4 ±0.9 at 0.5' of importance to random at equal ratio."""
    key = {**PLACES, "model": model, "variant": variant, "claim": "above_random", "method": "importance"}
    told = [f"{text(gap)} at {ratio}" for ratio in ("0.1", "0.5") if (gap := rows.interval(**key, keep_ratio=ratio))]
    return " and ".join(told)


def _noise(rows: Rows) -> list[str]:
    """Label noise."""
    told = []
    for variant, share in {MAIN: "without", **NOISE}.items():
        if gaps := _gaps(rows, variant, "small-cnn"):
            wrong = rows.interval(**PLACES, model="small-cnn", variant=variant, claim=WRONG, method="importance",
                                  keep_ratio="0.1")  # fmt: skip
            kept = f" ({100 * wrong.estimate:.0f} % of what it keeps at 0.1 is wrong)" if wrong else ""
            told.append(f"{share} {gaps}{kept}")
    if len(told) <= len(NOISE):
        return []
    return _bullet(f"**Wrong labels are kept more often**; gaps to random at equal ratio: {'; '.join(told)}.")


def _augmented(rows: Rows) -> list[str]:
    """Augmentation."""
    gaps = _gaps(rows, "augmented", "small-cnn")
    return _bullet(f"**With augmentation** (crop and flip): {gaps}.") if gaps else []


def _shards(rows: Rows) -> list[str]:
    """Shards of 500 to 50,000 samples on one device."""
    told = [f"{samples:,} samples {gaps}" for samples in SHARDS if (gaps := _gaps(rows, f"shard-{samples}", "mlp"))]
    if not told:
        return []
    return _bullet(
        f"**Larger shards do not mend it**, one device, mlp, six seeds, gaps to random at equal ratio: "
        f"{'; '.join(told)}."
    )


def _regime(rows: Rows) -> list[str]:
    """Where a lead on random is shown, on each test distribution; of the settings alone."""
    told = []
    for at, name in (("ratio", "equal ratio"), ("cost", "equal cost"), ("cost, own mix", "equal cost, own mix")):
        own = rows.of(claim="above_random_mean", at=at, variant=MAIN, method="importance")
        where = {word: [setting_name(Point(row["data"], row["partition"], row["model"]))
                        for _, row in own[own["verdict"] == word].iterrows()] for word in (HOLDS, FAILS)}  # fmt: skip
        names = ", ".join(where[HOLDS]) or "nowhere"
        told.append(f"at {name} {names}; below in {len(where[FAILS])} of {len(own)} settings")
    return _bullet(f"**It leads random**, mean of ratios: {'; '.join(told)}.")
