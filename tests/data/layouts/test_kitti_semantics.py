"""KITTI's semantic benchmark: labelled stills, split in time or not."""

import pytest

from tests.data.layouts.labelled_trees import columns, ids_of, paint
from vergence.data.layouts import recognise
from vergence.data.layouts.kitti_semantics import kitti_semantics
from vergence.errors import InputError


def test_kitti_semantics(tmp_path, put):
    names = [f"{k:06d}_10.png" for k in range(20)]
    put(tmp_path / "training" / "image_2", names)
    paint(tmp_path / "training" / "semantic", names, columns(34))
    put(tmp_path / "testing" / "image_2", names[:2])
    assert recognise(tmp_path) == "kitti_semantics"
    manifest = kitti_semantics(tmp_path, testing=True)
    assert manifest.splits() == {"train": 18, "val": 2, "test": 2}
    assert manifest[0].label == "training/semantic/000000_10.png"
    assert ids_of(manifest)[0, [6, 7, 8, 31]].tolist() == [255, 0, 1, 16]
    assert kitti_semantics(tmp_path / "training", split=False).splits() == {"train": 20}
    with pytest.raises(InputError, match="holds no KITTI semantics"):
        kitti_semantics(tmp_path / "testing" / "image_2")
