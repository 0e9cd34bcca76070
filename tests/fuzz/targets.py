"""Kinds of cases: what each makes from a seed, and what edgesim is asked to do with it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzz import mutations

ROOT = Path(__file__).resolve().parents[2]
SCENARIO: dict[str, Any] = {
    "name": "fuzz",
    "dataset": {"name": "digits", "limit_train": 60, "limit_test": 20, "label_noise": 0.1},
    "partition": {"name": "dirichlet", "alpha": 0.5},
    "fleet": {
        "groups": [
            {
                "profile": "raspberry-pi-4b",
                "count": 2,
                "available": {"period_s": 86400, "windows": [[0, 3600], [7200, 9000]]},
            },
            {
                "profile": "galaxy-s20",
                "count": 1,
                "energy": {
                    "source": "harvest",
                    "capacity_j": 4000,
                    "harvest_w": [[0, 1], [3600, 2.5]],
                    "period_s": 7200,
                },
            },
        ],
        "spread": 0.2,
    },
    "model": {"name": "mlp", "hidden": [16]},
    "training": {
        "epochs": 2,
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "schedule": "cosine",
        "augment": [],
    },
    "pruning": {
        "methods": ["full", {"name": "random", "balance": "class"}, {"name": "importance", "label": "loss"}, "el2n"],
        "keep_ratio": [0.25, 0.5],
        "warmup": {"epochs": 1},
    },
    "evaluation": {"every": 1},
    "report": {"margin": 0.02},
    "seeds": [0, 1],
}
RULES: list[Any] = [
    {"budget": {"energy_j": 5.0, "latency_s": 60.0}},
    {
        "objective": {
            "lambda": 0.2,
            "accuracy_curve": [[0.1, 0.5], [0.5, 0.7], [1, 0.8]],
            "weights": {"time": 1, "energy": 1},
        }
    },
]


class Unwanted(Exception):
    """What a case must not end in."""


def _load(file: Path) -> None:
    import edgesim

    refused(lambda: edgesim.load_scenario(file), str(file))


def refused(run: Callable[[], object], place: str) -> None:
    """Run what may be refused in good order: by an EdgesimError of readable length that names the place."""
    from edgesim.errors import EdgesimError

    try:
        run()
    except EdgesimError as error:
        told = str(error)
        if place not in told:
            raise Unwanted(f"the message does not name {place}: {told[:300]}") from error
        if len(told) > 20_000:
            raise Unwanted(f"a message of {len(told)} characters") from error


def scenario_document(draw: random.Random, folder: Path) -> None:
    """A scenario with wrong values."""
    base = dict(SCENARIO)
    if draw.random() < 0.3:
        base["pruning"] = {**base["pruning"], "keep_ratio": draw.choice(RULES)}
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump(mutations.document(base, draw), allow_unicode=True), encoding="utf-8")
    _load(file)


def scenario_text(draw: random.Random, folder: Path) -> None:
    """A scenario whose text is damaged."""
    file = folder / "scenario.yaml"
    shipped = draw.choice(sorted((ROOT / "scenarios").glob("*.yaml")))
    file.write_text(mutations.text(shipped.read_text(encoding="utf-8"), draw), encoding="utf-8", newline="")
    _load(file)


def scenario_bytes(draw: random.Random, folder: Path) -> None:
    """A scenario whose bytes are damaged."""
    file = folder / "scenario.yaml"
    file.write_bytes(mutations.data((ROOT / "scenarios" / "quickstart.yaml").read_bytes(), draw))
    _load(file)


def scenario_map(draw: random.Random, folder: Path) -> None:
    """A scenario given as a map of Python values."""
    import edgesim

    odd = draw.choice((np.float64(0.5), np.array([0.1, 0.2]), (1, 2), range(3), folder, object(), b"x", {1: 2}, {0.5}))
    given = mutations.document(SCENARIO, draw)
    if draw.random() < 0.5:
        given[draw.choice(("seeds", "name", "training", "fleet"))] = odd
    refused(lambda: edgesim.load_scenario(given), "")


def fleet_document(draw: random.Random, folder: Path) -> None:
    """A fleet file with wrong values."""
    (folder / "fleet.yaml").write_text(
        yaml.safe_dump(mutations.document(SCENARIO["fleet"], draw), allow_unicode=True), encoding="utf-8"
    )
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump({**SCENARIO, "fleet": "fleet.yaml"}), encoding="utf-8")
    _load(file)


def profile_document(draw: random.Random, folder: Path) -> None:
    """A device profile with wrong values."""
    from edgesim.hardware import loading

    shipped = draw.choice(sorted((ROOT / "device_profiles").glob("*.yaml")))
    file = folder / "device.yaml"
    if draw.random() < 0.7:
        base = yaml.safe_load(shipped.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump(mutations.document(base, draw), allow_unicode=True), encoding="utf-8")
    else:
        file.write_text(mutations.text(shipped.read_text(encoding="utf-8"), draw), encoding="utf-8", newline="")
    refused(lambda: loading.load(str(file)), str(file))


COMMANDS: dict[str, list[str]] = {
    "validate": ["SCENARIO", "--set", "training.epochs=2", "--json"],
    "plan": ["BAD", "--devices", "3", "--json", "--out", "out.parquet"],
    "predict": [
        "raspberry-pi-4b",
        "--model",
        "mlp",
        "--input",
        "1x8x8",
        "--batch-size",
        "4",
        "--samples",
        "10",
        "--epochs",
        "2",
        "--json",
    ],
    "run": ["BAD", "--out", "run", "--serial", "--hosts", "1", "--no-progress", "--allow-failures", "--resume"],
    "report": ["run", "--out", "page.html"],
    "compare": ["run", "other", "--out", "page.html"],
    "list": ["methods", "--json"],
    "init": ["new.yaml"],
    "schema": ["scenario"],
    "--version": [],
    "--help": [],
}
"""command -> words of a line that is nearly right; BAD is a scenario that no command gets past"""
WORDS = [
    "-1",
    "0",
    "1e9",
    "99999999999999999999",
    "nan",
    "",
    " ",
    "--",
    "-",
    "--x",
    "--set",
    "a=b",
    "=",
    "training.epochs=",
    "a.b.c=1",
    "fleet.groups[0].count=-1",
    "fleet.groups[9].count=1",
    "seeds=[",
    "../..",
    "/",
    "/dev/null",
    "no-such-file",
    "x" * 300,
    "1x8",
    "axbxc",
    "0x0x0",
    "1x8x8x8",
    "é",
    "all",
    "timm:",
    "os:getcwd",
    "auto",
]


def command_line(draw: random.Random, folder: Path) -> None:
    """A command with wrong words, in this process."""
    from edgesim import cli

    (folder / "good.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
    (folder / "bad.yaml").write_text(yaml.safe_dump({**SCENARIO, "seeds": "none"}), encoding="utf-8")
    command = draw.choice(list(COMMANDS))
    words = list(COMMANDS[command])
    for _ in range(draw.choice((0, 1, 1, 2))):
        kind, place = draw.choice(("replace", "drop", "insert")), draw.randrange(len(words) + 1)
        if kind == "insert":
            words.insert(place, draw.choice(WORDS))
        elif place < len(words) and words[place] != "BAD":
            words[place : place + 1] = [draw.choice(WORDS)] if kind == "replace" else []
    argv = [str(folder / f"{word.lower()}.yaml") if word in ("BAD", "GOOD") else word for word in words]
    argv = [str(folder / "good.yaml") if word == "SCENARIO" else word for word in argv]
    before, out, err = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = ["edgesim", command, *argv]
    code: Any = 0
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = before
    if code not in (0, 1, 2):
        raise Unwanted(f"edgesim {command} {argv} left with {code}")
    if code and not err.getvalue().strip():
        raise Unwanted(f"edgesim {command} {argv} left with {code} and said nothing")


def _dataset(folder: Path, part: dict[str, Any]) -> None:
    os.environ["EDGESIM_CACHE"] = str(folder / "cache")
    import edgesim
    from edgesim.data import datasets

    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump({**SCENARIO, "dataset": part}), encoding="utf-8")
    scenario = edgesim.load_scenario(file)
    refused(lambda: datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder), part["root"])


def npz(draw: random.Random, folder: Path) -> None:
    """An .npz file with wrong arrays, or whose bytes are damaged."""
    make = np.random.default_rng(draw.randrange(2**32))
    arrays: dict[str, Any] = {
        "x_train": make.integers(0, 256, (40, 8, 8)).astype(np.uint8),
        "y_train": np.arange(40) % 4,
        "x_test": make.integers(0, 256, (12, 8, 8)).astype(np.uint8),
        "y_test": np.arange(12) % 4,
    }
    if draw.random() < 0.5:
        name = draw.choice(list(arrays))
        wrong: list[Any] = [
            arrays[name][:0],
            arrays[name].astype(np.float32) * np.nan,
            arrays[name].astype(str),
            np.array(object()),
            np.full(40, 2**40),
            np.array(3),
            arrays[name][::-1][:7],
            arrays[name].astype(np.complex64),
            np.full(40, -1),
            arrays[name].astype("datetime64[s]"),
            np.zeros((40, 0, 8)),
            arrays[name].astype(">u2"),
        ]
        arrays[name] = draw.choice(wrong)
    buffer = io.BytesIO()
    draw.choice((np.savez, np.savez_compressed))(buffer, **arrays)
    content = buffer.getvalue()
    (folder / "data.npz").write_bytes(mutations.data(content, draw) if draw.random() < 0.6 else content)
    _dataset(folder, {"name": "npz", "root": "data.npz"})


def parquet(draw: random.Random, folder: Path) -> None:
    """A parquet file in the image layout with wrong cells, or whose bytes are damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    images: list[Any] = [{"bytes": _png(draw), "path": None} for _ in range(30)]
    labels: list[Any] = [i % 3 for i in range(30)]
    if draw.random() < 0.5:
        images[draw.randrange(30)] = draw.choice(
            (
                None,
                {"bytes": b"", "path": None},
                {"bytes": None, "path": "x"},
                {"bytes": mutations.data(images[0]["bytes"], draw), "path": None},
            )
        )
    if draw.random() < 0.3:
        labels[draw.randrange(30)] = draw.choice((None, -1, 2**40, 2**62))
    target = folder / "set"
    target.mkdir()
    for split in ("train", "test"):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"image": images, "label": labels}), buffer)
        content = buffer.getvalue()
        (target / f"{split}.parquet").write_bytes(mutations.data(content, draw) if draw.random() < 0.4 else content)
    _dataset(folder, {"name": "parquet", "root": "set"})


