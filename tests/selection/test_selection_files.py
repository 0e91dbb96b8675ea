"""Lists of a selection, and how far each pick was from those before it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from vergence.selection.selection_files import nearest_before, write_lists


class Points:
    """Frames as points of a line."""

    def __init__(self, *places: float) -> None:
        self.places = torch.tensor(places, dtype=torch.float64)[:, None]

    def points(self, rows: torch.Tensor) -> torch.Tensor:
        return self.places[rows]

    def exact(self, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return torch.cdist(self.places[rows], self.places[others])


def test_lists_are_beginnings_of_the_choice_and_old_ones_go(tmp_path: Path) -> None:
    (tmp_path / "nlabels_7.txt").write_text("old")
    images = [f"{k}.png" for k in range(150)]
    write_lists(tmp_path, images, [2, 5])
    assert (tmp_path / "nlabels_2.txt").read_text() == "0.png\n1.png\n"
    assert (tmp_path / "nlabels_5.txt").read_text().splitlines() == images[:5]
    assert not (tmp_path / "nlabels_7.txt").exists()
    sizes = {int(path.stem.removeprefix("nlabels_")) for path in tmp_path.iterdir()}
    assert {2, 5} < sizes, "the paper's subset sizes too"
    assert max(sizes) <= 150


def test_the_nearest_before_each_pick() -> None:
    choice: Any = SimpleNamespace(space=Points(0, 10, 4, 11), known=[], picks=[0, 1, 2, 3])
    assert nearest_before(choice) == [(0.0, None), (10.0, 0), (4.0, 0), (1.0, 1)]
    choice.known, choice.picks = [3], [1, 0]
    assert nearest_before(choice) == [(1.0, 3), (10.0, 1)], "labelled frames are before all"
