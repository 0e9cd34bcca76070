"""Style of figures for print: fonts, a palette for all kinds of colour vision, and looks that differ in grey, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from edgesim.report import plot_style
from edgesim.report.figures.overlapping_marks import LARGE
from edgesim.report.plot_style import Spec

PALETTE = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito, "Color Universal Design", 2008, without yellow; black is for what is grey on the page"""
GREYS = ("#767676", "#a6a6a6")
"""methods without a colour, and other grey series beside a black one"""
DASHES: dict[str, tuple[Any, ...]] = {
    "solid": ("-",),
    "dash": ("--", (0, (8, 2)), (0, (3, 3)), (0, (8, 2, 2, 2))),
    "dot": (":", (0, (1, 3)), (0, (1, 1, 1, 4)), (0, (2, 3))),
}
"""dash of the page -> matplotlib's; the others are for further lines without marks"""
HATCHES = (
    "", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oooo", "||||", "**", "//", "..", "xx", "OO", "\\\\", "--",
)  # fmt: skip
PATTERNS = dict(zip(plot_style.BAR_PATTERNS, ("", "////", "....", "xxxx"), strict=True))
"""pattern of the page -> matplotlib's hatch"""
MARKERS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "x": "X", "star": "*", "cross": "P",
    "triangle-down": "v", "pentagon": "p", "hexagon": "h", "diamond-tall": "d", "line-ns": "|", "line-ew": "_",
}  # fmt: skip
"""symbol of the page -> matplotlib's"""
STROKES = ("line-ns", "line-ew")
"""symbols that are strokes"""
OTHERS = ("<", ">", "8", (4, 1, 0), (3, 1, 0), (6, 1, 0))
"""markers that the page does not have"""
STEPS: dict[str, Literal["post", "mid"]] = {"hv": "post", "hvh": "mid"}
"""shape of a line on the page -> place of matplotlib's steps"""
FONT, FONT_SIZE = "DejaVu Sans", 7.0
"""font that matplotlib brings along, and its size in points"""
LINE_WIDTH, LEAST_MARK = 0.5, 2.4
"""points per pixel of a line, and smallest mark in points whose form can be seen"""
MARK_SCALE = 0.44
"""points per pixel of a mark"""
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
    """Looks of the series of one figure, numbered by their first use in it.

    Dashes are the page's, for captions speak of them. Series with marks differ by mark, bars by hatch, both also by
    colour as far as the palette goes.
    """

    def __init__(self, traces: Sequence[Spec], has_legend: bool = True):
        """Number the looks.

        Args:
            traces: those that are drawn.
            has_legend: False where an axis names the series, so that the marks of the page suffice.
        """
        self._has_legend = has_legend
        self._colours: dict[Any, str] = {}
        self._marks: dict[str, Any] = {}
        self._hatches: dict[str, str] = {}
        self._variants: dict[str, int] = {}
        plain = [trace for trace in traces if not has_scale(trace)]
        self._number_colours(plain)
        marked = [trace for trace in plain if has_marks(trace) and not self._is_fixed(trace)]
        for trace in marked:
            self._marks.setdefault(series_of(trace), self._free_mark(trace))
        for trace in plain:
            name = series_of(trace)
            if trace["type"] == "bar":
                self._hatches.setdefault(name, HATCHES[len(self._hatches) % len(HATCHES)])
            elif not trace.get("fill") and name not in self._marks and name not in self._variants:
                same = [one for one in plain if series_of(one) in self._variants and _dash(one) == _dash(trace)]
                self._variants[name] = len({series_of(one) for one in same})

    def colour(self, trace: Spec) -> str:
        """Colour of a trace, the same for all traces with its colour on the page."""
        return self._colours[_colour_key(trace)]

    def dash(self, trace: Spec) -> Any:
        """Dash of a line as on the page; lines without marks have variants of it."""
        variants = DASHES[_dash(trace)]
        return variants[self._variants.get(series_of(trace), 0) % len(variants)]

    def mark(self, trace: Spec) -> Any:
        """Mark of a trace."""
        own = MARKERS[symbols_of(trace)[0].removesuffix("-open")]
        return own if self._is_fixed(trace) else self._marks.get(series_of(trace), own)

    def hatch(self, trace: Spec) -> str:
        """Hatch of a bar."""
        if not self._has_legend:
            return PATTERNS[(trace["marker"].get("pattern") or {}).get("shape", "")]
        return self._hatches[series_of(trace)]

    def _number_colours(self, traces: Sequence[Spec]) -> None:
        keys = list(dict.fromkeys(map(_colour_key, traces)))
        greys = [key for key in keys if key[0] == plot_style.GREY]
        palette = PALETTE[1:] if greys else (*PALETTE[1:], PALETTE[0])
        coloured = [key for key in keys if key not in greys and key[0] is not None]
        self._colours = {key: palette[place % len(palette)] for place, key in enumerate(coloured)}
        self._colours |= {key: PALETTE[0] if place == 0 else GREYS[0] for place, key in enumerate(greys)}
        faint = [key for key in keys if key[0] is None]
        per_grey = len(MARKERS) + len(OTHERS) - len(STROKES)
        self._colours |= {key: GREYS[place // per_grey % len(GREYS)] for place, key in enumerate(faint)}

    def _is_fixed(self, trace: Spec) -> bool:
        """True where the mark of the page has a meaning: strokes, and rings around other marks."""
        symbol = symbols_of(trace)[0]
        is_ring = symbol.endswith("-open") and trace["marker"].get("size", 8) > LARGE
        return not self._has_legend or is_ring or symbol.removesuffix("-open") in STROKES

    def _free_mark(self, trace: Spec) -> Any:
        """Mark of the page where no other series has it, else the first free one."""
        own = MARKERS[symbols_of(trace)[0].removesuffix("-open")]
        every = [own, *(mark for symbol, mark in MARKERS.items() if symbol not in STROKES), *OTHERS]
        taken = list(self._marks.values())
        return next((mark for mark in every if mark not in taken), every[len(taken) % len(every)])


def has_scale(trace: Spec) -> bool:
    """True for marks whose colour is a value."""
    return "colorscale" in (trace.get("marker") or {})


def has_marks(trace: Spec) -> bool:
    """True for a trace that is drawn with marks."""
    return trace["type"] == "scatter" and "markers" in str(trace.get("mode"))


def symbols_of(trace: Spec) -> list[str]:
    """Symbols of the page, one per mark, or one for all."""
    symbols = (trace.get("marker") or {}).get("symbol", "circle")
    return [symbols] if isinstance(symbols, str) else list(symbols) or ["circle"]


def series_of(trace: Spec) -> str:
    """Name that the traces of a series share."""
    return str(trace.get("legendgroup") or trace.get("name", ""))


def _dash(trace: Spec) -> str:
    return str((trace.get("line") or {}).get("dash", "solid"))


def _colour_key(trace: Spec) -> tuple[str | None, str]:
    """What traces of equal colour share: the page's colour; of grey ones, which are many things, also the series."""
    line, marker = trace.get("line") or {}, trace.get("marker") or {}
    colour = _opaque(str(line.get("color") or marker.get("color") or trace.get("fillcolor") or plot_style.GREY))
    if trace.get("legendrank") == plot_style.FAINT_RANK:
        return None, series_of(trace)
    return colour, series_of(trace) if colour == plot_style.GREY else ""


def _opaque(colour: str) -> str:
    """A colour `rgba(r,g,b,a)` as `#rrggbb`; others as they are."""
    if not colour.startswith("rgba("):
        return colour
    red, green, blue, *_ = (float(part) for part in colour[5:-1].split(","))
    return "#" + "".join(f"{round(part):02x}" for part in (red, green, blue))
