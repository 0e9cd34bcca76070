"""Families of measured devices, and the costs that the measurements of each can tell apart."""

from __future__ import annotations

from edgesim.calibration.fit import Family
from edgesim.cost.steps import BYTE_TERMS, FLOP_TERMS

_MEMORY = tuple(term for term in BYTE_TERMS if term != "unrolling")
FAMILIES = (
    Family(
        "boards (PyTorch)",
        ("raspberry-pi-4b", "raspberry-pi-5"),
        # All their measurements are of large steps: several memory shares would trade places with the arithmetic,
        # and the time of one operation comes from a small network instead.
        (*((kind,) for kind in FLOP_TERMS), _MEMORY, ("channel", "cramped_channel")),
    ),
    Family(
        "phones (DL4J)",
        ("nexus-6", "redmi-note-8", "galaxy-note10"),
        # DL4J has no convolutions of its own on ARM: it unrolls the images and multiplies matrices, so that the
        # unrolled ones are operands.
        (
            ("convolution", "matmul"),
            ("activation",),
            ("operand", "unrolling"),
            ("weight", "convolution_weight", "cramped_weight", "update"),
            ("operation", "convolution_operation"),
        ),
        anchor="raspberry-pi-4b",  # of the same kind of processor, measured more often
        unanchored=("operation", "convolution_operation"),  # that is the framework's and not the processor's
    ),
)
