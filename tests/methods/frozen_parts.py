"""A frozen encoder of the smallest kind."""

from vergence.data.frame_options import FrameOptions
from vergence.settings.networks import FrozenNetworkConfig

OPTIONS = FrameOptions(height=64, width=96, label_space="camvid11", jitter=0.0)


def network(**settings: object) -> FrozenNetworkConfig:
    return FrozenNetworkConfig(**{"encoder": "mobilenetv3_small_050", "weights": "none", "dropout": 0.0, **settings})
