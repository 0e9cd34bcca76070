"""Fields and checks that the models' dataclasses share: widths, the size of a network, kinds of inputs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgesim.config.plausible import WAY_PAST, PlausibleRange
from edgesim.errors import EdgesimError

Shape = tuple[int, ...]
"""of one sample, as a network gets it"""
Width = Annotated[int, Field(ge=1, le=10**9), PlausibleRange(1, 16_384)]

MOST_PARAMETERS = 250_000_000
"""of a network that is built, 1 GB of weights, unless its `unsafe` is true"""
IMAGES, WINDOWS, VECTORS, TOKENS, SAMPLES = "images", "windows", "vectors", "tokens", "samples"
"""kinds of samples; spectrograms are images of one channel; `samples` are of all other shapes"""
_AXES = {
    IMAGES: "images [channels, height, width]",
    WINDOWS: "windows [channels, time]",
    VECTORS: "vectors [features]",
    TOKENS: "tokens [length]",
    SAMPLES: "samples of any other shape",
}
_MODELS_FOR = {
    IMAGES: "small-cnn, resnet8 or mlp",
    WINDOWS: "cnn1d, gru or mlp",
    VECTORS: "mlp",
    TOKENS: "tiny-transformer",
    SAMPLES: "mlp",
}
_BY_AXES = {1: VECTORS, 2: WINDOWS, 3: IMAGES}


def kind_of(input_shape: Shape, tokens: bool = False) -> str:
    """Kind of samples of a shape."""
    return TOKENS if tokens else _BY_AXES.get(len(input_shape), SAMPLES)


def check_kind(model: str, takes: tuple[str, ...], input_shape: Shape, tokens: bool = False) -> None:
    """Refuse samples of a kind that a model does not take.

    Args:
        model: its name.
        takes: kinds that it takes.
        input_shape: of one sample.
        tokens: True where samples are token ids.

    Raises:
        EdgesimError: the kind is another; the message names the models for it.
    """
    kind = kind_of(input_shape, tokens)
    if kind in takes:
        return
    *others, last = (_AXES[one] for one in takes)
    needed = f"{', '.join(others)} or {last}" if others else last
    use = f"for {kind} use {_MODELS_FOR[kind]}"
    raise EdgesimError(f"{model} needs {needed}; {use} (got {kind} of shape {list(input_shape)})")


def check_size(parameters: int, unsafe: bool) -> None:
    """EdgesimError where a network would have more than MOST_PARAMETERS."""
    if parameters > MOST_PARAMETERS and not unsafe:
        limit = f"at most {MOST_PARAMETERS:,} are built"
        raise EdgesimError(
            f"the network would have {parameters:,} parameters; {limit}; lower its widths, or {WAY_PAST}"
        )
