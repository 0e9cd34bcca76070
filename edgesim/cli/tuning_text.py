"""Answer of `edgesim tune` on the terminal: choices, waste of the full clocks, and trust in the numbers."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from edgesim.cli import terminal
from edgesim.cli.app import echo
from edgesim.formatting import distinguished, listed, n_of, number, percent
from edgesim.tasks import ACCURACY, METRICS

if TYPE_CHECKING:
    from edgesim.planning.tuning import Tuning

MOST_ROWS = 60
"""rows of devices on the terminal, at most; larger fleets are shown by profile"""
MOST_NAMED = 5
"""devices without a fitting mode that are named"""
WIDTH = 80
"""characters of a line of text"""
GOALS = {"energy": "least energy", "time": "least time", "ratio": "most data", "accuracy": "most accuracy measured"}
MEANS = ("keep_ratio", "time_s", "energy_j", "full_clock_time_s", "full_clock_energy_j")


def print_tuning(found: Tuning) -> None:
    """Print the choices, what the full clocks would waste, and how far the numbers can be trusted."""
    for note in found.data_notes:
        echo(f"data: {note}", err=True)
    for note in found.query.accuracy_notes:
        echo(textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent="    ").fill(note))
    good = [row for row in found.rows if row["meets"]]
    if good:
        title = f"choice of every device: {_goal_words(found)}"
        if len(good) > MOST_ROWS:
            terminal.print_rows(
                f"{title}; means by profile (--json has all)", _by_profile(good), keys=("profile", "method")
            )
        else:
            terminal.print_rows(title, [_row(row) for row in good], keys=("device", "profile", "method"))
    for line in [*_unmet(found), *_waste(good), *_trust(found, good), *_searched(found)]:
        echo(textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent="    ").fill(line))


def _goal_words(found: Tuning) -> str:
    """Goal and limits in words."""
    target = found.query.target
    limits = [f"{number(limit)} {unit}" for limit, unit in ((target.deadline_s, "s"), (target.energy_j, "J")) if limit]
    within = f" within {' and '.join(limits)}" if limits else ""
    kept = (
        f", keeping at least {number(found.least_ratio)} of the samples (to the nearest sample)"
        if found.least_ratio
        else ""
    )
    goal = GOALS[target.goal]
    if target.goal == "accuracy" and found.query.metric is not ACCURACY:
        goal = f"best {found.query.metric.title} measured"
    return f"{goal}{within}{kept}"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A choice for the terminal."""
    return {
        "device": str(row["device"]),
        "profile": row["profile"],
        "method": row["method"],
        "keep": row["keep_ratio"],
        "power mode": row["power_mode"],
        "time s": row["time_s"],
        "energy J": row["energy_j"],
        "full clocks s": _known(row["full_clock_time_s"]),
        "full clocks J": _known(row["full_clock_energy_j"]),
        "saved": _share(row["saved_energy"]),
        **_accuracy(row),
    }


def _accuracy(row: dict[str, Any]) -> dict[str, Any]:
    """The measured accuracy with its interval, where there is one."""
    metric = next((metric for metric in METRICS.values() if metric.key in row), None)
    if metric is None:
        return {}
    low, high = metric.named("accuracy_low"), metric.named("accuracy_high")
    ends = [metric.value(row[name]) for name in (low, high) if not _unknown(row[name])]
    shown = {metric.title: metric.value(row[metric.key]), "interval": " to ".join(ends) or "none"}
    for name, words in (("own_accuracy", "own test"), ("common_accuracy", "common test")):
        if metric.named(name) in row:
            shown[f"{metric.title}, {words}"] = metric.value(row[metric.named(name)])
    return shown


def _share(saved: float) -> str | None:
    return None if _unknown(saved) else percent(saved)


def _known(value: float) -> float | None:
    return None if _unknown(value) else value


def _unknown(value: Any) -> bool:
    """True for NaN."""
    return isinstance(value, float) and math.isnan(value)


