"""Labels go to an annotator and come back."""

from pathlib import Path

import numpy as np
import pytest

from tests.command_line import sentence
from vergence import api
from vergence.cli import main


def test_labels_go_out_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.data.annotation.annotated import read_labels, world

    label = np.array([[0, 1, 255], [2, 2, 255]], dtype=np.uint8)
    world(tmp_path, [label, None]).write(tmp_path / "m.csv")
    words = ["labels", "export", "m.csv", "--to", "cvat", "--out", "out.zip"]
    paths = {"m.csv", "out.zip", "new.csv"}
    assert main([str(tmp_path / word) if word in paths else word for word in words]) == 0
    assert "2 frames in" in capsys.readouterr().out
    words = ["labels", "import", "out.zip", "--from", "cvat", "--data", "m.csv", "--out", "new.csv"]
    assert main([str(tmp_path / word) if word in paths else word for word in words]) == 0
    assert "1 of 2 frames labelled from cvat; without annotation and as before: 1" in capsys.readouterr().out
    found = read_labels(tmp_path / "new.csv")
    np.testing.assert_array_equal(found[0], label)
    assert found[1] is None
    words = [str(tmp_path / word) if word in paths else word for word in words]
    assert "b/000.png has no annotation" in sentence(capsys, *words, "--complete")


def test_frames_without_label_are_predicted_on_their_way_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.data.annotation.annotated import LABEL, SPACE, bare, read_labels, world
    from tests.data.annotation.servers.studio_answers import LEGACY, answering
    from vergence.inference import prelabel

    class Guess:
        space = SPACE

        def __init__(self, run: Path, device: str) -> None:
            assert device == "cpu"

        def __call__(self, image: Path) -> np.ndarray:
            return LABEL

    monkeypatch.setattr(prelabel, "Prelabeller", Guess)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    (tmp_path / "run").mkdir()
    bare(world(tmp_path, [LABEL, LABEL])).write(tmp_path / "m.csv")
    with answering() as studio:
        counts = api.labels_push(
            tmp_path / "m.csv", "label_studio", studio.url, "yard", run=tmp_path / "run", device="cpu"
        )
        assert counts == {"frames": 2, "before": 0, "labels": 0, "predictions": 2}
        studio.tasks[0]["annotations"] = [{"result": studio.tasks[0]["predictions"][0]["result"]}]
        done = api.labels_pull("label_studio", studio.url, "yard", tmp_path / "m.csv", tmp_path / "new.csv")
    assert (done.imported, done.missing) == (1, 1)
    np.testing.assert_array_equal(read_labels(tmp_path / "new.csv")[0], LABEL)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("propagate", "--checkpoint", "100"), "--checkpoint says"),
        (("propagate", "--field_of_view", "90"), "--field_of_view says"),
        (("export", "--to", "png", "--checkpoint", "best", "--device", "cuda"), "--checkpoint and --device say"),
        (("push", "--to", "cvat", "--url", "http://127.0.0.1:9", "--checkpoint", "best"), "--checkpoint says"),
    ],
)
def test_what_is_said_about_a_run_needs_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], named: str
) -> None:
    out = () if words[0] == "push" else ("--out", tmp_path / "out.csv")
    said = sentence(capsys, "labels", words[0], tmp_path / "m.csv", *words[1:], *out)
    assert f"{named} something about a run, and none is named; add --run" in said
    assert list(tmp_path.iterdir()) == []
