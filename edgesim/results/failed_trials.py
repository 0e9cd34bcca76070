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
        trials = n_of(kinds["host"], "trial")
        found["--resume"] = f"--resume tries the {trials} again that lost their hosts"
    if kinds["own"]:
        every = n_of(kinds["host"] + kinds["own"], "failed trial")
        found["--resume --retry-failed"] = f"--resume --retry-failed tries the {every} again"
    return found
