"""Methods by name."""

from dataclasses import dataclass
from typing import Any

import pytest

from vergence.errors import InputError
from vergence.methods import method_named, registry
from vergence.methods.base import Method
from vergence.methods.config import MethodConfig
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig


def test_method_is_known_by_name() -> None:
    assert method_named("corda") is CordaMethod
    assert CordaMethod.settings is CordaConfig


@dataclass
class Settings(MethodConfig):
    pass


class Own(Method):
    settings = Settings


def test_a_method_of_ones_own_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "METHODS", dict(registry.METHODS))
    registry.register_method("own_kind", Own)
    registry.register_method("own_kind", Own)  # twice is once
    assert registry.method_named("own_kind") is Own
    assert "own_kind" in registry.method_names()


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("no word", Own, "cannot be named 'no word'"),
        ("frames", Own, "cannot be named 'frames'"),
        ("corda", Own, "corda is vergence.methods.corda.CordaMethod already"),
        ("thing", int, "a class on top of vergence.methods.Method"),
        ("thing", Method, "has no settings"),
    ],
)
def test_what_cannot_be_registered(name: str, method: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        registry.register_method(name, method)


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"method 'cordo' is unknown \(did you mean 'corda'\?\)"):
        registry.method_named("cordo")
