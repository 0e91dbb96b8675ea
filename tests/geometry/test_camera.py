"""Cameras that follow their image; depth, disparity and points."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vergence.errors import InputError
from vergence.geometry.camera import (
    Camera,
    backproject,
    crop_intrinsics,
    depth_to_disparity,
    disparity_to_depth,
    flip_intrinsics,
    invert_intrinsics,
    pixel_grid,
    project,
    resize_inverse_depth,
    scale_intrinsics,
)

KITTI = Camera(371.2, 368.64, 320.0, 96.0, 640, 192)  # spec golden fact 3
SIDES = st.integers(8, 2000)
SHARES = st.floats(0.1, 3.0)


class TestCamera:
    def test_matrix_and_normalized(self) -> None:
        expected = torch.tensor([[371.2, 0, 320], [0, 368.64, 96], [0, 0, 1]])
        assert torch.equal(KITTI.matrix(), expected)
        assert KITTI.matrix().dtype == torch.float32
        assert KITTI.normalized() == pytest.approx((0.58, 1.92, 0.5, 0.5))

    @given(SHARES, SHARES, SHARES, SHARES, SIDES, SIDES)
    @settings(max_examples=50, deadline=None)
    def test_normalized_is_inverse_of_from_normalized(self, fx, fy, cx, cy, width, height) -> None:  # type: ignore[no-untyped-def]
        cx, cy = cx / 3, cy / 3
        camera = Camera.from_normalized(fx, fy, cx, cy, width, height)
        assert camera.normalized() == pytest.approx((fx, fy, cx, cy))

    def test_field_of_view_is_seen_across_the_whole_width(self) -> None:
        camera = Camera.from_field_of_view(60.0, 640, 192)
        left = math.atan((camera.cx + 0.5) / camera.fx)
        right = math.atan((camera.width - 0.5 - camera.cx) / camera.fx)
        assert math.degrees(left + right) == pytest.approx(60)
        assert camera.fx == camera.fy
        assert (camera.cx, camera.cy) == (319.5, 95.5)

    @given(SIDES, SIDES, st.booleans())
    @settings(max_examples=50, deadline=None)
    def test_resize_and_back_restores(self, width: int, height: int, half_pixel: bool) -> None:
        back = KITTI.resized(width, height, half_pixel).resized(640, 192, half_pixel)
        for name in ("fx", "fy", "cx", "cy"):
            assert getattr(back, name) == pytest.approx(getattr(KITTI, name), abs=1e-9)

    def test_resize_rules(self) -> None:
        plain, exact = KITTI.resized(320, 48), KITTI.resized(320, 48, half_pixel=True)
        assert (plain.fx, plain.fy, plain.cx, plain.cy) == (185.6, 92.16, 160.0, 24.0)
        assert (exact.fx, exact.fy) == (plain.fx, plain.fy)
        assert exact.cx == 0.5 * 320.5 - 0.5
        assert exact.cy == 0.25 * 96.5 - 0.5

    def test_half_pixel_resize_is_what_averaging_an_image_does(self) -> None:
        """The point seen at the centre of a 2 x 2 block is seen at the centre of the block's one pixel."""
        point = torch.tensor([0.3, -0.1, 2.0])
        pixel = (KITTI.matrix() @ point)[:2] / 2
        small = KITTI.resized(320, 96, half_pixel=True)
        assert torch.allclose((small.matrix() @ point)[:2] / 2, (pixel + 0.5) / 2 - 0.5, atol=1e-5)

    def test_flip_moves_the_principal_point(self) -> None:
        camera = Camera(500.0, 500.0, 300.0, 90.0, 640, 192)
        assert camera.flipped().cx == 339  # golden fact 6
        assert camera.flipped().flipped() == camera
        assert (camera.flipped().fx, camera.flipped().cy) == (500.0, 90.0)

    def test_crop_of_cityscapes(self) -> None:
        """Three Ways golden fact 7; the flip there is of continuous coordinates, ours of pixel centres: one pixel."""
        half = Camera(2262.52, 2265.3018, 1096.98, 513.137, 2048, 1024).resized(1024, 512)
        cropped = half.cropped(100, 50, 512, 412)
        assert (cropped.fx, cropped.fy) == pytest.approx((1131.26, 1132.6509))
        assert (cropped.cx, cropped.cy) == pytest.approx((448.49, 206.5685))
        assert (cropped.width, cropped.height) == (512, 412)
        flipped = half.flipped().cropped(100, 50, 512, 412)
        assert (flipped.cx, flipped.cy) == pytest.approx((375.51 - 1, 206.5685))

    def test_crop_of_a_flip_is_a_flip_of_the_mirrored_crop(self) -> None:
        a = KITTI.flipped().cropped(40, 8, 200, 100)
        b = KITTI.cropped(640 - 40 - 200, 8, 200, 100).flipped()
        assert a == b

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"fx": math.nan}, "fx=nan"),
            ({"fy": math.inf}, "fy=inf"),
            ({"fx": 0.0}, "fx=0"),
            ({"fy": -368.0}, "fy=-368"),
            ({"fx": 64001.0}, "fx=64001"),
            ({"fx": 31.9}, "fx=31.9"),
            ({"cx": math.nan}, "cx=nan"),
            ({"cx": 1281.0}, "cx=1281"),
            ({"cy": -193.0}, "cy=-193"),
            ({"width": 0}, "0 x 192"),
            ({"height": -1}, "640 x -1"),
        ],
    )
    def test_absurd_values_are_refused(self, change: dict[str, float], named: str) -> None:
        values = {"fx": 371.2, "fy": 368.64, "cx": 320.0, "cy": 96.0, "width": 640, "height": 192} | change
        with pytest.raises(InputError, match=named.replace(".", r"\.")) as error:
            Camera(**values)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("degrees", [0.0, -5.0, 180.0, 200.0, math.nan])
    def test_impossible_field_of_view(self, degrees: float) -> None:
        with pytest.raises(InputError, match="field of view"):
            Camera.from_field_of_view(degrees, 64, 48)


