"""File `terms.json` of a run folder: the pricing context of the run, so that another fleet can be priced."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from edgesim.config.output_files import write_text
from edgesim.cost.analytic import CostWeights
from edgesim.cost.context import PricingContext
from edgesim.errors import RunError
from edgesim.results.table_files import GO_ON
from edgesim.work import Workload

FILE = "terms.json"


def write(folder: Path, context: PricingContext) -> None:
    """Write the pricing context of a run."""
    write_text(
        folder / FILE, json.dumps(dataclasses.asdict(context), default=lambda array: array.tolist()) + "\n", GO_ON
    )


def read(folder: Path) -> PricingContext:
    """Read the pricing context of a run.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return _context(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{folder / FILE} cannot be read ({error}); the run cannot be priced anew") from None


def _context(fields: dict[str, Any]) -> PricingContext:
    """A context from its fields, with that of its transfer; KeyError, TypeError, ValueError for other things."""
    networks = {name: fields[name] and Workload.from_fields(fields[name]) for name in ("workload", "scorer")}
    transfer = fields.get("transfer") and _context(fields["transfer"])
    return PricingContext(**{**fields, **networks, "weights": CostWeights(**fields["weights"]), "transfer": transfer})