def _png(draw: random.Random) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    pixels = bytes(draw.randrange(256) for _ in range(48))
    Image.frombytes("RGB", (4, 4), pixels).save(buffer, "PNG")
    return buffer.getvalue()


def image_folder(draw: random.Random, folder: Path) -> None:
    """A folder of class folders with odd names and damaged images."""
    root = folder / "images"
    names = ["a", draw.choice(("b", "b c", "é", "<b>", ".b", "x" * 100)), "c"]
    for split in ("train", "test"):
        for name in names if draw.random() < 0.9 else names[:2]:
            (root / split / name).mkdir(parents=True)
            for i in range(5):
                content = _png(draw)
                damaged = draw.random() < 0.1
                (root / split / name / f"{i}.png").write_bytes(mutations.data(content, draw) if damaged else content)
    if draw.random() < 0.3:
        (root / "train" / "a" / draw.choice(("notes.txt", "6.PNG", "7.jpeg", "8.gif"))).write_bytes(
            b"\x00" * draw.choice((0, 1, 500))
        )
    _dataset(folder, {"name": "image-folder", "root": "images"})


def idx(draw: random.Random, folder: Path) -> None:
    """The files of MNIST with headers that lie, or whose bytes are damaged."""
    root = folder / "mnist"
    root.mkdir()
    for stem, count in (("train", 40), ("t10k", 12)):
        pixels = bytes(draw.randrange(256) for _ in range(784)) * count
        for kind, content in (
            ("images-idx3-ubyte", struct.pack(">IIII", 2051, count, 28, 28) + pixels),
            ("labels-idx1-ubyte", struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))),
        ):
            body = mutations.data(content, draw) if draw.random() < 0.4 else content
            zipped = draw.random() < 0.5
            packed = gzip.compress(body) if zipped else body
            packed = mutations.data(packed, draw) if draw.random() < 0.2 else packed
            (root / f"{stem}-{kind}{'.gz' if zipped else ''}").write_bytes(packed)
    _dataset(folder, {"name": "mnist", "root": "mnist"})


def run_folder(draw: random.Random, folder: Path) -> None:
    """A run folder with a damaged file, read as `report` and `load_run` do."""
    import shutil

    import edgesim

    source = sorted((ROOT / "reports" / "runs").iterdir())[0]
    target = folder / "run"
    shutil.copytree(source, target)
    file = draw.choice(sorted(path for path in target.iterdir() if path.is_file()))
    if file.suffix == ".json" and draw.random() < 0.7:
        changed = mutations.document(json.loads(file.read_text(encoding="utf-8")), draw)
        file.write_text(json.dumps(changed), encoding="utf-8")
    elif draw.random() < 0.2:
        file.unlink()
    else:
        file.write_bytes(mutations.data(file.read_bytes(), draw))

    def read() -> None:
        run = edgesim.load_run(target)
        _ = (run.info, run.records, run.curves)

    refused(read, str(target))


KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        scenario_document,
        scenario_text,
        scenario_bytes,
        scenario_map,
        fleet_document,
        profile_document,
        command_line,
        npz,
        parquet,
        image_folder,
        idx,
        run_folder,
    )
}
