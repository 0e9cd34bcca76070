"""Fits recover known coefficients; files keep all else; published measurements are predicted as well as claimed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from folding import over
from threadpoolctl import threadpool_info, threadpool_limits

from edgesim.calibration import cross_validation, fit
from edgesim.calibration.fit import Data, Family
from edgesim.calibration.measured_step import CountedNetwork, MeasuredStep
from edgesim.calibration.published import __main__ as published_fit
from edgesim.calibration.published import jetson_fit, jetson_steps, measurements, predictors, profile_writer
from edgesim.calibration.published.dl4j import Lstm
from edgesim.calibration.published.matrix_products import fit_power, fit_products
from edgesim.calibration.published.measurements import Product
from edgesim.calibration.published.profile_coefficients import FIELDS, SMALL_NETWORK, Value
from edgesim.calibration.published.published_networks import Sequence, network
from edgesim.config import validation
from edgesim.cost.steps import TERMS
from edgesim.errors import EdgesimError
from edgesim.hardware import loading
from edgesim.hardware.quantity import GPU_CLASSES
from edgesim.tasks import NetworkForm

FAMILY = Family(
    "made-up boards", ("slow", "fast"), (("convolution",), ("depthwise",), ("activation", "weight"), ("channel",))
)


def terms(**values: float) -> np.ndarray:
    """[terms] the given ones, 0 elsewhere."""
    return np.array([values.get(term, 0.0) for term in TERMS])


# The operation's is fixed.
TRUE = terms(convolution=1e-10, depthwise=2e-9, activation=5e-10, weight=5e-10, operation=1e-4, channel=1e-5)
FIXED = terms(operation=1e-4)
LEAST = np.where(TRUE > 0, 1e-12, 0.0)


def made_up(factor: float, models: int, noise: float = 0.0, seed: int = 0) -> Data:
    """A device whose fitted costs are `factor` times TRUE, with networks of all mixes."""
    stream = np.random.default_rng(seed)
    scale = terms(convolution=1e10, depthwise=1e8, activation=1e9, weight=1e8, operation=300.0, channel=1e4)
    rows = stream.lognormal(0, 1, (models, len(TERMS))) * scale
    times_s = rows @ (factor * (TRUE - FIXED) + FIXED) * stream.normal(1, noise, models)
    return Data(tuple(f"m{i}" for i in range(models)), rows, times_s, FIXED, LEAST)


def test_known_costs_are_recovered() -> None:
    found = fit.fit(FAMILY, {"slow": made_up(2.0, 12), "fast": made_up(0.5, 9, seed=1)})
    assert found["slow"] == pytest.approx(2 * (TRUE - FIXED) + FIXED, rel=2e-3)
    assert found["fast"] == pytest.approx(0.5 * (TRUE - FIXED) + FIXED, rel=2e-3)


def test_what_measurements_do_not_tell_comes_from_the_anchor_and_else_from_the_bounds() -> None:
    """No network has a depthwise convolution: its cost is as far from the others as the anchor's are."""
    data = made_up(2.0, 20)
    column = TERMS.index("depthwise")
    rows = data.features.copy()
    rows[:, column] = 0.0
    blind = dataclasses.replace(data, features=rows, times_s=rows @ (2 * (TRUE - FIXED) + FIXED))
    alone = dataclasses.replace(FAMILY, devices=("slow",))
    assert fit.fit(alone, {"slow": blind}, anchor=7 * TRUE)["slow"][column] == pytest.approx(2 * 2e-9, rel=0.01)
    assert fit.fit(alone, {"slow": blind})["slow"][column] == LEAST[column]
    unanchored = dataclasses.replace(alone, unanchored=("depthwise",))
    assert fit.fit(unanchored, {"slow": blind}, anchor=7 * TRUE)["slow"][column] == LEAST[column]


def test_a_few_measurements_are_pulled_to_the_anchor_and_many_are_not() -> None:
    """The anchor says that convolutions cost 50 times what they do."""
    alone = dataclasses.replace(FAMILY, devices=("slow",))
    column = TERMS.index("convolution")

    def found(models: int, times: float) -> float:
        anchor = TRUE * np.where(np.array(TERMS) == "convolution", times, 1.0)
        data = made_up(1.0, models, noise=0.1, seed=3)
        return float(fit.fit(alone, {"slow": data}, anchor=anchor)["slow"][column] / TRUE[column])

    assert found(40, 50.0) == pytest.approx(1.0, rel=0.2)
    assert found(2, 50.0) > found(2, 1.0)
    assert abs(found(40, 50.0) - found(40, 1.0)) < 0.3 * (found(2, 50.0) - found(2, 1.0))


