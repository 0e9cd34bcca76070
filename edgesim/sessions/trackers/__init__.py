"""Trackers of experiments that follow a run while it goes: TensorBoard, MLflow, Weights & Biases."""

from edgesim.sessions.trackers.base import TRACKERS, About, Cell, Tracker, find
from edgesim.sessions.trackers.following import Followed, following

__all__ = ["TRACKERS", "About", "Cell", "Followed", "Tracker", "find", "following"]
