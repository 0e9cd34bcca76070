"""Sweeps: points and their faults, effects by hand, one folder and table, resumption, estimate and page."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import command
from conftest import DOCUMENT, Stopping

from edgesim.analysis.sweep_design import Design, design_of
from edgesim.analysis.sweep_effects import INTERACTIONS, interaction_share, means_by, sweep_cells, variance_shares
from edgesim.errors import RunError, ScenarioError
from edgesim.report import sweep_page
from edgesim.results import folder_lock, progress_file, sweep_folder
from edgesim.results.run_folder import Run
from edgesim.results.run_list import runs_below, state_of_sweep
from edgesim.results.table_files import write_table
from edgesim.runtime import RayExecutor, SerialExecutor
from edgesim.scenario import loading, sweeps
from edgesim.sessions import estimate, sweep_run
from edgesim.sessions.machine_load import MachineLoad
from edgesim.sessions.opening import Resume
from edgesim.sessions.progress import Silent

SMALL: dict[str, Any] = {
    **DOCUMENT, "training": {"epochs": 1, "batch_size": 128}, "seeds": [0, 1],
    "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": [0.5]},
    "sweep": {"partition.alpha": [0.1, 5.0], "model.hidden": [[4], [16]]},
}  # fmt: skip


def written(folder: Path, **changes: Any) -> Path:
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump({**SMALL, **changes}, sort_keys=False))
    return file


# --- points -----------------------------------------------------------------------------------------


def test_points_are_all_combinations_with_scenarios_of_their_own(tmp_path: Path) -> None:
    file = written(tmp_path)
    found = sweeps.load(file, ["training.epochs=3"], ["model.hidden=[8],[2]", "training.batch_size=16"])
    assert found.keys == {"partition.alpha": (0.1, 5.0), "model.hidden": ([8], [2]), "training.batch_size": (16,)}
    assert [(p.scenario.partition.plugin.alpha, p.scenario.model.plugin.hidden) for p in found.points] == [
        (0.1, (8,)), (0.1, (2,)), (5.0, (8,)), (5.0, (2,))
    ]  # fmt: skip
    assert {point.scenario.training.batch_size for point in found.points} == {16}
    assert {point.scenario.training.epochs for point in found.points} == {3}
    assert found.points[0].name == "001-partition.alpha=0.1_model.hidden=-8-_training.batch_size=16"
    assert "sweep" not in found.points[0].scenario.document
    assert found.trial_count == 4 * 2 * 3 * 3


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "sweep: is missing; give sweep"),
        ([1], "sweep: must be a map of paths to lists of values"),
        ({"partition.alpha": 0.1}, "sweep.partition.alpha: must be a list of values"),
        ({"partition.alpha": []}, "must be a list of values"),
        ({"partition.alpha": [0.1, 0.1]}, "lists a value twice"),
        ({"partitoin.alpha": [0.1]}, "did you mean 'partition'"),
        ({"seeds": [[0], [1]]}, "cannot be swept: seeds are the repetitions"),
        ({"partition.alpha": [0.1, -1.0]}, "partition.alpha: "),
        ({"training.epochs": list(range(1, 40)), "training.batch_size": list(range(1, 40))}, "has 1,521 combinations"),
        ({"model": ["mlp", "mlpp"]}, "(at model=mlpp)"),
    ],
)  # fmt: skip
def test_faults_of_a_sweep_are_told_with_their_place(tmp_path: Path, section: Any, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        sweeps.load(written(tmp_path, sweep=section))
    assert said in str(error.value)


def test_faults_of_over_and_of_other_commands(tmp_path: Path) -> None:
    file = written(tmp_path)
    for over, said in [("alpha", "must look like KEY=A,B"), ("a=", "must look like"), ("partition.alpha=[", "--over")]:
        with pytest.raises(ScenarioError, match=r"--over") as error:
            sweeps.load(file, over=[over])
        assert said in str(error.value)
    for over, said in [("seeds=1,2", "--over seeds: cannot be swept"), ("alpha=1,2", "--over alpha: is no path"),
                       ("training.epochs=1,1", "--over training.epochs: lists a value twice")]:  # fmt: skip
        with pytest.raises(ScenarioError) as error:
            sweeps.load(file, over=[over])
        assert said in str(error.value)
        assert "sweep." not in str(error.value)
    many = ",".join(map(str, range(1, 40)))
    with pytest.raises(ScenarioError, match="--over: has 1,521 combinations"):
        sweeps.load(written(file.parent, sweep={}), over=[f"training.epochs={many}", f"training.batch_size={many}"])
    with pytest.raises(ScenarioError, match=r"--set sweep.model=.*give the values of a key by --over"):
        sweeps.load(written(file.parent), ["sweep.model=[mlp]"])
    with pytest.raises(ScenarioError, match="run it by `edgesim sweep`"):
        loading.load(file)
    assert command("run", str(file), "--serial").returncode == 2


def test_validate_and_plan_take_sweeps(tmp_path: Path) -> None:
    file = written(tmp_path)
    done = command("validate", str(file))
    assert "ok (4 points (partition.alpha 2 x model.hidden 2), 72 trials)" in done.stdout
    bad = written(tmp_path, sweep={"partition.alpha": [0.1, "x"]})
    assert command("validate", str(bad)).returncode == 2
    found = json.loads(command("plan", str(written(tmp_path)), "--json").stdout)
    assert len(found["by_method"]) == 4 * 3
    assert found["by_method"][0]["point"] == {"partition.alpha": "0.1", "model.hidden": "[4]"}
    single = json.loads(command("plan", str(written(tmp_path)), "--json").stdout)
    assert found == single


# --- effects by hand --------------------------------------------------------------------------------


def table_by_hand(noise: float = 0.0) -> pd.DataFrame:
    """Accuracy 0.5 + 0.2 a + 0.1 b + 0.05 a b over a, b in {0, 1}, 0.02 more by importance, with noise by seed."""
    rows = []
    for (a, b), seed, device in itertools.product(itertools.product((0, 1), (0, 1)), (0, 1, 2), (0, 1)):
        for method, more in (("random", 0.0), ("importance", 0.02 * (1 + b))):
            value = 0.5 + 0.2 * a + 0.1 * b + 0.05 * a * b + more + 0.01 * device + noise * seed * a
            rows.append({"point": f"{a}{b}", "a": str(a), "b": str(b), "seed": seed, "device": device,
                         "method": method, "keep_ratio": 0.5, "status": "ok", "test_accuracy": value,
                         "device_time_s": 10.0 + 5 * b, "device_energy_j": 7.0, "ratio_rule": ""})  # fmt: skip
    return pd.DataFrame(rows)


LEVELS = {"a": ["0", "1"], "b": ["0", "1"]}


def design(table: pd.DataFrame) -> Design:
    return design_of(table, LEVELS)


def shares_by_hand(values: dict[tuple[int, int], float]) -> tuple[float, float]:
    """Main effects of a 2 x 2 design by contrasts: SS of a contrast = (contrast)^2 / 4."""
    y00, y01, y10, y11 = (values[key] for key in ((0, 0), (0, 1), (1, 0), (1, 1)))
    a, b, ab = (y10 + y11 - y00 - y01) ** 2, (y01 + y11 - y00 - y10) ** 2, (y00 + y11 - y01 - y10) ** 2
    return a / (a + b + ab), b / (a + b + ab)


def test_shares_of_variance_are_those_of_a_two_by_two_design() -> None:
    found = variance_shares(design(table_by_hand()))
    shares = found.table.set_index(["measure", "key"])["share"]
    values = {(a, b): 0.2 * a + 0.1 * b + 0.05 * a * b + 0.01 * (1 + b) for a in (0, 1) for b in (0, 1)}
    of_a, of_b = shares_by_hand(values)
    assert shares["metric", "a"] == pytest.approx(of_a)
    assert shares["metric", "b"] == pytest.approx(of_b)
    assert shares["metric", "interactions"] == pytest.approx(1 - of_a - of_b)
    assert shares["device_time_s", "b"] == pytest.approx(1)
    assert shares["gap", "b"] == pytest.approx(1)
    assert found.missing == ("The emulated energy is the same in every point.",)


def test_the_interval_of_a_share_is_that_of_its_mean_over_seeds() -> None:
    table = table_by_hand(noise=0.1)
    row = variance_shares(design(table)).table.set_index(["measure", "key"]).loc[("metric", "a")]
    each = [variance_shares(design(table[table["seed"] == seed])).table["share"].iloc[0] for seed in (0, 1, 2)]
    half = 4.302653 * np.std(each, ddof=1) / math.sqrt(3)  # t at 97.5 % with two degrees of freedom
    assert row["share"] == pytest.approx(np.mean(each))
    assert row["low"] == pytest.approx(max(0.0, np.mean(each) - half), rel=1e-4)
    one = variance_shares(design(table[table["seed"] == 1])).table
    assert one["low"].isna().all()


def test_missing_trials_leave_points_comparable_and_missing_points_are_said() -> None:
    table = table_by_hand()
    lost = (table["point"] == "11") & (table["device"] == 1)
    table.loc[lost, ["status", "test_accuracy"]] = ["failed", np.nan]
    table.loc[table["device"] == 1, "test_accuracy"] += 0.5  # must not count anywhere
    shares = variance_shares(design(table)).table.set_index(["measure", "key"])["share"]
    whole = variance_shares(design(table_by_hand())).table.set_index(["measure", "key"])["share"]
    assert shares["metric", "a"] == pytest.approx(whole["metric", "a"])
    partly = variance_shares(design(table[table["point"] != "11"]))
    assert partly.table.empty
    assert partly.missing == ("Not every point is finished, so no share of variance is known.",)


def test_means_of_points_and_levels() -> None:
    cells = sweep_cells(table_by_hand(), LEVELS)
    row = cells[(cells["point"] == "01") & (cells["method"] == "importance")].iloc[0]
    assert row["value"] == pytest.approx(0.5 + 0.1 + 0.04 + 0.005)
    assert row["gap"] == pytest.approx(0.04)
    means = means_by(design(table_by_hand()), ["a"]).set_index(["a", "method"])
    assert means.loc[("1", "random"), "value"] == pytest.approx(0.5 + 0.2 + 0.05 + 0.025 + 0.005)
    assert (
        means_by(design(table_by_hand()), ["b"]).set_index(["b", "method"]).loc[("1", "random"), "device_time_s"] == 15
    )


def test_means_by_value_are_over_the_trials_that_every_point_has() -> None:
    """Device 1 is far better and cannot do b = 1: b = 0 is not better for it."""
    table = table_by_hand().assign(profile="phone")
    table.loc[table["device"] == 1, ["test_accuracy", "device_time_s"]] += 0.3
    whole = means_by(design(table[table["device"] == 0]), ["b"])
    table.loc[(table["device"] == 1) & (table["b"] == "1"), ["status", "test_accuracy"]] = ["infeasible", np.nan]
    found = design(table)
    pd.testing.assert_frame_equal(means_by(found, ["b"]), whole)
    both = means_by(found, ["a", "b"]).set_index(["a", "b", "method"])["value"]
    assert both["1", "0", "random"] == pytest.approx(0.7)
    assert found.missing == ("Means and shares are over what ended well in every point; left out: device 1 (phone).",)


def test_methods_of_one_figure_are_over_the_same_devices() -> None:
    table = table_by_hand()
    table.loc[table["device"] == 1, "test_accuracy"] += 0.3
    lost = (table["device"] == 1) & (table["method"] == "importance")
    table.loc[lost, ["status", "test_accuracy"]] = ["infeasible", np.nan]
    means = means_by(design(table), ["a"]).set_index(["a", "method"])["value"]
    assert means["0", "importance"] - means["0", "random"] == pytest.approx(0.03)
    assert "left out: device 1." in design(table).missing[0]
    other = (table["device"] == 0) & (table["method"] == "random")
    table.loc[other, ["status", "test_accuracy"]] = ["failed", np.nan]
    assert "The test accuracy of methods is over different devices" in " ".join(design(table).missing)


def test_an_unfinished_sweep_shows_its_complete_levels_only() -> None:
    table = table_by_hand()
    found = design(table[table["point"] != "11"])
    assert found.complete == {"a": ["0"], "b": ["0", "1"]}
    assert set(means_by(found, ["a"])["a"]) == {"0"}
    assert means_by(found, ["b"])["points"].tolist() == [1] * 4
    assert found.missing[0].endswith("left out: a 1.")
    assert design(table[:0]).missing == ("No point is finished, so there are no means by value.",)


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        ({"importance": "full"}, "there is no method beside random and full"),
        ({"random": "el2n"}, "random was not run"),
        ({}, "no seed, device, method and keep ratio ended well in every point"),
    ],
)
def test_what_has_no_shares_has_its_true_reason(methods: dict[str, str], reason: str) -> None:
    table = table_by_hand()
    table["method"] = table["method"].replace(methods)
    if not methods:  # importance and random together at device 0 here, at device 1 there
        table = table[(table["device"] == 0) == (table["a"] == "0")]
    found = design(table)
    said = [sentence for sentence in found.missing if "minus that of random" in sentence]
    assert said[0].endswith(f"no shares: {reason}.")
    assert not any("_" in sentence for sentence in (*found.missing, *variance_shares(found).missing))


def test_a_value_at_which_nothing_ended_well_is_said() -> None:
    table = table_by_hand()
    table.loc[table["point"] == "11", ["status", "test_accuracy"]] = ["failed", np.nan]
    assert design(table).missing == (
        "The test accuracy, emulated time and emulated energy have no means by value and no shares: "
        "no trial ended well in 1 of 4 points.",
        "The accuracy minus that of random has no means by value and no shares: no trial has a method beside random "
        "in 1 of 4 points.",
    )


def test_one_key_has_no_shares() -> None:
    table = table_by_hand()
    for levels in ({"b": ["0", "1"]}, {"a": ["0"], "b": ["0", "1"]}):
        found = variance_shares(design_of(table[table["a"] == "0"], levels))
        assert found.table.empty
        assert found.missing == ()


def test_swept_keep_ratios_compare() -> None:
    table = table_by_hand()
    table["keep_ratio"] = table["a"].map({"0": 0.2, "1": 0.6})
    means = means_by(design_of(table.rename(columns={"a": "pruning.keep_ratio"}), {
        "pruning.keep_ratio": ["0", "1"], "b": ["0", "1"]
    }), ["pruning.keep_ratio"])  # fmt: skip
    assert means["pruning.keep_ratio"].tolist() == ["0", "0", "1", "1"]


def test_the_interaction_of_two_keys_is_that_of_their_means() -> None:
    found = design(table_by_hand())
    of_table = variance_shares(found).table.set_index(["measure", "key"])["share"]
    assert interaction_share(found, ("a", "b"), "metric") == pytest.approx(of_table["metric", INTERACTIONS])
    assert interaction_share(found, ("a", "b"), "device_time_s") == pytest.approx(0)
    assert math.isnan(interaction_share(found, ("a", "b"), "device_energy_j"))


# --- the folder -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, sweeps.Sweep]:
    """A sweep that is stopped in its second point and then finished, in this process."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "MEASURE_S", 0.02)
        return stopped_and_finished(folder)


