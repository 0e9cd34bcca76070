"""Named, independent random streams: the only place that makes generators.

A stream is named by (scenario seed, purpose, device). Two names give statistically independent streams
(`numpy.random.SeedSequence` spawn keys), so that one more device, method or phase changes no other stream.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

NO_DEVICE = -1


def sequence(seed: int, purpose: str, device: int = NO_DEVICE) -> np.random.SeedSequence:
    """The seed sequence of a stream.

    Args:
        seed: the scenario's seed, >= 0.
        purpose: use of the stream, for example "partition", "init", "batches", "select:random".
        device: index of the device in the fleet, or NO_DEVICE for a stream of the whole scenario.
    """
    # crc32 and not hash(): Python's hash of a string changes from process to process.
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), device + 1))


def stream(seed: int, purpose: str, device: int = NO_DEVICE) -> np.random.Generator:
    """A fresh NumPy generator at the start of the named stream (arguments as in `sequence`)."""
    return np.random.Generator(np.random.PCG64(sequence(seed, purpose, device)))


def integer(seed: int, purpose: str, device: int = NO_DEVICE) -> int:
    """A 63-bit integer seed for libraries that take a number (arguments as in `sequence`)."""
    return int(sequence(seed, purpose, device).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def torch_global(seed: int, purpose: str, device: int = NO_DEVICE) -> Iterator[None]:
    """Run a block with torch's global generators at the start of the named stream, and put them back afterwards.

    Needed where torch takes no generator: the initialisation of `nn.Module` weights and `nn.Dropout`.
    """
    import torch

    # Without a GPU torch would look for one whenever its generators are put aside (0.2 ms).
    with torch.random.fork_rng(devices=None if torch.cuda.is_available() else []):
        number = integer(seed, purpose, device)
        # torch.manual_seed, less the call stacks that it writes down for devices that are not there (0.2 ms).
        torch.default_generator.manual_seed(number)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(number)
        yield
