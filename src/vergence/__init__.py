"""Vergence: depth and semantics teach each other from unlabelled video and a handful of labels.

The door for Python: ``vergence.load(RUN).predict(PICTURE)``, the verbs (``vergence.train``, ``vergence.evaluate``, ...)
and, for training of one's own, ``vergence.losses``, ``vergence.mixing``, ``vergence.models``, ``vergence.geometry`` and
``vergence.metrics``. Everything is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vergence._compat import keep_to_itself, repair_on_import, sleep_at_barriers

if TYPE_CHECKING:
    from vergence import geometry, losses, metrics, mixing, models
    from vergence.api import convert, evaluate, export, index, predict, report, resume, scan, select, serve
    from vergence.api import labels_propagate as propagate
    from vergence.door import train
    from vergence.errors import InputError
    from vergence.inference.prediction import Prediction
    from vergence.inference.predictor import Predictor, load
    from vergence.methods import register_method

repair_on_import()
sleep_at_barriers()
keep_to_itself()

__version__ = "0.1.0"

__all__ = [
    "InputError", "Prediction", "Predictor", "convert", "evaluate", "export", "geometry", "index", "load", "losses",
    "metrics", "mixing", "models", "predict", "propagate", "register_method", "report", "resume", "scan", "select",
    "serve",
    "train",
]  # fmt: skip

_OBJECTS = {
    "InputError": "vergence.errors",
    "Prediction": "vergence.inference.prediction",
    "Predictor": "vergence.inference.predictor",
    "load": "vergence.inference.predictor",
    "register_method": "vergence.methods",
}
_ROOMS = ("geometry", "losses", "metrics", "mixing", "models", "report")
"""A room that is also a verb can be called."""


def __getattr__(name: str) -> Any:
    if name in _OBJECTS:
        value = getattr(import_module(_OBJECTS[name]), name)
    elif name in _ROOMS:
        value = import_module(f"vergence.{name}")
    elif name in __all__:
        value = import_module("vergence.door").verb(name)
    else:
        raise AttributeError(f"module 'vergence' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
