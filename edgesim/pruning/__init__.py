"""The methods: how a device chooses the samples that it trains on. One file per method, one row per name.

The papers' own eleven come first; the pure functions behind the methods are exported beside the table.
"""

from __future__ import annotations

from edgesim.pruning.adapruner import AdaPruner
from edgesim.pruning.aum import Aum, aum
from edgesim.pruning.base import Method
from edgesim.pruning.ccs import Ccs
from edgesim.pruning.cg_score import CgScore, complexity_gap
from edgesim.pruning.craig import Craig
from edgesim.pruning.el2n import El2n, el2n
from edgesim.pruning.fewer_epochs import FewerEpochs
from edgesim.pruning.forgetting import Forgetting, forgetting_events
from edgesim.pruning.full import Full
from edgesim.pruning.glister import Glister
from edgesim.pruning.gradmatch import GradMatch
from edgesim.pruning.grand import Grand, grand_last_layer
from edgesim.pruning.herding import Herding, herding
from edgesim.pruning.importance import Importance, average_loss
from edgesim.pruning.infobatch import Infobatch
from edgesim.pruning.k_center import KCenter, k_center
from edgesim.pruning.moderate import Moderate
from edgesim.pruning.online_loss import OnlineLoss
from edgesim.pruning.prototypes import Prototypes
from edgesim.pruning.random import Random
from edgesim.pruning.rs2 import Rs2
from edgesim.pruning.selection import class_balanced_top_k, top_k
from edgesim.pruning.tdds import Tdds

METHODS: dict[str, type[Method]] = {
    "full": Full,
    "random": Random,
    "importance": Importance,
    "el2n": El2n,
    "grand": Grand,
    "forgetting": Forgetting,
    "herding": Herding,
    "glister": Glister,
    "cg-score": CgScore,
    "prototypes": Prototypes,
    "adapruner": AdaPruner,
    "k-center": KCenter,
    "aum": Aum,
    "ccs": Ccs,
    "moderate": Moderate,
    "tdds": Tdds,
    "infobatch": Infobatch,
    "craig": Craig,
    "gradmatch": GradMatch,
    "fewer-epochs": FewerEpochs,
    "rs2": Rs2,
    "online-loss": OnlineLoss,
}

__all__ = [
    "METHODS",
    "Method",
    "aum",
    "average_loss",
    "class_balanced_top_k",
    "complexity_gap",
    "el2n",
    "forgetting_events",
    "grand_last_layer",
    "herding",
    "k_center",
    "top_k",
]
