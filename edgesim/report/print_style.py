"""Style of figures for print: fonts, a palette for all kinds of colour vision, and marks that differ in grey, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgesim.report import plot_style

PALETTE = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito, "Color Universal Design", 2008, without yellow; from dark to light in turns"""
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oooo")
MARKERS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "x": "x", "star": "*", "cross": "P",
    "triangle-down": "v", "pentagon": "p", "hexagon": "h", "diamond-tall": "d", "line-ns": "|", "line-ew": "_",
}  # fmt: skip
"""symbol of the page -> matplotlib's"""
FONT, FONT_SIZE = "DejaVu Sans", 7.0
"""font that matplotlib brings along, and its size in points"""
LINE_WIDTH, MARKER_SIZE = 1.0, 3.5
ASPECT = 0.68
"""height of a figure over its width"""
SETTINGS: Any = {
    "font.family": FONT, "font.size": FONT_SIZE, "axes.titlesize": FONT_SIZE, "axes.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE - 1, "xtick.labelsize": FONT_SIZE - 1, "ytick.labelsize": FONT_SIZE - 1,
    "pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "edgesim", "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.linewidth": 0.3,
    "grid.color": "#d0d0d0", "axes.axisbelow": True, "legend.frameon": False, "hatch.linewidth": 0.4,
    "text.usetex": False, "mathtext.default": "regular", "text.parse_math": False, "axes.unicode_minus": True,
}  # fmt: skip
"""matplotlib's settings: fonts are embedded as TrueType, in SVG as paths; names with a dollar are no formulas"""


class Looks:
    """Looks of the page's colours: each gets a colour of the palette, a dash and a hatch."""

    def __init__(self, symbols: Iterable[str] = ()):
        """Begin a figure.

        Args:
            symbols: of its marks; where all are the same, marks differ by their colour's number instead.
        """
        self._is_uniform = len(set(symbols)) < 2
        # Methods have the same looks in all figures of a run.
        self._places = {colour: place for place, colour in enumerate((plot_style.GREY, *plot_style.METHOD_COLOURS))}

    def place(self, colour: str) -> int:
        """Number of a colour; colours that no method has follow by first appearance."""
        return self._places.setdefault(colour, len(self._places))

    def colour(self, colour: str) -> str:
        """Colour of the palette."""
        return PALETTE[self.place(colour) % len(PALETTE)]

    def dash(self, colour: str) -> Any:
        """Dash of a line."""
        return DASHES[self.place(colour) % len(DASHES)]

    def marker(self, symbol: str, colour: str) -> str:
        """Marker of a line."""
        if self._is_uniform:
            return list(MARKERS.values())[self.place(colour) % 10]
        return MARKERS.get(symbol, "o")

    def hatch(self, colour: str) -> str:
        """Hatch of a bar."""
        return HATCHES[self.place(colour) % len(HATCHES)]
