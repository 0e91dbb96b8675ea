"""What the page shows: files that are there, numbers that are right, videos."""

from pathlib import Path

import numpy as np
import pytest

import vergence
from tests.ply import read_ply
from tests.serving.served import both, noise
from vergence.data.measured.depth_files import ColourRange
from vergence.data.pictures import picture_size
from vergence.data.videos.video_writer import write_video
from vergence.inference.predictor import Predictor
from vergence.serving.shown import depth_bar, safe_stem, show_picture, show_video


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return vergence.load(both(tmp_path_factory.mktemp("shown") / "run"), "cpu")


def test_a_picture(predictor: Predictor, tmp_path: Path) -> None:
    seen = predictor.predict(noise())
    said = show_picture(predictor, seen, tmp_path, "frame")
    assert [figure["title"] for figure in said["figures"]] == ["Picture", "Depth", "Classes", "Confidence"]
    for figure in said["figures"]:
        assert picture_size(tmp_path / figure["file"]) == (96, 48)
    shares = [entry["share"] for entry in said["figures"][2]["legend"]]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    files = dict(map(reversed, said["files"]))
    assert set(files) == {"frame.npz", "frame-depth.png", "frame-classes.png", "frame.ply", "frame.glb"}
    with np.load(tmp_path / "frame.npz", allow_pickle=False) as maps:
        np.testing.assert_array_equal(maps["depth"], seen.depth)
    assert len(read_ply(tmp_path / "frame.ply").points) == 96 * 48
    assert said["cloud"] == "frame.glb"


def test_a_video(predictor: Predictor, tmp_path: Path) -> None:
    write_video(tmp_path / "drive.mp4", (np.asarray(noise(96 + 0 * n)) for n in range(6)), 5)
    out = tmp_path / "out"
    out.mkdir()
    said = show_video(predictor, str(tmp_path / "drive.mp4"), out, "drive", 4)
    assert said["video"]["text"] == "4 frames, the first 4 of about 6, 5 frames a second"
    frames = list(predictor.stream(out / "drive.mp4"))
    assert len(frames) == 4
    assert frames[0].image.shape == (48, 3 * 96, 3)
    assert said["files"][0] == ("Video (MP4)", "drive.mp4")
    assert "frame 2" in said["figures"][0]["text"]


def test_a_bar_says_depth_at_its_ends() -> None:
    bar = depth_bar(ColourRange(0.0125, 0.5), "metres")
    assert (bar["low"], bar["middle"], bar["high"], bar["of"]) == ("80", "3.9", "2", "depth, metres")
    assert depth_bar(ColourRange(0, 1), "unscaled")["low"] == "∞"
    assert len(bar["colours"]) == 13


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a b", "a_b"), ("../../x", "x"), ("ä<script>", "script"), ("", "picture"), ("x" * 200, "x" * 60),
     ("...", "picture")],
)  # fmt: skip
def test_names_for_files(name: str, kept: str) -> None:
    assert safe_stem(name) == kept
