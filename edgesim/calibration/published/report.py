"""The page of a calibration: errors of both prices, transfer, sensitivities, and what was left out, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration import cross_validation, fit
from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published import jetson_report, predictors
from edgesim.calibration.published.coefficients import FamilyFit
from edgesim.calibration.published.jetson_fit import JetsonFit
from edgesim.calibration.published.markdown_table import table
from edgesim.calibration.published.matrix_products import DrawFit, ProductFit, fit_power
from edgesim.calibration.published.measurements import LeftOut, Product
from edgesim.calibration.published.published_networks import network
from edgesim.cost.steps import BYTE_TERMS, FLOP_TERMS, TERMS
from edgesim.formatting import n_of, percent
from edgesim.hardware.loading import DeviceProfile
from edgesim.work import FloatArray

GOALS = {"boards (PyTorch)": 0.10, "phones (DL4J)": 0.25}
"""mean absolute error that was aimed at, on models that the fit has not seen"""


@dataclass(frozen=True)
class ReportContent:
    """All that the page shows."""

    fits: list[FamilyFit]
    jetsons: JetsonFit
    jetson_steps_errors: FloatArray
    """relative, of the Jetsons' steps at one setting, held out"""
    rooflines: dict[str, cross_validation.Errors]
    product_fits: dict[str, ProductFit]
    draws: dict[str, DrawFit]
    products: list[Product]
    left_out: list[LeftOut]
    profiles: dict[str, DeviceProfile]


def page(found: ReportContent, figure: str) -> str:
    """The Markdown text. `figure`: file of the figure of Jetsons, beside the page."""
    parts = [_head(), _errors(found), jetson_report.section(found.jetsons, found.profiles, figure)]
    parts.append(_measurements(found))
    parts += [_phones(found), _costs(found), _transfer(found), _products(found)]
    parts.append(_left_out(found))
    return "\n\n".join(parts) + "\n"


def _head() -> str:
    return (
        "# Calibration of the step model\n\n"
        "How long one training step takes on a device, predicted in two ways and compared with published\n"
        "measurements: by the closed form (FLOPs over peak x `training_utilisation`) and by the step model of\n"
        "`edgesim.cost.steps`, whose coefficients are fitted by least squares on relative error, with wide priors on\n"
        "the proportions between them.\n"
        "Written by `python -m edgesim.calibration.published --profiles device_profiles --report FILE`.\n"
        "Errors are mean absolute errors over the measured time. *Held out* means that the fit has not met the model\n"
        "on any device of the family, at any batch size; the closed form's utilisation has seen all of them.\n"
        "Which coefficients a family has was chosen by these same held-out errors, so they are a little too good."
    )


def _errors(found: ReportContent) -> str:
    rows = []
    for one in found.fits:
        for device, errors in one.held_out.items():
            closed = predictors.closed_form(one.measured[device], found.profiles[device])
            fitted = fit.relative_errors(one.data[device], one.costs[device])
            rows.append(
                [
                    found.profiles[device].title,
                    str(len(errors.models)),
                    str(len(set(errors.models))),
                    percent(closed.mean),
                    percent(np.mean(np.abs(fitted))),
                    _percent(errors.mean),
                    _percent(errors.median),
                    _percent(_undoubted(one.measured[device], errors)),
                    _percent(found.rooflines[device].mean),
                    _goal(GOALS.get(one.family.name), errors.mean),
                ]
            )
        every = np.concatenate([errors.errors for errors in one.held_out.values()])
        if (goal := GOALS.get(one.family.name)) is not None:
            whole = cross_validation.Errors((), every)
            found_here = ["", "", "", _percent(whole.mean), _percent(whole.median), "", "", _goal(goal, whole.mean)]
            rows.append([f"*all {one.family.name}*", str(len(every)), *found_here])
    head = [
        "device", "n", "models", "closed form", "step model, fitted", "step model, held out", "its median",
        "its mean without doubtful ones", "held out, roofline", "goal",
    ]  # fmt: skip
    words = (
        "## Errors\n\n*Roofline* takes, for every operation, the larger of arithmetic and memory in place of their "
        "sum,\nfitted anew. Families with no more models than coefficients cannot be held out. *Doubtful* are "
        "measurements whose\nown caveat says so; the fit uses them.\n\n"
    )
    return words + table(head, rows)


