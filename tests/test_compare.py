"""`edgesim compare`: runs with each other, one training on several fleets; numbers against pandas, faults, pages."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import draw_all, open_page
from commands import command
from conftest import DOCUMENT, ROOT
from report_runs import HOSTILE, FakeRun, Reader, make_run
from test_page_browser import FIGURES, errors
from trials import paired_runs, table, trial

import edgesim
from edgesim import report, runtime
from edgesim.analysis.comparison import against_first, mean_differences, scenario_differences
from edgesim.analysis.comparison_findings import fleet_findings, run_findings
from edgesim.analysis.fleets import best_of_fleets, fleet_table
from edgesim.formatting import POINTS, number
from edgesim.report import comparison_page
from edgesim.results import repricing
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading as scenarios

FLEETS = sorted((ROOT / "scenarios" / "fleets").glob("*.yaml"))
FLAGS = [argument for file in FLEETS for argument in ("--fleet", str(file))]
PAIR = ["seed", "device", "method", "keep_ratio"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on digits that differ in the learning rate, and in a method and a ratio that only one of them has."""
    folder = tmp_path_factory.mktemp("runs")
    given = {"seeds": [0, 1], "pruning.keep_ratio": [0.2, 0.6]}
    a = scenarios.from_document(DOCUMENT, "tiny.yaml", folder, given)
    other = {"training.learning_rate": 0.01, "pruning.methods": ["full", "random"], "pruning.keep_ratio": [0.2, 0.8]}
    b = scenarios.from_document(DOCUMENT, "tiny.yaml", folder, {**given, **other})
    return [edgesim.run(s, folder / name, executor=SerialExecutor()) for name, s in (("slow", a), ("fast", b))]


def write(path: Path, groups) -> Path:
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


def test_runs_are_paired_as_pandas_pairs_them(runs, tmp_path):
    a, b = runs
    page = tmp_path / "deep" / "page.html"
    done = command("compare", str(a.path), str(b.path), "--json", "--out", str(page))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    both = a.records.merge(b.records, on=PAIR, suffixes=("_a", "_b"))
    assert set(both["method"]) == {"full", "random"}
    assert set(both["keep_ratio"]) == {0.2, 1.0}
    both["difference"] = both["test_accuracy_b"] - both["test_accuracy_a"]
    expected = both.groupby(["method", "keep_ratio"])["difference"].agg(["mean", "size"])
    rows = told["tables"]["pairs"]
    assert len(rows) == len(expected) == 2
    for row in rows:
        assert row["run"] == "fast"
        assert row["difference"] == pytest.approx(expected.loc[(row["method"], row["keep_ratio"]), "mean"])
        assert row["pairs"] == expected.loc[(row["method"], row["keep_ratio"]), "size"] == 6
        assert row["difference_low"] < row["difference"] < row["difference_high"]
    settings = {row["path"]: (row["first_setting"], row["this_setting"]) for row in told["tables"]["differences"]}
    assert settings["training.learning_rate"] == ("0.001", "0.01")
    assert settings["pruning.methods.importance"][1] == "-"
    assert f"{points(both['difference'].mean())} points" in told["findings"][0]["text"]
    # The first run has importance at two ratios and random at 0.6 alone, the second one random at 0.8: 6 trials each.
    left_out = (
        "fast: 18 trials of the first run (keep ratios 0.2, 0.6) and 6 of the second (keep ratio 0.8) have no partner "
        "and are left out."
    )
    assert left_out in told["limits"]
    reader = Reader(page.read_text())
    shown = reader.numbers("Test accuracy, paired")
    assert shown["difference"].tolist() == pytest.approx([row["difference"] for row in rows])
    assert [POINTS(row["difference"]) for row in rows] == [
        cells[6] for cells in reader.tables["Test accuracy, paired"][1:]
    ]
    assert set(reader.specs) == {"run-difference", "run-accuracy", "run-fronts-time", "run-fronts-energy"}
    for run in (a, b):
        front = reader.numbers("Accuracy against energy, all runs").query("run == @run.path.name")
        means = run.records.groupby(["method", "keep_ratio"])["device_energy_j"].mean()
        cells = pd.MultiIndex.from_frame(front[["method", "keep_ratio"]])
        assert front["cost"].tolist() == pytest.approx(means[cells].tolist())


