"""Images and labels that do not pair one to one, or have unlike shapes, are errors that name both."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture, save
from vergence.data.layouts.resolve import resolve_input
from vergence.errors import InputError


def folder(root, label=(24, 40)):
    (root / "classes.json").write_text(json.dumps({"classes": ["road", "sky", "car"]}))
    for name in ("000", "001"):
        save(root / "images" / f"{name}.png", picture(0))
        save(root / "labels" / f"{name}.png", np.ones(label, np.uint8))
    return root


def test_two_images_of_one_label(tmp_path):
    save(folder(tmp_path) / "images" / "001.jpg", picture(0))
    with pytest.raises(InputError, match=r"two (images|pictures).*001\.\w+ and (images/)?001\.\w+"):
        resolve_input(tmp_path)


def test_a_label_of_another_aspect(tmp_path):
    with pytest.raises(InputError, match=r"000\.png is 24x40, but its image is 40x24"):
        resolve_input(folder(tmp_path, (40, 24)))


def test_a_label_drawn_on_a_picture_that_nobody_turned(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture(0)).save(folder(tmp_path) / "images" / "001.png", exif=exif)
    with pytest.raises(InputError, match=r"001\.png is 40x24, but its image is 24x40 as it is shown"):
        resolve_input(tmp_path)
