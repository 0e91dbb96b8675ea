"""Frames being chosen: what is closed, what is equal, what is asked for; random and uniform choices."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.selection.choice import Choice
from vergence.selection.settings import Selection


def choice(count: int = 8, goals: tuple[int, ...] = (3,), digests: list[int] | None = None, val: int = 0) -> Choice:
    manifest = Manifest([FrameRow(f"{k}.png", "drive", k) for k in range(count)], Path())
    features: Any = SimpleNamespace(digests=np.array(digests or range(count), dtype=np.uint64))
    run: Any = SimpleNamespace(path=Path("run"))
    return Choice(run, manifest, features, Path("out"), Selection(goals[-1], steps=goals, weight=1.0, val=val))


def test_closed_known_and_equal_frames_are_not_chosen() -> None:
    one = choice(digests=[0, 1, 2, 2, 4, 5, 6, 7], goals=(5,))
    one.close({"0.png"}, {"1.png"})
    assert one.known == [1]
    assert one.allowed.tolist() == [False, False, True, False, True, True, True, True]
    one.check()
    more = choice(digests=[0, 1, 2, 2, 4, 5, 6, 7], goals=(6,))
    more.close({"0.png"}, {"1.png"})
    with pytest.raises(InputError, match=r"6 frames are asked for and .* has 5 without 3 excluded, labelled"):
        more.check()


def test_frames_set_aside_are_even_in_time_and_not_chosen() -> None:
    one = choice(val=2)
    one.close({"3.png"}, set())
    assert one.val == [4, 2], "at a half and a quarter of the drive"
    assert not one.allowed[one.val].any()
    assert one.allowed.sum() == 5
    with pytest.raises(InputError, match="8 frames are to be set aside"):
        choice(val=8).close({"3.png"}, set())


@pytest.mark.parametrize("criterion", ["random", "uniform"])
def test_orders_are_followed_past_what_is_closed(criterion: str) -> None:
    one = choice()
    one.close({"4.png", "0.png"}, set())
    students: Any = SimpleNamespace(classes=False)
    one.make(criterion, students, "")
    wanted = [row for row in one.order(criterion) if row not in (0, 4)][:3]
    assert one.picks == wanted
    assert one.reasons == [{"step": 3}] * 3
    assert not one.allowed[wanted].any()
    again = choice()
    assert again.order(criterion) == one.order(criterion)
