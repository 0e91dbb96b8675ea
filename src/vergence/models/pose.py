"""Motion between two frames, and the camera itself where it is not known."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.models.encoders import build_encoder

POSE_SCALE = 0.01  # keeps the first predicted motions small, as in Monodepth2


class PoseHead(nn.Module):
    """Bottleneck features to ``motions`` 6-vectors, of which the first is used (Monodepth2, supplementary table 5)."""

    def __init__(self, inputs: int, width: int = 256, motions: int = 2) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, width, 1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 6 * motions, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.squeeze(features))
        x = F.relu(self.second(F.relu(self.first(x))))
        motion = POSE_SCALE * self.last(x).mean(dim=(2, 3))
        return motion[:, :3], motion[:, 3:6]


class PoseNetwork(nn.Module):
    """Axis-angle and translation from the first to the second frame of a pair given in temporal order.

    Args:
        encoder: name of a convolutional encoder; its stem takes both frames stacked.
        weights: as in :func:`vergence.models.encoders.build_encoder`.
    """

    def __init__(
        self, encoder: str = "resnet18", weights: str = "imagenet", frames: int = 2, normalization: str = "default"
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, weights, frames=frames, normalization=normalization)  # type: ignore[arg-type]
        self.feature_channels = self.encoder.channels[-1]
        self.head = PoseHead(self.feature_channels)

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pair (B, 2, 3, H, W) in [0, 1]: axis-angle (B, 3) radians, translation (B, 3) depth units, bottleneck features."""
        if pair.ndim != 5 or pair.shape[1] != self.encoder.frames:
            raise ValueError(f"pair has shape {tuple(pair.shape)}, expected (B, {self.encoder.frames}, 3, H, W)")
        features = self.encoder(pair.flatten(1, 2))[-1]
        axis_angle, translation = self.head(features)
        return axis_angle, translation, features


class IntrinsicsHead(nn.Module):
    """Intrinsics from the pose bottleneck (Gordon et al., "Depth from Videos in the Wild", ICCV 2019, section 4.3).

    f = softplus(.) * width and c = (offset + 0.5) * (size - 1); at the start f is 0.8 of the width on both axes
    and the principal point is the centre.
    """

    START = 0.8

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.focal = nn.Conv2d(inputs, 2, 1)
        self.centre = nn.Conv2d(inputs, 2, 1, bias=False)
        nn.init.zeros_(self.focal.weight)
        nn.init.constant_(self.focal.bias, torch.tensor(self.START).expm1().log().item())  # type: ignore[arg-type]
        nn.init.zeros_(self.centre.weight)

    def forward(self, features: Tensor, height: int, width: int) -> Tensor:
        """(B, 3, 3) in pixels of a height x width image, from features (B, C, h, w)."""
        pooled = features.mean(dim=(2, 3), keepdim=True)
        fx, fy = (F.softplus(self.focal(pooled)).flatten(1) * width).unbind(1)
        cx, cy = ((self.centre(pooled).flatten(1) + 0.5) * pooled.new_tensor([width - 1, height - 1])).unbind(1)
        zero, one = torch.zeros_like(fx), torch.ones_like(fx)
        return torch.stack((fx, zero, cx, zero, fy, cy, zero, zero, one), dim=1).view(-1, 3, 3)
