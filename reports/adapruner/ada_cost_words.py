"""What AdaPruner's pruning phase costs at the paper's size, in words and as a table, from costs.csv."""

from __future__ import annotations

import numpy as np
import pandas as pd
from ada_rows import ADAPRUNER
from ada_words import anchor, span, table
from study.wording import wrapped

TITLE = "What the pruning phase costs at the paper's size"


def told(costs: pd.DataFrame | None) -> list[str]:
    """The phase's length, when it pays, and how long full training takes, over all data sets and devices."""
    if costs is None:
        return ["Not planned yet."]
    own = costs[costs["method"] == ADAPRUNER]
    each = own.groupby(["plan", "profile"], sort=False)["full_h"].first()
    able = each.dropna()
    (fastest, on_fastest), (slowest, on_slowest) = able.idxmin(), able.idxmax()
    ratios = own.dropna(subset=["pays_after"]).groupby("keep_ratio")["pays_after"]
    after = {ratio: _ends(found) for ratio, found in ratios}
    pays = " and ".join(f"{after[ratio]} trainings at {ratio:g}" for ratio in (min(after), max(after)))
    return wrapped(
        f"Planned, with all samples on one device: a phase takes {span(own['scoring_in_trainings'].dropna(), 2)} full "
        f"trainings{_at_most(own)}. Its kept set saves that energy after {pays}; a random set saves at once. Full "
        f"training takes {able.min():,.1f} h ({fastest}, {on_fastest}) to {able.max():,.1f} h ({slowest}, "
        f"{on_slowest}); {len(each) - len(able)} of {len(each)} pairs of a network and a device lack the memory. "
        f"[Table](details.md#{anchor(TITLE)})."
    )


def planned(costs: pd.DataFrame) -> list[str]:
    """Break-even of AdaPruner's pruning phase: a row per data set and network."""
    own = costs[costs["method"] == ADAPRUNER]
    devices = list(dict.fromkeys(own["profile"]))
    body = []
    for name, part in own.groupby("plan", sort=False):
        hours = part.groupby("profile")["full_h"].first()
        shown = [f"{hours[one]:,.1f}" if one in hours and np.isfinite(hours[one]) else "cannot" for one in devices]
        phase = part["scoring_in_trainings"].dropna()
        after = [
            f"{_ends(each['pays_after'].dropna())} at {ratio:g}"
            for ratio, each in part.groupby("keep_ratio")
            if each["pays_after"].notna().any()
        ]
        body.append([str(name), *shown, span(phase, 2) if len(phase) else "–", ", ".join(after) or "–"])
    note = (
        "One device holds all samples (Tiny-ImageNet, VOC: blank images); emulated hours. *Cannot*: lacks memory at "
        "batch 256 (VOC: 16). VOC is not at the paper's size: 100 epochs, 416 pixels and YOLOv3-tiny's own backbone "
        f"(the paper: ResNet-50) are ours. *Phase*: one pruning, in full trainings{_at_most(own)}: as many epochs, our "
        "10 of warm-up and 20 extra (VOC: half). *Pays after*: trainings on the kept set that save its energy against "
        "full training; random sets do at once."
    )
    return [*wrapped(note), "", *table(["full training, h", *devices, "phase", "pays after"], body)]


def _at_most(own: pd.DataFrame) -> str:
    return " at most" if (own["work_is"] == "at most").any() else ""


def _ends(found: pd.Series) -> str:
    """'3', or '3 to 4' where devices differ; a plan whose phase never pays says so."""
    words = sorted({str(one) for one in found}, key=lambda one: float(one) if one.isdigit() else np.inf)
    return words[0] if len(words) == 1 else f"{words[0]} to {words[-1]}"
