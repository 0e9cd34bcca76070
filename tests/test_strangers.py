"""Run folders from strangers, and a run on a machine with strangers: names that are code, pickles, ports, folders."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import draw_all, open_page
from commands import EDGESIM, command
from conftest import DOCUMENT, ROOT
from warm import Process, Server

from edgesim.data import datasets
from edgesim.errors import DataError
from edgesim.formatting import visible
from edgesim.runtime.ray_startup import RayFolder

HOSTILE = (
    '<img src=x onerror="window.ran=1">\'"`</script><script>window.ran=2</script>{{7*7}}${7*7}<%= 7*7 %>'
    '<svg onload=window.ran=3></style>--><a href="javascript:window.ran=4">a</a>\u202e\x1b[31m\x1b]0;t\x07\x9b2J\r\n|'
)
"""HTML, scripts, templates, Markdown, and what steers a terminal"""
CHOICES = ("status", "end", "phase", "trace", "ratio_rule", "failure")
"""columns that hold one of a few words, or JSON; a run folder with anything else there is refused"""
STEERING = set("\x1b\x07\x9b\r\u202e")


class Live(NamedTuple):
    """A finished run, and what it opened while it ran."""

    folder: Path
    addresses: set[tuple[str, str]]
    """(process, address) of every socket that listened"""
    temporary: set[tuple[str, int, int]]
    """(name, owner, permissions) of its folders in the folder of temporary files"""


def descendants(root: int) -> list[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:  # it has ended
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def listening(processes: list[int]) -> set[tuple[str, str]]:
    """Processes and addresses of their listening TCP sockets, and of their UDP sockets."""
    owners: dict[str, str] = {}
    for process in processes:
        try:
            name = Path(f"/proc/{process}/comm").read_text().strip()
            links = [os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()]
        except OSError:
            continue
        owners |= {link[8:-1]: name for link in links if link.startswith("socket:[")}
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if rest[5] in owners and (state == "0A" or kind.startswith("udp")):
                found.add((owners[rest[5]], local.rsplit(":", 1)[0]))
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, warm: Server) -> Live:
    """A run on Ray, watched from outside. Its processes are all its own descendants."""
    folder = tmp_path_factory.mktemp("live")
    document = {
        **DOCUMENT,
        "dataset": {"name": "digits", "limit_train": 60, "limit_test": 30},
        "partition": "iid",
        "model": {"name": "mlp", "hidden": [8]},
        "training": {"epochs": 1, "batch_size": 16},
        "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": [0.3, 0.6], "keep_scores": True},
        "evaluation": {"every": 1},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    words = ["run", "tiny.yaml", "--hosts", "1", "--out", "run"]
    run = Process(warm, EDGESIM, *words, cwd=folder, RAY_TMPDIR="/tmp")
    addresses: set[tuple[str, str]] = set()
    folders: set[tuple[str, int, int]] = set()
    ends_s = time.monotonic() + 120
    try:
        while run.poll() is None and time.monotonic() < ends_s:
            processes = descendants(run.pid)
            addresses |= listening(processes)
            folders |= ray_folders(processes)
            time.sleep(0.7)
    finally:
        run.kill()
    assert run.wait(60) == 0
    return Live(folder / "run", addresses, folders)


def ray_folders(processes: list[int]) -> set[tuple[str, int, int]]:
    """Folders of Ray that the processes name in their commands, with owner and permissions."""
    found = set()
    for process in processes:
        try:
            words = Path(f"/proc/{process}/cmdline").read_text().split("\0")
        except OSError:
            continue
        for word in words:
            if word.startswith("--raylet_socket_name="):
                top = Path(word.split("=", 1)[1]).parents[3]
                if top.exists():
                    state = top.stat()
                    found.add((str(top), state.st_uid, stat.S_IMODE(state.st_mode)))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc of Linux")
def test_no_port_of_a_run_is_within_reach_of_another_machine(live: Live) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert {"gcs_server", "raylet"} <= {process for process, _ in live.addresses}
    assert {entry for entry in live.addresses if entry[1] not in loopback} == set()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc of Linux")
def test_the_folder_of_ray_is_private_and_goes_with_the_run(live: Live) -> None:
    ((name, owner, mode),) = live.temporary
    assert Path(name).name.startswith("edgesim-ray-")
    assert (owner, mode) == (os.getuid(), 0o700)
    assert not Path(name).exists()


def test_folders_of_killed_processes_go_and_those_of_running_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    base = tempfile.mkdtemp(prefix="es", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", base)
    try:
        code = "from edgesim.runtime.ray_startup import RayFolder; import os; RayFolder(); os.kill(os.getpid(), 9)"
        killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        assert killed.returncode == -9
        (left,) = Path(base).iterdir()
        (Path(base) / "edgesim-ray-other").mkdir()  # without a lock it is none of edgesim's
        first = RayFolder()
        assert left.exists()  # it may only just have begun
        for lock in Path(base).glob("*/lock"):
            os.utime(lock, (0, 0))
        second = RayFolder()
        names = {Path(folder.open_part).parent.name for folder in (first, second)}
        assert {path.name for path in Path(base).iterdir()} == names | {"edgesim-ray-other"}
        first.remove()
        second.remove()
        assert [path.name for path in Path(base).iterdir()] == ["edgesim-ray-other"]
    finally:
        shutil.rmtree(base)


def poisoned(value: Any, keep: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    """A value with HOSTILE before every text in it, keys of maps included where they are free."""
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, dict):
        return {key: inner if key in keep else poisoned(inner) for key, inner in value.items()}
    return [poisoned(inner) for inner in value] if isinstance(value, list) else value


def poison(source: Path, target: Path) -> Path:
    """A copy of a run folder with HOSTILE in every text of every file: names, reasons, notes, classes, versions."""
    target.mkdir()
    for file in source.iterdir():
        if file.suffix == ".parquet":
            table = pd.read_parquet(file)
            for name in table.columns:
                if isinstance(table[name].dtype, pd.CategoricalDtype):
                    table[name] = table[name].cat.rename_categories(lambda text: HOSTILE + str(text))
                elif pd.api.types.is_string_dtype(table[name]) and name not in CHOICES:
                    table[name] = table[name].map(lambda text: HOSTILE + text, na_action="ignore")
            table.to_parquet(target / file.name)
        elif file.name == "run.json":
            info = poisoned(json.loads(file.read_text(encoding="utf-8")), {"status", "task"})
            info["data_notes"] = [HOSTILE, f"note {HOSTILE}"]
            info["training_notes"] = ["", f"batches {HOSTILE}"]
            (target / file.name).write_text(json.dumps(info), encoding="utf-8")
        elif file.name == "scenario.yaml":
            plain = "".join(sign for sign in HOSTILE if sign.isprintable())
            text = file.read_text(encoding="utf-8")
            document = yaml.safe_load(text)
            document["name"] = plain
            document["pruning"]["methods"] = [plain + str(one) for one in document["pruning"]["methods"]]
            document["dataset"]["root"] = plain
            (target / file.name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        elif file.suffix == ".json":
            (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.fixture(scope="module")
def hostile(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return poison(
        live.folder, tmp_path_factory.mktemp("hostile") / f"run <img src=x onerror=window.ran=5> {chr(27)}[31m"
    )


RAN = """
return [window.ran, document.querySelectorAll("img[src='x'], svg[onload], a[href^='javascript']").length,
        document.documentElement.innerHTML.includes("onerror=window.ran=5>")];
