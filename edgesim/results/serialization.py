"""Results as rows of the tables of a run folder, and back.

`rows_of` and `result_of` are the only code that knows the columns. A line of the journal is the rows of one result as
JSON; a table is the rows of all results together.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgesim.ranked_samples import RankedSamples
from edgesim.records import MethodOutputs, Trial, TrialResult, WorkRecord
from edgesim.results.record_rows import curve_of, curve_rows, record_of, record_row, record_table
from edgesim.results.table_columns import ENDS, KEY, METRIC_COLUMNS, OF_TRIALS, WORK, columns_of, empty
from edgesim.results.value_checks import first_bad
from edgesim.tasks import task_in
from edgesim.work import Segment, StepTrace, Work

Columns = dict[str, Any]
"""column -> its values, a list or an array; or one value that all rows have"""
Rows = dict[str, Columns]
"""table -> its rows for one trial, without the columns of KEY. `records` is the one row itself, KEY included"""

COMPRESS_FROM_BYTES, ZLIB = 1024, "+zlib"
"""size from which packed data is compressed; below it the time that this takes is worth more than the space"""
_PACKED = {"<i4": np.int64, "<i8": np.int64, "<f8": np.float64}
"""types of packed numbers -> the types that they are read as"""


def rows_of(result: TrialResult) -> Rows:
    """Rows of a result in each table that it has any in.

    Scores that serve every budget have a `keep_ratio` of NaN in place of the trial's.
    """
    rows: Rows = {"records": record_row(result.record)}
    if result.curve:
        rows["curves"] = curve_rows(result.curve)
    if result.kept is not None:
        rows["selections"] = {"index": result.kept, "weight": 1.0 if result.weights is None else result.weights}
    outputs = result.outputs
    if outputs.scores is not None:
        for_all = {"keep_ratio": np.nan} if outputs.scores_for_all_budgets else {}
        rows["scores"] = {**for_all, "index": outputs.indices, "score": outputs.scores}
    history = [(epoch, *pair) for epoch, row in enumerate(outputs.history, start=1) for pair in row.items()]
    if history:
        epochs, quantities, values = map(list, zip(*history, strict=True))
        rows["traces"] = {"epoch": epochs, "quantity": quantities, "value": [float(value) for value in values]}
    if result.work_record is not None:
        rows["work"] = _work_rows(result.work_record)
    if outputs.ranked is not None and len(outputs.ranked.indices):
        rows["extremes"] = _ranked_rows(outputs.ranked)
    return rows


def result_of(rows: Rows) -> TrialResult:
    """The result behind its rows; the inverse of `rows_of`."""
    selected, scored, work = rows.get("selections"), rows.get("scores"), rows.get("work")
    weights: Any = selected["weight"] if selected else 1.0
    outputs = MethodOutputs(
        scores=scored["score"] if scored else None,
        indices=scored["index"] if scored else None,
        scores_for_all_budgets=scored is None or "keep_ratio" in scored,
        history=_history(rows["traces"]) if "traces" in rows else (),
        ranked=_ranked_samples(rows["extremes"]) if "extremes" in rows else None,
    )
    return TrialResult(
        record=record_of(rows["records"]),
        curve=curve_of(rows["curves"]) if rows.get("curves") else (),
        kept=selected["index"] if selected else None,
        weights=None if np.all(weights == 1.0) else weights,
        outputs=outputs,
        work_record=_work_record(work) if work else None,
    )


def _work_rows(done: WorkRecord) -> Columns:
    """One row for scoring and one for training, each with its steps as JSON."""
    pairs = zip(vars(done.score).values(), vars(done.train).values(), strict=True)
    counts = dict(zip(WORK, map(list, pairs), strict=True))
    trace = [json.dumps(trace.segments) for trace in (done.score_trace, done.train_trace)]
    return {"phase": ["score", "train"], "reused": [done.reused, False], **counts, "trace": trace}


def _work_record(rows: Columns) -> WorkRecord:
    """The inverse of `_work_rows`."""
    score, train = (Work(*counts) for counts in zip(*(_listed(rows[name]) for name in WORK), strict=True))
    traces = [StepTrace(tuple(Segment(*segment) for segment in json.loads(text))) for text in rows["trace"]]
    return WorkRecord(score, traces[0], train, traces[1], bool(rows["reused"][0]))


def _ranked_rows(ranked: RankedSamples) -> Columns:
    """One row per sample; `image` has its uint8 pixels in the order height, width, channels."""
    height, width, channels = ranked.images.shape[1:]
    return {
        "label": ranked.labels, "end": [ENDS[bool(most)] for most in ranked.most], "rank": ranked.ranks,
        "index": ranked.indices, "score": ranked.scores, "tied": ranked.tied,
        "height": height, "width": width, "channels": channels, "image": [image.tobytes() for image in ranked.images],
    }  # fmt: skip


def _ranked_samples(rows: Columns) -> RankedSamples:
    """The inverse of `_ranked_rows`."""
    sides = (int(np.atleast_1d(rows[name])[0]) for name in ("height", "width", "channels"))
    images = np.frombuffer(b"".join(rows["image"]), dtype=np.uint8).reshape(len(rows["image"]), *sides)
    most = np.array([end == ENDS[True] for end in rows["end"]])
    return RankedSamples(rows["label"], most, rows["rank"], rows["tied"], rows["index"], rows["score"], images)


def _history(rows: Columns) -> tuple[dict[str, float], ...]:
    """The quantities of each epoch of a method's own training, from the rows of `traces`."""
    by_epoch: dict[int, dict[str, float]] = {}
    for epoch, quantity, value in zip(*(_listed(rows[name]) for name in ("epoch", "quantity", "value")), strict=True):
        by_epoch.setdefault(epoch, {})[quantity] = value
    return tuple(by_epoch[epoch] for epoch in sorted(by_epoch))


