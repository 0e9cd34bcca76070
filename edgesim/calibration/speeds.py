"""Peak arithmetic, memory and storage of the machine that runs this, by plain means: products, copies, a file."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from edgesim.calibration.step_timing import TorchDevice, clock

_PRODUCT_S = 0.02
"""a product of this length is large enough"""
_LARGEST_SIDE = 8192
_BLOCK = 1 << 20
"""bytes of one read; a multiple of every sector size, as O_DIRECT wants it"""


def _best_s(work: Callable[[], object], device: TorchDevice, seconds: float) -> float:
    """The shortest of many runs: what the machine can do, whatever else it does meanwhile."""
    now = clock(device)
    best, deadline = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < deadline or best == float("inf"):
        repeats, took_s, began = 0, 0.0, now()
        while took_s < 2e-3:  # shorter than this and the clock's own steps would show
            work()
            repeats += 1
            took_s = now() - began
        best = min(best, took_s / repeats)
    return best


def peak_flops_per_s(device: TorchDevice, seconds: float = 1.0) -> float:
    """FP32 FLOP/s of the fastest of many large matrix products and convolutions: libraries differ in either."""
    return max(_products_flops_per_s(device, seconds), _convolutions_flops_per_s(device, seconds))


def _convolutions_flops_per_s(device: TorchDevice, seconds: float) -> float:
    """16 images of 56x56 with 64 channels, and as many kernels of 3x3."""
    images = torch.rand(16, 64, 56, 56, device=device).to(memory_format=torch.channels_last)
    kernels = torch.rand(64, 64, 3, 3, device=device).to(memory_format=torch.channels_last)

    def convolve() -> None:
        torch.nn.functional.conv2d(images, kernels, padding=1)

    with torch.no_grad():
        return 2.0 * images.numel() * 64 * 9 / _best_s(convolve, device, seconds)


def _products_flops_per_s(device: TorchDevice, seconds: float) -> float:
    side = 256
    while True:
        left, right = torch.rand(side, side, device=device), torch.rand(side, side, device=device)
        out = torch.empty(side, side, device=device)

        def product(left: torch.Tensor = left, right: torch.Tensor = right, out: torch.Tensor = out) -> None:
            torch.mm(left, right, out=out)

        if side == _LARGEST_SIDE or _best_s(product, device, 0.0) >= _PRODUCT_S:
            return 2.0 * side**3 / _best_s(product, device, seconds)
        side *= 2


@dataclass(frozen=True)
class Copies:
    """Bytes read plus bytes written per second of copies in working memory."""

    fastest_bytes_per_s: float
    """of all sizes: in the caches, where there are any"""
    large_bytes_per_s: float
    """of the largest buffer, which no cache holds"""
    large_bytes: int


def copies(device: TorchDevice, seconds: float = 0.15) -> Copies:
    """Copy buffers of 16 KiB to 256 MiB, or to a thirty-second of the memory."""
    largest = min(1 << 28, 1 << (psutil.virtual_memory().available // 32).bit_length() - 1)
    speeds = []
    size = 1 << 14
    while size <= largest:
        source = torch.zeros(size, dtype=torch.uint8, device=device)
        target = torch.zeros_like(source)

        def copy(source: torch.Tensor = source, target: torch.Tensor = target) -> None:
            target.copy_(source)

        speeds.append(2 * size / _best_s(copy, device, seconds))
        size *= 4
    return Copies(max(speeds), speeds[-1], size // 4)


@dataclass(frozen=True)
class StorageSpeed:
    """Sequential speeds of one file."""

    read_bytes_per_s: float
    write_bytes_per_s: float
    past_cache: bool
    """True where the read went past the page cache (O_DIRECT, or the cache dropped by posix_fadvise)"""
    how: str
    file_bytes: int


def storage_speed(folder: Path, file_bytes: int = 1 << 27) -> StorageSpeed:
    """Write a temporary file of zeros and noise to the disk (fsync) and read it again.

    Args:
        folder: on the storage to measure.
        file_bytes: rounded to whole MiB; a quarter of the free space at most.
    """
    blocks = max(1, min(file_bytes, shutil.disk_usage(folder).free // 4) // _BLOCK)
    noise = os.urandom(_BLOCK)  # a disk that packs its data must not profit
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".edgesim-") as file:
        began = time.perf_counter()
        for _ in range(blocks):
            file.write(noise)
        file.flush()
        os.fsync(file.fileno())
        write_s = time.perf_counter() - began
        read_s, past_cache, how = _read_back(Path(file.name))
    total = blocks * _BLOCK
    return StorageSpeed(total / read_s, total / write_s, past_cache, how, total)


def _read_back(path: Path) -> tuple[float, bool, str]:
    """Seconds of reading a file, whether that went past the page cache, and how."""
    if hasattr(os, "O_DIRECT"):
        try:
            return _read_s(path, os.O_DIRECT), True, "O_DIRECT"
        except OSError:  # a file system in memory has no way past the cache
            pass
    if hasattr(os, "posix_fadvise") and not storage_kind(path.parent).startswith(("tmpfs", "ramfs")):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
        return _read_s(path, 0), True, "page cache dropped by posix_fadvise"
    return _read_s(path, 0), False, "through the page cache, an upper bound"


def _read_s(path: Path, flags: int) -> float:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        with mmap.mmap(-1, _BLOCK) as block:  # aligned to a page
            began = time.perf_counter()
            while os.readv(descriptor, [block]):
                pass
            return time.perf_counter() - began
    finally:
        os.close(descriptor)


def storage_kind(folder: Path) -> str:
    """File system and device that hold a folder."""
    where = folder.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if where.is_relative_to(part.mountpoint)]
    if not mounts:
        return "unknown"
    mount = max(mounts, key=lambda part: len(part.mountpoint))
    return f"{mount.fstype} on {Path(mount.device).name or mount.device}"
