"""Eight bits: smaller, near, and never on made-up pictures."""

from pathlib import Path

import numpy as np
import pytest

import vergence
from tests.inference.stored import picture, video
from vergence import api
from vergence.errors import InputError
from vergence.exporting.quantise import last_layers


@pytest.mark.slow
def test_an_8_bit_file_is_small_and_near(exported_run: Path, exported_model: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    clip, file = video(tmp_path / "clip.mp4", 8), tmp_path / "small.onnx"
    record = api.export(exported_run, "onnx", file, precision="int8", frames=clip)
    assert 1e-4 < max(record["verified"]["largest_difference"].values()) < 0.5
    graph = onnx.load(file).graph
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)
    assert file.stat().st_size < 0.6 * exported_model.stat().st_size
    one, other = vergence.load(file).predict(picture()), vergence.load(exported_run).predict(picture())
    assert np.abs(one.depth / other.depth - 1).mean() < 0.1


def test_last_layers_stay(exported_model: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    graph = onnx.load(exported_model).graph
    kept, kinds = last_layers(graph), {node.name: node.op_type for node in graph.node}
    assert len(kept) == 2  # of depth and of classes
    assert {kinds[name] for name in kept} == {"Conv"}


def test_ranges_are_measured_on_real_frames(exported_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra export")
    with pytest.raises(InputError, match=r"made-up pictures, .*; give some with --frames"):
        api.export(exported_run, "onnx", tmp_path / "m.onnx", precision="int8")
    with pytest.raises(InputError, match="precision int8 is of --to onnx and --to openvino"):
        api.export(exported_run, "torch", tmp_path / "m.pt2", precision="int8")
    assert list(tmp_path.iterdir()) == []
