"""The papers' methods by name: the dataclass of their settings and the class."""

from typing import Any

from vergence.methods.base import Method, MethodConfig
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig
from vergence.methods.depth import DepthConfig, DepthMethod
from vergence.methods.distill import DistillConfig, DistillMethod
from vergence.methods.frozen import FrozenConfig, FrozenMethod
from vergence.methods.semhint import SemHintMethod
from vergence.methods.semhint_config import SemHintConfig
from vergence.methods.ssda import SSDAConfig, SSDAMethod
from vergence.methods.supervised import SupervisedConfig, SupervisedMethod
from vergence.methods.three_ways import ThreeWaysConfig, ThreeWaysMethod
from vergence.methods.unimatch import UniMatchConfig, UniMatchMethod

METHODS: dict[str, tuple[type[Any], type[Method]]] = {
    "depth": (DepthConfig, DepthMethod),
    "distill": (DistillConfig, DistillMethod),
    "supervised": (SupervisedConfig, SupervisedMethod),
    "frozen": (FrozenConfig, FrozenMethod),
    "three_ways": (ThreeWaysConfig, ThreeWaysMethod),
    "ssda": (SSDAConfig, SSDAMethod),
    "unimatch": (UniMatchConfig, UniMatchMethod),
    "corda": (CordaConfig, CordaMethod),
    "semhint": (SemHintConfig, SemHintMethod),
}

__all__ = ["METHODS", "DepthConfig", "DepthMethod", "Method", "MethodConfig"]
