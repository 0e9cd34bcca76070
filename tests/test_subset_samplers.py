"""Samplers of subsets by hand, by frequency, and as keys of a scenario."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgesim.errors import Fault
from edgesim.pruning.budgets import Part, even_shares, parts_of
from edgesim.pruning.ccs import Ccs
from edgesim.pruning.importance import Importance
from edgesim.pruning.subset_samplers import ClassBalanced, Guarded, ScoredShard, Stratified, SubsetSampler, Top
from edgesim.pruning.weighted_samplers import EDGE, Beta, ImportanceSampling, positive, stand_in
from edgesim.scenario import schema
from edgesim.scenario.method_options import bind_method, document_of


def scored(
    scores: Any, labels: Any = None, probability: np.ndarray | None = None, rng: np.random.Generator | None = None
) -> ScoredShard:
    values = np.asarray(scores, dtype=np.float64)
    classes = np.zeros(len(values), dtype=np.int64) if labels is None else np.asarray(labels)
    return ScoredShard(values, classes, probability, lambda _: rng or np.random.default_rng(0))


def kept(sampler: SubsetSampler, shard: ScoredShard, k: int) -> list[int]:
    return sorted(sampler.choose(shard, parts_of(shard.labels, k, "none")).positions.tolist())


def test_even_shares_by_hand() -> None:
    np.testing.assert_array_equal(even_shares(np.array([5, 1, 5]), 7), [3, 1, 3])
    np.testing.assert_array_equal(even_shares(np.array([36, 3, 1]), 9), [5, 3, 1])
    np.testing.assert_array_equal(even_shares(np.array([4, 4, 4]), 7), [2, 2, 3])
    np.testing.assert_array_equal(even_shares(np.array([2, 9, 4]), 1), [0, 1, 0])
    np.testing.assert_array_equal(even_shares(np.array([2, 9, 4]), 15), [2, 9, 4])


def test_class_balanced_by_hand() -> None:
    shard = scored([9, 8, 7, 6, 5, 1, 2, 3, 0], labels=[0, 0, 0, 0, 0, 1, 1, 1, 2])
    assert kept(ClassBalanced(), shard, 5) == [0, 1, 6, 7, 8]  # 2 of class 0, 2 of class 1, the only one of class 2
    assert kept(ClassBalanced(), shard, 8) == [0, 1, 2, 3, 5, 6, 7, 8]  # class 0 takes over what the others lack
    assert kept(Top(), shard, 5) == [0, 1, 2, 3, 4]


def test_positive_weights_and_stand_ins_by_hand() -> None:
    np.testing.assert_array_equal(positive(np.array([-2.0, 0.0, 1.0])), [0, 2, 3])
    np.testing.assert_array_equal(positive(np.array([0.5, 2.0])), [0.5, 2])
    np.testing.assert_array_equal(positive(np.array([-3.0, -3.0])), [1, 1])
    np.testing.assert_array_equal(positive(np.zeros(2)), [1, 1])
    np.testing.assert_allclose(stand_in(np.array([5.0, -1.0, 5.0, 2.0])), [0.25, 0.875, 0.25, 0.625])


def test_first_draws_go_by_the_score_and_the_mix() -> None:
    rng, draws = np.random.default_rng(1), 4_000
    sampler = ImportanceSampling(mix=0.5)
    np.testing.assert_allclose(sampler.probabilities(np.array([0.0, 1.0, 3.0])), [1 / 6, 7 / 24, 13 / 24])
    counts = np.bincount([kept(sampler, scored([0, 1, 3], rng=rng), 1)[0] for _ in range(draws)], minlength=3)
    np.testing.assert_allclose(counts / draws, [1 / 6, 7 / 24, 13 / 24], atol=0.035)


def test_importance_samples_are_nested_and_their_weights_unbiased() -> None:
    scores, values = np.array([0.0, 0.2, 1.0, 3.0, 5.0, 0.1]), np.array([4.0, -1.0, 2.0, 7.0, 1.0, 3.0])
    sampler, rng = ImportanceSampling(mix=0.8, unbiased=True), np.random.default_rng(2)
    sums = []
    for _ in range(3000):
        drawn = sampler.choose(scored(scores, rng=rng), [Part(np.arange(6), 3)])
        assert drawn.weights is not None
        sums.append([float(drawn.weights @ values[drawn.positions]), float(drawn.weights.sum())])
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    assert (np.abs(np.mean(sums, axis=0) - [16, 6]) < 4 * error).all()
    assert (error < 0.3).all()
    subsets = [set(kept(sampler, scored(scores), k)) for k in range(1, 7)]
    assert all(small < large for small, large in itertools.pairwise(subsets))
    assert sampler.choose(scored(scores), [Part(np.arange(6), 6)]).weights is None


def test_guarded_by_hand() -> None:
    """Of 4, the classes' shares are 2 and 2: with one half, class 1 keeps one, and the scores decide on the rest."""
    shard = scored([9.0, 8.0, 7.0, 6.0, 1.0, 2.0, 0.0, 3.0], labels=[0, 0, 0, 0, 1, 1, 1, 1])
    assert kept(Guarded(), shard, 4) == [0, 1, 2, 7]
    assert kept(Guarded(guard=0.0), shard, 4) == [0, 1, 2, 3]
    assert kept(Guarded(guard=1.0), shard, 4) == [0, 1, 5, 7]
    inside = Guarded(guard=1.0).choose(shard, [Part(np.array([0, 1, 4, 5]), 2), Part(np.array([2, 3, 6, 7]), 1)])
    assert sorted(inside.positions) == [0, 2, 5]


