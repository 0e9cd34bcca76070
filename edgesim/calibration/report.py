"""The page of a calibration: errors of both prices, transfer, sensitivities, and what was left out, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.calibration import validate
from edgesim.calibration.coefficients import FamilyFit
from edgesim.calibration.fit import COLUMNS, FLOP_KINDS
from edgesim.calibration.measurements import LeftOut, Product, Step
from edgesim.calibration.products import ProductFit, fit_power
from edgesim.profiles import DeviceProfile

GOALS = {
    "raspberry-pi-4b": 0.10,
    "raspberry-pi-5": 0.10,
    "nexus-6": 0.25,
    "redmi-note-8": 0.25,
    "galaxy-note10": 0.25,
}
"""mean absolute error that was aimed at, on models that the fit has not seen"""
_WORST = 4


@dataclass(frozen=True)
class Found:
    """All that the page shows."""

    fits: list[FamilyFit]
    rooflines: dict[str, validate.Errors]
    product_fits: dict[str, ProductFit]
    products: list[Product]
    left_out: list[LeftOut]
    profiles: dict[str, DeviceProfile]


def page(found: Found) -> str:
    """The Markdown text."""
    parts = [_head(), _errors(found), _models(found), _phones(), _costs(found), _transfer(found), _gpus(found)]
    parts.append(_left_out(found))
    return "\n\n".join(parts) + "\n"


def _head() -> str:
    return (
        "# Calibration of the step model\n\n"
        "How long one training step takes on a device, predicted in two ways and compared with published\n"
        "measurements: by the closed form (FLOPs over peak x `training_utilisation`) and by the step model of\n"
        "`edgesim.cost.steps`, whose coefficients are fitted by non-negative least squares on relative error.\n"
        "Written by `python -m edgesim.calibration FOLDER --profiles device_profiles --report FILE`.\n"
        "Errors are mean absolute errors over the measured time. *Held out* means that the fit has not met the model\n"
        "on any device of the family, at any batch size; the closed form's utilisation has seen all of them.\n"
        "Which coefficients a family has was chosen by these same held-out errors, so they are a little too good."
    )


def _errors(found: Found) -> str:
    rows = []
    for one in found.fits:
        for device, errors in one.held_out.items():
            closed = validate.closed_form(one.measured[device], found.profiles[device])
            fitted = validate.fit.relative_errors(one.data[device], one.costs[device])
            goal = GOALS.get(device)
            reached = "reached" if goal is None or errors.mean <= goal else "**not reached**"
            rows.append(
                [
                    found.profiles[device].title,
                    str(len(errors.models)),
                    str(len(set(errors.models))),
                    f"{closed.mean:.1%}",
                    f"{np.mean(np.abs(fitted)):.1%}",
                    _percent(errors.mean),
                    _percent(errors.median),
                    _percent(_undoubted(one.measured[device], errors)),
                    _percent(found.rooflines[device].mean),
                    "" if goal is None else f"{goal:.0%}: {reached}",
                ]
            )
    head = [
        "device", "n", "models", "closed form", "step model, fitted", "step model, held out", "its median",
        "its mean without doubtful ones", "held out, roofline", "goal",
    ]  # fmt: skip
    words = (
        "## Errors\n\n*Roofline* takes, for every operation, the larger of arithmetic and memory in place of their "
        "sum,\nfitted anew. Families with no more models than coefficients cannot be held out. *Doubtful* are "
        "measurements whose\nown caveat says so; the fit uses them.\n\n"
    )
    return words + _table(head, rows)


def _undoubted(measured: Sequence[Step], errors: validate.Errors) -> float:
    """Mean absolute error on the measurements that their source does not call doubtful."""
    return float(np.mean(np.abs(errors.errors[[not step.doubtful for step in measured]])))


def _phones() -> str:
    return (
        "## What limits the phones\n\n"
        "DL4J unrolls the input of a convolution into a matrix, and once more for every gradient. Counted at the cost\n"
        "of activations, this takes longer than the products and brings both CNNs nearer to one set of costs; the\n"
        "slowest phone's remain too low when they are held out. The rest lies in the LSTMs. On one phone a layer of\n"
        "250 units takes two thirds of the time of two layers of 256 with an output of 10,000 words, which no sum\n"
        "over layers gives; on another one of 500 units at batch 20 takes far longer than costs that fit 250 and 1000\n"
        "units give. The slowest phone is further from the others in what grows with the batch than in weights and\n"
        "overheads, so that it takes least from the shape that they share. Tried, and not clearly better on models or\n"
        "single measurements held out: one speed each for processor and memory, a cost of its own for unrolling,\n"
        "LSTMs as DL4J runs them step by step, a robust loss, and half the weight for doubtful measurements."
    )


def _models(found: Found) -> str:
    rows = []
    for one in found.fits:
        for device, errors in one.held_out.items():
            if not np.isnan(errors.mean):
                worst = ", ".join(f"{model} {error:+.0%}" for model, error in errors.worst(_WORST))
                rows.append([found.profiles[device].title, worst])
    return "## Worst models, held out\n\n" + _table(["device", "predicted over measured, less one"], rows)


def _costs(found: Found) -> str:
    rows = []
    for one in found.fits:
        spreads = validate.spreads(one.family, one.data)
        for device, costs in one.costs.items():
            shares = validate.shares(one.data[device], costs)
            fitted = {column for group in one.family.groups for column in group}
            for i, column in enumerate(COLUMNS):
                if costs[i] > 0:
                    spread = _percent(spreads[device][i]) if column in fitted else "fixed"
                    title, speed = found.profiles[device].title, _speed(column, costs[i])
                    rows.append([title, column, speed, spread, f"{shares[i]:.1%}"])
    words = (
        "## Coefficients and sensitivities\n\nA coefficient's share of the predicted time, averaged over the "
        "models, is its sensitivity: one per cent more\nof it makes a step longer by that share of a per cent. The "
        "spread is the jackknife's standard error over models.\n\n"
    )
    return words + _table(["device", "coefficient", "value", "spread", "share of the time"], rows)


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else f"{share:.1%}"


def _speed(column: str, cost: float) -> str:
    if column in FLOP_KINDS:
        return f"{1 / cost / 1e9:.3g} GFLOP/s"
    return f"{1 / cost / 1e9:.3g} GB/s" if column in ("activation", "weight", "unrolling") else f"{cost * 1e6:.3g} µs"


def _transfer(found: Found) -> str:
    boards = found.fits[0]
    first, second = boards.family.devices
    if first not in boards.costs or second not in boards.costs:
        return "## Transfer\n\nNeeds measurements of both boards."
    alone = {first: boards.data[first]}
    costs = validate.fit.fit(boards.family, alone)[first]
    rows = []
    for count in (1, 3):
        one = validate.transfer(costs, boards.data[second], count)
        low, middle, high = one.medians
        rows.append([str(count), str(one.choices), f"{middle:.1%}", f"{low:.1%} to {high:.1%}"])
    words = (
        f"## Transfer\n\nFitted on the {found.profiles[first].title} alone, then scaled by one factor from a few\n"
        f"models measured on the {found.profiles[second].title}; error on its other models, over all choices.\n\n"
    )
    return words + _table(["models measured", "choices", "median error", "5th to 95th percentile"], rows)


def _gpus(found: Found) -> str:
    products, powers = [], []
    for device, one in found.product_fits.items():
        title = found.profiles[device].title
        products.append(
            [title, str(one.n), f"{one.efficiency:.1%}", f"{one.overhead_s * 1e6:.0f} µs", f"{one.held_out_error:.1%}"]
        )
        power = fit_power([product for product in found.products if product.device == device])
        law = f"{power.floor_w:.2f} + {power.factor_w:.2f} f^{power.exponent:.2f}"
        best = f"{power.best_clock_hz / 1e6:.0f} of {power.highest_clock_hz / 1e6:.0f}"
        powers.append([title, str(power.n), law, f"{power.error:.1%}", best])
    return (
        "## Matrix products on Jetsons\n\nTime = overhead + FLOPs / (peak x efficiency) at the highest clock; every "
        "size held out in turn.\n\n"
        + _table(["device", "sizes", "efficiency", "overhead", "error, held out"], products)
        + "\n\nWall power in the largest product at every clock, f in GHz, and the clock of most FLOPs per joule.\n\n"
        + _table(["device", "clocks", "P in W", "error of the fit", "best clock, MHz"], powers)
    )


def _left_out(found: Found) -> str:
    rows = [[one.device, one.model, one.reason] for one in found.left_out]
    return f"## Left out\n\n{len(rows)} measurements.\n\n" + _table(["device", "model", "why"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
