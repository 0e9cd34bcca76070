"""Partition schemes: hand-made cases, invariants as properties, and equality with flwr-datasets."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.config.validation import build
from edgesim.data import partition
from edgesim.data.arrays import digits_table
from edgesim.data.partition_checks import apportion
from edgesim.data.partition_schemes import PARTITIONS, Dirichlet, Explicit, Iid, Pathological, QuantitySkew, describe
from edgesim.errors import DataError

FEW = settings(max_examples=40, deadline=None)
LABELS = np.repeat(np.arange(4), [40, 30, 20, 10])  # 100 samples, sorted by class


def random_labels(n: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, n)


def assert_partition(parts: list[np.ndarray], n: int, min_size: int) -> None:
    """Written out, not by `partition.check`: disjoint, complete, int64, large enough."""
    assert all(part.dtype == np.int64 for part in parts)
    assert sorted(i for part in parts for i in part.tolist()) == list(range(n))
    assert min(len(part) for part in parts) >= min_size


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- properties ------------------------------------------------------------------------------------


@FEW
@given(n=st.integers(1, 200), k=st.integers(1, 20), classes=st.integers(1, 12), seed=st.integers(0, 2**63 - 1))
def test_iid_is_a_partition_into_equal_shards(n, k, classes, seed):
    labels = random_labels(n, classes, 0)
    if k > n:
        with pytest.raises(DataError, match=f"{k}.*{n}"):
            partition.iid(labels, k, seed)
        return
    parts = partition.iid(labels, k, seed)
    assert_partition(parts, n, n // k)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert equal(parts, partition.iid(labels, k, seed))
    assert all((np.diff(part) > 0).all() for part in parts)


@FEW
@given(
    alpha=st.floats(0.001, 1000),
    k=st.integers(1, 12),
    seed=st.integers(0, 2**32),
    min_size=st.integers(0, 8),
    balancing=st.booleans(),
)
def test_dirichlet_is_a_partition_or_says_why_not(alpha, k, seed, min_size, balancing):
    labels = random_labels(150, 6, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a NaN would warn on its way
        try:
            parts = partition.dirichlet(labels, k, alpha, seed, min_size, balancing)
        except DataError as error:
            refusal = str(error)
            parts = None
    if parts is None:
        assert min_size > 0  # without a minimum, every draw will do
        assert f"min_size = {min_size}" in refusal
        return
    assert_partition(parts, 150, min_size)
    assert equal(parts, partition.dirichlet(labels, k, alpha, seed, min_size, balancing))


@FEW
@given(
    alpha=st.floats(0.001, 1000),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_dirichlet_sized_has_the_sizes(alpha, sizes, seed):
    labels = random_labels(180, 7, seed)
    parts = partition.dirichlet_sized(labels, sizes, alpha, seed)
    assert [len(part) for part in parts] == sizes
    given_out = np.concatenate(parts)
    assert len(np.unique(given_out)) == len(given_out) == sum(sizes)
    assert given_out.min() >= 0
    assert given_out.max() < 180
    assert equal(parts, partition.dirichlet_sized(labels, sizes, alpha, seed))


@FEW
@given(k=st.integers(1, 15), per_device=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_pathological_deals_k_classes_evenly(k, per_device, seed):
    labels = np.tile(np.arange(5), 30)
    if k * per_device < 5:
        with pytest.raises(DataError, match="cannot hold all 5 classes"):
            partition.pathological(labels, k, per_device, seed)
        return
    parts = partition.pathological(labels, k, per_device, seed)
    assert_partition(parts, 150, 1)
    held = [set(labels[part].tolist()) for part in parts]
    assert all(len(classes) == per_device for classes in held)
    holders = [sum(c in classes for classes in held) for c in range(5)]
    assert max(holders) - min(holders) <= 1


@FEW
@given(
    k=st.integers(1, 20),
    seed=st.integers(0, 2**32),
    spread=st.floats(0, 5),
    min_size=st.integers(1, 5),
    distribution=st.sampled_from(["log-normal", "power-law"]),
)
def test_quantity_is_a_partition(k, seed, spread, min_size, distribution):
    parts = partition.quantity(LABELS, k, seed, distribution, spread, spread, min_size)
    assert_partition(parts, 100, min_size)


@FEW
@given(st.integers(0, 1000), st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(any))
def test_apportion_sums_up_and_stays_within_one_of_the_exact_share(total, weights):
    counts = apportion(total, weights)
    exact = np.array(weights) / sum(weights) * total
    assert counts.sum() == total
    assert (np.abs(counts - exact) < 1 + 1e-6).all()
    assert (counts[np.array(weights) == 0] == 0).all()


# --- hand-made cases -------------------------------------------------------------------------------


def test_apportion_by_hand():
    # 10 in proportion 1:1:1 -> 3.33 each; the one left over goes to the lowest index.
    assert apportion(10, [1, 1, 1]).tolist() == [4, 3, 3]
    # 7 in proportion 5:3:2 -> 3.5, 2.1, 1.4 -> floors 3, 2, 1; the largest remainder is the first.
    assert apportion(7, [5, 3, 2]).tolist() == [4, 2, 1]


def test_explicit_gives_what_the_matrix_says():
    # Of 40, 30, 20, 10 samples device 0 gets all of class 0 and half of 1; device 1 a fifth of 1, all of 2.
    shares = [[1, 0.5, 0, 0], [0, 0.2, 1, 0.5]]
    parts = partition.explicit(LABELS, shares, seed=3)
    counts = [np.bincount(LABELS[part], minlength=4).tolist() for part in parts]
    assert counts == [[40, 15, 0, 0], [0, 6, 20, 5]]
    assert len(np.unique(np.concatenate(parts))) == 86  # the other 14 belong to nobody
    assert not equal(parts, partition.explicit(LABELS, shares, seed=4))


def test_explicit_shares_that_sum_to_one_leave_nothing():
    parts = partition.explicit(LABELS, np.full((3, 4), 1 / 3), seed=0)
    assert_partition(parts, 100, 33)


def test_power_law_sizes_by_hand():
    # Ranks 1, 2, 3 with exponent 1: w = 1, 1/2, 1/3, that is 6:3:2, of 110 samples -> 60, 30, 20.
    parts = partition.quantity(np.zeros(113, int), 3, seed=1, distribution="power-law", exponent=1.0)
    assert sorted(map(len, parts)) == [21, 31, 61]  # one sample each first (min_size), then the 110


def test_log_normal_of_no_spread_is_equal():
    parts = partition.quantity(LABELS, 4, seed=1, sigma=0.0)
    assert [len(part) for part in parts] == [25, 25, 25, 25]


def test_large_alpha_is_near_iid_and_small_alpha_is_not():
    labels = np.tile(np.arange(10), 200)
    even = partition.dirichlet(labels, 5, 1000.0, seed=0)
    skewed = partition.dirichlet(labels, 5, 0.05, seed=0)
    assert max(partition.class_shares(labels, p, 10).max() for p in even) < 0.15
    assert max(partition.class_shares(labels, p, 10).max() for p in skewed) > 0.3


def test_tiny_alpha_gives_whole_classes_without_nan():
    # Almost every class goes to one device as a whole, so min_size has to be 0 to succeed.
    labels = np.repeat(np.arange(10), 20)
    for balancing in (False, True):
        for seed in range(30):
            parts = partition.dirichlet(labels, 4, 0.001, seed, min_size=0, self_balancing=balancing)
            assert_partition(parts, 200, 0)


def test_min_size_that_cannot_be_met_says_so():
    with pytest.raises(DataError, match="larger alpha") as caught:
        partition.dirichlet(np.repeat([0, 1], 50), 8, 0.001, seed=0, min_size=10)
    assert "8 devices" in str(caught.value)
    with pytest.raises(DataError, match=r"need 120 samples.*has 100"):
        partition.dirichlet(LABELS, 12, 1.0, seed=0, min_size=10)


def test_alpha_per_device():
    parts = partition.dirichlet(np.tile([0, 1], 500), 2, [1e6, 1e6 / 3], seed=0)
    assert len(parts[0]) == pytest.approx(750, abs=5)  # shares 3:1 as alpha is, nearly without noise


def test_a_class_that_runs_out_is_replaced_by_others():
    # One class of 4, one of 96: whatever the mixes, three devices of 33 fit.
    labels = np.array([0] * 4 + [1] * 96)
    parts = partition.dirichlet_sized(labels, [33, 33, 34], 0.001, seed=5)
    assert_partition(parts, 100, 33)


def test_class_shares_and_local_accuracy_by_hand():
    shares = partition.class_shares([0, 0, 1, 2, 2, 2], [0, 1, 3, 4], 4)
    assert shares.tolist() == [0.5, 0.0, 0.5, 0.0]
    assert partition.class_weighted([0.8, 0.1, 0.6, 0.3], shares) == pytest.approx(0.7)
    # class 2 is not in the test set: what counts is class 0 alone
    assert partition.class_weighted([0.8, 0.1, math.nan, 0.3], shares) == pytest.approx(0.8)
    assert math.isnan(partition.class_weighted([math.nan, 0.1, math.nan, 0.3], shares))


@pytest.mark.parametrize(
    ("parts", "complete", "min_size", "message"),
    [
        ([[0, 1], [1, 2, 3]], True, 0, "1 sample is given to more than one device, the first is 1"),
        ([[0, 1], [3]], True, 0, "1 of 4 samples is given to no device, the first is 2"),
        ([[0, 1], [2, 4]], False, 0, "index 4 is outside the 4 training samples"),
        ([[0, -1], [2]], False, 0, "index -1 is outside"),
        (
            [[0, 1, 2], [3]],
            True,
            2,
            "1 of 2 devices holds fewer than min_size = 2 .* is device 1",
        ),
        ([[0.0, 1.0], [2.0, 3.0]], True, 0, "float64; allowed: whole numbers"),
    ],
)
def test_check_finds_each_breach(parts, complete, min_size, message):
    with pytest.raises(DataError, match=message):
        partition.check([np.array(part) for part in parts], 4, min_size, complete)


def test_check_passes_what_is_right():
    partition.check([np.array([2, 0]), np.array([3, 1])], 4, min_size=2)
    partition.check([np.array([2]), np.array([1])], 4, complete=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: partition.iid([0, 1], 3, 0), r"more devices \(3\) than training samples \(2\)"),
        (lambda: partition.iid([0, 1], 0, 0), "0 devices"),
        (lambda: partition.iid([0.5, 1.0], 1, 0), "float64"),
        (lambda: partition.iid([-1, 1], 1, 0), "integers >= 0"),
        (lambda: partition.dirichlet(LABELS, 2, 0.0, 0), "alpha = 0.0"),
        (lambda: partition.dirichlet(LABELS, 2, math.nan, 0), "alpha = nan"),
        (lambda: partition.dirichlet(LABELS, 2, [0.1, 0.2, 0.3], 0), "alpha has 3 values, 2 are needed"),
        (lambda: partition.dirichlet_sized(LABELS, [60, 60], 0.5, 0), "120 samples in all.*has 100"),
        (lambda: partition.dirichlet_sized(LABELS, [5, 0], 0.5, 0), "at least 1 sample"),
        (lambda: partition.pathological(LABELS, 5, 7, 0), "classes_per_device = 7.*allowed: 1 to 4"),
        (lambda: partition.pathological([0, 0, 0, 0, 1], 3, 2, 0), "class 1 has 1 sample for 3 devices"),
        (lambda: partition.explicit(LABELS, [[0.6] * 4, [0.6] * 4], 0), "class 0 sum to 1.2"),
        (lambda: partition.explicit(LABELS, [[0.5] * 3], 0), r"one column per class \(4\)"),
        (
            lambda: partition.explicit(LABELS, [[1.0] * 4, [0.0] * 4], 0),
            "fewer than min_size = 1.*device 1 with 0",
        ),
        (lambda: partition.quantity(LABELS, 2, 0, "pareto"), "allowed: log-normal, power-law"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(DataError, match=message):
        call()


# --- the table -------------------------------------------------------------------------------------

SCHEMES = {
    "iid": Iid(),
    "dirichlet": Dirichlet(alpha=0.5),
    "pathological": Pathological(classes_per_device=2),
    "quantity": QuantitySkew(distribution="power-law"),
    "explicit": Explicit(shares=((0.5,) * 4, (0.3,) * 4, (0.2,) * 4)),
}


def test_every_scheme_of_the_table_splits_sorted_and_by_seed():
    assert SCHEMES.keys() == {name for name, scheme in PARTITIONS.items() if hasattr(scheme, "split")}
    for name, scheme in SCHEMES.items():
        assert isinstance(scheme, PARTITIONS[name])
        parts = scheme.split(LABELS, 3, 11)
        assert_partition(parts, 100, 1)
        assert all((np.diff(part) > 0).all() for part in parts)
        assert equal(parts, scheme.split(LABELS, 3, 11))
        assert not equal(parts, scheme.split(LABELS, 3, 12))
        assert len(describe(name)) > 10


def test_scheme_sizes():
    assert [len(p) for p in Dirichlet(alpha=0.3, sizes=20).split(LABELS, 4, 0)] == [20] * 4
    assert [len(p) for p in Dirichlet(alpha=0.3, sizes=(9, 31)).split(LABELS, 2, 0)] == [9, 31]
    with pytest.raises(DataError, match="sizes is for 2 devices, the fleet has 3"):
        Dirichlet(alpha=0.3, sizes=(9, 31)).split(LABELS, 3, 0)
    with pytest.raises(DataError, match="shares is for 3 devices, the fleet has 2"):
        SCHEMES["explicit"].split(LABELS, 2, 0)


@pytest.mark.parametrize(
    ("name", "given", "path"),
    [
        ("dirichlet", {}, "partition.alpha"),
        ("dirichlet", {"alpha": 0}, "partition.alpha"),
        ("dirichlet", {"alpha": 0.5, "min_sise": 1}, "partition.min_sise"),
        ("dirichlet", {"alpha": 0.5, "sizes": [10, 20], "self_balancing": True}, "partition"),
        ("pathological", {"classes_per_device": 0}, "partition.classes_per_device"),
        ("quantity", {"distribution": "zipf"}, "partition.distribution"),
        ("explicit", {"shares": [[0.5, 0.5], [0.5]]}, "partition"),
        ("explicit", {"shares": [[0.8], [0.8]]}, "partition"),
    ],
)
def test_bad_yaml_of_a_scheme_is_a_fault_at_its_path(name, given, path):
    faults = []
    assert build(PARTITIONS[name], given, "partition", faults) is None
    assert [fault.path for fault in faults] == [path]


def test_good_yaml_of_a_scheme():
    faults = []
    built = build(PARTITIONS["dirichlet"], {"alpha": 1, "sizes": [10, 20]}, "partition", faults)
    assert faults == []
    assert built == Dirichlet(alpha=1.0, sizes=(10, 20))


# --- the same partition as flwr-datasets -----------------------------------------------------------


def flwr_partition(labels, n_devices, alpha, seed, min_size, self_balancing) -> list[list[int]]:
    datasets = pytest.importorskip("datasets")
    partitioners = pytest.importorskip("flwr_datasets.partitioner")
    theirs = partitioners.DirichletPartitioner(
        num_partitions=n_devices,
        partition_by="label",
        alpha=alpha,
        min_partition_size=min_size,
        self_balancing=self_balancing,
        shuffle=True,
        seed=seed,
    )
    theirs.dataset = datasets.Dataset.from_dict({"label": labels.tolist(), "index": list(range(len(labels)))})
    return [theirs.load_partition(device)["index"] for device in range(n_devices)]


def digits_labels() -> np.ndarray:
    return digits_table()[:, -1].astype(np.int64)


@pytest.mark.filterwarnings("ignore:The specified min_partition_size")
@pytest.mark.parametrize("self_balancing", [False, True])
@pytest.mark.parametrize(
    ("alpha", "n_devices", "min_size", "seeds"),
    [
        (0.1, 8, 0, (0, 42)),
        (0.1, 5, 10, (1, 42)),  # needs several draws
        (0.5, 10, 10, (0, 42)),
        (1.0, 20, 1, (7,)),
        (100.0, 10, 10, (3,)),
    ],
)
def test_dirichlet_equals_flwr_on_digits(alpha, n_devices, min_size, seeds, self_balancing):
    labels = digits_labels()
    for seed in seeds:
        arguments = (labels, n_devices, alpha, seed, min_size, self_balancing)
        ours = [part.tolist() for part in partition.dirichlet(*arguments)]
        assert ours == flwr_partition(*arguments)


@pytest.mark.parametrize("self_balancing", [False, True])
def test_dirichlet_equals_flwr_on_skewed_labels(self_balancing):
    labels = np.random.default_rng(0).choice(6, size=1501, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
    for alpha in (0.05, 0.7, 1000.0):
        for seed in (0, 5):
            arguments = (labels, 9, alpha, seed, 0, self_balancing)
            ours = [part.tolist() for part in partition.dirichlet(*arguments)]
            assert ours == flwr_partition(*arguments)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_dirichlet_equals_flwr_even_where_flwr_divides_zero_by_zero():
    labels = np.repeat(np.arange(10), 30)
    warned = 0
    for seed in range(20):
        arguments = (labels, 4, 0.001, seed, 0, True)
        ours = [part.tolist() for part in partition.dirichlet(*arguments)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert ours == flwr_partition(*arguments)
        warned += any("invalid value" in str(w.message) for w in caught)
    assert warned > 0  # the case did occur


def test_scheme_gives_flwr_partition_as_sets():
    labels = digits_labels()
    parts = Dirichlet(alpha=0.5).split(labels, 10, 42)
    assert [p.tolist() for p in parts] == [sorted(p) for p in flwr_partition(labels, 10, 0.5, 42, 10, False)]
