"""Files are opened by what they say of themselves; damaged, incomplete and hostile ones are one sentence."""

import os
import pickle
import sys
import zipfile
from pathlib import Path

import pytest

import vergence
from tests.inference.stored import picture
from tests.inference.test_exported_facts import FACTS
from vergence.errors import InputError
from vergence.inference.exported_engines import exported_file, open_exported


def test_whose_a_file_is(exported_model: Path, tmp_path: Path) -> None:
    assert (
        exported_file(exported_model)
        == exported_file(f"onnx:{exported_model}")
        == exported_file(f"onnx-depth:{exported_model}")
        == exported_model
    )
    foreign = tmp_path / "foreign.onnx"
    for content in (b"", b"\x08\x08" * 40, exported_model.read_bytes()[:5000], b"\xff" * 300):
        foreign.write_bytes(content)
        assert exported_file(foreign) is None  # a depth exported_model of others, or nothing
    assert exported_file("hf:some/model") is None
    assert exported_file(tmp_path) is None
    with pytest.raises(InputError, match=r"absent\.pt2 does not exist"):
        exported_file(tmp_path / "absent.pt2")


@pytest.mark.parametrize("cut", [100, 20_000, -4000])
def test_a_file_that_was_cut_off(exported_model: Path, tmp_path: Path, cut: int) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(exported_model.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"model\.onnx") as raised:
        vergence.load(damaged).predict(picture())
    assert "\n" not in str(raised.value)


def test_a_graph_that_is_no_graph(exported_model: Path, tmp_path: Path) -> None:
    damaged, content = tmp_path / "model.onnx", bytearray(exported_model.read_bytes())
    content[2000:4000] = bytes(2000)  # its facts, at the end, stay whole
    damaged.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.onnx cannot be opened"):
        vergence.load(damaged)


def test_weights_that_lie_elsewhere_and_are_not_there(exported_model: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    stored, file = onnx.load(exported_model), tmp_path / "model.onnx"
    onnx.save(stored, file, save_as_external_data=True, location="model.data", size_threshold=1024)
    assert vergence.load(file).predict(picture()).depth is not None
    (tmp_path / "model.data").unlink()
    with pytest.raises(InputError, match=r"model\.onnx cannot be opened .* or copy all of its files"):
        vergence.load(file)


@pytest.mark.parametrize("suffix", [".pt2", ".xml"])
def test_what_is_no_program(suffix: str, tmp_path: Path) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino", reason="needs the extra openvino")
    file = tmp_path / f"model{suffix}"
    file.with_suffix(".bin").write_bytes(bytes(64))
    for content in (b"", b"<net", b"PK\x03\x04" + bytes(200), b"<?xml version='1.0'?><plan/>"):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be opened|was not exported by Vergence") as raised:
            open_exported(file)
        assert "\n" not in str(raised.value)


class Opens:
    """What a hostile pickle does when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize(
    "place",
    [
        "archive/data/sample_inputs/model.pt",
        "archive/data/constants/opaque_obj_0",
        "archive/data/constants/custom_obj_0",
    ],
)
def test_nothing_is_unpickled(place: str, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "model.pt2"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/extra/vergence.json", FACTS.text())
        archive.writestr(f"archive/data/{place}", pickle.dumps(Opens(canary)))
    with pytest.raises(InputError, match=r"model\.pt2"):
        open_exported(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/extra/vergence.json", FACTS.text())
        archive.writestr(
            "archive/data/weights/model_weights_config.json",
            '{"config": {"w": {"path_name": "weight_0", "is_param": true, "use_pickle": true}}}',
        )
        archive.writestr("archive/data/weights/weight_0", pickle.dumps(Opens(canary)))
    with pytest.raises(InputError, match="would have to be unpickled"):
        open_exported(file)
    assert not canary.exists()


def test_a_missing_library(exported_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime, .* run pip install 'vergence\[export\]'"):
        vergence.load(exported_model)
