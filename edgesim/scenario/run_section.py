"""The `run` part of a scenario: limits on the jobs of a run. No result depends on them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

LEAST_HOST_BYTES = 100_000_000
"""less than a Python process with torch takes by itself"""


@dataclass(frozen=True)
class RunSection:
    """The `run` part: limits on time and memory of a job. They hold on Ray hosts, not with `--serial`."""

    job_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """most seconds of one job: the scoring or a training of one device; then its host is replaced. Short jobs that
    run together have one limit together, and run alone after it. `null`: ten minutes and ten times the expected time"""
    host_memory_bytes: Annotated[float, Field(ge=LEAST_HOST_BYTES, allow_inf_nan=False)] | None = None
    """most memory of one host process, shared data left out; then it is replaced. `null`: the largest host is replaced
    once less than a tenth of the machine's memory is free"""