def test_prototypes_choose_with_guarded_unless_a_sampler_is_named() -> None:
    plain, faults = bound("prototypes")
    assert (faults, plain.plugin.sampler_for(20, 5)) == ([], Guarded())
    assert bound({"name": "prototypes", "guard": 0.8})[0].plugin.sampler_for(20, 5) == Guarded(guard=0.8)
    other = bound({"name": "prototypes", "sampler": "stratified"})[0].plugin
    assert other.sampler_for(20, 5) == Stratified()


def test_beta_by_hand() -> None:
    scores, probability = np.array([1.0, 4.0, 2.0, 4.0]), np.array([0.9, 0.2, 0.6, 0.4])
    a, b = Beta(c_d=2.0).parameters(scores, probability, 1)  # r = 3/4, mu = (0.2 + 0.4) / 2
    assert b == pytest.approx(15 * 0.7 * (1 - 0.75**2))
    assert a == pytest.approx(15 - b)
    weights = scores * stats.beta.pdf(probability, a, b)
    rng, draws = np.random.default_rng(3), 4_000
    found = [kept(Beta(c_d=2.0), scored(scores, probability=probability, rng=rng), 1)[0] for _ in range(draws)]
    np.testing.assert_allclose(np.bincount(found, minlength=4) / draws, weights / weights.sum(), atol=0.035)


def test_beta_moves_to_the_easy_as_more_is_pruned() -> None:
    """With equal scores the density alone decides: the mean probability of what is kept rises as the ratio falls."""
    probability = np.linspace(0.0, 1.0, 1001)
    shard = scored(np.ones(1001), probability=probability)
    means = [probability[kept(Beta(), shard, k)].mean() for k in (500, 200, 50, 10)]
    assert means == sorted(means)
    assert means[0] < 0.6
    assert means[-1] > 0.9
    assert 0 < EDGE < 1e-3


def test_a_score_of_nothing_is_drawn_last() -> None:
    shard = scored([0.0, 3.0, 0.0, 2.0, 1.0])
    assert kept(ImportanceSampling(mix=1.0), shard, 3) == [1, 3, 4]
    assert kept(Beta(), shard, 3) == [1, 3, 4]


def bound(entry: Any) -> tuple[Any, list[Fault]]:
    faults: list[Fault] = []
    return bind_method(entry, "pruning.methods[0]", faults), faults


