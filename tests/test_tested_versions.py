"""Private functions of Ray and PyTorch: used in the tested versions only, and never with another result."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch
from test_training import network, shard, weights

from edgesim.config.tested_versions import RAY, TORCH, VersionRange
from edgesim.training import optim
from edgesim.training.settings import Training

ROOT = Path(__file__).parents[1]
RANGE = VersionRange((2, 6), (2, 15), "EDGESIM_PLAIN_THING")


@pytest.mark.parametrize(
    ("version", "included"),
    [("2.5.9", False), ("2.6.0", True), ("2.15.3+cpu", True), ("2.16.0", False), ("3.7", False), ("nightly", False)],
)
def test_only_tested_versions_are_included(version: str, included: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RANGE.switch, raising=False)
    assert RANGE.include(version) is included
    monkeypatch.setenv(RANGE.switch, "0")
    assert RANGE.include(version) is included
    monkeypatch.setenv(RANGE.switch, "1")
    assert not RANGE.include(version)


@pytest.mark.parametrize(("package", "tested"), [("ray", RAY), ("torch", TORCH)])
def test_the_range_is_what_may_be_installed_and_is_tested(package: str, tested: VersionRange) -> None:
    """The lowest version that pyproject.toml allows, and the one of constraints.txt: CI runs the tests with both."""
    bounds = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lowest = next(m for bound in bounds if (m := re.fullmatch(rf"{package}>=(\d+)\.(\d+)", bound)))
    newest = re.search(rf"^{package}==(\d+)\.(\d+)\.", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert newest is not None
    assert tested.oldest == (int(lowest[1]), int(lowest[2]))
    assert tested.newest == (int(newest[1]), int(newest[2]))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_public_optimizers_take_the_same_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, with a weight that gets no gradient in every other step."""
    settings = Training(optimizer=name, weight_decay=1e-2, momentum=0.9, nesterov=name == "sgd")
    ends = []
    for plain in ("0", "1"):
        monkeypatch.setenv(TORCH.switch, plain)
        model, task, where = network("small-cnn"), shard(), slice(0, 32)
        optimizer = optim.build(settings, model.parameters())
        assert isinstance(optimizer, optim.PublicOptimizer) == (plain == "1")
        *_, last = model.parameters()
        for step in range(6):
            task.losses(model(task.inputs(where)), where).mean().backward()
            if step % 2:
                last.grad = None
            optimizer.step(0.01 / (step + 1))
        ends.append(weights(model))
    assert torch.equal(*ends)
