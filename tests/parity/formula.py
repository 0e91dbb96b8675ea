"""The weights that parity data prescribe: every entry of a state dict by a formula of its key and shape."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch


def formula(key: str, shape: Sequence[int], salt: str, gain: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32((salt + key).encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    x = rng.standard_normal(tuple(shape), dtype=np.float32)
    if key.endswith("running_var"):
        y = 1 + 0.1 * np.abs(x)
    elif key.endswith("running_mean"):
        y = 0.1 * x
    elif len(shape) >= 2:
        y = x * float(np.sqrt(2.0 / np.prod(shape[1:]))) * float(gain)
    elif key.endswith("bias"):
        y = 0.05 * x
    else:
        y = 1 + 0.1 * x
    return np.asarray(y, np.float32)


def formula_state(keys: Sequence[tuple[str, Sequence[int]]], salt: str, gain: float = 1.0) -> dict[str, torch.Tensor]:
    """A state dict of official keys and shapes; ``salt`` includes the component's prefix."""
    return {key: torch.from_numpy(formula(key, shape, salt, gain)) for key, shape in keys}
