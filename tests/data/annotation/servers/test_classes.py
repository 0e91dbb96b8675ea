"""Whether a project asks for the same classes."""

import pytest

from tests.data.annotation.annotated import SPACE
from vergence.data.annotation.classes import AnnotationClasses
from vergence.data.annotation.servers.classes import same_classes
from vergence.errors import InputError

CLASSES = AnnotationClasses.of(SPACE)


@pytest.mark.parametrize(
    "there",
    [
        ["grass", "path", "old shed"],
        ["old shed", "ignore", "grass", "path"],
        ["background", "grass", "path", "old shed", "ignore"],
    ],
)
def test_the_same_in_any_order(there: list[str]) -> None:
    same_classes("it", there, CLASSES)


def test_others() -> None:
    with pytest.raises(InputError, match=r"^it lacks 'path' and has 'Path' besides, so that its classes are not those"):
        same_classes("it", ["grass", "Path", "old shed"], CLASSES)
    many = [f"class {number}" for number in range(12)]
    with pytest.raises(InputError, match="'class 7' and 4 more besides"):
        same_classes("it", [*many, *SPACE.classes], CLASSES)
