"""`transfer`: trained networks fine-tuned on another data set; its work, price, limits and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datafiles import pixels, write_npz

import edgesim
from edgesim.analysis.transferred import transferred
from edgesim.errors import EdgesimError, ScenarioError
from edgesim.models.adoption import adopt
from edgesim.report import write_all
from edgesim.results import repricing
from edgesim.runtime import SerialExecutor

SIZE = 20
"""training samples of the other data set"""


def other(folder: Path, side: int = 8, classes: int = 3) -> str:
    """A data set of grey images in another folder."""
    arrays = {"x_train": pixels(SIZE, side, side, 1), "y_train": np.arange(SIZE) % classes,
              "x_test": pixels(9, side, side, 1, seed=1), "y_test": np.arange(9) % classes}  # fmt: skip
    return str(write_npz(folder / f"other-{side}-{classes}.npz", **arrays))


def document(file: str, **changes: object) -> dict:
    return {
        "name": "tuned",
        "dataset": {"name": "digits", "limit_train": 60, "limit_test": 20},
        "partition": "iid",
        "fleet": {"groups": [{"profile": "raspberry-pi-5", "count": 1}, {"profile": "jetson-nano", "count": 1}]},
        "model": "small-cnn",
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01},
        "pruning": {"methods": ["full", "random"], "keep_ratio": [0.5]},
        "transfer": {"to": {"name": "npz", "root": file}, "epochs": 3},
        **changes,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def run(folder: Path) -> edgesim.Run:
    return edgesim.run(edgesim.load_scenario(document(other(folder))), out=folder / "run", executor=SerialExecutor())


def own(records: pd.DataFrame) -> pd.DataFrame:
    return records[[name for name in records if name.startswith("transfer_")]]


def test_work_and_price_are_those_of_three_epochs_on_ten_samples(run):
    """Batches of 8 and 2: 2 steps an epoch; the closed form is 3 · 10 · F / throughput."""
    records = run.records
    assert (records["status"] == "ok").all()
    assert set(records["transfer_shard_size"]) == {10.0}
    assert set(records["transfer_steps"]) == {6.0}
    flops = run.terms.transfer.workload.train_flops * 30
    assert records["transfer_flops"].tolist() == [flops] * len(records)
    speed = run.devices.set_index("device")["throughput_flops_per_s"]
    power = run.devices.set_index("device")["power_w"]
    for _, one in records.iterrows():
        assert one["transfer_analytic_time_s"] == pytest.approx(flops / speed[one["device"]])
        assert one["transfer_analytic_energy_j"] == pytest.approx(flops / speed[one["device"]] * power[one["device"]])
        assert one["transfer_device_time_s"] > one["transfer_analytic_time_s"]
        assert 0 <= one["transfer_test_accuracy"] <= 1
    assert run.terms.transfer.workload.parameters < run.terms.workload.parameters  # 3 classes instead of 10


def test_plan_says_what_the_run_records(run):
    planned = edgesim.plan(edgesim.load_scenario(run.scenario))
    keys = ["device", "method", "keep_ratio"]
    prices = [name for name in planned if name.startswith("transfer_")]
    assert len(prices) == 8
    pd.testing.assert_frame_equal(
        planned.sort_values(keys)[prices].reset_index(drop=True),
        run.records.sort_values(keys)[prices].reset_index(drop=True),
    )


def test_other_columns_are_those_of_a_run_without(run, folder):
    scenario = edgesim.load_scenario({name: part for name, part in document("").items() if name != "transfer"})
    without = edgesim.run(scenario, out=folder / "without", executor=SerialExecutor()).records
    assert not [name for name in without if name.startswith("transfer")]
    same = [name for name in without if not name.startswith("host_")]
    pd.testing.assert_frame_equal(run.records[same], without[same], check_exact=True)
    assert "transfer" not in (folder / "without" / "scenario.yaml").read_text()


def test_a_resumed_run_on_another_order_is_equal_bit_for_bit(run, folder):
    """Half of its journal is there; a single method in another run gives the same, too."""
    from edgesim.results.serialization import to_line

    out = folder / "resumed"
    scenario = edgesim.load_scenario(run.scenario)
    only = edgesim.load_scenario(run.scenario, {"pruning.methods": ["random"]})
    edgesim.run(only, out=out, executor=SerialExecutor())
    half = repricing.read_results(out)
    again = edgesim.run(scenario, out=folder / "again", executor=SerialExecutor())
    rows = own(again.records[again.records["method"] == "random"])
    pd.testing.assert_frame_equal(own(pd.read_parquet(out / "records.parquet")).reset_index(drop=True),
                                  rows.reset_index(drop=True), check_exact=True)  # fmt: skip
    for name in ("records.parquet", "work.parquet"):
        (folder / "again" / name).unlink()
    (folder / "again" / "journal.jsonl").write_text("".join(map(to_line, half)))
    resumed = edgesim.run(scenario, out=folder / "again", executor=SerialExecutor(), resume=True)
    pd.testing.assert_frame_equal(own(resumed.records), own(run.records), check_exact=True)


def test_another_fleet_has_its_own_price_and_the_same_accuracy(run, folder):
    fleet = folder / "phones.yaml"
    fleet.write_text("groups: [{profile: galaxy-note10, count: 2}]\n")
    found = repricing.reprice(run, repricing.on_fleet(run, fleet))
    assert found["transfer_test_accuracy"].tolist() == run.records["transfer_test_accuracy"].tolist()
    plan = edgesim.plan(repricing.on_fleet(run, fleet))
    assert set(found["transfer_device_time_s"]) == set(plan["transfer_device_time_s"])
    assert set(found["transfer_device_time_s"]).isdisjoint(run.records["transfer_device_time_s"])


def test_adopted_weights_are_all_but_the_heads():
    trained, fresh = (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, n)) for n in (5, 2))
    head = fresh[1].weight.detach().clone()
    adopt(trained, fresh, keeps_head=False)
    assert torch.equal(fresh[0].weight, trained[0].weight)
    assert torch.equal(fresh[1].weight, head)
    same = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 5))
    adopt(trained, same, keeps_head=True)
    assert torch.equal(same[1].weight, trained[1].weight)
    pooled = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    adopt(trained, pooled, keeps_head=False)
    assert torch.equal(pooled[1].weight, trained[0].weight)  # by their order, whatever layers without weights there are
    wide = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Linear(3, 5))
    with pytest.raises(EdgesimError, match=r"0\.weight \(shape \(3, 6\) instead of \(3, 4\)\)"):
        adopt(trained, wide, keeps_head=True)


def test_a_device_without_the_energy_for_it_is_infeasible(folder):
    battery = {"profile": "raspberry-pi-5", "count": 1, "energy": {"source": "battery", "capacity_j": 60.0}}
    long = document(other(folder), fleet={"groups": [battery]}, training={"epochs": 1, "batch_size": 8})
    long["transfer"]["epochs"] = 100_000
    plan = edgesim.plan(edgesim.load_scenario(long))
    assert set(plan["limit"]) == {"energy"}
    assert plan["reason"].str.startswith("transfer: the battery is empty").all()
    result = edgesim.run(edgesim.load_scenario(long), out=folder / "dry", executor=SerialExecutor()).records
    assert set(result["status"]) == {"infeasible"}
    assert result["reason"].tolist() == plan["reason"].tolist()


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"transfer": {"epochs": 2}}, "transfer.to", "is missing"),
        ({"transfer": {"to": "digit"}}, "transfer.to", "digits"),
        ({"transfer": {"to": "digits", "epoch": 2}}, "transfer.epoch", "epochs"),
        ({"transfer": {"to": "digits", "epochs": 0}}, "transfer.epochs", "0"),
        ({"transfer": {"to": "digits", "partition": "idd"}}, "transfer.partition", "iid"),
        ({"transfer": {"to": {"name": "voc", "root": "x"}}}, "transfer.to", "is a detection"),
        ({"transfer": "digits"}, "transfer", "map"),
    ],
)
def test_bad_documents(changes, path, words):
    with pytest.raises(ScenarioError) as caught:
        edgesim.load_scenario(document("x.npz", **changes))
    (fault,) = caught.value.faults
    assert fault.path.removesuffix(".name") == path
    assert words in fault.message


def test_data_that_do_not_fit_are_faults_before_any_work(folder):
    for changes, words in (
        ({"transfer": {"to": {"name": "npz", "root": "missing.npz"}}}, "missing.npz"),
        ({"model": "mlp", "transfer": {"to": {"name": "npz", "root": other(folder, 6)}}}, "not its last linear layer"),
    ):
        with pytest.raises(ScenarioError, match=words) as caught:
            edgesim.plan(edgesim.load_scenario(document("", **changes)))
        assert [fault.path for fault in caught.value.faults] == ["transfer.to"]


def test_the_page_has_the_accuracies(run):
    table = transferred(run.records).table
    full, random = table.to_dict("records")
    mean = run.records.groupby("method")["transfer_test_accuracy"].mean()
    assert full["transfer_test_accuracy"] == pytest.approx(mean["full"])
    assert random["transfer_gap"] == pytest.approx(mean["random"] - mean["full"])
    assert np.isnan(full["transfer_gap"])
    write_all(run, [run.path / "report.html", run.path / "report.md"])
    text = (run.path / "report.md").read_text(encoding="utf-8")
    assert text.count("Accuracy on the other data set:") == 1
    assert "Accuracy on the other data set" in (run.path / "report.html").read_text(encoding="utf-8")
    assert transferred(run.records.drop(columns="transfer_test_accuracy")).table.empty
