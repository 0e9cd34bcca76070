"""Tables of the plug-ins that a scenario names by a key of their own: its data, partition and network."""

from __future__ import annotations

from edgesim import models
from edgesim.config.registry import PluginTable
from edgesim.data.datasets import DATASETS, DatasetSource
from edgesim.data.partition_schemes import PARTITIONS

TABLES = {
    "dataset": PluginTable(DATASETS, "load", base=DatasetSource, kind="datasets"),
    "partition": PluginTable(PARTITIONS, "split|split_dataset", kind="partitions"),
    "model": PluginTable(models.MODELS, "build", lambda name, _: models.resolve(name), kind="models"),
}
"""key of the scenario -> its table"""