def test_keys_of_a_scenario() -> None:
    named, faults = bound({"name": "importance", "label": "even", "sampler": {"name": "stratified", "cutoff": 0.0}})
    assert faults == []
    assert (named.label, named.plugin.sampler) == ("even", Stratified(cutoff=0.0))
    assert document_of(named.plugin) == {"sampler": {"name": "stratified", "cutoff": 0.0, "strata": 50}}
    assert bound({"name": "random", "sampler": "class-balanced"})[0].plugin.sampler == ClassBalanced()
    plain, _ = bound({"name": "importance", "sampler": None})
    assert (plain.plugin.sampler, document_of(plain.plugin), plain.plugin) == (None, {}, Importance())
    entries = schema.scenario()["properties"]["pruning"]["properties"]["methods"]["items"]["anyOf"]
    takes = {e["properties"]["name"]["const"] for e in entries if "sampler" in e.get("properties", {})}
    assert {"random", "importance", "aum", "moderate", "prototypes"} <= takes
    assert not takes & {"full", "ccs", "glister", "craig", "rs2", "adapruner"}


@pytest.mark.parametrize(
    ("entry", "path", "words"),
    [
        ({"name": "ccs", "sampler": "top"}, "", "ccs chooses its subset by itself and hands no scores to a sampler"),
        ({"name": "full", "sampler": "top"}, "", "full keeps every sample, so there is no subset to choose"),
        ({"name": "rs2", "sampler": "beta"}, "", "rs2 chooses while it trains and has no scores before"),
        ({"name": "el2n", "sampler": "strat"}, ".name", "there is no 'strat'; allowed: top, stratified"),
        ({"name": "el2n", "sampler": "my:Own"}, ".name", "there is no 'my:Own', and no sampler of your own"),
        ({"name": "el2n", "sampler": {"name": "beta", "cutoff": 1}}, ".cutoff", "unknown key; allowed: c_d"),
        (
            {"name": "el2n", "samplr": "top"},
            "samplr",
            "allowed: after_warmup, balance, label, name, replicas, sampler",
        ),
        (
            {"name": "dual", "sampler": "beta", "c_d": 9},
            "",
            "dual reads `c_d` only where it chooses the sampler itself; leave `c_d` out and give beta its own",
        ),
        ({"name": "el2n", "sampler": 3}, "", "must be a name or a map with `name`; got a number (3)"),
        (
            {"name": "el2n", "sampler": "class-balanced", "balance": "class"},
            "",
            "class-balanced keeps equally many of every class, `balance: class` keeps each class's share",
        ),
    ],
)
def test_samplers_that_are_refused(entry: dict[str, Any], path: str, words: str) -> None:
    named, (fault,) = bound(entry)
    assert named is None
    assert fault.path in (f"pruning.methods[0].sampler{path}", f"pruning.methods[0].{path}")
    assert words in fault.message


OWN = """
from dataclasses import dataclass
import numpy as np
from edgesim.pruning.base import Method, Scoring

@dataclass(frozen=True)
class Plain(Method):
    def score(self, context): return Scoring(np.arange(4.0))

@dataclass(frozen=True)
class Clash(Method):
    sampler: str = "mine"
    def score(self, context): return Scoring(np.arange(4.0))
"""


def test_own_methods_need_no_line_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_scores.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    named, faults = bound({"name": "own_scores:Plain", "sampler": "beta"})
    assert faults == []
    assert named.plugin.sampler == Beta()
    clash, faults = bound({"name": "own_scores:Clash", "sampler": "theirs"})  # the key is a field of the class
    assert faults == []
    assert clash.plugin.sampler == "theirs"
    assert clash.plugin.sampler_for(4, 2) == Top()
    assert document_of(clash.plugin) == {}


def test_ccs_is_importance_with_the_sampler_stratified() -> None:
    assert Ccs(cutoff=0.3, strata=7)._sampler() == Stratified(cutoff=0.3, strata=7)
