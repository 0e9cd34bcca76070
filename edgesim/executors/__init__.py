"""Runs jobs: one after another in this process, or on Ray actors. The records are the same, bit for bit."""

from edgesim.executors.base import Executor, Failure, JobQueue, Timesheet, attempt, keep_freed_memory, log_detail
from edgesim.executors.ray_hosts import RayExecutor, gpu_share
from edgesim.executors.ray_start import unused_address
from edgesim.executors.serial import SerialExecutor

__all__ = [
    "Executor",
    "Failure",
    "JobQueue",
    "RayExecutor",
    "SerialExecutor",
    "Timesheet",
    "attempt",
    "gpu_share",
    "keep_freed_memory",
    "log_detail",
    "unused_address",
]
