"""Models by name: name -> frozen dataclass whose fields are the hyper-parameters; no torch until `build`.

Every `build` initialises the weights from torch's global generator as the caller left it; wrap it in
`seeds.torch_global`. None has pretrained weights; a user's own are put in later (`initial_weights`).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import itertools
import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from edgesim.config import plugins, registry
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.config.validation import nearest
from edgesim.errors import EdgesimError
from edgesim.models.detection_models import DETECTORS
from edgesim.models.model_fields import IMAGES, SAMPLES, VECTORS, WINDOWS, Shape, Width, check_kind, check_size
from edgesim.models.signal_models import Cnn1d, DsCnn, Gru, TinyTransformer

if TYPE_CHECKING:
    from torch import nn


class Model(Protocol):
    """Interface of a model's dataclass."""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """A fresh network.

        Args:
            input_shape: of one sample: (channels, height, width), (channels, time), (features,) or (length,).
            num_classes: outputs, >= 1: classes, or numbers of a regression.

        Returns: a module from samples [B, *input_shape] to outputs [B, num_classes]. Samples are float, or int64 where
        they are token ids.

        Raises:
            EdgesimError: samples of a kind that the model does not take.
        """
        ...


@checked_dataclass()
class Mlp(Bounded):
    """Fully connected network with ReLU on the flattened sample; `hidden: []` is linear or softmax regression."""

    hidden: Annotated[tuple[Width, ...], Field(max_length=100)] = (128,)
    """units of each hidden layer; [] for none"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("mlp", (IMAGES, WINDOWS, VECTORS, SAMPLES), input_shape)
        widths = [math.prod(input_shape), *self.hidden, num_classes]
        check_size(sum(before * after for before, after in itertools.pairwise(widths)), self.unsafe)
        return networks.mlp(input_shape, num_classes, self.hidden)


@checked_dataclass()
class SmallCnn(Bounded):
    """Two 3x3 convolutions with max-pooling and two linear layers; images of 4x4 or more.

    Feature maps beyond 8x8 (images of 36 pixels or more) are averaged down to at most 8x8. So the first linear layer
    does not grow with the image.
    """

    widths: Annotated[tuple[Width, ...], Field(min_length=2, max_length=2)] = (16, 32)
    """channels of the two convolutions"""
    hidden: Width = 64
    """units of the hidden linear layer"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("small-cnn", (IMAGES,), input_shape)
        pixels = min(8, max(1, input_shape[1] // 4)) * min(8, max(1, input_shape[2] // 4))
        convolutions = 9 * self.widths[0] * (input_shape[0] + self.widths[1])
        check_size(convolutions + self.hidden * (self.widths[1] * pixels + num_classes), self.unsafe)
        return networks.small_cnn(input_shape, num_classes, self.widths, self.hidden)


@checked_dataclass()
class ResNet8(Bounded):
    """CIFAR-style residual network: 3x3 stem and one basic block per stage (16-32-64 channels).

    The shortcut is a 1x1 convolution with batch norm where the shape changes, the identity elsewhere.
    Source: He et al., Deep Residual Learning, arXiv:1512.03385, section 4.2, with option B shortcuts.
    """

    widths: Annotated[tuple[Width, ...], Field(min_length=3, max_length=3)] = (16, 32, 64)
    """channels of the three stages"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("resnet8", (IMAGES,), input_shape)
        blocks = (9 * after * (before + after) for before, after in itertools.pairwise((self.widths[0], *self.widths)))
        check_size(sum(blocks), self.unsafe)
        return networks.ResNet8Module(input_shape[0], num_classes, self.widths)


@checked_dataclass()
class ResNet18:
    """torchvision's ResNet-18; 3x3 stride-1 stem and no max-pool for images of 64 pixels or less."""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("resnet18", (IMAGES,), input_shape)
        return networks.resnet("resnet18", input_shape, num_classes)


@checked_dataclass()
class ResNet34:
    """torchvision's ResNet-34; 3x3 stride-1 stem and no max-pool for images of 64 pixels or less."""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("resnet34", (IMAGES,), input_shape)
        return networks.resnet("resnet34", input_shape, num_classes)


@checked_dataclass()
class ResNet50:
    """torchvision's ResNet-50; 3x3 stride-1 stem and no max-pool for images of 64 pixels or less."""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("resnet50", (IMAGES,), input_shape)
        return networks.resnet("resnet50", input_shape, num_classes)