def test_noise_is_held_out_and_few_models_lean_on_the_family() -> None:
    data = {"slow": made_up(2.0, 30, noise=0.05), "fast": made_up(0.5, 4, noise=0.05, seed=1)}
    held = cross_validation.held_out(FAMILY, data)
    assert 0.02 < held["slow"].mean < 0.09
    assert held["fast"].mean < 0.15
    alone = cross_validation.held_out(dataclasses.replace(FAMILY, devices=("fast",)), {"fast": data["fast"]})
    assert np.isnan(alone["fast"].mean)  # four models, four costs: nothing to hold out


def test_costs_stay_at_or_above_the_nominal_speeds() -> None:
    data = made_up(1.0, 12)
    bound = dataclasses.replace(data, least=terms(convolution=3e-10))
    found = fit.fit(dataclasses.replace(FAMILY, devices=("slow",)), {"slow": bound})["slow"]
    assert found[TERMS.index("convolution")] >= 3e-10 * (1 - 1e-9)
    assert np.all(found >= 0)


def test_a_scaled_device_is_predicted_from_one_model() -> None:
    second = made_up(3.0, 6, seed=2)
    second = dataclasses.replace(second, times_s=3 * second.features @ TRUE)
    for count, choices in ((1, 6), (3, 20)):
        found = predictors.transfer(TRUE, second, count)
        assert found.choices == choices
        assert found.medians == pytest.approx([0, 0, 0], abs=1e-9)


def test_shares_of_the_time_by_hand() -> None:
    rows = np.zeros((2, len(TERMS)))
    rows[0, [0, 4]] = 1.0, 3.0
    rows[1, 0] = 2.0
    one = Data(("a", "b"), rows, np.ones(2), np.zeros(len(TERMS)), LEAST)
    shares = predictors.shares(one, np.ones(len(TERMS)))
    assert shares[[0, 4]].tolist() == [(0.25 + 1) / 2, 0.75 / 2]


def test_products_and_power_of_a_made_up_gpu() -> None:
    def product(n: int, clock_hz: float) -> Product:
        peak, flops = 1e3 * clock_hz, 2.0 * n**3
        time_s = 5e-5 + flops / (0.8 * peak)
        return Product("gpu", clock_hz, n, flops / time_s, peak, 3 + 7 * (clock_hz / 1e9) ** 2.5)

    rows = [product(n, clock) for n in (64, 256, 1024, 2048) for clock in (2e8, 4e8, 8e8, 1e9)]
    found = fit_products(rows)
    assert (found.efficiency, found.overhead_s) == (pytest.approx(0.8, rel=1e-6), pytest.approx(5e-5, rel=1e-6))
    assert found.held_out_error < 1e-6
    power = fit_power(rows)
    assert (power.floor_w, power.factor_w, power.exponent) == pytest.approx((3, 7, 2.5), rel=1e-3)
    assert power.highest_clock_hz == 1e9


def test_features_of_a_measured_step() -> None:
    """784-128-10 at batch 4: three products of the first layer's size less one, by hand."""
    dense = network("small dense MNIST net (assumed 784-128-10)", "784")
    assert dense is not None
    row = fit.features(MeasuredStep("raspberry-pi-5", "dense", dense, 4, 0.01, "PyTorch"))
    first, second = 2 * 784 * 128, 2 * 128 * 10
    assert row[TERMS.index("matmul")] == 4 * (2 * first + 3 * second)
    assert row[TERMS.index("channel")] == row[TERMS.index("convolution")] == 0
    assert row[TERMS.index("update")] == 3 * 4 * (784 * 128 + 128 + 1280 + 10)


