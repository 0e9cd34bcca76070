"""Plug-ins of installed packages: the template of the docs, names taken twice, and packages that fail on import."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import command
from conftest import DOCUMENT, ROOT

from edgesim import api
from edgesim.config import plugins
from edgesim.errors import EdgesimError, ScenarioError
from edgesim.models import resolve
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading, schema

TEMPLATE = ROOT / "docs" / "plugin-template"


def install(folder: Path, project: dict[str, Any]) -> None:
    """What an installer writes of a package's metadata: name, version and entry points."""
    where = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    where.mkdir(parents=True)
    (where / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line for group, names in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in names.items()))
    ]  # fmt: skip
    (where / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with the template of the docs, and one package that fails on import."""
    folder = tmp_path / "site-packages"
    install(folder, tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"])
    shutil.copytree(TEMPLATE / "src", folder, dirs_exist_ok=True)
    (folder / "broken_nets.py").write_text("import not_there_at_all\n")
    groups = {"edgesim.models": {"broken": "broken_nets:Net"}, "edgesim.methods": {"random": "broken_nets:Other"}}
    install(folder, {"name": "broken-nets", "version": "2.0", "entry-points": groups})
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith(("edgesim_middle", "broken_nets"))]:
        del sys.modules[name]


def test_the_template_of_the_docs_runs_like_a_method_of_edgesim(site: Path, tmp_path: Path) -> None:
    document = {
        **DOCUMENT, "partition": "every-nth", "training": {"epochs": 1},
        "pruning": {"methods": ["full", {"name": "middle", "quantile": 0.7}], "keep_ratio": [0.5]},
    }  # fmt: skip
    scenario = loading.from_document(document, "own.yaml", tmp_path)
    run = api.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert (run.records["status"] == "ok").all()
    assert set(run.records["method"]) == {"full", "middle"}
    assert (run.records.loc[run.records["method"] == "middle", "score_flops"] > 0).all()
    sizes = run.records.loc[run.records["method"] == "full", "shard_size"]
    assert sizes.max() - sizes.min() <= 1
    entry = run.scenario["pruning"]["methods"][1]
    assert (entry["name"], entry["label"], entry["quantile"]) == ("edgesim_middle.method:Middle", "middle", 0.7)
    assert run.scenario["partition"]["name"] == "edgesim_middle.partition:EveryNth"
    assert "edgesim_middle.method" in run.info["identity"]["own_modules"]
    again = loading.from_document(run.scenario, "again.yaml", tmp_path)
    assert again.document == scenario.document


def test_the_list_says_where_each_comes_from_and_what_fails(site: Path) -> None:
    methods = {(row["name"], row["from"]): row for row in json.loads(command("list", "methods", "--json").stdout)}
    assert methods["importance", "edgesim"]["source"]
    assert methods["middle", "edgesim-middle 0.1.0"]["what"].startswith("Samples whose average loss")
    assert methods["random", "broken-nets 2.0"]["what"].startswith("not used: edgesim has one of that name")
    models = {row["name"]: row for row in json.loads(command("list", "models", "--json").stdout)}
    assert "cannot be used: there is no module 'not_there_at_all'" in models["broken"]["what"] or (
        "No module named 'not_there_at_all'" in models["broken"]["what"]
    )
    assert "edgesim-middle 0.1.0" in command("list", "partitions").stdout


def test_a_plugin_that_fails_stops_only_the_scenario_that_needs_it(site: Path, tmp_path: Path) -> None:
    loading.from_document(DOCUMENT, "own.yaml", tmp_path)  # `random` is edgesim's own
    assert "broken_nets" not in sys.modules
    with pytest.raises(ScenarioError, match=r"model.name: 'broken' of broken-nets 2.0: .*not_there_at_all"):
        loading.from_document({**DOCUMENT, "model": "broken"}, "own.yaml", tmp_path)
    with pytest.raises(EdgesimError, match="not_there_at_all"):
        resolve("broken")


def test_faults_of_names_and_arguments(site: Path, tmp_path: Path) -> None:
    def faults(*methods: Any) -> str:
        pruning = {"methods": list(methods), "keep_ratio": 0.5}
        with pytest.raises(ScenarioError) as error:
            loading.from_document({**DOCUMENT, "pruning": pruning}, "own.yaml", tmp_path)
        return str(error.value)

    assert "did you mean 'middle'" in faults("midle")
    assert "pruning.methods[0].quantil" in faults({"name": "middle", "quantil": 0.5})
    install(site, {"name": "other", "version": "1", "entry-points": {"edgesim.methods": {"middle": "other:Middle"}}})
    found = faults("middle")
    assert "'middle' is of edgesim-middle 0.1.0 and other 1" in found
    assert "package.module:Name" in found


def test_nothing_is_looked_up_for_names_of_edgesim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(kind: str) -> list[plugins.InstalledPlugin]:
        raise AssertionError(kind)

    monkeypatch.setattr(plugins, "installed", never)
    loading.from_document(DOCUMENT, "own.yaml", tmp_path)


def test_the_schema_takes_names_of_plugins(site: Path) -> None:
    variants = schema.scenario()["properties"]["partition"]["anyOf"]
    assert any(variant.get("pattern") == r":|^every\-nth$" for variant in variants)
