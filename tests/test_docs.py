"""The documentation says what the code says, its examples run, and it builds without warnings or a network."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
import yaml
from commands import command
from conftest import ROOT
from warm import Process, Server

import edgesim
from edgesim.cli.app import with_commands
from edgesim.config import strict_yaml
from edgesim.hardware import loading
from edgesim.pruning import METHODS
from edgesim.records import Record
from edgesim.report import terminal_summary
from edgesim.results.run_folder import Run
from edgesim.results.table_columns import METRIC_COLUMNS
from edgesim.scenario import schema, sweeps

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOP_LEVEL = {
    "pyproject.toml", "README.md", "edgesim", "device_profiles", "scenarios", "tests", "reports", "docs", "Makefile",
    "LICENSE", "constraints.txt", "mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff",
}  # fmt: skip


@pytest.fixture(scope="module")
def hooks() -> Iterator[Any]:
    """The hooks of the build, loaded as mkdocs loads them."""
    sys.path.insert(0, str(DOCS))
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(DOCS))


def blocks(text: str, language: str) -> list[str]:
    return [code for found, code in BLOCK.findall(text) if found == language]


def named_blocks(text: str) -> dict[str, str]:
    """File name -> code of the blocks whose first line is a comment with the name."""
    found = {}
    for _, code in BLOCK.findall(text):
        if name := re.match(r"# ([\w-]+\.(?:py|yaml))\b", code):
            found[name[1]] = code
    return found


def commands() -> list[str]:
    group: Any = typer.main.get_command(with_commands())
    return list(group.commands)


def test_the_front_page_is_short_and_names_every_command():
    assert len(README.splitlines()) <= 120
    assert set(re.findall(r"^\| `edgesim ([a-z]+)", README, re.MULTILINE)) == set(commands())


def test_the_front_page_quotes_the_answer_and_the_accuracies_of_the_shipped_run():
    run = Run(ROOT / "reports" / "runs" / "quickstart")
    (quoted,) = blocks(README, "text")
    assert " ".join(quoted.split()) == terminal_summary.summary_of(run).sentences[0]
    full = run.records[run.records["method"] == "full"]
    said = f"Full training reaches {100 * full['test_accuracy'].mean():.1f} % there"
    assert said in README
    assert f"the same network reaches {100 * full['local_accuracy'].mean():.1f} %" in README


def test_links_of_the_front_pages_lead_to_files():
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
        local = [target for target in targets if "://" not in target]
        assert [target for target in local if not (ROOT / target).exists()] == []


@pytest.mark.usefixtures("ray_started")
def test_the_examples_of_the_front_page_run(tmp_path: Path) -> None:
    """Its scenario with its own method on Ray, from a folder with nothing but its files; only shorter."""
    files = named_blocks(README)
    assert set(files) == {"mine.yaml", "middle.py"}
    assert len([line for line in files["middle.py"].splitlines() if line.strip()]) <= 15
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    (own,) = (code for code in blocks(README, "yaml") if "middle:Middle" in code)
    changes = [
        "seeds=[0]", "training.epochs=1", "pruning.keep_ratio=0.3",
        f"pruning.methods={json.dumps(strict_yaml.parse(own, 'README')['pruning']['methods'])}",
    ]  # fmt: skip
    edgesim.load_scenario(tmp_path / "mine.yaml")
    sets = [part for change in changes for part in ("--set", change)]
    done = command("run", "mine.yaml", "--out", "run", "--hosts", "1", *sets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = pd.read_parquet(tmp_path / "run" / "records.parquet")
    assert (records["status"] == "ok").all(), records["reason"].unique()
    assert set(records["method"]) == {"random", "middle"}
    assert (records.loc[records["method"] == "middle", "score_flops"] > 0).all()


def test_every_yaml_example_of_the_documentation_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a scenario is tried within the quickstart, a fleet as its fleet, a profile by itself."""
    write_own_files(tmp_path, monkeypatch)
    quickstart = strict_yaml.parse((ROOT / "scenarios" / "quickstart.yaml").read_text(), "quickstart")
    for page in sorted(DOCS.glob("*.md")):
        for code in blocks(page.read_text(encoding="utf-8"), "yaml"):
            document = strict_yaml.parse(code, page.name)
            if "extends" in document:
                (tmp_path / "variant.yaml").write_text(code, encoding="utf-8")
                assert loading.load(tmp_path / "variant.yaml").title == document["title"]
                continue
            if "sweep" in document:
                (tmp_path / "swept.yaml").write_text(json.dumps({**quickstart, **document}), encoding="utf-8")
                assert len(sweeps.load(tmp_path / "swept.yaml").points) > 1
                continue
            if "energy" in document:
                document = {"groups": [{"profile": "raspberry-pi-4b", "count": 1, **document}]}
            if "groups" in document:
                document = {"fleet": document}
            assert document, page
            pruning = {**quickstart["pruning"], **document.get("pruning", {})}
            edgesim.load_scenario({**quickstart, **document, "pruning": pruning})


