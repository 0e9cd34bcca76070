"""The table of claims with verdicts, worked out from the rows of results.csv."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paper_advice import EVEN, KINDS, SETTINGS, SKEWED
from paper_estimates import ABOVE, OWN_MIX, STORES_ALL, verdict
from paper_points import LARGE, LIGHT, Point
from paper_pooled import GRID, POOLED
from paper_rows import ALL, ORDER, Rows, network_name
from study.comparisons import FEWER_EPOCHS
from study.wording import SHOWN, shards, text

from edgesim.analysis.claims import FAILS, HOLDS, OPEN
from edgesim.analysis.intervals import Interval

METHOD = "importance"
SECONDARY = (
    "1 lead over random: up to 0.3 minus from 0.5 on",
    "1 above the hardest opponent, equal ratio",
    "1 above random, equal cost, own mix (skewed shards)",
)
"""claims that details.md has alone"""


def claims_table(rows: Rows, wanted: Sequence[str] = ()) -> list[str]:
    """One row per claim with the numbers of settings where it holds, does not hold, and cannot be told.

    Args:
        rows: of results.csv.
        wanted: the claims; all but SECONDARY where none is named.
    """
    lines = [f"| claim | settings together | settings: {HOLDS}, {FAILS}, {OPEN} |", "|---|---|---|"]
    for name, one, mean in _claims():
        found = [word for point in rows.settings() if (word := one(rows, point))]
        if found and (name in wanted if wanted else name not in SECONDARY):
            counts = ", ".join(str(found.count(word)) for word in (HOLDS, FAILS, OPEN))
            lines.append(f"| {name} | {mean(rows)} | {counts} |")
    return lines


def first_groups(rows: Rows) -> list[str]:
    """Claim 4: gaps to random by kind of network and of shards."""
    told = _groups(rows)
    return ["| group (settings) | equal ratio | own mix | equal cost | own mix |", "|---|---|---|---|---|",
            *(f"| {name} | {' | '.join(text(gaps.get(at)) for at in AT)} |"
              for place, (name, gaps) in sorted(told.items()) if place in FIRST)]  # fmt: skip


Test = Callable[[Rows, Point], str]


def _claims() -> list[tuple[str, Test, Callable[[Rows], str]]]:
    """(claim in words, verdict of a setting, estimate over all settings)."""
    mix = ", own mix"
    return [
        ("1 at 0.8 at most 1 point below full", _of("preserved", keep_ratio="0.8"),
         _preserved(-1.0, "0.8")),
        ("1 at 0.5 at most 2 points below full", _of("preserved", keep_ratio="0.5"),
         _preserved(-2.0, "0.5")),
        ("1 above random at every ratio, equal ratio", _at_every_ratio, _means_by_ratio),
        ("1 lead over random: up to 0.3 minus from 0.5 on", _of("most_at_small_ratios"),
         _range("most_at_small_ratios")),
        ("1 above random, equal cost", _of("above_random_mean", at="cost"), _pooled("random", at="cost")),
        ("1 above random, equal cost, own mix (skewed shards)", _skewed("above_random_mean", at="cost" + mix),
         _pooled("random", partition=SKEWED, at="cost" + mix)),
        ("1 above the hardest opponent, equal ratio", _of("above_best", at="ratio"), _worst("ratio")),
        ("1 above the hardest opponent, equal cost", _of("above_best", at="cost"), _worst("cost")),
        ("2 time linear in the ratio: R² above 0.95", _of("linear_device"), _range("linear_device")),
        ("2 time within 5 % of full's of proportional", _of("proportional"), _range("proportional")),
        ("3 scoring below 5 % of the time at 0.5", _of("scoring_negligible"), _range("scoring_negligible")),
        ("3 time less than 5 % above random's, mean of ratios", _of("as_fast_as_random"), _range("as_fast_as_random")),
    ]  # fmt: skip


def _of(claim: str, **values: str) -> Test:
    """Verdict of a setting, as results.csv has it."""

    def found(rows: Rows, point: Point) -> str:
        own = rows.of(data=point.data, partition=point.partition, model=point.model, variant=point.variant,
                      claim=claim, method=METHOD, **values)  # fmt: skip
        return str(own["verdict"].iloc[0]) if len(own) else ""

    return found


def _skewed(claim: str, **values: str) -> Test:
    """The same in settings with skewed shards."""
    own = _of(claim, **values)
    return lambda rows, point: own(rows, point) if point.partition in KINDS[SKEWED] else ""


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
        shown = [f"{100 * end:.0f} %" if unit == "share" else f"{end:+z.1f}" if unit == "points" else f"{end:.3f}"
                 for end in ends]  # fmt: skip
        return " to ".join(dict.fromkeys(shown))

    return found


def _pooled(opponent: str, threshold: float = 0.0, partition: str = ALL, **values: str) -> Callable[[Rows], str]:
    """Mean gap over all settings, or those of some partitions, and its verdict."""

    def found(rows: Rows) -> str:
        key = {"claim": POOLED, "data": ALL, "model": ALL, "method": METHOD, "opponent": opponent, **values}
        gap = rows.interval(partition=partition, **{"keep_ratio": "mean", **key})
        return f"{text(gap)} {verdict(gap, threshold, ABOVE)}" if gap else "–"

    return found


def _preserved(threshold: float, ratio: str) -> Callable[[Rows], str]:
    """The same against full training; on the own mix; and random's gap."""
    common, own_mix = (_pooled("full", threshold, keep_ratio=ratio, at=where) for where in ("", OWN_MIX))

    def found(rows: Rows) -> str:
        key = {"claim": POOLED, "data": ALL, "partition": ALL, "model": ALL, "opponent": "full", "keep_ratio": ratio}
        random = text(rows.interval(method="random", at="", **key))
        return f"{common(rows)}; own mix {own_mix(rows)}; random {random}"

    return found


