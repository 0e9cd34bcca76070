"""Runs jobs on Ray actors, one per CPU slot or share of a GPU."""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgesim.errors import RunError
from edgesim.formatting import n_of
from edgesim.runtime import ray_startup
from edgesim.runtime.executor import Timesheet, keep_freed_memory, one_thread
from edgesim.runtime.failures import Failure

if TYPE_CHECKING:
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.runtime.scheduler import JobQueue
    from edgesim.scenario.experiment import ExperimentConfig

ATTEMPTS = 3
"""tries of a job whose worker process dies"""
START_TIMEOUT_S = 600.0
"""time that all workers together may take to start"""


class RayWorker:
    """The actor: one per CPU slot or share of a GPU. It runs many devices one after another."""

    def __init__(self, path: list[str]):
        """Take the driver's `sys.path`: a user's own method or model may live beside the scenario."""
        sys.path += [entry for entry in path if entry not in sys.path]
        keep_freed_memory()
        # Imported here, while the driver still prepares data: it takes seconds, a tenth of them in looks for garbage
        # among what imports create and keep.
        gc.disable()
        import edgesim.runtime.worker as worker

        gc.freeze()
        gc.enable()
        self._limits = one_thread()
        self._worker_module = worker
        self._worker: Any = None

    def open(self, config: ExperimentConfig) -> int:
        """Take the configuration; its images stay in Ray's object store and are read without a copy."""
        self._worker = self._worker_module.Worker(config)
        return os.getpid()

    def run(self, jobs: list[Job]) -> list[Outcome | Failure]:
        """Do some jobs together."""
        outcomes: list[Outcome | Failure] = self._worker.run(jobs)
        return outcomes


class _Call(NamedTuple):
    """Jobs that a worker has been given."""

    worker: Any
    jobs: list[Job]
    tries: int
    started_s: float


