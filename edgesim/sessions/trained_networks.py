"""Trained networks of a run, built again from its scenario and its files of weights."""

from __future__ import annotations

from pathlib import Path

import torch

from edgesim import seeds
from edgesim.config import user_code
from edgesim.errors import RunError
from edgesim.records import Trial
from edgesim.results import model_files
from edgesim.results.exporting.choice import trials
from edgesim.results.run_folder import SCENARIO, Run
from edgesim.scenario import loading


def load_model(
    run: Run | str | Path,
    method: str,
    keep_ratio: float | None = None,
    seed: int | None = None,
    device: int | None = None,
) -> torch.nn.Module:
    """The trained network of one trial, in evaluation mode on the CPU.

    The run needs `run.keep_models: true` in its scenario. The network takes samples as training did: channels first,
    uint8 divided by 255, and normalised by `Dataset.normalisation` of the scenario's data.

    Args:
        run: from `edgesim.run` or `edgesim.load_run`, or the path of its folder.
        method: label of the method.
        keep_ratio: of the trial; None = the only one of the method, or the one that a rule chose.
        seed: of the trial; None = the only one of the run.
        device: index of the device; None = the only one of the run.

    Raises:
        RunError: there is no such trial, it did not end well, its weights were not kept, or their file is damaged.
        ScenarioError: the scenario does not load any more, since an own module is gone, for example.
    """
    found = run if isinstance(run, Run) else Run(Path(run))
    records = trials(found, method, keep_ratio, seed, device)
    if len(records) != 1:
        raise RunError(f"{found.path} has {len(records)} devices with such a trial; name one with device=")
    record = records.iloc[0]
    trial = Trial(int(record["seed"]), int(record["device"]), str(record["method"]), float(record["keep_ratio"]))
    if record["status"] != "ok":
        why = f"it is {record['status']} ({record['reason']})"
        raise RunError(f"{found.path}: {model_files.described(trial)} has no network: {why}")
    kept = model_files.read(found.path, trial)
    folder = Path(found.info["scenario_folder"])
    scenario = loading.from_document(found.scenario, str(found.path / SCENARIO), folder)
    plugin = scenario.model.plugin
    boundary = user_code.boundary(f"{scenario.model.name} cannot be built", own=user_code.is_own(plugin))
    with boundary, seeds.torch_global(trial.seed, "init"):  # its initial weights cost the caller no random numbers
        model: torch.nn.Module = plugin.build(kept.form.input_shape, kept.form.num_outputs)
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in kept.weights.items()})
    except RuntimeError as error:
        raise RunError(
            f"{model_files.path_of(found.path, trial)} does not fit {scenario.model.name} as it is built now: {error}"
        ) from None
    return model.eval()
