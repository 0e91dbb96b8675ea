"""The factor from a run's unit to metres by known motion: how far the camera went, against how far the run says."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.known_motion import KnownMotion, parse_speed, read_motion
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.inference.frame_streams import FrameStream, NormalisedCamera, VideoStream
from vergence.inference.inputs import prefetched, working_image
from vergence.inference.looks import Looks
from vergence.inference.motion_fit import fitted_length
from vergence.inference.motions import motions_between, step_of, unbroken
from vergence.inference.networks import RunNetwork
from vergence.inference.scaling import Asked, one_factor
from vergence.metrics.odometry import chain_poses

Floats = NDArray[np.float64]
_SHARE = 1 / 20
"""Share of the whole way that a segment has at least."""
_LOOKED_AT = 96
"""Pairs of frames whose length is fitted to the depth, at the most."""
_STEPS = 5
"""Pairs of frames that a segment has at least: the run's motion between two is a guess."""
_SURE = 10.0
"""Times by which a segment is longer than the known positions jitter."""
_STANDING = 0.1
"""Share of the speed of fast frames below which a camera stands."""
_AS_FAST = 0.5
"""Share of the run's other steps that its steps have, where the camera is known to stand, if the two do not fit."""
_LEAST_SEEN = 0.02
"""Share of the median depth that the run must say the camera moved in the clip: less is no motion."""
_WILD = 3.0
"""Largest ratio of the ends of the 90 % of segments' factors that one factor can stand for."""


@dataclass(frozen=True)
class Track:
    """Frames of an unbroken stretch, ``step`` apart, and how the run says the camera moved."""

    frames: list[int]
    """Their numbers in the clip."""
    times: Floats
    """(N,) seconds from the clip's first frame; NaN where the clip has no rate."""
    own: Floats
    """(N, 4, 4) camera poses, the first the identity, in the unit of the pose network."""
    fits: Floats
    """(N - 1,) by what each step's length is multiplied to fit the depth; NaN where it was not looked at."""
    poses: Floats | None = None
    """(N, 3) positions of the frames' own poses, NaN where there is none."""


def factor_of_motion(looks: Looks, stream: FrameStream, asked: Asked, guess: float) -> tuple[float, str]:
    """Metres in one unit of the network, and how sure that is, in words.

    The clip is cut into segments: at least a twentieth of the way, five pairs of frames, and ten times what the known
    positions jitter. Each gives a factor: known length / the run's length, end to end, which is the pose network's
    fitted to the depth (:func:`~vergence.inference.motion_fit.fitted_length`). The median is taken. Frames that stand
    still are in no segment.

    Args:
        asked: speed, poses (a file), or scale "poses" (those of the frames).
        guess: field of view in degrees of frames without intrinsics.

    Raises:
        InputError: a network without motion, a file that does not fit the clip, a camera that does not move, factors
            that vary too much to be one.
    """
    network = looks.predictor.network
    pose = getattr(network.method, "pose", None) if isinstance(network, RunNetwork) else None
    if pose is None:
        raise InputError(
            f"{network.name} has no pose network, so its depth cannot be scaled by motion; give the camera's height, "
            "measured depth (scale 'truth') or a factor."
        )
    motion = None if asked.poses is None else read_motion(asked.poses)
    if asked.speed is None and motion is None:
        _check_poses(stream)
    else:
        _check_one_clip(stream)
    tracks = _tracks(cast(RunNetwork, network), stream, guess)
    if not tracks:
        raise InputError("no two frames follow each other, so depth cannot be scaled by motion; give a video.")
    if asked.speed is not None:
        name, known, along = "known speed", _of_speed(tracks, parse_speed(asked.speed)), True
    elif motion is not None:
        known = _of_file(motion, tracks, asked.poses_from, stream)
        name, along = f"motion of {motion.name}", motion.along
    else:
        name, known, along = "the frames' poses", [cast(Floats, track.poses) for track in tracks], False
    _check_seen(looks, stream, tracks)
    moving = [_moving(_own_places(track) if asked.speed is not None else places)
              for track, places in zip(tracks, known, strict=True)]  # fmt: skip
    if asked.speed is None:
        _check_still(tracks, moving, name)
    ratios = _ratios(tracks, known, moving, along, name)
    still = sum(int((~moves).sum()) for moves in moving)
    factor, words = one_factor(ratios, name, "segment")
    low, high = np.percentile(ratios, (5, 95))
    if high / low > _WILD:
        raise InputError(
            f"the factor by {name} varies from {low:.3g} to {high:.3g} over {len(ratios)} segments, so no one factor "
            "fits; check that it is of this clip and begins with it (poses_from), or give a factor."
        )
    return factor, words + (f"; {still} pairs of frames that stand still are left out" if still else "")


