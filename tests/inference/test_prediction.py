"""What a network says of one picture: resized, inverted, painted, as a cloud, as pictures of a notebook."""

from typing import Any

import numpy as np
import pytest
import torch

from vergence.data.label_space import LabelSpace
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.inference.prediction import Prediction, best_classes, inverted, painted, resized_inverse_depth

SPACE = LabelSpace("two", ("road", "<sky>"), ((100, 0, 0), (0, 0, 200)))
IMAGE = np.full((4, 6, 3), 50, np.uint8)
IDS = np.repeat(np.array([[0], [0], [0], [1]], np.uint8), 6, axis=1)


def prediction(**changes: Any) -> Prediction:
    depth = np.full((4, 6), 2, np.float32)
    values = {"depth": depth, "inverse_depth": 1 / depth, "classes": IDS, "label_space": SPACE, "field_of_view": 90.0}
    return Prediction(IMAGE, **(values | changes))


def test_disparity_is_resized_and_only_then_inverted() -> None:
    found = resized_inverse_depth(torch.tensor([[1.0, 3.0]]), (1, 4), factor=2.0)
    np.testing.assert_allclose(found, [[0.5, 0.75, 1.25, 1.5]])
    np.testing.assert_array_equal(inverted(np.float32([0.5, 0, -1])), [2, np.inf, np.inf])


def test_the_best_class_and_how_sure_it_is() -> None:
    logits = torch.tensor([0.0, 3.0, 1.0])[:, None, None].expand(3, 2, 2)
    ids, sure = best_classes(logits, (4, 4))
    assert (ids == 1).all()
    torch.testing.assert_close(sure, torch.full((4, 4), float(torch.tensor([0.0, 3, 1]).softmax(0)[1])))


def test_classes_are_painted_over_and_none_is_not() -> None:
    ids = IDS.copy()
    ids[0] = 255
    found = painted(IMAGE, ids, SPACE)
    np.testing.assert_array_equal(found[0], IMAGE[0])
    np.testing.assert_array_equal(found[1, 0], np.round(0.45 * np.array([50, 50, 50]) + 0.55 * np.array([100, 0, 0])))


def test_a_cloud_lies_where_its_camera_sees_it() -> None:
    cloud = prediction().cloud()
    np.testing.assert_allclose(cloud.points[:, 2], 2)
    width = 2 * 2 * np.tan(np.radians(45)) * 5 / 6  # five of six pixels lie between the outer centres
    assert np.ptp(cloud.points[:, 0]) == pytest.approx(width, rel=1e-5)
    assert (cloud.colours == 50).all()
    same = prediction().cloud(np.array([[3.0, 0, 2.5], [0, 3, 1.5], [0, 0, 1]]))
    np.testing.assert_allclose(same.points, prediction().cloud(Camera(3, 3, 2.5, 1.5, 6, 4)).points)
    far = prediction(depth=np.float32([[2] * 6] * 3 + [[50] * 6])).cloud()
    assert len(far.points) == 18, "what is farther than ten median depths is left out"


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (Camera(3, 3, 3, 2, 12, 8), r"camera is of 12x8 and the picture is 6x4; give camera\.resized\(6, 4\)"),
        (np.eye(4), r"camera is of type ndarray\[4, 4\], expected a Camera or a matrix"),
        ("wide", "camera is of type str"),
    ],
)
def test_cameras_that_are_none(camera: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prediction().cloud(camera)


def test_without_depth_there_is_no_cloud() -> None:
    with pytest.raises(InputError, match="has no depth, so there is no cloud"):
        prediction(depth=None).cloud()


def test_it_shows_itself() -> None:
    one = prediction()
    assert [caption for caption, _ in one.pictures()] == ["picture", "depth 2 to 2, unscaled", "classes"]
    assert repr(one) == "<Prediction 6x4: depth unscaled, median 2, 2 of 2 classes>"
    assert one._repr_png_().startswith(b"\x89PNG")
    page = one._repr_html_()
    assert page.count("<img") == 3
    assert page.index("road 75%") < page.index("&lt;sky&gt; 25%")
    assert repr(Prediction(IMAGE)) == "<Prediction 6x4: nothing>"
    assert Prediction(IMAGE).class_names == ()
