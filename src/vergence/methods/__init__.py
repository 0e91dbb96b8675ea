"""The papers' methods by name, what a method is, and the way in for methods of others."""

from vergence.methods.base import Method, MethodConfig
from vergence.methods.corda import CordaMethod
from vergence.methods.depth import DepthConfig, DepthMethod
from vergence.methods.distill import DistillMethod
from vergence.methods.frozen import FrozenMethod
from vergence.methods.panels import Exhibit, Legend, Shown
from vergence.methods.registry import METHODS, method_named, method_names, register_method
from vergence.methods.role import Role
from vergence.methods.semhint import SemHintMethod
from vergence.methods.ssda import SSDAMethod
from vergence.methods.supervised import SupervisedMethod
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.unimatch import UniMatchMethod

METHODS |= {
    "depth": DepthMethod,
    "distill": DistillMethod,
    "supervised": SupervisedMethod,
    "frozen": FrozenMethod,
    "three_ways": ThreeWaysMethod,
    "ssda": SSDAMethod,
    "unimatch": UniMatchMethod,
    "corda": CordaMethod,
    "semhint": SemHintMethod,
}

__all__ = [
    "METHODS", "DepthConfig", "DepthMethod", "Exhibit", "Legend", "Method", "MethodConfig", "Role", "Shown",
    "method_named", "method_names", "register_method",
]  # fmt: skip
