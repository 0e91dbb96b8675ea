"""Dense flow of the library, as it is used."""

import builtins
from typing import Any

import numpy as np
import pytest

from vergence.errors import InputError
from vergence.motion.flow import DenseFlow


def test_a_shifted_texture_has_its_shift_as_flow() -> None:
    pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")
    rough = np.random.default_rng(0).uniform(0, 255, (40, 56))
    smooth = np.kron(rough, np.ones((3, 3))).astype(np.uint8)
    flow = DenseFlow()(smooth[:, 3:-6], smooth[:, :-9])
    inner = flow[:, 10:-10, 15:-15]
    assert inner[0].median().item() == pytest.approx(3, abs=0.2)
    assert inner[1].abs().median() < 0.2


def test_frames_of_two_shapes_or_too_small_are_refused() -> None:
    pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")
    grey = np.zeros((40, 50), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        DenseFlow()(grey, grey[1:])


def test_without_opencv_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"vergence\[flow\]"):
        DenseFlow()
