"""Runs of untrained networks, small enough to look at many frames in a second."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vergence.runs.checkpoint import TRAINING_ONLY, build_method, write_checkpoint
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder

HEIGHT, WIDTH = 64, 128
NETWORK = {"encoder": "mobilenetv3_small_050", "weights": "none", "decoder_widths": [4, 4, 8, 8, 8]}


def write_run(folder: Path, recipe: str, without: Sequence[str] = (), **changes: Any) -> Path:
    """A run of a recipe at step 3, always with the same weights; ``without`` what its network has not."""
    torch.manual_seed(0)
    words = {f"network.{key}": value for key, value in NETWORK.items()}
    words |= {"frames.options.height": HEIGHT, "frames.options.width": WIDTH, "frames.options.random_crop": None}
    config = load_config(recipe, {key: value for key, value in words.items() if key not in without} | changes)
    method = build_method(config)
    state = {name: tensor for name, tensor in method.state_dict().items() if not name.startswith(TRAINING_ONLY)}
    write_checkpoint(RunFolder(folder), 3, config, state, {}, {})
    RunFolder(folder).write_recipe(config.to_dict())
    return folder
