"""The methods: how a device chooses the samples that it trains on. One file per method, one row per name.

The papers' own eleven come first. A row's file is imported when the row is asked for: a scenario uses few of them.
SAMPLERS are the rules that turn the scores of a method into a subset (`subset_samplers`).
"""

from __future__ import annotations

from collections.abc import Mapping

from edgesim.config.registry import ImportedRows
from edgesim.pruning.base import Method
from edgesim.pruning.subset_samplers import SubsetSampler

METHODS: Mapping[str, type[Method]] = ImportedRows(
    {
        "full": "edgesim.pruning.full:Full",
        "random": "edgesim.pruning.random:Random",
        "importance": "edgesim.pruning.importance:Importance",
        "el2n": "edgesim.pruning.el2n:El2n",
        "grand": "edgesim.pruning.grand:Grand",
        "forgetting": "edgesim.pruning.forgetting:Forgetting",
        "herding": "edgesim.pruning.herding:Herding",
        "glister": "edgesim.pruning.glister:Glister",
        "cg-score": "edgesim.pruning.cg_score:CgScore",
        "prototypes": "edgesim.pruning.prototypes:Prototypes",
        "adapruner": "edgesim.pruning.adapruner:AdaPruner",
        "k-center": "edgesim.pruning.k_center:KCenter",
        "aum": "edgesim.pruning.aum:Aum",
        "ccs": "edgesim.pruning.ccs:Ccs",
        "moderate": "edgesim.pruning.moderate:Moderate",
        "tdds": "edgesim.pruning.tdds:Tdds",
        "dual": "edgesim.pruning.dual:Dual",
        "infobatch": "edgesim.pruning.infobatch:Infobatch",
        "craig": "edgesim.pruning.craig:Craig",
        "gradmatch": "edgesim.pruning.gradmatch:GradMatch",
        "fewer-epochs": "edgesim.pruning.fewer_epochs:FewerEpochs",
        "rs2": "edgesim.pruning.rs2:Rs2",
        "online-loss": "edgesim.pruning.online_loss:OnlineLoss",
        "auto": "edgesim.pruning.auto:Auto",
    }
)

SAMPLERS: Mapping[str, type[SubsetSampler]] = ImportedRows(
    {
        "top": "edgesim.pruning.subset_samplers:Top",
        "stratified": "edgesim.pruning.subset_samplers:Stratified",
        "class-balanced": "edgesim.pruning.subset_samplers:ClassBalanced",
        "guarded": "edgesim.pruning.subset_samplers:Guarded",
        "beta": "edgesim.pruning.weighted_samplers:Beta",
        "importance-sampling": "edgesim.pruning.weighted_samplers:ImportanceSampling",
    }
)

__all__ = ["METHODS", "SAMPLERS", "Method", "SubsetSampler"]
