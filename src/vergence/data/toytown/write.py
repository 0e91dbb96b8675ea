"""Write a toy town to disk the way a real data set lies there: images, right images, depth, labels, poses, manifest."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.atomic import write_text
from vergence.data.children import end_with_parent
from vergence.data.manifest import FrameRow, Manifest, format_pose
from vergence.data.structured import read_json, read_lines
from vergence.data.toytown.options import MAX_FRAMES, STYLES, TownOptions, camera
from vergence.data.toytown.render import render_street
from vergence.errors import InputError

FORMAT = 1  # raise it when the renderer draws other pixels from the same options
STAMP = "toytown.json"
FEW = 48  # frames that are sooner rendered here than in new processes


def write_toytown(
    root: Path | str,
    options: TownOptions | None = None,
    streets: Mapping[str, int] | None = None,
    frames: int = 40,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Path:
    """Render streets into `root`/<style>/ and return the path of its manifest.parquet.

    streets: number of streets of each split (default 24 "train", 6 "val"); splits take consecutive street numbers, so
    they share no street. frames: per street, waits come on top. progress(done, total) is called as frames are written.
    workers: processes (default: one per core; as they are spawned, a script needs its `if __name__ == "__main__":`).

    A style folder holds image/ and right/ (JPEG), depth/ (16-bit PNG, metres * 256, 0 = none), label/ (train ids),
    moving/ (255 = moving), poses/ (12 numbers a line), intrinsics.json and toytown.json.

    The work is done beside its final place and renamed at the end; after an interruption the same call goes on where it
    stopped. If the same town is there already, nothing is done.

    Raises InputError if `root` holds anything but toy towns, or another town of this style, or cannot be written.
    """
    options = options or TownOptions()
    streets = dict(streets or {"train": 24, "val": 6})
    if not 0 < frames <= MAX_FRAMES or not streets or min(streets.values()) < 0 or sum(streets.values()) == 0:
        raise InputError(f"toy town needs 1 to {MAX_FRAMES} frames a street and at least one street; ask for that.")
    root = Path(root)
    stamp = {"format": FORMAT, "frames": frames, "streets": streets, "options": _stamped(options)}
    final, partial = root / options.style, root / f".{options.style}.partial"
    if _finished(root, final, stamp):
        return final / "manifest.parquet"
    try:
        if _read_stamp(partial) != stamp:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            write_text(partial / STAMP, json.dumps(stamp, indent=1))
        numbers = range(sum(streets.values()))
        lengths = {number: frames + options.waited(number) for number in numbers}
        left = {number: length for number, length in lengths.items() if not _poses(partial, number).exists()}
        total = sum(lengths.values())
        done = total - sum(left.values())
        for written in _work(partial, options, left, workers or os.cpu_count() or 1):
            done += written
            if progress is not None:
                progress(done, total)
        _finish(partial, options, streets)
        if final.is_dir():
            final.rmdir()
        os.replace(partial, final)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{root} cannot be written ({reason}); free some space or give a folder that can be written, and run again."
        ) from error
    return final / "manifest.parquet"


def _stamped(options: TownOptions) -> dict[str, object]:
    """All options as JSON has them, without halts where there are none: towns of before halts are the same towns."""
    values = dataclasses.asdict(options) | {"halts": {str(number): wait for number, wait in options.halts.items()}}
    return {name: value for name, value in values.items() if name != "halts" or value}


def _read_stamp(folder: Path) -> dict | None:
    try:
        return read_json(folder / STAMP)
    except InputError:
        return None


def _finished(root: Path, final: Path, stamp: dict) -> bool:
    """True if the same town is there; InputError if something else is."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file, expected a folder for the toy town; give another path.")
    known = {*STYLES, "manifest"}  # a manifest of the town may lie beside its styles
    entries = root.iterdir() if root.exists() else []
    strangers = [entry.name for entry in entries if entry.name.lstrip(".").split(".")[0] not in known]
    if strangers:
        raise InputError(f"{root} holds {strangers[0]!r} and is no toy town; give an empty or a new folder.")
    if not final.exists() or not any(final.iterdir()):
        return False
    if _read_stamp(final) != stamp or not (final / "manifest.parquet").exists():
        raise InputError(f"{final} holds another toy town (other options); give another folder or remove it.")
    return True