def _check_one_clip(stream: FrameStream) -> None:
    if isinstance(stream, VideoStream):
        return
    clips = sorted({f"{row.sequence} {row.camera}".strip() for row in stream.manifest})
    if len(clips) > 1:
        raise InputError(
            f"the input has {len(clips)} clips ({', '.join(clips[:3])} ...), and a speed or a file of poses is of one; "
            "give the frames of one clip."
        )


def _check_poses(stream: FrameStream) -> None:
    if isinstance(stream, VideoStream) or not stream.manifest.given("pose")[: len(stream.manifest)].any():
        raise InputError("no frame has a pose, so scale 'poses' is not possible; give a file with --poses.")


def _tracks(network: RunNetwork, stream: FrameStream, guess: float) -> list[Track]:
    """Tracks of the clip, or of all clips of a manifest."""
    step = step_of(network.run)
    if isinstance(stream, VideoStream):
        return _video_tracks(network, stream, step, guess)
    manifest, tracks = stream.manifest, list[Track]()
    order = sorted(range(len(manifest)), key=lambda index: manifest[index].position)
    rank = {index: number for number, index in enumerate(order)}
    stretches = [rows for rows in unbroken(manifest, step) if len(rows) > 1]
    every = math.ceil(sum(map(len, stretches)) / _LOOKED_AT)
    for rows in stretches:
        images = (image for _, image in prefetched(lambda row: working_image(manifest, row, network.options), rows))
        kept = _Kept(every)
        motions = motions_between(network, kept(images))
        cameras = {step: stream.camera_of(rows[step + 1]) for step in kept.pairs}
        fits = kept.fits(network, motions, cameras, guess)
        first = manifest[order[0]].position
        times = np.array([(manifest[row].position - first) / (manifest[row].rate or math.nan) for row in rows])
        poses = [manifest[row].pose_matrix() for row in rows]
        places = np.array([np.full(3, np.nan) if pose is None else pose[:3, 3] for pose in poses])
        tracks.append(Track([rank[row] for row in rows], times, _chained(motions), fits, places))
    return tracks


def _video_tracks(network: RunNetwork, stream: VideoStream, step: int, guess: float) -> list[Track]:
    seen = list[int]()

    def pictures() -> Iterator[Tensor]:
        for number, (image, position) in enumerate(stream.timed(step)):
            if stream.limit is not None and number * step >= stream.limit:
                return
            seen.append(position)
            yield network.prepare(image)

    kept = _Kept(math.ceil(len(stream) / step / _LOOKED_AT))
    motions = motions_between(network, kept(pictures()))
    fits = kept.fits(network, motions, dict.fromkeys(kept.pairs, stream.camera), guess)
    places = np.array(seen)
    cuts = [0, *(np.flatnonzero(np.diff(places) != 1) + 1), len(seen)]  # a pause, or two frames of one moment
    return [
        Track(
            [number * step for number in range(start, end)],
            places[start:end] * step / stream.rate,
            _chained(motions[start : end - 1]),
            fits[start : end - 1],
        )
        for start, end in itertools.pairwise(cuts)
        if end - start > 1
    ]


