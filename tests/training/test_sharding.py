"""Weights shared out over two processes: half in each, the numbers of DistributedDataParallel, whole checkpoints."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.test_several_processes import each_in_two_processes, losses
from vergence.data.layouts import index_layout
from vergence.errors import InputError
from vergence.models.encoders import build_encoder
from vergence.runs.checkpoint import load_run
from vergence.runs.config_sections import TrainConfig
from vergence.training.sharding import as_shared, encoder_blocks, put_together, whole

TELLS = r"""
import os
from vergence.training.state import TrainingState

save = TrainingState.save

def told(state, *words, **named):
    whole = list(state.method.parameters())
    own = [one.to_local() if hasattr(one, "to_local") else one for one in whole]
    os.write(1, b"held %f\n" % (sum(one.numel() for one in own) / sum(one.numel() for one in whole)))
    return save(state, *words, **named)

TrainingState.save = told
"""


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("resnet18", "BasicBlock", 8), ("test_convnext", "ConvNeXtBlock", None), ("test_vit", "Block", None)],
)
def test_blocks_of_encoders(name: str, kind: str, count: int | None) -> None:
    encoder = build_encoder(name, "none")
    blocks = encoder_blocks(encoder)
    assert kind in {type(block).__name__ for block in blocks}
    assert count is None or len(blocks) == count
    held = [id(one) for block in blocks for one in block.parameters()]
    assert len(held) == len(set(held))
    assert sum(p.numel() for b in blocks for p in b.parameters()) > 0.5 * sum(p.numel() for p in encoder.parameters())


def test_one_process_is_as_it_was() -> None:
    layer, value = torch.nn.Linear(3, 2), torch.ones(2)
    assert whole(value) is value
    assert as_shared(value, layer.bias) is value
    with put_together(layer):
        assert layer(torch.ones(1, 3)).shape == (1, 2)


@pytest.mark.parametrize("settings", [{"compile": True}, {"precision": "fp16"}])
def test_what_does_not_go_together(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"train.sharded goes with neither"):
        TrainConfig(sharded=True, **settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_with_half_of_the_weights_each(tmp_path: Path) -> None:
    """With a mean teacher, a running mean, clipping, evaluation, and batch norm, whose statistics a teacher reads."""
    town = tmp_path / "town.parquet"
    index_layout("toytown", tmp_path / "town", town, frames=8, train=2, val=1)
    settings = {
        "frames.batch_size": 4, "frames.workers": 0, "train.steps": 2, "train.accumulate": 2, "train.log_every": 1,
        "train.evaluate_every": 1, "train.checkpoint_every": 1, "train.ema": 0.9, "optim.clip": 1.0,
        "train.timeout": 60, "train.device": "cpu", "frames.source_domain": town,
        "train.channels_last": "false", "train.keep_states": 2,
    }  # fmt: skip
    words = ["--data", town, *(f"--{key}={value}" for key, value in settings.items())]
    runs = {name: tmp_path / name for name in ("copies", "shards")}
    trainings = [
        ["train", "corda-toytown-tiny", "--out", run, *words, f"--train.sharded={name == 'shards'}"]
        for name, run in runs.items()
    ]
    resume = ["resume", runs["shards"] / "checkpoints" / "step-1"]
    said = each_in_two_processes(tmp_path, [*trainings, resume], before=TELLS)
    held = [float(share) for share in re.findall(r"held ([\d.]+)", said)]
    assert held == pytest.approx([1] * 4 + [0.5] * 6, abs=0.02)
    first = [tmp_path / f"{name}-first" for name in runs]
    copies, shards = map(losses, first)
    assert len(copies) == 2
    for one, two in zip(copies, shards, strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    for file in sorted(path.relative_to(first[0]) for path in first[0].rglob("*.safetensors")):
        one, two = (load_file(run / file) for run in first)
        assert one.keys() == two.keys()
        for key, value in one.items():
            assert two[key].shape == value.shape
            distance, size = (float(part.float().abs().mean()) for part in (two[key] - value, value))
            assert distance <= 1e-2 * size + 1e-6, f"{key} of {file}"
    assert losses(runs["shards"]) == shards
    load_run(runs["shards"])
