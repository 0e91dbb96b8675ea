import colorsys
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from tests.data.small_world import picture
from vergence.data.imaging.transforms import (
    Placement,
    View,
    apply_jitter,
    crop_view,
    draw_jitter,
    flip_view,
    legacy_flip_intrinsics,
    no_jitter,
    resize_depth,
    resize_image,
    resize_lanczos,
)
from vergence.geometry.camera import Camera


def dot(u, v, height, width):
    """A soft bright spot centred on pixel (u, v)."""
    y, x = np.mgrid[:height, :width]
    spot = 250 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 4.0**2))
    return np.repeat(spot.astype(np.uint8)[..., None], 3, -1)


def centre(image):
    """Where the spot of an (H, W) image is: (u, v)."""
    weight = np.asarray(image, dtype=np.float64)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()


PLACEMENTS = [
    ((120, 200), (60, 100), "stretch", "center"),
    ((120, 200), (64, 160), "stretch", "center"),  # not the same factor in x and y
    ((120, 200), (150, 220), "stretch", "center"),
    ((120, 200), (64, 160), "crop", "center"),
    ((120, 200), (64, 160), "crop", "bottom"),
    ((120, 200), (64, 160), "crop", "top"),
    ((120, 200), (96, 96), "crop", "center"),
    ((121, 203), (33, 77), "crop", "bottom"),
]


@pytest.mark.parametrize(("stored", "working", "fit", "anchor"), PLACEMENTS)
def test_a_point_and_its_image_go_the_same_way(stored, working, fit, anchor):
    camera = Camera(180.0, 230.0, 97.0, 66.0, stored[1], stored[0])
    point = np.array([0.05, -0.02, 1.0])
    u, v = 180 * 0.05 + 97, 230 * -0.02 + 66
    placement = Placement.fit(stored, working, fit, anchor)
    image = placement.image(Image.fromarray(dot(u, v, *stored)))
    assert image.shape == (*working, 3)
    seen = centre(image[..., 0])
    # PIL resizes about pixel corners, so exactly by the half-pixel rule ...
    box = camera.cropped(placement.left, placement.top, placement.box_width, placement.box_height)
    exact = box.resized(working[1], working[0], half_pixel=True).matrix().double().numpy() @ point
    np.testing.assert_allclose(seen, exact[:2], atol=0.06)
    # ... and the published plain rule, our default, is within (1 - s) / 2 pixels of it
    plain = placement.camera(camera).matrix().double().numpy() @ point
    factors = np.array([working[1] / placement.box_width, working[0] / placement.box_height])
    np.testing.assert_allclose(plain[:2] - exact[:2], (1 - factors) / 2, atol=1e-5)


def test_pixels_that_are_not_square_become_square():
    camera = Placement.fit((360, 480), (360, 640)).camera(Camera(575.0, 762.0, 240.0, 180.0, 480, 360))
    assert camera.fx == pytest.approx(766.667, abs=1e-3)
    assert camera.fy == 762.0


@pytest.mark.parametrize(("anchor", "top"), [("top", 0), ("center", 60), ("bottom", 120)])
def test_crop_takes_the_largest_box_of_the_working_aspect(anchor, top):
    placement = Placement.fit((360, 640), (192, 512), "crop", anchor)
    assert (placement.left, placement.box_width, placement.box_height) == (0, 640, 240)
    assert placement.top == top
    wide = Placement.fit((375, 1242), (192, 192), "crop", anchor)
    assert (wide.left, wide.top, wide.box_width, wide.box_height) == (433, 0, 375, 375)


