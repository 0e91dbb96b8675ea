"""What a selection may be asked."""

import pytest

from vergence.errors import InputError
from vergence.selection.settings import Selection


def test_goals_end_with_the_count() -> None:
    assert Selection(100, steps="25, 50,100").goals == [25, 50, 100]
    assert Selection(60, steps=[25, 50, 100]).goals == [25, 50, 60]
    assert Selection(7).goals[-1] == 7


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"count": 0}, "count is 0"),
        ({"criterion": "reech"}, "did you mean .reach."),
        ({"val": -1}, "val is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"weight": float("nan")}, "weight is nan"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"rarity": 11}, "rarity is 11"),
        ({"steps": "50,25"}, "rising numbers"),
        ({"steps": "few"}, "rising numbers"),
        ({"steps": [200, 300]}, "all above the count of 10"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Selection(**{"count": 10, **settings})  # type: ignore[arg-type]
