"""A method small enough for tests of the engine, some frames for it, and a command line that knows it.

``python -m tests.training.tiny_method train RECIPE ...`` is the vergence command with the method "tiny".
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.methods import register_method
from vergence.methods.base import Method
from vergence.methods.config import MethodConfig

HEIGHT, WIDTH = 32, 64


@dataclass
class TinyConfig(MethodConfig):
    """Settings of the tiny method."""

    width: int = 4
    dropout: float = 0.1
    explode_at: int | None = None
    reference: bool = False

    def for_loading(self, keep_reference: bool = False) -> "TinyConfig":
        return replace(self, reference=self.reference and keep_reference)


class TinyMethod(Method):
    """Two convolutions that should turn the target into its neighbour; dropout draws from the global generator."""

    settings = TinyConfig
    config: TinyConfig

    def __init__(self, config: TinyConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.Conv2d(3, config.width, 3, padding=1)
        self.head = nn.Conv2d(config.width, 3, 3, padding=1)
        self.dropout = nn.Dropout(config.dropout)
        self.reference = nn.Conv2d(3, 2, 1).requires_grad_(False) if config.reference else None
        self.register_buffer("steps_seen", torch.zeros((), dtype=torch.int64))

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"name": "encoder", "params": list(self.encoder.parameters())},
            {"name": "head", "params": list(self.head.parameters())},
        ]

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["unlabelled"]
        difference = self.head(self.dropout(self.encoder(batch["jittered"][:, 0]).relu())) - batch["frames"][:, 1]
        loss = difference.square().mean()
        if step == self.config.explode_at:
            loss = loss * torch.inf
        return {
            "colour": loss,
            "size": 1e-3 * self.head.weight.square().mean(),
            "_bias": self.head.bias.mean().detach(),
        }

    def after_step(self, step: int) -> None:
        self.get_buffer("steps_seen").add_(1)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        disparity = self.head(self.encoder(images).relu()).mean(dim=1, keepdim=True).sigmoid()
        return {"disparity": disparity, "inverse_depth": disparity + 0.01}


register_method("tiny", TinyMethod)

RECIPE = """\
method: tiny
frames:
  batch_size: 4
  workers: 0
  cache: false
  options: {height: 32, width: 64}
optim: {lr: 0.01, schedule: cosine, clip: 1.0}
train: {steps: 12, log_every: 2, checkpoint_every: 4, device: cpu}
"""


def write_frames(folder: Path, count: int = 10, depth: bool = False) -> Path:
    """Frames of noise with structure, and their manifest: the last three are the split "val"."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(count):
        coarse = rng.integers(0, 255, (4, 8, 3), dtype=np.uint8)
        (folder / "image").mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(folder / "image" / f"{number}.png")
        if depth:
            np.save(folder / f"{number}.npy", rng.uniform(1, 50, (HEIGHT, WIDTH)).astype(np.float32))
        split = "val" if number >= count - 3 else "train"
        measured = f"{number}.npy" if depth else ""
        rows.append(
            FrameRow(f"image/{number}.png", "one", number, split=split, depth=measured, width=WIDTH, height=HEIGHT)
        )
    return Manifest(rows, folder).write(folder / "manifest.csv")


def write_recipe(folder: Path, text: str = RECIPE) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def without_checksums(checkpoint: Path) -> None:
    """As stored by earlier versions."""
    path = checkpoint / "config.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "checksums"})
    )


if __name__ == "__main__":
    from vergence.cli import main

    sys.exit(main())
