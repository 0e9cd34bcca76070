"""A priced fleet: its rows as a table or streamed to a file, and their means and extremes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgesim.config.output_files import MARK, replacing
from edgesim.cost import feasibility
from edgesim.cost.objective import BINDS
from edgesim.data.shard_statistics import ShardSummary
from edgesim.planning.trials import LIMITS, WORK_IS
from edgesim.planning.virtual_fleet import VirtualFleet
from edgesim.records import TRANSFER_COLUMNS
from edgesim.work import FloatArray, IntArray, trainings_to_break_even

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 1_000_000
"""rows that are written at once"""
MEASURES = (
    "device_time_s", "device_startup_s", "device_score_time_s", "device_train_time_s", "device_energy_j",
    "device_startup_energy_j", "device_score_energy_j", "analytic_time_s", "analytic_score_time_s", "analytic_energy_j",
    "storage_bytes", "upload_s", "peak_memory_bytes",
)  # fmt: skip
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class FullTraining:
    """Plain training on all data, which trials are compared with."""

    energy_j: FloatArray
    """[U] of each pair, emulated, with all repeats"""
    repeats: int
    """trainings that a price has (`training.repeats`)"""
    dynamic: npt.NDArray[np.bool_]
    """[U, R] True where a trial's method chooses while it trains, so that each training chooses anew"""