class TestTensors:
    @pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
    def test_agree_with_camera(self, shape: tuple[int, ...]) -> None:
        K = KITTI.matrix().expand(*shape, 3, 3).contiguous()
        before = K.clone()
        for got, expected in (
            (scale_intrinsics(K, 0.5, 0.25), KITTI.resized(320, 48)),
            (crop_intrinsics(K, 100, 20), KITTI.cropped(100, 20, 300, 100)),
            (flip_intrinsics(K, 640), KITTI.flipped()),
        ):
            assert got.shape == K.shape
            assert torch.allclose(got, expected.matrix().expand_as(K))
        assert torch.equal(K, before)

    def test_invert_is_the_inverse(self) -> None:
        K = torch.tensor([[371.2, 1.5, 320], [0, 368.64, 96], [0, 0, 1]], dtype=torch.float64)
        K = K.expand(2, 3, 3, 3)
        assert torch.allclose(invert_intrinsics(K), torch.linalg.inv(K), atol=1e-12)
        K = K[0, 0].clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda k: invert_intrinsics(k * torch.ones(3, 3).triu()), K)

    @pytest.mark.parametrize("function", [lambda K: scale_intrinsics(K, 1, 1), lambda K: flip_intrinsics(K, 4)])
    def test_shapes(self, function) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
            function(torch.eye(4).expand(2, 4, 4))


class TestDisparity:
    @pytest.mark.parametrize(
        ("disparity", "near", "far", "inverse", "depth"),
        [
            (0.0, 0.1, 100.0, 0.01, 100.0),  # golden fact 1, Three Ways golden fact 1
            (1.0, 0.1, 100.0, 10.0, 0.1),
            (0.5, 0.1, 100.0, 5.005, 0.1998002),
            (0.0, 1e-3, 80.0, 0.0125, 80.0),
            (0.5, 1e-3, 80.0, 500.00625, 0.001999975),
            (1.0, 1e-3, 80.0, 1000.0, 0.001),
        ],
    )
    def test_golden(self, disparity: float, near: float, far: float, inverse: float, depth: float) -> None:
        got = disparity_to_depth(torch.tensor([disparity], dtype=torch.float64), near, far)
        assert [value.item() for value in got] == pytest.approx([inverse, depth], rel=1e-6)

    def test_monotone_and_inverse(self) -> None:
        disparity = torch.linspace(0, 1, 101, dtype=torch.float64)
        inverse_depth, depth = disparity_to_depth(disparity, 0.5, 20.0)
        assert (inverse_depth.diff() > 0).all()
        assert (depth.diff() < 0).all()
        assert torch.allclose(depth_to_disparity(depth, 0.5, 20.0), disparity, atol=1e-12)

    def test_upsampling_disparity_is_not_upsampling_depth(self) -> None:
        """Golden fact 13: halfway between 0 and 1 the depth is 0.1998, not 50.05."""
        disparity = torch.tensor([[[[0.0, 1.0]]]])
        wide = torch.nn.functional.interpolate(disparity, size=(1, 3), mode="bilinear", align_corners=True)
        assert disparity_to_depth(wide)[1][0, 0, 0, 1].item() == pytest.approx(0.1998, abs=1e-4)

    @pytest.mark.parametrize(("near", "far"), [(0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (-1.0, 1.0), (math.nan, 1.0)])
    def test_bad_range(self, near: float, far: float) -> None:
        for function in (disparity_to_depth, depth_to_disparity):
            with pytest.raises(ValueError, match="0 < min < max"):
                function(torch.ones(1), near, far)

    def test_gradient(self) -> None:
        disparity = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda d: disparity_to_depth(d, 0.5, 20.0), disparity)


