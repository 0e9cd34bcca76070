"""Networks that are built without numbers, to be counted."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FILLING = frozenset({"uniform_", "normal_", "trunc_normal_", "erfinv_", "mul_", "add_", "clamp_", "fill_", "zero_"})
"""operations that give weights their first numbers"""


@contextmanager
def unfilled() -> Iterator[None]:
    """Context in which networks have no numbers: their tensors lie on the meta device.

    Filling a large network would take seconds. Without numbers torch still works out each operation's form, in Python,
    which is a third of the time; here these operations do nothing.
    """
    # Operations on meta tensors import it when they first need it, and its import tries functions on tensors: in torch
    # 2.6 those would be meta tensors, too, and have no numbers.
    importlib.import_module("torch._dynamo")
    with torch.device("meta"), _Skipping():
        yield


class _Skipping(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function, unless it fills a tensor that has no numbers."""
        if getattr(func, "__name__", "") in _FILLING and args and isinstance(args[0], Tensor) and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))
