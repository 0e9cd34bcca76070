"""`training.initial_weights`: trainings that start from a file of weights; its formats, its fit and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import edgesim
from edgesim.errors import EdgesimError, RunError, ScenarioError
from edgesim.models.catalog import Mlp, ResNet18
from edgesim.models.initial_weights import InitialWeights, fitted
from edgesim.planning.fleet_pricer import plan_fleet
from edgesim.planning.run_plan import plan_run
from edgesim.pruning.warmup_replicas import fresh_model
from edgesim.results import repricing
from edgesim.runtime import RayExecutor, SerialExecutor
from edgesim.scenario.experiment import load_dataset
from edgesim.sessions import preflight
from edgesim.tasks import NetworkForm

FORM = NetworkForm((1, 8, 8), 10)
LAYERS = ("1.weight", "1.bias", "3.weight", "3.bias")
"""of an mlp with one hidden layer"""


def state(classes: int = 10, hidden: int = 6, seed: int = 5) -> dict[str, torch.Tensor]:
    """Weights of an mlp on digits."""
    rng = np.random.default_rng(seed)
    shapes = ((hidden, 64), (hidden,), (classes, hidden), (classes,))
    return {
        name: torch.tensor(rng.normal(size=shape), dtype=torch.float32)
        for name, shape in zip(LAYERS, shapes, strict=True)
    }


def saved(folder: Path, weights: Mapping[str, torch.Tensor], name: str = "weights.safetensors") -> Path:
    save_file({key: value.detach().contiguous() for key, value in weights.items()}, folder / name)
    return folder / name


def taken(path: Path, fresh: tuple[str, ...] = (), classes: int = 10) -> InitialWeights:
    return fitted(path, Mlp(hidden=(6,)), "mlp", NetworkForm((1, 8, 8), classes), fresh)


def document(file: Path | None, **changes: Any) -> dict[str, Any]:
    given = {} if file is None else {"initial_weights": str(file)}
    return {
        "name": "started",
        "dataset": {"name": "digits", "limit_train": 60, "limit_test": 40},
        "partition": "iid",
        "fleet": {"groups": [{"profile": "raspberry-pi-5", "count": 2}]},
        "model": {"name": "mlp", "hidden": [6]},
        # so small a step that a weight of 1 does not move
        "training": {"epochs": 1, "batch_size": 16, "optimizer": "sgd", "learning_rate": 1e-9, **given},
        "pruning": {"methods": ["full", "el2n"], "keep_ratio": [0.5]},
        "run": {"keep_models": True},
        **changes,
    }  # fmt: skip


def run(folder: Path, given: dict[str, Any], executor: Any = None) -> edgesim.Run:
    return edgesim.run(edgesim.load_scenario(given), out=folder, executor=executor or SerialExecutor())


def equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_every_training_starts_from_the_file(tmp_path: Path) -> None:
    """At a learning rate that moves nothing, the trained networks are those of the file, and so are the scores."""
    weights = state()
    given = document(saved(tmp_path, weights))
    given["pruning"]["methods"] = ["full", {"name": "el2n", "replicas": 3}]
    found = run(tmp_path / "run", given)
    for method in ("full", "el2n"):
        network = edgesim.load_model(found, method, seed=0, device=1)
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, weights[name], rtol=0, atol=1e-6)
    data = load_dataset(edgesim.load_scenario(document(None)))
    network = Mlp(hidden=(6,)).build((1, 8, 8), 10)
    network.load_state_dict(weights)
    mean, spread = (torch.tensor(one).view(-1, 1, 1) for one in data.normalisation())

    def outputs(samples: Any) -> torch.Tensor:
        images = torch.tensor(np.array(samples)).permute(0, 3, 1, 2).float() / 255
        return network((images - mean) / spread).detach()

    right = outputs(data.test_samples).argmax(1).numpy() == data.test_labels
    assert set(found.records["test_accuracy"]) == {right.mean()}
    labels = torch.tensor(np.array(data.train_labels)).long()
    errors = outputs(data.train_samples).softmax(1) - nn.functional.one_hot(labels, 10)
    chosen = found.selections[(found.selections["method"] == "el2n") & (found.selections["device"] == 0)]
    kept = set(chosen["index"])
    shard = found.shards[found.shards["device"] == 0]["index"].to_numpy()
    assert kept == set(shard[np.argsort(-errors.norm(dim=1).numpy()[shard], kind="stable")[: len(kept)]])
    assert found.info["training_notes"] == [
        "networks start from the weights of weights.safetensors, with all layers; so do all replicas of el2n"
    ]


def test_without_it_the_document_does_not_name_it(tmp_path: Path) -> None:
    """So runs of earlier versions go on."""
    assert "initial_weights" not in edgesim.load_scenario(document(None)).to_yaml()
    file = saved(tmp_path, state())
    again = edgesim.load_scenario(edgesim.load_scenario(document(file)).document)
    assert (again.training.initial_weights, again.training.fresh_layers) == (str(file), ())


def test_a_run_in_ray_has_the_same_records(tmp_path: Path, ray_started: None) -> None:
    given = document(saved(tmp_path, state(classes=4)), seeds=[0, 1])
    given["training"] |= {"learning_rate": 0.1}
    one, two = run(tmp_path / "one", given), run(tmp_path / "two", given, RayExecutor(hosts=2))
    assert one.records["test_accuracy"].tolist() == two.records["test_accuracy"].tolist()
    assert one.records["status"].tolist() == ["ok"] * 8


@pytest.mark.parametrize(
    "weights",
    [
        state(),
        {f"module.{name}": value for name, value in state().items()},
        {name: value.double() for name, value in state().items()},
    ],
    ids=["plain", "DataParallel", "another number format"],
)
def test_formats(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    found = taken(saved(tmp_path, weights))
    assert equal(found.values, {name: value.numpy() for name, value in state().items()})
    assert (found.random, found.unused) == ((), ())


def test_a_head_of_other_classes_starts_at_random(tmp_path: Path) -> None:
    file = saved(tmp_path, {**state(classes=3), "aux.weight": torch.ones(2)})
    found = taken(file)
    assert list(found.values) == list(LAYERS[:2])
    said = "networks start from the weights of weights.safetensors; layers 3 start at random; not in the network are"
    assert found.in_words == f"{said} the file's aux"
    started, plain = (run(tmp_path / name, document(one)) for name, one in (("file", file), ("random", None)))
    one, other = (edgesim.load_model(of, "full", seed=0, device=0).state_dict() for of in (started, plain))
    torch.testing.assert_close(one["3.weight"], other["3.weight"], rtol=0, atol=1e-6)  # as it would have been drawn
    assert not torch.allclose(one["1.weight"], other["1.weight"])


def test_fresh_layers_start_at_random(tmp_path: Path) -> None:
    """torchvision's ResNet-18 has a 7x7 stem; edgesim's has one of 3x3 for small images."""
    import torchvision

    theirs = torchvision.models.resnet18(weights=None).state_dict()
    del theirs["bn1.num_batches_tracked"]  # as in old files
    file, form = saved(tmp_path, theirs), NetworkForm((3, 32, 32), 10)
    with pytest.raises(EdgesimError, match=r"conv1.weight is of shape \(64, 3, 7, 7\) instead of \(64, 3, 3, 3\); use"):
        fitted(file, ResNet18(), "resnet18", form, ())
    found = fitted(file, ResNet18(), "resnet18", form, ("conv1",))
    assert found.random == ("conv1", "fc")
    network = ResNet18().build((3, 32, 32), 10)
    assert network.state_dict().keys() - found.values.keys() == {
        "conv1.weight", "fc.weight", "fc.bias", "bn1.num_batches_tracked"
    }  # fmt: skip
    assert np.array_equal(found.values["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])


def test_a_network_of_one_linear_layer_takes_its_head_as_a_whole(tmp_path: Path) -> None:
    model = SimpleNamespace(build=lambda shape, classes: nn.Linear(4, classes))
    weights = nn.Linear(4, 2).state_dict()
    assert set(fitted(saved(tmp_path, weights), model, "one", NetworkForm((4,), 2), ()).values) == {"weight", "bias"}
    with pytest.raises(EdgesimError, match="gives no weight to one: each of its layers is a fresh one"):
        fitted(saved(tmp_path, weights), model, "one", NetworkForm((4,), 3), ())
    del weights["bias"]
    with pytest.raises(EdgesimError, match=r"bias of shape \(2,\) is missing"):
        fitted(saved(tmp_path, weights), model, "one", NetworkForm((4,), 2), ())


@pytest.mark.parametrize(
    ("content", "fresh", "message"),
    [
        ({n: v for n, v in state().items() if n != "1.bias"}, (), r"1.bias of shape \(6,\) is missing"),
        (state(hidden=7), (), r"1.weight is of shape \(7, 64\) instead of \(6, 64\); 1.bias"),
        ({**state(), "1.bias": torch.full((6,), torch.nan)}, (), "1.bias has numbers that are not finite"),
        ({**state(), "1.bias": torch.full((6,), 1e300, dtype=torch.float64)}, (), "1.bias has numbers that are not"),
        ({**state(), "1.bias": torch.ones(6, dtype=torch.complex64)}, (), "1.bias has complex numbers"),
        ({n.replace("3.", "head."): v for n, v in state().items()}, (), r"3.weight of shape \(10, 6\) is missing"),
        ({}, (), r"1.weight of shape \(6, 64\) is missing; 1.bias of shape \(6,\) is missing; 3.weight of"),
        (state(), ("2",), "mlp has no layer '2' with weights.*name one of 1, 3$"),
        (state(), ("1", "3"), "gives no weight to mlp: each of its layers is a fresh one; leave out initial_weights"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, content: Any, fresh: tuple[str, ...], message: str) -> None:
    with pytest.raises(EdgesimError, match=message):
        taken(saved(tmp_path, content), fresh)


class _Code:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_other_files_are_refused_and_no_code_of_theirs_is_run(tmp_path: Path) -> None:
    file, ran = tmp_path / "w.safetensors", tmp_path / "ran"
    whole = saved(tmp_path, state()).read_bytes()
    torch.save(state(), tmp_path / "a.pth")
    torch.save(_Code(ran), tmp_path / "b.pth")
    pickles = [(tmp_path / name).read_bytes() for name in ("a.pth", "b.pth")]
    for content in (b"", b"<html>not found</html>", b"{}", whole[: len(whole) // 2], *pickles):
        file.write_bytes(content)
        with pytest.raises(
            EdgesimError, match=r"w.safetensors cannot be read as safetensors: .*; write it by safetens"
        ):
            taken(file)
    with pytest.raises(EdgesimError, match="cannot be read as safetensors"):
        taken(tmp_path)
    assert not ran.exists()


def test_faults_name_their_place(tmp_path: Path) -> None:
    missing = edgesim.load_scenario(document(tmp_path / "none.safetensors"))
    with pytest.raises(
        ScenarioError, match=r"training.initial_weights: '.*none.safetensors' does not exist \(looked for "
    ):
        edgesim.plan(missing)
    found = preflight.inspect(missing)
    assert [fault.path for fault in found.faults] == ["training.initial_weights"]
    unknown = document(saved(tmp_path, state()))
    unknown["training"]["fresh_layers"] = ["33"]
    with pytest.raises(ScenarioError, match=r"training\.fresh_layers: mlp has no layer '33'.*did you mean '3'"):
        edgesim.plan(edgesim.load_scenario(unknown))
    with pytest.raises(ScenarioError, match=r"training\.fresh_layers: is for weights of a file; give `initial"):
        edgesim.load_scenario(document(None, training={"fresh_layers": ["1"]}))


def test_plan_and_check_say_what_starts_from_the_file(tmp_path: Path) -> None:
    scenario = edgesim.load_scenario(document(saved(tmp_path, state(classes=3))))
    said = "networks start from the weights of weights.safetensors; layers 3 start at random"
    assert said in plan_fleet(scenario).training_notes
    assert said in plan_run(scenario).training_notes
    assert said in preflight.inspect(scenario).facts


def test_a_changed_file_is_not_mixed_with_the_old_one(tmp_path: Path) -> None:
    given = document(saved(tmp_path, state()))
    first = run(tmp_path / "run", given)
    assert first.info["identity"]["initial_weights"].keys() == {given["training"]["initial_weights"]}
    (first.path / "records.parquet").unlink()  # as if it had not ended
    (first.path / "journal.jsonl").write_text("")
    saved(tmp_path, state(seed=6))
    with pytest.raises(RunError, match=r"initial_weights.*: was .*, now "):
        edgesim.run(edgesim.load_scenario(given), out=first.path, resume=True, executor=SerialExecutor())


def test_replicas_keep_the_weights_of_the_file() -> None:
    """Other initial weights are drawn by shuffling; a file's are no draw."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        return Mlp(hidden=(6,)).build((1, 8, 8), 10)

    context = SimpleNamespace(
        build_model=build, rng=lambda purpose: np.random.default_rng(1), given_weights=frozenset(LAYERS[:2])
    )
    own, other = build().state_dict(), fresh_model(context, "replica 2").state_dict()  # type: ignore[arg-type]
    assert torch.equal(own["1.weight"], other["1.weight"])
    assert not torch.equal(own["3.weight"], other["3.weight"])


