"""Vergence: depth and semantics teach each other from unlabelled video and a handful of labels."""

from vergence._compat import make_torchvision_importable

make_torchvision_importable()

__version__ = "0.1.0"