def write_own_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page on your own things, where modules are found."""
    for name, code in named_blocks((DOCS / "your-own.md").read_text(encoding="utf-8")).items():
        (folder / name).write_text(code, encoding="utf-8")
    (phones,) = blocks((DOCS / "traces.md").read_text(encoding="utf-8"), "csv")
    (folder / "phones.csv").write_text(phones, encoding="utf-8")
    shutil.copytree(ROOT / "scenarios" / "traces", folder / "traces")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


def test_own_model_and_data_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesim.runtime import SerialExecutor

    write_own_files(tmp_path, monkeypatch)
    document = {
        "dataset": {"name": "sensors:Sensors", "samples": 200}, "partition": "iid", "model": "nets:TinyNet",
        "fleet": {"groups": [{"profile": "slow-pi.yaml", "count": 2}]}, "training": {"epochs": 2},
        "pruning": {"methods": ["full", {"name": "middle:Middle", "label": "middle"}, "settling:Hardest"],
                    "keep_ratio": 0.5},
    }  # fmt: skip
    scenario = edgesim.load_scenario(document)
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert set(run.records["status"]) == {"ok"}
    assert run.records.groupby("method")["subset_size"].unique().map(list).tolist() == [[80], [40], [40]]
    planned = edgesim.plan(scenario)
    for column in ("device_energy_j", "storage_bytes", "subset_size"):
        assert run.records[column].tolist() == planned[column].tolist()
    assert set(run.records["profile"]) == {"slow-pi"}


def test_reference_pages_have_every_name_of_the_code(hooks: Any) -> None:
    made = {name: generate() for name, generate in hooks.GENERATED.items()}
    document = schema.scenario()
    for key, part in document["properties"].items():
        assert f"| `{key}` |" in made["scenario-keys"]
        for inner in part.get("properties", {}):
            assert f"| `{inner}` |" in made["scenario-keys"], inner
    for key in ("groups[].energy.harvest_w", "groups[].available.windows", "groups[].power_mode.gpu_hz", "spread"):
        assert f"| `{key}` |" in made["fleet-keys"]
    for key in ("compute.training_utilisation", "clocks.gpu_hz", "power.modes[].clocks.gpu_core_share"):
        assert f"| `{key}` |" in made["profile-keys"]
    for name, cls in METHODS.items():
        assert f"\n## {name}\n" in made["methods"]
        assert all(f"| `{field.name}` |" in made["methods"] for field in dataclasses.fields(cls))
    assert all(f"[`{name}`](../devices/{name}.md)" in made["devices"] for name in loading.names())
    assert all(f"\n## edgesim {name}\n" in made["commands"] for name in commands())
    assert "`--resume`" in made["commands"]
    assert all(f"\n## edgesim.{name}\n" in "\n" + made["python"] for name in edgesim.__all__)


def test_a_key_a_method_and_an_option_that_change_show_on_their_pages(hooks: Any, monkeypatch: pytest.MonkeyPatch):
    keys = hooks.GENERATED["scenario-keys"]
    document = schema.scenario()
    document["properties"]["training"]["properties"]["patience"] = {"description": "Epochs without gain. Default: 3."}
    del document["properties"]["training"]["properties"]["momentum"]
    before = keys()
    monkeypatch.setattr(schema, "scenario", lambda: document)
    after = keys()
    assert "| `momentum` |" in before
    assert "| `momentum` |" not in after
    assert "| `patience` | Epochs without gain. Default: 3. |" in after

    monkeypatch.undo()
    newest = type("Newest", (METHODS["random"],), {"__doc__": "keeps the newest."})
    for place in ("generators.methods", "edgesim.scenario.schema"):
        monkeypatch.setattr(f"{place}.METHODS", {**METHODS, "newest": newest})
    assert "| [`newest`](#newest) | keeps the newest |" in hooks.GENERATED["methods"]()

    group: Any = typer.main.get_command(with_commands())
    monkeypatch.setattr(group.commands["run"].params[1], "help", "another folder")
    monkeypatch.setattr(typer.main, "get_command", lambda _: group)
    assert "another folder" in hooks.GENERATED["commands"]()


def test_every_column_has_a_meaning_and_columns_follow_the_code(hooks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from generators import columns

    tables = columns.table_columns()
    assert tables["records"] == [field.name for field in dataclasses.fields(Record) if field.name != "metrics"]
    for name, listed in tables.items():
        assert [column for column in listed if not columns.meaning(name, column)] == [], name
    known = {f"{name}.{column}" for name, listed in tables.items() for column in listed}
    assert set(columns.MEANINGS) <= known
    assert set(columns.PURPOSES) == set(tables)
    for snapshot in (ROOT / "reports" / "runs").iterdir():
        assert set(Run(snapshot).records.columns) - set(METRIC_COLUMNS) <= set(tables["records"])

    monkeypatch.setitem(columns.run_folder.COLUMNS, "devices", [*tables["devices"], "antenna_w"])
    assert "| `antenna_w` |" in hooks.GENERATED["run-tables"]()


def test_a_device_page_has_every_number_with_its_source(hooks: Any) -> None:
    pages = dict(hooks.devices.device_pages())
    assert set(pages) == set(loading.names())
    document = strict_yaml.parse((ROOT / "device_profiles" / "raspberry-pi-5.yaml").read_text(), "raspberry-pi-5.yaml")
    for section in ("compute", "memory", "storage", "power"):
        for key, value in document[section].items():
            if isinstance(value, dict):
                row = f"| `{key}` | {value['value']:.6g}"
                assert row in pages["raspberry-pi-5"], row
                assert " ".join(value["source"].split()) in pages["raspberry-pi-5"]


def test_the_page_of_a_jetson_has_its_clocks_and_modes(hooks: Any) -> None:
    shown = dict(hooks.devices.device_pages())["jetson-agx-xavier"]
    assert "| `gpu_hz` | 114.75, 216.75, 318.75, " in shown
    assert "| `MAXN` | highest | highest | highest | 100 % | looked-up | nvpmodel MAXN" in shown
    assert "| `10W` | 1190.4 | 522.75 | 1065.6 | 50 % | looked-up | nvpmodel MODE_10W" in shown


def test_an_unknown_marker_stops_the_build(hooks: Any) -> None:
    from types import SimpleNamespace

    from mkdocs.exceptions import PluginError

    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="concepts.md"))
    with pytest.raises(PluginError, match=r"concepts.md: nothing generates 'nothing'; known: scenario-keys"):
        hooks.on_page_markdown("a\n\n<!-- generated: nothing -->\n", page, None, None)


def test_where_is_what_names_files_that_have_their_thing() -> None:
    text = (DOCS / "where-is-what.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \| `([^`]+)` \|$", text, re.MULTILINE)
    assert len(rows) >= 25
    for thing, file, name in rows:
        assert (ROOT / file).is_file(), f"{thing}: {file} is not there"
        assert name in (ROOT / file).read_text(encoding="utf-8"), f"{thing}: {file} has no {name}"


EPOCHS = r"\"epochs\": 10,"
"""of the notebooks' training, as it stands in their JSON"""


