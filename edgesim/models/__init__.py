"""Name -> network, and what one sample of a network costs. Importing this package imports no torch."""

from edgesim.models.catalog import MODELS, Model, resolve

__all__ = ["MODELS", "Model", "resolve"]
