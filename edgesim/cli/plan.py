"""`edgesim plan`: the cost of every trial of a scenario, without training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesim.cli import terminal
from edgesim.cli.app import Json, Overrides, Scenario, app, echo, json_text
from edgesim.errors import OutputError
from edgesim.formatting import n_of, number, short_percent, size

if TYPE_CHECKING:
    from edgesim.planning import FleetPlan
    from edgesim.scenario import loading

MOST_JSON_ROWS = 10_000
"""rows that the JSON of a plan holds, at most; more go to a file by --out"""
MOST_ROWS = 60
"""rows of a table on the terminal, at most"""
WIDTH = 80
"""characters of a line of the legend"""
TOP = 3
"""devices named as slowest and as hungriest"""
KEYS = ("profile", "method", "keep")
"""columns that identify a row; every part of a table that is too wide for the terminal repeats them"""
CLOSED = "closed form (edge paper)"
LEGEND = (
    f"{CLOSED}: time is FLOPs / throughput, energy is that time x power. It leaves out start-up, dispatch, memory "
    "traffic, reading, heat and idle power"
)
WORK = (
    "work: exact, or for scoring that depends on the data expected (the usual amount measured) or at most (an upper "
    "limit)"
)
REPEATS = (
    "repeats to break even: trainings on the same kept set after which scoring has paid for itself. The opponent is "
    "full training, the measure the fleet's emulated energy. never: a training on the kept set saves nothing"
)
TRANSFER = (
    "transfer: fine-tuning on the other data set, once per training and the same for every method; in no other number"
)
SHARDS = "(0: no difference between devices)"
CAUSES = (("infeasible", "limits"), ("binds", "binds"), ("breaks the budget by the other price", "other_price_breaks"))
"""(cause in words, part of a row that counts its trials); a row shows the first that it has"""


@app.command()
def plan(
    scenario: Scenario,
    overrides: Overrides = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Scale the fleet to this many devices, in its groups' proportions.")
    ] = None,
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.parquet", help="Write one row per trial to a file.")] = None,
) -> None:
    """Price every device and keep ratio without training: time, energy, storage, memory, feasibility."""
    if out is not None and (out.suffix != ".parquet" or out.is_dir()):
        raise typer.BadParameter(f"--out must name a .parquet file; got {out}")
    if out is not None and not out.parent.is_dir():  # before the work, not after
        raise typer.BadParameter(f"--out names a file in {out.parent}, which does not exist; create that folder first")
    if out is not None:
        from edgesim.config.output_files import check_replaceable

        check_replaceable(out)
    from edgesim.cli import stop_signals
    from edgesim.scenario.loading import load
    from edgesim.scenario.sweeps import is_sweep

    if is_sweep(scenario):
        _plan_sweep(scenario, overrides or (), devices, as_json, out)
        return
    loaded = load(scenario, overrides or ())
    stop_signals.interrupting()
    found = fleet_plan(loaded, devices)
    if out is not None:
        try:
            found.write(out)
        except OutputError as error:
            raise typer.BadParameter(f"--out: {error}") from None
    if as_json:
        echo(plan_json(loaded.name, found))
        return
    print_plan(found)
    if out is not None:
        echo(f"rows: {out}")


def _plan_sweep(file: Path, overrides: Sequence[str], devices: int | None, as_json: bool, out: Path | None) -> None:
    """Print the fleet's means by method of every point of a sweep."""
    from edgesim.cli import stop_signals
    from edgesim.scenario import sweeps

    if out is not None:
        raise typer.BadParameter("--out writes the rows of one scenario, and this one has a sweep; leave out --out")
    loaded = sweeps.load(file, overrides)
    stop_signals.interrupting()
    plans = [fleet_plan(point.scenario, devices) for point in loaded.points]
    rows = [(point.levels, row) for point, plan in zip(loaded.points, plans, strict=True) for row in plan.by_method()]
    if as_json:
        answer = [{"point": levels, **row} for levels, row in rows]
        echo(json_text({"scenario": loaded.name, "keys": loaded.levels, "by_method": answer}))
        return
    shown = [{**levels, **_row(row, set(), total=True)} for levels, row in rows]
    terminal.print_rows("whole fleet, means per device", shown, keys=(*loaded.keys, *KEYS))
    echo(f"{sweeps.summary(loaded)}; times and energies are emulated")
    _print_watts(plans)


