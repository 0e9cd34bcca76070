"""A line of the journal holds the rows of the tables that it becomes."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgesim.errors import RunError
from edgesim.records import CurvePoint, MethodOutputs, Record, TrialResult, WorkRecord
from edgesim.results.journal import FILE as JOURNAL
from edgesim.results.run_folder import read_results
from edgesim.results.serialization import from_line, results_of, rows_of, tables, to_line
from edgesim.results.table_columns import COLUMNS, KEY, OF_TRIALS
from edgesim.results.table_files import write_table
from edgesim.work import StepTrace, Work

STEPS = StepTrace.passes("train", 5, 2, 3)


def result(ratio: float = 0.5, method: str = "m", weights: list[float] | None = None) -> TrialResult:
    """A result with rows in five tables."""
    return TrialResult(
        Record("s", 0, 1, "p", method, ratio, "ok", test_accuracy=1 / 3, notes='{"r": 0.5}'),
        (CurvePoint(1, 0.5, 0.25, float("nan"), float("nan")), CurvePoint(2, 0.1, 0.3, 0.2, 1 / 7)),
        np.array([4, 9]),
        None if weights is None else np.array(weights),
        MethodOutputs(np.array([0.1, 1 / 3]), np.array([4, 9]), method == "m", ({"r": 0.9}, {"r": 0.6, "a": 5.0})),
        WorkRecord(Work(5, 4, 3, 2, 1.5), StepTrace(), Work(15, 0, 9), STEPS, reused=True),
    )


def test_rows_by_hand() -> None:
    rows = rows_of(result(weights=[1.5, 0.5]))
    assert rows["records"]["test_accuracy"] == 1 / 3
    assert rows["curves"]["epoch"] == [1, 2]
    assert rows["curves"]["subset_loss"] == [0.5, 0.1]
    assert rows["selections"]["weight"].tolist() == [1.5, 0.5]
    assert np.isnan(rows["scores"]["keep_ratio"])
    assert rows["traces"] == {"epoch": [1, 2, 2], "quantity": ["r", "r", "a"], "value": [0.9, 0.6, 5.0]}
    assert rows["work"]["phase"] == ["score", "train"]
    assert rows["work"]["reused"] == [True, False]
    assert rows["work"]["train_samples"] == [5, 15]
    assert rows["work"]["trace"] == ["[]", json.dumps(STEPS.segments)]
    assert "extremes" not in rows


def test_tables_by_hand() -> None:
    found = tables([result(0.2), result(0.5, weights=[1.5, 0.5])])
    assert list(found) == list(OF_TRIALS)
    assert all(list(table.columns) == COLUMNS[name] for name, table in found.items())
    assert found["selections"].values.tolist() == [
        [0, 1, "m", 0.2, 4, 1.0], [0, 1, "m", 0.2, 9, 1.0], [0, 1, "m", 0.5, 4, 1.5], [0, 1, "m", 0.5, 9, 0.5],
    ]  # fmt: skip
    assert found["curves"].iloc[3].tolist() == [0, 1, "m", 0.5, 2, 0.1, 0.3, 0.2, 1 / 7]
    assert found["work"].drop(columns="trace").values.tolist()[:2] == [
        [0, 1, "m", 0.2, "score", True, 5, 4, 3, 2, 1.5], [0, 1, "m", 0.2, "train", False, 15, 0, 9, 0, 0.0],
    ]  # fmt: skip
    assert len(found["scores"]) == 2  # one scoring serves both ratios
    types = {"index": "int64", "weight": "float64", "epoch": "int64", "reused": "bool", "steps": "int64"}
    for table in found.values():
        assert {name: str(table[name].dtype) for name in types if name in table} == {
            name: kind for name, kind in types.items() if name in table
        }


@pytest.mark.parametrize("weights", [None, [1.5, 0.5]])
def test_a_line_and_the_tables_give_back_the_same_rows(weights: list[float] | None) -> None:
    given = [
        result(0.2, weights=weights),
        result(0.5, "other", weights),
        TrialResult(Record("s", 0, 2, "p", "m", 1.0, "failed")),
    ]
    for back in ([from_line(to_line(one)) for one in given], results_of(tables(given))):
        for was, now in zip(tables(given).values(), tables(back).values(), strict=True):
            pd.testing.assert_frame_equal(was, now, check_exact=True)
        for was, now in zip(given, back, strict=True):
            assert now.work_record == was.work_record
            assert now.outputs.history == was.outputs.history
            assert (now.weights is None) == (was.weights is None)
            np.testing.assert_equal(now.curve, was.curve)
            np.testing.assert_equal(vars(now.record), vars(was.record))


def test_rows_of_a_trial_that_are_not_together_are_found() -> None:
    loaded = tables([result(0.2), result(0.5, weights=[1.5, 0.5])])
    loaded["selections"] = loaded["selections"].iloc[[2, 0, 3, 1]]
    first, second = results_of(loaded)
    assert first.kept is not None
    assert second.weights is not None
    assert (first.kept.tolist(), second.weights.tolist()) == ([4, 9], [1.5, 0.5])


@pytest.mark.parametrize("count", [3, 2000])
def test_packed_numbers_are_exact(count: int) -> None:
    """Long arrays are compressed, whole numbers take four bytes where they fit."""
    rng = np.random.default_rng(0)
    for kept in (np.arange(count), np.arange(count) + 2**40):
        given = TrialResult(result().record, (), kept, rng.random(count) * 1e-300)
        line = to_line(given)
        back = from_line(line)
        np.testing.assert_array_equal(back.kept, kept)
        np.testing.assert_array_equal(back.weights, given.weights)
        assert back.kept is not None
        assert back.kept.dtype == np.int64
        assert ("+zlib" in line) == (count > 1000)
        assert ("<i4" in line) == (kept.max() < 2**31)


def signed(rest: str) -> str:
    """A line of the journal with the checksum of what it holds, `rest` without the first brace."""
    return f'{{"crc32": "{zlib.crc32(rest.encode()):08x}", {rest}'


DAMAGED = ["5", "[]", "{}", '"text"', "{", '{"records": {}}', to_line(result()).replace("0.5", "0.6", 1).strip()]
WRONG = ["}", '"records": {}}', '"records": {"x": 1}}', '"records": 5}', '"curves": []}', '"records": {"seed"']


@pytest.mark.parametrize("line", [*DAMAGED, *map(signed, WRONG)])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    good = to_line(result())
    (tmp_path / JOURNAL).write_text(good + line + "\n" + good)
    with pytest.raises(RunError, match=r"line 2 is damaged .*; remove the line, and --resume runs its trial again"):
        read_results(tmp_path)


def test_a_line_is_json_with_a_checksum() -> None:
    line = to_line(result())
    assert next(iter(json.loads(line))) == "crc32"
    rest = line.strip().partition('", ')[2]
    assert signed(rest) == line.strip()


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ('"test_accuracy": 0.3333333333333333', '"test_accuracy": 7.5', r"test_accuracy is a number \(7.5\)"),
        ('"device_energy_j": NaN', '"device_energy_j": -1.5', "device_energy_j is a number .*from 0 up"),
        ('"device_time_s": NaN', '"device_time_s": Infinity', "device_time_s is a number"),
        ('"status": "ok"', '"status": "splendid"', "status is text .*'ok' or 'failed' or 'infeasible'"),
        ('"keep_ratio": 0.5', '"keep_ratio": 1.5', "keep_ratio is a number .*above 0 to 1"),
        ('"keep_ratio": 0.5', '"keep_ratio": 0', "keep_ratio is a number"),
        ('"steps": 0', '"steps": 0.5', "steps is a number .*an integer from 0 up"),
        ('"steps": 0', '"steps": true', "steps is true/false"),
        ('"shard_size": 0', '"shard_size": "0"', "shard_size is text"),
        ('"subset_size": 0', '"subset_size": 3', "subset_size is 3; allowed: at most shard_size, 0"),
        ('"test_accuracy": 0.3333333333333333', '"test_accuracy": NaN', "a trial with status ok has one"),
        ('"subset_accuracy": [0.25, 0.3]', '"subset_accuracy": [0.25, -0.3]', "subset_accuracy is a number"),
        ('"epoch": [1, 2]', '"epoch": [0, 2]', "epoch is a number"),
        ('"phase": ["score", "train"]', '"phase": ["score", "rest"]', "phase is text"),
    ],
)
def test_values_that_no_run_writes_are_named(was: str, now: str, words: str, tmp_path: Path) -> None:
    rest = to_line(result()).strip().partition('", ')[2]
    assert was in rest
    (tmp_path / JOURNAL).write_text(to_line(result(0.2)) + signed(rest.replace(was, now)) + "\n")
    with pytest.raises(RunError, match=f"line 2 is damaged .*{words}"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("table", "column", "value", "words"),
    [
        ("records", "test_accuracy", 7.5, "row 2 .*test_accuracy is a number"),
        ("records", "device_energy_j", -1.0, "row 2 .seed 0, device 1, m at keep ratio 0.5.: device_energy_j"),
        ("records", "status", "done", "row 2 .*status is text"),
        ("curves", "test_accuracy", 1.5, r"curves\.parquet, row 2 .*test_accuracy"),
        ("selections", "index", -4, r"selections\.parquet, row 2 .*index"),
    ],
)
def test_values_of_tables_are_checked(table: str, column: str, value: object, words: str, tmp_path: Path) -> None:
    for name, frame in tables([result(0.2), result(0.5)]).items():
        write_table(tmp_path, name, frame)
    assert len(read_results(tmp_path)) == 2
    changed = pd.read_parquet(tmp_path / f"{table}.parquet")
    changed.loc[1, column] = value
    changed.to_parquet(tmp_path / f"{table}.parquet")
    with pytest.raises(RunError, match=words):
        read_results(tmp_path)


def test_a_flipped_bit_in_a_table_is_noticed(tmp_path: Path) -> None:
    for name, frame in tables([result(0.2)]).items():
        write_table(tmp_path, name, frame)
    path = tmp_path / "records.parquet"
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(1 / 3).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"records\.parquet cannot be read"):
        read_results(tmp_path)


def test_tables_without_rows_have_their_columns_and_types() -> None:
    found = tables([])
    assert found["records"].empty
    for name in ("curves", "selections", "scores"):
        assert list(found[name].columns) == COLUMNS[name]
        assert [str(found[name][key].dtype) for key in KEY] == ["int64", "int64", "object", "float64"]
