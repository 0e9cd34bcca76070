"""costs.csv: what AdaPruner's pruning phase costs at the paper's size on real devices, and when it has paid for itself.

Plans of paper-*.yaml give it; nothing is trained. One device holds all samples and starts cold. Tiny-ImageNet and VOC
are planned on blank images of their number and size (`ada_stand_ins`), which takes 13 GB of disk for some minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ada_stand_ins
import pandas as pd
from ada_points import SCENARIOS
from study import running

import edgesim
from edgesim import api

FILE = "costs.csv"
KINDS = ("raspberry-pi-5", "jetson-orin-nano", "jetson-agx-xavier", "jetson-agx-orin", "tesla-t4")
METHODS = ("importance", "adapruner")
COLUMNS = ["plan", "profile", "method", "keep_ratio", "full_h", "scoring_h", "scoring_in_trainings", "energy_share",
           "pays_after", "work_is", "reason", "design"]  # fmt: skip


class Workload(NamedTuple):
    """Data and network of one plan."""

    shown: str
    scenario: str
    model: Any
    ratios: tuple[float, float, float]
    """smallest, middle and largest keep ratio of the paper's table"""
    blank: Callable[[Path], dict[str, Any]] | None = None
    """writes a stand-in of the data; None where the data are at hand"""


_TINY = ("paper-tiny-imagenet", (0.7, 0.8, 0.95), ada_stand_ins.tiny_imagenet)
_VOC = ("paper-voc", (0.75, 0.85, 0.95), ada_stand_ins.voc)
WORKLOADS = (
    Workload("CIFAR-10, ResNet-18", "paper-cifar10", "resnet18", (0.6, 0.8, 0.95)),
    Workload("CIFAR-10, ResNet-50", "paper-cifar10", "resnet50", (0.6, 0.8, 0.95)),
    Workload("Tiny-ImageNet, ResNet-50", _TINY[0], "resnet50", *_TINY[1:]),
    Workload("Tiny-ImageNet, Wide-ResNet-50-2", _TINY[0], "wide-resnet50-2", *_TINY[1:]),
    Workload("VOC, YOLOv3-tiny", _VOC[0], "yolov3-tiny", *_VOC[1:]),
    Workload("VOC, Faster R-CNN", _VOC[0], {"name": "fasterrcnn", "backbone": "resnet50-fpn"}, *_VOC[1:]),
)


def file_of(workload: Workload) -> Path:
    """Its scenario."""
    return SCENARIOS / f"{workload.scenario}.yaml"


def overrides(workload: Workload, kind: str) -> dict[str, Any]:
    """Changes of the paper's scenario for one device."""
    methods = running.document(file_of(workload))["pruning"]["methods"]
    own = [one for one in methods if (one if isinstance(one, str) else one["name"]) in ("full", *METHODS)]
    return {
        "name": f"adapruner-costs-{kind}",
        "fleet": {"groups": [{"profile": kind, "count": 1}]},
        "model": workload.model,
        "pruning.methods": own,
        "pruning.keep_ratio": list(workload.ratios),
        "seeds": [0],
    }


def design() -> str:
    """Short digest of what the plans are made from."""
    made = [[running.document(file_of(one)), [overrides(one, kind) for kind in KINDS]] for one in WORKLOADS]
    blank = [ada_stand_ins.TINY_IMAGENET, ada_stand_ins.VOC]
    return hashlib.sha256(json.dumps([made, blank], sort_keys=True).encode()).hexdigest()[:8]


def read(folder: Path) -> pd.DataFrame | None:
    """costs.csv as it is designed now; None where there is none."""
    file = folder / FILE
    if not file.exists():
        return None
    found = pd.read_csv(file, dtype={"design": str, "pays_after": str}, keep_default_na=False, na_values=[""])
    return found if (found["design"] == design()).all() else None


def keep(folder: Path) -> None:
    """Write costs.csv where it is missing or of another design."""
    if read(folder) is not None:
        return
    parts = []
    for written in dict.fromkeys(one.blank for one in WORKLOADS):
        with _data(written) as data:
            own = [one for one in WORKLOADS if one.blank is written]
            parts += [planned(one, kind, data) for one in own for kind in KINDS]
    table = pd.concat(parts, ignore_index=True).assign(design=design())
    table.to_csv(folder / FILE, index=False)


@contextmanager
def _data(written: Callable[[Path], dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    """Changes of a scenario that name stand-ins of its data, which are gone afterwards; none where they are at hand."""
    if written is None:
        yield {}
        return
    before = os.environ.get("EDGESIM_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        os.environ["EDGESIM_CACHE"] = str(Path(folder) / "cache")
        try:
            yield {"dataset": written(data)}
        finally:
            os.environ.pop("EDGESIM_CACHE")
            if before is not None:
                os.environ["EDGESIM_CACHE"] = before


def planned(workload: Workload, kind: str, further: dict[str, Any] | None = None) -> pd.DataFrame:
    """Rows of one device.

    Args:
        workload: data and network.
        kind: profile.
        further: changes of the scenario, beside `overrides`.
    """
    plan = api.planned(edgesim.load_scenario(file_of(workload), {**overrides(workload, kind), **(further or {})}))
    means = plan.by_method()
    full = next(row for row in means if row["method"] == "full")
    rows = []
    for row in means:
        if row["method"] not in METHODS:
            continue
        known = row["device_time_s"] is not None and full["device_time_s"] is not None
        scoring, whole = row["device_score_time_s"], full["device_time_s"]
        rows.append({
            "plan": workload.shown, "profile": kind, "method": row["method"], "keep_ratio": row["keep_ratio"],
            "work_is": row["work_is"], "full_h": round(whole / 3600, 4) if known else None,
            "scoring_h": round(scoring / 3600, 4) if known else None,
            "scoring_in_trainings": round(scoring / whole, 4) if known else None,
            "energy_share": round(row["device_energy_j"] / full["device_energy_j"], 4) if known else None,
            "pays_after": str(row["repeats_to_break_even"]) if known else None,
            "reason": row["reason"] or full["reason"],
        })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS[:-1])