def _by_profile(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per profile and method: means, and the mode that most devices have."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["profile"], row["method"]), []).append(row)
    found = []
    for (profile, method), mine in groups.items():
        modes = [row["power_mode"] for row in mine]
        commonest = max(dict.fromkeys(modes), key=modes.count)
        mean = {key: sum(row[key] for row in mine) / len(mine) for key in MEANS}
        few = "" if modes.count(commonest) == len(mine) else f" ({modes.count(commonest):,} of them)"
        saved = 1 - mean["energy_j"] / mean["full_clock_energy_j"] if mean["full_clock_energy_j"] else 0.0
        named = {"device": "", "profile": profile, "method": method, "power_mode": commonest + few}
        shown = _row({**named, "saved_energy": saved, **mean})
        del shown["device"]
        found.append({"profile": shown.pop("profile"), "method": shown.pop("method"), "devices": len(mine), **shown})
    return found


def _unmet(found: Tuning) -> list[str]:
    """Sentences on devices that no combination suits, with the nearest one."""
    lines = []
    missed = [row for row in found.rows if not row["meets"]]
    for row in missed[:MOST_NAMED]:
        who = f"device {row['device']} ({row['profile']}), {row['method']}"
        if row["limit"]:
            lines.append(
                f"{who}: no power mode and size is within the device's {row['limit']}; `edgesim plan` says why"
            )
            continue
        over = []
        target = found.query.target
        for taken, limit, unit in ((row["time_s"], target.deadline_s, "s"), (row["energy_j"], target.energy_j, "J")):
            if limit is not None and taken > limit:
                over.append("{} {unit} of the {} {unit} allowed".format(*distinguished(taken, limit), unit=unit))
        nearest = f"keep ratio {number(row['keep_ratio'])} in {row['power_mode']} takes {' and '.join(over)}"
        lines.append(f"{who}: no power mode and size meets the limits; the nearest, {nearest}")
    if len(missed) > MOST_NAMED:
        lines.append(f"and {n_of(len(missed) - MOST_NAMED, 'such choice')} more; --json has all")
    return lines


def _waste(rows: list[dict[str, Any]]) -> list[str]:
    """Energy of the choices against that of the full clocks, method by method."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method and not _unknown(row["full_clock_energy_j"])]
        chosen, full = (sum(row[key] for row in mine) for key in ("energy_j", "full_clock_energy_j"))
        if full:
            takes, would = distinguished(chosen, full)
            saved = f"the chosen modes save {_share(1 - chosen / full)}"
            who = f"{method} on {n_of(len(mine), 'device')}"
            lines.append(f"{who}: {takes} J; at full clocks {would} J for the same data; {saved}")
    return lines


def _trust(found: Tuning, rows: list[dict[str, Any]]) -> list[str]:
    """Errors of the profiles, and the choices that are within them."""
    lines = []
    deadline = found.query.target.deadline_s
    for profile, errors in found.errors.items():
        named = dict(zip(("time", "power"), errors, strict=True))
        known = ", ".join(f"{name} {percent(error)}" for name, error in named.items() if error is not None)
        missing = " and ".join(name for name, error in named.items() if error is None)
        mean = f"mean error on measurements held out of the fit: {known}" if known else ""
        unknown = f"no error of its {missing} is known" if missing else ""
        lines.append(f"{profile}: {'; '.join(filter(None, (mean, unknown)))}")
        mine = [row for row in rows if row["profile"] == profile]
        time, power = errors
        if time is not None and deadline is not None:
            near = [row for row in mine if row["time_s"] * (1 + time) > deadline]
            if near:
                lines.append(f"{profile}: with that error of time {n_of(len(near), 'choice')} would miss the deadline")
        if power is not None:
            small = [row for row in mine if 0 < row["saved_energy"] < power]
            if small:
                lines.append(f"{profile}: {n_of(len(small), 'saving')} below that error of power may be none")
    return lines


def _searched(found: Tuning) -> list[str]:
    """Extent of the search, and the meaning of its goal."""
    modes = listed([f"{count:,} of {profile}" for profile, count in found.modes.items()])
    lines = [
        f"searched: {found.candidates:,} combinations of mode and size; modes: {modes}; shards of seed {found.seed}"
    ]
    goal = found.query.target.goal
    if goal == "ratio":
        lines.append("most data is no promise of most accuracy: no accuracy is known here")
    elif goal == "accuracy":
        title = found.query.metric.title
        lines.append(f"{title}: mean over devices and seeds of the run at that keep ratio, with its 95 % interval")
    else:
        lines.append("fewer samples take less, so the choice keeps about the least share allowed (--least-ratio)")
    guessed = list(dict.fromkeys(row["method"] for row in found.rows if row["work_is"] != "exact"))
    if guessed:
        lines.append(f"work that depends on the data, of {listed(guessed)}, is the usual or the most possible one")
    lines.append("start-up follows the processor's clock; the effect of the memory clock on it is not known")
    lines.append("times and energies are emulated, as by `edgesim plan`")
    return lines
