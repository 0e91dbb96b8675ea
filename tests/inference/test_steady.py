"""Depth of a video without flicker: scales and depths that jump are brought back, what is hidden or cut is not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run, video
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.frame_streams import Frame, open_stream
from vergence.inference.steady import Last, Steadier, joined

HEIGHT, WIDTH = 32, 48
CAMERA = torch.tensor([[40.0, 0, 23.5], [0, 40.0, 15.5], [0, 0, 1]])
STILL = torch.eye(4)[None]


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A textured picture, and depth that rises from left to right."""
    image = torch.from_numpy(picture(3, HEIGHT, WIDTH).copy()).permute(2, 0, 1)[None].float() / 255
    return image, torch.linspace(2, 6, WIDTH).expand(1, 1, HEIGHT, WIDTH).clone()


def test_a_jump_of_scale_is_taken_back() -> None:
    image, depth = scene()
    found = joined(depth * 1.2, image, Last(image, depth), STILL, CAMERA, blend=False)
    ratio = found / depth
    assert float(ratio.max() - ratio.min()) < 1e-5  # one factor for the frame
    assert 1 < float(ratio.mean()) < 1.05  # a fifth stays, so that corrections cannot add up


def test_motion_towards_the_scene_is_no_jump_of_scale() -> None:
    image = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
    before, now = torch.full((1, 1, HEIGHT, WIDTH), 4.0), torch.full((1, 1, HEIGHT, WIDTH), 3.5)
    motion = STILL.clone()
    motion[0, 2, 3] = -0.5  # points come nearer by half a unit
    for blend in (False, True):
        torch.testing.assert_close(joined(now, image, Last(image, before), motion, CAMERA, blend), now)


def test_the_filter_takes_noise_out_and_leaves_what_was_hidden() -> None:
    image, depth = scene()
    noise = 1 + 0.04 * torch.randn(depth.shape, generator=torch.Generator().manual_seed(0))
    noisy = depth * noise
    noisy[..., 20:28] = 1.0  # something in front that the last frame did not have
    seen = image.clone()
    seen[..., 20:28] = 1 - seen[..., 20:28]
    found = joined(noisy, seen, Last(image, depth), STILL, CAMERA, blend=True)
    error = ((found - depth) / depth).abs()
    assert float(error[..., :15].mean()) < 0.6 * float(((noisy - depth) / depth).abs()[..., :15].mean())
    assert float((found[..., 22:26] - 1).abs().max()) < 0.15


def test_another_scene_is_left_alone() -> None:
    image, depth = scene()
    for last in (Last(1 - image, depth), Last(image, depth * 3)):
        assert torch.equal(joined(depth, image, last, STILL, CAMERA, blend=True), depth)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run(tmp_path_factory.mktemp("runs") / "seg")


def test_only_frames_that_follow_are_joined(run: Path) -> None:
    network = vergence.load(run, "cpu").network
    steadier = Steadier(network, "filter", 60.0)
    frame = Frame("a", Image.fromarray(picture()))
    prepared = network.prepare(frame.image)
    inverse = network.maps([prepared])["inverse_depth"][0]
    first = steadier.steadied(frame, prepared, inverse)
    torch.testing.assert_close(first, inverse)
    torch.testing.assert_close(steadier.steadied(frame, prepared, inverse * 1.2), inverse * 1.2)
    follows = dataclasses.replace(frame, follows=True)
    assert steadier.last is not None
    before = 1 / steadier.last.depth[0]
    found = steadier.steadied(follows, prepared, before * 1.3)
    assert float((found / before).log().abs().mean()) < 0.5 * float(np.log(1.3))


def test_frames_of_a_manifest_follow_in_their_own_clip(tmp_path: Path) -> None:
    for clip in ("a", "b"):
        (tmp_path / "frames" / clip).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(picture(number)).save(tmp_path / "frames" / clip / f"{number:03d}.png")
    follows = [frame.follows for frame in open_stream(tmp_path / "frames").frames()]
    assert follows == [False, True, True, False, True, True]
    clip = video(tmp_path / "clip.mp4", 3)
    assert [frame.follows for frame in open_stream(clip).frames()] == [False, True, True]


def test_predict_with_it_says_so_and_is_the_same_again(run: Path, tmp_path: Path) -> None:
    shifted = (np.roll(picture(), number, axis=1) for number in range(4))
    clip = write_video(tmp_path / "clip.mp4", shifted, 10.0)
    options = {"array": True, "video": False, "overlay": False, "labels": False, "device": "cpu"}
    plain = vergence.predict(run, clip, tmp_path / "plain", **options)
    record = vergence.predict(run, clip, tmp_path / "steady", steady="filter", **options)
    assert (record["steady"], "steady" in plain) == ("filter", False)
    arrays = [[np.load(tmp_path / name / "array" / f"{i:06d}.npy") for i in range(4)] for name in ("plain", "steady")]
    assert np.allclose(arrays[0][0], arrays[1][0], rtol=1e-4)
    assert not np.array_equal(arrays[0][2], arrays[1][2])
    again = vergence.predict(run, clip, tmp_path / "again", steady="filter", batch_size=1, **options)
    assert again["steady"] == "filter"
    for number in range(4):
        np.testing.assert_allclose(np.load(tmp_path / "again" / "array" / f"{number:06d}.npy"), arrays[1][number],
                                   rtol=1e-3)  # fmt: skip


def test_a_network_that_knows_no_motion_is_told(run: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", 2)
    model = vergence.load(run, "cpu")
    model.network.method.pose = None
    with pytest.raises(InputError, match="has no pose network"):
        Steadier(model.network, "scale", 60.0)
    with pytest.raises(InputError, match="steady is 'smooth'; give none, scale or filter"):
        vergence.predict(run, clip, tmp_path / "out", steady="smooth", device="cpu")
