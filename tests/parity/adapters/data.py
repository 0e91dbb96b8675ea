"""Monodepth2's dataset item through our manifest, frame data set and joint transforms."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.parity.registry import Case, operation
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.imaging.transforms import resize_lanczos
from vergence.data.manifest import FrameRow, Manifest
from vergence.geometry.camera import Camera

SUFFIX = {0: "0", -1: "m1", 1: "p1", "s": "s"}
KITTI = {"fx": 0.58, "fy": 1.92, "cx": 0.5, "cy": 0.5}
BASELINE = 0.1
SCALES = 4


def _manifest(images: np.ndarray, frames: list, side: str, root: Path) -> Manifest:
    """The frames as files: temporal ones in one sequence, the stereo partner beside the target."""
    rows = []
    for frame, image in zip(frames, images, strict=True):
        Image.fromarray(image).save(root / f"{SUFFIX[frame]}.png")
        if frame != "s":
            split = "target" if frame == 0 else ""
            rows.append(FrameRow(f"{SUFFIX[frame]}.png", "drive", frame + 10, split=split, **KITTI))
    if "s" in frames:
        baseline = BASELINE if side == "l" else -BASELINE
        rows = [FrameRow("0.png", "drive", 10, split="target", stereo="s.png", baseline=baseline, **KITTI), *rows[1:]]
    return Manifest(rows, root).select("target")


@operation("monodepth2.kitti_item")
def kitti_item(inputs: dict, params: dict, case: Case) -> dict:
    height, width, frames = params["h"], params["w"], params["frame_idxs"]
    options = FrameOptions(height, width, tuple(frames[1:]), flip=float(params["flip"]), jitter=0.0, require="all")
    with tempfile.TemporaryDirectory() as folder:
        manifest = _manifest(inputs["images"], frames, params["side"], Path(folder))
        sample = FrameDataset(manifest, options, train=True)[0]
    outputs: dict[str, np.ndarray] = {}
    for frame, tensor in zip(frames, sample["frames"], strict=True):
        image = Image.fromarray(tensor.permute(1, 2, 0).numpy())
        for scale in range(SCALES):  # each level from the one above
            image = resize_lanczos(image, height // 2**scale, width // 2**scale)
            outputs[f"color_{SUFFIX[frame]}_{scale}"] = np.asarray(image).transpose(2, 0, 1)
    for scale in range(SCALES):
        matrix = torch.eye(4)
        # the reference leaves its (centred) camera as it is when it mirrors the images; ours would move cx by one pixel
        matrix[:3, :3] = Camera.from_normalized(*KITTI.values(), width // 2**scale, height // 2**scale).matrix()
        outputs[f"K_{scale}"] = matrix.numpy()
        outputs[f"inv_K_{scale}"] = torch.linalg.inv(matrix).numpy()
    if "s" in frames:
        outputs["stereo_T"] = sample["stereo_transform"].numpy()
    return outputs
