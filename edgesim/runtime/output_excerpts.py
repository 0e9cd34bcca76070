"""Last lines of a host's output during a job, for the records of failed trials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from edgesim.runtime.failures import Failure
from edgesim.runtime.host_output import Printed, log_text
from edgesim.runtime.jobs import Job, Outcome, methods_of

LINES, CHARACTERS = 3, 300
"""of an excerpt, at most"""
_CRASH = "Fatal Python error: "
_FRAME = re.compile(r'^\s*File ".*?([^/\\"]+)", (line \d+ in .*)$')


def printed_for(printed: Sequence[Printed], job: Job) -> str:
    """All that a host printed during a job."""
    device, methods = (job.spec.seed, job.spec.index), methods_of(job)
    return "".join(
        part.text
        for part in printed
        if part.mark and part.mark[:2] == device and (not part.mark.method or part.mark.method in methods)
    )


def with_excerpts(
    jobs: Sequence[Job], outcomes: Sequence[Outcome | Failure], printed: Sequence[Printed]
) -> list[Outcome | Failure]:
    """Outcomes of jobs, each failure with the last lines that the host printed during its job."""
    return [
        replace(outcome, output=excerpt(printed_for(printed, job))) if isinstance(outcome, Failure) else outcome
        for job, outcome in zip(jobs, outcomes, strict=True)
    ]


def excerpt(text: str) -> str:
    """The last lines of an output, in one line; of a crash its name and the innermost calls."""
    lines = [log_text(line) for line in text.splitlines() if line.strip()]
    crash = next((place for place, line in enumerate(lines) if line.startswith(_CRASH)), None)
    if crash is not None:
        frames = [found[1] + ", " + found[2] for line in lines[crash:] if (found := _FRAME.match(line))]
        return " | ".join([lines[crash], *frames[: LINES - 1]])[:CHARACTERS]
    joined = " | ".join(line.strip() for line in lines[-LINES:])
    return joined if len(joined) <= CHARACTERS else f"…{joined[-CHARACTERS:]}"
