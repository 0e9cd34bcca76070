"""Options of `edgesim run` that try failed trials again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgesim.formatting import n_of


def retries(failures: Iterable[str]) -> dict[str, str]:
    """Options that try failed trials again, each with a sentence that counts its trials.

    Args:
        failures: column `failure` of the records.
    """
    kinds = Counter(failures)
    found = {}
    if kinds["host"]:
        whose = "its" if kinds["host"] == 1 else "their"
        found["--resume"] = f"--resume tries {n_of(kinds['host'], 'trial')} again that lost {whose} host"
    if kinds["own"]:
        total = kinds["host"] + kinds["own"]
        every = "the failed trial" if total == 1 else f"all {n_of(total, 'failed trial')}"
        found["--resume --retry-failed"] = f"--resume --retry-failed tries {every} again"
    return found
