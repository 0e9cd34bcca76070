"""Trackers of experiments that follow a run while it goes: TensorBoard, MLflow, Weights & Biases."""

from edgesim.sessions.trackers.base import TRACKERS, About, Cell, Tracker

__all__ = ["TRACKERS", "About", "Cell", "Tracker"]
