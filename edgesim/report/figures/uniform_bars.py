"""Sentences that replace figures of equal bars, or of a single bar."""

from __future__ import annotations

from collections.abc import Callable

from edgesim.formatting import listed
from edgesim.report.figures.figure import Figure, SentenceFigure
from edgesim.report.plot_style import Spec, unescaped

TOLERANCE = 0.005
"""bars that differ by at most this share of the largest look equal"""
CHOICES = {"ratio": "keep ratio ", "lambda": "λ "}
"""text before the value of a choice that is a number"""
FEW_NAMES = 6
"""number of names up to which a sentence lists all"""


def replace_uniform_bars(figure: Figure) -> tuple[Spec, list[SentenceFigure]]:
    """Specification of a figure without equal bars, and sentences that replace these.

    Only bars of the same choice (`meta`) are compared, since others are never beside them. In a stacked figure a bar is
    the whole stack. A single stack of several parts stays a figure, since its parts are compared.
    """
    bars = [trace for trace in figure.spec["data"] if trace.get("type") == "bar"]
    if not bars or len(bars) < len(figure.spec["data"]):
        return figure.spec, []
    stacked = figure.spec.get("layout", {}).get("barmode") in ("stack", "relative")
    left: list[Spec] = []
    sentences: list[SentenceFigure] = []
    groups: dict[str, list[Spec]] = {}
    for trace in bars:
        groups.setdefault(repr(trace.get("meta")), []).append(trace)
    for traces in groups.values():
        sentence = (_of_stacks if stacked else _of_bars)(traces, figure.write)
        if sentence:
            chosen = {key: str(value) for key, value in (traces[0].get("meta") or {}).items() if value is not None}
            named = [f"{CHOICES.get(key, '')}{value}" for key, value in chosen.items()]
            sentences.append(SentenceFigure(f"{', '.join([figure.title, *named])}: {sentence}", chosen))
        else:
            left += traces
    return {**figure.spec, "data": left}, sentences


def _cells(traces: list[Spec]) -> list[tuple[str, str, float]]:
    """(name on the axis, name of the trace, value) of every bar with a value."""
    found = []
    for trace in traces:
        names, values = (trace["y"], trace["x"]) if trace.get("orientation") == "h" else (trace["x"], trace["y"])
        found += [
            (unescaped(str(name)), unescaped(trace["name"]), float(value))
            for name, value in zip(names, values, strict=True)
            if value is not None
        ]
    return found


def _of_bars(traces: list[Spec], write: Callable[[float], str]) -> str:
    """Sentence for bars side by side; empty where they differ."""
    cells = _cells(traces)
    if not cells or not _equal([value for _, _, value in cells]):
        return ""
    named = list(dict.fromkeys(name if name == trace or len(traces) == 1 else f"{name}, {trace}"
                               for name, trace, _ in cells))  # fmt: skip
    value = _between([value for _, _, value in cells], write)
    return f"{value} ({named[0]})." if len(named) == 1 else f"{value} for {_all_of(named)}."


def _of_stacks(traces: list[Spec], write: Callable[[float], str]) -> str:
    """Sentence for stacks; empty where they differ, or for a single stack of several parts."""
    cells = [cell for cell in _cells(traces) if cell[2]]
    names = list(dict.fromkeys(name for name, _, _ in _cells(traces)))
    parts = list(dict.fromkeys(part for _, part, _ in cells))
    top = max((abs(value) for _, _, value in cells), default=0.0)
    if not cells or (len(names) == 1 and len(parts) > 1):
        return ""
    texts = []
    for part in parts:
        values = [value for _, own, value in cells if own == part]
        if len(values) < len(names) or not _equal(values, top):
            return ""
        texts.append(f"{part}: {_between(values, write)}")
    if len(names) == 1:
        return f"{texts[0]} ({names[0]})."
    return f"{'; '.join(texts)} for {_all_of(names)}."


def _equal(values: list[float], top: float | None = None) -> bool:
    size = max(abs(value) for value in values) if top is None else top
    return max(values) - min(values) <= TOLERANCE * size


def _between(values: list[float], write: Callable[[float], str]) -> str:
    least, most = write(min(values)), write(max(values))
    return least if least == most else f"{least} to {most}"


def _all_of(names: list[str]) -> str:
    if len(names) > FEW_NAMES:
        return f"all {len(names)} ({names[0]} to {names[-1]})"
    return listed(names)
