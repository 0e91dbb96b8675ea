"""Tiny fake data trees and the real data, where they are at hand."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.kitti_day import DAY, DRIVE, FRAMES, SIZE, write_day

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not at {SHARED}")
    return SHARED


@pytest.fixture
def put() -> Callable[..., list[Path]]:
    """put(folder, names, size): small grey-gradient images of these names, mode "L" for labels, "I;16" for depth."""

    def write(folder: Path, names: Sequence[str], size: tuple[int, int] = (32, 16), mode: str = "RGB") -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            values = (np.indices(size[::-1]).sum(0) * 3 + number) % 200
            kind = np.uint16 if mode == "I;16" else np.uint8
            image = Image.fromarray(values.astype(kind))
            (image if mode != "RGB" else image.convert("RGB")).save(folder / name)
        return [folder / name for name in names]

    return write


@pytest.fixture
def put_intrinsics() -> Callable[..., Path]:
    """put_intrinsics(folder, **changes): an intrinsics.json for 32x16 frames; a change to None removes the key."""

    def write(folder: Path, name: str = "intrinsics.json", **changes: object) -> Path:
        values: dict[str, object] = {
            "width": 32,
            "height": 16,
            "fx": 24.0,
            "fy": 25.0,
            "cx": 15.0,
            "cy": 8.0,
            "fps": 10,
        }
        values.update(changes)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
        return folder / name

    return write


def frames(count: int, suffix: str = ".jpg", digits: int = 6) -> list[str]:
    return [f"{number:0{digits}d}{suffix}" for number in range(count)]


@pytest.fixture
def raw(tmp_path, put):
    for camera in ("02", "03"):
        put(tmp_path / DRIVE / f"image_{camera}" / "data", FRAMES, SIZE)
    write_day(tmp_path / DAY)
    return tmp_path
