"""The commands as a user runs them: output, exit codes, no tracebacks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import EDGESIM, command
from conftest import ROOT
from warm import Process, Server

import edgesim


def test_torchvision_comes_from_the_build_of_torch() -> None:
    """Mixed builds fail here with "operator torchvision::nms does not exist"."""
    import torchvision

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    assert kept.tolist() == [0, 2]  # the second overlaps the first by 81/100


@pytest.mark.slow
def test_the_quickstart(tmp_path: Path, warm: Server) -> None:
    """All its devices and methods, with two of its four keep ratios, one of its five seeds, half of its epochs."""
    changes = ("seeds=[0]", "training.epochs=5", "pruning.keep_ratio=[0.1,0.8]")
    sets = [part for change in changes for part in ("--set", change)]
    words = [EDGESIM, "run", "scenarios/quickstart.yaml", "--out", str(tmp_path / "run"), *sets]
    warm.socket()  # its start is not the command's
    started = time.monotonic()
    process = Process(warm, *words, cwd=ROOT, workers=True, COLUMNS="100")
    printed, said = process.communicate(280)
    assert process.returncode == 0, said
    assert time.monotonic() - started < 120  # tests share the machine
    for word in ("importance", "acc. %", "saved", "run folder:", "report:"):
        assert word in printed
    assert said.startswith("72 trials on 8 devices\n")
    rest = said.splitlines()[1:]
    assert [line for line in rest if not re.match(r"\d+/72 trials, [1-8]/8 devices, ", line)] == []
    run = edgesim.load_run(tmp_path / "run")
    assert (run.records["status"] == "ok").all()
    assert len(run.records) == 8 * 9
    accuracy = run.records.groupby(["method", "keep_ratio"])["test_accuracy"].mean()
    assert accuracy["full", 1.0] > 0.3  # ten classes, devices that lack several of them
    assert accuracy["random", 0.8] > accuracy["random", 0.1]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<html" in page
    both = command("report", str(tmp_path / "run"))
    assert both.stdout.split() == [
        "report:", str(tmp_path / "run" / "report.html"), "report:", str(tmp_path / "run" / "report.md"),
    ]  # fmt: skip
    assert (tmp_path / "run" / "report.md").read_text().startswith("# quickstart\n\n## Verdict")
    again = command("report", str(tmp_path / "run"), "--out", str(tmp_path / "again.html"))
    assert again.returncode == 0
    assert (tmp_path / "again.html").exists()


def test_a_bad_scenario_prints_every_fault_and_exits_with_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "dataset: digitz\nfleet: {groups: []}\nmodel: mlp\nextra: 1\npruning: {methods: [x], keep_ratio: 2}\n"
    )
    for arguments in (("run", str(bad)), ("validate", str(bad))):
        done = command(*arguments)
        assert done.returncode == 2
        for words in (
            "did you mean 'digits'",
            "fleet.groups",
            "extra: unknown key",
            "pruning.methods[0]",
            "(0, 1]",
            "partition",
        ):
            assert words in done.stderr
        assert "6 faults" in done.stderr
        assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "no-such.yaml"), 2, "there is no such file"),
        (("run", "scenarios/quickstart.yaml", "--set", "training.epochs"), 2, "KEY=VALUE"),
        (("run", "scenarios/quickstart.yaml", "--set", "training.epochs=x"), 2, "training.epochs"),
        (("run", "scenarios/quickstart.yaml", "--serial", "--hosts", "2"), 2, "--serial runs without Ray"),
        (("run", "scenarios/quickstart.yaml", "--hosts", "0"), 2, "greater than or equal to 1"),
        (
            ("list", "gadgets"),
            2,
            "allowed: methods, samplers, models, datasets, partitions, profiles",
        ),
        (("schema", "gadget"), 2, "allowed: scenario, profile"),
        (("report", "no-such-run"), 1, "no run folder"),
        (("frobnicate",), 2, "frobnicate"),
        (
            ("predict", "--profile", "x", "--model", "mlp", "--input", "1x8x8", "--batch-size", "9" * 400),
            2,
            "1000000000",
        ),
    ],
)
def test_mistakes_are_messages(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = command(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_are_not_there_are_a_message(tmp_path: Path) -> None:
    done = command(
        "run", "scenarios/quickstart.yaml", "--serial", "--out", str(tmp_path / "run"),
        "--set", "dataset={name: npz, root: nowhere.npz}",
    )  # fmt: skip
    assert done.returncode == 2
    assert "nowhere.npz" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["methods", "models", "datasets", "partitions", "profiles"])
def test_lists(what: str) -> None:
    plain, machine = command("list", what), command("list", what, "--json")
    assert plain.returncode == machine.returncode == 0
    rows = json.loads(machine.stdout)
    assert len(rows) >= 3
    for row in rows:
        assert row["name"]
    first = rows[0]["name"]
    assert first[:10] in plain.stdout


def test_validate_and_schema() -> None:
    paths = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "scenarios").glob("*.yaml"))
    done = command("validate", *paths)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok (") == len(paths)
    for of in ("scenario", "profile"):
        assert json.loads(command("schema", of).stdout)["type"] == "object"


def test_help_needs_neither_torch_nor_ray() -> None:
    code = (
        "import sys\nsys.argv = ['edgesim', '--help']\nfrom edgesim.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'ray', 'pandas', 'sklearn', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    for name in ("run", "plan", "predict", "validate", "init", "schema", "list", "compare", "report"):
        assert name in done.stdout


def test_validate_imports_the_methods_that_are_named_and_no_readers_of_data_or_traces() -> None:
    code = (
        "import sys\nsys.argv = ['edgesim', 'validate', 'scenarios/quickstart.yaml']\nfrom edgesim.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.startswith(('edgesim.', 'pyarrow', 'PIL'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    said, _, modules = done.stdout.strip().partition("\n")
    assert said == "scenarios/quickstart.yaml: ok (8 devices, 5 methods, 4 keep ratios, 5 seeds)", done.stderr
    imported = set(modules.split())
    named = {"full", "fewer_epochs", "importance", "random", "rs2"}
    files = {file.stem for file in (ROOT / "edgesim" / "pruning").glob("*.py")} - named
    assert {f"edgesim.pruning.{name}" for name in named} <= imported
    assert {name for name in files if f"edgesim.pruning.{name}" in imported} == {
        "base",
        "budgets",
        "class_even",
        "full_passes",
        "subset_samplers",
    }
    readers = [f"edgesim.hardware.{name}" for name in ("trace_files", "trace_table", "traces", "traced_windows")]
    readers += [f"edgesim.data.{name}" for name in ("arrays", "cache", "csv_files", "folders", "parquet", "public")]
    assert imported & {*readers, "pyarrow", "PIL"} == set()


def test_a_plan_in_a_file_needs_no_pandas(tmp_path: Path) -> None:
    out = tmp_path / "plan.parquet"
    code = (
        f"import sys\nsys.argv = ['edgesim', 'plan', 'scenarios/quickstart.yaml', '--out', {str(out)!r}]\n"
        "from edgesim.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'ray', 'pandas', 'sklearn', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    assert out.is_file()


def test_progress_in_a_log_says_what_is_done_and_what_is_left() -> None:
    from io import StringIO

    from rich.console import Console

    from edgesim.cli.progress import Watcher
    from edgesim.records import Record, Trial

    out = StringIO()
    watcher = Watcher(Console(file=out, width=200), bar=False)
    trials = [Trial(0, device, "random", ratio) for device in (0, 1) for ratio in (0.1, 0.5)]
    watcher.start(dict.fromkeys(trials, 1.0), frozenset(trials[:1]), devices=2)
    for trial, status, accuracy in (
        (trials[1], "ok", 0.25),
        (trials[2], "failed", float("nan")),
        (trials[3], "ok", 0.75),
    ):
        watcher.record(Record("s", *trial[:2], "pi", *trial[2:], status, test_accuracy=accuracy))
    watcher.note("something [red] to see")
    watcher.stop()
    text = out.getvalue()
    assert "4 trials on 2 devices, 1 done before" in text
    assert "4/4 trials, 2/2 devices, accuracy 25.0 % to 75.0 %, 1 failed, 0 s left" in text
    assert "something [red] to see" in text


def test_the_bar_is_drawn_on_a_terminal() -> None:
    from io import StringIO

    from rich.console import Console

    from edgesim.cli.progress import Watcher
    from edgesim.records import Record, Trial

    out = StringIO()
    watcher = Watcher(Console(file=out, width=160, force_terminal=True), bar=True)
    watcher.start({Trial(0, 0, "full", 1.0): 1.0}, frozenset(), devices=1)
    watcher.record(Record("s", 0, 0, "pi", "full", 1.0, "ok", test_accuracy=0.5))
    watcher.stop()
    for words in ("1/1", "trials", "1/1 devices", "accuracy 50.0 % to 50.0 %", "left"):
        assert words in out.getvalue()