class _Kept:
    """Passes pictures on and keeps every so manieth pair of neighbours, to look at them again."""

    def __init__(self, every: int) -> None:
        self.every = max(1, every)
        self.pairs = dict[int, tuple[Tensor, Tensor]]()

    def __call__(self, pictures: Iterable[Tensor]) -> Iterator[Tensor]:
        before: Tensor | None = None
        for number, picture in enumerate(pictures):
            if before is not None and (number - 1) % self.every == 0:
                self.pairs[number - 1] = before, picture
            before = picture
            yield picture

    def fits(
        self, network: RunNetwork, motions: Floats, cameras: Mapping[int, NormalisedCamera | None], guess: float
    ) -> Floats:
        """(N - 1,) see :class:`Track`."""
        lengths = np.full(len(motions), np.nan)
        for step, (first, second) in self.pairs.items():
            height, width = first.shape[-2:]
            camera = cameras[step] or Camera.from_field_of_view(guess, width, height).normalized()
            lengths[step] = fitted_length(network, first, second, motions[step], camera)
        return lengths


def _chained(motions: Floats) -> Floats:
    """Camera poses of the transforms of points."""
    return chain_poses(cast(Floats, np.linalg.inv(motions))) if len(motions) else np.eye(4)[None]


def _own_places(track: Track) -> Floats:
    return track.own[:, :3, 3]


def _of_speed(tracks: list[Track], speed: float) -> list[Floats]:
    """Ways along the path at one speed."""
    if any(np.isnan(track.times).any() for track in tracks):
        raise InputError("the frames have no rate, so a speed says no distance; give fps in intrinsics.json.")
    return [np.stack((track.times * speed, 0 * track.times, 0 * track.times), axis=1) for track in tracks]


def _of_file(motion: KnownMotion, tracks: list[Track], start: float | None, stream: FrameStream) -> list[Floats]:
    """Positions of the frames, NaN outside the times of the file."""
    last = max(track.frames[-1] for track in tracks)
    count = len(motion.positions)
    timed = not any(np.isnan(track.times).any() for track in tracks)
    if motion.times is None or not timed:
        frames = last + 1 if isinstance(stream, VideoStream) else len(stream.manifest)
        limited = isinstance(stream, VideoStream) and stream.limit is not None
        short = isinstance(stream, VideoStream) and frames <= count <= stream.expected  # frames left by the step
        if start is not None:
            raise InputError(f"poses_from needs times, and {motion.name} or the clip has none; leave it out.")
        if count != frames and not short and not (limited and count > frames):
            raise InputError(
                f"{motion.name} has {count} positions and the clip {frames} frames, and they have no times in common; "
                "give one a frame" + ("." if motion.times is None else ", or fps in intrinsics.json.")
            )
        return [motion.positions[track.frames] for track in tracks]
    begins, ends = motion.times[0], motion.times[-1]
    positions = [_at(motion, track.times + (start or 0.0)) for track in tracks]
    if sum(int(np.isfinite(places[:, 0]).sum()) for places in positions) < 2:
        low, high = (pick(float(pick(track.times)) for track in tracks) + (start or 0.0) for pick in (min, max))
        raise InputError(
            f"{motion.name} is of {begins:.10g} to {ends:.10g} s and the clip of {low:.10g} to {high:.10g} s, which do "
            "not overlap; give the time of the first frame with --poses_from."
        )
    return positions


def _at(motion: KnownMotion, times: Floats) -> Floats:
    known = cast(Floats, motion.times)
    places = np.stack([np.interp(times, known, axis) for axis in motion.positions.T], axis=1)
    slack = 1e-3 * float(np.median(np.diff(known)))
    places[(times < known[0] - slack) | (times > known[-1] + slack)] = np.nan
    return places


def _check_seen(looks: Looks, stream: FrameStream, tracks: list[Track]) -> None:
    """InputError where the run says that the camera stays where it is."""
    reach = max(float(np.linalg.norm(_own_places(track), axis=1).max()) for track in tracks)
    depth = float(np.median([1 / float(looks.inverse_depth(frame).median()) for frame in stream.sample(4)]))
    if not reach > _LEAST_SEEN * depth:
        raise InputError(
            f"the run sees no motion in this clip (the camera moves {reach / depth:.2%} of the median depth), so its "
            "depth cannot be scaled by motion; give a stretch in which the camera moves, or a factor."
        )


def _moving(places: Floats) -> NDArray[np.bool_]:
    """Which steps (N - 1,) are no standing still, by the speed over five of them."""
    steps = np.arange(len(places) - 1)
    before, after = np.maximum(steps - 2, 0), np.minimum(steps + 3, len(places) - 1)
    speed = np.linalg.norm(places[after] - places[before], axis=1) / (after - before)
    known = speed[np.isfinite(speed)]
    return ~(speed <= _STANDING * np.percentile(known, 90)) if len(known) else np.ones(len(speed), bool)


