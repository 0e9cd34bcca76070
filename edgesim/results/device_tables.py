"""Hardware and shard of each device, as tables of the run folder: reports need them and records do not have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from edgesim.cost.feasibility import usable_memory_bytes
from edgesim.data.columns import Column
from edgesim.data.dataset import Dataset
from edgesim.data.reading_notes import as_utf8
from edgesim.data.shard_statistics import feature_shift
from edgesim.data.shards import Shards
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.loading import DeviceProfile
from edgesim.results.table_columns import OF_DEVICES


def holdings(
    devices: Sequence[DeviceProfile],
    power_modes: Sequence[str | ChosenClocks],
    shards: Mapping[int, Shards],
    dataset: Dataset,
) -> dict[str, pd.DataFrame]:
    """The tables `devices` and `shards` of a run.

    Args:
        devices: the fleet, by index.
        power_modes: of each device.
        shards: of each seed.
        dataset: its training split.

    Returns: "devices", one row per device (battery_j NaN on mains, shard_bytes that of its largest shard over the
        seeds, feature_shift the mean over the seeds), and "shards", one row per seed, device and sample. Columns of
        `table_columns.OPTIONAL` are there only where they are known.
    """
    sizes = np.array([[len(rows) for rows in found.rows] for found in shards.values()])
    largest = (sizes.max(axis=0) * dataset.sample_bytes).tolist()
    shifts = np.mean(feature_shift(dataset, [found.rows for found in shards.values()]), axis=0)
    hardware = [
        (i, d.name, d.title, d.device_class, d.throughput_flops_per_s, d.power_w, d.idle_w, d.memory_bytes,
         usable_memory_bytes(d), d.storage_bytes, largest[i], np.nan if d.battery_j is None else d.battery_j,
         str(mode), _users(i, list(shards.values())), shifts[i])
        for i, (d, mode) in enumerate(zip(devices, power_modes, strict=True))
    ]  # fmt: skip
    has_users = any(found.users is not None for found in shards.values())
    unknown = [*(() if has_users else ("users",)), *(("feature_shift",) if np.isnan(shifts).all() else ())]
    of_devices = pd.DataFrame(hardware, columns=OF_DEVICES["devices"]).drop(columns=unknown)
    index = np.concatenate([rows for found in shards.values() for rows in found.rows])
    labels = np.asarray(dataset.train_labels)[index]
    held = {
        "seed": np.repeat(list(shards), sizes.sum(axis=1)),
        "device": np.repeat(np.tile(np.arange(sizes.shape[1]), len(sizes)), sizes.ravel()),
        "index": index,
        "label": labels,
        "class_name": pd.Categorical.from_codes(labels, categories=pd.Index(_distinct(dataset.class_names))),
        **({"user": _user_of_samples(list(shards.values()))} if has_users else {}),
    }
    return {"devices": of_devices, "shards": pd.DataFrame(held)}


def _users(device: int, shards: Sequence[Shards]) -> str:
    """Users of a device; those of each seed where they differ; empty where the partition knows none."""
    by_seed = dict.fromkeys(", ".join(found.users_of(device)) for found in shards)
    return "; ".join(filter(None, by_seed))


def _user_of_samples(shards: Sequence[Shards]) -> pd.Categorical[str]:
    """User of every sample of all seeds and devices; empty where the partition knows none."""
    names: dict[str, int] = {}
    codes = []
    for found in shards:
        index = np.concatenate(found.rows)
        users = Column(np.zeros_like(index), ("",)) if found.users is None else found.users.rows(index)
        places = np.array([names.setdefault(name, len(names)) for name in map(as_utf8, users.names)])
        codes.append(places[users.codes])
    return pd.Categorical.from_codes(np.concatenate(codes).tolist(), categories=pd.Index(list(names)))


def _distinct(names: Sequence[str]) -> list[str]:
    """Names with their number where two are equal: categories differ."""
    return [name if names.index(name) == i else f"{name} ({i})" for i, name in enumerate(names)]
