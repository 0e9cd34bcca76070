"""Tables with wrong cells, types or metadata, or with damaged bytes: arrays in parquet, and CSV."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import mutations

CELLS = [
    "",
    " ",
    "nan",
    "inf",
    "3,5",
    "1 kg",
    "x",
    '"',
    '"a',
    "1e400",
    "-",
    "\0",
    "é",
    "1_0",
    "=1+1",
    "9" * 400,
    "a,b",
    "٣",
    "0x1",
]
SPLITS = ["train", "test", "unused", "", "TRAIN"]


def parquet_arrays(draw: random.Random, folder: Path) -> dict[str, Any]:
    """Write a parquet file of arrays. Returns the section of a scenario that reads it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    make = np.random.default_rng(draw.randrange(2**32))
    kind = draw.choice(("float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "uint64", "bool"))
    values = make.integers(0, 2 if kind == "bool" else 100, (40, 6)).astype(kind)
    rows: list[Any] = values.tolist()
    if draw.random() < 0.4:
        odd: list[Any] = [None, [], [None] * 6, rows[0][:3], [rows[0][0]] * 7, [rows[0][0]] * 5000]
        rows[draw.randrange(40)] = draw.choice(odd)
    number = pa.from_numpy_dtype(values.dtype)
    types = [pa.list_(number), pa.large_list(number), pa.list_(number, 6), pa.fixed_shape_tensor(number, (2, 3)),
             pa.list_(pa.list_(number))]  # fmt: skip
    columns: dict[str, Any] = {
        "label": [i % 3 for i in range(40)],
        "subject": [f"s{i // 8}" for i in range(40)],
        "split_within": [draw.choice(SPLITS[:2]) for _ in range(40)],
        "start": list(range(40)),
    }
    for name in draw.sample(list(columns), draw.choice((0, 0, 1))):
        cell: Any = draw.choice((None, "x" * 3000, "", "\ud7ff", "z"))
        columns[name] = [cell if i == 7 else str(value) for i, value in enumerate(columns[name])]
    chosen = draw.choice(types)
    try:
        if chosen == types[4]:
            array = pa.array([None if row is None else [row[:3], row[3:]] for row in rows], chosen)
        elif chosen == types[3]:
            array = pa.ExtensionArray.from_storage(chosen, pa.array(rows, pa.list_(number, 6)))
        else:
            array = pa.array(rows, chosen)
    except (pa.ArrowException, ValueError):
        array = pa.array(values.tolist(), types[0])  # such rows have no such type
    metadata = draw.choice(
        ({}, {"shape": "[2, 3]"}, {"shape": "[6]"}, {"shape": draw.choice(("[0]", "{}", "[[6]]", "x"))})
    )
    metadata |= draw.choice(
        ({}, {"classes": '["a", "b", "c"]'}, {"classes": draw.choice(('["a"]', "[]", "a", '{"a": 1}'))})
    )
    table = pa.table({"x": array, **columns}).replace_schema_metadata(metadata)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=draw.choice((7, 100)))
    content = buffer.getvalue()
    (folder / "data.parquet").write_bytes(mutations.data(content, draw) if draw.random() < 0.5 else content)
    part: dict[str, Any] = {"name": "parquet", "root": "data.parquet"}
    part |= draw.choice(({"test": "within"}, {"test": "subjects", "test_share": 0.3}, {"test_share": 0.3}))
    return part | draw.choice(
        ({}, {}, {"tokens": True}, {"shape": [3, 2]}, {"missing": "mean"}, {"task": "regression"})
    )


def csv(draw: random.Random, folder: Path) -> dict[str, Any]:
    """Write a CSV file. Returns the section of a scenario that reads it."""
    rows = [["subject", "x", "y", "split_within", "label"]]
    rows += [[f"s{i // 10}", f"{i / 4}", f"{-i}", SPLITS[i % 2], f"{i // 2 % 3}"] for i in range(40)]
    for _ in range(draw.choice((0, 0, 1, 3))):
        row = draw.choice(rows)
        if row:
            row[draw.randrange(len(row))] = draw.choice(CELLS)
    if draw.random() < 0.2:
        draw.choice(rows)[:] = draw.choice(([], ["1"], [""] * 5, ["1"] * 9))
    sign = draw.choice((",", ",", ";", "\t"))
    text = draw.choice(("\n", "\n", "\r\n", "\r")).join(sign.join(row) for row in rows)
    content = text.encode(draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")))
    (folder / "data.csv").write_bytes(mutations.data(content, draw) if draw.random() < 0.4 else content)
    part: dict[str, Any] = {"name": "csv", "root": "data.csv"}
    part |= draw.choice(({"test": "within"}, {"test": "subjects", "test_share": 0.3}, {"test_share": 0.3}))
    part |= draw.choice(({}, {"missing": "mean"}, {"missing": "previous"}, {"task": "regression"}, {"features": ["y"]}))
    window = {"length": draw.choice((1, 3, 11, 500_000)), "step": draw.choice((1, 2, 900_000)), "by": "subject"}
    return part | draw.choice(({}, {"window": window}, {"window": {**window, "label": "last"}}))