def _goal(goal: float | None, error: float) -> str:
    return "" if goal is None else f"{percent(goal, 0)}: {'reached' if error <= goal else '**not reached**'}"


def _undoubted(measured: Sequence[MeasuredStep], errors: cross_validation.Errors) -> float:
    """Mean absolute error on the measurements that their source does not call doubtful."""
    return float(np.mean(np.abs(errors.errors[[not step.doubtful for step in measured]])))


QUOTED = (
    ("redmi-note-8", "CNN 2conv(32,64;5x5)+fc2048 (LEAF)", 10, 0.588),
    ("redmi-note-8", "embed8 + 2xLSTM-256", 100, 13.579),
    ("galaxy-note10", "2xLSTM-256 + softmax 10000", 10, 0.5277),
    ("galaxy-note10", "embed8 + 2xLSTM-256", 100, 10.681),
)
"""device, model, batch size and seconds of measurements that the table quotes beside others and does not list: no fit
has met them, though it has met the models on another phone"""


def _phones(found: ReportContent) -> str:
    phones = found.fits[1]
    rows, errors = [], []
    for device, model, batch_size, time_s in QUOTED:
        known = network(model, "")
        if known is None or device not in phones.costs:
            continue
        step = MeasuredStep(device, model, known, batch_size, time_s, phones.measured[device][0].framework)
        guess_s = float(fit.features(step) @ phones.costs[device])
        errors.append(abs(guess_s / time_s - 1))
        cells = [f"{time_s:.4g}", f"{guess_s:.3g}", percent(guess_s / time_s - 1, 0, sign=True)]
        rows.append([found.profiles[device].title, model, str(batch_size), *cells])
    words = (
        "## Phones\n\n"
        "Their measurements are DL4J's, so that DL4J's execution is what is counted: it unrolls the input of a\n"
        "convolution into a matrix, goes through a sequence step by step, reading and adding to all weights in each,\n"
        "and runs the forward pass again within the backward pass. Their costs are drawn to the proportions of the\n"
        "Raspberry Pi 4's, with a spread of a factor e. What is left are LSTM layers that no sum over operations\n"
        "gives: on the Redmi Note 8 one of 250 units takes two thirds of the time of two of 256 with an output of\n"
        "10,000 words. Nineteen ways to share costs were compared on these errors, most of them at two or three\n"
        "spreads; with seven measurements a phone, differences of a few points between them are chance.\n\n"
    )
    if not rows:
        return words.rstrip()
    unseen = (
        f"Measurements that the table quotes beside others and does not list, and that no fit has met (the models it\n"
        f"has, on another phone): mean absolute error {percent(np.mean(errors))} (n = {len(rows)}).\n\n"
    )
    return words + unseen + table(["device", "model", "batch", "measured, s", "predicted, s", "error"], rows)


def _measurements(found: ReportContent) -> str:
    """Every measured step with its prediction by a fit that has not met its model, the worst of each device first."""
    rows = []
    for one in found.fits:
        for device, errors in one.held_out.items():
            order = np.argsort(-np.abs(errors.errors))  # those that cannot be held out come last
            steps = [(one.measured[device][i], float(errors.errors[i])) for i in order]
            rows += [_row(found, device, step.model, step.batch_size, step.time_s, error) for step, error in steps]
    for single, error in zip(found.jetsons.single, found.jetson_steps_errors, strict=True):
        rows.append(_row(found, single.device.name, single.workload, None, float(single.times_s[0]), float(error)))
    words = (
        "## Every measurement, held out\n\nSteps at one setting of the clocks, each predicted by a fit that has not "
        "met its model: on boards and phones on any device\nof the family, on Jetsons on that device. Steps of one "
        "model at several batch sizes are left out together.\n\n"
    )
    return words + table(["device", "model", "batch", "measured, s", "predicted, s", "error"], rows)


def _row(
    found: ReportContent, device: str, model: str, batch_size: int | None, time_s: float, error: float
) -> list[str]:
    cells = [f"{time_s:.4g}", *(["—", "—"] if np.isnan(error) else [f"{time_s * (1 + error):.3g}", _signed(error)])]
    return [found.profiles[device].title, model, "" if batch_size is None else str(batch_size), *cells]


