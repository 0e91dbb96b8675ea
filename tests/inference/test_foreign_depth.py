"""Depth ports of other programs' models: what they are given, which way their maps run, what is said when they fail."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.foreign import SIZE, Session, frames, use
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.depth_port import with_estimates
from vergence.inference.foreign_depth import gives_depth
from vergence.inference.networks import ForeignNetwork


def inverse_depths(model: str, manifest: Manifest, rows: list[int]) -> list[np.ndarray]:
    """What a model says of rows of a manifest, looked at together."""
    network = ForeignNetwork(model, size=SIZE)
    maps = network.maps([network.prepare(open_frame(manifest, row)) for row in rows])
    return list(maps["inverse_depth"][:, 0].numpy())


def test_onnx_sees_frames_in_0_to_1_at_the_working_size(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Session)
    manifest = frames(tmp_path)
    found = inverse_depths(f"onnx:{model}", manifest, [2, 0])
    assert str(model) in ForeignNetwork(f"onnx:{model}", size=SIZE).model.identity
    assert len(found) == 2
    assert len(Session.seen) == 1  # one batch
    assert Session.seen[0].dtype == np.float32
    expected = np.asarray(Image.open(tmp_path / "2.png"), dtype=np.float32).transpose(2, 0, 1) / 255
    assert np.allclose(Session.seen[0][0], expected, atol=1e-7)
    assert np.allclose(found[0], expected.mean(0), atol=1e-6)


def test_depth_is_inverted_and_what_has_none_is_far(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Depth(Session):
        third = 4.0

        def answer(self, images: np.ndarray) -> np.ndarray:
            depth = np.full((len(images), *images.shape[-2:]), 4.0, dtype=np.float32)
            depth[:, 0], depth[:, 1], depth[:, 2] = 0, -1, self.third
            return depth

    use(monkeypatch, Depth)
    (found,) = inverse_depths(f"onnx-depth:{model}", frames(tmp_path, 1), [0])
    assert found[:2].tolist() == np.zeros((2, 40)).tolist()
    assert (found[2:] == 0.25).all()
    Depth.third = np.nan
    with pytest.raises(InputError, match="not finite"):
        inverse_depths(f"onnx-depth:{model}", frames(tmp_path, 1), [0])


def test_a_models_own_size_wins_and_batches_of_one(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Square(Session):
        shape = (1, 3, 16, 16)

    use(monkeypatch, Square)
    found = inverse_depths(f"onnx:{model}", frames(tmp_path), [0, 1, 2])
    assert [array.shape for array in Session.seen] == [(1, 3, 16, 16)] * 3
    assert [inverse_depth.shape for inverse_depth in found] == [(16, 16)] * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": (1, 1, 24, 40)}, r"expected one input of float32 images \(B, 3, H, W\)"),
        ({"shape": ("batch", 3)}, "expected one input"),
        ({"kind": "tensor(uint8)"}, r"takes images tensor\(uint8\)"),
        ({"shape": (4, 3, "h", "w")}, "exactly 4 images"),
        ({"answer": lambda self, images: images}, r"array of shape \(1, 3, 24, 40\) for 1 frames"),
        ({"answer": lambda self, images: images[:, 0, :, :20]}, "maps of 20x24 for frames of 40x24"),
        ({"answer": lambda self, images: images[5]}, "cannot run on frames of 40x24"),
    ],
)
def test_onnx_models_that_are_no_depth_port(
    changes: dict[str, Any], words: str, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, type("Odd", (Session,), changes))
    with pytest.raises(InputError, match=words) as raised:
        inverse_depths(f"onnx:{model}", frames(tmp_path, 1), [0])
    assert "\n" not in str(raised.value)


def test_nan_missing_broken_and_no_library(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    manifest = frames(tmp_path, 1)
    use(monkeypatch, type("Nan", (Session,), {"answer": lambda self, images: images[:, 0] * np.nan}))
    with pytest.raises(InputError, match="not finite"):
        with_estimates(manifest, f"onnx:{model}", SIZE)
    with pytest.raises(InputError, match=r"no\.onnx does not exist"):
        with_estimates(manifest, f"onnx:{tmp_path / 'no.onnx'}", SIZE)
    model.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"no ONNX model that can be run \(no protobuf\)"):
        with_estimates(manifest, f"onnx:{model}", SIZE)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime; install it with pip install 'vergence\[export\]'"):
        with_estimates(manifest, f"onnx:{model}", SIZE)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="needs transformers; install it"):
        with_estimates(manifest, "hf:some/model", SIZE)


def hugging_face(settings: Any, answer: torch.Tensor | Exception) -> Any:
    """Stands in for transformers: one model, which gives the same map for every picture."""

    def read(name: str) -> Any:
        if isinstance(settings, Exception):
            raise settings
        return settings

    def pipeline(task: str, model: str, device: str) -> Any:
        assert (task, model, device) == ("depth-estimation", "some/model", "cpu")
        if isinstance(answer, Exception):
            raise answer
        return lambda pictures, batch_size: [{"predicted_depth": answer} for _ in pictures]

    return SimpleNamespace(AutoConfig=SimpleNamespace(from_pretrained=read), pipeline=pipeline)


@pytest.mark.parametrize("metric", [True, False])
def test_transformers_models_say_which_way_they_run(
    metric: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(depth_estimation_type="metric" if metric else "relative", _commit_hash="abc")
    monkeypatch.setitem(sys.modules, "transformers", hugging_face(settings, torch.full((48, 80), 2.0)))
    found = inverse_depths("hf:some/model", frames(tmp_path), [0, 1, 2])
    assert "some/model|abc" in ForeignNetwork("hf:some/model", size=SIZE).model.identity
    assert [found[row].shape for row in range(3)] == [SIZE] * 3  # brought down to the working size
    assert np.allclose(found[0], 0.5 if metric else 2.0)


def test_types_of_transformers_models() -> None:
    assert gives_depth(SimpleNamespace(model_type="zoedepth"))
    assert not gives_depth(SimpleNamespace(model_type="dpt"))
    assert not gives_depth(SimpleNamespace(model_type="depth_anything", depth_estimation_type="relative"))
    assert gives_depth(SimpleNamespace(model_type="depth_anything", depth_estimation_type="metric"))


@pytest.mark.parametrize("first", [True, False])
def test_transformers_models_that_cannot_be_had(first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError("some/model is not a local folder\nand the hub cannot be reached")
    settings = error if first else SimpleNamespace(depth_estimation_type="relative", _commit_hash=None)
    monkeypatch.setitem(sys.modules, "transformers", hugging_face(settings, error))
    with pytest.raises(InputError, match="cannot be opened as a depth model") as raised:
        inverse_depths("hf:some/model", frames(tmp_path, 1), [0])
    assert "\n" not in str(raised.value)


def test_a_real_onnx_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    axes = ["batch", 3, "height", "width"]
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, axes)
    maps = onnx.helper.make_tensor_value_info("inverse_depth", onnx.TensorProto.FLOAT, ["batch", 1, "height", "width"])
    mean = onnx.helper.make_node("ReduceMean", ["images", "axes"], ["inverse_depth"], keepdims=1)
    channels = onnx.numpy_helper.from_array(np.array([1]), "axes")
    graph = onnx.helper.make_graph([mean], "mean", [images], [maps], [channels])
    stand_in = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(stand_in, tmp_path / "mean.onnx")
    manifest = frames(tmp_path, 2)
    found = inverse_depths(f"onnx:{tmp_path / 'mean.onnx'}", manifest, [0, 1])
    expected = np.asarray(Image.open(tmp_path / "1.png"), dtype=np.float32).mean(axis=2) / 255
    assert np.allclose(found[1], expected, atol=1e-6)
