"""Augmentation: every image against a brute-force version with the same draws, by hand on small tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from edgesim.config.validation import build
from edgesim.data.augment import AUGMENTATIONS, CropFlip, Cutout, check_fit
from edgesim.errors import DataError
from edgesim.tasks import NetworkForm


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Every pixel of the batch has its own value, none is zero."""
    total = count * channels * height * width
    return torch.arange(1, total + 1, dtype=torch.float32).reshape(count, channels, height, width)


@pytest.mark.parametrize("shape", [(7, 3, 5, 6), (4, 1, 8, 8), (1, 2, 3, 3)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_crop_flip_equals_brute_force(shape, channels_last):
    batch = images(*shape)
    if channels_last:
        batch = batch.to(memory_format=torch.channels_last)
    before = batch.clone()
    augment = CropFlip(padding=2, flip=0.5)
    result = augment(batch, generator(3))
    rows, columns, flipped = augment.draw(shape[0], generator(3))
    for i in range(shape[0]):
        framed = torch.zeros(shape[1], shape[2] + 4, shape[3] + 4)
        framed[:, 2:-2, 2:-2] = batch[i]
        crop = framed[:, rows[i] : rows[i] + shape[2], columns[i] : columns[i] + shape[3]]
        expected = crop.flip(-1) if flipped[i] else crop
        assert torch.equal(result[i], expected)
    assert torch.equal(batch, before)
    assert result.stride() == before.stride()


def test_crop_flip_by_hand():
    class Fixed(CropFlip):
        def draw(self, count, generator):
            return torch.tensor([0, 1, 2]), torch.tensor([1, 1, 0]), torch.tensor([False, True, False])

    one = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    result = Fixed(padding=1)(one.expand(3, 1, 2, 2).contiguous(), generator())
    assert result[0, 0].tolist() == [[0, 0], [1, 2]]  # begins one row higher: moved down
    assert result[1, 0].tolist() == [[2, 1], [4, 3]]  # in the middle: only flipped
    assert result[2, 0].tolist() == [[0, 3], [0, 0]]  # moved up and right


def test_crop_flip_reaches_all_offsets_and_flips_as_often_as_asked():
    rows, columns, flipped = CropFlip(padding=4, flip=0.25).draw(20_000, generator(1))
    for drawn in (rows, columns):
        counts = torch.bincount(drawn, minlength=9)
        assert len(counts) == 9
        assert counts.min() > 2_000  # 2,222 expected, standard deviation 44
        assert counts.max() < 2_450
    assert 0.23 < flipped.float().mean() < 0.27
    together = torch.corrcoef(torch.stack([rows.float(), columns.float(), flipped.float()]))
    assert (together - torch.eye(3)).abs().max() < 0.03  # drawn independently


def test_no_padding_and_no_flip_is_a_copy():
    batch = images(3, 2, 4, 4)
    result = CropFlip(padding=0, flip=0.0)(batch, generator())
    assert torch.equal(result, batch)
    assert result.data_ptr() != batch.data_ptr()
    assert torch.equal(CropFlip(padding=0, flip=1.0)(batch, generator()), batch.flip(-1))


@pytest.mark.parametrize("size", [1, 2, 3, 20])
@pytest.mark.parametrize("channels_last", [True, False])
def test_cutout_equals_brute_force(size, channels_last):
    batch = images(9, 3, 6, 5)
    if channels_last:
        batch = batch.to(memory_format=torch.channels_last)
    before = batch.clone()
    augment = Cutout(size=size)
    result = augment(batch, generator(5))
    rows, columns = augment.draw(9, 6, 5, generator(5))
    for i in range(9):
        expected = before[i].clone()
        top, left = int(rows[i]) - size // 2, int(columns[i]) - size // 2
        for y in range(6):
            for x in range(5):
                if top <= y < top + size and left <= x < left + size:
                    expected[:, y, x] = 0
        assert torch.equal(result[i], expected)
        assert (result[i] == 0).any()
    assert torch.equal(batch, before)
    assert result.stride() == before.stride()


def test_cutout_centres_reach_every_pixel():
    rows, columns = Cutout().draw(5_000, 6, 5, generator(2))
    counts = torch.bincount(rows * 5 + columns, minlength=30)
    assert len(counts) == 30
    assert counts.min() > 110  # 167 expected, standard deviation 13
    assert counts.max() < 225


@pytest.mark.parametrize("augment", [CropFlip(), Cutout()])
def test_same_generator_same_batch_and_type_kept(augment):
    batch = images(6, 3, 10, 10)
    assert torch.equal(augment(batch, generator(8)), augment(batch, generator(8)))
    assert not torch.equal(augment(batch, generator(8)), augment(batch, generator(9)))
    half = augment(batch.to(torch.bfloat16), generator(8))
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, augment(batch, generator(8)).to(torch.bfloat16))
    state = torch.random.get_rng_state()
    augment(batch, generator(8))
    assert torch.equal(torch.random.get_rng_state(), state)  # the global stream is not touched


@pytest.mark.parametrize(
    ("name", "given", "path"),
    [
        ("crop-flip", {"padding": -1}, "training.augment.padding"),
        ("crop-flip", {"flip": 1.5}, "training.augment.flip"),
        ("cutout", {"size": 0}, "training.augment.size"),
        ("cutout", {"sise": 4}, "training.augment.sise"),
    ],
)
def test_bad_arguments_are_faults_at_their_path(name, given, path):
    faults = []
    assert build(AUGMENTATIONS[name], given, "training.augment", faults) is None
    assert [fault.path for fault in faults] == [path]


def test_the_tables_of_data_load_without_torch():
    code = (
        "import sys, edgesim.data.augment, edgesim.data.datasets, edgesim.data.partition_schemes;"
        "heavy = {'torch', 'torchvision', 'sklearn', 'ray', 'pandas', 'pyarrow', 'PIL'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SIGNALS = {
    "jitter": {},
    "scaling": {},
    "time-shift": {"steps": 3},
    "time-mask": {"steps": 3},
    "band-mask": {"bands": 2},
}


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_keep_their_form_and_repeat_with_the_generator(name):
    augment = AUGMENTATIONS[name](**SIGNALS[name])
    for axes in AUGMENTATIONS[name].axes:
        shape = (6, 5) if axes == 1 else (6, 2, 9) if axes == 2 else (6, 2, 7, 9)
        batch = torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)
        if axes == 3:
            batch = batch.to(memory_format=torch.channels_last)
        before = batch.clone()
        result = augment(batch, generator(4))
        assert torch.equal(batch, before)
        assert (result.shape, result.dtype, result.stride()) == (batch.shape, batch.dtype, batch.stride())
        assert torch.equal(result, augment(batch, generator(4)))
        assert not torch.equal(result, augment(batch, generator(5)))


