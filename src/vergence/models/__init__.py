"""Networks: encoders, decoders of depth and classes, motion between frames."""

from vergence.models.corda_network import CordaNetwork, build_corda_network
from vergence.models.decoders import DepthDecoder
from vergence.models.depth_network import (
    DepthNetwork,
    DepthNetworkConfig,
    PoseConfig,
    build_depth_network,
    build_pose_network,
)
from vergence.models.encoders import Encoder, ViTEncoder, build_encoder
from vergence.models.pose import IntrinsicsHead, PoseCNN, PoseNetwork
from vergence.models.segmentation_config import SegmentationNetworkConfig
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network

__all__ = [
    "CordaNetwork",
    "DepthDecoder",
    "DepthNetwork",
    "DepthNetworkConfig",
    "Encoder",
    "IntrinsicsHead",
    "MultiTaskNetwork",
    "PoseCNN",
    "PoseConfig",
    "PoseNetwork",
    "SegmentationNetworkConfig",
    "ViTEncoder",
    "build_corda_network",
    "build_depth_network",
    "build_encoder",
    "build_pose_network",
    "build_segmentation_network",
]
