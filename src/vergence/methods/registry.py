"""Methods by name: those of this package, those that a program registers, and those that other packages announce.

A package announces methods as entry points of the group ``vergence.methods``: the name is the method's, the object its
class.
"""

import dataclasses
from importlib.metadata import EntryPoint, entry_points

from vergence.data.table import nearest
from vergence.errors import InputError
from vergence.methods.base import Method, MethodConfig

GROUP = "vergence.methods"
METHODS: dict[str, type[Method]] = {}
"""Methods that are loaded; :func:`method_named` finds the others, too."""
_TAKEN = (
    "recipe", "version", "method", "extends", "frames", "optim", "train", "evaluate", "network", "pose", "flywheel",
)  # fmt: skip
"""Names in a recipe that no method's section may have."""


def register_method(name: str, method: type[Method]) -> None:
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
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise InputError(f"method {name} is {method!r}; give a class on top of vergence.methods.Method.")
    settings = getattr(method, "settings", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodConfig) and dataclasses.is_dataclass(settings)):
        raise InputError(
            f"method {name} has no settings; name a dataclass on top of vergence.methods.MethodConfig in "
            f"{method.__name__}.settings."
        )
    known = METHODS.setdefault(name, method)
    if (known.__module__, known.__qualname__) != (method.__module__, method.__qualname__):
        raise InputError(f"method {name} is {known.__module__}.{known.__qualname__} already; give another name.")


def method_named(name: str) -> type[Method]:
    """The class of a method; InputError where there is none, or its package cannot be loaded."""
    if name not in METHODS and (found := _announced().get(name)) is not None:
        try:
            method = found.load()
        except Exception as error:  # whatever a package raises when it is imported
            raise InputError(
                f"method {name} of {found.value} cannot be loaded ({type(error).__name__}: {error}); repair that "
                "package, or remove it."
            ) from error
        register_method(name, method)
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown{nearest(name, method_names())}; use one of "
                         f"{', '.join(method_names())}.")  # fmt: skip
    return METHODS[name]


def method_names() -> list[str]:
    """Names of all methods, loaded or announced."""
    return [*METHODS, *(name for name in sorted(_announced()) if name not in METHODS)]


def _announced() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