@checked_dataclass()
class WideResNet50x2:
    """torchvision's Wide ResNet-50-2; 3x3 stride-1 stem and no max-pool for images of 64 pixels or less."""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("wide-resnet50-2", (IMAGES,), input_shape)
        return networks.resnet("wide_resnet50_2", input_shape, num_classes)


@checked_dataclass()
class MobileNetV2(Bounded):
    """torchvision's MobileNetV2; halves images of 64 pixels or less four times, of 16 or less until 2 are left."""

    width_mult: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.01, 4.0)] = 1.0
    """factor on the channels of every layer"""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """share of the last features that training drops"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind("mobilenet-v2", (IMAGES,), input_shape)
        return networks.mobilenet_v2(input_shape, num_classes, self.width_mult, self.dropout)


MODELS: dict[str, type] = {
    "mlp": Mlp,
    "small-cnn": SmallCnn,
    "resnet8": ResNet8,
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "mobilenet-v2": MobileNetV2,
    "wide-resnet50-2": WideResNet50x2,
    "cnn1d": Cnn1d,
    "gru": Gru,
    "ds-cnn": DsCnn,
    "tiny-transformer": TinyTransformer,
    **DETECTORS,
}


class _Referenced:
    """Base of models that stand for a name outside the table; `_stand_in` makes one class per name."""

    reference: ClassVar[str]

    def __reduce__(self) -> tuple[Any, ...]:
        # The class was made at run time, so that another process has to make it again from the name.
        return _instance, (self.reference,)


class _Timm(_Referenced):
    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import networks

        check_kind(self.reference, (IMAGES,), input_shape)
        return networks.timm_model(self.reference.removeprefix("timm:"), input_shape, num_classes)


class _OwnModel(_Referenced):
    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        return registry.load(self.reference)(input_shape=input_shape, num_classes=num_classes)


def resolve(name: str) -> type:
    """The dataclass of a model.

    Args:
        name: one of MODELS, `timm:NAME`, the name of a plug-in, or `package.module:Name` of the user's own: either a
            dataclass with `build(input_shape, num_classes)` whose fields are its hyper-parameters, or a class or
            function that takes `input_shape` and `num_classes` by these names and gives a torch module.

    Returns: a dataclass type; its instances are a `Model` and can be pickled.

    Raises:
        EdgesimError: unknown name (with the nearest one), timm not installed, or an object of another kind.
    """
    if name in MODELS:
        return MODELS[name]
    if name.startswith("timm:"):
        return _timm(name)
    if registry.is_reference(name):
        return _own(name)
    plugin = plugins.named("models", name)
    if plugin is not None:
        return _own(plugin.reference)
    choice = f"{', '.join(MODELS)}, timm:NAME or package.module:Name"
    raise EdgesimError(f"there is no model '{name}'; allowed: {choice}{nearest(name, MODELS)}")


def _timm(name: str) -> type:
    if importlib.util.find_spec("timm") is None:
        raise EdgesimError(f"the model '{name}' needs timm, which is not installed: pip install 'edgesim[timm]'")
    import timm

    wanted, known = name.removeprefix("timm:"), timm.list_models()
    if wanted not in known:
        raise EdgesimError(
            f"timm {timm.__version__} has no model '{wanted}'{nearest(wanted, known)} "
            "(timm.list_models() lists them; leave out the tag of pretrained weights)"
        )
    return _stand_in(name, _Timm)


def _own(name: str) -> type:
    found = registry.load(name)
    if isinstance(found, type) and dataclasses.is_dataclass(found) and hasattr(found, "build"):
        return found
    try:
        inspect.signature(found).bind(input_shape=(1, 8, 8), num_classes=2)
    except (TypeError, ValueError) as error:
        raise EdgesimError(
            f"'{name}' cannot be called with input_shape=…, num_classes=…: {error}. "
            "A model with hyper-parameters is a frozen dataclass with build(self, input_shape, num_classes)"
        ) from None
    return _stand_in(name, _OwnModel)


@functools.cache  # one class per name, so that two instances of a name are equal
def _stand_in(name: str, base: type) -> type:
    made = type(name, (base,), {"reference": name, "__doc__": f"{name}.", "__module__": __name__})
    return checked_dataclass()(made)


def _instance(name: str) -> Model:
    return resolve(name)()
