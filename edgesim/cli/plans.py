"""Plans and predictions on the terminal, and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import typer

from edgesim import planning
from edgesim.cli import tables
from edgesim.cli.amounts import percent, plain, scaled
from edgesim.errors import n_of
from edgesim.formatting import size
from edgesim.planning import FleetPlan
from edgesim.planning.step_prediction import PARTS
from edgesim.scenario.loading import Scenario

JSON_ROWS = 10_000
"""rows that the JSON of a plan holds, at most; more go to a file by --out"""
SHOWN_ROWS = 60
"""rows of a table on the terminal, at most"""
WIDTH = 80
"""signs of a line of a prediction, and of the legend of a plan"""
TOP = 3
KEYS = ("profile", "method", "keep")
"""columns that say what a row is, and stand in every part of a table that a terminal is too narrow for"""
CLOSED = "closed form (edge paper)"
LEGEND = (
    f"{CLOSED}: FLOPs / throughput, and that x power. It leaves out start-up, dispatch, memory traffic, reading, heat "
    "and idle power"
)
WORK = (
    "work: whether that of scoring is known exactly, or depends on the data: expected (what was measured to be usual), "
    "or at most so much"
)
REPEATS = (
    "repeats to break even: trainings on the same kept set after which scoring has paid for itself against full "
    "training, by the fleet's sums of emulated energy; never: a training on the kept set saves nothing"
)
CAUSES = (("infeasible", "limits"), ("binds", "binds"), ("breaks the budget by the other price", "other_price_breaks"))
"""what there is to say of trials, and the part of a row that counts them; the first that a row has"""


def planned(scenario: Scenario, devices: int | None) -> FleetPlan:
    """As `api.planned`; pandas is imported only where another run has to be read."""
    pruning = scenario.pruning
    if pruning.scores_from is None and getattr(pruning.rule, "accuracy_from", None) is None:
        return planning.plan(scenario, devices)
    from edgesim import api

    return api.planned(scenario, devices)


def as_json(name: str, planned: FleetPlan) -> str:
    """A plan for machines: means by method and by profile, what stands out, and the rows where they are few."""
    rows = planned.frame().astype(object) if len(planned) <= JSON_ROWS else None
    answer = {
        "scenario": name,
        "devices": planned.devices,
        "trials": len(planned),
        "repeats": planned.full.repeats,
        "by_method": planned.by_method(),
        "by_profile": planned.by_profile(),
        "slowest": planned.most("device_time_s", TOP),
        "hungriest": planned.most("device_energy_j", TOP),
        "data_notes": list(planned.data_notes),
        "rows": None if rows is None else rows.where(rows.notna(), None).to_dict("records"),
    }
    return json.dumps(answer, indent=2)


def show(planned: FleetPlan) -> None:
    """The fleet by method, by profile, and the devices that take most."""
    for note in planned.data_notes:
        typer.echo(f"data: {note}", err=True)
    every = rows = planned.by_profile()
    shows = {name for name, plain in (("binds", {}), ("work_is", "exact")) if any(row[name] != plain for row in rows)}
    whole = [_row(row, shows, total=True) for row in planned.by_method()]
    tables.print_rows("whole fleet, means per device", whole, keys=KEYS)
    title = "by profile, means per device"
    if len(rows) > SHOWN_ROWS:  # the dearest trial of each profile says most in one row
        title += f": only what takes longest on each, of {len(rows):,} rows (--json has all)"
        best = {row["profile"]: row for row in sorted(rows, key=lambda row: row["device_time_s"] or 0.0)}
        rows = [row for row in rows if best[row["profile"]] is row]
    shown = [{"profile": row["profile"], **_row(row, shows)} for row in rows]
    tables.print_rows(title, shown, keys=KEYS)
    for title, measure, unit in (("slowest", "device_time_s", "s"), ("hungriest", "device_energy_j", "J")):
        for row in planned.most(measure, TOP):
            what = f"{row['method']} at {row['keep_ratio']:.4g}"
            typer.echo(f"{title}: device {row['device']} ({row['profile']}), {what}: {row[measure]:,.4g} {unit}")
    for line in _why(every):
        typer.echo(line)
    if planned.full.repeats > 1:
        typer.echo(f"a trial's price has one scoring and {planned.full.repeats:,} trainings (training.repeats)")
    typer.echo(f"{n_of(len(planned), 'trial')} of {n_of(planned.devices, 'device')}; times and energies are emulated")
    typer.echo(textwrap.fill(LEGEND, WIDTH))
    typer.echo(textwrap.fill(REPEATS, WIDTH))
    if "work_is" in shows:
        typer.echo(textwrap.fill(WORK, WIDTH))


def _why(rows: list[dict[str, Any]]) -> list[str]:
    """What stops or binds trials, or costs more by the other price: one line per profile and cause, with an example."""
    found: dict[tuple[str, str, str], tuple[int, str]] = {}
    for row in rows:
        kind, part = next(((kind, part) for kind, part in CAUSES if row[part]), CAUSES[0])
        for i, (cause, trials) in enumerate(row[part].items()):
            key = (kind, row["profile"], cause)
            count, example = found.get(key, (0, ""))
            found[key] = (count + trials, example or (row["reason"] if i == 0 else ""))
    kinds = [kind for kind, _ in CAUSES]
    order = sorted(found.items(), key=lambda entry: (kinds.index(entry[0][0]), -entry[1][0]))
    lines = []
    for (kind, profile, cause), (trials, example) in order[:SHOWN_ROWS]:
        lines.append(
            f"{kind}: {cause}, {n_of(trials, 'trial')} on {profile}" + (f"; for example {example}" if example else "")
        )
    return lines + [f"and {n_of(len(order) - SHOWN_ROWS, 'such line')} more; --json has all"] * (
        len(order) > SHOWN_ROWS
    )


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
    startup = "of which start-up s" if is_job else "start-up s, once per job"
    rows = [
        {
            "profile": each["profile"],
            "time s": _digits(each["time_s"]) if each["feasible"] else None,
            startup: _digits(each["startup_s"]) if each["feasible"] else None,
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
    many = f"{n_of(found['samples'], 'sample')}, {n_of(found['epochs'], 'epoch')}"
    return f"training of {found['model']}, {many}, {setting}, {found['startup']} start"


def _show_job(found: dict[str, Any]) -> None:
    """A whole training in lines that fit 80 columns."""
    wrapped = textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent=" " * 4).fill
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
        typer.echo(f"  battery       {plain(100 * found['energy_j'] / found['battery_j'], 2)} % of a full one")
    read = f"{size(found['read_bytes'])} read from storage"
    typer.echo(f"  work          {n_of(found['steps'], 'step')}, {scaled(found['flops'], 'FLOP')}, {read}")
    typer.echo(f"  memory        {size(found['peak_memory_bytes'])} of {size(found['usable_memory_bytes'])} usable")
    if found["throttled_s"]:
        typer.echo(f"  throttled     {plain(found['throttled_s'], 3)} s at the limit of its heat")
    _show_limits(found)


def show_prediction(found: dict[str, Any]) -> None:
    """A prediction of one step in lines that fit 80 columns."""
    wrapped = textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent=" " * 4).fill
    setting = f"{found['optimizer']}, {found['precision']}, power mode {found['power_mode']}"
    typer.echo(wrapped(f"{found['model']} on {found['profile']}, batch size {found['batch_size']}, {setting}"))
    typer.echo(f"  one step      {plain(found['time_s'])} s")
    for name in PARTS:
        share = found[f"{name}_time_s"] / found["time_s"]
        binds = ", binds" if name == found["binds"] else ""
        typer.echo(f"    {name:<10}  {plain(found[f'{name}_time_s'], 3)} s ({percent(share)}){binds}")
    if found["startup_s"]:
        start = f"{plain(found['startup_s'], 3)} s, {plain(found['startup_energy_j'], 3)} J"
        typer.echo(f"  start-up      {start}: once per job, unless the process lives already")
    typer.echo(f"  energy        {plain(found['energy_j'])} J")
    typer.echo(f"  work          {scaled(found['flops'], 'FLOP')}, {size(found['moved_bytes'])} moved in memory")
    typer.echo(f"  memory        {size(found['peak_memory_bytes'])} of {size(found['usable_memory_bytes'])} usable")
    _show_limits(found)


def _show_limits(found: dict[str, Any]) -> None:
    """Why the device cannot do it, and which speed was taken for one that it does not have."""
    wrapped = textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent=" " * 4).fill
    if not found["feasible"]:
        typer.echo(wrapped(f"  infeasible: {found['reason']}"))
    if found["priced_precision"] != found["precision"]:
        speed = f"the speed is that of {found['priced_precision']}"
        typer.echo(wrapped(f"  {found['profile']} has no units for {found['precision']}: {speed}"))


def _row(row: dict[str, Any], shows: set[str], total: bool = False) -> dict[str, Any]:
    """A row of means in words that fit a terminal."""
    time_s, score_s = row["device_time_s"], row["device_score_time_s"]
    storage, peak = row["storage_bytes"], row["peak_memory_bytes"]
    shown: dict[str, Any] = {
        "method": row["method"],
        "keep": _digits(row["keep_ratio"]),
        "trials": row["trials"],
        "infeasible": _counted(row["limits"]) or 0,
        "time s": _digits(time_s),
        "start-up s": _digits(row["device_startup_s"]),
        "scoring": None if score_s is None or not time_s else percent(score_s / time_s),
        "energy J": _digits(row["device_energy_j"]),
        f"{CLOSED} s": _digits(row["analytic_time_s"]),
        f"{CLOSED} J": _digits(row["analytic_energy_j"]),
        "storage": None if storage is None else size(storage),
        "memory": None if peak is None else size(peak),
    }
    if "work_is" in shows:
        shown["work"] = row["work_is"]
    if "binds" in shows:
        shown["binds"] = _counted(row["binds"])
    if total:
        shown["slowest s"] = _digits(row["slowest_device_time_s"])
        shown["fleet J"] = _digits(row["total_device_energy_j"])
        shown["repeats to break even"] = row["repeats_to_break_even"]
    return shown


def _counted(causes: dict[str, int]) -> str:
    """How many trials each cause concerns: memory 12, energy 3."""
    return ", ".join(f"{name} {count:,}" for name, count in causes.items())


def _digits(value: float | None) -> float | None:
    """Four significant digits."""
    return None if value is None else float(f"{value:.4g}")
