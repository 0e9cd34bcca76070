"""Runs that end before their time: full disks and signals. Nothing is lost, and the next command is named."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import EDGESIM, command
from conftest import DOCUMENT, Stopping
from warm import Process, Server

import edgesim
from edgesim import report
from edgesim.errors import OutputError, RunError
from edgesim.records import TrialResult
from edgesim.results.journal import Journal
from edgesim.results.run_folder import Run, read_results
from edgesim.runtime import SerialExecutor
from edgesim.runtime.scheduler import JobQueue
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
SMALL = {"dataset": {"name": "digits", "limit_train": 300, "limit_test": 50}, "training.epochs": 1}
STORED = {
    "run.json", "scenario.yaml", "terms.json", "devices.parquet", "shards.parquet", "journal.jsonl", "run.log",
}  # fmt: skip


def small(make: Make) -> Scenario:
    return make(dataset=SMALL["dataset"], training__epochs=1)


def status(folder: Path) -> str:
    return str(json.loads((folder / "run.json").read_text())["status"])


def page(run: Run) -> Path:
    return report.write(run, run.path / "report.html")


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FullAtTheEnd(SerialExecutor):
    """Leaves no room after the last job: for the journal there was enough."""

    def __init__(self, limits: contextlib.ExitStack):
        super().__init__()
        self._at_the_end = limits

    def stream(self, queue: JobQueue) -> Iterator[tuple[Any, Any]]:
        yield from super().stream(queue)
        self._at_the_end.enter_context(files_of_at_most(12_000))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """A disk of so many KiB: a file system in memory, mounted where the user may."""
    place = tmp_path_factory.mktemp("disk")

    def sized(kib: int) -> Path:
        verb = ["-o", f"remount,size={kib}k"] if place.is_mount() else ["-t", "tmpfs", "-o", f"size={kib}k", "tmpfs"]
        done = subprocess.run(["mount", *verb, str(place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting a file system needs root")
        return place

    yield sized
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_no_result(disk: Callable[[int], Path], make_scenario: Make, tmp_path: Path) -> None:
    """While the journal grows, then while the tables are written, then while the report is."""
    scenario = small(make_scenario)
    whole = edgesim.run(scenario, tmp_path / "whole", executor=SerialExecutor())
    folder = disk(64) / "run"
    with pytest.raises(OutputError, match=r"journal\.jsonl cannot be written: No space left .*--resume \(\d+ results"):
        edgesim.run(scenario, folder, executor=SerialExecutor())
    assert {path.name for path in folder.iterdir()} == STORED
    safe = len(read_results(folder))
    assert 0 < safe < 15
    assert edgesim.load_run(folder).info["status"] == "stopped"  # there was no room for a new run.json
    disk(120)
    with pytest.raises(
        OutputError, match=r"\.parquet cannot be written: No space left .*make room on that disk.*--res"
    ):
        edgesim.run(scenario, folder, resume=True, executor=SerialExecutor())
    assert len(read_results(folder)) == 15
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    disk(250)
    with pytest.raises(RunError, match=r"report\.html cannot be written: .*the run is complete, and `edgesim report"):
        edgesim.run(scenario, folder, resume=True, executor=SerialExecutor(), report=page)
    assert status(folder) == "finished, report missing"
    assert not [path for path in folder.iterdir() if path.name.startswith(".") or path.name == "report.html"]
    columns = [name for name in whole.records.columns if not name.startswith("host_")]
    assert Run(folder).records[columns].equals(whole.records[columns])


def test_a_limit_on_files_is_named_and_leaves_nothing_half_done(make_scenario: Make, tmp_path: Path) -> None:
    """Without root: EFBIG in place of ENOSPC."""
    scenario = small(make_scenario)
    with (
        files_of_at_most(20_000),
        pytest.raises(OutputError, match=r"journal\.jsonl .*File too large.*ulimit -f.*--res"),
    ):
        edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert status(tmp_path / "run") == "failed"
    assert 0 < len(read_results(tmp_path / "run")) < 15
    with contextlib.ExitStack() as limits, pytest.raises(OutputError, match=r"records\.parquet .*File too large"):
        edgesim.run(scenario, tmp_path / "run", resume=True, executor=FullAtTheEnd(limits))
    assert {path.name for path in (tmp_path / "run").iterdir()} == STORED
    run = edgesim.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert run.info["status"] == "finished"
    with files_of_at_most(20_000):
        done = command("report", str(run.path), "--out", str(tmp_path / "page.html"))
    assert done.returncode == 1
    assert "page.html cannot be written: File too large" in done.stderr
    assert not (tmp_path / "page.html").exists()
    assert not list(tmp_path.glob(".page*"))


def test_leftovers_of_a_killed_process_go(make_scenario: Make, tmp_path: Path) -> None:
    scenario = small(make_scenario)
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(scenario, tmp_path / "run", executor=Stopping(1))
    left = tmp_path / "run" / ".records.parquet.0123456789abcdef.unfinished"
    left.write_text("half")
    edgesim.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert not left.exists()


def test_a_signal_right_after_a_result_is_written_leaves_it_counted(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = Journal.append, []

    def stopped(self: Journal, result: TrialResult) -> None:
        write(self, result)
        written.append(result)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "append", stopped)
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(small(make_scenario), tmp_path / "run", executor=SerialExecutor())
    stored = read_results(tmp_path / "run")
    assert Run(tmp_path / "run").info["trials"] == {"total": 15, "ok": len(stored), "missing": 15 - len(stored)}
    assert len(stored) == 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a scenario that takes some seconds."""
    document = {**DOCUMENT, "training": {"epochs": 30, "batch_size": 32}, "seeds": [0, 1, 2]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


def words(*more: str) -> list[str]:
    return [EDGESIM, "run", "tiny.yaml", "--out", "run", *more]


def wait_until(process: Process, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate(1)


def results(folder: Path) -> int:
    journal = folder / "run" / "journal.jsonl"
    return journal.read_text().count("\n") if journal.exists() else 0


@pytest.mark.slow
def test_a_polite_kill_ends_a_run_without_a_stack(folder: Path, warm: Server) -> None:
    process = Process(warm, *words("--hosts", "1"), cwd=folder, workers=True)
    wait_until(process, lambda: results(folder) > 0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "edgesim: interrupted; continue with the same command and --resume"
    assert not [line for line in said.splitlines() if "SIGTERM" in line or "@ " in line or "Traceback" in line], said
    assert status(folder / "run") == "interrupted"


def test_a_closed_terminal_interrupts_a_run(folder: Path, warm: Server) -> None:
    """The terminal is gone when the run ends, and so is the place for messages."""
    master, terminal = pty.openpty()

    more = ("--serial", "--set", "training.epochs=150")  # it must not end before the terminal does
    process = Process(warm, *words(*more), cwd=folder, terminal=terminal)
    os.close(terminal)
    reader = threading.Thread(target=drain, args=(master,), daemon=True)
    reader.start()
    wait_until(process, lambda: results(folder) > 0)
    os.close(master)
    process.wait(timeout=60)
    info = Run(folder / "run").info
    assert (info["status"], process.returncode) == ("interrupted", 1)
    assert 0 < len(Run(folder / "run").records) < 45
    assert info["trials"]["missing"] == 45 - len(Run(folder / "run").records)


def drain(terminal: int) -> None:
    """Read what a program prints until its terminal is closed."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 10_000):
            pass


def stopped_when_loaded(library: str, folder: Path) -> tuple[int, str]:
    """Exit status and words of a run that is stopped once a library's own code is loaded, within its imports."""
    process = subprocess.Popen(words("--serial"), cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    loaded, deadline = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    try:
        while library not in loaded.read_text():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert not output
    return process.returncode, errors


@pytest.mark.parametrize("library", ["/_multiarray_umath.", "/pandas/_libs/lib."])
def test_ctrl_c_during_imports_is_one_line(folder: Path, library: str) -> None:
    assert stopped_when_loaded(library, folder) == (130, "edgesim: interrupted\n")
    assert not (folder / "run").exists()


def test_ctrl_c_while_torch_is_imported_leaves_a_run_to_resume(folder: Path) -> None:
    """The run's folder is made before torch, which takes seconds; the signal may be heard when torch is there."""
    returned, said = stopped_when_loaded("/libtorch_python", folder)
    assert returned == 1
    assert said.splitlines()[-1] == "edgesim: interrupted; continue with the same command and --resume"
    assert status(folder / "run") == "interrupted"


def test_a_signal_while_the_report_is_written(folder: Path, warm: Server) -> None:
    """The run is complete, its status says what is missing, and `edgesim report` makes it."""
    run = folder / "run"
    more = ("--serial", "--no-progress", "--set", "training.epochs=1", "--set", "seeds=[0]")
    process = Process(warm, *words(*more), cwd=folder)
    wait_until(process, lambda: (run / "run.json").exists() and status(run).endswith(", report missing"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    later = "the run is complete, and `edgesim report run` writes its report"
    assert said == f"edgesim: interrupted while the report was written; {later}\n"
    assert process.returncode == 1
    assert status(run) == "finished, report missing"
    assert not [path for path in run.iterdir() if path.name.startswith((".", "report"))]
    assert len(Run(run).records) == 15
    assert command("report", str(run)).returncode == 0
    assert status(run) == "finished"
    assert "report missing" not in (run / "report.html").read_text()
