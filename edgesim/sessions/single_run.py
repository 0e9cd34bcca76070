"""One run from its folder to its report, for the API and for sweeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgesim.data.dataset import Dataset
from edgesim.records import Trial
from edgesim.results.run_folder import Run
from edgesim.scenario.experiment import in_order, load_dataset, load_transfer
from edgesim.scenario.loading import Scenario
from edgesim.sessions import opening, run_session
from edgesim.sessions.opening import Resume
from edgesim.sessions.run_session import Options
from edgesim.sessions.trackers.base import About
from edgesim.sessions.trackers.following import following, parameters


def run(
    scenario: Scenario,
    out: str | Path | None,
    how: Resume | None,
    options: Options,
    report: Callable[[Run], object] | None = None,
    dataset: Dataset | None = None,
) -> Run:
    """Run all missing trials of a scenario and write its tables.

    Args:
        scenario: the experiment.
        out: run folder; None = as `opening.place_of`.
        how: way to go on with a run; None = a new one.
        options: executor, progress and runs whose trainings are priced here.
        report: writes the report; None where none is wanted.
        dataset: the data of the scenario, where they are read already.

    Raises: as `api.run`.
        WaitStopped: a signal ended the wait for the trackers; the run is finished.
    """
    folder, session = opening.opened(scenario, out, how)
    about = About(
        scenario.name, folder.path, dict(parameters(scenario.document)), scenario.trial_count, len(scenario.fleet)
    )
    # The folder is left before the wait for the trackers: others may go on with it meanwhile.
    with following(options.progress, scenario.track, about) as watched, folder:
        changed = bool(session.get("accepted"))
        # With other profiles a rule may choose other keep ratios, so that old results are of other trials.
        if len(folder.done) >= scenario.trial_count and not (changed and scenario.pruning.rule):
            folder.info["sessions"] += [session] * changed
            trials: Sequence[Trial] = in_order(scenario, folder.done)
        else:
            dataset = load_dataset(scenario) if how and dataset is None else dataset
            if how and dataset is not None:
                opening.check_data(folder, (dataset, load_transfer(scenario)), session, how)
            folder.begin(session, scenario.to_yaml())
            trials = run_session.run_missing(scenario, folder, dataset, options._replace(progress=watched))
        run_session.complete(folder, trials, report)
        watched.finish(Run(folder.path))
    return Run(folder.path)
