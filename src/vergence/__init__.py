"""Vergence: depth and semantics teach each other from unlabelled video and a handful of labels."""

from vergence._compat import repair_on_import

repair_on_import()

__version__ = "0.1.0"
