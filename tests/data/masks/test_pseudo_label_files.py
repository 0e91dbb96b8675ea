"""Guessed labels in samples and batches: mapped, resized, mirrored and cropped with their frames; wrong files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.small_world import save, video
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError

SPACE = "toy:road#804080,sky#4682b4,car#00008e"
OTHER = "toy2:car#00008e,road#804080,tree#00ff00"
H, W = 24, 40


def world(root, frames=3, size=(H, W), sure=True, **columns):
    """Three frames; frame k says class k in its left half and 2 - k in its right half, with confidence 10 (k + 1)."""
    rows = []
    for k, row in enumerate(video(root, frames)):
        ids = np.full(size, k, dtype=np.uint8)
        ids[:, size[1] // 2 :] = 2 - k
        save(root / f"p/{k}.png", ids)
        save(root / f"c/{k}.png", np.full(size, 10 * (k + 1), dtype=np.uint8))
        given = {"pseudo_label": f"p/{k}.png", "pseudo_label_space": SPACE, "confidence": f"c/{k}.png" if sure else ""}
        rows.append(replace(row, **(given | columns)))
    return Manifest(rows, root)


def options(**changes):
    return FrameOptions(**({"height": H, "width": W, "label_space": SPACE, "load_pseudo_label": "all"} | changes))


def test_all_frames_in_the_order_of_the_offsets(tmp_path):
    data = FrameDataset(world(tmp_path), options(offsets=(-1, 1, 2)), train=False)
    sample = data[1]
    assert sample["pseudo_label"].dtype == torch.uint8
    assert sample["pseudo_label"][:, 0, 0].tolist() == [1, 0, 2, 255]
    assert sample["pseudo_label"][:, 0, -1].tolist() == [1, 2, 0, 255]
    assert sample["confidence"][:, 5, 5].tolist() == [20, 10, 30, 0]
    alone = FrameDataset(world(tmp_path), options(load_pseudo_label="target"), train=False)[0]
    assert alone["pseudo_label"].shape == (1, H, W)
    batch = prepare_batch(collate([sample, data[0]]))
    assert batch["pseudo_label"].shape == (2, 4, H, W)
    assert batch["pseudo_label"].dtype == torch.int64
    assert batch["confidence"].dtype == torch.float32
    assert batch["confidence"][0, 0, 0, 0] == pytest.approx(20 / 255)
    assert "pseudo_label" not in FrameDataset(world(tmp_path), options(load_pseudo_label=""), train=False)[0]


def test_without_a_confidence_file_labels_are_sure_where_there_is_one(tmp_path):
    data = world(tmp_path, sure=False)
    ids = np.zeros((H, W), np.uint8)
    ids[0] = 255
    save(tmp_path / "p/1.png", ids)
    sample = FrameDataset(data, options(), train=False)[1]
    assert (sample["confidence"][0, 1:] == 255).all()
    assert (sample["confidence"][0, 0] == 0).all()


def test_ids_are_mapped_and_what_has_no_counterpart_is_unsure(tmp_path):
    sample = FrameDataset(world(tmp_path), options(label_space=OTHER), train=False)[1]
    assert sample["pseudo_label"][:, 0, 0].tolist() == [255, 1, 0]  # of sky, road, car
    assert sample["confidence"][:, 0, 0].tolist() == [0, 10, 30]
    with pytest.raises(InputError, match="share no class"):
        FrameDataset(world(tmp_path), options(label_space="a:cow#010101,hay#020202"), train=False)[1]


def test_labels_of_another_size_move_with_the_frames(tmp_path):
    data = world(tmp_path, size=(2 * H, 2 * W))
    for corner in range(4):  # a bright pixel of the image and a class of its own stay together
        label = np.zeros((H, W), np.uint8)
        image = np.zeros((H, W, 3), np.uint8)
        rows, columns = slice(4 * corner, 4 * corner + 8), slice(8 * corner, 8 * corner + 8)
        label[rows, columns], image[rows, columns] = 1, 255
        save(tmp_path / "p/0.png", np.kron(label, np.ones((2, 2), np.uint8)))
        save(tmp_path / "a/000.png", image)
        moves = {"flip": 0.5, "flip_vertical": 0.5, "jitter": 0.0, "random_crop": (16, 24)}
        sample = FrameDataset(data, options(**moves), train=True)[corner, 0]
        assert sample["pseudo_label"].shape == (3, 16, 24)
        np.testing.assert_array_equal(sample["pseudo_label"][0] == 1, sample["frames"][0, 0] == 255)
    save(tmp_path / "p/0.png", np.repeat(np.uint8([[0, 2]]), W, axis=1).repeat(2 * H, axis=0))
    flipped = FrameDataset(data, options(flip=1.0, jitter=0.0), train=True)[0]
    assert flipped["pseudo_label"][0, 0, [0, -1]].tolist() == [2, 0]
    cropped = FrameDataset(data, options(height=24, width=20, fit="crop"), train=False)[0]["pseudo_label"][0]
    assert (cropped[:, :10] == 0).all()
    assert (cropped[:, 10:] == 2).all()


def test_stereo_partners_have_their_own(tmp_path):
    data = world(tmp_path, stereo="a/000.png", baseline=0.1, stereo_pseudo_label="p/2.png", stereo_confidence="c/0.png")
    sample = FrameDataset(data, options(offsets=("s",)), train=False)[0]
    assert sample["pseudo_label"][:, 0, 0].tolist() == [0, 2]
    assert sample["confidence"][:, 0, 0].tolist() == [10, 10]
    bare = world(tmp_path, stereo="a/000.png", baseline=0.1)
    sample = FrameDataset(bare, options(offsets=("s",)), train=False)[0]
    assert (sample["pseudo_label"][1] == 255).all()
    assert (sample["confidence"][1] == 0).all()


def test_labels_of_one_class_are_labels(tmp_path):
    data = world(tmp_path)
    save(tmp_path / "p/0.png", np.ones((H, W), np.uint8))
    assert (FrameDataset(data, options(), train=False)[0]["pseudo_label"][0] == 1).all()


def test_wrong_files_are_one_sentence(tmp_path):
    def fails(words, **columns):
        with pytest.raises(InputError, match=words):
            FrameDataset(world(tmp_path, **columns), options(), train=False)[1]

    fails("001.png has no pseudo-label", pseudo_label="")
    fails("does not exist", pseudo_label="p/none.png")
    save(tmp_path / "x/wide.png", np.zeros((H, 2 * W), np.uint8))
    fails("wide.png is 80x24 and its image 40x24; give labels of the same picture", pseudo_label="x/wide.png")
    save(tmp_path / "x/seven.png", np.full((H, W), 7, np.uint8))
    fails("has the id 7", pseudo_label="x/seven.png")
    save(tmp_path / "x/small.png", np.zeros((H // 2, W // 2), np.uint8))
    fails("small.png is 20x12, but its label is 40x24; give both of one prediction", confidence="x/small.png")
    save(tmp_path / "x/colour.png", np.zeros((H, W, 3), np.uint8))
    fails("mode RGB, expected an 8-bit grey picture", confidence="x/colour.png")
    with pytest.raises(InputError, match="load_pseudo_label is 'both'; give one of nothing, target, all"):
        options(load_pseudo_label="both")


def test_empty_columns_change_no_digest(tmp_path):
    (row, *_) = video(tmp_path, 1)
    bare = Manifest([row], tmp_path).digest()
    assert Manifest([replace(row, pseudo_label="p.png")], tmp_path).digest() != bare
    written = Manifest([replace(row, pseudo_label="p.png", pseudo_label_space=SPACE)], tmp_path)
    read = Manifest.read(written.write(tmp_path / "sub" / "m.parquet"))
    assert read[0].pseudo_label == "../p.png"
    assert read[0].pseudo_label_space == SPACE
