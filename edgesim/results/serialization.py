"""Results as lines of the journal and as rows of the tables."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgesim.cost.analytic import CostWeights
from edgesim.cost.context import PricingContext
from edgesim.errors import RunError
from edgesim.extremes import Extremes
from edgesim.records import CurvePoint, MethodOutputs, Record, Trial, TrialResult, WorkRecord, rounded_ratio
from edgesim.work import Segment, StepTrace, Work, Workload

KEY = ["seed", "device", "method", "keep_ratio"]
TABLES = ("records", "curves", "selections", "scores", "traces", "work", "extremes")
ENDS = {True: "most", False: "least"}
EXTREMES = ["label", "end", "rank", "index", "score", "tied", "height", "width", "channels", "image"]
WORK = [field.name for field in dataclasses.fields(Work)]


def tables(results: list[TrialResult]) -> dict[str, pd.DataFrame]:
    """The tables of a list of results, rows in its order.

    `scores` has keep_ratio NaN where the scores serve every keep ratio; `traces` has one row per trial, epoch and
    quantity of a method that trains something of its own. Both are empty where no method gives any. `work` has one row
    per trial and phase: what the trial is charged for, from which any device's price follows. `extremes` has one row
    per sample at an end of a class, `image` being its uint8 pixels in the order height, width, channels.
    """
    fields = [field.name for field in dataclasses.fields(Record)]
    curve_rows = [(*result.record.trial, *point) for result in results for point in result.curve]
    trace_rows = [
        (*result.record.trial, epoch, name, float(value))
        for result in results
        for epoch, row in enumerate(result.findings.history, start=1)
        for name, value in row.items()
    ]
    kept = [(result.record.trial, result.kept, result.weights) for result in results if result.kept is not None]
    scored = _scored(results)
    return {
        "records": pd.DataFrame([tuple(vars(result.record).values()) for result in results], columns=fields),
        "curves": pd.DataFrame(curve_rows, columns=[*KEY, *CurvePoint._fields]),
        "selections": _long(
            [trial for trial, _, _ in kept],
            {
                "index": [indices for _, indices, _ in kept],
                "weight": [np.ones(len(i)) if weights is None else weights for _, i, weights in kept],
            },
        ),
        "scores": _long(
            [trial._replace(keep_ratio=np.nan) if f.scores_for_all_budgets else trial for trial, f in scored],
            {"index": [f.indices for _, f in scored], "score": [f.scores for _, f in scored]},
        ),
        "traces": pd.DataFrame(trace_rows, columns=[*KEY, "epoch", "quantity", "value"]),
        "work": pd.DataFrame(
            [(*r.record.trial, *row) for r in results if r.ledger for row in _ledger_rows(r.ledger)],
            columns=[*KEY, "phase", "reused", *WORK, "trace"],
        ),
        "extremes": pd.DataFrame(
            [(*r.record.trial, *row) for r in results if r.findings.extremes for row in _rows(r.findings.extremes)],
            columns=[*KEY, *EXTREMES],
        ),
    }


def _scored(results: list[TrialResult]) -> list[tuple[Trial, MethodOutputs]]:
    """The results with scores; those that serve every budget once, though a resumed device may have sent them twice."""
    found: dict[Trial | tuple[Any, ...], tuple[Trial, MethodOutputs]] = {}
    for result in results:
        if result.findings.scores is not None:
            trial = result.record.trial
            key = trial[:3] if result.findings.scores_for_all_budgets else trial
            found.setdefault(key, (trial, result.findings))
    return list(found.values())


def _rows(extremes: Extremes) -> list[tuple[Any, ...]]:
    """The columns of EXTREMES, one row per sample."""
    ends = [ENDS[bool(most)] for most in extremes.most]
    columns = (extremes.labels.tolist(), ends, extremes.ranks.tolist(), extremes.indices.tolist())
    numbers = zip(*columns, extremes.scores.tolist(), extremes.tied.tolist(), strict=True)
    shape = extremes.images.shape[1:]
    return [(*row, *shape, image.tobytes()) for row, image in zip(numbers, extremes.images, strict=True)]


def _extremes(rows: pd.DataFrame | None) -> Extremes | None:
    """The inverse of `_rows`."""
    if rows is None:
        return None
    shape = (len(rows), *(int(rows[name].iloc[0]) for name in ("height", "width", "channels")))
    images = np.frombuffer(b"".join(rows["image"]), dtype=np.uint8).reshape(shape)
    most = (rows["end"] == ENDS[True]).to_numpy()
    labels, ranks, tied, indices = (rows[name].to_numpy() for name in ("label", "rank", "tied", "index"))
    return Extremes(labels, most, ranks, tied, indices, rows["score"].to_numpy(), images)


def _ledger_rows(ledger: WorkRecord) -> list[tuple[Any, ...]]:
    """Phase, whether another run did it, its Work and its trace as JSON: one row for scoring, one for training."""
    score = ("score", ledger.reused, *vars(ledger.score).values(), json.dumps(ledger.score_trace.segments))
    train = ("train", False, *vars(ledger.train).values(), json.dumps(ledger.train_trace.segments))
    return [score, train]


def _ledger(rows: list[tuple[Any, ...]]) -> WorkRecord:
    """The inverse of `_ledger_rows`."""
    works = [Work(*row[2:-1]) for row in rows]
    traces = [StepTrace(tuple(Segment(*segment) for segment in json.loads(row[-1]))) for row in rows]
    return WorkRecord(works[0], traces[0], works[1], traces[1], bool(rows[0][1]))


def _long(trials: list[Trial], columns: dict[str, list[Any]]) -> pd.DataFrame:
    """One row per sample of every trial."""
    lengths = [len(values) for values in next(iter(columns.values()))]
    keys = {name: np.repeat([trial[i] for trial in trials], lengths) for i, name in enumerate(KEY)}
    empty = {"index": np.zeros(0, dtype=np.int64)}
    joined = {name: np.concatenate(parts) if parts else empty.get(name, np.zeros(0)) for name, parts in columns.items()}
    return pd.DataFrame(keys | joined)


def by_rule(table: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """A table of trials in which a rule's trials of one method have one keep_ratio, so that means go by the rule.

    Where a rule chose the ratios nearly every device has another one, and a cell of equal ratios would hold one device.
    The method's own mean over the trials that ended well takes their place; other trials keep theirs. Records have the
    ratios of the trials themselves beside it, as `own_keep_ratio`.

    Args:
        table: records, curves or selections of a run.
        records: of the same run.
    """
    if "ratio_rule" not in records or "keep_ratio" not in table:
        return table
    chosen = records[records["ratio_rule"].fillna("") != ""]
    if chosen.empty or table.empty:
        return table
    good = chosen[chosen["status"] == "ok"]
    means = {**chosen.groupby("method")["keep_ratio"].mean(), **good.groupby("method")["keep_ratio"].mean()}
    ruled = pd.MultiIndex.from_frame(table[KEY]).isin(pd.MultiIndex.from_frame(chosen[KEY]))
    own = {"own_keep_ratio": table["keep_ratio"]} if "ratio_rule" in table else {}
    return table.assign(keep_ratio=table["keep_ratio"].where(~ruled, table["method"].map(means)), **own)


def results_of(loaded: dict[str, pd.DataFrame]) -> list[TrialResult]:
    """The results behind tables; the inverse of `tables`."""
    curves, kept = _groups(loaded["curves"]), _groups(loaded["selections"])
    scores, traces, work = _groups(loaded["scores"]), _groups(loaded["traces"]), _groups(loaded["work"])
    extremes = _groups(loaded["extremes"])
    results = []
    for row in loaded["records"].to_dict("records"):
        record = Record(**{str(name): value for name, value in row.items()})
        points = curves.get(record.trial)
        rows = () if points is None else points[list(CurvePoint._fields)].itertuples(index=False, name=None)
        chosen = kept.get(record.trial)
        weights = None if chosen is None or (chosen["weight"] == 1).all() else chosen["weight"].to_numpy()
        indices = None if chosen is None else chosen["index"].to_numpy()
        # Scores for all budgets belong to the first trial of their method.
        shared = scores.pop((*record.trial[:3], None), None)
        own = shared if shared is not None else scores.get(record.trial)
        findings = MethodOutputs(
            None if own is None else own["score"].to_numpy(),
            None if own is None else own["index"].to_numpy(),
            shared is not None or own is None,
            _history(traces.get(record.trial)),
            _extremes(extremes.get(record.trial)),
        )
        phases = work.get(record.trial)
        charged = None if phases is None else list(phases[["phase", "reused", *WORK, "trace"]].itertuples(False, None))
        ledger = None if charged is None else _ledger(charged)
        curve = tuple(CurvePoint(*point) for point in rows)
        results.append(TrialResult(record, curve, indices, weights, findings, ledger))
    return results


def _groups(table: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    """Rows by trial; a keep_ratio of NaN becomes None, which can be looked up."""
    found = table.groupby(KEY, sort=False, dropna=False)
    return {(*key[:3], None if key[3] != key[3] else key[3]): rows for key, rows in found}


def _history(rows: pd.DataFrame | None) -> tuple[dict[str, float], ...]:
    if rows is None:
        return ()
    by_epoch = rows.groupby("epoch", sort=True)
    return tuple(dict(zip(part["quantity"], part["value"], strict=True)) for _, part in by_epoch)


def terms_to_text(terms: PricingContext) -> str:
    """What the prices of a run depend on beside work and devices, as JSON."""
    return json.dumps(dataclasses.asdict(terms), default=lambda array: array.tolist()) + "\n"


def terms_from_text(text: str) -> PricingContext:
    """The inverse of `terms_to_text`.

    Raises:
        ValueError, TypeError, KeyError: the text is damaged.
    """
    fields = json.loads(text)
    for name in ("workload", "scorer"):
        if fields[name] is not None:
            fields[name] = Workload.from_fields(fields[name])
    return PricingContext(**fields | {"weights": CostWeights(**fields["weights"])})


def to_line(result: TrialResult) -> str:
    """A result as one line of JSON."""
    found = result.findings
    entry = {
        "record": vars(result.record),
        "curve": result.curve,
        "kept": _pack(result.kept, np.int32),
        "weights": _pack(result.weights, np.float64),
        "scores": _pack(found.scores, np.float64),
        "indices": _pack(found.indices, np.int32),
        "scores_for_all_budgets": found.scores_for_all_budgets,
        "history": found.history,
        "ledger": None if result.ledger is None else _ledger_rows(result.ledger),
        "extremes": None if found.extremes is None else _packed(found.extremes),
    }
    return json.dumps(entry) + "\n"


def from_line(line: str) -> TrialResult:
    """The result behind a line.

    Raises:
        ValueError, TypeError, KeyError, zlib.error: the line is damaged.
    """
    entry = json.loads(line)
    findings = MethodOutputs(
        _unpack(entry["scores"], np.float64),
        _unpack(entry["indices"], np.int32),
        entry["scores_for_all_budgets"],
        tuple(entry["history"]),
        _unpacked(entry["extremes"]) if entry.get("extremes") else None,  # older journals have none
    )
    curve = tuple(CurvePoint(*point) for point in entry["curve"])
    kept, weights = _unpack(entry["kept"], np.int32), _unpack(entry["weights"], np.float64)
    ledger = _ledger(entry["ledger"]) if entry["ledger"] else None
    record = entry["record"] | {"keep_ratio": float(rounded_ratio(entry["record"]["keep_ratio"]))}
    return TrialResult(Record(**record), curve, kept, weights, findings, ledger)


def _packed(extremes: Extremes) -> dict[str, Any]:
    """Extremes as JSON values."""
    columns = (extremes.labels, extremes.most, extremes.ranks, extremes.tied, extremes.indices)
    numbers = _pack(np.stack([np.asarray(column, dtype=np.int64) for column in columns]), np.int32)
    return {"numbers": numbers, "scores": _pack(extremes.scores, np.float64),
            "images": _pack(extremes.images, np.uint8), "shape": extremes.images.shape}  # fmt: skip


def _unpacked(entry: dict[str, Any]) -> Extremes:
    """The inverse of `_packed`."""
    labels, most, ranks, tied, indices = _unpack(entry["numbers"], np.int32).reshape(5, -1)
    images = _unpack(entry["images"], np.uint8).reshape(entry["shape"])
    return Extremes(labels, most.astype(bool), ranks, tied, indices, _unpack(entry["scores"], np.float64), images)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table so that a reader sees either the old one or the new one, whole and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    table.to_parquet(temporary, index=False)
    with temporary.open("rb+") as file:  # on the disk before the journal goes
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    return with_rounded_ratios(table)


def with_rounded_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose keep ratios can be grouped and joined by (`rounded_ratio`)."""
    if "keep_ratio" not in table:
        return table
    given = table["keep_ratio"].to_numpy(dtype=np.float64)
    ratios = rounded_ratio(given)
    return table if np.array_equal(given, ratios, equal_nan=True) else table.assign(keep_ratio=ratios)


def _pack(values: npt.NDArray[Any] | None, dtype: Any) -> str | None:
    if values is None:
        return None
    return base64.b64encode(zlib.compress(values.astype(dtype).tobytes(), 1)).decode()


def _unpack(text: str | None, dtype: Any) -> Any:
    if text is None:
        return None
    values = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=dtype)
    return values.astype(np.int64) if dtype is np.int32 else values