def _signed(error: float) -> str:
    return percent(error, 0, sign=True)


def _costs(found: ReportContent) -> str:
    rows = []
    for one in found.fits:
        spreads = predictors.spreads(one.family, one.data, one.anchor)
        for device, costs in one.costs.items():
            shares = predictors.shares(one.data[device], costs)
            fitted = {term for group in one.family.groups for term in group}
            for i, term in enumerate(TERMS):
                if costs[i] > 0 and shares[i] > 0:
                    spread = _percent(spreads[device][i]) if term in fitted else "fixed"
                    title, speed = found.profiles[device].title, _speed(term, costs[i])
                    rows.append([title, term, speed, spread, percent(shares[i])])
    words = (
        "## Coefficients and sensitivities\n\nA coefficient's share of the predicted time, averaged over the "
        "models, is its sensitivity: one per cent more\nof it makes a step longer by that share of a per cent. The "
        "spread is the jackknife's standard error over models.\n\n"
    )
    return words + table(["device", "coefficient", "value", "spread", "share of the time"], rows)


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else percent(share)


def _speed(term: str, cost: float) -> str:
    if term in FLOP_TERMS:
        return f"{1 / cost / 1e9:.3g} GFLOP/s"
    return f"{1 / cost / 1e9:.3g} GB/s" if term in BYTE_TERMS else f"{cost * 1e6:.3g} µs"


def _transfer(found: ReportContent) -> str:
    boards = found.fits[0]
    first, second = boards.family.devices
    if first not in boards.costs or second not in boards.costs:
        return "## Transfer\n\nNeeds measurements of both boards."
    alone = {first: boards.data[first]}
    costs = fit.fit(boards.family, alone)[first]
    rows = []
    for count in (1, 3):
        one = predictors.transfer(costs, boards.data[second], count)
        low, middle, high = one.medians
        rows.append([str(count), str(one.choices), percent(middle), f"{percent(low)} to {percent(high)}"])
    words = (
        f"## Transfer\n\nFitted on the {found.profiles[first].title} alone, then scaled by one factor from a few\n"
        f"models measured on the {found.profiles[second].title}; error on its other models, over all choices.\n\n"
    )
    return words + table(["models measured", "choices", "median error", "5th to 95th percentile"], rows)


def _products(found: ReportContent) -> str:
    products, powers, draws = [], [], []
    for device, one in found.product_fits.items():
        title = found.profiles[device].title
        overhead = f"{one.overhead_s * 1e6:.0f} µs"
        products.append([title, str(one.n), percent(one.efficiency), overhead, percent(one.held_out_error)])
        power = fit_power([product for product in found.products if product.device == device])
        law = f"{power.floor_w:.2f} + {power.factor_w:.2f} f^{power.exponent:.2f}"
        best = f"{power.best_clock_hz / 1e6:.0f} of {power.highest_clock_hz / 1e6:.0f}"
        powers.append([title, str(power.n), law, percent(power.error), best])
        draw = found.draws[device]
        line = f"{draw.floor_w:.2f} + {draw.slope_w:.2f} u"
        draws.append([title, str(draw.n), line, percent(draw.held_out_error)])
    return (
        "## Matrix products on Jetsons\n\nSingle products with wall power, a check of the forms above; no coefficient "
        "comes from them. Time = overhead +\nFLOPs / (peak x efficiency) at the highest clock; every size held out in "
        "turn.\n\n"
        + table(["device", "sizes", "efficiency", "overhead", "error, held out"], products)
        + "\n\nWall power in the largest product at every clock, f in GHz, and the clock of most FLOPs per joule.\n\n"
        + table(["device", "clocks", "P in W", "error of the fit", "best clock, MHz"], powers)
        + "\n\nWall power at the highest clock against utilisation u (achieved / peak); every size held out in turn."
        + "\n\n"
        + table(["device", "sizes", "P in W", "error, held out"], draws)
    )


def _left_out(found: ReportContent) -> str:
    rows = [[one.device, one.model, one.reason] for one in found.left_out]
    return f"## Left out\n\n{n_of(len(rows), 'measurement')}.\n\n" + table(["device", "model", "why"], rows)
