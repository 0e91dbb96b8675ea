"""One camera and its lens, written down."""

import json

LENSES = {"fisheye": [-0.03, 0.004, 0.0, 0.0], "opencv": [-0.25, 0.05, 0.001, -0.0005, 0.0]}


def write(tmp_path, **more):
    text = {"width": 160, "height": 120, "fx": 110, "fy": 112, "cx": 80, "cy": 61} | more
    (tmp_path / "intrinsics.json").write_text(json.dumps(text))
    return tmp_path / "intrinsics.json"
