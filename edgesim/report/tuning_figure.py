"""Figure of a search for power modes: time and energy of the modes that no other one beats, as a plain SVG."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgesim.formatting import number, visible
from edgesim.report.plot_style import GREY, PAGE_COLOURS, ratio_colours

MOST_PANELS = 6
"""panels: one per profile, of its first device"""
_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW, _LEGEND = 460, 260, 70, 40, 110, 190
_TICKS = 5
_INK, _SOFT, _RULE, _PAGE = (PAGE_COLOURS["light"][name] for name in ("ink", "soft", "line", "page"))


@dataclass(frozen=True)
class Limits:
    """Limits of the search, drawn as dashed lines; None = there is none."""

    deadline_s: float | None = None
    energy_j: float | None = None


def svg(choices: pd.DataFrame, front: pd.DataFrame, limits: Limits) -> str:
    """Energy against time of a front's modes: a panel per profile, a colour per keep ratio.

    Args:
        choices: device profile method keep_ratio power_mode meets time_s energy_j, and both with full_clock_ before.
        front: device profile method keep_ratio time_s energy_j.
        limits: of the search.
    """
    panels = [_Panel(one, mine, limits) for one, mine in _chosen(choices, front)]
    width, step = _LEFT + _WIDTH + _LEGEND, _TOP + _HEIGHT + _BELOW
    drawn = [f'<g transform="translate(0 {i * step})">{panel.draw()}</g>' for i, panel in enumerate(panels)]
    height = step * max(len(panels), 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}"><rect width="100%" height="100%" fill="{_PAGE}"/>'
        f"{''.join(drawn)}</svg>\n"
    )


def _chosen(choices: pd.DataFrame, front: pd.DataFrame) -> list[tuple[pd.Series, pd.DataFrame]]:
    """Choice and front of the first device of each profile, by its first method that may keep fewer samples."""
    found = []
    for _, mine in choices.groupby("profile", sort=False):
        prunes = mine[mine["method"] != "full"]
        one = (prunes if len(prunes) else mine).iloc[0]
        own = front[(front["device"] == one["device"]) & (front["method"] == one["method"])] if len(front) else front
        if len(own):
            found.append((one, own))
    return found[:MOST_PANELS]


@dataclass(frozen=True)
class _Scale:
    """A linear axis with round ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float], start: float, end: float) -> _Scale:
        known = [float(value) for value in values if np.isfinite(value)]
        low, high = min(known), max(known)
        room = 0.05 * (high - low) or 0.05 * high or 1.0
        low, high = max(low - room, 0.0), high + room
        raw = (high - low) / _TICKS
        size = 10 ** np.floor(np.log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        return cls(low, high, start, end, tuple(map(float, ticks)))

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (float(value) - self.low) / (self.high - self.low)

    def holds(self, value: float | None) -> bool:
        return value is not None and self.low <= value <= self.high


@dataclass(frozen=True)
class _Panel:
    """Front of one device."""

    one: pd.Series
    front: pd.DataFrame
    limits: Limits

    @property
    def scales(self) -> tuple[_Scale, _Scale]:
        """Axes of time and of energy."""
        times = [*self.front["time_s"], self.one["time_s"], self.one["full_clock_time_s"]]
        joules = [*self.front["energy_j"], self.one["energy_j"], self.one["full_clock_energy_j"]]
        return _Scale.of(times, _LEFT, _LEFT + _WIDTH), _Scale.of(joules, _TOP + _HEIGHT, _TOP)

    def draw(self) -> str:
        """The panel with its legend."""
        legend: list[str] = []
        title = f"{self.one['profile']}, {self.one['method']}, device {self.one['device']}"
        parts = [f'<text x="{_LEFT}" y="{_TOP - 14}" font-weight="bold">{_text(title)}</text>', self._axes()]
        parts += [self._lines(legend), self._limits(legend), self._marks(legend)]
        for i, entry in enumerate(legend):
            parts.append(f'<g transform="translate({_LEFT + _WIDTH + 18} {_TOP + 14 + 19 * i})">{entry}</g>')
        return "".join(parts)

    def _axes(self) -> str:
        across, up = self.scales
        bottom, middle = _TOP + _HEIGHT, _TOP + _HEIGHT / 2
        parts = []
        for tick in across.ticks:
            x = across(tick)
            parts.append(f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="{_RULE}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{number(tick)}</text>')
        for tick in up.ticks:
            y = up(tick)
            parts.append(f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="{_RULE}"/>')
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
        word = "chosen" if self.one["meets"] else "nearest"
        mode = f"{word}: keep {number(self.one['keep_ratio'])}, {self.one['power_mode']}"
        return "".join(
            [
                *parts,
                f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">time of a trial, s</text>',
                f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">energy, J</text>',
                f'<text x="{_LEFT}" y="{bottom + 60}" fill="{_SOFT}">{_text(mode)}</text>',
            ]
        )

    def _lines(self, legend: list[str]) -> str:
        """A line of modes per keep ratio."""
        across, up = self.scales
        parts = []
        for ratio, colour in ratio_colours(self.front["keep_ratio"]).items():
            mine = self.front[self.front["keep_ratio"] == ratio].sort_values("time_s")
            points = [f"{across(x):.1f} {up(y):.1f}" for x, y in zip(mine["time_s"], mine["energy_j"], strict=True)]
            dots = "".join(f"M{point}h0" for point in points)
            parts.append(f'<path d="M{" L".join(points)}" fill="none" stroke="{colour}"/>')
            parts.append(f'<path d="{dots}" stroke="{colour}" stroke-width="4" stroke-linecap="round"/>')
            legend.append(f'<circle cy="-4" r="4" fill="{colour}"/><text x="12">keep {number(ratio)}</text>')
        return "".join(parts)

    def _limits(self, legend: list[str]) -> str:
        across, up = self.scales
        parts = []
        dashes = f'stroke="{GREY}" stroke-width="2" stroke-dasharray="5 4"'
        for scale, value, name in (
            (across, self.limits.deadline_s, "deadline"), (up, self.limits.energy_j, "energy budget"),
        ):  # fmt: skip
            if value is None or not scale.holds(value):
                continue
            line = f"M{across(value):.1f} {_TOP}v{_HEIGHT}" if scale is across else f"M{_LEFT} {up(value):.1f}h{_WIDTH}"
            parts.append(f'<path d="{line}" {dashes}/>')
            legend.append(f'<path d="M-6 -4h12" {dashes}/><text x="12">{name}</text>')
        return "".join(parts)

    def _marks(self, legend: list[str]) -> str:
        """The chosen mode, and the full clocks with the same data."""
        across, up = self.scales
        style = f'fill="none" stroke="{_INK}" stroke-width="2"'
        shapes = {
            "": (f'<circle r="7" {style}/>', "chosen" if self.one["meets"] else "nearest"),
            "full_clock_": (f'<path d="M-6 -6h12v12h-12z" {style}/>', "full clocks, same data"),
        }
        parts = []
        for prefix, (shape, name) in shapes.items():
            x, y = self.one[f"{prefix}time_s"], self.one[f"{prefix}energy_j"]
            if np.isfinite(x) and np.isfinite(y):
                parts.append(f'<g transform="translate({across(x):.1f} {up(y):.1f})">{shape}</g>')
                legend.append(f'<g transform="translate(0 -4)">{shape}</g><text x="12">{name}</text>')
        return "".join(parts)


def _text(words: str) -> str:
    return html.escape(visible(words))