def stopped_and_finished(folder: Path) -> tuple[Path, sweeps.Sweep]:
    sweep = sweeps.load(written(folder))
    data, out = sweep_run.DataOfPoints(), folder / "out"
    expected = sweep_run.estimated(sweep, data, (out, None), 1, with_ray=False)
    executors = iter([SerialExecutor(), Stopping(1)])
    options = sweep_run.SweepOptions(lambda: next(executors), lambda _: Silent())
    with pytest.raises(KeyboardInterrupt):
        sweep_run.run_sweep(sweep, out, data, expected, options)
    assert sweep_folder.read(out)["status"] == "stopped"
    shutil.copytree(out, folder / "stopped")
    left = sweep_run.estimated(sweep, data, (out, Resume()), 1, with_ray=False)
    assert (expected.trials, left.trials < 72 - 18) == (72, True)
    assert min(left.time_s, expected.time_s) > 0
    first = os.stat(out / sweep.points[0].name / "records.parquet").st_mtime_ns
    options = sweep_run.SweepOptions(SerialExecutor, lambda _: Silent(), Resume())
    sweep_run.run_sweep(sweep, out, data, left, options)
    assert os.stat(out / sweep.points[0].name / "records.parquet").st_mtime_ns == first
    return out, sweep


def test_a_sweep_has_a_run_per_point_and_one_table(swept: tuple[Path, sweeps.Sweep]) -> None:
    out, sweep = swept
    table = pd.read_parquet(out / "sweep.parquet")
    assert len(table) == 72
    assert table.columns[:3].tolist() == ["point", "partition.alpha", "model.hidden"]
    for point in sweep.points:
        own = table[table["point"] == point.name]
        records = Run(out / point.name).records
        assert own["test_accuracy"].tolist() == records["test_accuracy"].tolist()
        assert set(own["partition.alpha"]) == {str(point.values["partition.alpha"])}
    told = sweep_folder.read(out)
    assert told["status"] == "finished"
    assert told["took_s"] > 0
    assert not (out / ".lock").exists()


