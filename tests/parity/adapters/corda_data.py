"""CorDA's training items through our layouts' label spaces, frame data set and depth supervision.

Two official habits are not ours and are repeated here: depth of SYNTHIA is resized by another nearest-neighbour rule
than its labels (so they are off by a part of a pixel), and the estimates of GTA5 bilinearly.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from tests.data.structured.test_matlab import matlab_file, matrix
from tests.parity.registry import Case, operation
from vergence.data.batch import IGNORED_LABEL
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.imaging.transforms import crop_view
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.measured.inverse_depth import from_sigmoid

BGR_MEAN = torch.tensor([104.00698793, 116.66876762, 122.67891434]).view(3, 1, 1)
SPACES = {"gta": "gta5", "synthia": "synthia"}


def _columns(inputs: dict, kind: str, size: tuple[int, int], root: Path) -> dict[str, str]:
    """The depth of a case as a file, and the columns that name it."""
    depth = inputs["depth"]
    if kind == "cityscapes_stereo":
        return {"depth": matlab_file(root / "depth.mat", matrix("depth_map", depth)).name}
    if kind == "synthia":
        small = F.interpolate(torch.from_numpy(depth.astype(np.float32))[None, None], size, mode="nearest")[0, 0]
        Image.fromarray(small.numpy().astype(np.uint16)).save(root / "depth.png")
        return {"depth": "depth.png", "depth_unit": "centimetres"}
    Image.fromarray(depth).save(root / "depth.png")
    return {"estimate": "depth.png"}


class _Cut(FrameDataset):
    """The data set with the crop of the case instead of a drawn one."""

    place: tuple[int, int]

    def _cropped(self, view, corner):
        height, width = self.options.random_crop
        return crop_view(view, self.place[1], self.place[0], height, width)


def _resized_estimates(depth: np.ndarray, options: FrameOptions, params: dict) -> np.ndarray:
    g = torch.from_numpy(from_sigmoid(depth))[None, None]
    g = F.interpolate(g, (options.height, options.width), mode="bilinear", align_corners=False)[0, 0]
    (x, y), (height, width) = params["offset"], params["crop"]
    return g[y : y + height, x : x + width].numpy()


@operation("corda.dataset_items")
def dataset_items(inputs: dict, params: dict, case: Case) -> dict:
    kind = params["kind"]
    real = kind.startswith("cityscapes")
    width, height = params.get("img_size") or [side // 2 for side in reversed(params["src"])]
    options = FrameOptions(
        height=height,
        width=width,
        offsets=(),
        random_crop=tuple(params["crop"]),
        flip=0.0,
        jitter=0.0,
        label_space="cityscapes19",
        load_label=True,
        load_inverse_depth="estimate" if kind in ("cityscapes_mono", "gta") else "measured",
        resampling="bilinear" if real else "bicubic",
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        Image.fromarray(inputs["image"]).save(root / "image.png")
        Image.fromarray(inputs["label"]).save(root / "label.png")
        row = FrameRow("image.png", "still", 0, label="label.png", label_space=SPACES.get(kind, "cityscapes_ids"))
        row = dataclasses.replace(row, **_columns(inputs, kind, (height, width), root))
        dataset = _Cut(Manifest([row], root), options, train=True)
        dataset.place = tuple(params["offset"])
        sample = dataset[0]
    label = sample["label"].numpy()
    depth = sample["inverse_depth"][0].numpy()
    return {
        "image": sample["frames"][0].float().flip(0) - BGR_MEAN,
        "label": np.where(label == IGNORED_LABEL, 250, label) if real else label,
        "depth": _resized_estimates(inputs["depth"], options, params) if kind == "gta" else depth,
    }
