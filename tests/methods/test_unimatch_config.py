"""Settings of UniMatch: those of Three Ways with other defaults."""

import pytest

from vergence.errors import InputError
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.methods.unimatch_config import UniMatchConfig


def test_the_teacher_predicts_and_no_depth_is_asked_for() -> None:
    config = UniMatchConfig()
    config.check()
    assert (config.evaluate, config.teacher_decay, config.consistency.mix) == ("teacher", 0.996, "cutmix")
    assert config.consistency.confidence == 0.95
    assert not config.mixes_depth
    assert {name: role.depth_port for name, role in config.roles.items()} == {"labelled": "", "unlabelled": ""}
    assert config.for_loading().teacher, "what predicts is loaded"
    assert not ThreeWaysConfig(depth="truth").for_loading().teacher


def test_messages_name_its_own_section() -> None:
    with pytest.raises(InputError, match=r"set unimatch\.teacher to true"):
        UniMatchConfig(teacher=False).check()
