"""What one frame looks like to the scan, of pictures whose measures are known."""

import numpy as np
from PIL import Image

from vergence.data.rows.frame_row import FrameRow
from vergence.data.scan.frames import look

ROW = FrameRow("a.png", "a", 0)


def test_brightness_borders_and_colour(tmp_path):
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[10:80, 20:] = (200, 200, 200)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = look(tmp_path / "a.png", ROW)
    assert found.size == (200, 100)
    assert found.borders == (0.1, 0.2, 0.1, 0.0)
    np.testing.assert_allclose(found.brightness, 200 * 0.7 * 0.9, rtol=1e-6)
    assert not found.colourful
    pixels[10:80, 20:] = (200, 150, 100)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert look(tmp_path / "a.png", ROW).colourful


def test_sharpness_is_second_differences_over_contrast(tmp_path):
    checkers = (np.indices((64, 64)).sum(0) % 2 * 200 + 20).astype(np.uint8)
    Image.fromarray(checkers).save(tmp_path / "a.png")
    sharp = look(tmp_path / "a.png", ROW)
    np.testing.assert_allclose(sharp.sharpness, (400 + 400) / 100, rtol=1e-5)  # |1 - 2 + 1| steps of 200, deviation 100
    ramp = np.broadcast_to(np.arange(0, 192, 3, dtype=np.uint8), (64, 64))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "a.png")
    assert look(tmp_path / "a.png", ROW).sharpness == 0, "a ramp has no second differences"
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(tmp_path / "a.png")
    assert look(tmp_path / "a.png", ROW).sharpness == 0


def test_large_frames_become_small_and_broken_ones_nothing(tmp_path):
    Image.fromarray(np.full((500, 1000), 90, np.uint8)).save(tmp_path / "a.png")
    found = look(tmp_path / "a.png", ROW)
    assert (found.grey.shape, found.size) == ((160, 320), (1000, 500))
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert look(tmp_path / "a.png", ROW) is None