def _listed(values: Any) -> list[Any]:
    """Values as Python objects."""
    listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    return listed


def tables(results: Sequence[TrialResult], task: str | None = None) -> dict[str, pd.DataFrame]:
    """The tables of a list of results, rows in its order.

    Scores that serve every budget are there once, though a resumed device may have sent them twice.

    Args:
        results: of one run.
        task: of the run, which decides on the columns of metrics; None = the one that the results show.
    """
    task = task or task_in({name for result in results for name in result.record.metrics}).name
    parts = {name: _TableParts() for name in OF_TRIALS if name != "records"}
    written: set[tuple[Any, ...]] = set()
    for result in results:
        trial = result.record.trial
        for name, columns in rows_of(result).items():
            if name == "records":
                continue
            if name == "scores" and "keep_ratio" in columns:
                if trial[:3] in written:
                    continue
                written.add(trial[:3])
            parts[name].add(trial, columns)
    records = {"records": record_table([result.record for result in results], task)}
    return records | {name: found.frame(name, task) for name, found in parts.items()}


class _TableParts:
    """The rows of one table, collected trial by trial."""

    def __init__(self) -> None:
        self._keys: list[tuple[Any, ...]] = []
        self._lengths: list[int] = []
        self._lists: dict[str, list[Any]] = {}
        """column -> one entry per row"""
        self._parts: dict[str, list[Any]] = {}
        """column -> one entry per trial: an array, or the value that all of the trial's rows have"""

    def add(self, trial: Trial, columns: Columns) -> None:
        """Add the rows of one trial."""
        self._keys.append((*trial[:3], columns.get("keep_ratio", trial.keep_ratio)))
        length = 0
        for name, values in columns.items():
            if isinstance(values, list):
                self._lists.setdefault(name, []).extend(values)
                length = len(values)
            elif name != "keep_ratio":
                self._parts.setdefault(name, []).append(values)
                length = len(values) if isinstance(values, np.ndarray) else length
        self._lengths.append(length)

    def frame(self, name: str, task: str) -> pd.DataFrame:
        """The rows as a table of a run of a task."""
        if not self._keys:
            return empty(name, task)
        columns = map(_array, zip(*self._keys, strict=True))
        keys = {key: np.repeat(values, self._lengths) for key, values in zip(KEY, columns, strict=True)}
        found = keys | self._lists | {column: self._joined(parts) for column, parts in self._parts.items()}
        unknown = {column: np.nan for column in METRIC_COLUMNS if column not in found}  # not evaluated in any trial
        values = unknown | found
        return pd.DataFrame({column: values[column] for column in columns_of(name, task, found)})

    def _joined(self, parts: list[Any]) -> npt.NDArray[Any]:
        """One column of the arrays and single values of each trial."""
        if not any(isinstance(part, np.ndarray) for part in parts):
            return np.repeat(np.array(parts), self._lengths)
        lengths = zip(parts, self._lengths, strict=True)
        return np.concatenate([part if isinstance(part, np.ndarray) else np.full(n, part) for part, n in lengths])


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def results_of(loaded: dict[str, pd.DataFrame]) -> list[TrialResult]:
    """The results behind tables; the inverse of `tables`."""
    parts = {name: _by_trial(table) for name, table in loaded.items() if name in OF_TRIALS and name != "records"}
    results = []
    for row in loaded["records"].to_dict("records"):
        rows: Rows = {"records": {str(name): value for name, value in row.items()}}
        trial: tuple[Any, ...] = tuple(row[name] for name in KEY)
        rows |= {name: found[trial] for name, found in parts.items() if trial in found}
        # Scores for all budgets belong to the first trial of their method.
        shared = parts["scores"].pop((*trial[:3], None), None)
        if shared is not None:
            rows["scores"] = {"keep_ratio": np.nan, **shared}
        results.append(result_of(rows))
    return results


