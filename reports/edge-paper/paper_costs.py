"""costs.csv: the paper's complexity analysis (V-D) against the work that edgesim counts, per kind of device.

A plan with the paper's networks and data gives it; nothing is trained. One device of each kind holds 5,000 samples,
which is our choice as the paper names none, and starts cold. Scoring has three lengths: T0 of 10 iterations, 1 epoch
(the study's) and 5 epochs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
from paper_points import SCENARIOS
from study import running

import edgesim

FILE = "costs.csv"
SCENARIO = SCENARIOS / "paper.yaml"
KINDS = (
    "raspberry-pi-zero-2-w", "raspberry-pi-5", "galaxy-note10", "jetson-nano", "jetson-orin-nano", "intel-n100",
    "tesla-t4",
)  # fmt: skip
NETWORKS = ("resnet34", "mobilenet-v2")
SHARD = 5_000
TRAINING = running.document(SCENARIO)["training"]
EPOCHS = int(TRAINING["epochs"])
TINY_EPOCHS = 10 * int(TRAINING["batch_size"]) / SHARD
"""ten steps in epochs of the shard"""
RATIOS = (0.1, 0.3, 0.5, 0.8)
TINY, LONG = "T0 10 steps", "T0 5 epochs"
COLUMNS = [
    "network", "profile", "method", "keep_ratio", "time_s", "startup_s", "scoring_s", "training_s", "energy_j",
    "scoring_energy_j", "steady_training_s", "memory_bytes", "storage_bytes", "reason", "design",
]  # fmt: skip


def overrides(network: str, startup: str = "cold") -> dict[str, Any]:
    """Changes of the paper's scenario for one network."""
    return {
        "name": f"edge-paper-costs-{network}",
        "model": network,
        "partition": "iid",
        "dataset": {"name": "cifar10", "limit_train": SHARD * len(KINDS)},
        "fleet": {"groups": [{"profile": kind, "count": 1, "startup": startup} for kind in KINDS]},
        "pruning.methods": [
            "full", "random", "importance",
            {"name": "importance", "label": TINY, "warmup": {"iterations": 10}},
            {"name": "importance", "label": LONG, "warmup": {"epochs": 5}},
        ],
        "pruning.keep_ratio": list(RATIOS),
        "seeds": [0],
    }  # fmt: skip


def design() -> str:
    """Short digest of what the plans are made from."""
    told = json.dumps([running.document(SCENARIO), [overrides(network) for network in NETWORKS]], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def read(folder: Path) -> pd.DataFrame | None:
    """costs.csv as it is designed now; None where there is none."""
    file = folder / FILE
    if not file.exists():
        return None
    found = pd.read_csv(file, dtype={"design": str})
    return found if (found["design"] == design()).all() else None


def keep(folder: Path) -> None:
    """Write costs.csv where it is missing or of another design."""
    if read(folder) is None:
        table = pd.concat([_planned(network) for network in NETWORKS], ignore_index=True)
        table.to_csv(folder / FILE, index=False, float_format="%.6g")


def _planned(network: str) -> pd.DataFrame:
    """Rows of one network."""
    plan = edgesim.plan(edgesim.load_scenario(SCENARIO, overrides(network)))
    plan = plan.assign(network=network, design=design()).rename(columns={
        "device_time_s": "time_s", "device_startup_s": "startup_s", "device_score_time_s": "scoring_s",
        "device_train_time_s": "training_s", "device_energy_j": "energy_j",
        "device_score_energy_j": "scoring_energy_j", "peak_memory_bytes": "memory_bytes",
        "analytic_time_s": "steady_training_s",
    })  # fmt: skip
    plan["steady_training_s"] -= plan["analytic_score_time_s"]
    return plan[COLUMNS]


def by_kind(costs: pd.DataFrame, network: str) -> pd.DataFrame:
    """One row per kind of device: shares of full training's time, and of scoring.

    Returns: `profile`, `full_h` (hours of full training), `random_R` and `importance_R` (time as a share of full
        training's, start-up included), `scoring_R` (scoring's share of importance's own time), `tiny_R` and `long_R`
        (the same at the other lengths of T0), `startup_R` (start-up's share), `energy_R` (importance's energy as a
        share of full's), `slowed` (how much longer ten tenths of full training take than its first tenth, by heat),
        `memory_bytes`, `storage_bytes` (of the whole shard) and `reason` (why a device cannot run it).
    """
    own = costs[costs["network"] == network]
    rows = []
    for profile, part in own.groupby("profile", sort=False):
        cells = part.set_index(["method", "keep_ratio"])
        full = cells.loc[("full", 1.0)]
        tenth_s = cells.loc[("random", 0.1)]["training_s"]
        row: dict[str, object] = {"profile": profile, "full_h": full["time_s"] / 3600, "reason": full["reason"]}
        row |= {name: full[name] for name in ("memory_bytes", "storage_bytes")}
        row |= {"slowed": full["training_s"] / 10 / tenth_s - 1}
        for ratio in RATIOS:
            random, scored = (cells.loc[(name, ratio)] for name in ("random", "importance"))
            row |= {f"random_{ratio:g}": random["time_s"] / full["time_s"]}
            row |= {f"importance_{ratio:g}": scored["time_s"] / full["time_s"]}
            row |= {f"energy_{ratio:g}": scored["energy_j"] / full["energy_j"]}
            row |= {f"startup_{ratio:g}": scored["startup_s"] / scored["time_s"]}
            for name, method in (("scoring", "importance"), ("tiny", TINY), ("long", LONG)):
                one = cells.loc[(method, ratio)]
                row |= {f"{name}_{ratio:g}": one["scoring_s"] / one["time_s"]}
        rows.append(row)
    return pd.DataFrame(rows)


def counted(ratio: float, epochs: int, warmup_epochs: float = 1.0) -> float:
    """Scoring's share of the work by V-D: T0·B·F / (T0·B·F + rho·n·E·F), T0 in epochs of the shard."""
    return warmup_epochs / (warmup_epochs + ratio * epochs)


def able(costs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Kinds of devices that can run both networks, and the others."""
    both = pd.concat([by_kind(costs, network) for network in NETWORKS])
    unable = sorted(set(both.loc[both["reason"].notna(), "profile"]))
    return both[~both["profile"].isin(unable)], unable
