"""Settings of self-supervised depth: what loading a run leaves out."""

from vergence.methods.depth_config import DepthConfig
from vergence.settings.networks import DepthNetworkConfig


def test_a_stored_run_needs_no_weights_and_no_reference_unless_it_goes_on() -> None:
    config = DepthConfig(network=DepthNetworkConfig(encoder="resnet50"), feature_distance=0.01, initialize_from="a.pt")
    assert config.starts_from == "a.pt"
    loaded = config.for_loading()
    assert (loaded.network.encoder, loaded.network.weights, loaded.pose.weights) == ("resnet50", "none", "none")
    assert (loaded.feature_distance, loaded.starts_from) == (0.0, "")
    assert config.for_loading(keep_reference=True).feature_distance == 0.01
    assert (config.network.weights, config.feature_distance) == ("imagenet", 0.01), "the settings stay as they are"


def test_both_networks_are_named() -> None:
    config = DepthConfig()
    assert config.networks == {"depth": config.network, "pose": config.pose}
    assert config.tasks == ("depth",)
