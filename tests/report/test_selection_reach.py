"""Why frames were chosen by reach, and what they are compared with."""

from pathlib import Path
from typing import Any

import numpy as np

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.report.selection_reach import compared_orders, reach_told


def test_the_choice_is_compared_with_as_many_random_and_uniform_frames() -> None:
    manifest = Manifest([FrameRow(f"{k}.png", "a", k) for k in range(10)], Path())
    allowed = np.arange(10) != 4
    selection: dict[str, Any] = {
        "criterion": "reach", "seed": 1, "count": 3, "frames": [{"row": 7}, {"row": 2}, {"row": 5}],
    }  # fmt: skip
    orders = compared_orders(selection, manifest, allowed)
    assert orders["chosen"] == [7, 2, 5]
    assert orders.keys() == {"chosen", "random", "uniform"}
    assert all(len(order) == 3 and 4 not in order for order in orders.values())
    assert "random" not in compared_orders(selection | {"criterion": "random"}, manifest, allowed)


def test_what_a_frame_adds_in_words() -> None:
    before = {"frames": 2, "seconds": 0.5, "share": 0.25}
    after = {"frames": 6, "seconds": 1.5, "share": 0.75}
    frame: dict[str, Any] = {"adds": 4.0, "rarity": 1.0, "reach": {"before": before, "after": after}}
    assert reach_told(frame) == ("adds 4.0 frames; reaches 0.5 s back and 1.5 s on: 62% of the pixels of 8 frames")
    frame["rarity"] = 2.5
    assert reach_told(frame).startswith("adds 4.0 frames, 2.5 times as rare as the mean;")
    before["frames"] = after["frames"] = 0
    assert reach_told(frame).endswith("; reaches no other frame")