def points(share):
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def test_one_run_on_the_shipped_fleets(runs, tmp_path):
    run, page = runs[0], tmp_path / "page.html"
    done = command("compare", str(run.path), *FLAGS, "--json", "--out", str(page))
    assert done.returncode == 0, done.stderr
    rows = pd.DataFrame(json.loads(done.stdout)["tables"]["fleets"]).set_index(["fleet", "method", "keep_ratio"])
    for file in FLEETS:
        records = repricing.reprice(run, repricing.on_fleet(run, file))
        assert (records["status"] == "ok").all()
        cells = records.groupby(["method", "keep_ratio"])
        by_seed = records.groupby(["method", "keep_ratio", "seed"])
        finish_s = by_seed["device_time_s"].max().groupby(["method", "keep_ratio"]).mean()
        energy_j = by_seed["device_energy_j"].sum().groupby(["method", "keep_ratio"]).mean()
        own = rows.loc[file.stem]
        for cell, accuracy in cells["test_accuracy"].mean().items():
            assert own.loc[cell, "finish_s"] == pytest.approx(finish_s[cell])
            assert own.loc[cell, "energy_j"] == pytest.approx(energy_j[cell])
            assert own.loc[cell, "energy_per_point_j"] == pytest.approx(energy_j[cell] / (100 * accuracy))
            saved = 1 - energy_j[cell] / energy_j["full", 1.0]
            assert own.loc[cell, "device_energy_saved"] == pytest.approx(saved, abs=1e-12)
            # Accuracy is the training's, not the fleet's.
            kept = run.records[(run.records["method"] == cell[0]) & (run.records["keep_ratio"] == cell[1])]
            assert own.loc[cell, "test_accuracy"] == pytest.approx(kept["test_accuracy"].mean())
    reader = Reader(page.read_text())
    first = reader.tables["Every fleet, method and keep ratio"]
    place = first[0].index("energy, fleet (J)")
    assert [row[place] for row in first[1:]] == [number(value) for value in rows["energy_j"]]
    assert set(reader.specs) - {"fleet-ratios"} == {"fleet-finish", "fleet-energy", "fleet-exchange"}


def test_a_single_fleet_is_set_against_the_runs_own(runs, tmp_path):
    run = runs[0]
    slow = write(tmp_path / "zeros.yaml", [{"profile": "raspberry-pi-zero-2-w", "share": 1.0}])
    page = tmp_path / "page.md"
    done = command("compare", str(run.path), "--fleet", str(slow), "--out", str(page))
    assert done.returncode == 0, done.stderr
    assert "tiny on 2 fleets" in done.stdout
    assert "own fleet" in done.stdout
    text = page.read_text()
    full = run.records[run.records["method"] == "full"]
    finish_s = full.groupby("seed")["device_time_s"].max().mean()
    line = next(line for line in text.splitlines() if line.startswith("| own fleet | full |"))
    assert number(finish_s) in line
    assert "| zeros | raspberry-pi-zero-2-w | 3 |" in text
    assert "- Compared by: edgesim compare" in text


def test_devices_that_cannot_are_named(runs, tmp_path):
    groups = [{"profile": "nexus-6", "share": 1.0, "energy": {"source": "battery", "capacity_j": 1.5}}]
    weak = write(tmp_path / "weak.yaml", groups)
    told = json.loads(command("compare", str(runs[0].path), "--fleet", str(weak), "--json").stdout)
    rows = {(row["fleet"], row["method"], row["keep_ratio"]): row for row in told["tables"]["fleets"]}
    priced = edgesim.compare_fleets(runs[0], [weak])["weak"]
    lost = priced[(priced["method"] == "full") & (priced["status"] == "infeasible")]["device"].nunique()
    assert rows["weak", "full", 1.0]["infeasible_devices"] == lost > 0
    assert any("weak" in note and "do not compare with those of other fleets" in note for note in told["limits"])
    assert any(found["about"] == "devices" and found["text"].startswith("weak:") for found in told["findings"])
    assert {row["fleet"] for row in told["tables"]["infeasible"]} == {"weak"}
    assert all(row["reason"] for row in told["tables"]["infeasible"])


