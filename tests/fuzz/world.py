"""The sound data that inputs are damaged in: small frames, labels, a video, runs, and what annotators give back."""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

SIZE = (64, 32)
CLASSES = "fuzz:road#804080,car#00008e,tree#6b8e23"
DEPTH = """\
method: depth
frames: {batch_size: 2, workers: 0, cache: false, options: {height: 64, width: 96, offsets: [-1, 1]}}
depth:
  network: {encoder: test_efficientnet, weights: none, decoder_widths: [4, 4, 4, 4, 4], scales: [0]}
  pose: {encoder: test_efficientnet, weights: none}
train: {steps: 1, checkpoint_every: 1, device: cpu}
"""
SEGMENTATION = """\
method: supervised
frames: {batch_size: 2, workers: 0, cache: false, options: {height: 64, width: 96, jitter: 0.0}}
supervised:
  network: {encoder: test_efficientnet, weights: none, decoder_widths: [4, 4, 4, 4, 4], head_channels: 8}
train: {steps: 1, checkpoint_every: 1, device: cpu}
"""


def picture(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 255, (4, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size)


def mask(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 3, (4, 8), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST)


def build(world: Path, exported: bool = True) -> None:
    """Write everything below ``world``, in a child, so that the parent keeps no threads and no memory of it.

    Args:
        exported: also the exported files, which take longer than all else.
    """
    world.mkdir(parents=True)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(world)
            sys.stdout = sys.stderr = (world / "log.txt").open("w", buffering=1)
            _frames(world)
            _video(world / "clip.mp4")
            _runs()
            _annotations()
            if exported:
                _exports()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError("the sound data could not be made")


def _frames(world: Path) -> None:
    rows = []
    for number in range(6):
        for folder in ("frames", "labels", "depth"):
            (world / folder).mkdir(exist_ok=True)
        name = f"{number:03d}"
        picture(number).save(world / "frames" / f"{name}.png")
        mask(number).save(world / "labels" / f"{name}.png")
        depth = np.random.default_rng(number).uniform(1, 50, SIZE[::-1]).astype(np.float32)
        np.save(world / "depth" / f"{name}.npy", depth)
        rows.append(
            FrameRow(
                f"frames/{name}.png",
                "one",
                number,
                split="val" if number > 3 else "train",
                label=f"labels/{name}.png",
                label_space=CLASSES,
                depth=f"depth/{name}.npy",
                width=SIZE[0],
                height=SIZE[1],
            )
        )
    Manifest(rows, world).write(world / "manifest.csv")
    Manifest(rows, world).write(world / "manifest.parquet")
    (world / "depth.yaml").write_text(DEPTH)
    (world / "seg.yaml").write_text(SEGMENTATION)


def _video(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(8):
            container.mux(stream.encode(av.VideoFrame.from_image(picture(number))))
        container.mux(stream.encode())


def _call(*words: str) -> None:
    from vergence.cli import main

    code = main(list(words))
    if code:
        raise RuntimeError(f"vergence {' '.join(words)} gives {code}")


def _runs() -> None:
    for name in ("depth", "seg"):
        _call("train", f"{name}.yaml", "--out", f"{name}_run", "--data", "manifest.csv")
        _without_checksums(Path(f"{name}_run"))
        _call("evaluate", f"{name}_run", "--data", "manifest.csv")
    _call("predict", "depth_run", "frames", "--out", "predicted")
    _call("select", "depth_run", "--data", "manifest.csv", "--count", "2", "--out", "chosen", "--criterion", "ds")


def _without_checksums(run: Path) -> None:
    """As of earlier versions: damage must be noticed by what it does, not by its checksum alone."""
    for path in run.glob("checkpoints/*/config.json"):
        stored = json.loads(path.read_text())
        del stored["checksums"]
        path.write_text(json.dumps(stored, indent=2) + "\n")


def _annotations() -> None:
    for form in ("cvat", "coco", "label_studio", "png"):
        _call("labels", "export", "manifest.csv", "--to", form, "--out", form)
        shutil.make_archive(form, "zip", form)


def _exports() -> None:
    for to, out in (("onnx", "depth.onnx"), ("torch", "depth.pt2"), ("openvino", "depth.xml")):
        _call("export", "depth_run", "--to", to, "--out", out, "--frames", "frames")
