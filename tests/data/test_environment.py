"""Numbers that are set in the environment."""

import pytest

from vergence.data.environment import positive, process_of
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


@pytest.mark.parametrize(
    ("world", "rank", "found"),
    [(None, None, (0, 1)), (None, "3", (0, 1)), ("1", None, (0, 1)), ("1", "0", (0, 1)), ("4", "3", (3, 4))],
)
def test_which_process_this_is(
    world: str | None, rank: str | None, found: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _told(monkeypatch, world, rank)
    assert process_of() == found


@pytest.mark.parametrize(
    ("world", "rank", "said"),
    [
        ("4", None, "WORLD_SIZE is '4' and RANK is not set"), ("", None, "WORLD_SIZE is '' and RANK is not set"),
        ("", "0", "WORLD_SIZE is '' and RANK is '0'"), ("4", "", "WORLD_SIZE is '4' and RANK is ''"),
        ("four", "1", "WORLD_SIZE is 'four' and RANK is '1'"),
    ],
)  # fmt: skip
def test_half_of_it_would_make_every_process_the_first(
    world: str, rank: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _told(monkeypatch, world, rank)
    with pytest.raises(InputError, match=f"^{said}; set both to numbers, as torchrun does, or neither\\.$"):
        process_of()


def _told(monkeypatch: pytest.MonkeyPatch, world: str | None, rank: str | None) -> None:
    for name, value in (("WORLD_SIZE", world), ("RANK", rank)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
