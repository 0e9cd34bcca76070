"""`edgesim tune`: the power mode and keep ratio of every device that meet a deadline or an energy budget."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from edgesim.cli import tuning_text
from edgesim.cli.app import Json, Overrides, Scenario, app, check_choice, echo
from edgesim.errors import EdgesimError
from edgesim.formatting import listed, number
from edgesim.tasks import ACCURACY, Metric

if TYPE_CHECKING:
    from edgesim.cost.objective import TestSet
    from edgesim.planning.tuning import MeasuredAccuracy, Tuning

CHOICES, FRONT, FIGURE = "choices.csv", "front.csv", "front.svg"
"""files of --output"""
ACCURACY_OF = ("dataset", "partition", "model", "training")
"""parts of a scenario that its accuracies belong to"""


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
        str | None,
        typer.Option(metavar="ratio|accuracy", help="Choose most data, or with --run most accuracy."),
    ] = None,
    least_ratio: Annotated[
        float | None,
        typer.Option(metavar="R", help="Share of the samples to keep at least. Default: the scenario's lowest ratio."),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(metavar="PROFILE", help="Only devices of this profile (repeatable).")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Run folder with accuracies at several keep ratios; only those are searched."),
    ] = None,
    accuracy_on: Annotated[
        str,
        typer.Option(
            metavar="common|own",
            help="Test samples of --run whose accuracies count: the common test set, or the devices' own ones.",
        ),
    ] = "common",
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
    if maximise is not None and deadline is None and energy_budget is None:
        raise typer.BadParameter(f"--maximise {goal} needs a limit; give --deadline, --energy-budget or both")
    if (goal == "accuracy") != (run is not None):
        raise typer.BadParameter("--maximise accuracy and --run RUN belong together; give both or neither")
    from edgesim.cost.objective import TestSet

    check_choice("set of test samples", accuracy_on, get_args(TestSet))
    if accuracy_on == "own" and run is None:
        raise typer.BadParameter("--accuracy-on belongs to --maximise accuracy and --run RUN; leave it out")
    if output is not None:
        _check_output(output)
    from edgesim.cli import stop_signals
    from edgesim.planning import tuning
    from edgesim.scenario.loading import load

    loaded = load(scenario, overrides or ())
    devices = _positions(device or (), [profile.name for profile in loaded.fleet.devices])
    stop_signals.interrupting()
    target = Target(goal, deadline, energy_budget)
    on: TestSet = "own" if accuracy_on == "own" else "common"
    found_in = None if run is None else accuracies(run, loaded.document, on)
    metric, known, notes = (ACCURACY, None, ()) if found_in is None else found_in
    query = tuning.Query(target, least_ratio, devices, None, known, metric, on, notes, front=output is not None)
    found = tuning.tune(loaded, query)
    if output is not None:
        write(found, output)
    if as_json:
        echo(tuning_json(loaded.name, found))
        return
    tuning_text.print_tuning(found)
    if output is not None:
        echo(f"files: {', '.join(str(output / name) for name in (CHOICES, FRONT, FIGURE))}")


def _goal(minimise: str | None, maximise: str | None) -> Any:
    """The goal that one of two options names."""
    if (minimise is None) == (maximise is None):
        got = "neither" if minimise is None else "both"
        raise typer.BadParameter(f"give either --minimise energy or time, or --maximise ratio or accuracy; got {got}")
    if minimise is not None:
        check_choice("goal of --minimise", minimise, ("energy", "time"))
        return minimise
    check_choice("goal of --maximise", maximise or "", ("ratio", "accuracy"))
    return maximise


def accuracies(
    folder: Path, document: dict[str, Any], on: TestSet = "common"
) -> tuple[Metric, dict[str, list[MeasuredAccuracy]], tuple[str, ...]]:
    """The metric of a run, and the means of its methods at each keep ratio, over devices and seeds, with intervals.

    Args:
        folder: of the run.
        document: of the scenario that is tuned.
        on: the common test set, or the devices' own test samples.

    Returns: metric, means by method, and sentences on the two sets of test samples, where the run has both. The first
        sentence names methods whose most accurate keep ratio is another one on the other set.

    Raises:
        EdgesimError: the folder is none of a run, its run has other data, another network or another training, or its
            devices have no test samples of their own.
    """
    from edgesim.analysis.means import summary
    from edgesim.analysis.second_test_set import on_own_samples
    from edgesim.planning.tuning import MeasuredAccuracy
    from edgesim.results.run_folder import Run

    other = Run(folder)
    differs = [part for part in ACCURACY_OF if other.scenario.get(part) != document[part]]
    if differs:
        message = f"{folder} is a run with another {listed(differs)}: its accuracies say nothing about this scenario"
        raise EdgesimError(f"{message}; name a run of the same scenario, on any fleet")
    found: dict[str, list[MeasuredAccuracy]] = {}
    metric, own = other.metric, on_own_samples(other.records)
    if on == "own" and own is None:
        raise EdgesimError(f"{folder}: its devices have no test samples of their own; leave out --accuracy-on own")
    names = ["keep_ratio", *map(metric.named, ("test_accuracy", "accuracy_low", "accuracy_high"))]
    used, beside = (own, other.records) if on == "own" else (other.records, own)
    assert used is not None
    keys = ["method", "keep_ratio"]
    others = {} if beside is None else summary(beside).set_index(keys)[metric.column()].to_dict()
    for row in summary(used).to_dict("records"):
        if not math.isnan(row[metric.column()]):
            mean = float(others.get((row["method"], row["keep_ratio"]), math.nan))
            ratio, accuracy, low, high = (float(row[name]) for name in names)
            found.setdefault(str(row["method"]), []).append(MeasuredAccuracy(ratio, accuracy, low, high, mean))
    return metric, found, () if beside is None else _on_two_sets(found, metric, on)


def _on_two_sets(found: dict[str, list[MeasuredAccuracy]], metric: Metric, on: TestSet) -> tuple[str, ...]:
    """Sentences on methods whose best keep ratio is another one on the other set, and on the set that counts."""
    from edgesim.cost.objective import OTHER_SET, TEST_SETS

    here, there = TEST_SETS[on], TEST_SETS[OTHER_SET[on]]
    turned = []
    for method, known in found.items():
        both = [one for one in known if not math.isnan(one.other)]
        if both:
            best = max(both, key=lambda one: metric.sign * one.accuracy).keep_ratio
            other = max(both, key=lambda one: metric.sign * one.other).keep_ratio
            turned += [f"{method} {number(best)}, there {number(other)}"] * (best != other)
    first = [f"on {there} other keep ratios have the best {metric.title}: {'; '.join(turned)}"] if turned else []
    return *first, f"{metric.title} is on {here}; the other column has it on {there} (--accuracy-on)"


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
        "accuracy_on": found.query.accuracy_on if found.query.accuracies is not None else None,
        "accuracy_notes": list(found.query.accuracy_notes),
        "candidates": found.candidates,
        "modes": dict(found.modes),
        "relative_errors": {
            profile: {"time": time, "power": power} for profile, (time, power) in found.errors.items()
        },
        "data_notes": list(found.data_notes),
        "rows": [{key: None if value != value else value for key, value in row.items()} for row in found.rows],
    }, indent=2)  # fmt: skip
