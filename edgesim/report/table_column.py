"""A column of a report's tables: label, format and meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgesim.formatting import NumberFormat


@dataclass(frozen=True)
class Column:
    """Label, number format (or writer of texts) and meaning of a column."""

    label: str
    write: NumberFormat | Callable[[Any], str]
    meaning: str

    @property
    def is_number(self) -> bool:
        """True for columns of numbers, which are aligned to the right."""
        return isinstance(self.write, NumberFormat)

    @property
    def form(self) -> dict[str, Any] | None:
        """Settings by which the page's script (templates/format.js) writes its values; None for texts."""
        return self.write.settings if isinstance(self.write, NumberFormat) else None
