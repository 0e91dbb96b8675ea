"""Files that are exported: they say what the run says, tell what they are, and are whole or absent."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vergence
from tests.exported_runs import assert_same
from tests.inference.stored import SPACE, picture, video
from tests.small_runs import HEIGHT, WIDTH
from vergence import api
from vergence.cli import main
from vergence.errors import InputError
from vergence.exporting import export as exporting
from vergence.inference.exported_facts import Facts
from vergence.inference.networks import weights_digest
from vergence.runs.checkpoint import load_run


def test_an_onnx_file_is_the_same_object_as_its_run(exported_run: Path, exported_model: Path) -> None:
    assert_same(exported_model, exported_run, picture())
    assert_same(exported_model, exported_run, picture(), flip=True)
    assert_same(f"onnx:{exported_model}", exported_run, picture(1), scale=2.5)
    loaded = vergence.load(exported_model, batch_size=3)
    assert loaded.tasks == vergence.load(exported_run).tasks
    streamed = list(loaded.stream([picture(seed) for seed in range(4)]))
    assert np.array_equal(streamed[3].depth, loaded.predict(picture(3)).depth)


def test_the_file_says_what_it_is(exported_run: Path, exported_model: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    stored = onnx.load(exported_model)
    told = {entry.key: entry.value for entry in stored.metadata_props}
    facts = json.loads(told["vergence"])
    assert facts == json.loads(Path(f"{exported_model}.json").read_text())
    assert facts["classes"] == ["sky", "road", "car"] == told["classes"].split(", ")
    assert facts["label_space"] == SPACE
    assert (facts["unit"], facts["size"], facts["batch"]) == ("unscaled", {"height": HEIGHT, "width": WIDTH}, 1)
    assert facts["weights"] == weights_digest(load_run(exported_run))
    assert facts["vergence"] == vergence.__version__
    assert "licences of the training data" in facts["licence"]
    assert set(facts["verified"]["largest_difference"]) == set(facts["outputs"])
    assert max(facts["verified"]["largest_difference"].values()) < 1e-4
    assert [entry.name for entry in stored.graph.output] == list(facts["outputs"])
    assert b"/src/vergence" not in exported_model.read_bytes()  # where it was made is nobody's business


def test_pixels_go_in_as_they_are(exported_run: Path, exported_model: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra export")
    images = np.random.default_rng(0).integers(0, 256, (1, 3, HEIGHT, WIDTH), dtype=np.uint8)
    session = runtime.InferenceSession(str(exported_model))
    found = dict(zip([one.name for one in session.get_outputs()], session.run(None, {"images": images}), strict=True))
    method = load_run(exported_run).method
    with torch.no_grad():
        wanted = method.predict(torch.from_numpy(images).float() / 255)
    assert np.allclose(found["inverse_depth"], wanted["inverse_depth"], rtol=1e-4)
    assert np.allclose(found["depth"], 1 / wanted["inverse_depth"], rtol=1e-4)
    probabilities = wanted["logits"].softmax(dim=1)
    assert np.array_equal(found["classes"], probabilities.argmax(dim=1))
    assert found["classes"].dtype == np.uint8
    assert np.allclose(found["confidence"], probabilities.amax(dim=1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "name", "library"),
    [
        ("torch", "model.pt2", "torch"),
        ("onnx", "model.onnx", "onnxruntime"),
        ("openvino", "model.xml", "openvino"),
    ],
)
def test_a_file_of_any_size_and_number(to: str, name: str, library: str, exported_run: Path, tmp_path: Path) -> None:
    pytest.importorskip(library, reason="needs the extra export")
    file = tmp_path / name
    record = api.export(exported_run, to, file, size="any", batch="any", input="float", scale=3)
    assert (record["size"], record["batch"], record["unit"]) == (None, None, "metres")
    one, other = vergence.load(file).predict(picture()), vergence.load(exported_run, scale=3).predict(picture())
    assert one.unit == "metres"
    assert np.allclose(one.depth, other.depth, rtol=1e-4)
    # windows of another size than the run's
    windows = f"{WIDTH // 2}x{HEIGHT}"
    one, other = (vergence.load(source, window=windows).predict(picture()) for source in (file, exported_run))
    assert (one.classes != other.classes).mean() < 0.001
    assert np.allclose(one.confidence, other.confidence, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "name", "library", "settings"),
    [
        ("torch", "model.pt2", "torch", {"size": "any", "batch": "any", "input": "uint8", "logits": False}),
        ("onnx", "model.onnx", "onnxruntime", {"size": "any", "batch": 1, "input": "float", "logits": False}),
        ("onnx", "model.onnx", "onnxruntime", {"batch": "any", "input": "uint8"}),
        ("openvino", "model.xml", "openvino", {"size": "any", "batch": "any", "input": "uint8"}),
    ],
)
def test_half_precision_at_any_and_at_one_size(
    to: str, name: str, library: str, settings: dict[str, Any], exported_run: Path, tmp_path: Path
) -> None:
    pytest.importorskip(library, reason="needs the extra of its name")
    record = api.export(exported_run, to, tmp_path / name, precision="fp16", **settings)
    free = settings.get("size") == "any"
    assert (record["size"] is None, record["input"]) == (free, settings["input"])
    assert ("logits" in record["outputs"]) is settings.get("logits", True)
    assert max(record["verified"]["largest_difference"].values()) < 0.03
    own = np.asarray(Image.fromarray(picture()).resize((WIDTH, HEIGHT)))  # at its size no logits are missed
    shown = np.tile(own, (2, 1, 1)) if free and to != "torch" else own
    assert_same(tmp_path / name, exported_run, shown, 0.02)


def test_openvino_without_logits_in_16_bits(exported_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs the extra openvino")
    file = tmp_path / "model.xml"
    record = api.export(exported_run, "openvino", file, precision="fp16", logits=False, batch=2)
    assert "logits" not in record["outputs"]
    assert 0 < max(record["verified"]["largest_difference"].values()) < 0.03
    # at the network's size nothing is resized, so no logits are missed
    own = np.asarray(Image.fromarray(picture()).resize((WIDTH, HEIGHT)))
    assert_same(file, exported_run, own, 0.02)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml", "model.xml.json"]
    file.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match=r"has no model\.bin beside it"):
        vergence.load(file)


def test_frames_that_are_given_are_compared(
    exported_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, file = video(tmp_path / "clip.mp4"), tmp_path / "out" / "model.pt2"
    assert main(["export", str(exported_run), "--to", "torch", "--out", str(file), "--frames", str(clip)]) == 0
    assert "frames of clip.mp4; stated 0.001" in capsys.readouterr().out
    assert json.loads(Path(f"{file}.json").read_text())["verified"]["on"] == "frames of clip.mp4"


def test_predict_of_a_file_writes_the_same_files(exported_run: Path, exported_model: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 2)
    for source, out in ((exported_run, "one"), (exported_model, "other")):
        assert main(["predict", str(source), str(clip), "--out", str(tmp_path / out), "--tracker"]) == 0
    names = [
        sorted(path.relative_to(tmp_path / out) for path in (tmp_path / out).rglob("*")) for out in ("one", "other")
    ]
    assert names[0] == names[1]
    for name in ("labels/000001.png", "depth/000001.png"):
        one, other = (np.asarray(Image.open(tmp_path / out / name)).astype(int) for out in ("one", "other"))
        assert np.abs(one - other).max() <= 1


def test_too_large_a_difference_leaves_no_file(
    exported_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = {"depth": 0.0, "logits": float("nan")}
    for found, words in (({"classes": 0.0, "depth": 0.01}, "depth"), (nan, "logits")):
        monkeypatch.setattr(exporting, "compared", lambda *given, found=found: found)
        with pytest.raises(InputError, match=rf"the file's {words} differs .* no file is written"):
            api.export(exported_run, "torch", tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"to": "onix"}, r"format 'onix' is unknown \(did you mean 'onnx'\?\)"),
        ({"out": "model.pt"}, r"model\.pt does not end in \.onnx, as onnx files do"),
        ({"out": "model.xml"}, "or --to openvino"),
        ({"size": "100x50"}, "no multiple of 32 in both; .* such as 96x64"),
        ({"size": "wide"}, "is no size"),
        ({"batch": "0"}, "batch is 0"),
        ({"batch": "few"}, "give a number or any"),
        ({"input": "int"}, "use uint8 or float"),
        ({"precision": "fp8"}, "use fp32 or fp16"),
        ({"tolerance": -1.0}, "positive share"),
        ({"scale": "metric"}, "scale 'metric' is not possible"),
        ({"frames": "nowhere.mp4"}, "nowhere"),
        ({"out": "folder.onnx"}, "is a folder"),
        ({"out": "file/model.onnx"}, "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    changes: dict[str, object], words: str, exported_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("in the way")
    before = sorted(tmp_path.rglob("*"))
    given = {"to": "onnx", "out": "model.onnx"} | changes
    given["out"] = tmp_path / str(given["out"])
    with pytest.raises(InputError, match=words) as raised:
        api.export(exported_run, **given)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(("to", "name"), [("onnx", "m.onnx"), ("torch", "m.pt2"), ("openvino", "m.xml")])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(
    to: str, name: str, exported_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource", reason="has no limit of the size of files")
    (tmp_path / name).write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        assert main(["export", str(exported_run), "--to", to, "--out", str(tmp_path / name)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(rf"{tmp_path}/m\.\w+ cannot be written \(", said)
    assert said.endswith("; free some space or give an output folder that can be written.")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_no_run_and_no_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        assert main(["export", str(tmp_path / folder), "--to", "torch", "--out", str(tmp_path / "m.pt2")]) == 2
        assert capsys.readouterr().err.startswith("vergence: ")
    assert not (tmp_path / "m.pt2").exists()


def test_a_missing_library_says_what_to_install(
    exported_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        InputError, match=r"needs openvino, which is not installed; run pip install 'vergence\[openvino\]'"
    ):
        api.export(exported_run, "openvino", tmp_path / "model.xml")


def test_facts_are_read_as_they_were_written(exported_model: Path) -> None:
    from vergence.inference.exported_facts import read_facts

    facts = read_facts(Path(f"{exported_model}.json").read_text(), exported_model)
    assert isinstance(facts, Facts)
    assert read_facts(facts.text(), exported_model) == facts
    assert replace(facts, batch=2).digest() != facts.digest()
