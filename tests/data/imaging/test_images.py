import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture, save
from vergence.data.imaging.images import (
    frame_depth,
    read_depth,
    read_disparity_as_depth,
    read_image,
    write_sparse_depth,
)
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.measured.depth_files import write_depth_png
from vergence.errors import InputError


def test_colour_is_read_as_it_was_written(tmp_path):
    path = save(tmp_path / "a.png", picture(0))
    image = read_image(path)
    np.testing.assert_array_equal(image, picture(0))
    assert image.dtype == np.uint8
    assert image.flags.writeable


@pytest.mark.parametrize("mode", ["L", "I;16", "1", "P", "LA", "RGBA", "CMYK"])
def test_every_kind_of_image_has_three_channels(tmp_path, mode):
    grey = picture(1)[..., 0]
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert("RGB").convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (24, 40, 3)
    if mode not in ("1", "P"):  # these have fewer greys
        np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, -1))


def test_palette_with_transparency_reads_without_a_warning(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(picture(0)).convert("P").save(path, transparency=bytes(range(256)))
    assert read_image(path).shape == (24, 40, 3)


@pytest.mark.parametrize("read", [read_image, read_label, read_depth])
def test_bad_files_are_named_in_one_sentence(tmp_path, read):
    large = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)
    whole = save(tmp_path / "whole.png", large).read_bytes()
    jpeg = save(tmp_path / "whole.jpg", large).read_bytes()
    bad = {
        "half.png": (whole[: len(whole) // 2], "damaged or truncated"),
        "half.jpg": (jpeg[: len(jpeg) // 2], "damaged or truncated"),
        "bits.png": (whole[:600] + b"\0" * 300 + whole[900:], "damaged or truncated"),
        "empty.png": (b"", "is empty"),
        "text.png": (b"no image at all", "is no image"),
    }
    for name, (content, words) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


def test_label_ids_of_grey_and_palette_images(tmp_path):
    ids = np.arange(240, dtype=np.uint8).reshape(12, 20)
    np.testing.assert_array_equal(read_label(save(tmp_path / "a.png", ids)), ids)
    coloured = Image.frombytes("P", (20, 12), ids.tobytes())
    coloured.putpalette([value // 3 for value in range(768)])
    coloured.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_label(tmp_path / "p.png", (12, 20)), ids)


def test_bad_labels(tmp_path):
    with pytest.raises(InputError, match="holds colours, but no label space"):
        read_label(save(tmp_path / "rgb.png", picture(0)))
    with pytest.raises(InputError, match="40x24, but its image is 24x40"):
        read_label(save(tmp_path / "a.png", picture(0)[..., 0]), (40, 24))


def test_depth_png_is_metres_by_256(tmp_path):
    stored = np.array([[0, 1, 256], [2560, 65535, 12800]], dtype=np.uint16)
    depth = read_depth(save(tmp_path / "d.png", stored))
    np.testing.assert_array_equal(depth, np.float32([[0, 1 / 256, 1], [10, 65535 / 256, 50]]))
    assert depth.dtype == np.float32


def test_depth_arrays(tmp_path):
    depth = np.array([[0, 2.5, np.nan], [np.inf, -1, 7]])
    clean = np.float32([[0, 2.5, 0], [0, 0, 7]])
    np.save(tmp_path / "d.npy", depth)
    np.testing.assert_array_equal(read_depth(tmp_path / "d.npy"), clean)
    np.testing.assert_array_equal(read_depth(write_sparse_depth(tmp_path / "d.npz", depth)), clean)
    np.testing.assert_array_equal(read_depth(write_sparse_depth(tmp_path / "e.npz", np.zeros((2, 3)))), clean * 0)
    for name in ("d.npy", "d.npz"):
        (tmp_path / name).rename(tmp_path / name.upper())
        np.testing.assert_array_equal(read_depth(tmp_path / name.upper()), clean)


def test_bad_depth_files(tmp_path):
    np.save(tmp_path / "three.npy", np.zeros((1, 2, 3)))
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    np.savez(tmp_path / "keys.npz", depth=np.zeros(2))
    np.savez(tmp_path / "range.npz", depth=np.ones(1), index=np.array([100]), shape=np.array([2, 3]))
    np.save(tmp_path / "evil.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "three.npy").read_bytes()[:60])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "keys.npz").read_bytes()[:60])
    for name in ("three.npy", "text.npy", "keys.npz", "range.npz", "evil.npy", "cut.npy", "cut.npz", "none.npy"):
        with pytest.raises(InputError, match=name):
            read_depth(tmp_path / name)
    with pytest.raises(InputError, match="mode L, expected a 16-bit PNG"):
        read_depth(save(tmp_path / "eight.png", picture(0)[..., 0]))


@pytest.mark.parametrize(("baseline", "sign"), [(0.5, 1), (-0.5, -1)])
@pytest.mark.parametrize("stereo_cx", [np.nan, 0.5, 0.48, 0.53])
def test_disparity_becomes_the_depth_it_was_made_of(tmp_path, baseline, sign, stereo_cx):
    truth = np.array([[4.0, 10.0, 25.0]] * 2, dtype=np.float64).repeat(40, axis=1)  # width 120
    partner = 0.5 if np.isnan(stereo_cx) else stereo_cx
    # u = fx X / Z + cx in this camera, fx (X - baseline) / Z + cx' in the partner; stored positive
    disparity = sign * (0.6 * 120 * baseline / truth + (0.5 - partner) * 120)
    stored = np.where(disparity > 0, np.rint(disparity * 256), 0).astype(np.uint16)
    row = FrameRow("i.png", "a", 0, fx=0.6, fy=1, cx=0.5, cy=0.5, baseline=baseline, stereo_cx=stereo_cx)
    depth = read_disparity_as_depth(save(tmp_path / "d.png", stored), row)
    seen = stored > 0
    assert seen.any()
    np.testing.assert_allclose(depth[seen], truth[seen], rtol=0.01)
    assert (depth[~seen] == 0).all()


def test_disparity_without_a_camera_is_an_error(tmp_path):
    path = save(tmp_path / "d.png", np.full((2, 3), 512, dtype=np.uint16))
    with pytest.raises(InputError, match="has no fx"):
        read_disparity_as_depth(path, FrameRow("i.png", "a", 0, baseline=0.5))
    with pytest.raises(InputError, match="has no baseline"):
        read_disparity_as_depth(path, FrameRow("i.png", "a", 0, fx=0.6, fy=1, cx=0.5, cy=0.5))


def test_depth_of_a_frame_prefers_measured_depth(tmp_path):
    write_depth_png(tmp_path / "z.png", np.full((2, 3), 9.0))
    save(tmp_path / "d.png", np.full((2, 3), 256 * 6, dtype=np.uint16))
    camera = {"fx": 4.0, "fy": 1, "cx": 0.5, "cy": 0.5, "baseline": 0.5}
    rows = [
        FrameRow("i.png", "a", 0, depth="z.png", disparity="d.png", **camera),
        FrameRow("i.png", "a", 1, disparity="d.png", **camera),
        FrameRow("i.png", "a", 2),
    ]
    save(tmp_path / "i.png", np.zeros((2, 3, 3), dtype=np.uint8))
    manifest = Manifest(rows, tmp_path)
    assert frame_depth(manifest, 0).max() == 9.0
    np.testing.assert_allclose(frame_depth(manifest, 1), 4.0 * 3 * 0.5 / 6)
    assert frame_depth(manifest, 2) is None


@pytest.mark.parametrize(
    "change",
    [
        {"shape": np.array([10**6, 10**6])},
        {"shape": np.array([2.5, 3])},
        {"index": np.arange(6) - 6},
        {"index": np.zeros(6, int)},
        {"index": np.arange(6) + 0.5},
        {"index": np.ones(6, bool)},
        {"depth": np.float32(5)},
        {"depth": np.ones(6, np.complex64)},
    ],
)
def test_sparse_depth_whose_places_lie(tmp_path, change):
    held = {"index": np.arange(6), "depth": np.ones(6, np.float32), "shape": np.array([2, 3]), **change}
    np.savez(tmp_path / "d.npz", **held)
    with pytest.raises(InputError, match="must hold the arrays index, depth and shape of one sparse map"):
        read_depth(tmp_path / "d.npz")


def test_depth_of_another_aspect_than_its_image(tmp_path):
    save(tmp_path / "i.png", np.zeros((20, 40, 3), dtype=np.uint8))
    np.save(tmp_path / "d.npy", np.ones((40, 20), np.float32))
    with pytest.raises(InputError, match="is 20x40, but its image is 40x20"):
        frame_depth(Manifest([FrameRow("i.png", "a", 0, depth="d.npy")], tmp_path), 0)