@pytest.mark.usefixtures("ray_started")
def test_a_scenario_is_trained_once_for_all_fleets(tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**DOCUMENT, "training": {"epochs": 1, "batch_size": 32}}))
    wrong = write(tmp_path / "two.yaml", [{"profile": "jetson-nano", "count": 2}])
    refused = command("compare", "tiny.yaml", "--fleet", str(wrong), cwd=tmp_path)
    assert refused.returncode == 2
    assert "has 2 devices, the run 3" in refused.stderr
    assert not (tmp_path / "runs").exists()  # told before anything trains
    done = command("compare", "tiny.yaml", *FLAGS, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "report.html").exists()
    assert f"run folder: runs/{folder.name}" in done.stderr
    told = json.loads(done.stdout)
    expected = fleet_table(edgesim.compare_fleets(edgesim.load_run(folder), FLEETS)).table
    assert [row["finish_s"] for row in told["tables"]["fleets"]] == pytest.approx(expected["finish_s"].tolist())


def test_what_any_named_fleet_can_do_is_trained(tmp_path, monkeypatch):
    """Nothing fits into the own fleet's microcontrollers; of the named fleets one is as weak, the other does it all.

    Both runs are in this process: `compare` on Ray is the test above.
    """
    monkeypatch.setattr(runtime, "RayExecutor", SerialExecutor)
    weak = [{"profile": "arduino-nano-33-ble-sense", "count": 3}]
    document = {**DOCUMENT, "training": {"epochs": 1, "batch_size": 32}, "fleet": {"groups": weak}}
    document["model"] = {"name": "mlp", "hidden": [512]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document))
    also = write(tmp_path / "weak.yaml", weak)
    strong = write(tmp_path / "strong.yaml", [{"profile": "raspberry-pi-4b", "count": 3}])
    done = command("compare", "tiny.yaml", "--fleet", str(also), "--fleet", str(strong), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert [path.name for path in (folder / "fleets").iterdir()] == ["2-strong"]
    there = edgesim.load_run(folder / "fleets" / "2-strong").records
    assert (there["status"] == "ok").all()
    rows = json.loads(done.stdout)["tables"]["fleets"]
    found = {row["method"]: row["test_accuracy"] for row in rows if row["fleet"] == "strong" and row["keep_ratio"] == 1}
    assert found["full"] == pytest.approx(there.loc[there["method"] == "full", "test_accuracy"].mean())
    assert all(row["infeasible_devices"] == 3 for row in rows if row["fleet"] == "weak")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{a}"], "name a second run, or give --fleet"),
        (["{a}", "{a}"], "named twice"),
        (["{a}", "no-such-run"], "no-such-run is no run folder"),
        (["{a}", "scenarios/quickstart.yaml"], "runs are folders"),
        (["{a}", "{b}", "--fleet", "{fleet}"], "--fleet"),
        (["{a}", "--fleet", "{fleet}", "--fleet", "{fleet}"], "named twice"),
        (["{a}", "--fleet", "no-such.yaml"], "there is no such file"),
        (["{a}", "--fleet", "{two}"], "has 2 devices, the run 3"),
        (["{a}", "{b}", "--out", "page.pdf"], ".html or .md"),
        (["{empty}", "{a}"], "no trial that ended well"),
        (["{bare}", "--fleet", "{fleet}"], "cannot be priced anew"),
        ([], "Missing argument"),
    ],
)
def test_faults_are_messages_with_exit_code_2(runs, tmp_path, arguments, words):
    two = write(tmp_path / "two.yaml", [{"profile": "jetson-nano", "count": 2}])
    places = {"a": runs[0].path, "b": runs[1].path, "fleet": FLEETS[0], "two": two}
    for name in ("empty", "bare"):
        places[name] = tmp_path / name
        places[name].mkdir()
        for part in ("run.json", "scenario.yaml", "records.parquet"):
            (places[name] / part).write_bytes((runs[0].path / part).read_bytes())
    runs[0].records.assign(status="failed").to_parquet(places["empty"] / "records.parquet")
    done = command("compare", *(argument.format(**places) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert words in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("file", FLEETS, ids=lambda file: file.stem)
@pytest.mark.parametrize("devices", [3, 20])
def test_every_shipped_fleet_loads(file, devices):
    quickstart = scenarios.load(ROOT / "scenarios" / "quickstart.yaml")
    loaded = repricing.with_fleet(quickstart.document, devices, file)
    assert len(loaded.fleet) == devices
    if devices == 20:  # every group has its device
        assert {device.name for device in loaded.fleet.devices} == {
            group.profile for group in loaded.fleet.document.groups
        }
    assert file.read_text().startswith("# ")


def test_phones_start_at_80_percent():
    quickstart = scenarios.load(ROOT / "scenarios" / "quickstart.yaml")
    fleet = repricing.with_fleet(quickstart.document, 5, ROOT / "scenarios" / "fleets" / "phones.yaml").fleet
    assert [(c.energy.source, c.energy.state_of_charge) for c in fleet.conditions] == [("battery", 0.8)] * 5


def test_fleets_of_one_name_are_called_by_their_paths():
    assert repricing.fleet_names([Path("a/x.yaml"), Path("b/x.yaml"), Path("y.yaml")]) == ["a/x.yaml", "b/x.yaml", "y"]


def test_p_is_corrected_over_all_runs():
    """Two runs with one cell each: Bonferroni over two rows doubles p. One seed would have none, so there are two."""
    base = table(*(trial(s, d, "random", 0.5, 0.5) for s in (0, 1) for d in range(4)))
    others = [base.assign(test_accuracy=0.5 + np.array(2 * [0.01, 0.02, 0.03, shift])) for shift in (0.04, 0.05)]
    alone = [paired_runs(base, other).table.iloc[0] for other in others]
    told = against_first({"base": base, "b": others[0], "c": others[1]}).table
    smaller = min(row["p"] for row in alone)
    assert told["run"].tolist() == ["b", "c"]
    assert told["p_adjusted"].min() == pytest.approx(2 * smaller)
    assert told["p"].tolist() == [row["p"] for row in alone]


def test_mean_differences_give_every_device_the_same_weight():
    """Device 0 changes by 0.1 in two cells, device 1 by 0.4 in one: (0.1 + 0.4) / 2."""
    cells = [(s, *cell) for s in (0, 1) for cell in ((0, 0.2), (0, 0.6), (1, 0.2))]
    a = table(*(trial(s, d, "random", r, 0.5, device_energy_j=10.0) for s, d, r in cells))
    b = table(*(trial(s, d, "random", r, 0.6 if d == 0 else 0.9, device_energy_j=5.0) for s, d, r in cells))
    found = mean_differences({"a": a, "b": b}).table.set_index("quantity")
    assert found.loc["test_accuracy", ["pairs", "a", "b", "difference"]].tolist() == pytest.approx([6, 0.5, 0.75, 0.25])
    # t(1) = 12.7062; the mean of 0.1 and 0.4 has a standard error of 0.15.
    assert found.loc["test_accuracy", "low"] == pytest.approx(0.25 - 12.7062 * 0.15, abs=1e-4)
    assert found.loc["device_energy_j", "difference"] == -5.0
    assert "device_time_s" not in found.index
    text = run_findings(found.reset_index(), against_first({"a": a, "b": b}).table)
    assert "(-50.0 %)" in text[1].text
    assert text[0].evidence == "none"


def test_trials_of_a_rule_stand_in_one_row():
    a = table(*(trial(0, d, "random", 0.2 + 0.1 * d, 0.5, ratio_rule="budget") for d in range(3)))
    told = paired_runs(a, a.assign(test_accuracy=0.6)).table
    assert told[["keep_ratio", "pairs", "difference"]].values.tolist() == [[pytest.approx(0.3), 3, pytest.approx(0.1)]]


def test_scenarios_are_set_against_each_other_by_name():
    """The second method is dropped: it alone differs, not every entry after it."""
    a = {"pruning": {"methods": [{"name": "full"}, {"name": "x", "k": 1, "none": None}, {"name": "random"}]}}
    b = {"pruning": {"methods": [{"name": "full"}, {"name": "random"}]}}
    found = scenario_differences(a, b).table.values.tolist()
    assert found == [["pruning.methods.x", '{"name": "x", "k": 1}', "-"]]
    twice = {"groups": [{"profile": "pi", "count": 1}, {"profile": "pi", "count": 2}]}
    assert scenario_differences(twice, {"groups": []}).table["path"].tolist() == ["groups"]


def test_findings_of_fleets():
    """Fleet b is twice as fast and needs a third; its half costs what its full training does."""
    rows = {
        "a": [trial(0, d, m, r, acc, device_time_s=t, device_energy_j=t) for d in (0, 1)
              for m, r, acc, t in (("full", 1.0, 0.8, 30.0), ("random", 0.5, 0.7, 15.0))],
        "b": [trial(0, d, m, r, acc, device_time_s=t, device_energy_j=t) for d in (0, 1)
              for m, r, acc, t in (("full", 1.0, 0.8, 10.0), ("random", 0.5, 0.7, 10.0))],
    }  # fmt: skip
    tables = {name: table(*own) for name, own in rows.items()}
    found = fleet_findings(fleet_table(tables).table, best_of_fleets(tables).table)
    by_kind = {finding.kind: finding.text for finding in found}
    assert "b 10 s, a 30 s" in by_kind["time"]
    assert "factor of 3" in by_kind["time"]
    assert "b 20 J, a 60 J" in by_kind["energy"]
    assert "a 50.0 %, b 0.0 %" in by_kind["saving"]


def test_names_and_reasons_with_html_are_escaped():
    run = make_run(ratios=(0.1, 0.5))
    bad = run.records.assign(profile=HOSTILE)
    bad.loc[bad.index[:3], ["status", "reason"]] = ["infeasible", f"{HOSTILE}</script>"]
    page = comparison_page.of_fleets(run, {HOSTILE: bad, "plain": run.records}, {HOSTILE: HOSTILE}, HOSTILE)
    text = report.page.render_page(page)
    assert HOSTILE not in text
    reader = Reader(text)
    assert reader.open == []
    assert HOSTILE in reader.page_text
    assert set(reader.numbers("Every fleet, method and keep ratio")["fleet"]) == {HOSTILE, "plain"}
    named = [trace["name"] for spec in reader.specs.values() for trace in spec["data"]]
    assert "&lt;b&gt;x&lt;/b&gt;" in named
    both = comparison_page.of_runs({HOSTILE: run, "b": make_run(seeds=1)})
    assert HOSTILE not in report.page.render_page(both)


@pytest.mark.parametrize(
    ("seeds", "devices", "methods", "ratios"),
    [(1, 1, ("full",), (0.5,)), (1, 3, ("random",), (0.5,)), (2, 1, ("importance",), (0.1, 0.5))],
)
def test_odd_runs_give_pages(seeds, devices, methods, ratios, tmp_path):
    run = make_run(seeds, devices, methods, ratios)
    other = make_run(seeds, devices, ("full", "random"), (0.3,), status="running", trials={"missing": 3})
    for page in (
        comparison_page.of_fleets(run, {"a": run.records, "b": run.records.assign(status="failed")}, {}),
        comparison_page.of_runs({"a": run, "b": other, "c": run}),
    ):
        reader = Reader(report.page.render_page(page))
        assert reader.open == []
        json.dumps(comparison_page.as_data(page), allow_nan=False)
        comparison_page.write(page, tmp_path / "page.md")
    assert any("b: This run is still going" in note for note in page.verdict.limits)


@pytest.fixture(scope="module", params=["fleets", "runs"])
def compared(request, tmp_path_factory):
    """A comparison and its page."""
    run = make_run(seeds=3, devices=4, ratios=(0.1, 0.5, 0.8))
    run.records["cost_j"] = run.records["keep_ratio"]
    faster = run.records.assign(device_time_s=run.records["device_time_s"] / 2)
    other = FakeRun(run.records.assign(test_accuracy=run.records["test_accuracy"] + 0.01), info=run.info)
    made = (
        comparison_page.of_fleets(run, {"a": run.records, "b": faster}, {})
        if request.param == "fleets"
        else comparison_page.of_runs({"a": run, "b": other})
    )
    return made, comparison_page.write(made, tmp_path_factory.mktemp("compared") / "page.html")


@pytest.mark.parametrize("width", [390, 1400])
def test_pages_in_a_browser(compared, width, tmp_path):
    made, page = compared
    with open_page(page, tmp_path, width) as driver:
        draw_all(driver)
        drawn = driver.execute_script(FIGURES)
        assert len(drawn) == sum(len(part.shown_figures) for part in made.sections) >= 3
        for figure in drawn:
            assert figure["width"] > 250
            assert figure["height"] > 200
            assert figure["marks"] > 1, figure["key"]
            assert figure["right"] <= width
        for select in driver.find_elements("css selector", "select[data-choice]"):
            for option in select.find_elements("css selector", "option"):
                driver.execute_script("arguments[0].selected = true;", option)
                driver.execute_script("arguments[0].dispatchEvent(new Event('change'));", select)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert errors(driver) == []
