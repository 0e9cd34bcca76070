"""A line of the journal holds the rows of the tables that it becomes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgesim.errors import RunError
from edgesim.records import CurvePoint, MethodOutputs, Record, TrialResult, WorkRecord
from edgesim.results.run_folder import JOURNAL, read_results
from edgesim.results.serialization import from_line, results_of, rows_of, tables, to_line
from edgesim.results.table_columns import COLUMNS, KEY, OF_TRIALS
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


@pytest.mark.parametrize("line", ["5", "[]", "{}", '{"records": {}}', '{"records": {"x": 1}}', '"text"', "{"])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    good = to_line(result())
    (tmp_path / JOURNAL).write_text(good + line + "\n" + good)
    with pytest.raises(RunError, match=r"line 2 is damaged .*; remove the line to go on"):
        read_results(tmp_path)


def test_tables_without_rows_have_their_columns_and_types() -> None:
    found = tables([])
    assert found["records"].empty
    for name in ("curves", "selections", "scores"):
        assert list(found[name].columns) == COLUMNS[name]
        assert [str(found[name][key].dtype) for key in KEY] == ["int64", "int64", "object", "float64"]