def _check_still(tracks: list[Track], moving: list[NDArray[np.bool_]], name: str) -> None:
    """InputError where the known motion stands still while the run's goes on as fast as elsewhere."""
    moves = np.concatenate(moving)
    steps = np.concatenate([np.linalg.norm(np.diff(_own_places(track), axis=0), axis=1) for track in tracks])
    if moves.all() or not moves.any() or (~moves).sum() < _STEPS:
        return
    if np.median(steps[~moves]) > _AS_FAST * np.median(steps[moves]):
        raise InputError(
            f"{name} stands still in {int((~moves).sum())} pairs of frames in which the run sees the camera move as "
            "fast as elsewhere; check that it is of this clip and begins with it (poses_from), or give a factor."
        )


def _jitter(known: list[Floats]) -> float:
    """Standard deviation of what of the positions is no smooth motion, from third differences."""
    third = [np.diff(places, 3, axis=0) for places in known if len(places) > 3]
    values = np.concatenate([np.linalg.norm(each, axis=1) for each in third]) if third else np.zeros(0)
    values = values[np.isfinite(values)]
    return float(np.median(values)) / math.sqrt(20) if len(values) else 0.0


def _ratios(
    tracks: list[Track], known: list[Floats], moving: list[NDArray[np.bool_]], along: bool, name: str
) -> list[float]:
    """A factor for each segment; InputError where the known motion has none."""
    jitter = 0.0 if along else _jitter(known)
    pieces = [(k, *piece) for k in range(len(tracks)) for piece in _pieces(known[k], moving[k])]
    ways = [_length(known[k], start, end, False) for k, start, end in pieces]
    least = max(_SHARE * sum(ways), _SURE * jitter)
    segments = [(k, *segment) for k, start, end in pieces for segment in _segments(known[k], start, end, least)]
    if not segments and ways and max(ways) > _SURE * jitter:
        segments = [pieces[int(np.argmax(ways))]]
    moved = np.concatenate([track.fits[moves] for track, moves in zip(tracks, moving, strict=True)])
    if segments and not np.isfinite(moved).any():
        raise InputError(
            "no motion of this clip fits the run's depth, so it cannot be scaled by motion; give a factor, or a run "
            "that learned from such pictures."
        )
    typical = float(np.median(moved[np.isfinite(moved)])) if segments else math.nan
    ratios = list[float]()
    for k, first, last in segments:
        fits = tracks[k].fits[first:last]
        fit = float(np.median(fits[np.isfinite(fits)])) if np.isfinite(fits).any() else typical
        own = fit * _length(_own_places(tracks[k]), first, last, along)
        ratios.append(_length(known[k], first, last, along) / own if own > 0 else math.nan)
    ratios = [ratio for ratio in ratios if math.isfinite(ratio) and ratio > 0]
    if not ratios:
        raise InputError(
            f"the camera stands still by {name} ({max(ways, default=0):.3g} m, positions jitter by {jitter:.2g} m), so "
            "depth cannot be scaled by it; give a stretch in which it moves, or a factor."
        )
    return ratios


def _pieces(places: Floats, moving: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last frames of stretches that move and are known."""
    usable = moving & np.isfinite(places[1:, 0]) & np.isfinite(places[:-1, 0])
    edges = np.flatnonzero(np.diff(np.concatenate(([0], usable.astype(int), [0]))))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _segments(places: Floats, start: int, end: int, least: float) -> list[tuple[int, int]]:
    """Segments one after the other, each at least so long and of enough steps."""
    segments, first = [], start
    for last in range(start + 1, end + 1):
        if last - first >= _STEPS and np.linalg.norm(places[last] - places[first]) >= least:
            segments.append((first, last))
            first = last
    return segments


def _length(places: Floats, first: int, last: int, along: bool) -> float:
    """From end to end, or along the path."""
    if along:
        return float(np.linalg.norm(np.diff(places[first : last + 1], axis=0), axis=1).sum())
    return float(np.linalg.norm(places[last] - places[first]))
