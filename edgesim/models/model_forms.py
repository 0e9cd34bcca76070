"""Match of models with the form of a network, as far as shapes alone do not tell it."""

from __future__ import annotations

from edgesim.errors import EdgesimError
from edgesim.models.catalog import MODELS, Model
from edgesim.models.detection_models import DETECTORS
from edgesim.models.model_fields import IMAGES, TOKENS, VECTORS, WINDOWS, Shape, check_kind
from edgesim.models.signal_models import TinyTransformer
from edgesim.tasks import NetworkForm, TaskName


def takes_tokens(name: str, input_shape: Shape) -> bool:
    """True where a sample of one axis means token ids to a model of the table."""
    return MODELS.get(name) is TinyTransformer and len(input_shape) == 1


def task_of(name: str) -> TaskName:
    """Task of a model of the table where nothing else says it."""
    return "detection" if name in DETECTORS else "classification"


def check_task(name: str, task: str) -> None:
    """Refuse a model of the table that does another task than the data ask for.

    Args:
        name: as the scenario calls it; users' own models may do any.
        task: one of `tasks.TASKS`.

    Raises:
        EdgesimError: the model finds boxes and the data have none, or the other way round.
    """
    if (name in MODELS or name.startswith("timm:")) and (name in DETECTORS) != (task == "detection"):
        does = "finds boxes in images" if name in DETECTORS else "gives one row of outputs a sample"
        use = f"{' or '.join(DETECTORS)}" if task == "detection" else "another model"
        raise EdgesimError(f"{name} {does}, and the data set is a {task}; use {use}")


def check_form(model: Model, name: str, form: NetworkForm) -> None:
    """Refuse another task, token ids for a model that needs numbers, and numbers for one that needs token ids.

    Shapes alone do not tell a vector of features from token ids, so `build` cannot.

    Args:
        model: with its arguments.
        name: as the scenario calls it; users' own models get any samples.
        form: of the network.

    Raises:
        EdgesimError: the model does another task or takes no samples of the kind, or the ids of the data go beyond
            its vocabulary.
    """
    check_task(name, form.task)
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