def _by_trial(table: pd.DataFrame) -> dict[tuple[Any, ...], Columns]:
    """Rows by trial; a keep_ratio of NaN becomes None, which can be looked up."""
    if table.empty:
        return {}
    number = table.groupby(KEY, sort=False, dropna=False).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    columns = {str(name): table[name].to_numpy()[order] for name in table if name not in KEY}
    keys = zip(*(table[name].to_numpy()[order][starts].tolist() for name in KEY), strict=True)
    ends = [*starts[1:], len(order)]
    return {
        (*key[:3], None if key[3] != key[3] else key[3]): {name: v[start:end] for name, v in columns.items()}
        for key, start, end in zip(keys, starts, ends, strict=True)
    }


def _packed(value: Any) -> dict[str, str]:
    """An array of numbers, or bytes, as a JSON value: base64 under the name of its type."""
    if isinstance(value, bytes):
        kind, data = "bytes", value
    elif isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        small = value.dtype.kind != "f" and value.min(initial=0) >= -(2**31) and value.max(initial=0) < 2**31
        kind = "<f8" if value.dtype.kind == "f" else "<i4" if small else "<i8"
        data = value.astype(kind).tobytes()
    else:
        raise TypeError(f"a journal holds no {type(value).__name__}")
    if len(data) >= COMPRESS_FROM_BYTES:
        kind, data = kind + ZLIB, zlib.compress(data, 1)
    return {kind: base64.b64encode(data).decode()}


def _unpacked(entry: dict[str, Any]) -> Any:
    """The inverse of `_packed`; other JSON objects stay as they are."""
    if len(entry) != 1:
        return entry
    ((kind, text),) = entry.items()
    plain = kind.removesuffix(ZLIB)
    if plain not in _PACKED and plain != "bytes":
        return entry
    data = base64.b64decode(text)
    data = data if plain == kind else zlib.decompress(data)
    return data if plain == "bytes" else np.frombuffer(data, dtype=plain).astype(_PACKED[plain])


_ENCODER, _DECODER = json.JSONEncoder(default=_packed, check_circular=False), json.JSONDecoder(object_hook=_unpacked)
_HEAD = '{"crc32": "'
_REST_AT = len(_HEAD) + 8 + len('", ')


def to_line(result: TrialResult) -> str:
    """The rows of a result as one line of JSON, whose first key `crc32` has the checksum of the rest of the line.

    The checksum has eight hexadecimal digits. It covers the text behind `"crc32": "…", `, the closing brace included.
    """
    rest = _ENCODER.encode(rows_of(result))[1:]
    return f'{_HEAD}{zlib.crc32(rest.encode()):08x}", {rest}\n'


def from_line(line: str) -> TrialResult:
    """The result behind a line.

    Raises:
        ValueError: the line is damaged, or holds a value that no run can have written.
    """
    line = line.removesuffix("\n")
    rest = line[_REST_AT:]
    if not line.startswith(_HEAD) or line[_REST_AT - 3 : _REST_AT] != '", ':
        raise ValueError("it has no checksum")
    if f"{zlib.crc32(rest.encode()):08x}" != line[len(_HEAD) : _REST_AT - 3]:
        raise ValueError("its checksum is not that of its content")
    try:
        rows = _DECODER.decode("{" + rest)
        for name, columns in rows.items():
            bad = first_bad(name, columns)
            if bad is not None:
                raise ValueError(bad.problem)
        return result_of(rows)
    except (TypeError, KeyError, AttributeError, IndexError, zlib.error) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
