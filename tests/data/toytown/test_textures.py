"""Textures repeat, agree between levels, and lose their contrast where a pixel covers too much."""

import numpy as np
import pytest

from vergence.data.toytown.textures import SIZE, TILES, texture_set


@pytest.fixture(scope="module", params=["clear", "dusk"])
def textures(request: pytest.FixtureRequest):
    return texture_set(request.param)


def grid(metres: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(0, metres, step, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    return u.ravel(), v.ravel()


@pytest.mark.parametrize("tile", range(len(TILES)))
def test_tile_has_zero_mean_and_contrast(textures, tile: int) -> None:
    level = textures.flat[tile * textures.stride :][: SIZE * SIZE]
    assert abs(level.mean()) < 0.15
    assert 0.7 < level.std() < 1.05


def test_sample_at_texel_centres_returns_the_texel(textures) -> None:
    j, i = np.array([0, 3, 255]), np.array([0, 200, 255])
    u, v = ((i + 0.5) / SIZE * 8).astype(np.float32), ((j + 0.5) / SIZE * 8).astype(np.float32)
    value = textures.sample(1, u, v, 8.0, np.full(3, 1e-3, np.float32))
    np.testing.assert_allclose(value, textures.flat[textures.stride + j * SIZE + i], atol=1e-3)


def test_sample_is_periodic_also_below_zero(textures) -> None:
    u, v = grid(4.0, 0.37)
    width = np.full(u.shape, 0.05, np.float32)
    expected = textures.sample(2, u, v, 4.0, width)
    np.testing.assert_allclose(textures.sample(2, u - 8, v + 4, 4.0, width), expected, atol=2e-3)


def test_coarse_footprint_removes_contrast_and_steps(textures) -> None:
    u, v = grid(16.0, 0.11)
    deviation = [textures.sample(0, u, v, 16.0, np.full(u.shape, w, np.float32)).std() for w in (0.06, 0.5, 4.0, 16.0)]
    assert deviation[0] > deviation[1] > deviation[2] > deviation[3]
    assert deviation[3] < 0.1
    # band limit: a step of a quarter footprint changes little
    wide = np.full(u.shape, 1.0, np.float32)
    change = np.abs(textures.sample(0, u + np.float32(0.25), v, 16.0, wide) - textures.sample(0, u, v, 16.0, wide))
    assert change.mean() < 0.3 * deviation[1]


def test_styles_have_other_textures() -> None:
    clear, dusk = texture_set("clear"), texture_set("dusk")
    for tile in range(len(TILES)):
        part = slice(tile * clear.stride, tile * clear.stride + SIZE * SIZE)
        assert abs(np.corrcoef(clear.flat[part], dusk.flat[part])[0, 1]) < 0.5
