"""Settings of a light head on a frozen encoder."""

from vergence.methods.frozen_config import FrozenConfig
from vergence.methods.role import Role


def test_labels_alone_teach_it_and_loading_needs_no_weights() -> None:
    config = FrozenConfig(initialize_from="runs/depth")
    assert config.tasks == ("segmentation",)
    assert config.needs_label_space
    assert config.roles == {"labelled": Role("labelled", labels=True)}
    assert (config.networks["segmentation"].weights, config.starts_from) == ("auto", "runs/depth")
    loaded = config.for_loading()
    assert (loaded.network.weights, loaded.starts_from, loaded.network.encoder) == ("none", "", "efficientnet_lite0")
