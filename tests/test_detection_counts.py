"""Price of a detector: FLOPs by hand, memory at two batch sizes, and refusals of other tasks."""

from __future__ import annotations

import pytest
import torch

from edgesim.errors import EdgesimError
from edgesim.models import resolve, training_memory
from edgesim.models.model_forms import check_task, task_of
from edgesim.models.workload import count
from edgesim.tasks import NetworkForm
from edgesim.work import Workload

LAYERS = [  # of yolov3-tiny at 64x64: pixels, channels in and out, side of the kernel
    (64, 3, 16, 3), (32, 16, 32, 3), (16, 32, 64, 3), (8, 64, 128, 3), (4, 128, 256, 3), (2, 256, 512, 3),
    (2, 512, 1024, 3), (2, 1024, 256, 1), (2, 256, 512, 3), (2, 512, 21, 1), (2, 256, 128, 1), (4, 384, 256, 3),
    (4, 256, 21, 1),
]  # fmt: skip


def counted(name: str, side: int, *, with_memory: bool = True, **arguments: int) -> Workload:
    form = NetworkForm((3, side, side), 2, "detection")
    model = resolve(name)(**arguments)
    return count(lambda: model.build(form.input_shape, form.num_outputs), form, with_memory=with_memory)


@pytest.fixture(scope="module")
def tiny() -> Workload:
    return counted("yolov3-tiny", 64)


def test_the_flops_of_yolov3_tiny_by_hand(tiny):
    each = [2 * side**2 * before * after * kernel**2 for side, before, after, kernel in LAYERS]
    assert tiny.forward_flops == sum(each)
    assert tiny.train_flops == 3 * sum(each) - each[0]  # no gradient of the images


def test_the_memory_of_a_detector_grows_evenly_with_the_batch(tiny):
    """Weights, gradients and buffers are there at any batch; each image adds at least what its layers save."""
    assert tiny.memory is not None
    at = [tiny.memory.peak_bytes(batch, 0) for batch in (1, 2, 4)]
    assert (at[2] - at[1]) == 2 * (at[1] - at[0])
    weights = tiny.parameter_bytes
    assert at[0] > 2 * weights
    saved = sum(4 * side**2 * after for side, _, after, _ in LAYERS)  # outputs of the convolutions alone
    assert at[1] - at[0] > 2 * saved  # their normalised values are kept, too
    assert at[1] - at[0] < 8 * saved


def test_faster_rcnn_is_counted_with_its_heads():
    few, many = (counted("fasterrcnn", 64, with_memory=False, regions=regions) for regions in (4, 12))
    # Each region passes two layers on its 7 x 7 x 256 features, then those of 3 classes with 4 sides each.
    region = 2 * (7 * 7 * 256 * 1024 + 1024 * 1024 + 1024 * (3 + 12))
    assert many.forward_flops - few.forward_flops == 8 * region
    assert many.train_flops - few.train_flops == 3 * 8 * region
    assert 0 < few.forward_flops - 4 * region < 10 * region  # the backbone and the proposals


def test_models_do_the_tasks_that_they_are_made_for():
    assert [task_of(name) for name in ("fasterrcnn", "small-cnn")] == ["detection", "classification"]
    check_task("yolov3-tiny", "detection")
    check_task("own.module:Detector", "detection")
    with pytest.raises(EdgesimError, match=r"small-cnn gives one row of outputs.*use yolov3-tiny or fasterrcnn"):
        check_task("small-cnn", "detection")
    with pytest.raises(EdgesimError, match="yolov3-tiny finds boxes in images, and the data set is a classification"):
        check_task("yolov3-tiny", "classification")
    with pytest.raises(EdgesimError, match="at least 32x32 pixels, not 16x64"):
        resolve("yolov3-tiny")().build((3, 16, 64), 1)
    with pytest.raises(EdgesimError, match="fasterrcnn needs images"):
        resolve("fasterrcnn")().build((3, 80), 1)


def test_an_own_model_that_gives_no_losses_is_named():
    class Logits(torch.nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs.images.mean(dim=(2, 3)))

    with pytest.raises(EdgesimError, match=r"must give `edgesim\.models\.detection\.DetectionOutputs` with losses"):
        count(lambda: Logits(3, 2), NetworkForm((3, 32, 32), 2, "detection"))


def test_a_detectors_peak_that_moves_to_a_steeper_part_is_followed(monkeypatch):
    """Parts of 100 + b and 20·b bytes: peaks of 102, 104 and 240 at batches of 2, 4 and 12."""
    parts = {training_memory.Sizes(100, 1, 0), training_memory.Sizes(0, 20, 0)}
    monkeypatch.setattr(training_memory, "_moments", lambda *arguments: parts)
    monkeypatch.setattr(training_memory.counted_pass, "inputs", lambda *arguments: None)
    lines = training_memory._of_three_steps(torch.nn.Identity(), [], None, torch.device("meta"))
    at = {batch: max(one.fixed + batch * one.per_sample for one in lines) for batch in (2, 4, 12)}
    assert at == {2: 102, 4: 104, 12: 240}