def test_the_page_and_other_commands_take_the_folder(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    out, _ = swept
    assert command("report", str(out)).returncode == 0
    text = (out / "sweep.html").read_text()
    titles = ["Which key matters most", "partition.alpha", "model.hidden", "partition.alpha and model.hidden", "Points"]
    assert all(f"{title}</h2>" in text for title in titles)
    for level in ("[4]", "[16]"):  # a panel per level and quantity
        assert f"Test accuracy against partition.alpha, model.hidden = {level}" in text
    assert "explains the largest share of the variance of the test accuracy" in text
    compared = json.loads(command("compare", str(out), "--json").stdout)
    assert "differences" in json.dumps(compared)
    listed = json.loads(command("runs", str(out), "--json").stdout)
    assert [run["points"] for run in listed] == [4, 0, 0, 0, 0]
    assert [run["path"] for run in listed] == sorted(run["path"] for run in listed)


def test_panels_of_a_quantity_share_an_axis_and_those_without_interaction_are_named(
    swept: tuple[Path, sweeps.Sweep], tmp_path: Path
) -> None:
    page = sweep_page.of_sweep(swept[0])
    (pair,) = (part for part in page.sections if part.key == "pair-0")
    of_column: dict[str, list[Any]] = {}
    for figure in pair.figures:
        of_column.setdefault(figure.key.split("-")[1], []).append(figure.spec)
    assert {"value", "gap"} <= of_column.keys()
    for specs in of_column.values():
        (axis,) = {tuple(spec["layout"]["yaxis"]["range"]) for spec in specs}
        values = [y for spec in specs for trace in spec["data"] for y in trace["y"] if y is not None]
        assert len(specs) == 2
        assert axis[0] < min(values) <= max(values) < axis[1]
    # Every point trains as many samples: neither time nor energy depends on how they are split.
    assert "The emulated time and emulated energy have no panels" in pair.limits[0]
    text = sweep_page.write(swept[0], tmp_path / "page.md").read_text()
    for caption in ("Means by partition.alpha", "Means by model.hidden", "Means by partition.alpha and model.hidden"):
        assert f"{caption}:" in text
    assert "share of the variance" in text
    assert "device_time_s:" not in text


def test_a_sweep_of_one_key_says_nothing_of_shares(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    """The sweep at one of its two alphas, and with one seed."""
    out = tmp_path / "out"
    shutil.copytree(swept[0], out)
    told = sweep_folder.read(out)
    told["keys"].pop("partition.alpha")
    told["points"] = [
        {**point, "levels": {"model.hidden": point["levels"]["model.hidden"]}} for point in told["points"][:2]
    ]
    sweep_folder.write(out, told)
    page = sweep_page.of_sweep(out)
    assert [part.key for part in page.sections] == ["key-0", "points"]
    assert page.verdict.findings == []
    assert not any("share" in limit for limit in page.verdict.limits)


def test_an_unfinished_point_is_in_no_mean(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    out, point = tmp_path / "out", swept[1].points[3].name
    shutil.copytree(swept[0], out)
    records = pd.read_parquet(out / point / "records.parquet")
    write_table(out / point, "records", records.iloc[:5])
    page = sweep_page.of_sweep(out)
    assert ("Points", "3 of 4 finished") in page.facts
    assert any(limit.endswith("left out: partition.alpha 5.0.") for limit in page.verdict.limits)
    assert page.sections[0].tables[0].data["partition.alpha"].unique().tolist() == ["0.1"]


def test_a_sweep_is_priced_on_fleets_point_by_point(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    refused = command("compare", str(swept[0]), "--fleet", "phones", columns=1000)
    assert refused.returncode == 2
    (again,) = re.findall(r"`edgesim (compare [^`]*)`", refused.stderr)
    assert command(*again.split()).returncode == 0
    file = written(tmp_path)
    refused = command("compare", str(file), "--fleet", "phones", "--fleet", "raspberry-pis", columns=1000)
    assert refused.returncode == 2
    assert f"`edgesim sweep {file} --out FOLDER`" in refused.stderr
    assert f"`edgesim sweep {file} --over fleet=phones,raspberry-pis`" in refused.stderr
    assert len(sweeps.load(file, over=["fleet=phones,raspberry-pis"]).points) == 8


def test_points_without_results_are_left_out_of_a_comparison(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    out, (first, *others) = tmp_path / "out", swept[1].points
    shutil.copytree(swept[0], out)
    shutil.rmtree(out / others[0].name)
    for file in (out / others[1].name).iterdir():
        if file.name != "run.json":
            file.unlink()
    begun = json.loads((out / others[1].name / "run.json").read_text())
    (out / others[1].name / "run.json").write_text(json.dumps({**begun, "status": "interrupted"}))
    compared = command("compare", str(out), "--json")
    assert compared.returncode == 0, compared.stderr
    left_out = f"{others[0].name}, {others[1].name}"
    assert f"{out}: left out, as no trial ended well: {left_out}" in compared.stderr
    assert others[2].name in compared.stdout
    shutil.rmtree(out / others[2].name)
    alone = command("compare", str(out))
    assert alone.returncode == 2
    assert f"nothing to compare {out / first.name} with" in " ".join(alone.stderr.split())
    shutil.rmtree(out / first.name)
    nothing = command("compare", str(out), "--fleet", "phones")
    assert nothing.returncode == 2
    assert "no trial of any point ended well, so there is nothing to compare" in " ".join(nothing.stderr.split())


@pytest.mark.usefixtures("ray_started")
def test_points_share_the_workers_of_ray_and_equal_those_of_one_process(
    swept: tuple[Path, sweeps.Sweep], tmp_path: Path
) -> None:
    serial, sweep = swept
    lasting = RayExecutor(1, lasting=True)
    hosts = []

    def executor() -> RayExecutor:
        hosts.append([host.actor for host in lasting._kept])
        return lasting

    two = dataclasses.replace(sweep, points=sweep.points[:2])
    expected = sweep_run.SweepEstimate(36, 1.0, 1.0, MachineLoad(2, 0.0), "")
    try:
        options = sweep_run.SweepOptions(executor, lambda _: Silent())
        sweep_run.run_sweep(two, tmp_path / "out", sweep_run.DataOfPoints(), expected, options)
        assert hosts[0] == []
        assert hosts[1] == [host.actor for host in lasting._kept]
    finally:
        lasting.end()
    for point in two.points:
        found, wanted = (Run(folder / point.name).records for folder in (tmp_path / "out", serial))
        own = [name for name in wanted if not name.startswith("host_")]
        pd.testing.assert_frame_equal(found[own], wanted[own])


def test_folders_of_others_are_refused(swept: tuple[Path, sweeps.Sweep], tmp_path: Path) -> None:
    out, _ = swept
    with pytest.raises(RunError, match="holds a sweep already"):
        sweep_folder.check_new(out)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RunError, match=r"no sweep wrote \(mine.txt\)"):
        sweep_folder.check_new(tmp_path)
    other = sweeps.load(written(tmp_path), over=["partition.alpha=0.2,5.0"])
    with pytest.raises(RunError, match="was made by another sweep"):
        sweep_run.check_same(other, out)
    (tmp_path / "sweep.json").write_text('{"name": 1}')
    with pytest.raises(RunError, match="is damaged"):
        sweep_folder.read(tmp_path)


def test_a_dry_run_ends_before_anything_is_written(tmp_path: Path) -> None:
    file = written(tmp_path, sweep={"partition.alpha": [0.5, 5.0]}, seeds=[0])
    done = command("sweep", str(file), "--serial", "--dry-run", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 points (partition.alpha 2), 18 trials" in done.stdout
    assert "18 trials to run on 1 worker: about " in done.stdout
    assert not (tmp_path / "out").exists()
    assert command("sweep", str(file), "--resume").returncode == 2


def test_trackers_of_a_sweep_are_named_on_the_command_line(tmp_path: Path) -> None:
    wrong = command(
        "sweep", "quickstart", "--over", "training.epochs=1,2", "--track", "mlfow", "--dry-run", cwd=tmp_path
    )
    assert (wrong.returncode, "did you mean 'mlflow'" in wrong.stderr) == (2, True), wrong.stderr


def test_a_sweep_has_a_line_with_its_points_and_the_command_that_goes_on(swept: tuple[Path, sweeps.Sweep]) -> None:
    folder, names = swept[0].parent, [point.name for point in swept[1].points]
    told = json.loads((folder / "stopped" / "sweep.json").read_text())
    told |= {"command": "edgesim sweep tiny.yaml --serial --out old", "status": "running"}  # as after kill -9
    (folder / "stopped" / "sweep.json").write_text(json.dumps(told))
    (state,) = (run for run in runs_below(folder) if run.path == folder / "stopped")
    assert (state.status, state.points_done, state.points, state.trials) == ("stopped", 1, 4, 72)
    assert 18 < state.ended < 36
    assert 0 < state.left_s < 600
    assert state.reason == f"2 points not begun: {names[2]}, {names[3]}"
    assert state.go_on == f"edgesim sweep tiny.yaml --serial --out {folder / 'stopped'} --resume"
    assert ("Status", "stopped") in sweep_page.of_sweep(folder / "stopped").facts
    shown = command("runs", str(folder), columns=200).stdout
    assert re.search(r"stopped +stopped +1/4 ", shown)
    shutil.rmtree(folder / "stopped" / names[1])  # killed between two points
    for lock in (folder_lock.acquired(folder / "stopped"), None):
        state = state_of_sweep(folder / "stopped")
        assert (state.status, state.go_on == "") == (("running", True) if lock else ("stopped", False))
        if lock:
            lock.release()
    (folder / "stopped" / progress_file.FILE).unlink()
    assert state_of_sweep(folder / "stopped").left_s == told["estimated_beside_others_s"]
    finished = state_of_sweep(swept[0])
    assert (finished.status, finished.points_done, finished.go_on, finished.reason) == ("finished", 4, "", "")
    assert math.isnan(finished.left_s)
    assert not (swept[0] / progress_file.FILE).exists()
    (folder / "stopped" / "sweep.json").write_text("{")
    assert state_of_sweep(folder / "stopped").status == "damaged"


@pytest.fixture
def resumed(
    swept: tuple[Path, sweeps.Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """A copy of the finished sweep, and the words that resume it."""
    monkeypatch.setattr(estimate, "MEASURE_S", 0.02)
    shutil.copytree(swept[0], tmp_path / "out")
    return tmp_path / "out", ["sweep", str(written(tmp_path)), "--serial", "--out", str(tmp_path / "out"), "--resume"]


def test_a_changed_page_is_not_replaced(resumed: tuple[Path, list[str]]) -> None:
    out, words = resumed
    sweep_page.write(out, out / "sweep.html")
    with (out / "sweep.html").open("a") as file:
        file.write("<!-- mine -->\n")
    before = [(out / name).read_bytes() for name in ("sweep.html", "sweep.json")]
    done = command(*words)
    assert done.returncode == 2
    assert "edgesim did not write it as it is now; move it away" in " ".join(done.stderr.split())
    assert [(out / name).read_bytes() for name in ("sweep.html", "sweep.json")] == before
    (out / "sweep.html").unlink()
    assert command(*words).returncode == 0
    assert (out / "sweep.html").exists()


def test_a_refused_resumption_leaves_everything_as_it_was(resumed: tuple[Path, list[str]]) -> None:
    out, words = resumed
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = command(*words, "--set", "training.epochs=2")
    assert done.returncode == 1
    assert "training.epochs: was 1, now 2" in done.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    last = sorted(path for path in out.iterdir() if path.is_dir())[-1]
    scenario = yaml.safe_load((last / "scenario.yaml").read_text())
    (last / "scenario.yaml").write_text(yaml.safe_dump({**scenario, "seeds": [0, 7]}))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert command(*words).returncode == 1
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"keys": {}}', '{"keys": {}, "points": 3}', None])
def test_a_lost_or_damaged_sweep_json_is_written_anew(resumed: tuple[Path, list[str]], damage: str | None) -> None:
    out, words = resumed
    before = sweep_folder.read(out)
    (out / "sweep.json").unlink()
    if damage is not None:
        (out / "sweep.json").write_text(damage)
        assert "with --out and --resume, writes it anew" in " ".join(command("report", str(out)).stderr.split())
    other = command(*words, "--over", "partition.alpha=0.3,5.0")
    assert other.returncode == 1
    assert "is a run of no point of it" in " ".join(other.stderr.split())
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "is lost or damaged; it is written anew, for 4 points" in " ".join(done.stderr.split())
    after = sweep_folder.read(out)
    assert [after[key] for key in ("keys", "points", "trials")] == [before[key] for key in ("keys", "points", "trials")]
    assert after["status"] == "finished"


def test_a_point_whose_run_json_is_lost_goes_on(resumed: tuple[Path, list[str]]) -> None:
    out, words = resumed
    point = next(path for path in sorted(out.iterdir()) if path.is_dir())
    (point / "run.json").unlink()
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert len(Run(point).records) == 18
    assert Run(point).info["status"] == "finished"
