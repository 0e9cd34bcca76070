"""costs.csv: what AdaPruner's pruning phase costs at the paper's size on real devices, and when it has paid for itself.

The plan of paper-cifar10.yaml gives it; nothing is trained. Each device holds all 50,000 samples and starts cold.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
from ada_points import SCENARIOS
from study import running

import edgesim
from edgesim import api

FILE = "costs.csv"
SCENARIO = SCENARIOS / "paper-cifar10.yaml"
KINDS = ("raspberry-pi-5", "jetson-orin-nano", "jetson-agx-xavier", "tesla-t4")
RATIOS = (0.6, 0.8, 0.95)
METHODS = ("importance", "adapruner")
COLUMNS = ["profile", "method", "keep_ratio", "full_h", "scoring_h", "scoring_in_trainings", "energy_share",
           "pays_after", "work_is", "reason", "design"]  # fmt: skip
NEVER = "never"


def overrides(kind: str) -> dict[str, Any]:
    """Changes of the paper's scenario for one device."""
    methods = running.document(SCENARIO)["pruning"]["methods"]
    own = [one for one in methods if (one if isinstance(one, str) else one["name"]) in ("full", *METHODS)]
    return {
        "name": f"adapruner-costs-{kind}",
        "fleet": {"groups": [{"profile": kind, "count": 1}]},
        "pruning.methods": own,
        "pruning.keep_ratio": list(RATIOS),
        "seeds": [0],
    }


def design() -> str:
    """Short digest of what the plans are made from."""
    told = json.dumps([running.document(SCENARIO), [overrides(kind) for kind in KINDS]], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def read(folder: Path) -> pd.DataFrame | None:
    """costs.csv as it is designed now; None where there is none."""
    file = folder / FILE
    if not file.exists():
        return None
    found = pd.read_csv(file, dtype={"design": str, "pays_after": str}, keep_default_na=False, na_values=[""])
    return found if (found["design"] == design()).all() else None


def keep(folder: Path) -> None:
    """Write costs.csv where it is missing or of another design."""
    if read(folder) is None:
        pd.concat([planned(kind) for kind in KINDS], ignore_index=True).to_csv(folder / FILE, index=False)


def planned(kind: str, further: dict[str, Any] | None = None) -> pd.DataFrame:
    """Rows of one device.

    Args:
        kind: profile.
        further: changes of the scenario, beside `overrides`.
    """
    plan = api.planned(edgesim.load_scenario(SCENARIO, {**overrides(kind), **(further or {})}))
    means = plan.by_method()
    full = next(row for row in means if row["method"] == "full")
    rows = []
    for row in means:
        if row["method"] not in METHODS:
            continue
        known = row["device_time_s"] is not None and full["device_time_s"] is not None
        scoring, whole = row["device_score_time_s"], full["device_time_s"]
        rows.append({
            "profile": kind, "method": row["method"], "keep_ratio": row["keep_ratio"], "work_is": row["work_is"],
            "full_h": round(whole / 3600, 4) if known else None,
            "scoring_h": round(scoring / 3600, 4) if known else None,
            "scoring_in_trainings": round(scoring / whole, 4) if known else None,
            "energy_share": round(row["device_energy_j"] / full["device_energy_j"], 4) if known else None,
            "pays_after": str(row["repeats_to_break_even"]) if known else None,
            "reason": row["reason"] or full["reason"], "design": design(),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)
