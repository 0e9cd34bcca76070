"""What devices draw while they do not compute: fitted to measured products, and what every profile says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from folding import over

from edgesim.calibration.published import activities, measurements
from edgesim.calibration.published.matrix_products import DrawFit, fit_draw
from edgesim.calibration.published.measurements import Product
from edgesim.hardware import loading


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
    """Of 2.4 to 8.7 W and 10.7 to 50.2 W: a floor of 3.975 W is a quarter, one of 12.675 W a twentieth."""
    known = {name: loading.load(name) for name in loading.names()}
    draws = {"jetson-nano": DrawFit(3.975, 5.0, 0.03, 32), "jetson-agx-xavier": DrawFit(12.675, 35.0, 0.08, 32)}
    found = {name: activities.of_profile(profile, known, draws) for name, profile in known.items()}
    overhead = {name: values["power.overhead_activity"] for name, values in found.items()}
    assert (overhead["jetson-nano"].value, overhead["jetson-nano"].relative_error) == (pytest.approx(0.25), 0.03)
    assert overhead["jetson-agx-xavier"].value == pytest.approx(0.05)
    for gpu in ("jetson-orin-nx", "tesla-t4"):
        assert (overhead[gpu].value, overhead[gpu].confidence) == (pytest.approx(0.15), "estimate")
    assert overhead["arduino-nano-33-ble-sense"].value == 1.0
    for name in ("raspberry-pi-4b", "galaxy-s20", "framework-13"):
        assert overhead[name].confidence == found[name]["power.memory_activity"].confidence == "estimate"
        assert 0.25 < overhead[name].value < found[name]["power.memory_activity"].value < 1


@pytest.mark.parametrize(("name", "error"), [("jetson-nano", 0.04), ("jetson-agx-xavier", 0.09)])
def test_measured_power_of_products_is_predicted_from_their_utilisation(name: str, error: float) -> None:
    """Held out by size; with every busy second at full load the smallest product would be billed 2.2 and 3.9 times."""
    rows = [product for product in measurements.products(measurements.folder()) if product.device == name]
    draw, profile = fit_draw(rows), loading.load(name)
    assert draw.held_out_error < error
    shipped = profile.power.overhead_activity
    assert shipped is not None
    floor_w = profile.idle_w + shipped.value * (profile.power_w - profile.idle_w)
    assert floor_w == pytest.approx(draw.floor_w, rel=0.01)
    top_hz = max(product.clock_hz for product in rows)
    (smallest,) = (product for product in rows if (product.n, product.clock_hz) == (64, top_hz))
    assert floor_w == pytest.approx(smallest.power_w, rel=0.1)


@over("name", loading.names())
def test_every_profile_has_activities_with_their_source(name: str) -> None:
    power = loading.load(name).power
    for quantity in (power.memory_activity, power.overhead_activity):
        assert quantity is not None
        assert len(quantity.source) > 20
        assert (quantity.confidence == "derived") == (quantity.relative_error is not None)
