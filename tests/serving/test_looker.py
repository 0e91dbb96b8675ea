"""What the worker says of itself, and how sentences lose their folders."""

from pathlib import Path

import pytest

from tests.inference.foreign import Session, use
from tests.serving.served import both, noise
from vergence.errors import InputError
from vergence.serving.looker import Looker, _name, without_folders


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/srv/a/c.png is damaged", "c.png is damaged"), ("of /srv/a/: nothing", "of : nothing"),
        ("see (/root/x/y.txt); or /etc/passwd.", "see (y.txt); or passwd."), ("1/2 and a/b", "1/2 and a/b"),
        (r"C:\Users\me\c.png is", "c.png is"), ("ask http://localhost:1/a/b", "ask http://localhost:1/a/b"),
    ],
)  # fmt: skip
def test_sentences_keep_the_names_of_files_only(text: str, kept: str) -> None:
    assert without_folders(text) == kept


def test_what_a_model_is(tmp_path: Path) -> None:
    looker = Looker(str(both(tmp_path / "run")), {"device": "cpu"})
    about = looker.about()
    assert about["name"] == "run"
    assert [entry["name"] for entry in about["classes"]] == list(looker.predictor.class_names)
    assert about["digest"] == looker.predictor.network.made_by()["weights"]
    assert str(tmp_path) not in str(about)
    noise().save(tmp_path / "frame.png")
    said, body = looker.show(str(tmp_path / "frame.png"), str(tmp_path), "frame", 3)
    assert body == b""
    assert {file for _, file in said["files"]} <= {path.name for path in tmp_path.iterdir()}
    assert looker.worst(str(tmp_path), 3)[0] == {"frames": []}


def test_a_damaged_model_of_others_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Session)
    (tmp_path / "m.onnx").write_bytes(b"broken")
    for name in (f"{tmp_path}/m.onnx", f"onnx-depth:{tmp_path}/m.onnx"):
        with pytest.raises(
            InputError, match=r"m\.onnx is no ONNX model that can be run \(no protobuf\); export it anew"
        ):
            Looker(name, {"device": "cpu"})
    (tmp_path / "m.onnx").write_bytes(b"whole")
    assert Looker(f"{tmp_path}/m.onnx", {"device": "cpu"}).about()["name"] == "onnx:m.onnx"


@pytest.mark.parametrize(
    ("text", "name"),
    [("run", "run"), ("/a/b/model.onnx", "model.onnx"), ("onnx-depth:/a/m.onnx", "onnx-depth:m.onnx"),
     ("hf:depth-anything/X", "hf:depth-anything/X"), ("hf:/a/b/X", "hf:X")],
)  # fmt: skip
def test_names_of_models_say_not_where_they_lie(text: str, name: str) -> None:
    assert _name(text) == name
