"""Predictions into a folder that holds earlier ones: what stays, what is made again, what is told."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.inference.predicted import RedMethod, folder, made_run, picture
from vergence.api import predict
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError


def test_frames_that_exist_are_skipped_and_missing_ones_are_made_with_the_same_range(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    first = RedMethod()
    record = predict(made_run(tmp_path, first), frames, out)
    before = (out / "colour" / "001.jpg").read_bytes()
    (out / "colour" / "001.jpg").unlink()
    second = RedMethod()
    seen = []
    again = predict(made_run(tmp_path, second), frames, out, progress=lambda done, total: seen.append((done, total)))
    assert second.shown == 1
    assert seen == [(3, 3)]
    assert again == record
    assert (out / "colour" / "001.jpg").read_bytes() == before
    third = RedMethod()
    predict(made_run(tmp_path, third), frames, out, overwrite=True)
    assert third.shown == first.shown


def test_results_of_other_weights_settings_or_pictures_are_made_again(tmp_path, caplog):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)

    def fresh(run, **settings):
        """Exactly what a folder of its own would have."""
        caplog.clear()
        record = predict(run, frames, out, **settings)
        expected = predict(run, frames, tmp_path / "fresh", overwrite=True, **settings)
        assert record == expected
        for path in (tmp_path / "fresh").rglob("*.png"):
            assert (out / path.relative_to(tmp_path / "fresh")).read_bytes() == path.read_bytes()
        return caplog.text

    class Nearer(RedMethod):
        def predict(self, images):
            return {"inverse_depth": 2 * images[:, :1] + 0.01 + self.weight, "disparity": images[:, :1]}

    assert "made again" not in fresh(made_run(tmp_path))
    assert "3 frames" in fresh(made_run(tmp_path, step=8))
    other = made_run(tmp_path, Nearer(), step=8)  # a run of the same name and step
    other.method.weight.data += 1
    assert "3 frames" in fresh(other)
    assert "3 frames" in fresh(other, scale=2.0)
    state = (frames / "001.png").stat()
    Image.fromarray(picture(60)).save(frames / "001.png")  # a changed picture, even with its old time
    os.utime(frames / "001.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "made again" in fresh(other, scale=2.0)
    (out / "predictions.json").write_text("{")
    with pytest.raises(InputError, match=r"predictions\.json"):
        predict(other, frames, out)


def test_results_follow_what_is_taken_for_white(tmp_path, monkeypatch, caplog):
    """The files are the same, their pictures are not."""
    frames, out, run = tmp_path / "frames", tmp_path / "out", made_run(tmp_path)
    frames.mkdir()
    for number in range(3):
        Image.fromarray(picture(40)[..., 0].astype(np.uint16) << 4).save(frames / f"{number}.png")
    predict(run, frames, out)
    predict(run, frames, out)
    assert "made again" not in caplog.text
    monkeypatch.setenv("VERGENCE_WHITE_LEVEL", "1000")
    predict(run, frames, out)
    assert "3 frames" in caplog.text


def test_files_of_frames_that_are_no_longer_asked_for_are_told_and_not_counted(tmp_path, caplog):
    out, run = tmp_path / "out", made_run(tmp_path)
    predict(run, folder(tmp_path), out)
    (tmp_path / "frames" / "002.png").unlink()
    record = predict(run, tmp_path / "frames", out)
    assert (record["frames"], record["left_over"]) == (2, 2)
    assert "holds 2 files of earlier predictions that this call does not make" in caplog.text
    path = write_video(tmp_path / "a.mp4", (picture(40) for _ in range(6)), 10)
    assert predict(run, path, tmp_path / "v")["frames"] == 6
    shorter = write_video(tmp_path / "b.mp4", (picture(200) for _ in range(3)), 10)
    assert predict(run, shorter, tmp_path / "v")["frames"] == 3
    assert predict(run, shorter, tmp_path / "v", limit=2)["frames"] == 2


def test_what_predict_has_not_made_is_not_touched(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    (out / "depth").mkdir(parents=True)
    (out / "depth" / "001.png").write_bytes(b"measured by somebody")
    with pytest.raises(InputError, match=r"depth/001\.png is there and no earlier prediction"):
        predict(made_run(tmp_path), frames, out)
    assert (out / "depth" / "001.png").read_bytes() == b"measured by somebody"
    assert not (out / "predictions.json").exists()
    assert predict(made_run(tmp_path), frames, out, overwrite=True)["frames"] == 3
