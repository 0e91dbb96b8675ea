"""Motion between two frames, and the camera itself where it is not known."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.geometry.pose import transform_from_parameters
from vergence.models.encoders import build_encoder
from vergence.settings.networks import Normalization

POSE_SCALE = 0.01  # keeps the first predicted motions small, as in Monodepth2


class PoseHead(nn.Module):
    """Bottleneck features to ``motions`` 6-vectors (Godard et al., ICCV 2019; semhint 1.2).

    ``views`` > 1 takes one feature map a frame from a shared encoder, squeezes each and joins them.
    """

    def __init__(self, inputs: int, width: int = 256, motions: int = 2, views: int = 1) -> None:
        super().__init__()
        self.motions = motions
        self.squeeze = nn.Conv2d(inputs, width, 1)
        self.first = nn.Conv2d(width * views, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 6 * motions, 1)

    def forward(self, features: Tensor | Sequence[Tensor]) -> Tensor:
        """(B, C, h, w), one for each view, to (B, motions, 6): axis-angle in radians, translation in depth units."""
        views = [features] if isinstance(features, Tensor) else features
        x = torch.cat([F.relu(self.squeeze(view)) for view in views], dim=1)
        x = F.relu(self.second(F.relu(self.first(x))))
        return POSE_SCALE * self.last(x).mean(dim=(2, 3)).unflatten(1, (self.motions, 6))


class _Pairs(nn.Module):
    """What networks of pairs of frames share."""

    def transform(self, target: Tensor, source: Tensor, past: bool = False) -> Tensor:
        """Transforms (B, 4, 4) that take points of the target's camera to the source's, in depth units.

        Args:
            target, source: (B, 3, H, W) in [0, 1].
            past: whether the source was taken before the target; the pair is always seen in temporal order.

        >>> PoseCNN().transform(torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96)).shape
        torch.Size([2, 4, 4])
        """
        return moved_camera(self, target, source, past)[0]


def moved_camera(network: nn.Module, target: Tensor, source: Tensor, past: bool) -> tuple[Tensor, Tensor]:
    """As :meth:`PoseNetwork.transform`, in full precision, and the bottleneck features it was read from."""
    pair = torch.stack((source, target) if past else (target, source), dim=1)
    axis_angle, translation, features = network(pair)
    with torch.autocast(pair.device.type, enabled=False):
        transform = transform_from_parameters(_full(axis_angle), _full(translation), invert=past)
    return transform, features


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class PoseNetwork(_Pairs):
    """Motion from the first to the second frame of a pair that is given in temporal order.

    Args:
        encoder: name of an encoder; its stem takes all frames stacked.
        weights, normalization: as in :func:`vergence.models.encoders.build_encoder`.
        frames: images seen at once.
    """

    def __init__(
        self,
        encoder: str = "resnet18",
        weights: str = "imagenet",
        frames: int = 2,
        normalization: Normalization = "default",
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, weights, frames=frames, normalization=normalization)
        self.feature_channels = self.encoder.channels[-1]
        self.head = PoseHead(self.feature_channels)

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pair (B, frames, 3, H, W) in [0, 1] to the first of the predicted motions and what it was read from.

        Returns:
            axis_angle (B, 3) radians, translation (B, 3) depth units, bottleneck features (B, feature_channels, h, w).
        """
        if pair.ndim != 5 or pair.shape[1] != self.encoder.frames:
            raise ValueError(f"pair has shape {tuple(pair.shape)}, expected (B, {self.encoder.frames}, 3, H, W)")
        features = self.encoder(pair.flatten(1, 2))[-1]
        motion = self.head(features)[:, 0]
        return motion[:, :3], motion[:, 3:], features


class PoseCNN(_Pairs):
    """The small pose network of seven strided convolutions, for ablations (semhint 1.2); has no normalisation."""

    WIDTHS = (16, 32, 64, 128, 256, 256, 256)
    KERNELS = (7, 5, 3, 3, 3, 3, 3)

    def __init__(self, frames: int = 2) -> None:
        super().__init__()
        self.frames, self.feature_channels = frames, self.WIDTHS[-1]
        inputs = (3 * frames, *self.WIDTHS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, k, stride=2, padding=k // 2)
            for i, o, k in zip(inputs, self.WIDTHS, self.KERNELS, strict=True)
        )
        self.last = nn.Conv2d(self.feature_channels, 6 * (frames - 1), 1)

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`PoseNetwork.forward`."""
        if pair.ndim != 5 or pair.shape[1] != self.frames:
            raise ValueError(f"pair has shape {tuple(pair.shape)}, expected (B, {self.frames}, 3, H, W)")
        x = pair.flatten(1, 2)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        motion = self.motions(x)[:, 0]
        return motion[:, :3], motion[:, 3:], x

    def motions(self, features: Tensor) -> Tensor:
        """All motions (B, frames - 1, 6) that the bottleneck features (B, C, h, w) tell, as of :class:`PoseHead`."""
        return POSE_SCALE * self.last(features).mean(dim=(2, 3)).unflatten(1, (self.frames - 1, 6))


class IntrinsicsHead(nn.Module):
    """Intrinsics from the pose bottleneck, after Gordon et al., "Depth from Videos in the Wild" (ICCV 2019).

    f = softplus(.) * width and c = (. + 0.5) * (size - 1). Theirs scales fy by the height; ours scales both by the
    width, so that square pixels need no learning. Before training f is ``start`` of the width and the centre exact.

    Example:
        >>> IntrinsicsHead(8)(torch.zeros(1, 8, 2, 2), height=101, width=201)[0].round().tolist()
        [[161.0, 0.0, 100.0], [0.0, 161.0, 50.0], [0.0, 0.0, 1.0]]
    """

    def __init__(self, inputs: int, start: float = 0.8) -> None:
        super().__init__()
        self.focal = nn.Conv2d(inputs, 2, 1)
        self.centre = nn.Conv2d(inputs, 2, 1, bias=False)
        nn.init.zeros_(self.focal.weight)
        assert self.focal.bias is not None
        nn.init.constant_(self.focal.bias, float(torch.tensor(start).expm1().log()))  # softplus of it is start
        nn.init.zeros_(self.centre.weight)

    def forward(self, features: Tensor, height: int, width: int) -> Tensor:
        """(B, 3, 3) in pixels of a height x width image (pixel centres at integers), from features (B, C, h, w)."""
        pooled = features.mean(dim=(2, 3), keepdim=True)
        fx, fy = (F.softplus(self.focal(pooled)).flatten(1) * width).unbind(1)
        cx, cy = (self.centre(pooled).flatten(1) + 0.5).unbind(1)
        zero, one = torch.zeros_like(fx), torch.ones_like(fx)
        rows = (fx, zero, cx * (width - 1), zero, fy, cy * (height - 1), zero, zero, one)
        return torch.stack(rows, dim=1).view(-1, 3, 3)
