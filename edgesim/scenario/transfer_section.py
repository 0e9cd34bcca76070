"""The `transfer` part of a scenario: fine-tuning of trained networks on other data (AdaPruner paper, Table 2).

The network is trained on the kept samples of the scenario's data set, keeps its weights, and is trained on all samples
that the device holds of the other one. It is evaluated on that one's test set. Its head is a new one where the classes
differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgesim.config import display, validation
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded
from edgesim.config.registry import NamedPlugin, bind
from edgesim.errors import Fault
from edgesim.formatting import n_of
from edgesim.scenario.plugin_tables import TABLES
from edgesim.training.settings import Epochs, LearningRate, Training


@dataclass(frozen=True)
class Transfer:
    """Fine-tuning on another data set, which is split among the same devices."""

    dataset: NamedPlugin
    partition: NamedPlugin
    epochs: int
    learning_rate: float

    @property
    def in_words(self) -> str:
        """The data set and the epochs."""
        to = display.called(self.dataset.name, self.dataset.plugin)
        return f"{n_of(self.epochs, 'epoch')} on {to}"


@checked_dataclass()
class TransferDocument(Bounded):
    """The keys of `transfer`. All other settings of the fine-tuning are those of `training`."""

    to: Any
    """data set to fine-tune and to test on: a name, or a map with `name` and arguments"""
    epochs: Epochs = 5
    """epochs of the fine-tuning, on all samples of the device's shard of that data set"""
    learning_rate: LearningRate | None = None
    """step size of the fine-tuning, before the schedule; left out: that of `training`"""
    partition: Any = None
    """split of that data set among the devices: a name, or a map with `name` and arguments; left out: `partition`"""


def load(given: Any, partition: NamedPlugin | None, training: Training | None, faults: list[Fault]) -> Transfer | None:
    """The `transfer` part; None where there is none, or where it has a fault.

    Args:
        given: as it stands in the document; None where it is left out.
        partition: of the scenario; None where it has a fault.
        training: of the scenario; None where it has a fault.
        faults: is added to.
    """
    if given is None:
        return None
    document = validation.build(TransferDocument, given, "transfer", faults)
    if not isinstance(given, dict):
        return None
    dataset = bind(given["to"], TABLES["dataset"], "transfer.to", faults) if "to" in given else None
    own = given.get("partition")
    scheme = partition if own is None else bind(own, TABLES["partition"], "transfer.partition", faults)
    if document is None or dataset is None or scheme is None or training is None:
        return None
    rate = training.learning_rate if document.learning_rate is None else document.learning_rate
    return Transfer(dataset, scheme, document.epochs, rate)
