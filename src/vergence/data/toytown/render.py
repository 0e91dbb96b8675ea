"""Drive through a street and take pictures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from vergence.data.toytown import palette, parts
from vergence.data.toytown.options import FAR, MAX_FRAMES, TownFrame, TownOptions, camera
from vergence.data.toytown.scenery import Scenery, frame_at, furnish
from vergence.data.toytown.shade import shade
from vergence.data.toytown.street import AFTER, BEFORE, DRIVE, Plan, Street, make_street
from vergence.data.toytown.textures import texture_set
from vergence.data.toytown.trace import View, trace
from vergence.errors import InputError


@lru_cache(maxsize=2)
def _scene(seed: int, number: int) -> tuple[Street, Scenery, np.ndarray]:
    street = make_street(seed, number)
    return street, furnish(street, seed, number), np.random.default_rng([seed, number, 5]).uniform(0, 2 * np.pi, 12)


def drive(street: Street, fps: float, phase: np.ndarray, frames: int) -> np.ndarray:
    """Arc length (frames,) m at each frame: between 5 and 12 m/s, slower in bends (at most 3.5 m/s2 sideways)."""
    line, plan = street.line, street.plan
    curvature = np.abs(np.gradient(line.heading, line.s))
    limit = np.sqrt(3.5 / np.maximum(curvature, 1e-4))
    s = np.zeros(frames)
    for n in range(1, frames):
        wanted = plan.speed * (1 + 0.15 * np.sin(0.7 * n / fps + phase[0]))
        v = min(wanted, np.interp(s[n - 1] + 2.0, line.s, limit))
        s[n] = s[n - 1] + np.clip(v, 5.0, 12.0) / fps
    return s


def driven_frames(options: TownOptions, street: int, frames: int) -> np.ndarray:
    """How many frames the car has driven before each frame (frames,): all before it, less those in which it waited."""
    start = np.random.default_rng([options.seed, street, 7]).uniform(0.5, 2.0)  # seconds
    n = np.arange(frames)
    return n - np.clip(n - round(start * options.fps), 0, options.waited(street))


def _lane(plan: Plan) -> float:
    return 0.5 * (plan.road - plan.parking) if plan.road > 3.0 else 0.0


def camera_pose(street: Street, s: float, time: float, phase: np.ndarray) -> np.ndarray:
    """Camera-to-world (4,4): over the lane at eye height, pitched with the slope, with mounting angles and sway."""
    plan = street.plan
    w = plan.wobble
    across = _lane(plan) + 0.25 * np.sin(0.11 * s + phase[1])
    position, axes = frame_at(street, s, across, tilt=True)
    pitch = plan.pitch + w * (0.05 * np.sin(0.5 * time + phase[2]) + 0.006 * np.sin(7.0 * time + phase[3]))
    yaw = plan.yaw + w * (0.08 * np.sin(0.45 * time + phase[4]) + 0.004 * np.sin(5.0 * time + phase[5]))
    roll = plan.roll + w * (0.012 * np.sin(0.6 * time + phase[6]) + 0.003 * np.sin(6.0 * time + phase[7]))
    forward, left, up = axes.T
    forward, left = np.cos(yaw) * forward - np.sin(yaw) * left, np.cos(yaw) * left + np.sin(yaw) * forward
    forward, up = np.cos(pitch) * forward - np.sin(pitch) * up, np.cos(pitch) * up + np.sin(pitch) * forward
    right, down = np.cos(roll) * -left - np.sin(roll) * up, np.sin(roll) * left - np.cos(roll) * up
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, down, forward], 1)
    pose[:3, 3] = position + np.array([0, 0, plan.eye + 0.012 * w * np.sin(6.5 * time + phase[8])])
    return pose


def _solids_at(street: Street, scenery: Scenery, s: float, time: float) -> parts.Solids:
    groups = [scenery.static]
    for mover in scenery.movers:
        where = mover.start + mover.speed * time
        if -BEFORE + 3 < where < DRIVE + AFTER - 3 and abs(where - s) < 160:
            groups.append(mover.solids.placed(*frame_at(street, where, mover.across, tilt=True)))
    if scenery.lead is not None:
        groups.append(scenery.lead.placed(*frame_at(street, s + street.plan.lead, _lane(street.plan), tilt=True)))
    return parts.join(groups)


def _view(options: TownOptions, pose: np.ndarray) -> View:
    """Samples every half pixel from -0.5 to W - 0.5, so that every second one is a pixel centre."""
    fx, fy, cx, cy = camera(options)
    u = 0.5 * np.arange(2 * options.width + 1) - 0.5
    v = 0.5 * np.arange(2 * options.height + 1) - 0.5
    x = (u - cx * options.width) / (fx * options.width)
    y = (v - cy * options.height) / (fy * options.height)
    return View(pose[:3, :3], pose[:3, 3], x, y)


def _develop(colour: np.ndarray, gain: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Tent filter from half-pixel samples to pixels, exposure, sensor noise, 8 bits."""
    rows = 0.25 * (colour[:-1:2] + colour[2::2]) + 0.5 * colour[1::2]
    pixels = 0.25 * (rows[:, :-1:2] + rows[:, 2::2]) + 0.5 * rows[:, 1::2]
    pixels *= np.float32(255 * gain)
    pixels += np.float32(noise) * rng.standard_normal(pixels.shape, np.float32)
    return np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)


