"""Which ResNet a state dict is of."""

from collections.abc import Iterable

from vergence.errors import InputError

_LAYERS = {(False, 2): "resnet18", (False, 6): "resnet34", (True, 6): "resnet50", (True, 23): "resnet101"}


def resnet_name(names: Iterable[str], origin: str) -> str:
    """Told by the kind of blocks, and their number in the third layer; InputError for another network."""
    names = list(names)
    bottleneck = any(".layer1.0.conv3." in f".{name}" for name in names)
    blocks = {name.split("layer3.")[1].split(".")[0] for name in names if "layer3." in name}
    known = _LAYERS.get((bottleneck, len(blocks)))
    if known is None:
        raise InputError(f"{origin} is of no ResNet-18, 34, 50 or 101; give the official program's files.")
    return known
