"""View synthesis against a naive twin, the golden facts and gradients."""

import pytest
import torch
from torch import Tensor

from vergence.geometry.camera import Camera, backproject, pixel_grid, project
from vergence.geometry.pose import transform_from_parameters
from vergence.geometry.warp import projection_rays, resize_projection, sampling_grid, synthesize_view, warp

HEIGHT, WIDTH = 7, 11


def scene(batch: int = 2, sources: int = 3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Images, depth, intrinsics of target and sources, transforms, all different."""
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    K = Camera(9.0, 8.0, 5.2, 2.9, WIDTH, HEIGHT).matrix().double()
    K_target = K.repeat(batch, 1, 1)
    K_source = K.repeat(batch, sources, 1, 1)
    K_source[:, :, :2] *= 1 + 0.1 * rand(batch, sources, 2, 1)
    T = transform_from_parameters(0.2 * (rand(batch, sources, 3) - 0.5), rand(batch, sources, 3) - 0.5)
    values = (rand(batch, sources, 3, HEIGHT, WIDTH), 1 + 4 * rand(batch, 1, HEIGHT, WIDTH), K_target, K_source, T)
    return tuple(value.to(dtype) for value in values)


def naive_warp(source: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear sample of (C, H, W) at pixel positions (H', W'), the border repeated; one pixel at a time."""
    height, width = source.shape[-2:]
    out = source.new_zeros(source.shape[0], *x.shape)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            u = min(max(x[row, column].item(), 0), width - 1)
            v = min(max(y[row, column].item(), 0), height - 1)
            left, top = min(int(u), max(width - 2, 0)), min(int(v), max(height - 2, 0))
            a, b = u - left, v - top
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            upper = (1 - a) * source[:, top, left] + a * source[:, top, right]
            lower = (1 - a) * source[:, bottom, left] + a * source[:, bottom, right]
            out[:, row, column] = (1 - b) * upper + b * lower
    return out


def test_against_naive_twin() -> None:
    source, depth, K_target, K_source, T = scene()
    warped, inside = synthesize_view(source, depth, K_target, K_source, T)
    points = backproject(depth, K_target)
    seen = 0
    for s in range(source.shape[1]):
        pixels, z = project(points, K_source[:, s], T[:, s])
        for b in range(len(source)):
            x, y = pixels[b]
            assert torch.allclose(warped[b, s], naive_warp(source[b, s], x, y), atol=1e-9)
            expected = (x >= 0) & (x <= WIDTH - 1) & (y >= 0) & (y <= HEIGHT - 1) & (z[b, 0] > 0)
            assert torch.equal(inside[b, s, 0], expected)
            seen += int(expected.sum())
    assert 0.2 < seen / inside.numel() < 0.95  # both cases are covered


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_identity_returns_the_source_corners_included(batch: int) -> None:
    """Golden fact 2, Three Ways golden fact 6."""
    source, depth, K_target, _, _ = scene(batch, 2, torch.float32)
    K_source, T = K_target[:, None].repeat(1, 2, 1, 1), torch.eye(4).expand(batch, 2, 4, 4)
    rays, offset = projection_rays(K_target, K_source, T, HEIGHT, WIDTH)
    grid, inside = sampling_grid(depth, rays, offset)
    corners = grid[:, :, :: HEIGHT - 1, :: WIDTH - 1]
    assert torch.allclose(corners, corners.sign(), atol=1e-5)
    assert inside[..., 1:-1, 1:-1].all()
    warped = warp(source, grid)
    assert torch.allclose(warped, source, atol=1e-4)
    other = warp(source, grid, align_corners=False)
    assert (other - source).abs().max() > 0.05  # visibly wrong


def test_sideways_move_shifts_by_focal_length_times_baseline_over_depth() -> None:
    """Three Ways golden fact 6: f = 3, z = 2, t = 1 is 1.5 pixels."""
    K = torch.tensor([[3.0, 0, 2], [0, 3, 2], [0, 0, 1]], dtype=torch.float64)[None]
    T = torch.eye(4, dtype=torch.float64).repeat(1, 1, 1, 1)
    T[0, 0, 0, 3] = 1
    rays, offset = projection_rays(K, K[:, None], T, 5, 5)
    grid, _ = sampling_grid(torch.full((1, 1, 5, 5), 2.0, dtype=torch.float64), rays, offset)
    pixels = (grid[0, 0] + 1) * 2
    assert torch.allclose(pixels[..., 0], pixel_grid(5, 5)[0].double() + 1.5, atol=1e-6)
    assert torch.allclose(pixels[..., 1], pixel_grid(5, 5)[1].double(), atol=1e-6)


@pytest.mark.parametrize("size", [(4, 6), (3, 4), (7, 6), (7, 11)])
def test_a_resized_projection_is_that_of_smaller_cameras(size: tuple[int, int]) -> None:
    _, _, K_target, K_source, T = scene()
    smaller = torch.eye(3, dtype=torch.float64)
    for axis, (part, full) in enumerate(((size[1], WIDTH), (size[0], HEIGHT))):
        smaller[axis, axis], smaller[axis, 2] = part / full, (part / full - 1) / 2  # pixel centres are whole numbers
    expected = projection_rays(smaller @ K_target, smaller @ K_source, T, *size)
    resized = resize_projection(*projection_rays(K_target, K_source, T, HEIGHT, WIDTH), size)
    for one, other in zip(resized, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


def test_sampled_values() -> None:
    """Golden fact 7: row [0, 10, 20, 30] at 0.5, 1.25 and 2.9; the border is repeated outside."""
    row = torch.tensor([0.0, 10, 20, 30]).view(1, 1, 1, 1, 4)
    x = torch.tensor([0.5, 1.25, 2.9, -3.0, 7.0])
    grid = torch.stack([2 * x / 3 - 1, torch.zeros_like(x)], dim=-1).view(1, 1, 1, 5, 2)
    assert warp(row, grid).flatten().tolist() == pytest.approx([5, 12.5, 29, 0, 30], abs=1e-5)


def test_behind_the_camera_is_not_inside() -> None:
    K = torch.tensor([[3.0, 0, 2], [0, 3, 2], [0, 0, 1]])[None]
    T = torch.eye(4).repeat(1, 2, 1, 1)
    T[0, 1, 2, 3] = -5
    rays, offset = projection_rays(K, K[:, None].expand(1, 2, 3, 3), T, 5, 5)
    _, inside = sampling_grid(torch.full((1, 1, 5, 5), 2.0), rays, offset)
    assert inside[0, 0, 0, 2, 2]
    assert not inside[0, 1].any()


def test_samples_do_not_mix() -> None:
    source, depth, K_target, K_source, T = scene(3, 2)
    together, _ = synthesize_view(source, depth, K_target, K_source, T)
    for b in range(3):
        part = slice(b, b + 1)
        alone, _ = synthesize_view(source[part], depth[part], K_target[part], K_source[part], T[part])
        assert torch.equal(alone, together[part])


def test_gradient_of_the_grid() -> None:
    _, depth, K_target, K_source, T = scene(2, 2)
    rays, offset = projection_rays(K_target, K_source, T, HEIGHT, WIDTH)
    leaves = tuple(value.detach().requires_grad_() for value in (depth, rays, offset))
    assert torch.autograd.gradcheck(lambda *values: sampling_grid(*values)[0], leaves)


def test_gradient_reaches_depth_pose_and_intrinsics() -> None:
    """Of the whole synthesis, against finite differences; positions keep clear of the kinks between pixels."""
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(1, 1, 2, 5, 6, generator=generator, dtype=torch.float64)
    K = Camera(5.0, 5.0, 2.5, 2.0, 6, 5).matrix().double()[None]
    depth = (2 + torch.rand(1, 1, 5, 6, generator=generator, dtype=torch.float64)).requires_grad_()
    turn = torch.tensor([[[0.013, -0.021, 0.017]]], dtype=torch.float64, requires_grad=True)
    move = torch.tensor([[[0.11, 0.07, -0.05]]], dtype=torch.float64, requires_grad=True)
    K = K.requires_grad_()
    upper, last = torch.ones(2, 3, dtype=torch.float64).triu(), torch.tensor([[[0.0, 0, 1]]], dtype=torch.float64)

    def synthesis(d: Tensor, r: Tensor, t: Tensor, k: Tensor) -> Tensor:
        k = torch.cat([k[:, :2] * upper, last], dim=1)  # perturbed intrinsics must stay intrinsics
        return synthesize_view(source, d, k, k[:, None], transform_from_parameters(r, t))[0]

    assert torch.autograd.gradcheck(synthesis, (depth, turn, move, K), atol=1e-4)


def test_source_receives_gradient() -> None:
    source, depth, K_target, K_source, T = scene(1, 2)
    source = source.requires_grad_()
    warped, _ = synthesize_view(source, depth, K_target, K_source, T)
    warped.sum().backward()
    assert source.grad is not None
    assert source.grad.sum().item() == pytest.approx(warped.numel())  # bilinear weights sum to one


def test_low_precision_images_are_sampled_at_full_precision_positions() -> None:
    source, depth, K_target, K_source, T = scene(dtype=torch.float32)
    expected, _ = synthesize_view(source, depth, K_target, K_source, T)
    got, _ = synthesize_view(source.bfloat16(), depth, K_target, K_source, T)
    assert got.dtype == torch.bfloat16
    assert (got.float() - expected).abs().max() < 0.01
    rays, offset = projection_rays(K_target, K_source, T, HEIGHT, WIDTH)
    grid, _ = sampling_grid(depth.bfloat16(), rays, offset)
    assert grid.dtype == torch.float32


def test_any_layout_of_memory() -> None:
    source, depth, K_target, K_source, T = scene()
    expected, _ = synthesize_view(source, depth, K_target, K_source, T)
    shuffled = source.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    turned = depth.mT.contiguous().mT
    got, _ = synthesize_view(shuffled, turned, K_target, K_source, T)
    assert torch.allclose(got, expected)


def test_one_row_or_column() -> None:
    source, K = torch.rand(1, 1, 3, 1, 4), Camera(4.0, 4.0, 1.5, 0.0, 4, 1).matrix()[None]
    warped, inside = synthesize_view(source, torch.ones(1, 1, 1, 4), K, K[:, None], torch.eye(4).view(1, 1, 4, 4))
    assert torch.allclose(warped, source, atol=1e-5)
    assert warped.isfinite().all()
    assert inside.shape == (1, 1, 1, 1, 4)


class TestShapes:
    def test_rays(self) -> None:
        K, T = torch.eye(3).repeat(2, 1, 1), torch.eye(4).repeat(2, 3, 1, 1)
        with pytest.raises(ValueError, match=r"\(2, 3, 3\), \(2, 3, 3\)"):
            projection_rays(K, K, T, 4, 5)
        with pytest.raises(ValueError, match=r"\(2, 2, 3, 3\)"):
            projection_rays(K, K[:, None].expand(2, 2, 3, 3), T, 4, 5)

    def test_grid(self) -> None:
        rays, offset = torch.ones(2, 3, 3, 4, 5), torch.ones(2, 3, 3, 1, 1)
        with pytest.raises(ValueError, match=r"\(2, 4, 5\)"):
            sampling_grid(torch.ones(2, 4, 5), rays, offset)
        with pytest.raises(ValueError, match=r"\(2, 1, 4, 6\)"):
            sampling_grid(torch.ones(2, 1, 4, 6), rays, offset)

    def test_warp(self) -> None:
        with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\)"):
            warp(torch.ones(2, 3, 4, 5), torch.ones(2, 1, 4, 5, 2))
        with pytest.raises(ValueError, match=r"\(2, 2, 4, 5, 2\)"):
            warp(torch.ones(2, 1, 3, 4, 5), torch.ones(2, 2, 4, 5, 2))


def test_positions_that_are_not_numbers_give_no_numbers() -> None:
    """A diverged network must reach the check of the loss: PyTorch's CPU kernel would crash in the backward pass."""
    source, grid = torch.rand(1, 2, 3, 8, 8), torch.zeros(1, 2, 8, 8, 2)
    grid[0, 1, 3, 3, 0] = torch.nan
    assert warp(source, grid).isnan().all()