def by_ratio(rows: Rows, ratio: str, kind: str = ALL) -> Interval | None:
    """Mean gap to random at one keep ratio, equal for both, over the settings of a kind of shards."""
    key = {"claim": POOLED, "data": ALL, "partition": kind, "model": ALL, "method": METHOD, "opponent": "random"}
    return rows.interval(at="ratio", keep_ratio=ratio, **key)


def _means_by_ratio(rows: Rows) -> str:
    """Mean gap to random at each keep ratio, over all settings; against the claim one ratio shown below is enough."""
    gaps = {ratio: gap for ratio in rows.ratios() if (gap := by_ratio(rows, ratio))}
    words = [verdict(gap, 0.0, ABOVE) for gap in gaps.values()]
    word = FAILS if FAILS in words else HOLDS if set(words) == {HOLDS} else OPEN
    return f"{', '.join(f'{text(gap)} at {ratio}' for ratio, gap in gaps.items())}: {word}" if gaps else "–"


def _worst(at: str) -> Callable[[Rows], str]:
    """Mean gap to the opponent with the lowest one, among those that ran in as many settings as FEWER_EPOCHS."""

    def found(rows: Rows) -> str:
        key = {"claim": "pooled", "data": ALL, "partition": ALL, "model": ALL, "method": METHOD, "at": at}
        counts = {name: int(own["settings"].iloc[0]) for name in STORES_ALL
                  if len(own := rows.of(opponent=name, **key))}  # fmt: skip
        gaps = {name: gap for name, count in counts.items() if count >= counts.get(FEWER_EPOCHS, 0)
                and (gap := rows.interval(opponent=name, **key))}  # fmt: skip
        if not gaps:
            return "–"
        name = min(gaps, key=lambda one: gaps[one].estimate)
        return f"{text(gaps[name])} {verdict(gaps[name], 0.0, ABOVE)} ({name}, {counts[name]} settings)"

    return found


NETWORKS = (*GRID, LIGHT, LARGE)
OF_DATA = 2
"""place of the groups by data set among the groups of claim 4"""
FIRST = [*((0, place) for place in range(len(GRID))), (1, 0), (1, 1)]
"""places of the groups on the first page: the two networks that share all their settings, and kinds of shards"""


def group_table(rows: Rows) -> list[str]:
    """Gaps to random by network, partition and data set, with verdicts."""
    told = _groups(rows)
    return ["| group | equal ratio | equal ratio, own mix | equal cost | equal cost, own mix | at equal ratio it | "
            "at equal cost it |", "|---|---|---|---|---|---|---|",
            *(f"| {name} | {' | '.join(text(gaps.get(at)) for at in AT)} | {_both(gaps, 'ratio')} | "
              f"{_both(gaps, 'cost')} |" for _, (name, gaps) in sorted(told.items()))]  # fmt: skip


def _groups(rows: Rows) -> dict[tuple[int, int], tuple[str, dict[str, Interval]]]:
    """Place of each group -> its name with the number of settings, and gaps."""
    found = rows.of(claim=POOLED, method=METHOD, opponent="random", keep_ratio="mean")
    told = {}
    for key, part in found.groupby(["data", "partition", "model"], sort=False):
        data, partition, model = map(str, key)
        if (data, partition, model) != (ALL, ALL, ALL):
            gaps = {row["at"]: Interval(row["estimate"], row["low"], row["high"]) for _, row in part.iterrows()}
            count = int(rows.number(claim=SETTINGS, data=data, partition=partition, model=model, variant=ALL))
            told[_place(data, partition, model)] = f"{_group(data, partition, model)} ({count})", gaps
    return told


AT = ("ratio", "ratio, own mix", "cost", "cost, own mix")


def _place(data: str, partition: str, model: str) -> tuple[int, int]:
    """Order of a group: networks, partitions, data sets."""
    if model != ALL:
        return 0, NETWORKS.index(model)
    if partition in KINDS:
        return 1, (EVEN, SKEWED).index(partition)
    if partition != ALL:
        return OF_DATA + 1, ORDER.index(partition)
    return OF_DATA, list(SHOWN).index(data)


def _group(data: str, partition: str, model: str) -> str:
    """Name of a group of settings."""
    if model in (LARGE, LIGHT):
        return f"{model} networks"
    if model != ALL:
        return network_name(model)
    if partition in KINDS:
        return f"{partition} shards"
    return SHOWN[data] if data != ALL else f"shards {shards(partition)}"


def _both(gaps: dict[str, Interval], at: str) -> str:
    """Verdict, and that on the own mix where it is another."""
    common, own = _word(gaps.get(at)), _word(gaps.get(f"{at}, own mix"))
    return common if own in ("–", common) else f"{common} (own mix: {own})"


def _word(gap: Interval | None) -> str:
    """Verdict on "above random"."""
    return "–" if gap is None else verdict(gap, 0.0, ABOVE)
