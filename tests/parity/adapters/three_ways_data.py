"""Three Ways' data through our label spaces, subsets, files of estimates and frame data set."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.parity.registry import Case, operation
from vergence.data.batch import IGNORED_LABEL
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.estimate_files import read_estimate, write_estimate
from vergence.data.imaging.transforms import crop_view, resize_lanczos
from vergence.data.labels import label_mapping
from vergence.data.layouts.cityscapes import MEANS
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.rows.subsets import labelled_subset

SPACES = {"cityscapes": ("cityscapes_ids", "cityscapes19"), "camvid": ("camvid_segnet", "camvid11")}
OFFICIAL_IGNORED = 250
CLASSES, SCALES = 19, 4


def _official(label: np.ndarray) -> np.ndarray:
    return np.where(label == IGNORED_LABEL, OFFICIAL_IGNORED, label)


@operation("three_ways.label_encoding")
def label_encoding(inputs: dict, params: dict, case: Case) -> dict:
    return {"train_ids": _official(label_mapping(*SPACES[params["dataset"]])[inputs["ids"]]).astype(np.uint8)}


@operation("three_ways.random_subset")
def random_subset(inputs: dict, params: dict, case: Case) -> dict:
    total = params["n_files"]
    rows = [FrameRow(f"{i:05d}.png", "city", i, label=f"{i:05d}_label.png") for i in range(total)]
    labelled = labelled_subset(Manifest(rows, Path()), params["n_subset"], params["seed"]).rows
    chosen = set(labelled)
    return {
        "labeled_idx": np.array(labelled),
        "all_idx": np.array(labelled + [i for i in range(total) if i not in chosen]),
        "all_is_labeled": np.arange(total) < len(labelled),
    }


@operation("three_ways.depth_estimate_export")
def depth_estimate_export(inputs: dict, params: dict, case: Case) -> dict:
    stored, seen = [], []
    with tempfile.TemporaryDirectory() as folder:
        for disparity in inputs["disparity"][:, 0]:
            path = write_estimate(Path(folder) / "estimate.png", disparity, bits=8)
            stored.append(np.asarray(Image.open(path)))
            seen.append(read_estimate(path)[None])
    return {"png": np.stack(stored), "pseudo_depth": np.stack(seen)}


def _name(offset: int) -> str:
    return {0: "0", -1: "m1", 1: "p1"}[offset]


def _manifest(inputs: dict, params: dict, root: Path) -> Manifest:
    Image.fromarray(inputs["label_ids"]).save(root / "label.png")
    Image.fromarray(inputs["depth_png"]).save(root / "estimate.png")
    width, height = MEANS.width, MEANS.height
    rows = []
    for offset, image in zip(params["frame_idxs"], inputs["images"], strict=True):
        Image.fromarray(image).save(root / f"{_name(offset)}.png")
        row = FrameRow(f"{_name(offset)}.png", "snippet", 10 + offset, split="target" if offset == 0 else "")
        camera = {"fx": MEANS.fx / width, "fy": 2265.3017905988554 / height}
        row = dataclasses.replace(row, cx=MEANS.cx / width, cy=MEANS.cy / height, **camera)
        if offset == 0:
            label = {"label": "label.png", "label_space": "cityscapes_ids"} if params["labeled"] else {}
            row = dataclasses.replace(row, estimate="estimate.png", **label)
        rows.append(row)
    return Manifest(rows, root).select("target")


class _Cut(FrameDataset):
    """The data set with the crop of the case instead of a drawn one."""

    place: tuple[int, int]

    def _cropped(self, view, corner):
        height, width = self.options.random_crop
        return crop_view(view, self.place[1], self.place[0], height, width)


@operation("three_ways.cityscapes_item")
def cityscapes_item(inputs: dict, params: dict, case: Case) -> dict:
    options = FrameOptions(
        height=params["height"],
        width=params["width"],
        offsets=tuple(params["frame_idxs"][1:]),
        random_crop=tuple(params["crop"]),
        flip=float(params["flip"]),
        jitter=0.0,
        require="all",
        label_space="cityscapes19",
        load_label=True,
        load_estimate=True,
        legacy_intrinsics=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = _Cut(_manifest(inputs, params, Path(folder)), options, train=True)
        dataset.place = tuple(params["offset"])
        sample = dataset[0]
    outputs: dict[str, np.ndarray] = {}
    for offset, tensor in zip(params["frame_idxs"], sample["frames"], strict=True):
        image = Image.fromarray(tensor.permute(1, 2, 0).numpy())
        for scale in range(SCALES):  # each level from the one above
            image = resize_lanczos(image, params["crop"][0] // 2**scale, params["crop"][1] // 2**scale)
            outputs[f"color_{_name(offset)}_{scale}"] = np.asarray(image).transpose(2, 0, 1)
    for scale in range(SCALES):
        matrix = torch.eye(4)
        matrix[:3, :3] = sample["intrinsics"][0]
        matrix[:2] /= 2**scale
        outputs[f"K_{scale}"] = matrix.numpy()
        outputs[f"inv_K_{scale}"] = torch.linalg.inv(matrix.double()).float().numpy()
    label = sample["label"].numpy()
    outputs["lbl"] = _official(label)
    outputs["onehot_lbl"] = np.stack([label == number for number in range(CLASSES)]).astype(np.uint8)
    outputs["pseudo_depth"] = sample["estimate"].numpy()
    return outputs
