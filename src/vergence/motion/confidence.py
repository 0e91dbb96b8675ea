"""Labels that arrive over tracks as votes of classes, and how sure their sum is."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.motion.track import Track, sample

IGNORED = 255


@dataclass(frozen=True)
class Trust:
    """What each kind of evidence costs: a vote weighs exp(-sum of evidence / scale). Lengths in widths of the frame."""

    step_error: float = 0.125
    """Sum of forward-backward errors along the way."""
    cycle_error: float = 0.042
    """Error of the whole way there and back."""
    colour: float = 0.1
    """Mean difference of colour around the pixel, of 1."""
    seconds: float = 8.0
    agreement: float = 3.0
    """Power of the share of the votes that agree."""


def vote_weight(track: Track, key: Tensor, frame: Tensor, seconds: float, trust: Trust) -> Tensor:
    """(H, W) in [0, 1]: how much the label that arrives over a track may say.

    Args:
        track: of the frame.
        key, frame: (3, H, W) float in [0, 1], the picture where the track began and this one.
        seconds: between the two.
    """
    width = frame.shape[-1]
    difference = (sample(key, track.position) - frame).abs().mean(0)
    colour = F.avg_pool2d(difference[None], 11, 1, 5, count_include_pad=False)[0]
    cost = track.error / (trust.step_error * width) + (track.cycle() - 1).clamp(min=0) / (trust.cycle_error * width)
    return torch.exp(-cost - colour / trust.colour - seconds / trust.seconds)


def add_votes(votes: Tensor, label: Tensor, position: Tensor, weight: Tensor) -> None:
    """Add what a label says to votes (K, H, W), in place: of the four pixels around a position each its bilinear share.

    Args:
        label: (h, w) integer ids of the key, of any size of its aspect; 255 votes for nothing.
        position: (2, H, W) in the key, at the size of the votes.
        weight: (H, W).
    """
    height, width = votes.shape[-2:]
    rows, columns = label.shape
    x = ((position[0] + 0.5) * (columns / width) - 0.5).clamp(0, columns - 1)
    y = ((position[1] + 0.5) * (rows / height) - 0.5).clamp(0, rows - 1)
    left, top = x.floor(), y.floor()
    for right, right_share in ((0, 1 - (x - left)), (1, x - left)):
        for below, below_share in ((0, 1 - (y - top)), (1, y - top)):
            column = (left.long() + right).clamp(max=columns - 1)
            row = (top.long() + below).clamp(max=rows - 1)
            ids = label[row, column].long()
            share = weight * right_share * below_share * (ids != IGNORED)
            votes.scatter_add_(0, torch.where(ids == IGNORED, 0, ids)[None], share[None])


def decide(votes: Tensor, strongest: Tensor, trust: Trust) -> tuple[Tensor, Tensor]:
    """Class ids (H, W) uint8, 255 where nothing arrived, and a score (H, W) in [0, 1] that orders them by trust.

    Args:
        votes: (K, H, W).
        strongest: (H, W), the largest weight of a track.
    """
    best, label = votes.max(0)
    total = votes.sum(0)
    score = (best / total.clamp(min=1e-12)) ** trust.agreement * strongest
    label = torch.where(total > 1e-6, label, IGNORED).to(torch.uint8)
    return label, torch.where(label == IGNORED, 0.0, score)


_CALIBRATION = ((0.0, 0.5), (0.05, 0.62), (0.19, 0.79), (0.33, 0.91), (0.45, 0.956), (0.54, 0.978), (0.62, 0.989),
                (0.72, 0.996), (0.85, 1.0), (1.0, 1.0))  # fmt: skip
"""(score, share of the pixels of about this score that are right), measured by flow on toy town, where truth is known
(one label in 20 frames, 192 x 96; ``benchmarks/studies/propagation.py``)."""


def probability(score: Tensor) -> Tensor:
    """The probability that a label of this score is right, between 0 and 1; rises with the score."""
    scores, right = (torch.tensor(values, dtype=torch.float32) for values in zip(*_CALIBRATION, strict=True))
    above = torch.bucketize(score.float(), scores).clamp(1, len(scores) - 1)
    share = (score - scores[above - 1]) / (scores[above] - scores[above - 1])
    return (right[above - 1] + share * (right[above] - right[above - 1])).clamp(0, 1)
