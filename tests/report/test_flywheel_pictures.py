"""The frames that each round of a flywheel has chosen, as small pictures."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.flywheel.folder import Round
from vergence.report.flywheel_pictures import chosen_pictures


class Chosen:
    def __init__(self, number: int, *images: str) -> None:
        self.number, self.images = number, images

    def new(self) -> tuple[str, ...]:
        return self.images


def test_rounds_that_chose_are_shown_and_long_lists_are_cut(tmp_path: Path) -> None:
    rows = []
    for place in range(25):
        Image.fromarray(np.full((40, 320, 3), 10 * place, np.uint8)).save(tmp_path / f"{place}.png")
        rows.append(FrameRow(f"{place}.png", "drive", place))
    names = [row.image for row in rows]
    rounds: Any = [Chosen(0, "1.png", "gone.png"), Chosen(1), Chosen(2, *names)]
    found = chosen_pictures(cast(list[Round], rounds), Manifest(rows, tmp_path))
    assert [(one["round"], one["count"], one["shown"]) for one in found] == [(0, 1, 1), (2, 25, 20)]
    assert found[0]["pictures"][0].title == "drive · 1"
    assert (found[0]["pictures"][0].width, found[0]["pictures"][0].height) == (160, 20)