def fleet_plan(scenario: loading.Scenario, devices: int | None) -> FleetPlan:
    """As `api.planned`, without importing pandas unless another run has to be read."""
    pruning = scenario.pruning
    if pruning.scores_from is None and getattr(pruning.rule, "accuracy_from", None) is None:
        from edgesim import planning

        return planning.plan_fleet(scenario, devices)
    from edgesim import api
    from edgesim.results.linked_runs import curve_notes

    for note in curve_notes(scenario):
        echo(note, err=True)
    return api.planned(scenario, devices)


def plan_json(name: str, plan: FleetPlan) -> str:
    """A plan for machines: means by method and by profile, the costliest trials, and the rows where they are few."""
    rows = plan.frame().astype(object) if len(plan) <= MOST_JSON_ROWS else None
    answer = {
        "scenario": name,
        "devices": plan.devices,
        "trials": len(plan),
        "repeats": plan.full.repeats,
        "by_method": plan.by_method(),
        "by_profile": plan.by_profile(),
        "slowest": plan.most("device_time_s", TOP),
        "hungriest": plan.most("device_energy_j", TOP),
        "chosen_power_modes": plan.chosen_modes,
        "context_bytes": plan.context_bytes,
        "shards": {name: None if value != value else value for name, value in asdict(plan.shards).items()},
        "data_notes": list(plan.data_notes),
        "method_notes": list(plan.method_notes),
        "training_notes": list(plan.training_notes),
        "rows": None if rows is None else rows.where(rows.notna(), None).to_dict("records"),
    }
    return json_text(answer)


def print_plan(plan: FleetPlan) -> None:
    """Print the fleet by method and by profile, and the devices that take most."""
    for note in plan.data_notes:
        echo(f"data: {note}", err=True)
    for note in plan.method_notes:
        echo(f"methods: {note}", err=True)
    for note in plan.training_notes:
        echo(f"training: {note}", err=True)
    echo(textwrap.fill(f"{plan.shards.in_words()} {SHARDS}", WIDTH))
    every = rows = plan.by_profile()
    shown = {name for name, usual in (("binds", {}), ("work_is", "exact")) if any(row[name] != usual for row in rows)}
    fleet = [_row(row, shown, total=True) for row in plan.by_method()]
    terminal.print_rows("whole fleet, means per device", fleet, keys=KEYS)
    title = "by profile, means per device"
    if len(rows) > MOST_ROWS:  # the slowest trial of each profile tells most in one row
        title += f": only the slowest trial of each, of {len(rows):,} rows (--json has all)"
        slowest = {row["profile"]: row for row in sorted(rows, key=lambda row: row["device_time_s"] or 0.0)}
        rows = [row for row in rows if slowest[row["profile"]] is row]
    terminal.print_rows(title, [{"profile": row["profile"], **_row(row, shown)} for row in rows], keys=KEYS)
    for title, measure, unit in (("slowest", "device_time_s", "s"), ("hungriest", "device_energy_j", "J")):
        for row in plan.most(measure, TOP):
            trial = f"{row['method']} at {number(row['keep_ratio'])}"
            echo(f"{title}: device {row['device']} ({row['profile']}), {trial}: {number(row[measure])} {unit}")
    if plan.chosen_modes:
        modes = sorted(plan.chosen_modes, key=lambda row: -row["devices"])[:MOST_ROWS]
        terminal.print_rows("power modes chosen by the rule", modes, keys=("profile",))
    for line in _causes(every):
        echo(line)
    for line in _transfer(fleet=plan.by_method(), profiles=every):
        echo(textwrap.fill(line, WIDTH))
    if plan.full.repeats > 1:
        echo(f"the price of a trial has one scoring and {plan.full.repeats:,} trainings (training.repeats)")
    echo(f"{n_of(len(plan), 'trial')} of {n_of(plan.devices, 'device')}; times and energies are emulated")
    _print_watts([plan])
    if contexts := ", ".join(f"{size(count)} on {name}" for name, count in plan.context_bytes.items()):
        echo(textwrap.fill(f"memory: with the GPU's context ({contexts})", WIDTH, break_on_hyphens=False))
    for legend in (LEGEND, REPEATS, *([WORK] if "work_is" in shown else [])):
        echo(textwrap.fill(legend, WIDTH))


