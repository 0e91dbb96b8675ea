"""Frames of several shapes in one manifest: round things stay round, cameras and truth follow, and it is said."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.transforms import Placement
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference.frame_shapes import describe_input, settle_aspect
from vergence.inference.inputs import network_size, to_network
from vergence.runs.config import load_config
from vergence.training.pools import build_loaders, open_training_data

ONE_PROCESS = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cpu"))
SPACE = "toy:ground#000000,disc#ffffff"
FOCAL = 80.0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def disc(width: int, height: int) -> np.ndarray:
    """A disc of radius 20 in the middle, True inside."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.hypot(x - width / 2, y - height / 2) < 20


def write(folder: Path, wide: int = 4, square: int = 2, sizes: bool = True) -> Path:
    """Frames of 192x96 and of 96x96, all of one focal length in pixels, with a disc in image, label and depth."""
    folder.mkdir(parents=True)
    rows = []
    for number, width in enumerate([192] * wide + [96] * square):
        inside = disc(width, 96)
        Image.fromarray(np.repeat(inside[..., None] * np.uint8(255), 3, axis=-1)).save(folder / f"{number}.png")
        Image.fromarray(inside.astype(np.uint8)).save(folder / f"{number}_label.png")
        np.save(folder / f"{number}.npy", np.where(inside, 5, 20).astype(np.float32))
        camera = {"fx": FOCAL / width, "fy": FOCAL / 96, "cx": 0.5 - 0.5 / width, "cy": 0.5 - 0.5 / 96}
        size = {"width": width, "height": 96} if sizes else {}
        more: dict[str, Any] = {"label": f"{number}_label.png", "label_space": SPACE, "depth": f"{number}.npy"}
        rows.append(FrameRow(f"{number}.png", f"s{width}", number, "train", f"c{width}", **camera, **size, **more))
    return Manifest(rows, folder).write(folder / "manifest.parquet")


def settings(recipe: str, data: Path, **more: Any) -> Any:
    base = {
        "frames.options.width": 128,
        "frames.options.height": 64,
        "frames.options.random_crop": None,
        "frames.options.flip": 0.0,
        "frames.labelled.count": None,
        "frames.batch_size": 1,
        "frames.workers": 0,
        "train.evaluate_every": 0,
    }
    return load_config(recipe, base | {key.replace("__", "."): value for key, value in more.items()}, data)


def extent(inside: Any) -> tuple[int, int]:
    """Height and width of what is True."""
    rows, columns = np.nonzero(np.asarray(inside))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("sizes", [True, False])
def test_discs_stay_round_and_cameras_follow(tmp_path: Path, caplog: pytest.LogCaptureFixture, sizes: bool) -> None:
    data = write(tmp_path / "w", sizes=sizes)
    config = settings("supervised-toytown", data, frames__options__load_depth=True)
    with caplog.at_level(logging.WARNING):
        sources = open_training_data(config)
    assert "2 of 6 frames that were looked at have another shape than 2.00:1, such as 96x96" in caplog.text
    assert config.frames.options.aspect == 2.0
    loader = build_loaders(config, sources.roles, None, ONE_PROCESS)["labelled"]
    seen = set()
    for _, sample in zip(range(6), loader, strict=False):
        row = sources.roles["labelled"][int(sample["index"][0])]
        scale = 128 / 96 if row.sequence == "s96" else 128 / 192
        for inside in (sample["frames"][0, 0, 0] > 127, sample["label"][0] == 1, sample["depth"][0, 0] == 5):
            assert extent(inside) == pytest.approx((40 * scale, 40 * scale), abs=2)
        matrix = sample["intrinsics"][0, 0]
        assert [matrix[0, 0].item(), matrix[1, 1].item()] == pytest.approx([FOCAL * scale] * 2, rel=1e-5)
        centre = (47.5, 47.5 - 24) if row.sequence == "s96" else (95.5, 47.5)  # 24 rows are cut off above
        assert matrix[:2, 2].tolist() == pytest.approx([value * scale for value in centre], abs=1e-3)
        seen.add(row.sequence)
    assert seen == {"s96", "s192"}


def test_one_shape_is_stretched_as_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = settings("supervised-toytown", write(tmp_path / "w", square=0))
    open_training_data(config)
    assert config.frames.options.aspect == 0
    assert "another shape" not in caplog.text
    for stored in ((375, 1242), (370, 1224), (376, 1241), (374, 1238)):  # KITTI
        assert Placement.fit(stored, (192, 640), aspect=1242 / 375) == Placement.fit(stored, (192, 640))
    crop = settings("supervised-toytown", write(tmp_path / "mixed"), frames__options__fit="crop")
    open_training_data(crop)
    assert crop.frames.options.aspect == 0  # crop keeps all shapes by itself


def test_a_domain_that_is_adapted_from_has_its_own_shape(tmp_path: Path) -> None:
    data, other = write(tmp_path / "w"), write(tmp_path / "source", wide=0, square=3)
    more = {"frames.source_domain": str(other), "corda.depth": False}
    config = settings("corda-toytown", data, **more)
    loaders = build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)
    assert config.frames.options.aspect == 2.0
    height, width = extent(next(iter(loaders["source"]))["label"][0] == 1)
    assert width > 1.3 * height  # 96x96 alone: stretched whole, as one shape always is


def test_networks_see_whole_pictures_at_the_scales_of_training() -> None:
    options = FrameOptions(height=64, width=128, aspect=2.0)
    assert network_size(options, 192, 96) == (64, 128)
    assert network_size(options, 195, 96) == (64, 128)
    assert network_size(options, 96, 96) == (128, 128)
    assert network_size(options, 384, 96) == (64, 256)
    height, width = extent(to_network(Image.fromarray(disc(96, 96)).convert("RGB"), options)[0] > 127)
    assert height == width == pytest.approx(40 * 128 / 96, abs=2)
    squeezed = FrameOptions(height=64, width=64, aspect=2.0)  # two scales, as in training
    assert network_size(squeezed, 96, 96) == (128, 64)


def test_what_is_said_of_an_evaluation(tmp_path: Path) -> None:
    found = Manifest.read(write(tmp_path / "w"))
    options = FrameOptions(height=64, width=128)
    assert describe_input(found, options)[1].endswith("(2 of 6 frames are not 2.00:1 and seen stretched to it)")
    options.aspect = 2.0
    assert describe_input(found, options) == (
        "128x64",
        "network input 128x64 (2 of 6 frames are not 2.00:1 and seen at the scales of that shape)",
    )
    assert describe_input(Manifest.read(write(tmp_path / "x", square=0)), options)[1] == "network input 128x64"


def test_a_shape_that_was_asked_for(tmp_path: Path) -> None:
    found = Manifest.read(write(tmp_path / "w"))
    assert settle_aspect(FrameOptions(aspect=1.0), found) == 1.0
    for wrong in (-1.0, float("nan"), 1e9):
        with pytest.raises(InputError, match="no width over height"):
            FrameOptions(aspect=wrong)
