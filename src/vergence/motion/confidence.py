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
    likest: float = 0.1
    """Difference of colour of the likest pixel around, of 1 in each channel."""
    agreement: float = 8.0
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


def votes_around(
    key: Tensor, label: Tensor, track: Tensor, frame: Tensor, classes: int, trust: Trust
) -> tuple[Tensor, Tensor]:
    """What the labels around the end of each pixel's track say: most is said by near pixels of the pixel's own colour.

    A track is rarely right to the pixel, and most pixels whose label is wrong lie beside a border between classes;
    colours tell on which side.

    Args:
        key: (3, h, w) float in [0, 1], the picture that the label is of.
        label: (h, w) integer ids; 255 says that there is none.
        track: (2, H, W) positions in the key in pixels, x first.
        frame: (3, H, W) float in [0, 1], the picture whose pixels are told.
        classes: K.

    Returns:
        Votes (K, H, W), whose sum is at most one, and less where pixels around have no label; and how like the pixel
        the likest one is, (H, W) in (0, 1].
    """
    height, width = label.shape
    steps = torch.arange(-_AROUND, _AROUND + 1)
    ids = torch.where(label == IGNORED, classes, label).flatten().long()
    votes, likest = list[Tensor](), list[Tensor]()
    for x, y, *mine in torch.cat([track, frame]).flatten(1)[..., None].split(_CHUNK, 1):
        rows, columns = (y.round().long() + steps).clamp(0, height - 1), (x.round().long() + steps).clamp(0, width - 1)
        far = ((rows - y).square()[:, :, None] + (columns - x).square()[:, None]).flatten(1)
        around = (rows[:, :, None] * width + columns[:, None]).flatten()
        unlike = torch.zeros_like(far)
        for colour, own in zip(key.flatten(1), mine, strict=True):
            unlike += (colour.index_select(0, around).view_as(far) - own).square()
        shares = (far / (-2 * _NEAR**2) - unlike / (2 * _ALIKE**2)).softmax(1)
        none = torch.zeros(len(shares), classes + 1)
        votes.append(none.scatter_add_(1, ids.index_select(0, around).view_as(far), shares)[:, :classes].T)
        likest.append(unlike.amin(1))
    size = frame.shape[-2:]
    return torch.cat(votes, 1).unflatten(1, size), torch.exp(-torch.cat(likest).sqrt() / trust.likest).view(size)


_AROUND = 2
"""Pixels of the neighbourhood to each side."""
_NEAR, _ALIKE = 1.5, 0.06
"""Standard deviations: of positions in pixels, of colours of 1 in each channel."""
_CHUNK = 1 << 12


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


_RIGHT = ((0.0, 0.55), (0.003, 0.6), (0.019, 0.775), (0.044, 0.857), (0.08, 0.906), (0.125, 0.935), (0.175, 0.956),
          (0.25, 0.976), (0.35, 0.99), (0.45, 0.9965), (0.55, 0.999), (0.65, 1.0), (1.0, 1.0))  # fmt: skip
"""(score, share of the labels of about this score that are right), measured by flow on two toy towns, where truth is
known (one label in 20 frames, 192 x 96)."""
_ARRIVES_RIGHT = ((0.0, 0.76), (0.03, 0.81), (0.15, 0.85), (0.25, 0.876), (0.35, 0.908), (0.45, 0.943), (0.55, 0.965),
                  (0.65, 0.978), (0.75, 0.987), (0.85, 0.996), (1.0, 1.0))  # fmt: skip
"""The same of labels from one key, by the weight of the track alone."""


def probability(score: Tensor) -> Tensor:
    """The probability that a label of this score is right, between 0 and 1; rises with the score."""
    return _between(_RIGHT, score)


def probability_of_arrival(weight: Tensor) -> Tensor:
    """The same before labels are at hand: of one that arrives with this weight (:func:`vote_weight`) from one key."""
    return _between(_ARRIVES_RIGHT, weight)


def _between(table: tuple[tuple[float, float], ...], values: Tensor) -> Tensor:
    known, right = (torch.tensor(column, dtype=torch.float32) for column in zip(*table, strict=True))
    above = torch.bucketize(values.float(), known).clamp(1, len(known) - 1)
    share = (values - known[above - 1]) / (known[above] - known[above - 1])
    return (right[above - 1] + share * (right[above] - right[above - 1])).clamp(0, 1)