@pytest.mark.slow
def test_notebooks_run(hooks: Any, tmp_path: Path) -> None:
    """Every cell runs, and gives as many outputs as the page shows. Trained for one epoch in place of ten.

    One kernel runs all notebooks, for it takes seconds to import torch. Each begins without any name of the others.
    """
    from generators import notebooks

    paths = sorted((DOCS / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in paths] == ["first-run", "fleets"]
    cells = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.count(EPOCHS) == 1
        shown = notebooks.nbformat.reads(text.replace(EPOCHS, EPOCHS.replace("10", "1")), as_version=4)
        assert any(cell.get("outputs") for cell in shown.cells)
        assert path.stat().st_size < 300_000
        for place, cell in enumerate(shown.cells):
            cell.id = f"{path.stem}-{place}"  # both notebooks have the same ones
        cells += [notebooks.nbformat.v4.new_code_cell("%reset -f"), *shown.cells]
    whole = notebooks.nbformat.v4.new_notebook(cells=cells, metadata=shown.metadata)
    notebooks.nbformat.write(whole, tmp_path / "all.ipynb")
    done = notebooks.execute(tmp_path / "all.ipynb", tmp_path)
    assert [len(cell.get("outputs", ())) for cell in done.cells] == [len(cell.get("outputs", ())) for cell in cells]


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_asks_no_network(tmp_path: Path, warm: Server) -> None:
    words = [
        str(Path(sys.executable).parent / "mkdocs"),
        "build",
        "--strict",
        "--site-dir",
    ]  # --quiet would hide the warnings from --strict
    process = Process(warm, *words, str(tmp_path / "site"), cwd=ROOT)
    printed, said = process.communicate(280)
    assert process.returncode == 0, printed + said
    pages = [path for path in (tmp_path / "site").rglob("*.html") if path.parent.name != "results"]
    assert len(pages) > len(loading.names())
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+', text) == [], path
    assert "harvest_w" in (tmp_path / "site" / "reference" / "fleet-and-profile.html").read_text(encoding="utf-8")
    assert (tmp_path / "site" / "results" / "quickstart.html").is_file()


def test_the_top_of_the_repository_has_nothing_else() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_numbers_of_the_first_pages_are_those_of_the_shipped_run() -> None:
    """Rounded numbers of the page on the first run, worked out anew from its snapshot."""
    records = Run(ROOT / "reports" / "runs" / "quickstart").records
    full = records[records["method"] == "full"]
    half = records[(records["method"] == "importance") & (records["keep_ratio"] == 0.5)]
    warm_s = [trials[["device_score_time_s", "device_train_time_s"]].sum().sum() for trials in (half, full)]
    start_up = full["device_startup_s"].sum() / full["device_time_s"].sum()
    text = " ".join((DOCS / "getting-started.md").read_text(encoding="utf-8").split())
    for sentence in (
        f"accuracy is about {100 * full['test_accuracy'].mean():.0f} %",
        f"reaches about {100 * full['local_accuracy'].mean():.0f} %",
        f"takes about {100 * start_up:.0f} % of full training's time",
        f"{records.loc[records['profile'] == 'jetson-nano', 'device_startup_s'].max():.1f} s on a Jetson Nano",
        f"saves about {100 * (1 - warm_s[0] / warm_s[1]):.0f} % of the time",
        f"a cold one saves about {100 * (1 - half['device_time_s'].sum() / full['device_time_s'].sum()):.0f} %",
        f"about {full['shard_size'].mean():.0f} samples",
    ):
        assert sentence in text, sentence
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{len(METHODS)} methods" in changes
    assert f"{len(loading.names())} device profiles" in changes


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == edgesim.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == edgesim.__version__
    assert f"## {edgesim.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (ROOT / "edgesim" / "py.typed").is_file()
    assert command("--version").stdout.startswith(f"edgesim {edgesim.__version__} (")
