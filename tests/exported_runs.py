"""Small runs to export, and what a file is compared with."""

from pathlib import Path

import numpy as np

import vergence
from tests.inference.stored import SPACE
from tests.small_runs import write_run

ENCODER = "test_resnet"
"""Of timm, for tests: a handful of layers, so that a graph of it is quick to make."""
TWO_TASKS = {"three_ways.multi_task": True, "three_ways.depth": "online", "pose.weights": "none"}


def both_run(folder: Path) -> Path:
    """A run of depth and classes."""
    changes = TWO_TASKS | {"frames.options.label_space": SPACE, "network.encoder": ENCODER}
    return write_run(folder, "three_ways-toytown-tiny", **changes)


def assert_same(file: Path | str, run: Path, picture: np.ndarray, share: float = 1e-4, **use: object) -> None:
    """What a file says of a picture is what its run says, up to a share of the largest value."""
    one, other = vergence.load(str(file), **use).predict(picture), vergence.load(run, **use).predict(picture)
    assert one.unit == other.unit
    assert one.class_names == other.class_names
    for name in ("depth", "inverse_depth", "confidence"):
        found, wanted = getattr(one, name), getattr(other, name)
        assert (found is None) == (wanted is None), name
        if wanted is not None:
            assert np.abs(found - wanted).max() <= share * np.abs(wanted).max(), name
    if other.classes is not None:
        assert (one.classes != other.classes).mean() <= 10 * share
    if other.depth is not None:
        assert len(one.cloud().points) == len(other.cloud().points)
