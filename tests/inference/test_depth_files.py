"""Predicted depth as files: one scale and one range for all frames."""

import numpy as np
import pytest
from PIL import Image

from tests.inference.predicted import RedMethod, depth_of, folder, made_run
from vergence.api import predict
from vergence.data.measured.depth_files import ColourRange, colourize, read_depth_png


def test_metric_runs_write_metres_in_256ths(tmp_path):
    record = predict(made_run(tmp_path, RedMethod(5.4)), folder(tmp_path), tmp_path / "out")
    assert (record["unit"], record["factor"], record["png_factor"]) == ("metres", 5.4, 256.0)
    for number, red in enumerate((50, 100, 200)):
        stored = read_depth_png(tmp_path / "out" / "depth" / f"{number:03d}.png")
        np.testing.assert_allclose(stored, 5.4 * depth_of(red), atol=0.01)


def test_colours_have_one_range_for_all_frames(tmp_path):
    record = predict(made_run(tmp_path), folder(tmp_path), tmp_path / "out")
    limits = ColourRange(record["colour"]["low"], record["colour"]["high"])
    values = np.repeat([50 / 255 + 0.01, 100 / 255 + 0.01, 200 / 255 + 0.01], 100)
    assert limits == pytest.approx(tuple(np.percentile(values, (2, 98))), abs=1e-4)
    for number, red in enumerate((50, 100, 200)):
        with Image.open(tmp_path / "out" / "colour" / f"{number:03d}.jpg") as image:
            expected = colourize(np.full((1, 1), red / 255 + 0.01), limits)[0, 0].astype(int)
            np.testing.assert_allclose(np.asarray(image).astype(int)[5, 5], expected, atol=2)
