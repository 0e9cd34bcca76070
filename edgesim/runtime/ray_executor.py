"""Runs jobs on Ray actors, one per CPU slot or share of a GPU."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgesim.errors import RunError
from edgesim.formatting import n_of
from edgesim.runtime import ray_startup
from edgesim.runtime.executor import Timesheet
from edgesim.runtime.ray_host import RayHost, RayWorker

if TYPE_CHECKING:
    from edgesim.runtime.failures import Failure
    from edgesim.runtime.host_pool import HostPool
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.runtime.run_log import RunLog
    from edgesim.runtime.scheduler import JobQueue
    from edgesim.scenario.experiment import ExperimentConfig


class RayExecutor:
    """Runs jobs on Ray actors, one bundle of jobs at a time on each (`host_pool`)."""

    def __init__(
        self, hosts: int | None = None, address: str | None = None, gpu: bool | None = None, lasting: bool = False
    ):
        """Start Ray, and begin to start its workers.

        Args:
            hosts: number of workers, each an actor; None = one per CPU of the machine or cluster.
            address: of an existing Ray cluster, or "auto" (that of RAY_ADDRESS, or the one on this machine); None
                starts one on this machine, whatever RAY_ADDRESS says.
            gpu: True: the workers share the GPUs; None = if there are any.
            lasting: True: `close` keeps Ray and the workers for another run, until `end`.
        """
        self._lasting = lasting
        self._kept: list[RayHost] = []
        """hosts of the run before"""
        self._count = 0
        self.sheet = Timesheet()
        self._wanted, self._address, self._gpu = hosts, address, gpu
        self._started_ray = False
        self._folder: ray_startup.RayFolder | None = None
        self._actors: list[Any] = []
        """actors of the first hosts, until they are opened"""
        self._pool: HostPool | None = None
        self._config: Any = None
        """reference to the configuration with its data, of which each node fetches one copy"""
        self._error: BaseException | None = None
        self._ready, self._released = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="edgesim-ray", daemon=True)
        self._thread.start()
        # The caller's own imports would take turns with Ray's thread, whose processes everything waits for. Begun in
        # its two seconds they save less than they delay. There is time for them while the workers import torch.
        try:
            self._ready.wait()
        except BaseException:  # Ctrl-C, for example
            self.end()
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
            cpus = _cpus()
            count = self._wanted or cpus
            if count > cpus:
                raise RunError(f"{count} workers need as many CPUs, and the cluster has {cpus}; ask for fewer --hosts")
            share = gpu_share(int(ray.cluster_resources().get("GPU", 0)), count) if self._gpu is not False else 0.0
            actor: Any = ray.remote(RayWorker)
            self._make = lambda: actor.options(num_cpus=1, num_gpus=share).remote(sys.path)
            self._count = count
            self._actors = [self._make() for _ in range(count)]
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            self._error = error

    def open(self, config: ExperimentConfig, log: RunLog) -> None:
        """Put the configuration into the object store once and hand it to every worker.

        Raises:
            RunError: Ray could not be started or joined, or the hosts find no module of the user's.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        from edgesim.runtime.host_pool import START_TIMEOUT_S, HostPool

        self._ready.wait()
        if self._error is not None:
            where = f"at {ray_startup.where(self._address)}" if self._address else "on this machine"
            raise RunError(
                f"Ray could not be started {where}: {self._error}. "
                "Run with --serial to do without it, or give the --address of a running cluster."
            ) from self._error
        reference, node = ray.put(config), ray.get_runtime_context().get_node_id()
        self._config = reference

        def new_host(number: int) -> RayHost:
            return RayHost(number, self._actors.pop() if self._actors else self._make(), reference, node)

        hosts, self._kept = self._kept, []
        for host in hosts:
            host.renew(reference)
        hosts += [new_host(number) for number in range(len(hosts), self._count)]
        self._pool = HostPool(hosts, new_host, log, self.sheet)
        if self._address is not None and self._wanted is None:
            self._pool.hosts_wanted = _cpus
        opened = [host.opening for host in hosts]
        ready, waiting = ray.wait(opened, num_returns=len(opened), timeout=START_TIMEOUT_S)
        if waiting:
            raise RunError(
                f"only {len(ready)} of {n_of(len(opened), 'worker')} started within {START_TIMEOUT_S:.0f} s; free are "
                f"{ray.available_resources()}. Ask for fewer --hosts, or wait for the cluster to become free"
            )
        try:
            places = ray.get(opened)
        except RayTaskError as error:
            raise RunError(
                f"a host cannot load the scenario: {_last_line(error)}. Own methods, models and data sets must lie at "
                "the same path on every node, or be installed there"
            ) from error
        except RayError as error:
            raise RunError(f"a host died while it started: {_last_line(error)}") from error
        for host, place in zip(hosts, places, strict=True):
            host.opened(place)
        self._pool.begin(config)

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run jobs on whichever host is free, and yield each as it ends."""
        assert self._pool is not None, "open comes first"
        yield from self._pool.stream(queue)

    def close(self) -> None:
        """End the actors, and Ray where this executor started it; a lasting executor keeps both."""
        if not self._lasting:
            self.end()
        elif self._pool is not None:
            self._kept = self._pool.released()
            self._pool, self._config, self.sheet = None, None, Timesheet()

    def end(self) -> None:
        """End the actors, and Ray where this executor started it, of a lasting executor, too."""
        import ray

        self._ready.wait()
        for host in self._kept:
            host.end()
        for host in self._kept:
            host.wait()
            host.close()
        self._kept = []
        for actor in self._actors:
            ray.kill(actor)
        self._actors = []
        if self._pool is not None:
            self._pool.close()
            self._pool = None
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


def _cpus() -> int:
    """CPUs of the cluster now."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _last_line(error: BaseException) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
