"""Random draws that depend on named numbers only, not on workers, order or earlier draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seeds(*numbers: int) -> np.ndarray:
    """Three independent 64-bit seeds from non-negative whole numbers, e.g. (seed, epoch, index)."""
    return np.random.SeedSequence(numbers).generate_state(3, np.uint64)


def derive_index(size: int, *numbers: int) -> int:
    """A whole number in ``[0, size)`` drawn from the given numbers."""
    return int(np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers))).integers(size))


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Run a block with NumPy, ``random`` and torch (CPU) seeded by ``numbers``; then put back.

    The CUDA generators stay as they are: data are prepared on the CPU, and in the main process
    (no workers) the model's own draws must not be touched.
    """
    states = np.random.get_state(), random.getstate(), torch.get_rng_state()
    for_numpy, for_random, for_torch = derive_seeds(*numbers)
    np.random.seed(np.frombuffer(for_numpy.tobytes(), dtype=np.uint32))
    random.seed(int(for_random))
    # not torch.manual_seed, which would seed the GPUs as well
    torch.default_generator.manual_seed(int(for_torch))
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
        torch.set_rng_state(states[2])
