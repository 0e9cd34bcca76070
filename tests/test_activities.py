"""What devices draw while they do not compute: fitted to measured products, and what every profile says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from folding import over

from edgesim.calibration.published import activities, measurements
from edgesim.calibration.published.matrix_products import fit_draw
from edgesim.calibration.published.measurements import Product
from edgesim.hardware import loading
from edgesim.hardware.quantity import GPU_CLASSES


def test_what_a_gpu_draws_while_it_waits_for_launches() -> None:
    """P = 4 + 6 u W by construction; the lower clock, where it draws less, is left out."""
    utilisations = (0.01, 0.05, 0.2, 0.5, 0.9, 0.95)
    rows = [Product("gpu", 1e9, 64 * i, 1e12 * u, 1e12, 4 + 6 * u) for i, u in enumerate(utilisations)]
    rows += [Product("gpu", 5e8, 64 * i, 5e11 * u, 5e11, 3 + 1 * u) for i, u in enumerate(utilisations)]
    draw = fit_draw(rows)
    assert (draw.floor_w, draw.slope_w, draw.n) == (pytest.approx(4), pytest.approx(6), 6)
    assert draw.held_out_error < 1e-9
    noisy = fit_draw([replace(row, power_w=row.power_w * (1.1 if i % 2 else 0.9)) for i, row in enumerate(rows)])
    assert 0.05 < noisy.held_out_error < 0.3


def test_activities_of_every_kind_of_device() -> None:
    found = {name: activities.of_profile(loading.load(name)) for name in loading.names()}
    for gpu in ("jetson-nano", "jetson-orin-nx", "tesla-t4"):
        assert found[gpu] == {}  # power by clocks and work
    assert found["arduino-nano-33-ble-sense"]["power.overhead_activity"].value == 1.0
    for name in ("raspberry-pi-4b", "galaxy-s20", "framework-13"):
        overhead, memory = (found[name][field] for field in ("power.overhead_activity", "power.memory_activity"))
        assert overhead.confidence == memory.confidence == "estimate"
        assert 0.25 < overhead.value < memory.value < 1


@pytest.mark.parametrize(("name", "error"), [("jetson-nano", 0.04), ("jetson-agx-xavier", 0.09)])
def test_measured_power_of_products_is_predicted_from_their_utilisation(name: str, error: float) -> None:
    """Held out by size; with every busy second at full load the smallest product would be billed 2.2 and 3.9 times."""
    rows = [product for product in measurements.products(measurements.folder()) if product.device == name]
    draw = fit_draw(rows)
    assert draw.held_out_error < error
    top_hz = max(product.clock_hz for product in rows)
    (smallest,) = (product for product in rows if (product.n, product.clock_hz) == (64, top_hz))
    assert draw.floor_w == pytest.approx(smallest.power_w, rel=0.1)


@over("name", loading.names())
def test_every_profile_has_activities_or_its_power_by_clocks_with_their_source(name: str) -> None:
    profile = loading.load(name)
    power = profile.power
    law = (power.floor_w, power.memory_clock_w, power.cpu_clock_w, power.work_w, power.work_clock_w)
    activity = (power.memory_activity, power.overhead_activity)
    given, other = (law, activity) if profile.device_class in GPU_CLASSES else (activity, law)
    assert set(other) == {None}
    for quantity in given:
        assert quantity is not None
        assert len(quantity.source) > 5
        assert (quantity.confidence == "derived") == (quantity.relative_error is not None)
