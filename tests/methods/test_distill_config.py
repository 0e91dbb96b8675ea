"""What learning from a teacher asks for."""

from vergence.data.frame_options import FrameOptions
from vergence.methods.distill_config import DistillConfig
from vergence.methods.role import Role


def test_what_it_asks_for() -> None:
    config = DistillConfig()
    assert config.roles == {"unlabelled": Role(depth_port="manifest")}
    options = config.roles["unlabelled"].frame_options(FrameOptions())
    assert options.load_estimate
    assert options.offsets == ()
    assert config.for_loading().network.weights == "none"
