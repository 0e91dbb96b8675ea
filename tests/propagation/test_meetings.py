"""How right carried labels are where they meet labels made by hand: by the threshold that all frames share."""

import pytest
import torch

from vergence.propagation.carry import Meeting
from vergence.propagation.meetings import agreed, checked, stored_meetings


def meeting(seconds: float, right: list[int], score: list[float]) -> Meeting:
    return Meeting(seconds, torch.tensor(right).bool(), torch.tensor(score))


def test_kept_is_what_reaches_the_threshold_and_every_pixel_counts_the_same() -> None:
    near, far = meeting(0.5, [1, 1, 0, 1], [0.9, 0.8, 0.7, 0.2]), meeting(2.0, [1, 0], [0.6, 0.1])
    nothing, unsure = meeting(1.0, [], []), meeting(3.0, [0], [0.0])
    arrays, told = stored_meetings([near, nothing, far, unsure])
    assert told[2] == {"seconds": 2.0, "pixels": 2}
    found = agreed(told, arrays, 0.65)
    assert [one["kept"] for one in found] == [3, 0, 0, 0]
    assert found[0]["right"] == pytest.approx(3 / 4)
    assert found[0]["right_kept"] == pytest.approx(2 / 3)
    assert [one["right_kept"] for one in found[1:]] == [None, None, None]
    assert found[1]["right"] is None
    total = checked(agreed(told, arrays, 0.5))
    assert total["right"] == pytest.approx(4 / 7)
    assert total["right_kept"] == pytest.approx(3 / 4)
    assert total["seconds"] == pytest.approx((4 * 0.5 + 2 * 2.0 + 3.0) / 7)
    assert total["meetings"] == 4


def test_without_meetings_nothing_is_said() -> None:
    arrays, told = stored_meetings([])
    assert agreed(told, arrays, 0.5) == []
    assert checked([]) == {"right": None, "right_kept": None, "seconds": None, "meetings": 0}
