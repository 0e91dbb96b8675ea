"""Mapillary Vistas by ids or colours, with the classes of its configuration."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.labelled_trees import columns, ids_of
from vergence.data.labels import MAPILLARY, label_space
from vergence.data.layouts import recognise
from vergence.data.layouts.mapillary import mapillary
from vergence.errors import InputError


def vistas(root, put, labels="labels", coloured=False):
    for part in ("training", "validation"):
        names = [f"{part}{k}.jpg" for k in range(3)]
        put(root / part / "images", names)
        ids = np.where(columns(66) == 65, 65, columns(66)).astype(np.uint8)
        ids[0] = 65
        place = root / part / labels
        place.mkdir(parents=True)
        for name in names:
            image = Image.fromarray(MAPILLARY.colourize(ids)) if coloured else Image.fromarray(ids)
            if not coloured:
                image.putpalette([value // 3 for value in range(768)])
            image.save(place / name.replace(".jpg", ".png"))
    return root


@pytest.mark.parametrize("labels", ["labels", "v1.2/labels"])
@pytest.mark.parametrize("coloured", [True, False])
def test_mapillary(tmp_path, put, labels, coloured):
    manifest = mapillary(vistas(tmp_path, put, labels, coloured))
    assert recognise(tmp_path) == "mapillary"
    assert manifest.splits() == {"train": 3, "val": 3}
    assert {row.label_space for row in manifest} == {"mapillary_v1.2"}
    ids = ids_of(manifest)
    assert (ids[0] == 255).all(), "unlabelled"
    np.testing.assert_array_equal(ids[1:], columns(66)[1:])
    assert mapillary(tmp_path, parts=("validation",)).splits() == {"val": 3}


def test_classes_of_mapillary_come_from_its_configuration(tmp_path, put):
    vistas(tmp_path, put)
    labels = [{"readable": "Road", "color": [1, 2, 3], "evaluate": True}]
    (tmp_path / "config.json").write_text(json.dumps({"labels": labels}))
    assert label_space(mapillary(tmp_path)[0].label_space).classes == ("Road",)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is no JSON"):
        mapillary(tmp_path)


def test_broken_mapillary(tmp_path, put):
    with pytest.raises(InputError, match="holds no Mapillary"):
        mapillary(tmp_path)
    with pytest.raises(InputError, match="part 'train' is unknown; use training"):
        mapillary(tmp_path, parts=("train",))
