"""Errors image by image: their means, protocols with other scales, and what is written of them."""

import json
import math

import numpy as np
import pytest
import torch

from vergence.errors import InputError
from vergence.evaluation.depth_scores import Scores, choose_protocol, csv_text, finite, image_rows
from vergence.settings.protocols import PROTOCOLS


def test_means_are_over_images_not_pixels():
    scores, protocol = Scores("trained"), choose_protocol("plain", "none")
    depth = np.float32([[2, 4]])
    scores.add("a", torch.from_numpy(1 / depth), depth, protocol)  # right
    scores.add("b", torch.from_numpy(1 / (2 * depth)), np.float32([[0, 4]]), protocol)  # 8 for 4, one pixel
    scores.add("c", torch.from_numpy(1 / depth), np.float32([[0, 0]]), protocol)  # nothing was measured
    found = scores.summary()
    assert (scores.images, scores.pixels, found["images"]) == (["a", "b"], [2, 1], 2)
    assert found["abs_rel"] == pytest.approx((0 + 1) / 2)
    assert found["rmse"] == pytest.approx((0 + 4) / 2)
    other = Scores("trained")
    other.extend(scores)
    assert other.summary() == found


def test_rows_and_csv_name_every_image():
    scores = Scores("trained", images=["a", "b"], errors=[[0.1] * 7, [0.3] * 7], ratios=[1.0, 3.0], pixels=[5, 6])
    assert scores.summary()["scale_median"] == 2
    assert scores.summary()["scale_std"] == pytest.approx(0.5)
    rows = image_rows([scores])
    assert [(row["image"], row["abs_rel"], row["ratio"], row["pixels"]) for row in rows] == [
        ("a", 0.1, 1.0, 5),
        ("b", 0.3, 3.0, 6),
    ]
    lines = csv_text(rows).splitlines()
    assert lines[0].startswith("name,image,abs_rel")
    assert lines[2] == "trained,b," + "0.3," * 7 + "3.0,6"


@pytest.mark.parametrize(("scale", "found"), [(None, "median"), ("none", "none"), ("5.4", 5.4), (2, 2)])
def test_protocols_with_other_scales(scale, found):
    assert choose_protocol("eigen", scale).scale == found
    assert choose_protocol(PROTOCOLS["eigen"], scale).crop == "garg"


@pytest.mark.parametrize(
    ("protocol", "scale", "said"),
    [("egien", None, "protocol 'egien' is unknown"), ("eigen", "half", "scale 'half' is unknown"),
     ("eigen", 0, "scale 0 is impossible"), ("eigen", "nan", "scale 'nan' is impossible")],
)  # fmt: skip
def test_protocols_that_are_none(protocol, scale, said):
    with pytest.raises(InputError, match=said):
        choose_protocol(protocol, scale)


def test_json_has_no_nan():
    given = {"a": [math.nan, 1.0, (math.inf, "x")], "b": {"c": -math.inf}}
    assert json.dumps(finite(given), allow_nan=False) == '{"a": [null, 1.0, [null, "x"]], "b": {"c": null}}'
