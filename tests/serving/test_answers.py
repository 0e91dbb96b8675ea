"""A prediction as PNG, NPZ and JSON, also where there is nothing to say."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from vergence.data.label_space import LabelSpace
from vergence.errors import InputError
from vergence.inference.prediction import Prediction
from vergence.inference.predictor import Predictor
from vergence.serving.answers import answer, described, legend

IMAGE = np.zeros((2, 3, 3), dtype=np.uint8)
DEPTH = np.array([[1, 2, 4], [8, np.inf, 0.5]], dtype=np.float32)


def model(unit: str = "metres") -> Predictor:
    network = SimpleNamespace(farthest=100.0)
    return cast(Predictor, SimpleNamespace(network=network, unit=unit, factor=1.0))


def depth(unit: str = "metres") -> Prediction:
    return Prediction(IMAGE, depth=DEPTH, inverse_depth=(1 / DEPTH).astype(np.float32), unit=unit)


def test_depth_in_metres_is_kittis_png() -> None:
    found = answer(model(), depth(), "png")
    stored = np.asarray(Image.open(io.BytesIO(found.body)))
    np.testing.assert_array_equal(stored, [[256, 512, 1024], [2048, 0, 128]])
    assert found.headers["X-Vergence-Depth-Factor"] == "256.0"
    unscaled = answer(model("unscaled"), depth("unscaled"), "png", "depth")
    assert unscaled.headers["X-Vergence-Depth-Factor"] == "655.0"


def test_infinitely_far_is_no_number_of_json() -> None:
    assert described(depth())["depth"] == {"unit": "metres", "min": 0.5, "median": 2.0, "max": 8.0}
    nowhere = Prediction(IMAGE, depth=np.full((2, 3), np.inf, np.float32), inverse_depth=np.zeros((2, 3), np.float32))
    assert described(nowhere)["depth"]["median"] is None
    assert answer(model(), nowhere, "png", "colour").headers["X-Vergence-Depth-Far"] == "inf"


@pytest.mark.parametrize("shown", ["classes", "overlay", "confidence", "nothing"])
def test_what_is_not_predicted(shown: str) -> None:
    with pytest.raises(InputError, match=r"predicts no (classes|confidence)|is unknown"):
        answer(model(), depth(), "png", shown)
    with pytest.raises(InputError, match="format 'bmp' is unknown"):
        answer(model(), depth(), "bmp")


def test_maps_that_are_not_there_are_not_in_the_file(tmp_path: Path) -> None:
    with np.load(io.BytesIO(answer(model(), depth(), "npz").body), allow_pickle=False) as maps:
        assert set(maps) == {"depth", "inverse_depth", "unit", "class_names"}
        np.testing.assert_array_equal(maps["depth"], DEPTH)


def test_a_legend() -> None:
    space: Any = LabelSpace("two", ("a", "b"), ((1, 2, 3), (4, 5, 6)))
    assert legend(space) == [{"id": 0, "name": "a", "colour": [1, 2, 3]}, {"id": 1, "name": "b", "colour": [4, 5, 6]}]
