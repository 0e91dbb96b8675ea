"""Numbers that are set in the environment."""

import pytest

from vergence.data.environment import positive
from vergence.errors import InputError


@pytest.mark.parametrize(("text", "value"), [("", 3.0), ("0.5", 0.5), ("9.99", 9.99)])
def test_a_number_or_the_default(text: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_TRIED", text)
    assert positive("VERGENCE_TRIED", 3.0, 10, "give another") == value


def test_the_default_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERGENCE_TRIED", raising=False)
    assert positive("VERGENCE_TRIED", 0.0, 10, "give another") == 0


@pytest.mark.parametrize("text", ["0", "-1", "10", "nan", "inf", "many", " "])
def test_what_is_no_such_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_TRIED", text)
    with pytest.raises(InputError, match=rf"^VERGENCE_TRIED is '{text}'; give another\.$"):
        positive("VERGENCE_TRIED", 3.0, 10, "give another.")
