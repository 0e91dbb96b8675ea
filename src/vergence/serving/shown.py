"""What the page shows of a picture or a video: pictures, a cloud, files to take along, and words about them."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.measured.depth_files import ColourRange, colour_range, colourize
from vergence.data.measured.pointcloud import glb
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.frame_streams import VideoStream, open_stream
from vergence.inference.prediction import Prediction, painted
from vergence.inference.predictor import Predictor
from vergence.serving.answers import answer, legend, npz

COLOUR_MAP, SURE_MAP = "magma", "viridis"
_WIDEST = 1280
"""Pixels across of a picture on the page; files keep all."""
_VIDEO_WIDEST = 640
_MOST_POINTS = 150_000
"""Points of the cloud on the page; the file has all."""
_CLASSES_SHOWN = 24


def show_picture(predictor: Predictor, seen: Prediction, out: Path, name: str) -> dict[str, Any]:
    """Write files below ``out`` and say what they are.

    Args:
        predictor: what looked.
        seen: what it saw.
        out: an empty folder.
        name: stem of the files that are taken along.

    Returns:
        ``figures`` (title, file, text, perhaps ``bar`` or ``legend``), ``cloud`` (file name or None), ``files`` (label,
        file), ``size``.
    """
    height, width = seen.image.shape[:2]
    picture = _save(out / "picture.jpg", seen.image)
    figures: list[dict[str, Any]] = [{"title": "Picture", "file": picture, "text": f"{width} × {height}"}]
    files = [("All maps, without loss (NPZ)", _write(out / f"{name}.npz", npz(seen)))]
    cloud = None
    if seen.depth is not None and seen.inverse_depth is not None:
        limits = colour_range(seen.inverse_depth)
        figures.append(
            {
                "title": "Depth", "file": _save(out / "depth.png", colourize(seen.inverse_depth, limits, COLOUR_MAP)),
                "text": _depth_text(seen.depth, seen.unit), "bar": depth_bar(limits, seen.unit),
            }
        )  # fmt: skip
        body = answer(predictor, seen, "png", "depth")
        factor = float(body.headers["X-Vergence-Depth-Factor"])
        label = f"Depth (16-bit PNG; value / {factor:g} = depth, 0 = none)"
        files.append((label, _write(out / f"{name}-depth.png", body.body)))
        cloud = _cloud(seen, out, name, files)
    if seen.depth_confidence is not None:
        meaning = "probability that depth is within a factor of 1.25"
        figures.append(_sureness("Confidence of depth", out / "depth-confidence.png", seen.depth_confidence, meaning))
    if seen.classes is not None and seen.label_space is not None and seen.confidence is not None:
        overlay = painted(seen.image, seen.classes, seen.label_space)
        legend_here = classes_seen(seen)
        figures.append(
            {
                "title": "Classes", "file": _save(out / "classes.jpg", overlay), "legend": legend_here,
                "text": f"{len(legend_here)} of {len(seen.class_names)} classes",
            }
        )  # fmt: skip
        figures.append(_sureness("Confidence", out / "confidence.png", seen.confidence, "probability of the class"))
        ids = answer(predictor, seen, "png", "classes").body
        files.append(("Class ids (8-bit PNG)", _write(out / f"{name}-classes.png", ids)))
    return {"figures": figures, "cloud": cloud, "files": files, "size": [width, height]}


def _sureness(title: str, file: Path, shares: NDArray[np.float32], meaning: str) -> dict[str, Any]:
    """The figure of a map of probabilities."""
    return {
        "title": title, "file": _save(file, colourize(shares, ColourRange(0.0, 1.0), SURE_MAP)),
        "text": f"{meaning}, {shares.mean():.0%} on average",
        "bar": {"colours": _colours(SURE_MAP), "low": "0", "high": "1", "of": "0 doubtful, 1 sure"},
    }  # fmt: skip


def show_video(predictor: Predictor, file: str, out: Path, name: str, frames: int) -> dict[str, Any]:
    """The same for the first frames of a video: pictures of its middle frame, and a video of depth and classes.

    Raises:
        InputError: no video that can be read.
    """
    stream = open_stream(file, limit=frames)
    whole = stream.expected if isinstance(stream, VideoStream) else len(stream)
    seen = predictor.stream(file, limit=frames)
    limits: ColourRange | None = None
    middle: Prediction | None = None
    count, half = 0, len(stream) // 2

    def pictures() -> Iterator[NDArray[np.uint8]]:
        nonlocal limits, middle, count
        for frame in seen:
            if limits is None and frame.inverse_depth is not None:
                limits = colour_range(frame.inverse_depth)  # one range for all, else colours flicker
            if middle is None or count <= half:
                middle = frame
            count += 1
            yield _beside(frame, limits)

    write_video(out / f"{name}.mp4", pictures(), stream.fps)
    if middle is None:
        raise InputError("this video has no frames; give another.")
    shown_result = show_picture(predictor, middle, out, f"{name}-frame")
    rate = f"{stream.fps:.3g} frames a second"
    more = f", the first {count} of about {whole}" if whole > count else ""
    shown: dict[str, Any] = {"file": f"{name}.mp4", "text": f"{count} frames{more}, {rate}"}
    if limits is not None:
        shown["bar"] = depth_bar(limits, predictor.unit)
    shown_result["files"].insert(0, ("Video (MP4)", f"{name}.mp4"))
    shown_result["figures"][0]["text"] += f", frame {min(half, count - 1)}"
    return shown_result | {"video": shown}


def _beside(seen: Prediction, limits: ColourRange | None) -> NDArray[np.uint8]:
    """The picture and what is seen in it, side by side, small."""
    parts = [seen.image]
    if seen.inverse_depth is not None and limits is not None:
        parts.append(colourize(seen.inverse_depth, limits, COLOUR_MAP))
    if seen.classes is not None and seen.label_space is not None:
        parts.append(painted(seen.image, seen.classes, seen.label_space))
    return np.concatenate([np.asarray(_small(part, _VIDEO_WIDEST)) for part in parts], axis=1)


def classes_seen(seen: Prediction) -> list[dict[str, Any]]:
    """The classes of a picture with their share of its pixels, largest first."""
    assert seen.label_space is not None
    assert seen.classes is not None
    ids, counts = np.unique(seen.classes, return_counts=True)
    share = dict(zip(ids.tolist(), (counts / seen.classes.size).tolist(), strict=True))
    entries = [entry | {"share": share[entry["id"]]} for entry in legend(seen.label_space) if entry["id"] in share]
    return sorted(entries, key=lambda entry: -entry["share"])[:_CLASSES_SHOWN]


def depth_bar(limits: ColourRange, unit: str) -> dict[str, Any]:
    """A colour bar of inverse depth, from far to near, with depth at its ends and in its middle."""
    ends = (limits.low, (limits.low + limits.high) / 2, limits.high)
    far, middle, near = (_number(1 / value) if value > 0 else "∞" for value in ends)
    unit_said = "metres" if unit == "metres" else "unscaled: only ratios mean something"
    return {"colours": _colours(COLOUR_MAP), "low": far, "middle": middle, "high": near, "of": f"depth, {unit_said}"}


def _depth_text(depth: NDArray[np.float32], unit: str) -> str:
    known = depth[np.isfinite(depth)]
    if not known.size:
        return "infinitely far everywhere"
    low, middle, high = (float(value) for value in np.percentile(known, (2, 50, 98)))
    suffix = " m" if unit == "metres" else " (unscaled)"
    return f"{_number(low)} to {_number(high)}{suffix}, median {_number(middle)}"


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) and not 1e3 <= abs(value) < 1e5 else f"{value:.0f}"


def _colours(name: str) -> list[str]:
    from matplotlib import colormaps

    return ["#" + "".join(f"{round(255 * part):02x}" for part in colormaps[name](step / 12)[:3]) for step in range(13)]


def _cloud(seen: Prediction, out: Path, name: str, files: list[tuple[str, str]]) -> str | None:
    cloud = seen.cloud()
    if not len(cloud.points) or cloud.colours is None:
        return None
    cloud.save(out / f"{name}.ply")
    step = max(1, math.ceil(len(cloud.points) / _MOST_POINTS))
    points, colours = cloud.points[::step], cloud.colours[::step]
    _write(out / f"{name}.glb", glb(points / max(float(np.median(points[:, 2])), 1e-9), colours))
    files += [("Point cloud (PLY)", f"{name}.ply"), ("Point cloud, thinned (GLB)", f"{name}.glb")]
    return f"{name}.glb"


def _small(pixels: NDArray[np.uint8], widest: int) -> Image.Image:
    image = Image.fromarray(pixels)
    if image.width <= widest:
        return image
    return image.resize((widest, max(1, round(image.height * widest / image.width))), Image.Resampling.BOX)


def _save(path: Path, pixels: NDArray[np.uint8]) -> str:
    _small(pixels, _WIDEST).save(path, quality=90, compress_level=3)  # each format takes its own
    return path.name


def _write(path: Path, body: bytes) -> str:
    path.write_bytes(body)
    return path.name


def safe_stem(name: str) -> str:
    """A name for files, of the name of what somebody gave: letters, digits, - and _, at the most 60."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in name)
    return "".join(itertools.islice(kept.strip("_"), 60)) or "picture"
