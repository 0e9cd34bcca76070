"""Inheritance of profiles (`extends`): a document merged over the one that it inherits from.

Sections merge key by key; quantities and everything else replace as wholes, a clock's steps and the list of power modes
among them. A note is about its own file and is not inherited.

A price uses the finest number that a profile has. Inherited finer numbers would hide a coarse one that a variant gives.
So they follow it, each by the ratio of the variant's coarse number to the inherited one, as estimates with that source:

    peak_fp32_flops_per_s           the peaks of other precisions (shares of the FP32 peak hold as they are)
    training_utilisation            the shares of peak by kind of operation, each at most 1
    step_overhead_s                 the constant times of operations, of convolutions in groups, and of a GPU's kernels
    bandwidth_bytes_per_s           the bandwidth of a copy in memory (shares of the bandwidth hold as they are)
    achieved_bandwidth_bytes_per_s  the shares of the bandwidth, each at most 1; without an inherited one, half of the
                                    nominal bandwidth counts as such
    max_w                           the coefficients of a GPU's power by its clocks

so that half the utilisation doubles the time of the arithmetic. What a variant gives itself, or takes away with null,
stays as given. Where the inherited number is 0 no ratio exists, and the finer ones are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgesim.hardware.plausible_ranges import Document, number, plausible
from edgesim.hardware.quantity import NOMINAL_SHARE


@dataclass(frozen=True)
class DerivedFields:
    """A coarse field and the finer ones of its section that a price prefers to it."""

    section: str
    coarse: str
    fine: tuple[str, ...]
    limit: float = math.inf
    """of the finer ones"""


_SHARES = tuple(f"{kind}_efficiency" for kind in ("convolution", "pointwise", "depthwise", "matmul"))
_OVERHEADS = tuple(
    f"{kind}_overhead_s" for kind in ("operation", "convolution_operation", "channel", "cramped_channel", "kernel")
)
_MEMORY_SHARES = tuple(
    f"{kind}_efficiency"
    for kind in (
        "activation",
        "operand",
        "matmul_operand",
        "weight",
        "update",
        "convolution_weight",
        "cramped_weight",
        "unrolling",
    )
)
_PEAKS = ("peak_fp16_flops_per_s", "peak_bf16_flops_per_s", "peak_int8_ops_per_s")
_NOMINAL, _ACHIEVED = "bandwidth_bytes_per_s", "achieved_bandwidth_bytes_per_s"
_POWER_BY_CLOCKS = ("floor_w", "memory_clock_w", "cpu_clock_w", "work_w", "work_clock_w")
SHADOWS = (
    DerivedFields("compute", "peak_fp32_flops_per_s", _PEAKS),
    DerivedFields("compute", "training_utilisation", _SHARES, 1.0),
    DerivedFields("compute", "step_overhead_s", _OVERHEADS),
    DerivedFields("power", "max_w", _POWER_BY_CLOCKS),
    DerivedFields("memory", _NOMINAL, (_ACHIEVED,)),
    # The last one: it needs both bandwidths as they are in the end.
    DerivedFields("memory", _ACHIEVED, _MEMORY_SHARES, 1.0),
)


def over(base: Document, given: Document) -> Document:
    """`given` over `base`; finer numbers of `base` follow coarser ones of `given`.

    Args:
        base: the whole document that is inherited from.
        given: the variant's own; faults in it are left to the checks of the result.

    Returns: a new document that shares its parts with the two.
    """
    merged = {key: value for key, value in base.items() if key != "note"}
    for key, value in given.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = {**base[key], **value} if both else value
    for shadow in SHADOWS:
        own = given.get(shadow.section)
        if isinstance(own, dict) and own.get(shadow.coarse) is not None:
            _follow(merged, base, own, shadow)
    return merged


def _follow(merged: Document, base: Document, own: Document, shadow: DerivedFields) -> None:
    """Let the inherited finer fields of one section of `merged` follow the variant's coarse one."""
    before, now = (_level(document, shadow) for document in (base, merged))
    section = merged[shadow.section]
    if before is None or now is None or before == now or not isinstance(section, dict):
        return
    for name in shadow.fine:
        inherited = number(base, shadow.section, name)
        if inherited is None or name in own:
            continue
        if before == 0:
            del section[name]
            continue
        follows = f"x {now / before:.4g}, as {shadow.coarse} is in this variant"
        value = inherited * now / before
        # Winograd's convolutions pass the peak: nothing is pushed below what was inherited.
        limit = max(shadow.limit, inherited)
        if value > limit:
            value, follows = limit, f"{follows}, at most {limit:g}"
        quantity = {key: part for key, part in section[name].items() if key != "relative_error"}
        source = f"{quantity.get('source', '')}; {follows}"
        section[name] = {**quantity, "value": value, "confidence": "estimate", "source": source}
        if isinstance(own[shadow.coarse], dict) and own[shadow.coarse].get("unsafe") is True:
            section[name]["unsafe"] = True  # as the number that it follows


def _level(document: Document, shadow: DerivedFields) -> float | None:
    """The coarse number, that of a copy in memory as a share of the nominal bandwidth; None where it is no good."""
    value = number(document, shadow.section, shadow.coarse)
    if shadow.coarse == _ACHIEVED:
        if not plausible(document, "memory", _NOMINAL):
            return None
        if value is None:
            return NOMINAL_SHARE
    if value is None or not plausible(document, shadow.section, shadow.coarse):
        return None
    return value / (number(document, "memory", _NOMINAL) or 1.0) if shadow.coarse == _ACHIEVED else value
