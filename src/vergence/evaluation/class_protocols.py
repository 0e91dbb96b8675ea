"""Which classes a mean is taken over, and what becomes of the others' pixels: conventions of adaptation from SYNTHIA.

SYNTHIA lacks three classes of Cityscapes, so results are given over 16 classes, or over 13 of them (mIoU*). Programs
differ in whether labelled pixels of the absent classes count (corda.md section 5.4): in DAFormer's and CorDA's way they
do, as false positives of whatever is predicted there; in ADVENT's they are dropped, which is kinder. Where the absent
classes score 0, CorDA's mean over 19 classes times 19 / 16 is the mean over 16 with pixels counted.
"""

from dataclasses import dataclass

from vergence.data.labels import CITYSCAPES_19, meaning
from vergence.errors import InputError


@dataclass(frozen=True)
class ClassProtocol:
    """Classes of Cityscapes that are left out of means, and whether their labelled pixels are dropped."""

    name: str
    left_out: tuple[str, ...] = ()
    drops: bool = False

    def averaged(self, classes: tuple[str, ...]) -> list[int]:
        """Ids of the classes that count; InputError where a class of Cityscapes that should is none of them."""
        if not self.left_out:
            return list(range(len(classes)))
        ids = {meaning(name): number for number, name in enumerate(classes)}
        wanted = [name for name in CITYSCAPES_19.classes if name not in self.left_out]
        missing = [name for name in wanted if name not in ids]
        if missing:
            raise InputError(
                f"classes {self.name} is a mean over {len(wanted)} classes of Cityscapes, and this run has no "
                f"{missing[0]} among its {len(classes)} classes; use all."
            )
        return [ids[name] for name in wanted]

    def describe(self) -> str:
        """What the stamp of a result says; "" for all classes."""
        if not self.left_out:
            return ""
        others = "their labelled pixels dropped" if self.drops else "their labelled pixels counted as errors"
        return f"without {', '.join(self.left_out)}, {others}"


_ABSENT = ("terrain", "truck", "train")
_SMALL = ("wall", "fence", "pole", *_ABSENT)
CLASS_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        ClassProtocol("all"),
        ClassProtocol("synthia16", _ABSENT),
        ClassProtocol("synthia13", _SMALL),
        ClassProtocol("synthia16_dropped", _ABSENT, drops=True),
        ClassProtocol("synthia13_dropped", _SMALL, drops=True),
    )
}


def class_protocol(name: str) -> ClassProtocol:
    """A protocol by name; InputError if there is none."""
    if name not in CLASS_PROTOCOLS:
        raise InputError(f"classes {name!r} is unknown; choose one of {', '.join(CLASS_PROTOCOLS)}.")
    return CLASS_PROTOCOLS[name]