def test_noise_and_factors_have_the_spread_that_is_asked_for():
    noisy = AUGMENTATIONS["jitter"](sigma=0.3)(torch.zeros(200, 3, 50), generator())
    assert noisy.std().item() == pytest.approx(0.3, rel=0.02)
    scaled = AUGMENTATIONS["scaling"](sigma=0.2)(torch.ones(4000, 3, 5), generator())
    assert torch.equal(scaled[:, :, :1].expand_as(scaled), scaled)  # one factor for a channel
    assert scaled[:, :, 0].std().item() == pytest.approx(0.2, rel=0.02)
    assert scaled.mean().item() == pytest.approx(1, abs=0.01)


def test_shifts_and_masks_by_hand():
    class Fixed(AUGMENTATIONS["time-shift"]):
        def draw(self, count, length, generator):
            return torch.tensor([2, -1, 0, 4])

    window = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    moved = Fixed()(window.expand(4, 2, 4).contiguous(), generator())
    assert moved[0].tolist() == [[0, 0, 1, 2], [0, 0, 5, 6]]
    assert moved[1].tolist() == [[2, 3, 4, 0], [6, 7, 8, 0]]
    assert moved[2].tolist() == window.tolist()
    assert moved[3].tolist() == [[0] * 4, [0] * 4]
    masked = AUGMENTATIONS["time-mask"](steps=2)(torch.ones(3000, 2, 4), generator())
    hidden = masked[:, 0] == 0
    assert torch.equal(masked[:, 0], masked[:, 1])  # all channels at once
    lengths = torch.bincount(hidden.sum(1), minlength=3) / 3000
    assert lengths.tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    first = hidden[hidden.sum(1) == 2].float().argmax(1)
    assert (torch.bincount(first, minlength=3) / len(first)).tolist() == pytest.approx([1 / 3] * 3, abs=0.06)
    runs = (hidden[:, 1:] & ~hidden[:, :-1]).sum(1) + hidden[:, 0]
    assert runs.max() == 1  # one stretch
    bands = AUGMENTATIONS["band-mask"](bands=9)(torch.ones(50, 1, 3, 4), generator())  # more than there are
    assert torch.equal(bands[..., :1].expand_as(bands), bands)


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("crop-flip", NetworkForm((3, 80), 6), "the data are samples of 3x80; use .*time-mask"),
        ("jitter", NetworkForm((20,), 6, tokens=True), "the data are token ids; leave it out"),
        ("cutout", NetworkForm((3, 32, 32), 6, "detection"), "would not move along; leave it out"),
        ("scaling", NetworkForm((20,), 6), "use jitter"),
    ],
)  # fmt: skip
def test_an_augmentation_that_does_not_fit_the_samples_is_refused(name, form, message):
    with pytest.raises(DataError, match=message):
        check_fit(name, AUGMENTATIONS[name](), form)


def test_one_that_fits_and_a_users_own_are_taken():
    check_fit("time-mask", AUGMENTATIONS["time-mask"](), NetworkForm((3, 80), 6))
    check_fit("mine:Own", object(), NetworkForm((20,), 6, tokens=True))
