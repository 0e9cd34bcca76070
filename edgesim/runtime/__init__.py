"""Executors: jobs run one after another in this process, or on Ray actors. The records are equal bit for bit."""

from edgesim.runtime.executor import Executor
from edgesim.runtime.ray_executor import RayExecutor
from edgesim.runtime.serial_executor import SerialExecutor

__all__ = ["Executor", "RayExecutor", "SerialExecutor"]
