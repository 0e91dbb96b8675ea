"""GTA5: stills with labels by ids or colours, and depth that a network estimated."""

import logging

import numpy as np
import pytest
import torch

from tests.data.layouts.rendered_trees import IDS, NAMES, SIZE, sample, save
from vergence.data.labels import CITYSCAPES_IDS, label_mapping, label_space
from vergence.data.layouts import recognise
from vergence.data.layouts.gta5 import gta5
from vergence.errors import InputError


@pytest.fixture
def gta(tmp_path, put):
    root = tmp_path / "gta"
    put(root / "images", NAMES)
    ids = (np.indices(SIZE[::-1]).sum(0) % 35).astype(np.uint8)
    save(root / "labels" / NAMES[0], ids, palette=True)
    save(root / "labels" / NAMES[1], ids)
    save(root / "labels" / NAMES[2], CITYSCAPES_IDS.colourize(np.where(ids == 34, 26, ids)))
    save(root / "disparity" / NAMES[0], np.full(SIZE[::-1], 256, np.uint16) * IDS)
    return root


def test_gta5(gta, caplog):
    assert recognise(gta) == "gta5"
    manifest = gta5(gta)
    assert [(row.sequence, row.split, row.label_space) for row in manifest][:1] == [("00001", "train", "gta5")]
    assert [row.estimate for row in manifest] == ["disparity/00001.png", "", ""]
    assert not manifest[0].intrinsics_known
    expected = label_mapping("cityscapes_ids", "cityscapes19")[(np.indices(SIZE[::-1]).sum(0) % 35)]
    for row in range(2):
        np.testing.assert_array_equal(sample(manifest, row)["label"], expected)
    painted = sample(manifest, 2)["label"].numpy()
    np.testing.assert_array_equal(painted[expected != 255], expected[expected != 255])
    assert label_space("gta5").trained().name == "cityscapes19"


def test_gta5_split_and_odd_labels(gta, put, caplog):
    assert gta5(gta, val=1).splits() == {"train": 2, "val": 1}
    with pytest.raises(InputError, match=r"val is 3 and .*images holds 3 images; hold fewer"):
        gta5(gta, val=3)
    put(gta / "labels", NAMES[1:2], size=(32, 12), mode="L")
    with caplog.at_level(logging.WARNING):
        assert [row.image for row in gta5(gta)] == ["images/00001.png", "images/00003.png"]
    assert "1 frame(s) left out, whose label has another size: 00002.png" in caplog.text


def test_own_folders_are_not_gta5(tmp_path, put):
    for name in ("mine", "gta_own"):
        put(tmp_path / name / "images", NAMES)
        put(tmp_path / name / "labels", NAMES, mode="L")
    (tmp_path / "gta_own" / "classes.json").write_text('["road", "sky"]')
    assert recognise(tmp_path / "mine") == recognise(tmp_path / "gta_own") == "folder"


def test_estimates_of_a_data_set_are_supervision(gta):
    """The stored sigmoid output gives g and, normalised, the estimate: from one file."""
    found = sample(gta5(gta).select(predicate=lambda row: bool(row.estimate)), load_inverse_depth="estimate",
                   load_estimate=True)  # fmt: skip
    assert found["inverse_depth"].dtype == torch.float32
    np.testing.assert_array_equal(found["inverse_depth"][0], IDS + 1)
    np.testing.assert_allclose(found["estimate"][0], IDS / 22, rtol=1e-6)
    with pytest.raises(InputError, match="has no estimated depth"):
        sample(gta5(gta), 1, load_inverse_depth="estimate")
