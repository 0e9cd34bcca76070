"""Versions of Ray and PyTorch whose private functions edgesim was tested with, and the switches that avoid these.

Private functions only make edgesim faster. Outside the tested versions the packages' public functions do the same work.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class VersionRange(NamedTuple):
    """Minor versions of a package from `oldest` to `newest`, and the variable that turns private functions off."""

    oldest: tuple[int, int]
    newest: tuple[int, int]
    switch: str

    def include(self, version: str) -> bool:
        """Allow private functions: the version was tested, and the switch is not set.

        Args:
            version: of the package, as "2.15.0+cpu"; one that begins without two numbers was not tested.
        """
        if os.environ.get(self.switch, "") not in ("", "0"):
            return False
        numbers = re.match(r"(\d+)\.(\d+)", version)
        return numbers is not None and self.oldest <= (int(numbers[1]), int(numbers[2])) <= self.newest


# The oldest are the lower bounds in pyproject.toml, the newest those of constraints.txt; CI tests both.
RAY = VersionRange((2, 54), (2, 60), "EDGESIM_PLAIN_RAY")
TORCH = VersionRange((2, 6), (2, 15), "EDGESIM_PLAIN_TORCH")
