"""The papers' methods by name, what a method is, and the way in for methods of others.

What needs PyTorch is imported when it is asked for, so that a recipe is read without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vergence.methods.config import MethodConfig
from vergence.methods.depth_config import DepthConfig
from vergence.methods.registry import METHODS, method_named, method_names, register_method, settings_named
from vergence.methods.role import Role

if TYPE_CHECKING:
    from vergence.methods.base import Method
    from vergence.methods.depth import DepthMethod
    from vergence.methods.panels import Exhibit, Legend, Shown

__all__ = [
    "METHODS", "DepthConfig", "DepthMethod", "Exhibit", "Legend", "Method", "MethodConfig", "Role", "Shown",
    "method_named", "method_names", "register_method", "settings_named",
]  # fmt: skip

_LATER = {"Method": "base", "DepthMethod": "depth", "Exhibit": "panels", "Legend": "panels", "Shown": "panels"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
