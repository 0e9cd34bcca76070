"""The methods: how a device chooses the samples that it trains on. One file per method, one row per name."""

from __future__ import annotations

from edgesim.pruning.base import Method, class_balanced_top_k, top_k
from edgesim.pruning.full import Full
from edgesim.pruning.importance import Importance
from edgesim.pruning.random import Random

METHODS: dict[str, type[Method]] = {
    "full": Full,
    "random": Random,
    "importance": Importance,
}

__all__ = ["METHODS", "Method", "class_balanced_top_k", "top_k"]
