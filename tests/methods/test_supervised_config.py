"""Settings of segmentation from labels."""

import pytest

from vergence.errors import InputError
from vergence.methods.role import Role
from vergence.methods.supervised_config import SupervisedConfig, check_class_balance


def test_labels_alone_teach_it_and_loading_needs_no_weights() -> None:
    config = SupervisedConfig(initialize_from="runs/depth", class_balance=0.5)
    assert (config.tasks, config.roles) == (("segmentation",), {"labelled": Role("labelled", labels=True)})
    assert config.networks == {"segmentation": config.network}
    loaded = config.for_loading()
    assert (loaded.network.weights, loaded.starts_from, loaded.class_balance) == ("none", "", 0.5)
    assert config.starts_from == "runs/depth"


@pytest.mark.parametrize("power", [-0.1, 1.1, float("nan")])
def test_a_balance_that_is_no_power(power: float) -> None:
    check_class_balance(0)
    check_class_balance(1)
    with pytest.raises(InputError, match="class_balance is"):
        check_class_balance(power)
