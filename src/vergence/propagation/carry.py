"""Labels carried over one piece of video: motions composed from each key, votes merged, what they meet compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.motion.confidence import IGNORED, Trust, decide, vote_weight, votes_around
from vergence.motion.track import Track, advance, begin, is_cut

Pair = tuple[Tensor, Tensor]
"""Flow to the next frame and flow back from it, (2, H, W) each."""


@dataclass
class Piece:
    """What is needed of the frames of a segment, in order of time.

    Attributes:
        frames: (3, H, W) uint8.
        times: seconds.
        labels: (h, w) uint8 of the frames that have one made by hand, None of the others.
        motion: flows between each frame and the next, in order; looked at once.
        classes: how many.
    """

    frames: Sequence[Tensor]
    times: Sequence[float]
    labels: Sequence[Tensor | None]
    motion: Iterable[Pair]
    classes: int
    trust: Trust = field(default_factory=Trust)
    keys: tuple[bool, bool] = (True, True)
    """Whether labels of the first and the last frame are carried; other labels say how right what arrives is."""


@dataclass
class Carried:
    """What arrived at a frame."""

    label: Tensor
    """(H, W) uint8, 255 = none."""
    score: Tensor
    """(H, W) in [0, 1]: orders pixels by trust."""


@dataclass
class Meeting:
    """A carried label beside the hand-made one of the frame it arrived at: the honest test on one's own data."""

    seconds: float
    """To the nearest key that it came from."""
    right: Tensor
    """(N,) bool, of pixels that have both labels."""
    score: Tensor
    """(N,)."""


@dataclass
class Outcome:
    """What was carried in one segment."""

    carried: dict[int, Carried]
    """By the frame's number in the piece."""
    meetings: list[Meeting]
    cuts: list[int]
    """Places after which the video is another one."""


def carry(piece: Piece) -> Outcome:
    """Carry the labels of the keys at the ends of a piece to every frame between them, from both sides."""
    last = len(piece.frames) - 1
    ahead: dict[int, tuple[Tensor, Tensor]] = {}
    cuts: set[int] = set()
    flows = [_kept(pair, frame, cuts) for frame, pair in enumerate(piece.motion)]
    outcome = Outcome({}, [], sorted(cuts))
    if piece.keys[0] and piece.labels[0] is not None:
        for frame, track, weight in _walk(piece, flows, 0, 1, last, cuts):
            ahead[frame] = (track.position, weight.half())
    back = piece.keys[1] and piece.labels[last] is not None
    walk = _walk(piece, flows, last, -1, 0, cuts) if back else iter(())
    for frame in range(last, -1, -1):  # what comes back is merged on its way: the flows are much, its tracks as much
        arrivals = [(0, ahead.pop(frame))] if frame in ahead else []
        if frame < last and (arrived := next(walk, None)) is not None:
            arrivals.append((last, (arrived[1].position, arrived[2].half())))
        if not arrivals:
            continue
        merged = _merge(piece, frame, arrivals)
        label = piece.labels[frame]
        if label is None:
            outcome.carried[frame] = merged
        else:
            seconds = min(abs(piece.times[frame] - piece.times[end]) for end, _ in arrivals)
            outcome.meetings.append(_meet(merged, label, seconds))
    outcome.meetings.reverse()
    return outcome


def _kept(pair: Pair, frame: int, cuts: set[int]) -> Pair:
    """Flows of a pair in half the memory; notes a cut where next to nothing goes there and back."""
    ahead, back = pair
    if is_cut(ahead, back):
        cuts.add(frame)
    return ahead.half(), back.half()


def _walk(
    piece: Piece, flows: list[Pair], start: int, step: int, stop: int, cuts: set[int]
) -> Iterator[tuple[int, Track, Tensor]]:
    """Tracks to a key from the frames after it in one direction, with the weight of what arrives."""
    track, key = begin(*piece.frames[start].shape[-2:]), _colours(piece.frames[start])
    for frame in range(start + step, stop + step, step):
        between = min(frame, frame - step)
        if between in cuts:
            return
        ahead, back = (flow.float() for flow in (flows[between] if step > 0 else flows[between][::-1]))
        track = advance(track, back, ahead)
        seconds = abs(piece.times[frame] - piece.times[start])
        yield frame, track, vote_weight(track, key, _colours(piece.frames[frame]), seconds, piece.trust)


def _colours(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def _merge(piece: Piece, frame: int, arrivals: list[tuple[int, tuple[Tensor, Tensor]]]) -> Carried:
    pixels = _colours(piece.frames[frame])
    votes = torch.zeros(piece.classes, *pixels.shape[-2:])
    strongest = torch.zeros(pixels.shape[-2:])
    for end, (position, weight) in arrivals:
        label = piece.labels[end]
        assert label is not None
        key = _colours(piece.frames[end])
        says, alike = votes_around(key, _sized(label, key), position, pixels, piece.classes, piece.trust)
        labelled = says.sum(0)
        trusted = weight.float() * alike * (labelled >= 0.5)  # what was left without a label stays so
        votes += says * trusted
        strongest = torch.maximum(strongest, labelled * trusted)
    return Carried(*decide(votes, strongest, piece.trust))


def _sized(label: Tensor, like: Tensor) -> Tensor:
    """A label (h, w) in the size of maps (..., H, W), each pixel one of its own."""
    size = like.shape[-2:]
    if label.shape == size:
        return label
    return F.interpolate(label[None, None].float(), size, mode="nearest-exact")[0, 0].byte()


def _meet(carried: Carried, label: Tensor, seconds: float) -> Meeting:
    truth = _sized(label, carried.label)
    both = (truth != IGNORED) & (carried.label != IGNORED)
    return Meeting(seconds, (truth == carried.label)[both], carried.score[both])
