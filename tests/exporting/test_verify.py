"""Differences between a file's maps and PyTorch's, and the frames that show them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inference.stored import video
from tests.inference.test_exported_facts import FACTS
from vergence.exporting.verify import batches, difference, known_frames
from vergence.runs.checkpoint import load_run


def test_a_difference_is_a_share_of_the_largest_value() -> None:
    wanted = {"depth": torch.tensor([[1.0, 4.0, float("inf")]])}
    assert difference("depth", torch.tensor([[1.0, 4.0, float("inf")]]), wanted) == 0
    assert difference("depth", torch.tensor([[1.2, 4.0, float("inf")]]), wanted) == pytest.approx(0.05)
    assert difference("depth", torch.tensor([[1.0, 4.0, 9.0]]), wanted) == float("inf")
    assert difference("depth", torch.tensor([[1.0, float("nan"), float("inf")]]), wanted) == float("inf")
    assert difference("depth", torch.ones(1, 2), wanted) == float("inf")


def test_classes_differ_by_how_far_their_logits_fall_behind() -> None:
    logits = torch.tensor([[2.0, 1.9, -4.0]]).view(1, 3, 1, 1)
    wanted = {"logits": logits, "classes": torch.zeros(1, 1, 1, dtype=torch.uint8)}
    found = [difference("classes", torch.full((1, 1, 1), place, dtype=torch.uint8), wanted) for place in range(3)]
    assert found == [0, pytest.approx(0.025), pytest.approx(1.5)]


def test_batches_are_what_the_file_takes() -> None:
    pictures = [torch.full((3, 64, 96), number, dtype=torch.uint8) for number in range(3)]
    fixed = batches(pictures, replace(FACTS, batch=2))
    assert [one.shape for one in fixed] == [(2, 3, 64, 96)] * 2
    assert [int(one[0, 0, 0, 0]) for one in fixed] == [0, 2]
    free = batches(pictures, replace(FACTS, batch=None, size=None, input="float"))
    assert [one.shape for one in free] == [(3, 3, 64, 96), (3, 3, 64, 128), (1, 3, 64, 96)]
    assert free[0].dtype == np.float32
    assert free[0].max() == np.float32(2 / 255)


def test_frames_are_given_or_made_up_and_it_is_said(exported_run: Path, tmp_path: Path) -> None:
    loaded = load_run(exported_run)
    made_up = known_frames(loaded, None)
    assert made_up.origin == "made-up pictures, because the run names no data"
    assert not made_up.real
    clip = video(tmp_path / "clip.mp4")
    loaded.config.frames.source = str(clip)
    own = known_frames(loaded, None)
    assert own.origin == "frames of the run's own data, clip.mp4"
    assert own.real
    loaded.config.frames.source = str(tmp_path / "gone.mp4")
    assert known_frames(loaded, None).origin.endswith("because the run's data are not here")
