"""Frames chosen by what their labels reach: what judges counts nothing, and what each adds is told."""

from typing import Any

import numpy as np
import pytest

from vergence.errors import InputError
from vergence.selection import cover as module
from vergence.selection.cover import cover, frame_weights
from vergence.selection.reach import Reach
from vergence.selection.video_reach import CELLS


class Reaches(list[Reach]):
    """Of four frames: each reaches itself, the second half of the third frame, too."""

    def __init__(self) -> None:
        own = [np.arange(k * CELLS, (k + 1) * CELLS) for k in range(4)]
        super().__init__(Reach(cells, np.ones(CELLS)) for cells in own)
        self[1] = Reach(np.concatenate([own[1], own[2]]), np.concatenate([np.ones(CELLS), np.full(CELLS, 0.5)]))


@pytest.fixture
def reaches(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "each_way", lambda *_: ((0, 0.0, 0.0), (1, 0.1, 0.5)))
    return Reaches()


def test_frames_to_judge_by_need_not_be_reached() -> None:
    given = np.arange(3.0 * CELLS)
    found = frame_weights(given, [1])
    assert (found[CELLS : 2 * CELLS] == 0).all()
    np.testing.assert_array_equal(found[:CELLS], given[:CELLS])
    assert given[CELLS] == CELLS, "what was given stays"


def test_the_one_that_reaches_most_comes_first_and_says_what_it_adds(reaches: Any) -> None:
    rows, reasons = cover(reaches, 2, np.ones(4 * CELLS), [], np.ones(4, dtype=bool), "data")
    assert rows[0] == 1
    assert reasons[0]["adds"] == pytest.approx(1.5)
    assert reasons[0]["rarity"] == pytest.approx(1.0)
    assert reasons[0]["reach"]["after"] == {"frames": 1, "seconds": 0.1, "share": 0.5}
    assert reasons[1]["adds"] == pytest.approx(1.0)


def test_more_frames_than_everything_needs(reaches: Any) -> None:
    weight = frame_weights(np.ones(4 * CELLS), [0, 3])
    with pytest.raises(InputError, match=r"4 frames are asked for and labels of \d of data reach all"):
        cover(reaches, 4, weight, [], np.ones(4, dtype=bool), "data")