class TestPoints:
    def test_pixel_grid(self) -> None:
        grid = pixel_grid(2, 3)
        assert grid.tolist() == [[[0, 1, 2], [0, 1, 2]], [[0, 0, 0], [1, 1, 1]], [[1, 1, 1], [1, 1, 1]]]
        assert pixel_grid(2, 3, dtype=torch.float64).dtype == torch.float64

    def test_golden_pixel(self) -> None:
        """Golden fact 3: a pixel's point, and where it goes by a baseline and by driving."""
        depth = torch.full((1, 1, 192, 640), 10.0, dtype=torch.float64)
        K = KITTI.matrix().double()[None]
        points = backproject(depth, K)
        assert points[0, :, 50, 100].tolist() == pytest.approx([-5.926724, -1.247830, 10], abs=1e-6)
        moves = {(-0.1, 0, 0): (96.288, 50), (0.1, 0, 0): (103.712, 50), (0, 0, -1): (75.5556, 44.8889)}
        for move, expected in moves.items():
            T = torch.eye(4, dtype=torch.float64)[None].clone()
            T[0, :3, 3] = torch.tensor(move)
            pixels, seen = project(points, K, T)
            assert pixels[0, :, 50, 100].tolist() == pytest.approx(expected, abs=1e-4)
            assert seen[0, 0, 50, 100].item() == pytest.approx(10 + move[2])

    def test_ground_plane_has_affine_inverse_depth(self) -> None:
        """Golden fact 4, turned round: points of that depth lie on the plane y = 1.65."""
        K = KITTI.matrix().double()[None]
        rows = torch.arange(192, dtype=torch.float64)[None, None, :, None].expand(1, 1, 192, 640)
        depth = 1.65 * 368.64 / (rows - 96).clamp(min=1)
        assert depth[0, 0, 146, 0].item() == pytest.approx(12.16512, abs=1e-5)
        assert depth[0, 0, 191, 0].item() == pytest.approx(6.402695, abs=1e-6)
        heights = backproject(depth, K)[0, 1, 97:]
        assert torch.allclose(heights, torch.full_like(heights, 1.65))

    @pytest.mark.parametrize("batch", [1, 3])
    def test_back_and_forth_is_the_pixel_grid(self, batch: int) -> None:
        generator = torch.Generator().manual_seed(0)
        depth = 1 + 50 * torch.rand(batch, 1, 12, 20, generator=generator)
        K = Camera(14.0, 13.0, 8.3, 6.1, 20, 12).matrix().expand(batch, 3, 3)
        pixels, seen = project(backproject(depth, K), K)
        assert torch.allclose(pixels, pixel_grid(12, 20)[:2].expand(batch, 2, 12, 20), atol=1e-3)
        assert torch.allclose(seen, depth)

    def test_points_behind_have_negative_depth(self) -> None:
        T = torch.eye(4)[None].clone()
        T[0, 2, 3] = -5
        _, seen = project(torch.ones(1, 3, 1, 1), torch.eye(3)[None], T)
        assert seen.item() == -4

    def test_gradients(self) -> None:
        generator = torch.Generator().manual_seed(0)
        depth = (1 + torch.rand(2, 1, 3, 4, dtype=torch.float64, generator=generator)).requires_grad_()
        K = Camera(5.0, 4.0, 1.5, 1.0, 4, 3).matrix().double().expand(2, 3, 3)
        T = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
        T[:, :3, 3] = 0.1
        T = T.requires_grad_()
        assert torch.autograd.gradcheck(lambda d, t: project(backproject(d, K), K, t), (depth, T))

    def test_shapes(self) -> None:
        K = torch.eye(3)[None]
        with pytest.raises(ValueError, match=r"\(1, 2, 4, 4\)"):
            backproject(torch.ones(1, 2, 4, 4), K)
        with pytest.raises(ValueError, match=r"\(2, 3, 3\)"):
            backproject(torch.ones(3, 1, 4, 4), K.expand(2, 3, 3))
        with pytest.raises(ValueError, match=r"\(1, 4, 4, 4\)"):
            project(torch.ones(1, 4, 4, 4), K)
        with pytest.raises(ValueError, match=r"\(1, 3, 3\)"):
            project(torch.ones(1, 3, 4, 4), K, K)


def test_inverse_depth_is_resized_between_pixel_centres() -> None:
    inverse = torch.tensor([[0.1, 0.5]])
    assert resize_inverse_depth(inverse, (1, 4))[0].tolist() == pytest.approx([0.1, 0.2, 0.4, 0.5])
    batch = torch.stack([inverse, 2 * inverse])[:, None]
    assert torch.equal(resize_inverse_depth(batch, (1, 4))[1, 0], 2 * resize_inverse_depth(inverse, (1, 4)))
    assert resize_inverse_depth(inverse, (1, 2)) is inverse
    assert resize_inverse_depth(batch, torch.Size((1, 2))) is batch