class _Masked(nn.Module):
    """A weight of its own beside its layer, a mask, and a state that is no tensor."""

    def __init__(self, classes: int, places: int = 4) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(places))
        self.register_buffer("mask", torch.full((2,), -torch.inf))
        self.head = nn.Linear(4, classes)

    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: dict[str, int]) -> None: ...


def test_weights_of_the_network_itself_and_masks(tmp_path: Path) -> None:
    model = SimpleNamespace(build=lambda shape, classes: _Masked(classes))
    own = {name: value for name, value in _Masked(2).state_dict().items() if name != "_extra_state"}
    found = fitted(saved(tmp_path, own), model, "one", NetworkForm((4,), 2), ())
    assert set(found.values) == {"place", "mask", "head.weight", "head.bias"}
    wider = {**own, "place": torch.zeros(9)}
    with pytest.raises(EdgesimError, match=r"place is of shape \(9,\) instead of \(4,\)"):
        fitted(saved(tmp_path, wider), model, "one", NetworkForm((4,), 2), ())
    found = fitted(saved(tmp_path, wider), model, "one", NetworkForm((4,), 2), ("place", "head.bias"))
    assert (set(found.values), found.random) == ({"mask", "head.weight"}, ("place", "head"))
    for wrong in ({**own, "mask": torch.full((2,), torch.nan)}, {**own, "place": torch.full((4,), torch.inf)}):
        with pytest.raises(EdgesimError, match="has numbers that are not finite"):
            fitted(saved(tmp_path, wrong), model, "one", NetworkForm((4,), 2), ())


@pytest.mark.parametrize("body", ["raise RuntimeError('mine')", "return 3", "return torch.nn.LazyLinear(num_classes)"])
def test_a_model_of_ones_own_that_cannot_be_built_is_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    module = f"own_{tmp_path.name.strip('_')}"
    (tmp_path / f"{module}.py").write_text(f"import torch\n\n\ndef Net(input_shape, num_classes):\n    {body}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = preflight.inspect(edgesim.load_scenario(document(saved(tmp_path, state()), model=f"{module}:Net")))
    assert [fault.path for fault in found.faults] == ["model"]


def test_a_finished_run_is_priced_without_the_file(tmp_path: Path) -> None:
    file = saved(tmp_path, state())
    found = run(tmp_path / "run", document(file))
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("groups: [{profile: raspberry-pi-4b, count: 2}]")
    with_file = repricing.reprice(found, repricing.on_fleet(found, fleet))
    file.unlink()
    without = repricing.reprice(found, repricing.on_fleet(found, fleet))
    assert without["device_time_s"].tolist() == with_file["device_time_s"].tolist()
    assert (without["device_time_s"] > 0).all()
