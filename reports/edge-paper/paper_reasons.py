"""Why a claim fails, and where it holds: forms of the method, what is kept, label noise, augmentation, shard size."""

from __future__ import annotations

import numpy as np
from paper_advice import EVEN, SKEWED
from paper_claims import by_ratio
from paper_points import MAIN, MIDDLE, SHARDS
from paper_pooled import HARDER
from paper_records import CLASSES, HARD, WRONG
from paper_rows import Rows, in_points, setting_name
from study.wording import SHOWN, side, text, wrapped

from edgesim.analysis.claims import FAILS, HOLDS
from edgesim.analysis.intervals import Interval
from edgesim.formatting import listed

PLACES = {"data": "fashion-mnist", "partition": "iid"}
FORMS = (("scores", "small-cnn"), (f"shard-{MIDDLE}", "mlp"))
"""(variant, network) of the points that compare forms of the method"""
NOISE = {"noise-5": "5 %", "noise-20": "20 %"}


def section(rows: Rows) -> list[str]:
    """The section, or nothing where none of its points is finished."""
    lines = [*_classes(rows), *_longer(rows), *_noise(rows), *_shards(rows), *_regime(rows)]
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
            "sample's 10 nearest (hard: many)."
            f"{_harder(rows)}"
        ),
        "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""]  # fmt: skip


def _harder(rows: Rows) -> str:
    """Whether what importance keeps is harder than what random keeps, with its interval."""
    found = rows.interval(claim=HARDER, partition="iid")
    if found is None:
        return ""
    word = {1: "harder", 0: "not shown to be harder", -1: "easier"}[side(found)]
    return (
        f" What importance keeps is {word}: {text(in_points(found))} points more than with random, interval over the "
        "IID settings."
    )


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
    key = {**PLACES, "model": "mlp", "variant": f"shard-{MIDDLE}", "method": "importance", "keep_ratio": "0.1"}
    classes, gap = rows.interval(claim=CLASSES, **key), rows.interval(claim="above_random", **key)
    more = ""
    if classes and gap:
        more = (
            f" Not all of it: of {MIDDLE:,} samples it keeps {100 * classes.estimate:.0f} % of the classes at 0.1, and "
            f"is {text(gap)} off random (mlp)."
        )
    return _bullet(
        f"**Classes go missing.** At 0.1 it keeps {kept[0]:.0f} % of a device's classes, random {kept[1]:.0f} % "
        f"(IID). With the class shares kept, its gap to random at equal cost is {text(shares)}, without "
        f"{text(plain)} (0.1 to 0.5, {SHOWN[PLACES['data']]} small-cnn).{more}"
    )


def _longer(rows: Rows) -> list[str]:
    """Lengths of T0, estimator and what follows the warm-up."""
    told = [f"{name} {text(gap)}" for method, name in TOLD.items() if (gap := _at_cost(rows, method))]
    if len(told) < len(TOLD):
        return []
    return _bullet(
        f"**Neither longer nor other scoring mends it.** Gaps to random at equal cost, 0.1 to 0.5: scoring for "
        f"{', '.join(told)} ({SHOWN[PLACES['data']]} small-cnn; [more](details.md))."
    )


TOLD = {"T0 5 steps": "5 steps", "importance": "1 epoch", "T0 2 epochs": "2", "T0 5 epochs": "5",
        "snapshots": "losses of snapshots", "continue": "training on with the scoring weights"}  # fmt: skip
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


def _noise(rows: Rows) -> list[str]:
    """Label noise; gaps are in `noise_table`."""
    key = {**PLACES, "model": "small-cnn", "method": "importance", "keep_ratio": "0.1"}
    told = [f"{100 * wrong.estimate:.0f} % where {share} are" for variant, share in NOISE.items()
            if (wrong := rows.interval(claim=WRONG, variant=variant, **key))]  # fmt: skip
    if len(told) < len(NOISE):
        return []
    return _bullet(
        f"**Wrong labels are kept more often** at 0.1: they are {', '.join(told)} ([gaps, augmentation](details.md))."
    )