def _work(folder: Path, options: TownOptions, frames: Mapping[int, int], workers: int) -> Iterator[int]:
    """Render streets of so many frames, yielding how many were written; in several processes where that pays."""
    left = sorted(frames, key=lambda number: -frames[number])
    workers = min(workers, len(left))
    if workers > 1 and sum(frames.values()) > FEW:
        try:
            # spawn: the parent may hold threads (torch), which fork would break
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, spawn, initializer=end_with_parent) as pool:
                jobs: dict[Future[int], int] = {pool.submit(_street, folder, options, n, frames[n]): n for n in left}
                try:
                    while jobs:
                        for job in wait(jobs, return_when=FIRST_COMPLETED).done:
                            count = job.result()
                            left.remove(jobs.pop(job))
                            yield count
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        except BrokenProcessPool:
            pass  # a script without a main guard, or a killed child: carry on here
    for number in left:
        yield from _street_frames(folder, options, number, frames[number])


def _street(folder: Path, options: TownOptions, number: int, frames: int) -> int:
    return sum(_street_frames(folder, options, number, frames))


def _poses(folder: Path, number: int) -> Path:
    return folder / "poses" / f"street{number:03d}.txt"


def _street_frames(folder: Path, options: TownOptions, number: int, frames: int) -> Iterator[int]:
    """Write one street; its pose file comes last and says that the street is complete."""
    poses = []
    names = ("image", "right", "depth", "label", "moving") if options.stereo else ("image", "depth", "label", "moving")
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n, frame in enumerate(render_street(options, number, frames)):
        stem = f"street{number:03d}_{n:05d}"
        Image.fromarray(frame.image).save(folder / "image" / f"{stem}.jpg", quality=95)
        if frame.right is not None:
            Image.fromarray(frame.right).save(folder / "right" / f"{stem}.jpg", quality=95)
        stored = np.rint(frame.depth * 256).astype(np.uint16)
        Image.fromarray(stored).save(folder / "depth" / f"{stem}.png", compress_level=1)
        Image.fromarray(frame.label).save(folder / "label" / f"{stem}.png", compress_level=1)
        Image.fromarray(frame.moving.astype(np.uint8) * 255).save(folder / "moving" / f"{stem}.png", compress_level=1)
        poses.append(format_pose(frame.pose))
        yield 1
    write_text(_poses(folder, number), "\n".join(poses) + "\n")


def _finish(folder: Path, options: TownOptions, streets: Mapping[str, int]) -> None:
    """Intrinsics and manifest."""
    fx, fy, cx, cy = camera(options)
    width, height = options.width, options.height
    text = {"width": width, "height": height, "fx": fx * width, "fy": fy * height, "cx": cx * width,
            "cy": cy * height, "fps": options.fps, "baseline_m": options.baseline}  # fmt: skip
    write_text(folder / "intrinsics.json", json.dumps(text, indent=1))
    splits = [split for split, count in streets.items() for _ in range(count)]
    rows = []
    for number, split in enumerate(splits):
        for n, pose in enumerate(read_lines(_poses(folder, number))):
            stem = f"street{number:03d}_{n:05d}"
            rows.append(
                FrameRow(
                    image=f"image/{stem}.jpg",
                    sequence=f"street{number:03d}",
                    position=n,
                    split=split,
                    camera=f"toytown-{options.style}",
                    fx=fx,
                    fy=fy,
                    cx=cx,
                    cy=cy,
                    width=options.width,
                    height=options.height,
                    stereo=f"right/{stem}.jpg" if options.stereo else "",
                    baseline=options.baseline if options.stereo else float("nan"),
                    label=f"label/{stem}.png",
                    label_space="cityscapes19",
                    depth=f"depth/{stem}.png",
                    pose=pose,
                    fps=options.fps,
                )
            )
    Manifest(rows, folder).write(folder / "manifest.parquet")
