"""The papers' methods by name: the dataclass of their settings and the class."""

from vergence.methods.base import Method
from vergence.methods.depth import DepthConfig, DepthMethod

METHODS: dict[str, tuple[type[DepthConfig], type[DepthMethod]]] = {"depth": (DepthConfig, DepthMethod)}

__all__ = ["METHODS", "DepthConfig", "DepthMethod", "Method"]
