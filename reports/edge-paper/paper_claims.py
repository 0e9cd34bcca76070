"""The table of claims with verdicts, and the advice, worked out from the rows of results.csv."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paper_estimates import ABOVE, STORES_ALL, verdict
from paper_points import LARGE, LIGHT, MAIN, Point
from paper_results import ALL
from paper_rows import Rows, setting_name
from study.wording import SHOWN, shards, side, text

from edgesim.analysis.claims import FAILS, HOLDS, OPEN
from edgesim.analysis.intervals import Interval
from edgesim.formatting import listed

METHOD = "importance"
DRAWS_FROM_ALL = (*STORES_ALL, "auto")
"""methods that choose while they train, from the whole shard"""
WORDS = {HOLDS: "holds", FAILS: "does not hold", OPEN: "this study cannot tell"}
NAMES = {"fewer-epochs": "fewer epochs", "rs2": "a new random subset every epoch (rs2)", "online-loss": "online loss",
         "random-balanced": "balanced random", "importance-balanced": "balanced importance",
         "importance-counts": "importance whose warm-up counts", "auto-subset": "auto (subset)"}  # fmt: skip
MOST_NAMES = 2
"""settings that a cell names; more are counted"""


def claims_table(rows: Rows) -> list[str]:
    """One row per claim: settings where it holds, does not hold, and cannot be told."""
    head = ["claim", "settings together", HOLDS, FAILS, OPEN]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, one, mean in _claims():
        found = {point: one(rows, point) for point in rows.settings()}
        found = {point: word for point, word in found.items() if word}
        if found:
            cells = [_named([point for point, word in found.items() if word == wanted], len(found))
                     for wanted in (HOLDS, FAILS, OPEN)]  # fmt: skip
            lines.append(f"| {' | '.join([name, mean(rows), *cells])} |")
    return [*lines, *_groups(rows)]


Test = Callable[[Rows, Point], str]


def _claims() -> list[tuple[str, Test, Callable[[Rows], str]]]:
    """(claim in words, verdict of a setting, estimate over all settings)."""
    mix = ", own mix"
    return [
        ("1 at 0.8 at most 1 point below full", _of("preserved", keep_ratio="0.8"), _pooled("full", keep_ratio="0.8")),
        ("1 at 0.5 at most 2 points below full", _of("preserved", keep_ratio="0.5"), _pooled("full", keep_ratio="0.5")),
        ("1 above random at every ratio, equal ratio", _at_every_ratio, _pooled("random", at="ratio")),
        ("1 lead larger up to 0.3 than from 0.5 on", _of("most_at_small_ratios"), _range("most_at_small_ratios")),
        ("1 above random, equal cost", _of("above_random_mean", at="cost"), _pooled("random", at="cost")),
        ("1 the same on the own mix (not IID)", _skewed("above_random_mean", at="cost" + mix),
         _pooled("random", at="cost" + mix)),
        ("1 above the best opponent, equal ratio", _of("above_best", at="ratio"), _worst("ratio")),
        ("1 above the best opponent, equal cost", _of("above_best", at="cost"), _worst("cost")),
        ("2 time linear in the ratio: R² above 0.95", _of("linear_device"), _range("linear_device")),
        ("2 time within 5 % of full's of proportional", _of("proportional"), _range("proportional")),
        ("3 scoring below 5 % of the time at 0.5", _of("scoring_negligible"), _range("scoring_negligible")),
        ("3 time less than 5 % above random's", _of("as_fast_as_random"), _range("as_fast_as_random")),
    ]  # fmt: skip


def _of(claim: str, **values: str) -> Test:
    """Verdict of a setting, as results.csv has it."""

    def found(rows: Rows, point: Point) -> str:
        own = rows.of(data=point.data, partition=point.partition, model=point.model, variant=point.variant,
                      claim=claim, method=METHOD, **values)  # fmt: skip
        return str(own["verdict"].iloc[0]) if len(own) else ""

    return found


def _skewed(claim: str, **values: str) -> Test:
    """The same in settings that are not IID."""
    own = _of(claim, **values)
    return lambda rows, point: own(rows, point) if point.partition != "iid" else ""


def _at_every_ratio(rows: Rows, point: Point) -> str:
    """The claim on every ratio: one that is shown below is enough against it."""
    own = rows.of(data=point.data, partition=point.partition, model=point.model, variant=point.variant,
                  claim="above_random", method=METHOD)["verdict"]  # fmt: skip
    if own.empty:
        return ""
    return FAILS if (own == FAILS).any() else HOLDS if (own == HOLDS).all() else OPEN


def _range(claim: str) -> Callable[[Rows], str]:
    """Estimates of the settings: the smallest to the largest."""

    def found(rows: Rows) -> str:
        own = rows.of(claim=claim, method=METHOD)
        if own.empty:
            return "–"
        unit = own["unit"].iloc[0]
        ends = [own["estimate"].min(), own["estimate"].max()]
        shown = [f"{100 * end:.0f} %" if unit == "share" else f"{end:+.1f}" if unit == "points" else f"{end:.3f}"
                 for end in ends]  # fmt: skip
        return " to ".join(dict.fromkeys(shown))

    return found


def _pooled(opponent: str, **values: str) -> Callable[[Rows], str]:
    """Mean gap over all settings."""
    return lambda rows: text(rows.interval(claim="pooled", data=ALL, partition=ALL, model=ALL, method=METHOD,
                                           opponent=opponent, **values))  # fmt: skip


def _worst(at: str) -> Callable[[Rows], str]:
    """Mean gap over all settings to the opponent with the lowest one."""

    def found(rows: Rows) -> str:
        gaps = {
            name: gap for name in STORES_ALL if (gap := rows.interval(claim="pooled", data=ALL, partition=ALL,
                                                                      model=ALL, method=METHOD, opponent=name, at=at))
        }  # fmt: skip
        if not gaps:
            return "–"
        name = min(gaps, key=lambda one: gaps[one].estimate)
        return f"{text(gaps[name])} {name}"

    return found


def _named(points: Sequence[Point], of: int) -> str:
    """'3 of 9', with the settings' names where they are few."""
    if not points:
        return "–"
    if len(points) == of:
        return f"all {of}"
    names = f": {', '.join(map(setting_name, points))}" if len(points) <= MOST_NAMES else ""
    return f"{len(points)} of {of}{names}"


