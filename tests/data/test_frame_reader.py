"""What belongs to one frame: sizes that must agree, files that are broken, cameras of one kind or the other."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.cached_frames import kept
from tests.data.small_frames import options
from tests.data.small_world import manifest, picture, save, video
from vergence.data.caching.cache import FrameCache
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.frame_reader import FrameReader
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import write_depth_png
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.geometry.camera import Camera


def test_depth_of_another_size_is_allowed(tmp_path):
    rows = video(tmp_path, 2)
    write_depth_png(tmp_path / "depth.png", np.full((48, 80), 20.0))
    rows[0] = dataclasses.replace(rows[0], depth="depth.png")
    depth = FrameDataset(Manifest(rows, tmp_path), options(load_depth=True), train=True)[0]["depth"]
    assert torch.equal(depth, torch.full((1, 12, 20), 20.0))


def test_stereo_needs_its_baseline(tmp_path):
    rows = video(tmp_path, 2, stereo="a/000.png")
    assert len(FrameDataset(Manifest(rows, tmp_path), options(), train=True)) == 2
    with pytest.raises(InputError, match=r"000\.png has a stereo partner but no baseline"):
        FrameDataset(Manifest(rows, tmp_path), options(offsets=("s",)), train=True)


CITYSCAPES = {"fx": 2262.52 / 2048, "fy": 2265.3018 / 1024, "cx": 1096.98 / 2048, "cy": 513.137 / 1024}


def test_legacy_intrinsics_are_full_size_whatever_the_frame_and_mirror_cy(tmp_path):
    data = manifest(tmp_path, **CITYSCAPES)
    plain = FrameDataset(data, options(legacy_intrinsics=True), train=True)[2]["intrinsics"][0]
    torch.testing.assert_close(plain, torch.tensor([[2262.52, 0, 1096.98], [0, 2265.3018, 513.137], [0, 0, 1]]))
    chosen = options(flip=1.0, random_crop=(8, 9))
    crop = FrameDataset(data, chosen, train=True)[2]["intrinsics"][0]
    legacy = FrameDataset(data, dataclasses.replace(chosen, legacy_intrinsics=True), train=True)[2]["intrinsics"][0]
    corner = torch.tensor([20 - 1 - 1096.98 * 20 / 2048, 513.137 * 12 / 1024]) - crop[:2, 2]
    assert (corner.round() - corner).abs().max() < 1e-3
    torch.testing.assert_close(legacy[:2, 2], torch.tensor([2048 - 1096.98, 1024 - 513.137]) - corner)


def test_image_of_another_size_than_the_manifest_says(tmp_path):
    data = manifest(tmp_path)
    save(tmp_path / "a/001.png", picture(0, 20, 40))
    dataset = FrameDataset(data, options(), train=True)
    with pytest.raises(InputError, match=r"001\.png is 40x20, but the manifest says 40x24"):
        dataset[1]


def test_image_of_another_size_than_its_neighbours(tmp_path):
    data = manifest(tmp_path, size_known=False)
    save(tmp_path / "a/001.png", picture(0, 20, 40))
    dataset = FrameDataset(data, options(), train=True)
    with pytest.raises(InputError, match=r"001\.png is 40x20, but .*000\.png is 40x24"):
        dataset[0]


def test_missing_and_truncated_images(tmp_path):
    data = manifest(tmp_path)
    (tmp_path / "a/001.png").unlink()
    (tmp_path / "a/004.png").write_bytes((tmp_path / "a/003.png").read_bytes()[:100])
    dataset = FrameDataset(data, options(), train=True)
    with pytest.raises(InputError, match=r"a/001\.png does not exist"):
        dataset[0]
    with pytest.raises(InputError, match=r"a/004\.png is damaged or truncated"):
        dataset[4]


def test_label_of_another_size_than_its_image(tmp_path):
    save(tmp_path / "label.png", picture(0, 12, 20)[..., 0])
    rows = video(tmp_path, 2, label="label.png")
    with pytest.raises(InputError, match=r"label\.png is 20x12, but its image is 40x24"):
        FrameDataset(Manifest(rows, tmp_path), options(load_label=True), train=True)[0]


@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize(("stored", "decoded"), [((1280, 384), (640, 192)), ((640, 192),) * 2, ((700, 600), None)])
def test_a_fast_reader_gives_nearly_the_same_frames_kept_apart_in_the_cache(tmp_path, stored, decoded, said):
    coarse = np.random.default_rng(0).integers(0, 256, (24, 80, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(stored, Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=92)
    size = {"width": stored[0], "height": stored[1]} if said else {}
    rows, cache = Manifest([FrameRow("a.jpg", "s", 0, **size)], tmp_path), FrameCache(tmp_path / "cache", 96, 320)
    frames = {}
    for resampling in ("lanczos", "fast"):
        fit = "stretch" if decoded else "crop"
        how = FrameOptions(height=96, width=320, offsets=(), resampling=resampling, fit=fit)
        reader = FrameReader(rows, how, cache)
        for _ in range(2):  # from the file, then from the cache
            read, found = reader.frames(0, reader.paths(0))
            assert found == stored[::-1]
            np.testing.assert_array_equal(read, frames.setdefault(resampling, read))
        if decoded and resampling == "fast":
            assert reader._opened(tmp_path / "a.jpg", rows[0])[0].size == decoded
    difference = np.abs(frames["lanczos"].astype(int) - frames["fast"])
    assert kept(tmp_path / "cache", 96, 320) == 2
    if decoded == (640, 192) and stored[0] == 1280:  # decoded smaller
        assert difference.mean() <= 1
        assert np.percentile(difference, 99.9) <= 8
    else:
        assert difference.max() <= 1


def test_a_fast_reader_cuts_a_frame_that_is_a_row_too_tall(tmp_path):
    pixels = picture(0, 193, 640)
    save(tmp_path / "a.png", pixels)
    row = FrameRow("a.png", "s", 0, fx=0.58, fy=1.92, cx=0.5, cy=0.5, width=640, height=193)
    how = FrameOptions(height=192, width=640, offsets=(), resampling="fast")
    reader = FrameReader(Manifest([row], tmp_path), how)
    np.testing.assert_array_equal(reader.frames(0, reader.paths(0))[0][0], pixels[:192].transpose(2, 0, 1))
    stored = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, 640, 193)
    camera = reader.placement((193, 640)).camera(stored)
    assert (camera.fy, camera.cy, camera.cx) == (stored.fy, stored.cy, stored.cx)
    assert reader.placement((195, 640)).whole  # 1.6 % too tall: resized
    exact = FrameReader(Manifest([row], tmp_path), dataclasses.replace(how, resampling="lanczos"))
    assert exact.placement((193, 640)).whole
