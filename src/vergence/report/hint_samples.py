"""What SemHint adds to training, for the report: labels before and after refinement, hints and where they hold."""

import numpy as np
from torch import Tensor

from vergence.data.depth_files import colour_range
from vergence.data.labels import LabelSpace
from vergence.report.pictures import (
    Panel,
    Picture,
    class_ids,
    class_picture,
    colour_picture,
    depth_bar,
    image_pixels,
    photograph,
)

NOTE = (
    "Frames of the training data: noisy labels, what other views and depth make of them, and the depth that regions of "
    "one class propose where the images confirm it (grey: no hint)."
)


def hint_panel(found: dict[str, Tensor], frames: Tensor, place: int, space: LabelSpace, seen: set[int]) -> Panel:
    """Frame, noisy and refined labels, inverse depth, accepted hints; ids of classes are added to ``seen``.

    Args:
        found: what the method's ``diagnose`` gave, on the CPU.
        frames: (B, 3, H, W) in [0, 1].
        place: which of the batch.
    """
    pictures: list[Picture] = [photograph("frame", image_pixels(frames[place]))]
    for name, title in (("noisy", "noisy labels"), ("refined", "refined labels")):
        label = found[name][place].long().numpy()
        seen |= class_ids(label, space)
        note = ""
        if name == "refined":
            note = f"{(label != found['noisy'][place].long().numpy()).mean():.1%} of the pixels changed"
        pictures.append(class_picture(title, label, space, note))
    inverse_depth = found["inverse_depth"][place, 0].double().numpy()
    limits = colour_range(inverse_depth)
    pictures.append(colour_picture("inverse depth", inverse_depth, limits))
    if "hint" in found:
        accepted = found["hint_mask"][place, 0].numpy() > 0.5
        hint = np.where(accepted, found["hint"][place, 0].double().numpy(), np.nan)
        pictures.append(colour_picture("accepted hints", hint, limits, note=f"{accepted.mean():.1%} of the pixels"))
    return Panel(f"sample {place + 1}", pictures, [depth_bar(limits, metric=False)])
