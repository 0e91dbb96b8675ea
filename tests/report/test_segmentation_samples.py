"""Pictures of classes."""

import numpy as np

from tests.report.toy_classes import SPACE
from vergence.report.pictures import class_picture, wrong_picture
from vergence.report.segmentation_samples import swatches
from vergence.report.stored_run import labelled_frames, predicts_depth


def test_pictures_of_classes():
    label = np.full((8, 700), 1, np.uint8)
    picture = class_picture("labels", label, SPACE)
    assert picture.width == 350  # whole pixels are left out, colours are never mixed
    image = np.full((8, 8, 3), 100, np.uint8)
    known = np.ones((8, 8), bool)
    known[4:] = False
    wrong = np.zeros((8, 8), bool)
    wrong[0, :] = wrong[7, :] = True
    assert wrong_picture("errors", image, wrong, known).note == "75.0% of labelled pixels right"
    assert wrong_picture("errors", image, wrong, np.zeros((8, 8), bool)).note == "no labelled pixel"


def test_small_readings():
    assert [swatch.name for swatch in swatches(SPACE, {0, 2})] == ["sky", "car"]
    events = [{"event": "labelled", "digest": "ab", "is": "3 frames (ab)"}]
    assert labelled_frames(events) == "3 frames (ab)"
    assert labelled_frames([{"event": "labelled", "digest": "ab", "describe": "3 frames"}]) == "3 frames (ab)"
    assert labelled_frames([]) == ""
    assert predicts_depth({"method": "three_ways", "three_ways": {"multi_task": True}})
    assert not predicts_depth({"method": "three_ways"})
    assert not predicts_depth({"method": "supervised", "supervised": {}})
    assert predicts_depth({})
