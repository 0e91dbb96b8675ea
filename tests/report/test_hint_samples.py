"""The panel of hints: what was accepted, what refinement changed, which classes the legend needs."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from vergence.data.labels import label_space
from vergence.report.hint_samples import hint_panel
from vergence.report.pictures import Picture

SPACE = label_space("toy:road#804080,sky#4682b4,car#00008e")


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.uri.split(",")[1]))).convert("RGB"))


def found(hints: bool = True) -> dict[str, torch.Tensor]:
    noisy = torch.zeros(2, 8, 12)
    refined = noisy.clone()
    refined[1, :4] = 2
    refined[1, 0] = 255
    maps = {"noisy": noisy, "refined": refined, "inverse_depth": torch.linspace(0.1, 1, 12).expand(2, 1, 8, 12)}
    if hints:
        mask = torch.zeros(2, 1, 8, 12)
        mask[1, :, 6:] = 1
        maps |= {"hint": torch.full((2, 1, 8, 12), 0.5), "hint_mask": mask}
    return maps


def test_pictures_notes_and_legend() -> None:
    seen: set[int] = set()
    panel = hint_panel(found(), torch.rand(2, 3, 8, 12), 1, SPACE, seen)
    assert [picture.title for picture in panel.pictures] == [
        "frame", "noisy labels", "refined labels", "inverse depth", "accepted hints"
    ]  # fmt: skip
    assert seen == {0, 2}
    notes = [picture.note for picture in panel.pictures]
    assert notes[2] == "50.0% of the pixels changed"
    assert notes[4] == "25.0% of the pixels"
    hint = pixels(panel.pictures[4])
    assert (hint[:6] == hint[0, 0]).all()  # no hint: one colour
    assert (hint[6:] != hint[0, 0]).any()


def test_without_hints_there_is_no_picture_of_them() -> None:
    assert len(hint_panel(found(hints=False), torch.rand(2, 3, 8, 12), 0, SPACE, set()).pictures) == 4
