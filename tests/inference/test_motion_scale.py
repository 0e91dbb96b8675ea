"""Metres by known motion: exact on toy town, stated intervals, and motion that does not fit the clip."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.predicted import made_run
from vergence.api import predict
from vergence.data.imaging.images import frame_depth
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import format_pose
from vergence.data.toytown import TownOptions, write_toytown
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.geometry.pose import matrix_to_axis_angle
from vergence.inference.frame_streams import open_stream
from vergence.inference.looks import Looks
from vergence.inference.motion_scale import factor_of_motion
from vergence.inference.predictor import load
from vergence.inference.scaling import Asked
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun

UNIT = 5.4
"""Metres in a unit of the run that knows all."""
SIZE = (64, 128)


class Knows(Method):
    """Says the true depth and motion of the frames of a manifest in another unit; finds a frame by its picture."""

    tasks = ("depth",)

    def __init__(self, town: Manifest, share: float = 1.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        pictures = [np.asarray(Image.open(town.path(k)).convert("RGB")) for k in range(len(town))]
        self.pictures = torch.stack([torch.from_numpy(each.copy()).permute(2, 0, 1) / 255 for each in pictures])
        depths = [frame_depth(town, k) for k in range(len(town))]
        self.inverse = torch.stack([torch.from_numpy(np.where(each > 0, UNIT / np.maximum(each, 1e-3), 0.01))
                                    for each in depths]).float()  # fmt: skip
        self.poses = np.stack([town[k].pose_matrix() for k in range(len(town))])
        self.share, self.pose = share, self.motion

    def found(self, images: torch.Tensor) -> list[int]:
        return [int((self.pictures - image).abs().mean((1, 2, 3)).argmin()) for image in images]

    def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        inverse = self.inverse[self.found(images)][:, None]
        return {"inverse_depth": inverse, "disparity": inverse}

    def motion(self, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = self.found(pairs[:, 0]), self.found(pairs[:, 1])
        moved = torch.from_numpy(np.linalg.inv(self.poses[second]) @ self.poses[first])
        return matrix_to_axis_angle(moved[:, :3, :3]), self.share * moved[:, :3, 3] / UNIT


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """One street of 40 frames, some of which stand still."""
    options = TownOptions(seed=3, width=SIZE[1], height=SIZE[0], stereo=False)
    written = write_toytown(tmp_path_factory.mktemp("town"), options, {"train": 1}, frames=40, workers=1)
    return Manifest.read(written)


@pytest.fixture
def run(town: Manifest, tmp_path: Path) -> LoadedRun:
    return made_run(tmp_path, Knows(town))


def places(town: Manifest) -> np.ndarray:
    return np.stack([town[k].pose_matrix()[:3, 3] for k in range(len(town))])


def times(town: Manifest) -> np.ndarray:
    return np.array([town[k].position for k in range(len(town))]) / town[0].fps


def factor(run: LoadedRun, data: Manifest | Path, limit: int | None = None, **asked: object) -> tuple[float, str]:
    return factor_of_motion(Looks(load(run, "cpu")), open_stream(data, limit=limit), Asked(**asked), 60.0)  # type: ignore[arg-type]


def interval(words: str) -> tuple[float, float]:
    found = re.search(r"90 % of them ([\d.]+) to ([\d.]+)", words)
    assert found is not None
    return float(found[1]), float(found[2])


def kitti(path: Path, town: Manifest) -> Path:
    path.write_text("".join(f"{town[k].pose}\n" for k in range(len(town))))
    return path


def tum(path: Path, times: np.ndarray, places: np.ndarray) -> Path:
    lines = (
        f"{time!r} {x!r} {y!r} {z!r} 0 0 0 1" for time, (x, y, z) in zip(times.tolist(), places.tolist(), strict=True)
    )
    path.write_text("# timestamp tx ty tz qx qy qz qw\n" + "\n".join(lines))
    return path


def test_poses_and_measured_depth_give_the_same_metres_on_toy_town(
    run: LoadedRun, town: Manifest, tmp_path: Path
) -> None:
    options = {"device": "cpu", "colour": False}
    by_truth = predict(run, town, tmp_path / "truth", scale="truth", **options)
    by_poses = predict(run, town, tmp_path / "poses", scale="poses", **options)
    assert by_poses["factor"] == pytest.approx(UNIT, rel=0.01)
    assert by_truth["factor"] == pytest.approx(UNIT, rel=0.01)
    assert by_poses["unit"] == "metres"
    assert by_poses["scale"].startswith("the frames' poses, median of ")
    low, high = interval(by_poses["scale"])
    assert low <= UNIT <= high
    given = predict(run, town, tmp_path / "file", poses=kitti(tmp_path / "poses.txt", town), **options)
    assert given["factor"] == pytest.approx(by_poses["factor"], rel=1e-9)
    assert given["scale"].startswith("motion of poses.txt, median of ")


def test_a_file_of_other_times_and_rate_is_read_at_the_frames(run: LoadedRun, town: Manifest, tmp_path: Path) -> None:
    epoch, way = 1311868164.0, places(town)
    dense = np.linspace(-1, times(town)[-1] + 1, 400)
    known = np.stack([np.interp(dense, times(town), axis) for axis in way.T], axis=1)
    path = tum(tmp_path / "t.txt", dense + epoch, known)
    with pytest.raises(InputError, match=r"which do not overlap; give the time of the first frame with --poses_from"):
        factor(run, town, poses=path)
    found, _ = factor(run, town, poses=path, poses_from=epoch)
    assert found == pytest.approx(UNIT, rel=0.01)
    metres = 180 / np.pi / 6.37e6  # degrees
    rows = [
        f"{t},{48 + y * metres},{8 + x * metres / np.cos(np.radians(48))},3d"
        for t, (x, y, _) in zip(dense, known, strict=True)
    ]
    (tmp_path / "gps.csv").write_text("Time (s),Latitude,Longitude,fix\n" + "\n".join(rows))
    assert factor(run, town, poses=tmp_path / "gps.csv")[0] == pytest.approx(UNIT, rel=0.01)


def test_noise_of_positions_lengthens_the_segments(run: LoadedRun, town: Manifest, tmp_path: Path) -> None:
    noisy = places(town) + np.random.default_rng(0).normal(0, 0.3, (len(town), 3))
    found, words = factor(run, town, poses=tum(tmp_path / "t.txt", times(town), noisy))
    assert found == pytest.approx(UNIT, rel=0.15)
    exact = factor(run, town, scale="poses")[1]
    count = [int(re.search(r"median of (\d+)|(1) segment", each)[1] or 1) for each in (words, exact)]  # type: ignore[index]
    assert count[0] < count[1]


def test_a_pose_network_of_another_unit_than_the_depth_is_found_out(town: Manifest, tmp_path: Path) -> None:
    shy = made_run(tmp_path, Knows(town, share=0.7))
    assert factor(shy, town, scale="poses")[0] == pytest.approx(UNIT, rel=0.02)


def test_a_speed_is_of_the_frames_that_move(run: LoadedRun, town: Manifest) -> None:
    still = [dataclasses.replace(town[k], pose="") for k in range(len(town))]
    steps = np.linalg.norm(np.diff(places(town), axis=0), axis=1)
    moving = steps[steps > 0.3 * steps.max()]
    data = Manifest(still, town.root)
    found, words = factor(run, data, speed=float(np.median(moving) * town[0].fps))
    assert found == pytest.approx(UNIT, rel=0.1)
    assert words.startswith("known speed, median of ")
    assert factor(run, data, speed=f"{np.median(moving) * town[0].fps * 3.6} km/h")[0] == pytest.approx(found)


def test_standing_still_is_left_out_and_told(run: LoadedRun, town: Manifest, tmp_path: Path) -> None:
    first = town[0].position
    rows = [dataclasses.replace(town[0], position=first + k) for k in range(15)]
    rows += [dataclasses.replace(town[k], position=first + 14 + k) for k in range(1, len(town))]
    found, words = factor(run, Manifest(rows, town.root), scale="poses")
    assert found == pytest.approx(UNIT, rel=0.01)
    assert int(re.search(r"; (\d+) pairs of frames that stand still are left out", words)[1]) >= 10  # type: ignore[index]
    with pytest.raises(InputError, match=r"the run sees no motion in this clip"):
        factor(run, Manifest(rows[:12], town.root), speed=10.0)
    parked = tum(tmp_path / "parked.txt", times(town), places(town)[:1].repeat(len(town), 0))
    with pytest.raises(InputError, match=r"the camera stands still by motion of parked.txt"):
        factor(run, town, poses=parked)


def test_one_segment_has_no_spread_to_state(run: LoadedRun, town: Manifest) -> None:
    few = Manifest([town[k] for k in range(3)], town.root)
    found, words = factor(run, few, scale="poses")
    assert found == pytest.approx(UNIT, rel=0.01)
    assert "1 segment, which has no spread to state" in words


def test_a_video_counts_its_frames_and_times(run: LoadedRun, town: Manifest, tmp_path: Path) -> None:
    shown = (np.asarray(Image.open(town.path(k)).convert("RGB")) for k in range(len(town)))
    clip = write_video(tmp_path / "clip.mp4", shown, town[0].fps)
    row, (height, width) = town[0], SIZE
    camera = {"width": width, "height": height, "fx": row.fx * width, "fy": row.fy * height, "cx": row.cx * width,
              "cy": row.cy * height}  # fmt: skip
    (tmp_path / "clip.json").write_text(json.dumps(camera))
    found, _ = factor(run, clip, poses=kitti(tmp_path / "poses.txt", town))
    assert found == pytest.approx(UNIT, rel=0.01)
    assert factor(run, clip, poses=tum(tmp_path / "t.txt", times(town), places(town)))[0] == pytest.approx(found)
    assert factor(run, clip, 20, poses=tmp_path / "poses.txt")[0] == pytest.approx(UNIT, rel=0.01)
    with pytest.raises(InputError, match="no frame has a pose"):
        factor(run, clip, scale="poses")


def test_motion_that_does_not_fit_is_told_in_one_sentence(run: LoadedRun, town: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "poses.txt"
    path.write_text("".join(f"{town[k].pose}\n" for k in range(7)))
    with pytest.raises(InputError, match=rf"poses.txt has 7 positions and the clip {len(town)} frames"):
        factor(run, town, poses=path)
    for slow, fast, seed, message in (
        (
            0.5,
            6.0,
            1,
            r"stands still in \d+ pairs of frames in which the run sees the camera move as fast as elsewhere",
        ),
        (0.9, 6.0, 2, r"varies from .* over \d+ segments, so no one factor fits"),
    ):
        rng = np.random.default_rng(seed)
        steps = np.repeat(rng.choice([slow, fast], 30), 5)[: len(town), None] * [[0, 0, 1.0]]
        with pytest.raises(InputError, match=message):
            factor(run, town, poses=tum(path, times(town), np.cumsum(steps, axis=0)))
    clips = [dataclasses.replace(town[k], sequence="a" if k < 9 else "b") for k in range(len(town))]
    with pytest.raises(InputError, match=r"the input has 2 clips"):
        factor(run, Manifest(clips, town.root), speed=5)
    for unknown in (float("nan"), 0.0):
        untimed = Manifest([dataclasses.replace(town[k], fps=unknown) for k in range(len(town))], town.root)
        with pytest.raises(InputError, match="have no rate, so a speed says no distance"):
            factor(run, untimed, speed=5)
        assert factor(run, untimed, poses=kitti(path, town))[0] == pytest.approx(UNIT, rel=0.01)
    run.method.pose = None
    with pytest.raises(InputError, match="has no pose network"):
        factor(run, town, scale="poses")


def test_poses_with_holes_use_what_is_known(run: LoadedRun, town: Manifest) -> None:
    rows = [dataclasses.replace(town[k], pose="" if k % 13 == 5 else format_pose(town[k].pose_matrix()))
            for k in range(len(town))]  # fmt: skip
    assert factor(run, Manifest(rows, town.root), scale="poses")[0] == pytest.approx(UNIT, rel=0.01)


def test_one_way_to_a_factor_at_a_time() -> None:
    with pytest.raises(InputError, match="poses and speed are 2 ways to one factor; give one of them"):
        Asked(speed=3, poses="p.txt")
    with pytest.raises(InputError, match="poses_from is a time in a file of poses"):
        Asked(poses_from=3.0)
    with pytest.raises(InputError, match="speed 'fast' is impossible"):
        Asked(speed="fast")
