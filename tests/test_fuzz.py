"""Seven cases of every kind of the fuzzer, in a worker whose memory is bounded (`make fuzz` runs 10,000)."""

from __future__ import annotations

from fuzz.runner import run
from fuzz.targets import KINDS

CASES = 7


def test_no_case_ends_in_a_traceback_or_takes_long_or_much() -> None:
    cases = [(kind, CASES * place + case) for place, kind in enumerate(KINDS) for case in range(CASES)]
    assert list(run(cases, workers=1)) == []
