"""`edgesim tune`: the power mode and keep ratio of every device that meet a deadline or an energy budget."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesim.cli import terminal
from edgesim.cli.app import Json, Overrides, Scenario, app, check_choice, echo
from edgesim.formatting import distinguished, listed, n_of, number, percent

if TYPE_CHECKING:
    from edgesim.planning.tuning import Tuning

MOST_ROWS = 60
"""rows of devices on the terminal, at most; larger fleets are shown by profile"""
MOST_NAMED = 5
"""devices without a fitting mode that are named"""
WIDTH = 80
"""characters of a line of text"""
CHOICES, FRONT, FIGURE = "choices.csv", "front.csv", "front.svg"
"""files of --output"""
GOALS = {"energy": "least energy", "time": "least time", "ratio": "most data"}


@app.command()
def tune(
    scenario: Scenario,
    overrides: Overrides = None,
    deadline: Annotated[
        float | None, typer.Option(metavar="S", help="Time in s that a trial may take: start-up, scoring, training.")
    ] = None,
    energy_budget: Annotated[float | None, typer.Option(metavar="J", help="Energy in J that a trial may take.")] = None,
    minimise: Annotated[
        str | None, typer.Option(metavar="energy|time", help="Choose the least energy, or the least time.")
    ] = None,
    maximise: Annotated[
        str | None, typer.Option(metavar="ratio", help="Choose the largest keep ratio within the limits.")
    ] = None,
    least_ratio: Annotated[
        float | None,
        typer.Option(metavar="R", help="Share of the samples to keep at least. Default: the scenario's lowest ratio."),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(metavar="PROFILE", help="Only devices of this profile (repeatable).")
    ] = None,
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help=f"Write {CHOICES}, {FRONT} (Pareto front) and {FIGURE} there."),
    ] = None,
) -> None:
    """Choose every device's power mode and keep ratio within a deadline or an energy budget, without training."""
    from edgesim.planning.mode_search import Target

    goal = _goal(minimise, maximise)
    _check_number("--deadline", deadline)
    _check_number("--energy-budget", energy_budget)
    _check_number("--least-ratio", least_ratio, 1.0)
    if goal == "ratio" and deadline is None and energy_budget is None:
        raise typer.BadParameter("--maximise ratio needs a limit; give --deadline, --energy-budget or both")
    if output is not None:
        _check_output(output)
    from edgesim.cli import stop_signals
    from edgesim.planning import tuning
    from edgesim.scenario.loading import load

    loaded = load(scenario, overrides or ())
    devices = _positions(device or (), [profile.name for profile in loaded.fleet.devices])
    stop_signals.interrupting()
    target = Target(goal, deadline, energy_budget)
    found = tuning.tune(loaded, tuning.Query(target, least_ratio, devices, front=output is not None))
    if output is not None:
        write(found, output)
    if as_json:
        echo(tuning_json(loaded.name, found))
        return
    print_tuning(found)
    if output is not None:
        echo(f"files: {', '.join(str(output / name) for name in (CHOICES, FRONT, FIGURE))}")


def _goal(minimise: str | None, maximise: str | None) -> Any:
    """The goal that one of two options names."""
    if (minimise is None) == (maximise is None):
        got = "neither" if minimise is None else "both"
        raise typer.BadParameter(f"give either --minimise energy, --minimise time or --maximise ratio; got {got}")
    if minimise is not None:
        check_choice("goal of --minimise", minimise, ("energy", "time"))
        return minimise
    check_choice("goal of --maximise", maximise or "", ("ratio",))
    return maximise


def _check_number(option: str, value: float | None, most: float = float("inf")) -> None:
    """Refuse a number that is not above 0, or not at most `most`."""
    if value is not None and not (0 < value <= most and value < float("inf")):
        upper = "" if most == float("inf") else f" and at most {most:g}"
        raise typer.BadParameter(f"{option} must be above 0{upper}; got {value:g}")