def noise_table(rows: Rows) -> list[str]:
    """Gaps to random at equal ratio with wrong labels and augmentation; empty where none is finished."""
    variants = {MAIN: "as it is", **{name: f"{share} of the labels wrong" for name, share in NOISE.items()},
                "augmented": "augmented (crop and flip)"}  # fmt: skip
    key = {**PLACES, "model": "small-cnn", "method": "importance"}
    ratios = rows.ratios()
    lines = [f"| data | {' | '.join(f'ratio {ratio}' for ratio in ratios)} | wrong labels kept at 0.1 |",
             "|---" * (len(ratios) + 2) + "|"]  # fmt: skip
    for variant, name in variants.items():
        gaps = [rows.interval(claim="above_random", variant=variant, keep_ratio=ratio, **key) for ratio in ratios]
        wrong = rows.interval(claim=WRONG, variant=variant, keep_ratio="0.1", **key)
        if any(gaps):
            share = f"{100 * wrong.estimate:.0f} %" if wrong else "–"
            lines.append(f"| {name} | {' | '.join(map(text, gaps))} | {share} |")
    return [f"{SHOWN[PLACES['data']]} IID small-cnn, gaps to random at equal ratio:", "", *lines, ""]


def holds_from(rows: Rows, ratio: str) -> int | None:
    """The smallest shard from which on the claim on accuracy preserved holds; None where it does not."""
    size = None
    for samples in reversed(SHARDS):
        own = rows.of(claim="preserved", variant=f"shard-{samples}", method="importance", keep_ratio=ratio)
        if own.empty or own["verdict"].iloc[0] != HOLDS:
            break
        size = samples
    return size


def _shards(rows: Rows) -> list[str]:
    """Shards of 500 to 50,000 samples on one device: accuracy preserved, and the gap to random at 0.1."""
    if not all(_preserved(rows, samples, "importance", "0.5") for samples in SHARDS):
        return []
    from_on = [f"at {ratio} from {size:,}" for ratio in ("0.8", "0.5") if (size := holds_from(rows, ratio))]
    gaps = ", ".join(text(rows.interval(claim="above_random", keep_ratio="0.1", **_of_shard(samples, "importance")))
                     for samples in SHARDS)  # fmt: skip
    return _bullet(
        f"**Larger shards preserve accuracy** ({SHOWN[PLACES['data']]} IID, one device, mlp): "
        f"{listed(from_on) or 'nowhere'} samples on; [random's "
        "nearly too](details.md). The gap to random at "
        f"0.1 stays: {gaps} with {listed([f'{samples:,}' for samples in SHARDS])}."
    )


def shard_table(rows: Rows) -> list[str]:
    """Accuracy preserved by shard size."""
    ratios = ("0.8", "0.5")
    lines = ["| samples | at 0.8 | random at 0.8 | at 0.5 | random at 0.5 |", "|---|---|---|---|---|"]
    for samples in SHARDS:
        gaps = [_preserved(rows, samples, method, ratio) for ratio in ratios for method in ("importance", "random")]
        lines.append(f"| {samples:,} | {' | '.join(map(text, gaps))} |")
    return [f"{SHOWN[PLACES['data']]}, one device, mlp, six seeds, gaps to full training:", "", *lines, ""]


def _of_shard(samples: int, method: str) -> dict[str, str]:
    return {**PLACES, "model": "mlp", "variant": f"shard-{samples}", "method": method}


def _preserved(rows: Rows, samples: int, method: str, ratio: str) -> Interval | None:
    """Gap to full training on one shard."""
    return rows.interval(claim="preserved", keep_ratio=ratio, **_of_shard(samples, method))


def _regime(rows: Rows) -> list[str]:
    """Where a lead on random is shown: by kind of shards and ratio, and in how many settings."""
    gaps = [f"{kind} {', '.join(text(gap) for gap in each)}" for kind in (SKEWED, EVEN)
            if (each := [gap for ratio in rows.ratios() if (gap := by_ratio(rows, ratio, kind))])]  # fmt: skip
    told, own = [], rows.table
    for at, name in (("ratio", "equal ratio"), ("cost", "equal cost"), ("cost, own mix", "equal cost and the own mix")):
        own = rows.of(claim="above_random_mean", at=at, variant=MAIN, method="importance")
        told.append(f"{(own['verdict'] == HOLDS).sum()} and {(own['verdict'] == FAILS).sum()} at {name}")
    return _bullet(
        f"**It leads random with skewed shards, on the common test set**, at {', '.join(rows.ratios())}, equal ratio: "
        f"{'; '.join(gaps)} shards. Settings ahead and behind (mean of ratios), of {len(own)}: {', '.join(told)}."
    )
