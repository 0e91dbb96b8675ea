import dataclasses
import logging
import math

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.small_frames import BASELINE, options, same, stereo_pair, view_error
from tests.data.small_world import CAMERA, manifest, picture, save, video
from vergence.data.dataset import FrameDataset
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import write_depth_png
from vergence.errors import InputError


def resized(image):
    small = Image.fromarray(image).resize((20, 12), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def test_a_sample_is_the_target_then_its_sources(tmp_path):
    dataset = FrameDataset(manifest(tmp_path), options(offsets=(-1, 1, 2)), train=True)
    assert len(dataset) == 5
    sample = dataset[2]
    assert sample["frames"].shape == (4, 3, 12, 20)
    assert sample["frames"].dtype == torch.uint8
    seed = 100 * ord("a")
    for frame, position in zip(sample["frames"], (2, 1, 3, 4), strict=True):
        assert torch.equal(frame, resized(picture(seed + position)))
    assert sample["available"].tolist() == [True] * 4
    assert sample["index"] == 2
    expected = torch.tensor([[0.9 * 20, 0, 0.45 * 20], [0, 1.1 * 12, 0.55 * 12], [0, 0, 1]])
    torch.testing.assert_close(sample["intrinsics"], expected.expand(4, 3, 3))
    assert torch.equal(sample["stereo_transform"], torch.eye(4))
    assert sample["intrinsics_known"]
    assert not sample["flipped"]
    assert "label" not in sample
    assert "depth" not in sample


def test_missing_sources_repeat_the_target(tmp_path):
    dataset = FrameDataset(manifest(tmp_path), options(offsets=(-1, 1, "s")), train=True)
    assert len(dataset) == 5
    first, last = dataset[0], dataset[4]
    assert first["available"].tolist() == [True, False, True, False]
    assert last["available"].tolist() == [True, True, False, False]
    assert torch.equal(first["frames"][1], first["frames"][0])
    assert torch.equal(first["intrinsics"][1], first["intrinsics"][0])


def test_all_sources_may_be_required(tmp_path):
    dataset = FrameDataset(manifest(tmp_path), options(require="all"), train=True)
    assert list(dataset.rows) == [1, 2, 3]
    assert dataset[0]["index"] == 1
    with pytest.raises(IndexError):
        dataset[3]


def test_frames_without_a_source_may_be_used(tmp_path):
    dataset = FrameDataset(manifest(tmp_path), options(offsets=(-4, 4), require="none"), train=True)
    assert list(dataset.rows) == [0, 1, 2, 3, 4]
    assert [dataset[k]["available"].tolist() for k in (0, 2, 4)] == [
        [True, False, True], [True, False, False], [True, True, False]
    ]  # fmt: skip
    assert dataset[2]["frames"].shape[0] == 3


def test_samples_without_any_source_are_left_out(tmp_path):
    rows = [*video(tmp_path, 3), *video(tmp_path, 1, "alone")]
    assert FrameDataset(Manifest(rows, tmp_path), options(), train=True).rows.tolist() == [0, 1, 2]
    assert len(FrameDataset(Manifest(rows, tmp_path), options(offsets=()), train=False)) == 4


def test_a_split_takes_its_sources_from_the_other_splits(tmp_path):
    rows = [dataclasses.replace(row, split="val" if row.position == 2 else "") for row in video(tmp_path)]
    sample = FrameDataset(Manifest(rows, tmp_path).select("val"), options(require="all"), train=True)[0]
    assert torch.equal(sample["frames"][1], resized(picture(100 * ord("a") + 1)))


def test_several_cameras_sizes_grey_and_colour_in_one_manifest(tmp_path):
    rows = video(tmp_path, 3, "a")
    rows += video(tmp_path, 3, "b", height=30, width=30, camera="grey", fx=1.5, fy=1.5, cx=0.5, cy=0.5)
    rows += video(tmp_path, 3, "c", camera="?", fx=math.nan, fy=math.nan, cx=math.nan, cy=math.nan, size_known=False)
    for row in rows[3:6]:
        save(tmp_path / row.image, picture(1, 30, 30)[..., 0])
    dataset = FrameDataset(Manifest(rows, tmp_path), options(), train=True)
    samples = [dataset[i] for i in range(9)]
    assert {sample["frames"].shape for sample in samples} == {(3, 3, 12, 20)}
    assert samples[4]["intrinsics"][0, 0, 0] == 30
    grey = samples[4]["frames"][0]
    assert torch.equal(grey[0], grey[1])
    assert [bool(sample["intrinsics_known"]) for sample in samples] == [True] * 6 + [False] * 3


def test_unknown_intrinsics_are_guessed_and_said_once(tmp_path, caplog):
    unknown = dict.fromkeys(CAMERA, math.nan)
    with caplog.at_level(logging.WARNING, "vergence"):
        dataset = FrameDataset(manifest(tmp_path, **unknown), options(field_of_view=90.0), train=True)
        sample = dataset[1]
        dataset[2]
    assert [record.message for record in caplog.records] == [
        "5 of 5 frames have no intrinsics: a horizontal field of view of 90 degrees is assumed"
    ]
    # 90 degrees: f = W / 2 at the stored size of 40 x 24, then resized by 1 / 2
    torch.testing.assert_close(sample["intrinsics"][0].diagonal(), torch.tensor([10.0, 10.0, 1.0]))


def test_randomness_is_of_seed_epoch_and_row_only(tmp_path):
    augmented = options(flip=0.5, jitter=0.5, random_crop=(8, 9))
    first = FrameDataset(manifest(tmp_path, 12), augmented, train=True, seed=3)
    again = FrameDataset(manifest(tmp_path, 12), augmented, train=True, seed=3)
    keys = [(epoch, i) for epoch in range(3) for i in range(12)]
    forwards = {key: first[key] for key in keys}
    assert all(same(forwards[key], again[key]) for key in reversed(keys))
    assert same(first[5], first[0, 5])
    assert not all(same(first[0, i], first[1, i]) for i in range(12))
    other = FrameDataset(manifest(tmp_path, 12), augmented, train=True, seed=4)
    assert not all(same(first[0, i], other[0, i]) for i in range(12))


def test_probabilities_are_kept(tmp_path):
    dataset = FrameDataset(manifest(tmp_path, 4), options(flip=0.25, jitter=0.75, offsets=(1,)), train=True)
    samples = [dataset[epoch, i] for epoch in range(150) for i in range(3)]
    assert np.mean([bool(sample["flipped"]) for sample in samples]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([sample["jitter"][-1] >= 0 for sample in samples]) == pytest.approx(0.75, abs=0.06)


def test_evaluation_changes_nothing(tmp_path):
    augmented = options(flip=1.0, jitter=1.0, random_crop=(8, 9))
    plain = FrameDataset(manifest(tmp_path), options(), train=True)
    evaluation = FrameDataset(manifest(tmp_path), augmented, train=False)
    assert all(same(plain[i], evaluation[i]) for i in range(5))


def test_colours_are_drawn_apart_from_the_frames(tmp_path):
    plain = FrameDataset(manifest(tmp_path), options(), train=True)[2]
    jittered = FrameDataset(manifest(tmp_path), options(jitter=1.0), train=True)[2]
    assert torch.equal(plain["frames"], jittered["frames"])
    assert (plain["jitter"][4:] == -1).all()
    assert sorted(jittered["jitter"][4:].tolist()) == [0, 1, 2, 3]


def with_truth(tmp_path):
    """A manifest whose label, depth and red channel are the same pattern of blocks."""
    blocks = np.kron(np.random.default_rng(0).integers(1, 9, (3, 5)), np.ones((8, 8), int)).astype(np.uint8)
    rows = video(tmp_path, 2)
    for row in rows:
        save(tmp_path / row.image, np.repeat((blocks * 25)[..., None], 3, -1))
    save(tmp_path / "label.png", blocks)
    write_depth_png(tmp_path / "depth.png", blocks.astype(np.float64))
    rows[0] = dataclasses.replace(rows[0], label="label.png", depth="depth.png")
    return Manifest(rows, tmp_path)


def test_label_and_depth_move_with_the_image(tmp_path):
    wanted = options(load_label=True, load_depth=True, flip=0.5, random_crop=(8, 10), fit="crop", width=16)
    dataset = FrameDataset(with_truth(tmp_path), wanted, train=True)
    seen = set()
    for epoch in range(12):
        sample = dataset[epoch, 0]
        label, depth, red = sample["label"], sample["depth"], sample["frames"][0, 0]
        assert label.dtype == torch.int64
        assert depth.shape == (1, 8, 10)
        assert torch.equal(label.float(), depth[0])
        inner = (torch.nn.functional.max_pool2d(depth, 3, 1, 1) == -torch.nn.functional.max_pool2d(-depth, 3, 1, 1))[0]
        assert inner.any()
        assert ((red.float() / 25 - depth[0]).abs() < 0.6)[inner].all()  # Lanczos rings a little beside edges
        seen.add((bool(sample["flipped"]), tuple(sample["intrinsics"][0, :2, 2].tolist())))
    assert len(seen) > 4


def test_frames_without_truth_have_none(tmp_path):
    dataset = FrameDataset(with_truth(tmp_path), options(load_label=True, load_depth=True), train=True)
    assert (dataset[1]["label"] == 255).all()
    assert (dataset[1]["depth"] == 0).all()


@pytest.mark.parametrize("baseline", [BASELINE, -BASELINE])
@pytest.mark.parametrize("stereo_cx", [0.43, 0.47])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_the_partner_explains_the_target_through_resize_flip_and_crop(tmp_path, baseline, stereo_cx, fit):
    pair = stereo_pair(tmp_path, baseline, stereo_cx)
    for flip in (0.0, 1.0):
        for crop in (None, (48, 72)):
            chosen = options(height=64, width=96, offsets=("s",), flip=flip, random_crop=crop, fit=fit)
            sample = FrameDataset(pair, chosen, train=True, seed=1)[0]
            sign = -1 if flip else 1
            expected = torch.eye(4)
            expected[0, 3] = -sign * baseline
            torch.testing.assert_close(sample["stereo_transform"], expected)
            assert view_error(sample, sample["stereo_transform"]) < 0.01
            wrong = sample["stereo_transform"].clone()
            wrong[0, 3] *= -1
            assert view_error(sample, wrong) > 0.1


def test_one_frame_sequences(tmp_path):
    rows = [row for name in "abc" for row in video(tmp_path, 1, name)]
    with pytest.raises(InputError, match="each of its 3 sequences has only one frame") as caught:
        FrameDataset(Manifest(rows, tmp_path, "m.csv"), options(), train=True)
    assert "m.csv" in str(caught.value)


def test_no_usable_sample_says_why(tmp_path):
    data = manifest(tmp_path)
    with pytest.raises(InputError, match="no frame has a stereo partner; take 's' out"):
        FrameDataset(data, options(offsets=("s",)), train=True)
    with pytest.raises(InputError, match="no frame has all of them; check the positions"):
        FrameDataset(data, options(offsets=(-4, 4), require="all"), train=True)
    with pytest.raises(InputError, match=r"split 'test' of none\) has no frames"):
        FrameDataset(data.select("test"), options(), train=True)