@dataclass(frozen=True)
class FleetPlan:
    """A priced fleet: N devices with R trials each, and U different pairs of a kind and a shard."""

    fleet: VirtualFleet
    methods: tuple[str, ...]
    """[R] labels"""
    pair: IntArray
    """[N] position of each device's pair"""
    pair_kind: IntArray
    """[U]"""
    cells: Columns
    """[U, R] per column: keep_ratio, shard_size, subset_size, limit (position in LIMITS), binds and other_price_breaks
    (in `objective.BINDS`: the limit that keeps a rule from a larger subset; the limit of a budget that is broken by the
    price that does not count), reason (in `texts`), work_is (in WORK_IS: certainty of the work) and
    MEASURES, NaN where there is no such number; with `transfer` those of TRANSFER_COLUMNS that are prices"""
    texts: tuple[str, ...]
    """reasons"""
    data_notes: tuple[str, ...]
    """notes of the reader of the data: files left out, missing, met twice or read as something else"""
    method_notes: tuple[str, ...]
    """sentences on methods whose subsets are never trained on"""
    training_notes: tuple[str, ...]
    """sentences on batches that are too small for the network"""
    full: FullTraining
    shards: ShardSummary
    """sizes and differences of the shards that the partition made"""

    def __len__(self) -> int:
        """Rows: N·R."""
        return len(self.pair) * len(self.methods)

    @property
    def devices(self) -> int:
        """Devices of the fleet, each counted once whatever its seeds."""
        return int(self.fleet.device.max()) + 1

    @property
    def context_bytes(self) -> dict[str, int]:
        """Part of `peak_memory_bytes` that a GPU's context takes, by profile; only those that have one."""
        found = {kind.profile.name: feasibility.context_bytes(kind.profile) for kind in self.fleet.kinds}
        return {name: count for name, count in sorted(found.items()) if count}

    def frame(self) -> pd.DataFrame:
        """All rows: seed device profile method, then the columns of `cells`, with words for positions.

        Where a rule chose power modes, `power_mode` follows `profile`.
        """
        import pandas as pd

        columns = next(self.chunks(len(self)))
        for name, words in self._words.items():
            columns[name] = np.array(words, dtype=object)[columns[name]]
        return pd.DataFrame(columns)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name of each kind's profile."""
        return tuple(device.profile.name for device in self.fleet.kinds)

    @property
    def chosen_modes(self) -> list[dict[str, Any]]:
        """Power modes that a rule chose: one row per profile and mode, with the devices that have it."""
        often = np.bincount(self.fleet.kind, minlength=len(self.fleet.kinds))
        return [
            {"profile": kind.profile.name, "power_mode": str(kind.conditions.power_mode), "devices": int(count)}
            for kind, count in zip(self.fleet.kinds, often, strict=True)
            if kind.conditions.mode_is_chosen and count
        ]

    @property
    def _words(self) -> dict[str, tuple[str, ...]]:
        """Columns that hold positions, and the lists that these refer to."""
        modes = tuple(str(device.conditions.power_mode) for device in self.fleet.kinds)
        return {
            "profile": self.profiles,
            **({"power_mode": modes} if self.chosen_modes else {}),
            "method": self.methods,
            "limit": LIMITS,
            "binds": BINDS,
            "other_price_breaks": BINDS,
            "reason": self.texts,
            "work_is": WORK_IS,
        }

    def chunks(self, rows: int) -> Iterator[Columns]:
        """All rows in order of device, method and ratio, about `rows` at a time; words as positions in their lists."""
        width, chosen = len(self.methods), bool(self.chosen_modes)
        step = max(1, rows // width)
        for start in range(0, len(self.pair), step):
            mine = slice(start, start + step)
            pairs = self.pair[mine]
            columns: Columns = {
                "seed": np.repeat(self.fleet.seed[mine].astype(np.int32), width),
                "device": np.repeat(self.fleet.device[mine].astype(np.int32), width),
                "profile": np.repeat(self.fleet.kind[mine].astype(np.int32), width),
                **({"power_mode": np.repeat(self.fleet.kind[mine].astype(np.int32), width)} if chosen else {}),
                "method": np.tile(np.arange(width, dtype=np.int32), len(pairs)),
            }
            yield columns | {name: values.take(pairs, axis=0).reshape(-1) for name, values in self.cells.items()}

    def write(self, path: Path) -> None:
        """Write all rows to a parquet file, a row group at a time; the file is there once it is whole.

        Raises:
            OutputError: the file cannot be written.
        """
        with replacing(path) as file:
            self._stream(file)

    def _stream(self, file: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # From buffers: `pa.array` imports pandas, which takes half a second.
        def column(values: npt.NDArray[Any]) -> pa.Array:
            kind = pa.from_numpy_dtype(values.dtype)
            return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])

        def texts(values: Sequence[str]) -> pa.StringArray:
            encoded = [value.encode() for value in values]
            ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
            return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))

        lists = {name: texts(values) for name, values in self._words.items()}
        word = pa.dictionary(pa.int32(), pa.string())
        schema = pa.schema([
            pa.field(name, word if name in lists else pa.from_numpy_dtype(values.dtype), nullable=False)
            for name, values in next(self.chunks(1)).items()
        ], metadata={"edgesim": MARK})  # fmt: skip
        # Compressing equal doubles takes less time than hashing them for a dictionary. Without nulls there are no
        # levels to write, and bounds of columns that are in no order would help no reader.
        options = {"compression": "lz4", "use_dictionary": [*lists], "write_statistics": False}
        chunks = self.chunks(CHUNK_ROWS)
        with pq.ParquetWriter(file, schema, **options) as writer, ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(next, chunks, None)
            while (columns := coming.result()) is not None:
                coming = ahead.submit(next, chunks, None)  # gathered while this one is compressed
                arrays = [
                    pa.DictionaryArray.from_arrays(column(values), lists[name]) if name in lists else column(values)
                    for name, values in columns.items()
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    def by_profile(self) -> list[dict[str, Any]]:
        """One row per profile that has devices, method and keep ratio (`_means`)."""
        names = list(dict.fromkeys(self.profiles))
        code = np.array([names.index(name) for name in self.profiles])[self.pair_kind]
        rows = []
        for place in np.unique(code):
            rows += [{"profile": names[place], **row} for row in self._means(np.flatnonzero(code == place))]
        return rows

    def by_method(self) -> list[dict[str, Any]]:
        """One row per method and keep ratio over the whole fleet (`_means`)."""
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
        """One row per method and ratio over some of the pairs, each weighted by its number of devices.

        keep_ratio is the mean of all trials. MEASURES are means over the feasible trials, as are the time of the
        slowest and the energy of all. They are None where no trial is feasible, or one has no such number (`upload_s`).
        `limits`, `binds` and `other_price_breaks` count trials by limit. `reason` is that of the first trial with the
        commonest of `limits`; without one, of `binds`; without one, of `other_price_breaks`.
        `repeats_to_break_even`: `_break_even`.
        """
        often = self._often[pairs].astype(np.float64)
        rows = []
        for r, method in enumerate(self.methods):
            limit = self.cells["limit"][pairs, r]
            weights = often * (limit == 0)
            trials = float(weights.sum())
            bound, broken = (
                np.where(limit == 0, self.cells[name][pairs, r], 0) for name in ("binds", "other_price_breaks")
            )
            causes = [(LIMITS, limit), (BINDS, bound), (BINDS, broken)]
            limits, binds, breaks = (self._counts(names, codes, often) for names, codes in causes)
            row: dict[str, Any] = {
                "method": method,
                "keep_ratio": float(often @ self.cells["keep_ratio"][pairs, r] / often.sum()),
                "trials": int(often.sum()),
                "infeasible": int(often.sum() - trials),
                "work_is": WORK_IS[int(self.cells["work_is"][pairs[0], r])],
                "limits": limits,
                "binds": binds,
                "other_price_breaks": breaks,
                "reason": "",
            }
            for (names, codes), counts in zip(causes, (limits, binds, breaks), strict=True):
                if counts:
                    first = np.argmax(codes == names.index(next(iter(counts))))
                    row["reason"] = self.texts[self.cells["reason"][pairs[first], r]]
                    break
            measures = [*MEASURES, *(name for name in TRANSFER_COLUMNS if name in self.cells)]
            able = {name: np.where(weights > 0, self.cells[name][pairs, r], 0.0) for name in measures}
            means = {name: float(weights @ values / trials) if trials else np.nan for name, values in able.items()}
            row |= {name: None if np.isnan(mean) else mean for name, mean in means.items()}
            row["slowest_device_time_s"] = float(able["device_time_s"].max()) if trials else None
            row["total_device_energy_j"] = float(weights @ able["device_energy_j"]) if trials else None
            row["repeats_to_break_even"] = self._break_even(r, pairs, weights) if trials else None
            rows.append(row)
        return rows

    def _break_even(self, r: int, pairs: IntArray, weights: FloatArray) -> int | str | None:
        """Number of trainings on the same kept set after which scoring has paid for itself against full training.

        By sums of emulated energy over the devices that can do the trial, [pairs] `weights` of them: no mean of ratios.
        1 = at once; "never" = a training saves nothing; None = full training has no price, or is what the trial does.
        """
        mine = pairs[weights > 0]
        sums = [values[mine] @ weights[weights > 0] for values in (
            self.full.energy_j, self.cells["device_energy_j"][:, r],
            np.where(self.full.dynamic[:, r], 0.0, self.cells["device_score_energy_j"][:, r]),
        )]  # fmt: skip
        full_j, all_j, once_j = (float(value) for value in sums)
        train_j, full_j = (all_j - once_j) / self.full.repeats, full_j / self.full.repeats
        if np.isnan(full_j) or (train_j == full_j and once_j == 0):
            return None
        found = float(trainings_to_break_even(once_j, train_j, full_j))
        return "never" if np.isnan(found) else int(found)

    @cached_property
    def _often(self) -> IntArray:
        """[U] devices of each pair."""
        return np.bincount(self.pair, minlength=len(self.pair_kind))

    def _counts(self, names: tuple[str, ...], codes: IntArray, often: FloatArray) -> dict[str, int]:
        """Name -> trials with that code, of those that occur but for the first, the commonest first."""
        counts = np.bincount(codes, weights=often, minlength=len(names))
        found = [(names[code], int(counts[code])) for code in np.argsort(-counts, kind="stable") if code]
        return {name: count for name, count in found if count}