def _print_watts(plans: list[FleetPlan]) -> None:
    """Say where energies add watts of unlike parts of the devices."""
    from edgesim.results import power_scopes

    kinds = [kind.profile for plan in plans for kind in plan.fleet.kinds]
    for note in power_scopes.sum_in_words(power_scopes.scopes_of(kinds)):
        echo(textwrap.fill(note, WIDTH, break_on_hyphens=False))


def _transfer(fleet: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> list[str]:
    """Price of the fine-tuning by profile, the same for every method; nothing where there is none.

    Args:
        fleet: means over the whole fleet.
        profiles: means by profile.
    """
    lines: dict[str, str] = {}
    for row in (*fleet, *profiles):
        name = row.get("profile", "whole fleet")
        if row.get("transfer_device_time_s") is not None and name not in lines:
            parts = (("time_s", "s"), ("energy_j", "J"))
            emulated, closed = (
                ", ".join(f"{number(row[f'transfer_{price}_{part}'])} {unit}" for part, unit in parts)
                for price in ("device", "analytic")
            )
            lines[name] = f"transfer, {name}: {emulated} ({CLOSED}: {closed})"
    return [*lines.values(), TRANSFER] if lines else []


def _causes(rows: list[dict[str, Any]]) -> list[str]:
    """Causes that stop or bind trials or raise their other price: a line per profile and cause, with an example."""
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
    for (kind, profile, cause), (trials, example) in order[:MOST_ROWS]:
        lines.append(
            f"{kind}: {cause}, {n_of(trials, 'trial')} on {profile}" + (f"; for example {example}" if example else "")
        )
    more = len(order) - MOST_ROWS
    return lines + ([f"and {n_of(more, 'such line')} more; --json has all"] if more > 0 else [])


def _row(row: dict[str, Any], shown: set[str], total: bool = False) -> dict[str, Any]:
    """A row of means for the terminal; `shown` names the optional columns, `total` adds sums over the fleet."""
    time_s, score_s = row["device_time_s"], row["device_score_time_s"]
    storage, peak = row["storage_bytes"], row["peak_memory_bytes"]
    cells: dict[str, Any] = {
        "method": row["method"],
        "keep": row["keep_ratio"],
        "trials": row["trials"],
        "infeasible": _counts(row["limits"]) or 0,
        "time s": time_s,
        "start-up s": row["device_startup_s"],
        "scoring": None if score_s is None or not time_s else short_percent(score_s / time_s, 2),
        "energy J": row["device_energy_j"],
        f"{CLOSED} s": row["analytic_time_s"],
        f"{CLOSED} J": row["analytic_energy_j"],
        "storage": None if storage is None else size(storage),
        "memory": None if peak is None else size(peak),
    }
    if "work_is" in shown:
        cells["work"] = row["work_is"]
    if "binds" in shown:
        cells["binds"] = _counts(row["binds"])
    if total:
        cells["slowest s"] = row["slowest_device_time_s"]
        cells["fleet J"] = row["total_device_energy_j"]
        cells["repeats to break even"] = row["repeats_to_break_even"]
    return cells


def _counts(causes: dict[str, int]) -> str:
    """Trials of each cause: memory 12, energy 3."""
    return ", ".join(f"{name} {count:,}" for name, count in causes.items())
