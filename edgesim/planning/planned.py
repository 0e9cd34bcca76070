"""A priced fleet: its rows, streamed to a file or as a table, and what stands out in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility
from edgesim.planning.crowd import Crowd
from edgesim.work import IntArray

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 1_000_000
"""rows that are written at once"""
LIMITS = (*feasibility.LIMITS, "budget")
"""what stops a trial, by position; the first stands for nothing"""
MEASURES = (
    "analytic_time_s", "analytic_score_time_s", "analytic_energy_j", "device_time_s", "device_score_time_s",
    "device_energy_j", "storage_bytes", "peak_memory_bytes",
)  # fmt: skip
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Planned:
    """A priced fleet: N devices with R trials each, and U different pairs of a kind and a shard."""

    fleet: Crowd
    methods: tuple[str, ...]
    """[R] labels"""
    pair: IntArray
    """[N] which pair a device is"""
    pair_kind: IntArray
    """[U]"""
    cells: Columns
    """[U, R] per column: keep_ratio, shard_size, subset_size, limit (position in LIMITS) and MEASURES"""

    def __len__(self) -> int:
        """Rows: N·R."""
        return len(self.pair) * len(self.methods)

    @property
    def devices(self) -> int:
        """Devices of the fleet, each counted once whatever its seeds."""
        return int(self.fleet.device.max()) + 1

    def frame(self) -> pd.DataFrame:
        """All rows: seed device profile method keep_ratio shard_size subset_size limit + MEASURES (README)."""
        import pandas as pd

        parts = list(self.chunks(len(self)))
        columns = parts[0]
        for name, words in (("profile", self.profiles), ("method", self.methods), ("limit", LIMITS)):
            columns[name] = np.array(words, dtype=object)[columns[name]]
        return pd.DataFrame(columns)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name of each kind's profile."""
        return tuple(device.profile.name for device in self.fleet.kinds)

    def chunks(self, rows: int) -> Iterator[Columns]:
        """All rows in order of device, method and ratio, about `rows` at a time; words as positions in their lists."""
        width = len(self.methods)
        step = max(1, rows // width)
        for start in range(0, len(self.pair), step):
            mine = slice(start, start + step)
            pairs = self.pair[mine]
            columns: Columns = {
                "seed": np.repeat(self.fleet.seed[mine].astype(np.int32), width),
                "device": np.repeat(self.fleet.device[mine].astype(np.int32), width),
                "profile": np.repeat(self.fleet.kind[mine].astype(np.int32), width),
                "method": np.tile(np.arange(width, dtype=np.int32), len(pairs)),
            }
            yield columns | {name: values[pairs].reshape(-1) for name, values in self.cells.items()}

    def write(self, path: Path) -> None:
        """Write all rows to a parquet file, a row group at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        words = {"profile": self.profiles, "method": self.methods, "limit": LIMITS}
        lists = {name: pa.array(values, pa.string()) for name, values in words.items()}
        writer: pq.ParquetWriter | None = None
        try:
            for columns in self.chunks(CHUNK_ROWS):
                arrays = {
                    name: pa.DictionaryArray.from_arrays(values, lists[name]) if name in lists else pa.array(values)
                    for name, values in columns.items()
                }
                table = pa.table(arrays)
                # Compressing equal doubles takes less time than hashing them for a dictionary.
                writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4", use_dictionary=[*words])
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()

    def by_profile(self) -> list[dict[str, Any]]:
        """Means over the trials of each profile, method and keep ratio that their devices can do."""
        names = list(dict.fromkeys(self.profiles))
        code = np.array([names.index(name) for name in self.profiles])[self.pair_kind]
        rows = []
        for place, profile in enumerate(names):
            mine = np.flatnonzero(code == place)
            rows += [{"profile": profile, **row} for row in self._means(mine)]
        return rows

    def by_method(self) -> list[dict[str, Any]]:
        """Means over the whole fleet by method and keep ratio; what the slowest device takes, and all together."""
        return self._means(np.arange(len(self.pair_kind)))

    def most(self, measure: str, count: int) -> list[dict[str, Any]]:
        """The devices that take most of a measure in a trial that they can do, each once, whatever its seeds.

        Args:
            measure: one of MEASURES.
            count: how many devices.
        """
        values = np.where(self.cells["limit"] == 0, self.cells[measure], -np.inf)
        worst = values.argmax(axis=1)  # [U]
        height = values[np.arange(len(values)), worst]
        rows: list[dict[str, Any]] = []
        seen: set[int] = set()
        for u in np.argsort(-height, kind="stable"):
            for i in np.flatnonzero(self.pair == u)[: count - len(rows)]:
                where, r = (u, worst[u]), int(worst[u])
                if np.isfinite(height[u]) and int(self.fleet.device[i]) not in seen:
                    seen.add(int(self.fleet.device[i]))
                    rows.append({
                        "seed": int(self.fleet.seed[i]), "device": int(self.fleet.device[i]),
                        "profile": self.profiles[self.fleet.kind[i]], "method": self.methods[r],
                        "keep_ratio": float(self.cells["keep_ratio"][where]), measure: float(height[u]),
                    })  # fmt: skip
            if len(rows) >= count:
                break
        return rows

    def _means(self, pairs: IntArray) -> list[dict[str, Any]]:
        """One row per method and ratio over some of the pairs, each counting as often as there are such devices."""
        often = np.bincount(self.pair, minlength=len(self.pair_kind))[pairs].astype(np.float64)
        rows = []
        for r, method in enumerate(self.methods):
            weights = often * (self.cells["limit"][pairs, r] == 0)
            trials = float(weights.sum())
            row: dict[str, Any] = {
                "method": method,
                "trials": int(often.sum()),
                "infeasible": int(often.sum() - trials),
            }
            for name in ("keep_ratio", *MEASURES):
                values = self.cells[name][pairs, r]
                row[name] = float(weights @ values / trials) if trials else None
            slowest = np.where(weights > 0, self.cells["device_time_s"][pairs, r], 0.0).max()
            row["slowest_device_time_s"] = float(slowest) if trials else None
            row["total_device_energy_j"] = float(weights @ self.cells["device_energy_j"][pairs, r])
            rows.append(row)
        return rows