@pytest.mark.parametrize("size", [(96, 320), (60, 101), (375, 1242), (400, 1300)])
def test_fast_resizing_is_lanczos_within_one_level(size):
    noise = np.random.default_rng(0).integers(0, 256, (375, 1242, 3), dtype=np.uint8)
    noise[:100] = np.where(noise[:100] > 127, 255, 0)  # ringing at full contrast
    image = Image.fromarray(noise)
    exact, fast = (np.asarray(resize_image(image, *size, name)).astype(int) for name in ("lanczos", "fast"))
    assert np.abs(exact - fast).max() <= (2 if size[1] > 1242 else 1)
    grey = Image.fromarray(noise[..., 0])
    np.testing.assert_array_equal(*(np.asarray(resize_image(grey, *size, name)) for name in ("lanczos", "fast")))


def test_fast_resizing_of_an_image_that_spans_blocks_of_memory():
    rows = np.random.default_rng(1).integers(0, 256, (2100, 1, 3), dtype=np.uint8)
    image = Image.fromarray(np.broadcast_to(rows, (2100, 2100, 3)).copy())  # 18 MB: PIL cannot lend it in one piece
    exact, fast = (np.asarray(resize_image(image, 60, 50, name)).astype(int) for name in ("lanczos", "fast"))
    assert np.abs(exact - fast).max() <= 1