class RayExecutor:
    """Runs jobs on Ray actors, one bundle of jobs at a time on each; replaces actors that die."""

    def __init__(self, hosts: int | None = None, address: str | None = None, gpu: bool | None = None):
        """Start Ray, and begin to start its workers.

        Args:
            hosts: number of workers, each an actor; None = one per CPU of the machine or cluster.
            address: of an existing Ray cluster, or "auto" (that of RAY_ADDRESS, or the one on this machine); None
                starts one on this machine, whatever RAY_ADDRESS says.
            gpu: True: the workers share the GPUs; None = if there are any.
        """
        self.sheet = Timesheet()
        self._wanted, self._address, self._gpu = hosts, address, gpu
        self._started_ray = False
        self._folder: Path | None = None
        self._workers: list[Any] = []
        self._config: Any = None
        self._error: BaseException | None = None
        self._ready, self._released = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="edgesim-ray", daemon=True)
        self._thread.start()
        # The caller's own imports would take turns with Ray's thread, whose processes everything waits for. Begun in
        # its two seconds they save less than they delay. There is time for them while the workers import torch.
        try:
            self._ready.wait()
        except BaseException:  # Ctrl-C, for example
            self.close()
            raise

    def _keep(self) -> None:
        """Start Ray, then stay: Linux ends Ray's processes when the thread that started them ends."""
        try:
            self._begin()
        finally:
            self._ready.set()
        self._released.wait()

    def _begin(self) -> None:
        """Start Ray and the actors; an error is kept for `open` to raise."""
        try:
            import ray

            if not ray.is_initialized():
                # Ray would otherwise hide GPUs from actors that ask for none, and send usage statistics.
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
                # Ray's default of 15 starves the workers beside any other busy process; `nice edgesim …` still works.
                os.environ.setdefault("RAY_worker_niceness", "0")
                options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
                if self._address is None:
                    options |= {"include_dashboard": False, "num_cpus": self._wanted or available_cpus()}
                self._folder = ray_startup.start(self._address or "local", options)
                self._started_ray = True
            cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
            count = self._wanted or cpus
            if count > cpus:
                raise RunError(f"{count} workers need as many CPUs, and the cluster has {cpus}; ask for fewer --hosts")
            share = gpu_share(int(ray.cluster_resources().get("GPU", 0)), count) if self._gpu is not False else 0.0
            actor: Any = ray.remote(RayWorker)
            self._make = lambda: actor.options(num_cpus=1, num_gpus=share).remote(sys.path)
            self._workers = [self._make() for _ in range(count)]
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            self._error = error

    def open(self, config: ExperimentConfig) -> None:
        """Put the configuration into the object store once and hand it to every worker.

        Raises:
            RunError: Ray could not be started or joined.
        """
        import ray

        self._ready.wait()
        if self._error is not None:
            where = f"at {ray_startup.where(self._address)}" if self._address else "on this machine"
            raise RunError(
                f"Ray could not be started {where}: {self._error}. "
                "Run with --serial to do without it, or give the --address of a running cluster."
            ) from self._error
        self._config = ray.put(config)
        opened = [worker.open.remote(self._config) for worker in self._workers]
        ready, waiting = ray.wait(opened, num_returns=len(opened), timeout=START_TIMEOUT_S)
        if waiting:
            raise RunError(
                f"only {len(ready)} of {n_of(len(opened), 'worker')} started within {START_TIMEOUT_S:.0f} s; free are "
                f"{ray.available_resources()}. Ask for fewer --hosts, or wait for the cluster to become free"
            )
        ray.get(opened)
        self.sheet.hosts = len(self._workers)

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run jobs on whichever worker is free, and yield each as it ends."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        idle = list(self._workers)
        running: dict[Any, _Call] = {}
        retries: list[tuple[list[Job], int]] = []
        while len(queue) or running or retries:
            while idle and (retries or len(queue)):
                jobs, tries = retries.pop() if retries else (queue.take(), 0)
                worker = idle.pop()
                running[worker.run.remote(jobs)] = _Call(worker, jobs, tries + 1, time.perf_counter())
            done, _ = ray.wait(list(running), num_returns=1)
            call = running.pop(done[0])
            outcomes: list[Outcome | Failure]
            try:
                outcomes = ray.get(done[0])
            except RayError as error:
                is_alive = isinstance(error, RayTaskError)  # outcomes could not be sent, for example
                idle.append(call.worker if is_alive else self._replace(call.worker))
                if len(call.jobs) > 1:  # run each alone to find the one
                    retries += [([job], 0) for job in call.jobs]
                    continue
                if not is_alive and call.tries < ATTEMPTS:
                    retries.append((call.jobs, call.tries))
                    continue
                reason = _first_line(getattr(error, "cause", None) or error)
                reason = reason if is_alive else f"its worker process died {call.tries} times ({reason})"
                outcomes = [Failure(reason, str(error))]
            else:
                idle.append(call.worker)
                self.sheet.jobs.append((call.started_s, time.perf_counter()))
            yield from zip(call.jobs, outcomes, strict=True)

    def _replace(self, worker: Any) -> Any:
        """Replace a worker that died. The new one opens the configuration while the others run."""
        import ray

        ray.kill(worker)
        fresh = self._make()
        fresh.open.remote(self._config)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def close(self) -> None:
        """End the actors, and Ray where this executor started it."""
        import ray

        self._ready.wait()
        for worker in self._workers:
            ray.kill(worker)
        self._workers = []
        self._config = None
        if self._started_ray:
            ray_startup.stop(self._folder)
            self._started_ray = False
        self._released.set()


def gpu_share(gpus: int, workers: int) -> float:
    """The share of a GPU that each worker takes, so that all workers find room; 0 without GPUs."""
    if gpus == 0:
        return 0.0
    if workers <= gpus:
        return 1.0
    # Ray packs whole workers into a GPU and counts in 1/10,000; rounded down, so that the last one fits.
    return math.floor(10_000 / math.ceil(workers / gpus)) / 10_000


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
