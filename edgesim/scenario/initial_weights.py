"""Weights of a file that a scenario's trainings start from (`training.initial_weights`)."""

from __future__ import annotations

from dataclasses import replace

from edgesim.config.document_bounds import find_file
from edgesim.data.dataset import Dataset
from edgesim.errors import EdgesimError, Fault, ScenarioError
from edgesim.models.initial_weights import InitialWeights, UnknownLayer, fitted
from edgesim.scenario.loading import Scenario

PATH, FRESH_LAYERS = "training.initial_weights", "training.fresh_layers"


def load(scenario: Scenario, dataset: Dataset) -> InitialWeights | None:
    """The weights of the file that `training.initial_weights` names, fitted to the network; None where it names none.

    Raises:
        ScenarioError: there is no such file, or it does not fit the network.
    """
    training, model = scenario.training, scenario.model
    if training.initial_weights is None:
        return None
    path, tried = find_file(training.initial_weights, scenario.folder, PATH)
    if path is None:
        message = f"'{training.initial_weights}' does not exist (looked for {tried}); name a file of weights"
        raise ScenarioError(scenario.name, [Fault(PATH, message)])
    try:
        return fitted(path, model.plugin, model.name, dataset.network_form, training.fresh_layers)
    except UnknownLayer as error:
        raise ScenarioError(scenario.name, [Fault(FRESH_LAYERS, str(error))]) from error
    except EdgesimError as error:
        raise ScenarioError(scenario.name, [Fault(PATH, str(error))]) from error


def without(scenario: Scenario) -> Scenario:
    """The scenario with random initial weights: no price depends on them, and the file may be gone."""
    return replace(scenario, training=replace(scenario.training, initial_weights=None, fresh_layers=()))
