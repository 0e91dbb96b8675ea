"""What a network sees in a frame, as one map: what frames are compared by when some are chosen for labels."""

from torch import Tensor, nn

from vergence.models.decoders import LEVELS, DepthDecoder

LEVEL = 3
"""Decoder level whose features are taken (``up3``)."""


def frame_features(network: nn.Module, images: Tensor) -> Tensor:
    """Feature maps (B, C, h, w) of images (B, 3, H, W) in [0, 1]: level 3 of the depth decoder, shared blocks included.

    Of networks without depth it is the same level of their segmentation decoder, or, where that has no levels, the
    encoder's deepest feature.
    """
    features = network.encoder(images)  # type: ignore[operator]
    decoders = (getattr(network, name, None) for name in ("decoder", "depth", "segmentation"))
    decoder = next((module for module in decoders if isinstance(module, DepthDecoder)), None)
    if decoder is None or decoder.finest > LEVEL:
        return features[-1].float()
    size = (images.shape[-2], images.shape[-1])
    x, walked, blocks = features[-1], 0, 2 * (LEVELS - LEVEL)
    trunk = getattr(network, "trunk", None)
    if isinstance(trunk, DepthDecoder):
        walked = min(blocks, int(network.shared_blocks))  # type: ignore[arg-type]
        x = trunk.walk(x, features, size, 0, walked)[0]
    return decoder.walk(x, features, size, walked, blocks)[0].float()
