"""Depth models of others, made up."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.data.small_world import picture, save
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

SIZE = (24, 40)


def frames(root: Path, count: int = 3, width: int = 40) -> Manifest:
    for index in range(count):
        save(root / f"{index}.png", picture(index, 24, width))
    return Manifest([FrameRow(image=f"{index}.png", sequence="a", position=index) for index in range(count)], root)


class Session:
    """Stands in for onnxruntime's: answers with the mean of the channels, and keeps what it was given."""

    shape: Any = ("batch", 3, "height", "width")
    kind = "tensor(float)"
    seen: list[np.ndarray]

    def __init__(self, path: str, providers: list[str]) -> None:
        assert providers == ["CPUExecutionProvider"]
        if Path(path).read_bytes() == b"broken":
            raise RuntimeError("no protobuf\nand more")
        Session.seen = []

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="images", type=self.kind, shape=self.shape)]

    def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        Session.seen.append(inputs["images"])
        return [self.answer(inputs["images"])]

    def answer(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=1, keepdims=True)


def use(monkeypatch: pytest.MonkeyPatch, session: type[Session]) -> None:
    module = SimpleNamespace(InferenceSession=session, get_available_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
