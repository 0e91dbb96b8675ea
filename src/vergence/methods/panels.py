"""What there is to see of a method: pictures that it names and fills; a report draws them and knows no method."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor

from vergence.data.labels import LabelSpace


class Legend(NamedTuple):
    """What the colours of a map mean: a name, and words for 0, the middle and 1."""

    name: str
    words: tuple[str, str, str] = ("0", "0.5", "1")


class Shown(NamedTuple):
    """One picture of every sample of a batch."""

    title: str
    kind: Literal["photograph", "classes", "share", "inverse_depth", "left_out"]
    maps: Tensor
    """photograph: (B, 3, H, W) in [0, 1]; classes: ids (B, H, W); share: (B, 1, H, W) or (B, H, W) in [0, 1];
    inverse_depth: (B, 1, H, W), all such pictures of a sample in the colours of its first; left_out: (B, 1, H, W), 1
    where a pixel was kept. NaN where nothing is known."""
    notes: Sequence[str] = ()
    """A caption for each sample."""
    colours: str = "viridis"
    """Matplotlib's name of the colours of a share."""
    legend: Legend | None = None
    space: LabelSpace | None = None
    """The classes of ids."""
    under: Tensor | None = None
    """left_out: the images (B, 3, H, W) that lost the pixels."""


class Exhibit(NamedTuple):
    """Pictures side by side, and what is to be known of them."""

    pictures: list[Shown]
    caption: str = ""


def notes(form: str, numbers: Tensor) -> tuple[str, ...]:
    """One caption for each of the numbers (B,): ``notes("{:.0%} of the frame", mask.flatten(1).mean(1))``."""
    return tuple(form.format(number) for number in numbers.tolist())


def means(maps: Tensor) -> Tensor:
    """Mean (B,) of each sample's map."""
    return maps.double().flatten(1).mean(1)


def confidence(maps: Tensor) -> Shown:
    """How sure a teacher is (B, H, W) or (B, 1, H, W), from 0 to 1."""
    return Shown("confidence", "share", maps, notes("mean {:.2f}", means(maps)), legend=Legend("confidence"))
