"""Match of models with the form of a network, as far as shapes alone do not tell it."""

from __future__ import annotations

from edgesim.errors import EdgesimError
from edgesim.models.catalog import MODELS, Model
from edgesim.models.model_fields import IMAGES, TOKENS, VECTORS, WINDOWS, Shape, check_kind
from edgesim.models.signal_models import TinyTransformer
from edgesim.tasks import NetworkForm


def takes_tokens(name: str, input_shape: Shape) -> bool:
    """True where a sample of one axis means token ids to a model of the table."""
    return MODELS.get(name) is TinyTransformer and len(input_shape) == 1


def check_form(model: Model, name: str, form: NetworkForm) -> None:
    """Refuse token ids for a model that needs numbers, and numbers for one that needs token ids.

    Shapes alone do not tell a vector of features from token ids, so `build` cannot.

    Args:
        model: with its arguments.
        name: as the scenario calls it; users' own models get any samples.
        form: of the network.

    Raises:
        EdgesimError: the model takes no samples of the kind, or the ids of the data go beyond its vocabulary.
    """
    if isinstance(model, TinyTransformer):
        check_kind(name, (TOKENS, WINDOWS), form.input_shape, form.tokens)
        if form.tokens and model.vocabulary < form.vocabulary:
            raise EdgesimError(
                f"the data has token ids up to {form.vocabulary - 1:,}, and vocabulary is {model.vocabulary:,}; "
                f"write vocabulary: {form.vocabulary}"
            )
    elif form.tokens and (name in MODELS or name.startswith("timm:")):
        takes = {"mlp": (IMAGES, WINDOWS, VECTORS), "cnn1d": (WINDOWS,), "gru": (WINDOWS,)}.get(name, (IMAGES,))
        check_kind(name, takes, form.input_shape, form.tokens)
