"""Settings of learning from mixed frames are the paper's."""

from typing import get_args

from vergence.methods.consistency_config import DEPTH_MIXES, ConsistencyConfig, Mixing


def test_the_defaults_are_those_of_the_paper() -> None:
    """Three Ways, sections 4.3 to 4.7."""
    config = ConsistencyConfig()
    assert (config.mix, config.margin, config.threshold) == ("depthmix", 0.03, (0.0, 0.0))
    assert (config.confidence, config.confidence_weight, config.weight) == (0.968, True, 1.0)
    assert (config.jitter, config.strength, config.blur) == (0.8, 0.25, 0.5)


def test_what_compares_depths_is_a_part_of_what_mixes() -> None:
    assert set(DEPTH_MIXES) < set(get_args(Mixing))
    assert set(get_args(Mixing)) - set(DEPTH_MIXES) == {"none", "cutmix", "classmix"}
