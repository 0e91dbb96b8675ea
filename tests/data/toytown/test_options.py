"""What a caller chooses about the town."""

import numpy as np
import pytest

from vergence.data.toytown.options import TownOptions, camera
from vergence.errors import InputError


@pytest.mark.parametrize(
    "change", [{"style": "noon"}, {"width": 4}, {"fps": 0.0}, {"baseline": -1.0}, {"seed": -1}], ids=str
)
def test_impossible_options_are_refused(change: dict) -> None:
    with pytest.raises(InputError, match="toy town"):
        TownOptions(**change)


def test_camera_is_normalised_with_square_pixels() -> None:
    for width, height in ((192, 96), (320, 96)):
        fx, fy, cx, cy = camera(TownOptions(width=width, height=height))
        assert fx * width == pytest.approx(fy * height)
        assert 2 * np.degrees(np.arctan(0.5 / fx)) == pytest.approx(75.0)
        assert 0.4 < cy <= 0.5
        assert cx * width == pytest.approx((width - 1) / 2)
