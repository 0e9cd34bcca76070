"""Augmentation: every image against a brute-force version with the same draws, by hand on small tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from edgesim.config.validation import build
from edgesim.data.augment import AUGMENTATIONS, CropFlip, Cutout


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
