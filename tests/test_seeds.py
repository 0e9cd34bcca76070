"""Streams are named, independent and reproducible in another process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch

from edgesim import seeds


def test_a_name_is_a_stream() -> None:
    first = seeds.stream(3, "training:order", 5).integers(1 << 30, size=4)
    assert first.tolist() == seeds.stream(3, "training:order", 5).integers(1 << 30, size=4).tolist()
    others = [(4, "training:order", 5), (3, "warm-up:order", 5), (3, "training:order", 6), (3, "training:order", -1)]
    for seed, purpose, device in others:
        assert first.tolist() != seeds.stream(seed, purpose, device).integers(1 << 30, size=4).tolist()


def test_streams_do_not_correlate() -> None:
    draws = np.array([seeds.stream(0, "x", device).standard_normal(2000) for device in range(20)])
    correlation = np.corrcoef(draws) - np.eye(20)
    assert np.abs(correlation).max() < 0.12  # 190 pairs, standard error 0.022: five of them is chance


def test_equal_in_another_process() -> None:
    code = "from edgesim import seeds; print(seeds.integer(7, 'partition'), seeds.integer(7, 'select:el2n', 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(seeds.integer(7, "partition")), str(seeds.integer(7, "select:el2n", 3))]


def test_the_global_torch_state_is_put_back() -> None:
    before = torch.random.get_rng_state()
    with seeds.torch_global(0, "init"):
        first = torch.rand(3)
    assert torch.equal(before, torch.random.get_rng_state())
    with seeds.torch_global(0, "init"):
        assert torch.equal(first, torch.rand(3))
