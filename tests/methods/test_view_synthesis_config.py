"""Settings of view synthesis that cannot be."""

import math

import pytest

from vergence.errors import InputError
from vergence.methods.view_synthesis_config import ViewSynthesisConfig
from vergence.settings.losses import ViewLossOptions


@pytest.mark.parametrize("metres", [0, -1, math.nan, math.inf])
def test_units_that_are_no_length(metres: float) -> None:
    with pytest.raises(InputError, match="give a positive number of metres"):
        ViewSynthesisConfig(metres_per_unit=metres)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (1, 1), (0.1, math.inf), (math.nan, 1)])
def test_ranges_of_depth_that_are_none(low: float, high: float) -> None:
    with pytest.raises(InputError, match="are no range of depths"):
        ViewSynthesisConfig(loss=ViewLossOptions(min_depth=low, max_depth=high))


def test_the_published_unit_makes_kittis_baseline_a_tenth() -> None:
    assert 0.54 / ViewSynthesisConfig().metres_per_unit == pytest.approx(0.1)
