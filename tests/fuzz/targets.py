"""Kinds of cases: what each makes from a seed, and what edgesim is asked to do with it."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import io
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzz import mutations, tables
from fuzz.command_lines import Unwanted, command_line

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
                "available": {"period_s": 9600, "windows": [[0, 3600], [7200, 9000]]},
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
        "methods": [
            "full",
            {"name": "random", "balance": "class"},
            {"name": "importance", "label": "loss"},
            {"name": "el2n", "after_warmup": "counts", "sampler": {"name": "stratified", "cutoff": 0.2}},
        ],
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


NUMBERS = [0, 1, 3, 10**4, 10**6, 10**7, 10**9, 10**12, 2**63 - 1, 1e-300, 5e-324, 1e-9, 1e-3, 0.5, 1e6, 1e300, 1e308]
"""numbers that are implausible nearly everywhere"""


def unsafe(value: Any) -> Any:
    """A copy of a document with `unsafe: true` in every map."""
    if isinstance(value, dict):
        return {**{key: unsafe(inner) for key, inner in value.items()}, "unsafe": True}
    return [unsafe(inner) for inner in value] if isinstance(value, list) else value


def unsafe_plan(draw: random.Random, folder: Path) -> None:
    """A scenario with implausible numbers that `unsafe` allows: refused, or loaded and planned."""
    import edgesim
    from edgesim import planning
    from edgesim.cli.plan import plan_json
    from edgesim.errors import EdgesimError
    from edgesim.pruning import METHODS

    document: dict[str, Any] = copy.deepcopy(SCENARIO)
    methods = [{"name": draw.choice(list(METHODS))} for _ in range(2)]
    ratio: Any = draw.choice(([0.25, 0.5], [0.25, 0.5], *RULES))
    document["pruning"] = {"methods": methods, "keep_ratio": copy.deepcopy(ratio), "warmup": {"epochs": 1}}
    document["training"] |= {"repeats": 1, "weight_decay": 0.0, "momentum": 0.9}
    document["cost"] = {"weights": {"time": 1.0, "energy": 1.0, "storage": 1.0}}
    numbers = [place for place in mutations.places(document) if isinstance(_at(document, place), int | float)]
    for place in draw.sample(numbers, draw.choice((1, 1, 2))):
        _at(document, place[:-1])[place[-1]] = draw.choice(NUMBERS)
    if document["training"]["epochs"] > 10**6:  # the emulator follows 10,000 windows, which takes seconds
        document["fleet"]["groups"][0].pop("available", None)
    allowed = {key: unsafe(value) if key not in ("fleet", "report") else value for key, value in document.items()}
    for part in (allowed["cost"], allowed["pruning"], *([allowed["pruning"]["keep_ratio"]] * isinstance(ratio, dict))):
        part.pop("unsafe")
    for method in allowed["pruning"]["methods"]:
        if "unsafe" not in {field.name for field in dataclasses.fields(METHODS[method["name"]])}:
            method.pop("unsafe")
    for group in allowed["fleet"]["groups"]:
        for key in ("available", "energy"):
            if key in group:
                group[key]["unsafe"] = True
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump(allowed), encoding="utf-8")

    def plan() -> None:
        scenario = edgesim.load_scenario(file)
        try:
            plan_json("x", planning.plan_fleet(scenario))
        except EdgesimError as error:
            raise EdgesimError(f"{file}: {error}") from error

    refused(plan, str(file))


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


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


def _dataset(folder: Path, part: dict[str, Any], **others: Any) -> None:
    os.environ["EDGESIM_CACHE"] = str(folder / "cache")
    import edgesim
    from edgesim.data import datasets

    file = folder / "scenario.yaml"
    plain = {"pruning": {"methods": ["full", "random"], "keep_ratio": 0.5}} if part.get("task") == "regression" else {}
    file.write_text(yaml.safe_dump({**SCENARIO, "dataset": part, **plain, **others}), encoding="utf-8")
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
    columns: dict[str, Any] = {"image": images, "label": labels}
    if draw.random() < 0.2:
        columns[draw.choice(("image", "label"))] = pa.array(draw.choice(_odd_columns()))
    for split in ("train", "test"):
        shards = draw.choice((1, 1, 3))
        for shard in range(shards):
            buffer = io.BytesIO()
            table = pa.table(columns)
            if draw.random() < 0.1:
                table = table.append_column(draw.choice(("image", "label", "extra")), pa.array(range(30)))
            rows = (30 if shards == 1 else 10) - (split == "test")  # else the two splits are one file
            pq.write_table(table.slice(shard * 10, rows), buffer)
            content = buffer.getvalue()
            name = f"{split}.parquet" if shards == 1 else f"{split}-{shard:05d}-of-{shards:05d}.parquet"
            if draw.random() < 0.9:
                (target / name).write_bytes(mutations.data(content, draw) if draw.random() < 0.4 else content)
    _dataset(folder, {"name": "parquet", "root": "set"})


def parquet_arrays(draw: random.Random, folder: Path) -> None:
    """A parquet file of arrays with wrong cells or metadata, or whose bytes are damaged."""
    _dataset(folder, tables.parquet_arrays(draw, folder))


def csv(draw: random.Random, folder: Path) -> None:
    """A CSV file with wrong cells, or whose bytes are damaged."""
    _dataset(folder, tables.csv(draw, folder))


def _odd_columns() -> list[list[Any]]:
    """Thirty values of types that no column should have."""
    kinds: list[Any] = [
        1.5, b"x", "x", None, [1], {"bytes": 1}, {"bytes": "x", "path": 3}, {"path": "x"}, True, 2**62,
        [{"bytes": b""}],
    ]  # fmt: skip
    return [[kind] * 30 for kind in kinds]


def _png(draw: random.Random) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    pixels = bytes(draw.randrange(256) for _ in range(48))
    form = draw.choice(("PNG", "PNG", "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"))
    Image.frombytes("RGB", (4, 4), pixels).save(buffer, form)
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


def voc(draw: random.Random, folder: Path) -> None:
    """A folder of Pascal VOC with odd boxes, damaged annotations, lists and images."""
    root = folder / "voc"
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (root / part).mkdir(parents=True)
    names = [f"{i:03}" for i in range(6)]
    for name in names:
        sides = [1, 1, draw.choice((3, 4)), 4]
        if draw.random() < 0.1:
            sides[draw.randrange(4)] = draw.choice((0, -1, 5, 9, 10**12, "nan", "1e400", "", "\u0663", 2.5))
        box = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True))
        kind = draw.choice(("cat", "cat", "dog", "no object", "é")) if draw.random() < 0.2 else "cat"
        text = f"<annotation><object><name>{kind}</name><bndbox>{box}</bndbox></object></annotation>"
        if draw.random() < 0.1:
            text = (
                draw.choice(('<!DOCTYPE a [<!ENTITY x "y">]>', '<?xml version="1.0" encoding="utf-7"?>', "\0")) + text
            )
        content = text.encode()
        (root / "Annotations" / f"{name}.xml").write_bytes(
            mutations.data(content, draw) if draw.random() < 0.2 else content
        )
        image = _png(draw)
        (root / "JPEGImages" / f"{name}.png").write_bytes(mutations.data(image, draw) if draw.random() < 0.1 else image)
    for split, mine in (("trainval", names[:4]), ("test", names[4:])):
        listed = "\n".join(mine).encode()
        (root / "ImageSets/Main" / f"{split}.txt").write_bytes(
            mutations.data(listed, draw) if draw.random() < 0.15 else listed
        )
    part = {"name": "voc", "root": "voc"}
    if draw.random() < 0.5:
        part |= draw.choice(({"size": [8, 6]}, {"unknown": "ignore"}, {"classes": ["cat"]}, {"outside": "clip"}))
    pruning = {"methods": ["full", "random"], "keep_ratio": [0.5]}
    _dataset(folder, part, model="yolov3-tiny", pruning=pruning)


def tiny_imagenet(draw: random.Random, folder: Path) -> None:
    """Tiny-ImageNet as its archive unpacks, with texts or images that are damaged."""
    base = folder / "tiny-imagenet-200"
    lines, words = [], []
    for wnid in ("n01", "n02"):
        (base / "train" / wnid / "images").mkdir(parents=True)
        words.append(f"{wnid}\tword {wnid}")
        for i in range(4):
            (base / "train" / wnid / "images" / f"{wnid}_{i}.JPEG").write_bytes(_png(draw))
            lines.append(f"val_{wnid}_{i}.JPEG\t{wnid}\t0\t0\t3\t3")
    (base / "val" / "images").mkdir(parents=True)
    for line in lines:
        (base / "val" / "images" / line.split("\t")[0]).write_bytes(_png(draw))
    for name, text in (("val/val_annotations.txt", lines), ("words.txt", words)):
        content = "\n".join(text).encode()
        (base / name).write_bytes(mutations.data(content, draw) if draw.random() < 0.5 else content)
    if draw.random() < 0.3:
        victim = draw.choice(sorted(path for path in base.rglob("*") if path.is_file()))
        victim.unlink() if draw.random() < 0.5 else victim.write_bytes(mutations.data(victim.read_bytes(), draw))
    _dataset(folder, {"name": "tiny-imagenet", "root": str(folder)})


BODIES = (
    "raise SystemExit(0)",
    "import sys; sys.exit()",
    "raise type('Own', (BaseException,), {})('x' * 100_000)",
    "raise KeyError({'a': 1})",
    "raise type('Own', (Exception,), {'__str__': lambda self: 1 / 0})",
    "raise RecursionError",
    "def f(): return f()\nf()",
    "raise MemoryError",
    "raise StopIteration",
    "raise GeneratorExit",
    "raise ExceptionGroup('many', [ValueError()])",
    "import no_such_module_at_all",
    "from os import no_such_name",
    "x = (",
    "x = '\0'",
    "\tx = 1\n  y = 2",
    "import sys; sys.path.clear()",
    "import sys; sys.modules.pop(__name__)",
    "def __getattr__(name): raise OSError(name)",
    "def __getattr__(name): return 3",
    "Mine = 3",
    "Mine = lambda **arguments: None",
    "class Mine:\n    pass",
    "import dataclasses\n@dataclasses.dataclass\nclass Mine:\n    x: 'no such type' = 1\n    def load(self, base): ...",
    "import dataclasses\n@dataclasses.dataclass\nclass Mine:\n    def __post_init__(self): raise SystemExit(0)\n"
    "    def split(self, labels, n_devices, seed): ...\n    def build(self, input_shape, num_classes): ...",
    "import dataclasses\n@dataclasses.dataclass\nclass Mine:\n    x: int\n    @staticmethod\n"
    "    def faults_in(given): raise LookupError(given)\n    def split(self, labels, n_devices, seed): ...",
    "class Meta(type):\n    def __getattr__(cls, name): raise SystemExit(name)\nclass Mine(metaclass=Meta): ...",
)
"""modules that do what such modules must not do, or hold no class that fits"""


def user_module(draw: random.Random, folder: Path) -> None:
    """A scenario that names a class of a user's module, which raises or holds something else."""
    import contextlib
    import sys

    module = f"own_{folder.name.replace('-', '_')}"
    body = draw.choice(BODIES)
    text = mutations.text(body, draw) if draw.random() < 0.2 else body
    (folder / f"{module}.py").write_text(text, encoding="utf-8", errors="surrogatepass")
    part = draw.choice(("dataset", "partition", "model", "methods", "augment"))
    named: Any = draw.choice((f"{module}:Mine", {"name": f"{module}:Mine"}, {"name": f"{module}:Mine", "x": 3}))
    document: dict[str, Any] = copy.deepcopy(SCENARIO)
    holder = {"methods": "pruning", "augment": "training"}.get(part)
    if holder is None:
        document[part] = named
    else:
        document[holder][part] = [named]
    (folder / "scenario.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    path = list(sys.path)
    try:
        with contextlib.chdir(folder):
            _load(Path("scenario.yaml"))
    finally:
        sys.path[:] = path
        sys.modules.pop(module, None)


def data_root(draw: random.Random, folder: Path) -> None:
    """A data set whose root, or a file in it, is a device, a pipe, a link that leads nowhere, or not readable."""
    name = draw.choice(("npz", "parquet", "image-folder", "mnist", "cifar10", "svhn", "tiny-imagenet"))
    inner = {
        "npz": "a.npz", "parquet": "train.parquet", "image-folder": "train/a/1.png", "mnist": "train-images-idx3-ubyte",
        "cifar10": "cifar-10-python.tar.gz", "svhn": "train_32x32.mat", "tiny-imagenet": "val/val_annotations.txt",
    }[name]  # fmt: skip
    odd = folder / "set" / inner if draw.random() < 0.6 else folder / "set"
    odd.parent.mkdir(parents=True, exist_ok=True)
    kind = draw.choice(("pipe", "device", "nowhere", "itself", "folder", "empty", "zeros"))
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind in ("device", "nowhere", "itself"):
        odd.symlink_to(
            {"device": draw.choice(("/dev/zero", "/dev/null", "/proc/self/mem")), "nowhere": "no-such"}.get(kind, odd)
        )
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.write_bytes(bytes(10_000 if kind == "zeros" else 0))
    if name == "image-folder" and odd.parent.name == "a":
        (folder / "set" / "train" / "a" / "2.png").write_bytes(_png(draw))
        (folder / "set" / "test" / "a").mkdir(parents=True)
        (folder / "set" / "test" / "a" / "3.png").write_bytes(_png(draw))
    _dataset(folder, {"name": name, "root": "set"})


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
        unsafe_plan,
        scenario_text,
        scenario_bytes,
        scenario_map,
        fleet_document,
        profile_document,
        command_line,
        npz,
        parquet,
        image_folder,
        voc,
        tiny_imagenet,
        parquet_arrays,
        csv,
        data_root,
        user_module,
        idx,
        run_folder,
    )
}
