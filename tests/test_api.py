"""The verbs: everything of their signatures is documented, and they say what they cannot take before they begin."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vergence import api, labelling, preparing
from vergence.arguments import argument_texts
from vergence.errors import InputError

FUNCTIONS = [
    function
    for module in (api, labelling, preparing)
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_argument_is_described(function: Callable[..., Any]) -> None:
    given = set(inspect.signature(function).parameters) - {"progress"}
    assert set(argument_texts(function)) == given
    assert (function.__doc__ or "").strip().splitlines()[0].endswith(".")


@pytest.mark.parametrize(
    "call",
    [
        lambda place: api.resume(place),
        lambda place: api.evaluate(place),
        lambda place: api.report(place),
        lambda place: api.scan(place),
        lambda place: api.index("folder", place, place / "m.csv"),
        lambda place: api.train("no-such-recipe", place / "run"),
        lambda place: labelling.labels_import(place, place / "m.csv", place / "new.csv"),
    ],
)
def test_what_is_not_there_is_one_sentence_and_makes_nothing(tmp_path: Path, call: Callable[[Path], Any]) -> None:
    place = tmp_path / "nowhere"
    with pytest.raises(InputError) as error:
        call(place)
    assert str(error.value).endswith((".", "?"))
    assert "\n" not in str(error.value)
    assert not place.exists()