def test_lanczos_of_the_same_size_changes_nothing_and_is_pillows():
    image = Image.fromarray(picture(3))
    np.testing.assert_array_equal(np.asarray(resize_lanczos(image, 24, 40)), picture(3))
    expected = np.asarray(image.resize((20, 12), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(np.asarray(resize_lanczos(image, 12, 20)), expected)


@pytest.mark.parametrize(("stored", "working", "fit", "anchor"), PLACEMENTS)
def test_labels_are_never_mixed(stored, working, fit, anchor):
    rng = np.random.default_rng(0)
    label = np.where(rng.uniform(size=stored) < 0.5, 3, 200).astype(np.uint8)
    label[:, stored[1] // 2 :] = 255
    resized = Placement.fit(stored, working, fit, anchor).label(label)
    assert resized.shape == working
    assert set(np.unique(resized)) <= {3, 200, 255}
    edge = int(np.argmax(resized[0] == 255))
    assert abs(edge - working[1] / 2) <= 1


def naive_resize_depth(depth, size):
    """Pixel by pixel: the measurement under the centre, else the nearest to the centre of those inside."""
    resized = np.zeros(size, np.float32)
    scale = np.array(depth.shape) / size
    for i in range(size[0]):
        for j in range(size[1]):
            under = ((np.array([i, j]) + 0.5) * scale).astype(int)
            resized[i, j] = depth[tuple(under)]
            if resized[i, j]:
                continue
            best = np.inf
            for y, x in zip(*np.nonzero(depth), strict=True):
                place = (np.array([y, x]) + 0.5) / scale
                away = ((place - np.array([i, j]) - 0.5) ** 2).sum()
                if tuple(place.astype(int)) == (i, j) and away < best - 1e-12:
                    best, resized[i, j] = away, depth[y, x]
    return resized


@pytest.mark.parametrize("size", [(9, 13), (4, 5), (17, 29), (12, 6), (1, 1)])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_depth_resizes_like_its_naive_twin(size, share):
    rng = np.random.default_rng(7)
    depth = np.where(rng.uniform(size=(9, 13)) < share, rng.uniform(1, 80, (9, 13)), 0).astype(np.float32)
    resized = resize_depth(depth, size)
    expected = naive_resize_depth(depth, size)
    ties = resized != expected  # two measurements as near to a centre as one another: either is right
    assert ties.mean() < 0.1
    assert ((resized > 0) == (expected > 0)).all()
    assert set(np.unique(resized)) <= {0, *np.unique(depth)}


def test_depth_edges_and_holes_stay_sharp():
    depth = np.zeros((40, 60), np.float32)
    depth[:, :30], depth[:, 30:] = 5, 50
    depth[:20] = 0
    for size in ((20, 30), (13, 17), (80, 120)):
        resized = resize_depth(depth, size)
        assert set(np.unique(resized)) == {0, 5, 50}
        assert (resized[: size[0] // 2 - 1] == 0).all()
        assert (resized[size[0] // 2 + 1 :] > 0).all()


def test_sparse_depth_keeps_its_points_when_shrunk():
    depth = np.zeros((375, 1242), np.float32)
    rng = np.random.default_rng(0)
    depth[rng.integers(0, 375, 400), rng.integers(0, 1242, 400)] = rng.uniform(2, 80, 400)
    resized = resize_depth(depth, (192, 640))
    assert (resized > 0).sum() >= 0.97 * (depth > 0).sum()  # nearest alone would lose three of four


def test_depth_of_another_size_lands_where_the_image_lands():
    placement = Placement.fit((120, 200), (64, 160), "crop", "bottom")
    large = np.zeros((360, 600), np.float32)
    large[180:240, 300:360] = 8
    small = large[1::3, 1::3]  # the same scene measured at the frame's size
    np.testing.assert_array_equal(placement.depth(large), placement.depth(small))
    assert (placement.depth(small) == 8).sum() == pytest.approx(20 * 20 * (64 / 80) * (160 / 200), rel=0.1)


def view(height=10, width=16):
    generator = torch.Generator().manual_seed(0)
    transform = torch.eye(4)
    transform[:3, :3] = torch.linalg.matrix_exp(torch.tensor([[0, -0.3, 0.2], [0.3, 0, -0.1], [-0.2, 0.1, 0]]))
    transform[:3, 3] = torch.tensor([-0.5, 0.1, 0.2])
    return View(
        torch.randint(0, 256, (3, 3, height, width), dtype=torch.uint8, generator=generator),
        torch.tensor([[12.0, 0, 6.5], [0, 14, 5], [0, 0, 1]]).repeat(3, 1, 1),
        transform,
        torch.randint(0, 19, (height, width), generator=generator),
        torch.rand(1, height, width, generator=generator),
    )


def test_flip_moves_everything():
    flipped = flip_view(view())
    np.testing.assert_array_equal(flipped.images, view().images.numpy()[..., ::-1])
    np.testing.assert_array_equal(flipped.label, view().label.numpy()[..., ::-1])
    np.testing.assert_array_equal(flipped.depth, view().depth.numpy()[..., ::-1])
    assert flipped.intrinsics[0, 0, 2] == 16 - 1 - 6.5
    assert flipped.intrinsics[0, 1, 2] == 5
    # a point mirrored in the mirrored camera is the mirrored point
    point = torch.tensor([0.7, -0.2, 4.0, 1.0])
    mirror = torch.tensor([-1.0, 1, 1, 1])
    torch.testing.assert_close(flipped.stereo_transform @ (mirror * point), mirror * (view().stereo_transform @ point))


def test_principal_point_of_the_specification():
    camera = dataclasses.replace(view(4, 640), intrinsics=torch.tensor([[[371.2, 0, 300], [0, 368.6, 96], [0, 0, 1]]]))
    assert flip_view(camera).intrinsics[0, 0, 2] == 339


def test_flipping_twice_restores_everything():
    twice = flip_view(flip_view(view()))
    for field in dataclasses.fields(View):
        torch.testing.assert_close(getattr(twice, field.name), getattr(view(), field.name), rtol=0, atol=0)


def test_crop_moves_everything():
    cropped = crop_view(view(), 3, 5, 4, 7)
    torch.testing.assert_close(cropped.images, view().images[..., 3:7, 5:12])
    torch.testing.assert_close(cropped.label, view().label[3:7, 5:12])
    torch.testing.assert_close(cropped.depth, view().depth[:, 3:7, 5:12])
    torch.testing.assert_close(cropped.intrinsics[1], torch.tensor([[12.0, 0, 1.5], [0, 14, 2], [0, 0, 1]]))
    torch.testing.assert_close(cropped.stereo_transform, view().stereo_transform)


def test_crop_and_flip_without_truth():
    bare = dataclasses.replace(view(), label=None, depth=None)
    assert flip_view(bare).label is None
    assert crop_view(bare, 0, 0, 2, 2).depth is None


def test_legacy_flip_mirrors_both_centres():
    flipped = legacy_flip_intrinsics(torch.tensor([[2262.52, 0, 1096.98], [0, 2265.3, 513.137], [0, 0, 1]]), 2048, 1024)
    torch.testing.assert_close(flipped, torch.tensor([[2262.52, 0, 951.02], [0, 2265.3, 510.863], [0, 0, 1]]))


# Colours


def draw(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, order=(0, 1, 2, 3)):
    return torch.tensor([brightness, contrast, saturation, hue, *order], dtype=torch.float32)


def naive_jitter(image, factors, order):
    """One image (3, H, W) in float64, operation by operation, hue through the standard library."""
    image = image.astype(np.float64)
    luma = np.array([0.2989, 0.587, 0.114])[:, None, None]
    for which in order:
        if which == 0:
            image = image * factors[0]
        elif which == 1:
            image = factors[1] * image + (1 - factors[1]) * (luma * image).sum(0).mean()
        elif which == 2:
            image = factors[2] * image + (1 - factors[2]) * (luma * image).sum(0, keepdims=True)
        else:
            flat = [colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(3, -1).T]
            turned = [colorsys.hsv_to_rgb((h + factors[3]) % 1, s, v) for h, s, v in flat]
            image = np.array(turned).T.reshape(image.shape)
        image = image.clip(0, 1)
    return image


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_jitter_like_its_naive_twin(order):
    factors = (1.17, 0.84, 1.2, -0.07)
    frames = torch.from_numpy(np.stack([picture(k, 8, 9) for k in range(3)])).permute(0, 3, 1, 2) / 255
    jittered = apply_jitter(frames, draw(*factors, order=order))
    for before, after in zip(frames.numpy(), jittered.numpy(), strict=True):
        np.testing.assert_allclose(after, naive_jitter(before, factors, order), atol=2e-5)
    assert jittered.min() >= 0
    assert jittered.max() <= 1


def test_equal_frames_stay_equal():
    frames = torch.rand(1, 3, 6, 7).repeat(4, 1, 1, 1)
    jittered = apply_jitter(frames, draw_jitter(np.random.default_rng(0)))
    assert not torch.equal(jittered, frames)
    assert all(torch.equal(jittered[0], frame) for frame in jittered)


def test_no_jitter_and_neutral_factors_change_nothing():
    frames = torch.rand(2, 3, 6, 7)
    assert apply_jitter(frames, no_jitter()) is frames
    assert apply_jitter(frames, draw()) is frames


def test_slow_hue_is_left_out_where_it_is_off(monkeypatch):
    monkeypatch.setattr(functional, "adjust_hue", lambda *args: pytest.fail("hue was computed"))
    apply_jitter(torch.rand(1, 3, 4, 4), draw_jitter(np.random.default_rng(0), hue=0.0))


def test_draws_are_in_range_and_in_any_order():
    draws = torch.stack([draw_jitter(np.random.default_rng(k), 0.2, 0.1, 0.3, 0.05) for k in range(300)])
    factors, order = draws[:, :4], draws[:, 4:]
    assert (factors.amin(0) >= torch.tensor([0.8, 0.9, 0.7, -0.05])).all()
    assert (factors.amax(0) <= torch.tensor([1.2, 1.1, 1.3, 0.05])).all()
    assert (factors.std(0) > torch.tensor([0.1, 0.05, 0.15, 0.025])).all()
    assert (order.sort(dim=1).values == torch.arange(4.0)).all()
    assert len({tuple(row.tolist()) for row in order}) == 24


def test_ranges_do_not_change_what_is_drawn_after_them():
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    draw_jitter(first)
    draw_jitter(second, 0, 0, 0, 0)
    assert first.uniform() == second.uniform()
