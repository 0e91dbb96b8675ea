"""The manifest that a prediction of classes leaves behind, and training data made of it."""

from pathlib import Path

import pytest

from tests.inference.test_class_files import SPACE, made_run
from tests.inference.test_label_port import ids, world
from vergence.api import predict
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.errors import InputError
from vergence.inference.frame_streams import VideoStream
from vergence.inference.label_port import with_pseudo_labels

SIZE = (32, 48)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def test_it_names_what_was_predicted_and_can_be_trained_on(tmp_path: Path) -> None:
    data, out = world(tmp_path / "w"), tmp_path / "out"
    record = predict(made_run(tmp_path), data, out, overlay=False, confidence=True)
    assert record["manifest"] == "manifest.parquet"
    written = Manifest.read(out / "manifest.parquet")
    assert [int(ids(written, k).max()) for k in range(6)] == [0, 1, 2, 0, 1, 2]
    assert written[0].pseudo_label == "labels/image/0.png"
    assert written[0].confidence == "confidence/image/0.png"
    assert written[0].pseudo_label_space == SPACE.text()
    assert read_label(written.path(3, "label")).max() == 1  # people's labels stay in their column
    assert not written[0].stereo_pseudo_label
    found = with_pseudo_labels(written, "manifest", SIZE)
    options = FrameOptions(height=32, width=48, load_pseudo_label="all", label_space=SPACE.text())
    assert FrameDataset(found, options, train=False)[2]["pseudo_label"][:, 0, 0].tolist() == [2, 1, 0]
    assert with_pseudo_labels(data, str(out), SIZE).path(3, "pseudo_label").resolve() == out / "labels/image/3.png"


def test_partners_too(tmp_path: Path) -> None:
    data, out, run = world(tmp_path / "w"), tmp_path / "out", made_run(tmp_path)
    assert predict(run, data, out, overlay=False, partners=True)["frames"] == 12
    assert run.method.shown == 12
    written = Manifest.read(out / "manifest.parquet")
    assert len(written) == 6
    assert written[2].stereo_pseudo_label == "labels/right/2.png"
    found = with_pseudo_labels(data, str(out), SIZE)
    assert found.path(4, "stereo_pseudo_label").resolve() == out / "labels/right/4.png"
    assert not found[4].confidence
    with pytest.raises(InputError, match="no stereo partners to predict"):
        predict(run, world(tmp_path / "v", stereo=False), tmp_path / "other", partners=True)


def test_calls_add_up(tmp_path: Path) -> None:
    data, out, run = world(tmp_path / "w"), tmp_path / "out", made_run(tmp_path)
    predict(run, data, out, overlay=False, split="train", confidence=True)
    written = Manifest.read(out / "manifest.parquet")
    assert len(written) == 6  # the other split's row is there, without a label
    assert [bool(row.pseudo_label) for row in written] == [True] * 5 + [False]
    (out / "labels/image/0.png").unlink()
    predict(run, data, out, overlay=False, split="val")
    written = Manifest.read(out / "manifest.parquet")
    assert {row.position for row in written if row.pseudo_label} == {1, 2, 3, 4, 5}
    assert [row.position for row in written if row.confidence] == [1, 2, 3, 4]


def test_videos_have_neither_rows_nor_partners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = VideoStream.__new__(VideoStream)
    monkeypatch.setattr("vergence.inference.predict.open_stream", lambda *_: video)
    with pytest.raises(InputError, match="is a video, which has no stereo partners"):
        predict(made_run(tmp_path), tmp_path / "drive.mp4", tmp_path / "out", partners=True)