def _groups(rows: Rows) -> list[str]:
    """Claim 4: gaps to random by network, partition and data set."""
    found = rows.of(claim="pooled", method=METHOD, opponent="random")
    told = []
    for key, part in found.groupby(["data", "partition", "model"], sort=False):
        data, partition, model = map(str, key)
        if (data, partition, model) != (ALL, ALL, ALL):
            gaps = {row["at"]: Interval(row["estimate"], row["low"], row["high"]) for _, row in part.iterrows()}
            told.append((_group(data, partition, model), gaps))
    return ["", "Claim 4, means of the settings of a group against random:", "",
            "| group | equal ratio | equal ratio, own mix | equal cost | equal cost, own mix | at equal cost it |",
            "|---|---|---|---|---|---|",
            *(f"| {name} | {' | '.join(text(gaps.get(at)) for at in AT)} | {_both(gaps)} |"
              for name, gaps in told)]  # fmt: skip


AT = ("ratio", "ratio, own mix", "cost", "cost, own mix")


def _group(data: str, partition: str, model: str) -> str:
    """Name of a group of settings."""
    if model in (LARGE, LIGHT):
        return f"{model} networks"
    return SHOWN[data] if data != ALL else f"shards {shards(partition)}"


def _both(gaps: dict[str, Interval]) -> str:
    """Verdict at equal cost, and that on the own mix where it is another."""
    common, own = _word(gaps.get("cost")), _word(gaps.get("cost, own mix"))
    return common if own in ("–", common) else f"{common} (own mix: {own})"


def _word(gap: Interval | None) -> str:
    """Verdict on "above random"."""
    return "–" if gap is None else WORDS[verdict(gap, 0.0, ABOVE)]