def render_street(options: TownOptions, street: int, frames: int, start: int = 0) -> Iterator[TownFrame]:
    """Frames start ... start + frames - 1 of the drive through street number `street`.

    Every frame depends on (options, street, its number) only. Raises InputError where the drive is not that long.
    """
    most = MAX_FRAMES + options.waited(street)
    if street < 0 or start < 0 or frames < 0 or start + frames > most:
        raise InputError(
            f"toy town street {street} frames {start}..{start + frames} are out of range; "
            f"streets start at 0 and have frames 0..{most - 1}."
        )
    return _frames(options, street, frames, start)


def _frames(options: TownOptions, number: int, frames: int, start: int) -> Iterator[TownFrame]:
    street, scenery, phase = _scene(options.seed, number)
    light = palette.make_light(options.style, options.seed, number)
    textures = texture_set(options.style)
    driven = driven_frames(options, number, start + frames)
    way = drive(street, options.fps, phase, start + frames)[driven]
    if way.size and way[-1] > DRIVE:
        raise InputError(f"toy town street {number} ends before frame {start + frames}; ask for fewer frames.")
    for n in range(start, start + frames):
        time = n / options.fps
        pose = camera_pose(street, way[n], driven[n] / options.fps, phase)
        solids = _solids_at(street, scenery, way[n], time)
        rows = palette.materials(solids, options.style)
        gain = 1.0 + 0.04 * np.sin(0.8 * time + phase[9]) + 0.03 * np.sin(0.23 * time + phase[10])
        pictures = []
        for eye in range(1 + options.stereo):
            offset = pose[:3, 0] * (options.baseline * eye)
            view = _view(options, pose)._replace(centre=pose[:3, 3] + offset)
            depth, identity = trace(view, solids, street.terrain)
            colour, label = shade(view, depth, identity, solids, rows, street, light, textures)
            rng = np.random.default_rng([options.seed, number, n, eye, 6])
            pictures.append(_develop(colour, gain, light.noise, rng))
            if eye == 0:
                middle = (slice(1, None, 2), slice(1, None, 2))
                exact, ids = depth[middle], identity[middle]
                exact = np.where(exact <= FAR, exact, 0).astype(np.float32)
                moving = np.append(solids.moving, False)[np.maximum(ids, 0) - 1]
                result = exact, label[middle].copy(), moving
        yield TownFrame(pictures[0], pictures[1] if options.stereo else None, result[0], result[1], pose, result[2])
