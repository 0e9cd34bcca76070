"""Plans and predictions on the terminal, and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import typer

from edgesim import planning
from edgesim.cli import tables
from edgesim.cli.amounts import percent, plain, scaled
from edgesim.cost.words import size
from edgesim.planning import Planned
from edgesim.planning.prediction import PARTS
from edgesim.scenario import Scenario

JSON_ROWS = 10_000
"""rows that the JSON of a plan holds, at most; more go to a file by --out"""
SHOWN_ROWS = 60
"""rows of a table on the terminal, at most"""
WIDTH = 80
"""signs of a line of a prediction"""
TOP = 3
KEYS = ("profile", "method", "keep")
"""columns that say what a row is, and stand in every part of a table that a terminal is too narrow for"""


def planned(scenario: Scenario, devices: int | None) -> Planned:
    """As `api.planned`; pandas is imported only where another run has to be read."""
    if getattr(scenario.pruning.rule, "accuracy_from", None) is None:
        return planning.plan(scenario, devices)
    from edgesim import api

    return api.planned(scenario, devices)


def as_json(name: str, planned: Planned) -> str:
    """A plan for machines: means by method and by profile, what stands out, and the rows where they are few."""
    few = len(planned) <= JSON_ROWS
    answer = {
        "scenario": name,
        "devices": planned.devices,
        "trials": len(planned),
        "by_method": planned.by_method(),
        "by_profile": planned.by_profile(),
        "slowest": planned.most("device_time_s", TOP),
        "hungriest": planned.most("device_energy_j", TOP),
        "rows": planned.frame().to_dict("records") if few else None,
    }
    return json.dumps(answer, indent=2)


def show(planned: Planned) -> None:
    """The fleet by method, by profile, and the devices that take most."""
    every = rows = planned.by_profile()
    ruled = any(row["binds"] for row in rows)
    whole = [_row(row, ruled, total=True) for row in planned.by_method()]
    tables.print_rows("whole fleet, means per device", whole, keys=KEYS)
    if len(rows) > SHOWN_ROWS:  # the dearest trial of each profile says most in one row
        best = {row["profile"]: row for row in sorted(rows, key=lambda row: row["device_time_s"] or 0.0)}
        rows = [row for row in rows if best[row["profile"]] is row]
    shown = [{"profile": row["profile"], **_row(row, ruled)} for row in rows]
    tables.print_rows("by profile, means per device", shown, keys=KEYS)
    for title, measure, unit in (("slowest", "device_time_s", "s"), ("hungriest", "device_energy_j", "J")):
        for row in planned.most(measure, TOP):
            what = f"{row['method']} at {row['keep_ratio']:.4g}"
            typer.echo(f"{title}: device {row['device']} ({row['profile']}), {what}: {row[measure]:,.4g} {unit}")
    for line in _why(every):
        typer.echo(line)
    typer.echo(f"{len(planned):,} trials of {_many(planned.devices, 'device')}; emulated unless called analytic")


def _why(rows: list[dict[str, Any]]) -> list[str]:
    """What stops or binds trials, one line per profile and cause: an example with its numbers."""
    found: dict[tuple[str, str, str], tuple[int, str]] = {}
    for row in rows:
        kind, causes = ("infeasible", row["limits"]) if row["limits"] else ("binds", row["binds"])
        for i, (cause, trials) in enumerate(causes.items()):
            key = (kind, row["profile"], cause)
            count, example = found.get(key, (0, ""))
            found[key] = (count + trials, example or (row["reason"] if i == 0 else ""))
    order = sorted(found.items(), key=lambda entry: (entry[0][0] != "infeasible", -entry[1][0]))
    lines = []
    for (kind, profile, cause), (trials, example) in order[:SHOWN_ROWS]:
        lines.append(
            f"{kind}: {cause}, {_many(trials, 'trial')} on {profile}" + (f"; for example {example}" if example else "")
        )
    return lines + [f"and {len(order) - SHOWN_ROWS} such lines more; --json has all"] * (len(order) > SHOWN_ROWS)


def show_predictions(found: list[dict[str, Any]], fastest_first: bool) -> None:
    """One prediction in lines, several as a table of devices.

    Args:
        found: from `planning.prediction` or `planning.job`, all of the same kind.
        fastest_first: order the table by time; as given otherwise. Devices that cannot do it come last.
    """
    one, *others = found
    is_job = "samples" in one
    if not others:
        _show_job(one) if is_job else show_prediction(one)
        return
    if fastest_first:
        found = sorted(found, key=lambda each: (not each["feasible"], each["time_s"]))
    rows = [
        {
            "profile": each["profile"],
            "time s": _digits(each["time_s"]) if each["feasible"] else None,
            "energy J": _digits(each["energy_j"]) if each["feasible"] else None,
            "memory": size(each["peak_memory_bytes"]),
            "feasible": "yes" if each["feasible"] else f"no: {each['reason']}",
        }
        for each in found
    ]
    tables.print_rows(_asked(one), rows, keys=("profile",))
    if any(each["priced_precision"] != each["precision"] for each in found):
        typer.echo(f"devices without units for {one['precision']} are priced at the speed of fp32")


def _asked(found: dict[str, Any]) -> str:
    """What a prediction is of, whatever the device."""
    setting = f"batch size {found['batch_size']}, {found['optimizer']}, {found['precision']}"
    setting += f", power mode {found['power_mode']}"
    if "samples" not in found:
        return f"one step of {found['model']}, {setting}"
    many = f"{_many(found['samples'], 'sample')}, {_many(found['epochs'], 'epoch')}"
    return f"training of {found['model']}, {many}, {setting}, {found['startup']} start"


def _show_job(found: dict[str, Any]) -> None:
    """A whole training in lines that fit 80 columns."""
    wrapped = textwrap.TextWrapper(WIDTH, subsequent_indent=" " * 4).fill
    typer.echo(wrapped(f"{found['profile']}: {_asked(found)}"))
    typer.echo(f"  time          {plain(found['time_s'])} s")
    for label, key in (("start-up", "startup_s"), *((name, f"{name}_time_s") for name in (*PARTS, "heat"))):
        if found[key]:
            typer.echo(f"    {label:<10}  {plain(found[key])} s ({percent(found[key] / found['time_s'])})")
    typer.echo(f"  energy        {plain(found['energy_j'])} J")
    for label, key in (("start-up", "startup_energy_j"), ("training", "training_energy_j")):
        if found[key]:
            typer.echo(f"    {label:<10}  {plain(found[key])} J ({percent(found[key] / found['energy_j'])})")
    if found["battery_j"]:
        typer.echo(f"  battery       {percent(found['energy_j'] / found['battery_j'])} of a full one")
    read = f"{size(found['read_bytes'])} read from storage"
    typer.echo(f"  work          {found['steps']:,} steps, {scaled(found['flops'], 'FLOP')}, {read}")
    typer.echo(f"  memory        {size(found['peak_memory_bytes'])} of {size(found['usable_memory_bytes'])} usable")
    if found["throttled_s"]:
        typer.echo(f"  throttled     {plain(found['throttled_s'], 3)} s at the limit of its heat")
    _show_limits(found)


def show_prediction(found: dict[str, Any]) -> None:
    """A prediction of one step in lines that fit 80 columns."""
    wrapped = textwrap.TextWrapper(WIDTH, subsequent_indent=" " * 4).fill
    setting = f"{found['optimizer']}, {found['precision']}, power mode {found['power_mode']}"
    typer.echo(wrapped(f"{found['model']} on {found['profile']}, batch size {found['batch_size']}, {setting}"))
    typer.echo(f"  one step      {plain(found['time_s'])} s")
    for name in PARTS:
        share = found[f"{name}_time_s"] / found["time_s"]
        binds = ", binds" if name == found["binds"] else ""
        typer.echo(f"    {name:<10}  {plain(found[f'{name}_time_s'], 3)} s ({percent(share)}){binds}")
    if found["first_step_s"]:
        typer.echo(f"  first step    {plain(found['first_step_s'], 3)} s more, once per job")
    typer.echo(f"  energy        {plain(found['energy_j'])} J")
    typer.echo(f"  work          {scaled(found['flops'], 'FLOP')}, {size(found['moved_bytes'])} moved in memory")
    typer.echo(f"  memory        {size(found['peak_memory_bytes'])} of {size(found['usable_memory_bytes'])} usable")
    _show_limits(found)


def _show_limits(found: dict[str, Any]) -> None:
    """Why the device cannot do it, and which speed was taken for one that it does not have."""
    wrapped = textwrap.TextWrapper(WIDTH, subsequent_indent=" " * 4).fill
    if not found["feasible"]:
        typer.echo(wrapped(f"  infeasible: {found['reason']}"))
    if found["priced_precision"] != found["precision"]:
        speed = f"the speed is that of {found['priced_precision']}"
        typer.echo(wrapped(f"  {found['profile']} has no units for {found['precision']}: {speed}"))


def _row(row: dict[str, Any], ruled: bool, total: bool = False) -> dict[str, Any]:
    """A row of means in words that fit a terminal."""
    seconds = [row[name] for name in ("analytic_time_s", "device_time_s")]
    joules = [row[name] for name in ("analytic_energy_j", "device_energy_j")]
    score, storage, peak = (row[name] for name in ("device_score_time_s", "storage_bytes", "peak_memory_bytes"))
    shown: dict[str, Any] = {
        "method": row["method"],
        "keep": _digits(row["keep_ratio"]),
        "trials": row["trials"],
        "infeasible": _counted(row["limits"]) or 0,
        "analytic s": _digits(seconds[0]),
        "time s": _digits(seconds[1]),
        "scoring": None if score is None or not seconds[1] else f"{score / seconds[1]:.0%}",
        "analytic J": _digits(joules[0]),
        "energy J": _digits(joules[1]),
        "storage": None if storage is None else size(storage),
        "memory": None if peak is None else size(peak),
    }
    if ruled:
        shown["binds"] = _counted(row["binds"])
    if total:
        shown["slowest s"] = _digits(row["slowest_device_time_s"])
        shown["fleet J"] = _digits(row["total_device_energy_j"])
    return shown


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _counted(causes: dict[str, int]) -> str:
    """How many trials each cause concerns: memory 12, energy 3."""
    return ", ".join(f"{name} {count:,}" for name, count in causes.items())


def _digits(value: float | None) -> float | None:
    """Four significant digits."""
    return None if value is None else float(f"{value:.4g}")
