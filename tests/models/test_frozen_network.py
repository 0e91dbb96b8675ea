"""Settings of a frozen encoder with a head that make no network."""

import pytest

from tests.methods.frozen_parts import OPTIONS, network
from vergence.errors import InputError
from vergence.methods.frozen import FrozenMethod
from vergence.methods.frozen_config import FrozenConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"strides": (3, 8)}, "strides"), ({"strides": ()}, "strides"), ({"hidden": 0}, "hidden")],
)
def test_bad_networks(settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        FrozenMethod(FrozenConfig(network=network(**settings)), OPTIONS)