def test_convolutions_of_phones_are_unrolled() -> None:
    """LEAF's CNN for CelebA at batch 10: patches of 27 numbers at 84x84, of 288 at 42x42 and at 21x21.

    Each matrix is written and read in the forward pass and for either gradient, that of the images included. The
    forward pass runs twice; the matrices of the second one are those of the weights' gradients.
    """
    celeba = network("CNN 3-4 conv32 (LEAF)", "3x84x84")
    assert celeba is not None
    row = fit.features(MeasuredStep("nexus-6", "celeba", celeba, 10, 1.0, "DL4J"))
    patches = 27 * 84**2 + 288 * 42**2 + 288 * 21**2
    assert row[TERMS.index("unrolling")] == 3 * 2 * 4 * 10 * patches
    assert row[TERMS.index("convolution")] == 4 * 2 * 32 * 10 * patches


def test_dl4js_lstm_is_an_lstm() -> None:
    """States and gradients equal those of torch's own layer, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours, theirs = Lstm(5, 7).double(), torch.nn.LSTM(5, 7, batch_first=True).double()
        x = torch.randn(3, 6, 5, dtype=torch.double, requires_grad=True)
    with torch.no_grad():
        # torch's order: gate of input, of forgetting, cell's input, gate of output
        def ordered(weights: torch.Tensor) -> torch.Tensor:
            gate, forget, cell, output = weights.chunk(4)
            return torch.cat([cell, forget, output, gate])

        ours.input_weights.copy_(ordered(theirs.weight_ih_l0).t())
        ours.recurrent_weights.copy_(ordered(theirs.weight_hh_l0).t())
        ours.bias.copy_(ordered(theirs.bias_ih_l0 + theirs.bias_hh_l0))
    states, wanted = ours(x), theirs(x)[0]
    torch.testing.assert_close(states, wanted)
    found = torch.autograd.grad(states.square().sum(), [x, ours.input_weights, ours.recurrent_weights, ours.bias])
    of_x, of_input, of_recurrent, of_bias = torch.autograd.grad(
        wanted.square().sum(), [x, theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0]
    )
    for mine, other in zip(
        found, (of_x, ordered(of_input).t(), ordered(of_recurrent).t(), ordered(of_bias)), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_an_lstm_of_dl4j_reads_all_weights_in_every_step() -> None:
    """Two units, three inputs, four steps: products of every step, forward and backward, and the second forward pass.

    A step's forward pass multiplies with 4 x 2 x (3 + 2) weights, its backward pass adds to as many and multiplies
    with them again, all but the first step's with the recurrent ones; the output layer has 2 x 2 weights.
    """
    found = CountedNetwork("lstm", NetworkForm((1, 4, 3), 2), lambda: Sequence(3, 2, 1, 2))
    step = MeasuredStep("nexus-6", "lstm", found, 1, 1.0, "DL4J (Android)")
    assert step.recomputes
    row = fit.features(step)
    forward, output = 4 * 2 * (3 + 2), 2 * 2
    recurrent = 4 * 2 * 2
    assert row[TERMS.index("matmul")] == 2 * (4 * 4 * forward - recurrent + 4 * output)
    assert row[TERMS.index("update")] == 3 * 4 * (forward + 8 + output + 2)


def test_a_caveat_makes_a_measurement_doubtful(tmp_path: Path) -> None:
    (tmp_path / "training_measurements.csv").write_text(
        "device,model,input_shape,batch_size,ms_per_minibatch,framework,caveat\n"
        "Nexus 6,CNN 3-4 conv32 (LEAF),3x84x84,10,5,DL4J,forward pass only: treat as doubtful\n"
        "Nexus 6,single LSTM layer in=50 out=50,seq 2,10,5,DL4J,std 1 ms\n"
    )
    found, _ = measurements.steps(tmp_path)
    assert [step.doubtful for step in found] == [True, False]


def test_published_names() -> None:
    lstm = network("single LSTM layer in=50 out=60", "seq 2")
    assert lstm is not None
    assert isinstance(lstm.build(), Sequence)
    assert lstm.workload().parameters == 4 * 60 * (50 + 60 + 1) + 2 * 61
    assert network("faster_vit_2", "3x224x224") is None
    pytest.importorskip("timm")
    tiny = network("vit_tiny", "3x224x224")
    assert tiny is not None
    assert tiny.name == "vit_tiny_patch16_224"


def test_rows_that_no_fit_takes_are_listed() -> None:
    """A board without a family, the small network, and two rows that are fitted."""
    dense = network(SMALL_NETWORK, "784")
    assert dense is not None
    rows = [("orange-pi-5", "a"), ("raspberry-pi-5", SMALL_NETWORK), ("raspberry-pi-5", "b"), ("jetson-nano", "c")]
    steps = [MeasuredStep(device, model, dense, 4, 0.01, "PyTorch") for device, model in rows]
    profiles = {device: loading.load(device) for device, _ in rows}
    found = published_fit.unfitted(steps, profiles)
    assert [one.model for one in found] == ["a", SMALL_NETWORK]
    assert "in no family" in found[0].reason


def test_rows_of_jetsons_that_no_fit_can_use_are_named(tmp_path: Path) -> None:
    """A device and a network that the tables do not have, and a device with one workload."""
    file = tmp_path / "jetson_training_dvfs.csv"
    head = "device,model,input,batch_size,cpu_khz,gpu_hz,emc_hz,time_per_minibatch_s,energy_per_minibatch_j\n"
    clocks = "2035200,1300500000,1866000000,0.5,4.5\n"
    profiles = {"jetson-tx2": loading.load("jetson-tx2")}
    for row, words in (
        ("Jetson Orin,LSTM 2x256 bidirectional,x,8,", r"csv:2: device 'Jetson Orin' is not in the tables .*Jetson TX2"),
        ("Jetson TX2,resnet51,x,8,", r"csv:2: model 'resnet51' is not in the tables .*vit_b16"),
        (f'Jetson TX2,"{jetson_steps.LSTM}",x,8,', r"'jetson-tx2' has only one workload.*measure a second network"),
        (f'Jetson TX2,"{jetson_steps.LSTM}",x,many,', r"csv:2: batch_size must be a number; got 'many'"),
    ):
        file.write_text(head + row + clocks)
        with pytest.raises(EdgesimError, match=words):
            jetson_fit.fit_jetsons(tmp_path, [], profiles)
    # Two batch sizes of one network are two runs, and neither helps to predict the other.
    lines = [f'Jetson TX2,"{jetson_steps.LSTM}",x,{size},{clocks}' for size in (8, 16)]
    file.write_text(head + "".join(lines))
    runs = jetson_steps.at_many_clocks(tmp_path, profiles)
    assert [run.times.work.flops.sum() / runs[0].times.work.flops.sum() for run in runs] == [1, 2]
    with pytest.raises(EdgesimError, match="only one workload"):
        jetson_fit.fit_jetsons(tmp_path, [], profiles)
    (tmp_path / "tx2_steps.csv").write_text("device,model,input,batch_size,step,step_time_ms\nTX2,lenet,x,4,0,5\n")
    with pytest.raises(EdgesimError, match="model 'TensorFlow lenet' is not in the tables"):
        jetson_steps.at_one_setting(tmp_path, [], profiles)


PROFILE = """\
# A board.
name: mine
compute:  # arithmetic
  peak_fp32_flops_per_s:
    value: 1e9
    source: "here: there"
  matmul_efficiency:
    value: 0.5
    source: >-
      an old
      one