def _positions(names: Any, fleet: list[str]) -> tuple[int, ...] | None:
    """Positions of the devices of some profiles; None = all."""
    for name in names:
        check_choice("device of the fleet with profile", name, dict.fromkeys(fleet))
    return tuple(i for i, profile in enumerate(fleet) if profile in names) if names else None


def _check_output(folder: Path) -> None:
    """Refuse a folder with files, before the work: a table in CSV has no place for a mark of edgesim."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"--output must name a new or an empty folder; {folder} is there and is not empty")
    if not folder.parent.is_dir():
        raise typer.BadParameter(f"--output names a folder in {folder.parent}, which does not exist; create that first")


def write(found: Tuning, folder: Path) -> None:
    """Write choices, Pareto fronts and the figure into a folder."""
    import pandas as pd

    from edgesim.config.output_files import write_text
    from edgesim.report import tuning_figure

    folder.mkdir(exist_ok=True)
    choices, front = pd.DataFrame(found.rows), pd.DataFrame(found.front)
    write_text(folder / CHOICES, choices.to_csv(index=False))
    write_text(folder / FRONT, front.to_csv(index=False))
    limits = tuning_figure.Limits(found.query.target.deadline_s, found.query.target.energy_j)
    write_text(folder / FIGURE, tuning_figure.svg(choices, front, limits))


def tuning_json(name: str, found: Tuning) -> str:
    """Answer for machines."""
    target = found.query.target
    return json.dumps({
        "scenario": name,
        "seed": found.seed,
        "goal": target.goal,
        "deadline_s": target.deadline_s,
        "energy_budget_j": target.energy_j,
        "least_ratio": found.least_ratio,
        "candidates": found.candidates,
        "modes": dict(found.modes),
        "relative_errors": {
            profile: {"time": time, "power": power} for profile, (time, power) in found.errors.items()
        },
        "data_notes": list(found.data_notes),
        "rows": [{key: None if _unknown(value) else value for key, value in row.items()} for row in found.rows],
    }, indent=2)  # fmt: skip


def print_tuning(found: Tuning) -> None:
    """Print the choices, what the full clocks would waste, and how far the numbers can be trusted."""
    for note in found.data_notes:
        echo(f"data: {note}", err=True)
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
    limits = []
    if target.deadline_s is not None:
        limits.append(f"within {number(target.deadline_s)} s")
    if target.energy_j is not None:
        limits.append(f"within {number(target.energy_j)} J")
    kept = f", keeping at least {number(found.least_ratio)} of the samples" if found.least_ratio else ""
    return " ".join([GOALS[target.goal], *(" and ".join(limits).split() if limits else [])]) + kept


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
        "full clocks s": row["full_clock_time_s"],
        "full clocks J": row["full_clock_energy_j"],
        "saved": _share(row["saved_energy"]),
    }


def _share(saved: float) -> str | None:
    return None if _unknown(saved) else percent(saved)


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
        mean = {
            key: sum(row[key] for row in mine) / len(mine)
            for key in ("keep_ratio", "time_s", "energy_j", "full_clock_time_s", "full_clock_energy_j")
        }
        few = "" if modes.count(commonest) == len(mine) else f" ({modes.count(commonest):,} of them)"
        saved = 1 - mean["energy_j"] / mean["full_clock_energy_j"] if mean["full_clock_energy_j"] else 0.0
        shown = _row(
            {
                "device": "",
                "profile": profile,
                "method": method,
                "power_mode": commonest + few,
                "saved_energy": saved,
                **mean,
            }
        )
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
    if found.query.target.goal == "ratio":
        lines.append("most data is no promise of most accuracy: no accuracy is known here")
    else:
        lines.append("fewer samples take less, so the choice keeps about the least share allowed (--least-ratio)")
    lines.append("times and energies are emulated, as by `edgesim plan`")
    return lines
