"""Labels made worse, as settings: what is possible, and whether anything is changed."""

import pytest

from vergence.errors import InputError
from vergence.settings.label_corruption import LabelCorruption


@pytest.mark.parametrize("values", [{"border": -1}, {"blobs": 1.5}, {"blobs": float("nan")}, {"seed": -1}])
def test_impossible_settings(values):
    with pytest.raises(InputError, match=f"frames.label_noise.{next(iter(values))} is"):
        LabelCorruption(**values)


@pytest.mark.parametrize(
    ("values", "active"), [({}, False), ({"seed": 4}, False), ({"border": 1}, True), ({"blobs": 0.1}, True)]
)
def test_active_where_anything_is_changed(values, active):
    assert LabelCorruption(**values).active is active
