"""Numbers inside a page are those of the maps."""

import base64
import io
import json

import numpy as np
from PIL import Image

from vergence.report.probes import Probe, View, class_probe, depth_probe, panel_data, share_probe


def numbers(probe: Probe) -> np.ndarray:
    """What the page's script reads."""
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(probe.uri.partition(",")[2])))).astype(int)
    stored = 256 * pixels[..., 0] + pixels[..., 1]
    share = (stored - 1) / 65533
    values = (
        probe.low * (probe.high / probe.low) ** share if probe.log else probe.low + share * (probe.high - probe.low)
    )
    return np.where(stored == 0, np.nan, stored - 1 if probe.names else values)


def test_depth_is_read_to_a_thousandth() -> None:
    depth = np.geomspace(0.5, 90, 200).reshape(10, 20)
    inverse = 1 / depth
    inverse[0, 0], inverse[0, 1] = 0, np.nan
    read = numbers(depth_probe("depth", inverse, "m"))
    assert np.isnan(read[0, :2]).all()
    np.testing.assert_allclose(read.ravel()[2:], depth.ravel()[2:], rtol=1e-3)


def test_shares_classes_and_maps_without_a_value() -> None:
    shares = np.linspace(0, 1, 12).reshape(3, 4)
    np.testing.assert_allclose(numbers(share_probe("sure", shares)), 100 * shares, atol=1e-2)
    ids = np.array([[0, 2], [255, 1]])
    read = numbers(class_probe("class", ids, ("sky", "road", "car")))
    assert np.array_equal(read, [[0, 2], [np.nan, 1]], equal_nan=True)
    assert np.isnan(numbers(depth_probe("depth", np.zeros((2, 2)), ""))).all()


def test_large_maps_are_thinned_and_texts_cannot_leave_the_script() -> None:
    probe = class_probe("</script><b>", np.zeros((100, 1000), int), ("sky",))
    assert Image.open(io.BytesIO(base64.b64decode(probe.uri.partition(",")[2]))).width == 250
    data = panel_data([probe], View(0, (0.5, 1.0, 0.5, 0.5)))
    assert "<" not in data
    assert json.loads(data)["probes"][0]["label"] == "</script><b>"