"""


def test_pages_of_a_hostile_folder_run_nothing_and_break_nothing(live: Live, hostile: Path, tmp_path: Path) -> None:
    """Report and comparison, in a browser: every figure drawn, nothing run, the text as it is, no errors."""
    for words in (["report", str(hostile), "--out", "report.html"],
                  ["compare", str(hostile), str(live.folder), "--out", "compare.html"]):  # fmt: skip
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert STEERING & set(done.stdout + done.stderr) == set()
    for name in ("report", "compare"):
        with open_page(tmp_path / f"{name}.html", tmp_path) as driver:
            draw_all(driver)
            assert driver.execute_script(RAN) == [None, 0, False]
            text = driver.execute_script("return document.body.textContent")
            assert "{{7*7}}${7*7}<%= 7*7 %>" in text
            assert 'onerror="window.ran=1"' in text
            drawn = driver.execute_script(
                "return [...document.querySelectorAll('[data-figure]')].map((one) => !!one.querySelector('.main-svg'))"
            )
            assert len(drawn) > 2
            assert all(drawn)
            assert [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_markdown_of_a_hostile_folder_has_no_html(hostile: Path, tmp_path: Path) -> None:
    assert command("report", str(hostile), "--out", "report.md", cwd=tmp_path).returncode == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "window.ran=1" in text
    assert "<img src=x" not in text.replace("\\<", "")
    assert STEERING & set(text) == set()


def test_errors_that_name_files_do_not_steer_the_terminal(tmp_path: Path) -> None:
    name = f"a\x1b[31m\u202e{chr(0x9B)}2J.yaml"
    (tmp_path / name).write_text("x: [", encoding="utf-8")
    for words in (["validate", name], ["report", name], ["plan", name, "--out", name], ["list", name]):
        done = command(*words, cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert STEERING & set(done.stdout + done.stderr) == set(), words
    assert visible("a\x1b\u202e\udcff\n\tb") == "a\\x1b\\u202e\\udcff\n\tb"


def test_no_source_loads_a_pickle() -> None:
    """Nor anything else that runs code from a file; torchvision compares CIFAR's files with their checksums first."""
    loaders = {"pickle.load", "pickle.loads", "pd.read_pickle", "pandas.read_pickle", "torch.load", "joblib.load",
               "yaml.unsafe_load", "yaml.full_load", "marshal.load", "marshal.loads", "shelve.open", "eval", "exec",
               "dill.load", "cloudpickle.load", "cloudpickle.loads", "pickle.Unpickler"}  # fmt: skip
    found = []
    for path in sorted((ROOT / "edgesim").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                unsafe = any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)
                plain = called == "np.load" and not any(k.arg == "allow_pickle" for k in node.keywords)
                if called in loaders or unsafe or plain:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {called}")
    assert found == []


class Runs:
    """An object whose pickle makes a file."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_pickles_in_data_files_are_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "made"
    images, labels = np.zeros((4, 4, 4), np.uint8), np.array([0, 1, 0, 1])
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "a.npz", **(arrays | {"y_train": np.array([Runs(made)] * 4)}))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Runs(made)))
    cifar = tmp_path / "cifar10" / "cifar-10-batches-py"
    cifar.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (cifar / name).write_bytes(pickle.dumps({"data": Runs(made), "labels": Runs(made), "label_names": Runs(made)}))
    for kind, root in (("npz", "a.npz"), ("npz", "b.npz"), ("cifar10", "cifar10")):
        with pytest.raises(DataError) as caught:
            datasets.load(datasets.DATASETS[kind](root=str(tmp_path / root)), kind, tmp_path)
        assert root in str(caught.value)
    assert not made.exists()
