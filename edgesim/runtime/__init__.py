"""Runs jobs: one after another in this process, or on Ray actors. The records are the same, bit for bit."""

from edgesim.runtime.executor import Executor, Failure, JobQueue, Timesheet, attempt, keep_freed_memory, log_detail
from edgesim.runtime.ray_executor import RayExecutor, gpu_share
from edgesim.runtime.ray_startup import unused_address
from edgesim.runtime.serial_executor import SerialExecutor

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
