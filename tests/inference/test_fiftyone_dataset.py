"""A FiftyOneDataset read back by its documented layout: every path is there and holds what the prediction says."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run, video
from vergence.errors import InputError

PYTHON = "VERGENCE_FIFTYONE"
"""Environment variable: a Python that has the packages fiftyone and mongomock, in an environment of its own."""


def read_back(folder: Path) -> tuple[dict, list[dict]]:
    metadata = json.loads((folder / "metadata.json").read_text())
    assert "version" not in metadata  # else it must be a document of FiftyOne's data base
    samples = json.loads((folder / "samples.json").read_text())["samples"]
    return metadata, [sample | {"filepath": folder / sample["filepath"]} for sample in samples]


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / "in" / "a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(tmp_path / "in" / "a" / f"{number}.png")
    run, out = stored_run(tmp_path / "run"), tmp_path / "out"
    record = vergence.predict(run, tmp_path / "in", out, to="fiftyone", confidence=True, device="cpu")
    assert record["fiftyone"] == "fiftyone"
    metadata, samples = read_back(out / "fiftyone")
    assert metadata["media_type"] == "image"
    assert metadata["info"]["default_mask_targets"] == {"1": "sky", "2": "road", "3": "car"}
    assert metadata["info"]["png_factor"] == record["png_factor"]
    assert len(samples) == 2
    for number, sample in enumerate(samples):
        assert np.array_equal(np.asarray(Image.open(sample["filepath"])), picture(number))
        assert (sample["metadata"]["width"], sample["metadata"]["height"]) == (160, 90)
        assert sample["segmentation"]["_cls"] == "Segmentation"
        mask = np.asarray(Image.open(sample["segmentation"]["mask_path"]))
        labels = np.asarray(Image.open(out / "labels" / f"{sample['name']}.png"))
        assert mask.shape == (90, 160)
        assert np.array_equal(mask, labels + 1)
        assert sample["depth"]["_cls"] == "Heatmap"
        depth = np.asarray(Image.open(sample["depth"]["map_path"])).astype(int)
        low, high = sample["depth"]["range"]
        assert low == 0
        assert 0.9 < (depth <= high).mean() <= 1  # the range is that of the colours, which leave 2 % at each end
        assert sample["confidence"]["range"] == [0, 255]
        assert Path(sample["confidence"]["map_path"]).is_file()
        assert "depth_confidence" not in sample
    again = vergence.predict(run, tmp_path / "in", out, to="fiftyone", confidence=True, device="cpu")
    assert again["frames"] == 2
    assert np.array_equal(np.asarray(Image.open(tmp_path / "in" / "a" / "0.png")), picture(0))  # read, never written


@pytest.mark.slow
@pytest.mark.skipif(
    PYTHON not in os.environ,
    reason=f"FiftyOne is not installed; {PYTHON} should name a Python that has it (see CONTRIBUTING.md)",
)
def test_fiftyone_itself_reads_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(2):
        Image.fromarray(picture(number)).save(tmp_path / "in" / f"{number}.png")
    run, out = stored_run(tmp_path / "run"), tmp_path / "out"
    vergence.predict(run, tmp_path / "in", out, to="fiftyone", confidence=True, device="cpu")
    reader = Path(__file__).with_name("fiftyone_reader.py")
    done = subprocess.run(
        [os.environ[PYTHON], reader, out / "fiftyone"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["media_type"], found["classes"], found["unit"]) == ("image", ["sky", "road", "car"], "unscaled")
    assert found["targets"] == {"1": "sky", "2": "road", "3": "car"}
    assert [sample["size"] for sample in found["samples"]] == [[160, 90]] * 2
    for number, sample in enumerate(found["samples"]):
        labels, depth, sure = (
            np.asarray(Image.open(out / kind / f"{number}.png")) for kind in ("labels", "depth", "confidence")
        )
        assert np.array_equal(np.asarray(Image.open(sample["filepath"])), picture(number))
        assert np.array_equal(sample["mask"], labels + 1)
        assert np.array_equal(sample["depth"], depth)
        assert np.array_equal(sample["confidence"], sure)
        assert 0 < (depth <= sample["range"][1]).mean() <= 1


def test_frames_of_a_video_are_pictures(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run")
    options = {"to": "fiftyone", "video": False, "depth": False, "device": "cpu"}
    vergence.predict(run, video(tmp_path / "drive.mp4", 3), tmp_path / "out", **options)
    _, samples = read_back(tmp_path / "out" / "fiftyone")
    assert [sample["filepath"].name for sample in samples] == ["000000.jpg", "000001.jpg", "000002.jpg"]
    shown = np.asarray(Image.open(samples[1]["filepath"])).astype(int)
    assert np.abs(shown - picture(1)).mean() < 6  # lossy video
    assert "depth" not in samples[0]
    assert "segmentation" in samples[0]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "fiftyone").mkdir(parents=True)
    (tmp_path / "out" / "fiftyone" / "metadata.json").write_text("{}")
    Image.fromarray(picture()).save(tmp_path / "frame.png")
    with pytest.raises(InputError, match="fiftyone is there and is no data set that predict has made"):
        vergence.predict(
            stored_run(tmp_path / "run"), tmp_path / "frame.png", tmp_path / "out", to="fiftyone", device="cpu"
        )
    assert not (tmp_path / "out" / "depth").exists()
