"""What predictors look through: names of others' models, and what results of a run depend on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.stored import SPACE, stored_run
from vergence.errors import InputError
from vergence.inference.networks import RunNetwork, foreign_name, weights_digest
from vergence.runs.checkpoint import LoadedRun, load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    return load_run(stored_run(tmp_path_factory.mktemp("runs") / "seg"), "cpu")


def test_models_of_others_are_called_by_kind_and_name(tmp_path: Path) -> None:
    assert foreign_name("hf:depth/small") == "hf:depth/small"
    assert foreign_name("onnx-depth:a.onnx") == "onnx-depth:a.onnx"
    assert foreign_name("nets/a.ONNX") == "onnx:nets/a.ONNX"
    assert foreign_name(Path("a.onnx")) == "onnx:a.onnx"
    assert foreign_name("runs/seg") is None
    assert foreign_name("c:runs") is None
    (tmp_path / "folder.onnx").mkdir()
    assert foreign_name(tmp_path / "folder.onnx") is None
    for text, said in (("hf:", "give hf:NAME"), ("onnx:", "give onnx:FILE")):
        with pytest.raises(InputError, match=said):
            foreign_name(text)


def test_a_run_says_what_its_maps_mean(run: LoadedRun) -> None:
    network = RunNetwork(run)
    assert set(network.tasks) == {"depth", "segmentation"}
    assert network.label_space is not None
    assert network.label_space.text() == SPACE
    assert (network.metres_per_unit, network.farthest) == (None, run.config.section.loss.max_depth)
    prepared = network.prepare(Image.fromarray(np.full((90, 160, 3), 128, np.uint8)))
    assert prepared.dtype == torch.uint8
    assert network.kind(prepared) == tuple(prepared.shape) == (3, 64, 96)
    images = network.images([prepared, prepared])
    torch.testing.assert_close(images, torch.full((2, 3, 64, 96), 128 / 255))
    maps = network.maps([prepared])
    assert maps["logits"].shape == (1, 3, 64, 96)
    assert maps["inverse_depth"].shape == (1, 1, 64, 96)


def test_results_depend_on_weights_settings_and_use(run: LoadedRun) -> None:
    plain = RunNetwork(run).made_by()
    assert RunNetwork(run).made_by() == plain
    assert RunNetwork(run, flip=True).made_by() != plain
    assert RunNetwork(run, precision="bf16").made_by() == plain | {"precision": "bf16"}
    before = weights_digest(run)
    parameter = next(run.method.parameters())
    with torch.no_grad():
        parameter.view(-1)[0] += 1
        assert weights_digest(run) != before
        parameter.view(-1)[0] -= 1
    with pytest.raises(InputError, match="fp16 needs a GPU"):
        RunNetwork(run, precision="fp16")
