"""One Ray on this machine for all tests that need one: each start costs seconds of processor time."""

from __future__ import annotations

import os

import ray
from warm import Server

from edgesim.runtime import ray_startup


class SharedRay:
    """Ray with two CPUs, started when a test first needs it and as `RayExecutor` starts its own."""

    def __init__(self, server: Server) -> None:
        """Nothing yet.

        Args:
            server: which forks Ray's workers.
        """
        self._server = server
        self._folder: ray_startup.RayFolder | None = None

    def start(self) -> None:
        """Start Ray, unless it runs."""
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_worker_niceness", "0")
            options = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
            with self._server.workers():
                self._folder = ray_startup.start("local", options)

    def stop(self) -> None:
        """End Ray, where this object started it."""
        if self._folder is not None:
            ray_startup.stop(self._folder)
            self._folder = None
