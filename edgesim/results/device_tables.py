"""Hardware and shard of each device, as tables of the run folder: reports need them and records do not have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from edgesim.cost.feasibility import usable_memory_bytes
from edgesim.data.dataset import Dataset
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.loading import DeviceProfile
from edgesim.results.table_columns import OF_DEVICES
from edgesim.work import IntArray


def holdings(
    devices: Sequence[DeviceProfile],
    power_modes: Sequence[str | ChosenClocks],
    shards: Mapping[tuple[int, int], IntArray],
    dataset: Dataset,
) -> dict[str, pd.DataFrame]:
    """The tables `devices` and `shards` of a run.

    Args:
        devices: the fleet, by index.
        power_modes: of each device.
        shards: (seed, device) -> indices into the training set.
        dataset: its training labels and class names.

    Returns: "devices", one row per device (battery_j NaN on mains, shard_bytes that of its largest shard over the
        seeds), and "shards", one row per seed, device and sample.
    """
    largest: dict[int, int] = {}
    for (_, device), shard in shards.items():
        largest[device] = max(largest.get(device, 0), len(shard) * dataset.sample_bytes)
    hardware = [
        (i, d.name, d.title, d.device_class, d.throughput_flops_per_s, d.power_w, d.idle_w, d.memory_bytes,
         usable_memory_bytes(d), d.storage_bytes, largest.get(i, 0), np.nan if d.battery_j is None else d.battery_j,
         str(mode))
        for i, (d, mode) in enumerate(zip(devices, power_modes, strict=True))
    ]  # fmt: skip
    lengths = [len(shard) for shard in shards.values()]
    index = np.concatenate(list(shards.values())) if shards else np.zeros(0, dtype=np.int64)
    labels = np.asarray(dataset.train_labels)[index]
    held = {
        "seed": np.repeat([seed for seed, _ in shards], lengths),
        "device": np.repeat([device for _, device in shards], lengths),
        "index": index,
        "label": labels,
        "class_name": pd.Categorical.from_codes(labels, categories=pd.Index(_distinct(dataset.class_names))),
    }
    return {"devices": pd.DataFrame(hardware, columns=OF_DEVICES["devices"]), "shards": pd.DataFrame(held)}


def _distinct(names: Sequence[str]) -> list[str]:
    """Names with their number where two are equal: categories differ."""
    return [name if names.index(name) == i else f"{name} ({i})" for i, name in enumerate(names)]
