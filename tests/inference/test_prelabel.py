"""First guesses for people who draw labels."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from vergence import api
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import label_space
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.errors import InputError
from vergence.inference import predictor, prelabel
from vergence.methods.base import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config_sections import EvaluateConfig

SPACE = label_space("toy:dark#000010,bright#f0f0f0")


class Threshold(Method):
    """Says "bright" where red is above a half."""

    tasks = ("segmentation",)
    label_space = SPACE

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        assert images.shape == (1, 3, 64, 128)
        return {"logits": torch.stack([0.5 - images[:, 0], images[:, 0] - 0.5], dim=1)}


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Threshold:
    method = Threshold()
    options = FrameOptions(height=64, width=128, fit="stretch")
    config = SimpleNamespace(frames=SimpleNamespace(options=options), evaluate=EvaluateConfig())
    run = LoadedRun(Path("run"), config, method.eval(), 1)  # type: ignore[arg-type]
    monkeypatch.setattr(predictor, "load_run", lambda path, device: run)
    return method


def frame(folder: Path) -> Manifest:
    picture = np.zeros((90, 200, 3), dtype=np.uint8)
    picture[:, 100:] = 255
    Image.fromarray(picture).save(folder / "7.png")
    return Manifest([FrameRow("7.png", "a", 7)], folder)


def test_ids_have_the_size_of_the_image(method: Threshold, tmp_path: Path) -> None:
    predictor = prelabel.Prelabeller("run", "cpu")
    assert predictor.space == SPACE
    ids = predictor(frame(tmp_path).path(0))
    assert ids.shape == (90, 200)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids[:, :99], 0)
    np.testing.assert_array_equal(ids[:, 101:], 1)


def test_predictions_are_exported_where_there_is_no_label(method: Threshold, tmp_path: Path) -> None:
    frame(tmp_path).write(tmp_path / "m.csv")
    counts = api.labels_export(tmp_path / "m.csv", "png", tmp_path / "out", run="run", device="cpu")
    assert counts == {"frames": 1, "labels": 0, "predictions": 1}
    ids = read_label(tmp_path / "out" / "labels" / "a__7.png")
    assert (ids[0, 0], ids[0, -1]) == (0, 1)
    done = api.labels_import(tmp_path / "out", tmp_path / "m.csv", tmp_path / "new.csv")
    assert done.space.classes == SPACE.classes


def test_a_run_without_classes(method: Threshold) -> None:
    method.label_space = None  # type: ignore[assignment]
    with pytest.raises(InputError, match="predicts no classes"):
        prelabel.Prelabeller("run", "cpu")
