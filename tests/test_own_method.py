"""A user's own method: what the base class gives it, and what is said of a class without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesim.config.registry import PluginTable, bind
from edgesim.errors import Fault
from edgesim.pruning import METHODS, base
from edgesim.pruning.base import Method
from edgesim.pruning.random import Random
from edgesim.pruning.rs2 import Rs2
from edgesim.training.needs import Needs

HEAD = """
from dataclasses import dataclass
import numpy as np
from edgesim.pruning.base import Method, Scoring, SubsetChoice

"""
BODIES = {
    "Good": "class Good(Method):\n    power: float = 2.0\n    def score(self, context): return Scoring(np.ones(4))",
    "Chooser": "class Chooser(Method):\n    def choose(self, context, k):\n        return SubsetChoice(np.arange(k))",
    "Apart": "class Apart:\n    def score(self, context):\n        return Scoring(np.arange(4.0))",
    "Idle": "class Idle(Method):\n    power: float = 2.0",
    "Other": "class Other:\n    def rank(self, context):\n        return 1",
}


def bound(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> tuple[Any, list[Fault]]:
    """The plug-in of one of BODIES, and the faults."""
    (folder / f"own_{name.lower()}.py").write_text(HEAD + "@dataclass(frozen=True)\n" + BODIES[name] + "\n")
    monkeypatch.chdir(folder)
    faults: list[Fault] = []
    table = PluginTable(METHODS, "score|choose", labelled=True, base=Method)
    found = bind({"name": f"own_{name.lower()}:{name}", **arguments}, table, "pruning.methods[0]", faults)
    return found, faults


def test_defaults_of_a_method_that_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, faults = bound("Good", tmp_path, monkeypatch, power=3.0)
    assert faults == []
    method = named.plugin
    shard = base.Shard(4, np.array([0, 0, 1, 1]), 2, 2, 1, 1)
    assert method.power == 3.0
    assert (method.keeps_all, method.by_chance, method.dynamic) == (False, False, False)
    assert (method.balance, method.after_warmup) == ("none", "reset")
    assert method.needs(shard) == Needs()
    assert method.expected(shard, None, 2) == base.OwnWork()
    assert method.scores_once
    assert method.ranks
    assert method.kept_samples(shard, 2) == 2
    with pytest.raises(NotImplementedError, match="Good has no `choose`"):
        method.choose(None, 2)


def test_a_method_that_chooses_scores_every_budget_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, faults = bound("Chooser", tmp_path, monkeypatch)
    assert faults == []
    assert not named.plugin.scores_once


def test_random_and_dynamic_methods_rank_nothing() -> None:
    assert [method.ranks for method in (Random(), Rs2(), METHODS["full"]())] == [False, False, False]
    assert Rs2().kept_samples(base.Shard(10, np.zeros(10, np.int64), 2, 2, 1, 1), 3) == 10
    assert Random(balance="class").balance == "class"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Apart", "must subclass Method: write `class Apart(Method):` with `from edgesim.pruning.base import Method`"),
        ("Idle", "must define a method `score` or `choose`; Idle only inherits the one of Method"),
        ("Other", "must be a class with a method `score` or `choose`"),
    ],
)
def test_a_class_that_is_no_method_is_told_the_fix(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, (fault,) = bound(name, tmp_path, monkeypatch)
    assert named is None
    assert fault.path == "pruning.methods[0].name"
    assert words in fault.message
