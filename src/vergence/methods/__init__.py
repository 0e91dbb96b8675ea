"""The papers' methods by name: the dataclass of their settings and the class."""

from typing import Any

from vergence.methods.base import Method, MethodConfig
from vergence.methods.depth import DepthConfig, DepthMethod

METHODS: dict[str, tuple[type[Any], type[Method]]] = {"depth": (DepthConfig, DepthMethod)}

__all__ = ["METHODS", "DepthConfig", "DepthMethod", "Method", "MethodConfig"]
