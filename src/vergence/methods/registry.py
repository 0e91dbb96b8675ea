"""Methods by name: those of this package, those that a program registers, and those that other packages announce.

A package announces methods as entry points of the group ``vergence.methods``: the name is the method's, the object its
class.
"""

import dataclasses
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from vergence.errors import InputError, nearest
from vergence.methods.config import MethodConfig

if TYPE_CHECKING:
    from vergence.methods.base import Method

GROUP = "vergence.methods"
_OWN = {
    "depth": ("depth_config:DepthConfig", "depth:DepthMethod"),
    "distill": ("distill_config:DistillConfig", "distill:DistillMethod"),
    "supervised": ("supervised_config:SupervisedConfig", "supervised:SupervisedMethod"),
    "frozen": ("frozen_config:FrozenConfig", "frozen:FrozenMethod"),
    "three_ways": ("three_ways_config:ThreeWaysConfig", "three_ways:ThreeWaysMethod"),
    "ssda": ("ssda_config:SSDAConfig", "ssda:SSDAMethod"),
    "unimatch": ("unimatch_config:UniMatchConfig", "unimatch:UniMatchMethod"),
    "corda": ("corda_config:CordaConfig", "corda:CordaMethod"),
    "semhint": ("semhint_config:SemHintConfig", "semhint:SemHintMethod"),
}
"""Where the settings of this package's methods stand, which need no PyTorch, and where their classes."""
METHODS: dict[str, "type[Method]"] = {}
"""Methods that are loaded; :func:`method_named` finds the others, too."""
_TAKEN = (
    "recipe", "version", "method", "extends", "frames", "optim", "train", "evaluate", "network", "pose", "flywheel",
)  # fmt: skip
"""Names in a recipe that no method's section may have."""


def register_method(name: str, method: "type[Method]") -> None:
    """Make a method known by name: recipes may say ``method: NAME``, and have a section NAME with its settings.

    Args:
        name: a word of letters, digits and underscores.
        method: its class, called with settings, :class:`~vergence.data.frame_options.FrameOptions` and a seed. Its
            ``settings`` is a dataclass on top of :class:`~vergence.methods.base.MethodConfig`.

    Raises:
        InputError: a name that is no word, is a recipe's own or that of another method; a class that is no method.
    """
    if not name.isidentifier() or name in _TAKEN:
        raise InputError(f"a method cannot be named {name!r}; give a word other than {', '.join(_TAKEN)}.")
    from vergence.methods.base import Method

    if not (isinstance(method, type) and issubclass(method, Method)):
        raise InputError(f"method {name} is {method!r}; give a class on top of vergence.methods.Method.")
    settings = getattr(method, "settings", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodConfig) and dataclasses.is_dataclass(settings)):
        raise InputError(
            f"method {name} has no settings; name a dataclass on top of vergence.methods.MethodConfig in "
            f"{method.__name__}.settings."
        )
    known = method_named(name) if name in _OWN else METHODS.setdefault(name, method)
    if (known.__module__, known.__qualname__) != (method.__module__, method.__qualname__):
        raise InputError(f"method {name} is {known.__module__}.{known.__qualname__} already; give another name.")


def method_named(name: str) -> "type[Method]":
    """The class of a method; InputError where there is none, or its package cannot be loaded."""
    if name not in METHODS and name in _OWN:
        METHODS[name] = resolve_name(f"{__package__}.{_OWN[name][1]}")
    if name not in METHODS and (entry := _announced().get(name)) is not None:
        try:
            method = entry.load()
        except Exception as error:  # whatever a package raises when it is imported
            raise InputError(
                f"method {name} of {entry.value} cannot be loaded ({type(error).__name__}: {error}); repair that "
                "package, or remove it."
            ) from error
        register_method(name, method)
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown{nearest(name, method_names())}; use one of "
                         f"{', '.join(method_names())}.")  # fmt: skip
    return METHODS[name]


def method_names() -> list[str]:
    """Names of all methods, loaded or announced."""
    return list(dict.fromkeys([*_OWN, *METHODS, *sorted(_announced())]))


def settings_named(name: str) -> type[MethodConfig]:
    """The class of a method's settings, without the method itself where that is possible; InputError as above."""
    if name in _OWN and name not in METHODS:
        kind: type[MethodConfig] = resolve_name(f"{__package__}.{_OWN[name][0]}")
        return kind
    return method_named(name).settings


def _announced() -> dict[str, EntryPoint]:
    return _announced_on(tuple(sys.path))


@cache
def _announced_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """What the packages found there announce; looking through all that are installed takes a while."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