# About memory.
memory:
  size_bytes: {value: 1e9, source: x}
storage: {kind: disk}
"""


def test_coefficients_go_into_a_file_and_all_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(PROFILE)
    values = {
        "compute.matmul_efficiency": Value(0.25, "derived", "a fit: of " + "many " * 30 + "words", 0.0612345),
        "compute.channel_overhead_s": Value(1.25e-5, "estimate", "a guess"),
        "memory.weight_efficiency": Value(1.0, "estimate", "SRAM"),
    }
    profile_writer.update(file, values)
    once = file.read_text()
    assert [line for line in PROFILE.splitlines() if line.startswith("#")] == [
        line for line in once.splitlines() if line.startswith("#")
    ]
    found = validation.read(file)
    assert found["compute"]["matmul_efficiency"]["value"] == 0.25
    assert found["compute"]["matmul_efficiency"]["relative_error"] == 0.0612
    assert found["compute"]["matmul_efficiency"]["source"] == "a fit: of " + "many " * 30 + "words"
    assert found["compute"]["channel_overhead_s"] == {"value": 1.25e-5, "confidence": "estimate", "source": "a guess"}
    assert list(found["memory"]) == ["size_bytes", "weight_efficiency"]
    assert found["storage"] == {"kind": "disk"}
    profile_writer.update(file, values)
    assert file.read_text() == once


def test_a_file_of_another_form_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("memory: {size_bytes: 3}\n")
    with pytest.raises(EdgesimError):
        profile_writer.update(file, {"memory.weight_efficiency": Value(0.5, "estimate", "there")})
    assert file.read_text() == "memory: {size_bytes: 3}\n"


def test_missing_and_malformed_measurements_are_named(tmp_path: Path) -> None:
    with pytest.raises(EdgesimError, match=r"training_measurements\.csv cannot be read"):
        measurements.steps(tmp_path)
    (tmp_path / "gemm_dvfs.csv").write_text("device,gpu_mhz,n\nJetson Nano,fast,64\n")
    with pytest.raises(EdgesimError, match=r"gemm_dvfs\.csv:2: gpu_mhz must be a number; got 'fast'"):
        measurements.products(tmp_path)


@over("name", loading.names())
def test_every_profile_has_the_coefficients_with_their_source(name: str) -> None:
    profile = loading.load(name)
    fields = jetson_fit.FIELDS if profile.device_class in GPU_CLASSES else FIELDS
    for field in (*fields, "compute.first_step_s"):
        section, key = field.split(".")
        quantity = getattr(getattr(profile, section), key)
        assert quantity is not None, field
        fitted = quantity.source.startswith("least squares on published training steps")
        assert (quantity.relative_error is not None) <= (quantity.confidence == "derived"), field
        assert not fitted or quantity.relative_error or quantity.confidence == "estimate", field


def test_the_published_fit_has_one_thread_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def fit(*_: object) -> None:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        raise EdgesimError("seen")

    monkeypatch.setattr(published_fit.coefficients, "fit_all", fit)
    with threadpool_limits(limits=2, user_api="blas"), pytest.raises(EdgesimError, match="seen"):
        published_fit.fit_profiles(measurements.folder())
    assert set(seen) == {1}


@pytest.mark.slow
@pytest.mark.timeout(900)  # counts some fifty networks
def test_published_measurements_are_predicted_by_models_that_the_fit_has_not_seen(
    tmp_path: Path,
) -> None:
    pytest.importorskip("timm")
    fitted = published_fit.fit_profiles(measurements.folder())
    held = {device: errors for one in fitted.families for device, errors in one.held_out.items()}
    assert len(held["raspberry-pi-4b"].models) >= 30
    assert held["raspberry-pi-4b"].mean <= 0.10
    assert held["raspberry-pi-5"].mean <= 0.10
    assert held["redmi-note-8"].mean <= 0.25
    assert held["galaxy-note10"].mean <= 0.25
    assert held["nexus-6"].mean <= 0.28  # 0.25 is the goal of all three together
    phones = ("nexus-6", "redmi-note-8", "galaxy-note10")
    assert np.mean(np.concatenate([np.abs(held[phone].errors) for phone in phones])) <= 0.25
    unseen = fitted.jetsons.held_out_workload
    assert [len(one.times_s) for one in unseen] == [2436, 2436, 936, 936]
    assert max(np.abs(one.time_errors).mean() for one in unseen) <= 0.15
    assert max(np.abs(one.power_errors).mean() for one in unseen) <= 0.10
    assert max(abs(one.time_errors[one.full]) for one in unseen) <= 0.20
    others = fitted.jetsons.held_out_device
    assert max(np.abs(one.time_errors).mean() for one in others) <= 0.25
    assert max(abs(one.time_errors[one.full]) for one in others) <= 0.25
    # The shipped profiles hold what this fit gives, and written once more they change in no byte.
    assert published_fit.differences(fitted) == []
    for device in fitted.values:
        shutil.copy(loading.folder() / f"{device}.yaml", tmp_path)
    published_fit.write(fitted, tmp_path)
    for device in fitted.values:
        assert (tmp_path / f"{device}.yaml").read_bytes() == (loading.folder() / f"{device}.yaml").read_bytes(), device
    fitted.values["jetson-nano"]["compute.matmul_efficiency"] = Value(0.125, "estimate", "another")
    (line,) = published_fit.differences(fitted)
    assert line.startswith("jetson-nano: compute.matmul_efficiency is 0.")
    assert line.endswith("; the fit gives 0.125")


def test_the_fit_says_which_file_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert published_fit.main(["--measurements", str(tmp_path)]) == 2
    assert "training_measurements.csv cannot be read" in capsys.readouterr().err
