"""Run many cases in worker processes: `python -m fuzz --cases 10000 [--kind npz] [--first 0] [--workers 2]`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

LIMIT_S = 5.0
"""of the processor that a case may take"""
ALARM_S = 30.0
"""of the clock, after which a case is stopped: the machine may have other work"""
LIMIT_BYTES = 1 << 30
"""and so much memory beyond what its worker has before the first case"""
HANGS_S = 4 * ALARM_S
"""a worker that does not answer for this long is killed"""
PORTION = 2_000
"""cases after which a line says how a run that is stopped goes on"""
Case = tuple[str, int]


def run_case(kind: str, case: int) -> str:
    """The fault in how a case ended; empty where there is none."""
    from fuzz.targets import KINDS

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    began = time.process_time()
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, ALARM_S)
    try:
        KINDS[kind](random.Random(f"{kind}:{case}"), folder)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - any end but a good one is what is looked for
        return _on_one_line(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(folder, ignore_errors=True)
    took = time.process_time() - began
    return f"took {took:.1f} s of the processor" if took > LIMIT_S else ""


def _on_one_line(error: BaseException) -> str:
    """Type, text and the three innermost places of an exception."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({places})"


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"still running after {ALARM_S:.0f} s")


def work(cases: list[Case], answers: Connection) -> None:
    """Run cases in a process of its own whose memory is bounded."""
    import edgesim.api
    import edgesim.cli
    import edgesim.data.datasets  # noqa: F401 - before memory is bounded

    if any(kind in ("command-line", "unsafe-plan", "data-root") for kind, _ in cases):
        import torchvision  # noqa: F401
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + LIMIT_BYTES, held + LIMIT_BYTES))
    warnings.simplefilter("error", RuntimeWarning)  # of NumPy: an overflow would go into a price
    for kind, case in cases:
        answers.send(run_case(kind, case))


class _Worker:
    """A process, and the cases that it has not answered."""

    def __init__(self, cases: list[Case]):
        self.cases = cases
        context = multiprocessing.get_context("spawn")
        self.answers, to = context.Pipe(duplex=False)
        self.process = context.Process(target=work, args=(cases, to), daemon=True)
        self.process.start()
        to.close()
        self.heard = time.monotonic() + HANGS_S  # imports take longer than a case

    def answer(self) -> str | None:
        """The answer to the first case; None where there is none yet."""
        try:
            if self.answers.poll():
                self.heard = time.monotonic()
                return str(self.answers.recv())
        except EOFError:
            self.process.join(HANGS_S)
            return f"the process died with exit code {self.process.exitcode}"
        if time.monotonic() - self.heard > HANGS_S:
            self.process.kill()
            return f"hangs: no answer for {HANGS_S:.0f} s"
        return None


def run(cases: list[Case], workers: int) -> Iterator[tuple[str, int, str]]:
    """(kind, case, fault) of every case that did not pass."""
    running = [_Worker(cases[i::workers]) for i in range(workers) if cases[i::workers]]
    while running:
        wait([worker.answers for worker in running], timeout=1.0)
        for worker in list(running):
            fault = worker.answer()
            if fault is None:
                continue
            (kind, case), *left = worker.cases
            worker.cases = left
            if fault:
                yield kind, case, fault
            if not left or fault.startswith(("the process died", "hangs")):
                running.remove(worker)
                worker.process.kill()
                if left:
                    running.append(_Worker(left))


def main() -> int:
    """Run, print what did not pass, and give 1 where anything did not."""
    from fuzz.targets import KINDS

    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="how many, in turn of every kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="only this kind (repeatable)")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    asked = parser.parse_args()
    kinds = asked.kind or list(KINDS)
    wrong, ends = 0, asked.first + asked.cases
    for first in range(asked.first, ends, PORTION):
        cases = [(kinds[case % len(kinds)], case) for case in range(first, min(first + PORTION, ends))]
        for kind, case, fault in run(cases, asked.workers):
            wrong += 1
            print(f"{kind} {case}: {fault}", flush=True)
        left = ends - first - len(cases)
        if left:
            print(
                f"{first + len(cases) - asked.first} cases; the rest: --first {ends - left} --cases {left}", flush=True
            )
    print(f"{asked.cases} cases, {wrong} wrong")
    return int(wrong > 0)