def advice(rows: Rows) -> list[str]:
    """What a practitioner does, from the pooled gaps to random at equal cost.

    Only methods that ran in every setting are recommended: means of other settings do not compare.
    """
    lines = []
    gaps = _against_random(rows, "cost")
    stores = {name: gap for name, gap in gaps.items() if name in DRAWS_FROM_ALL}
    if stores:
        ahead = [name for name in _everywhere(rows, stores) if side(stores[name]) > 0]
        if ahead:
            best = max(ahead, key=lambda name: stores[name].estimate)
            told = ", ".join(f"{NAMES.get(name, name)} {text(stores[name], False)}" for name in ahead)
            lines.append(
                f"- **The device stores its whole shard**: take {NAMES.get(best, best)}. Shown above static random at "
                f"equal cost, mean of settings: {told} points.{_elsewhere(rows, stores)}"
            )
        else:
            lines.append(
                "- **The device stores its whole shard**: no method that ran in every setting is shown above static "
                f"random at equal cost.{_elsewhere(rows, stores)}"
            )
    fixed = {name: gap for name, gap in gaps.items() if name not in DRAWS_FROM_ALL}
    if fixed:
        everywhere = _everywhere(rows, fixed)
        told = ", ".join(f"{NAMES.get(name, name)} {text(fixed[name], False)}" for name in everywhere
                         if fixed[name].is_known)  # fmt: skip
        ahead = [name for name in everywhere if side(fixed[name]) > 0]
        take = NAMES.get(max(ahead, key=lambda name: fixed[name].estimate), METHOD) if ahead else "static random"
        lines.append(f"- **Only a subset can be stored, or is used once**: take {take}. Gaps to static random at equal "
                     f"cost: {told} points.{_elsewhere(rows, fixed)}")  # fmt: skip
    repeated = {name: gap for name, gap in _against_random(rows, "ratio").items() if name not in DRAWS_FROM_ALL}
    if repeated:
        told = ", ".join(f"{NAMES.get(name, name)} {text(repeated[name], False)}"
                         for name in _everywhere(rows, repeated) if repeated[name].is_known)  # fmt: skip
        own = _against_random(rows, "ratio, own mix").get(METHOD)
        lines.append(f"- **One subset serves many trainings**, so that scoring is free: at equal ratio {told} points "
                     f"to random; importance on the device's own mix {text(own, False)}."
                     f"{_elsewhere(rows, repeated)}")  # fmt: skip
    return lines


def _settings_of(rows: Rows, method: str) -> int:
    """Number of settings that a method ran in."""
    own = rows.of(claim="above_random_mean", method=method, variant=MAIN)
    return len(own[["data", "partition", "model"]].drop_duplicates())


def _everywhere(rows: Rows, gaps: dict[str, Interval]) -> list[str]:
    """Methods that ran in as many settings as importance."""
    return [name for name in gaps if _settings_of(rows, name) == _settings_of(rows, METHOD)]


def _elsewhere(rows: Rows, gaps: dict[str, Interval]) -> str:
    """The gaps of the other methods, by number of settings: they do not compare with those above."""
    every, there = _settings_of(rows, METHOD), _everywhere(rows, gaps)
    told = [f"{NAMES.get(name, name)} {text(gap, False)} ({_settings_of(rows, name)} of {every})"
            for name, gap in gaps.items() if name not in there and gap.is_known]  # fmt: skip
    unknown = [NAMES.get(name, name) for name, gap in gaps.items() if not gap.is_known]
    apart = f" In some settings only, so not comparable: {', '.join(told)}." if told else ""
    lacks = "no (device, seed) pair has a partner of equal cost in every setting"
    own = " `auto` is compared in its own settings above." if {"auto", "auto-subset"} & set(gaps) else ""
    return apart + (f" Not told for {listed(unknown)}: {lacks}." if unknown else "") + own


def _against_random(rows: Rows, at: str) -> dict[str, Interval]:
    """Method -> its pooled gap to random."""
    found = rows.of(claim="pooled", data=ALL, partition=ALL, model=ALL, opponent="random", at=at)
    return {row["method"]: Interval(row["estimate"], row["low"], row["high"]) for _, row in found.iterrows()}
