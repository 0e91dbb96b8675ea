"""What an exported file says of itself, so that it can be used without its run."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace, label_space
from vergence.data.structured.json_text import parse_json
from vergence.errors import InputError

KEY = "vergence"
"""Under this name a file holds its facts, as JSON."""
FORMAT = 1
MULTIPLE = 32
"""Heights and widths of a file of free size are multiples of it."""
_LARGEST_SIDE, _MOST_AT_ONCE = 1 << 14, 1024
"""What a file may say of the pictures that it takes."""
OUTPUTS = {
    "inverse_depth": "(B, 1, H, W) float32, 1 / depth",
    "depth": "(B, 1, H, W) float32 along the optical axis, in the unit",
    "classes": "(B, H, W) uint8, the most probable class by its place in the list",
    "confidence": "(B, H, W) float32 from 0 to 1, the probability of that class",
    "logits": "(B, K, H, W) float32, one a class",
}
"""All that a graph can give, in its order."""
REMEDY = "export the run anew"


@dataclass(frozen=True)
class Facts:
    """Everything but the graph."""

    name: str
    """Name of the run folder."""
    method: str
    recipe: str
    step: int
    tasks: tuple[str, ...]
    input: str
    """"uint8" from 0 to 255, or "float" from 0 to 1; RGB (B, 3, H, W), not normalised."""
    precision: str
    """What the graph computes in: fp32, fp16 or int8."""
    batch: int | None
    """Pictures that are taken at once; None for any number."""
    size: tuple[int, int] | None
    """(H, W) of the pictures; None for any multiples of 32."""
    frames: dict[str, Any]
    """How frames get to that size: height, width, fit, aspect and resampling of the run, and the field of view that is
    guessed where a camera is not known (:class:`~vergence.data.frame_options.FrameOptions`)."""
    outputs: tuple[str, ...]
    unit: str
    """The depth's unit: "metres" or "unscaled"."""
    scale: str
    """Where metres come from, or that depth has one free factor."""
    farthest: float | None
    """The largest depth it can say, in the unit."""
    camera: dict[str, float] | None
    """fx, fy, cx, cy by width and height of the frames that were learned from: metres hold for such a camera."""
    label_space: str | None
    classes: tuple[str, ...]
    window: str | None
    """Box that slides over the network's input for classes, where sizes are free."""
    overlap: float
    licence: str
    vergence: str
    weights: str
    """Digest of the run's weights and of the settings that they need."""
    verified: dict[str, Any] = field(default_factory=dict)
    """Frames, program and largest difference to PyTorch, by output."""

    @property
    def options(self) -> FrameOptions:
        """How the run sees frames."""
        return FrameOptions(**self.frames)

    @property
    def space(self) -> LabelSpace | None:
        """Classes and their colours."""
        return None if self.label_space is None else label_space(self.label_space)

    def shape(self, output: str, images: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a map of images of shape (B, 3, H, W), as :data:`OUTPUTS` says."""
        count, _, height, width = images
        channels = {"inverse_depth": (1,), "depth": (1,), "logits": (len(self.classes),)}
        return (count, *channels.get(output, ()), height, width)

    def text(self) -> str:
        """As JSON."""
        size = None if self.size is None else {"height": self.size[0], "width": self.size[1]}
        values = asdict(self) | {
            "format": FORMAT,
            "size": size,
            "outputs": {name: OUTPUTS[name] for name in self.outputs},
        }
        return json.dumps(values, indent=1)

    def digest(self) -> str:
        """Changes with the weights and with all that was chosen when they were exported."""
        return hashlib.blake2b(self.text().encode(), digest_size=16).hexdigest()


def read_facts(text: str, path: Path) -> Facts:
    """The facts of a file; InputError where they are damaged or of another version."""
    record = parse_json(text, f"what {path} says of itself", REMEDY)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        stated = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path} has format {stated!r}, this version of Vergence reads {FORMAT}; {REMEDY}.")
    try:
        facts = _facts(record)
        _check(facts)
    except (AttributeError, KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"what {path} says of itself is damaged ({error!r:.200}); {REMEDY}.") from error
    return facts


def _facts(record: Mapping[str, Any]) -> Facts:
    size, values = record["size"], dict[str, Any]()
    for key in ("name", "method", "recipe", "input", "precision", "unit", "scale", "licence", "vergence", "weights"):
        values[key] = str(record[key])
    for key in ("tasks", "outputs", "classes"):
        values[key] = tuple(map(str, record[key]))
    for key, kind in (("label_space", str), ("window", str), ("batch", int), ("farthest", float)):
        values[key] = None if record[key] is None else kind(record[key])
    return Facts(
        **values,
        step=int(record["step"]),
        size=None if size is None else (int(size["height"]), int(size["width"])),
        frames=dict(record["frames"]),
        camera=None if record["camera"] is None else {key: float(value) for key, value in record["camera"].items()},
        overlap=float(record["overlap"]),
        verified=dict(record["verified"]),
    )


def _check(facts: Facts) -> None:
    """ValueError where values cannot be used."""
    wanted = {"tasks": set(facts.tasks) <= {"depth", "segmentation"} and bool(facts.tasks),
              "input": facts.input in ("uint8", "float"),
              "outputs": set(facts.outputs) <= set(OUTPUTS) and bool(facts.outputs),
              "batch": facts.batch is None or 0 < facts.batch <= _MOST_AT_ONCE,
              "size": facts.size is None or (min(facts.size) > 0 and max(facts.size) <= _LARGEST_SIDE),
              "depth": ("depth" in facts.tasks) == ("inverse_depth" in facts.outputs),
              "classes": ("segmentation" in facts.tasks) == (facts.space is not None),
              "unit": facts.unit in ("metres", "unscaled"),
              "camera": facts.camera is None or all(map(math.isfinite, facts.camera.values())),
              "farthest": facts.farthest is None or 0 < facts.farthest < math.inf}  # fmt: skip
    for name, sound in wanted.items():
        if not sound:
            raise ValueError(f"{name} cannot be used")
    if not all(1 <= side <= _LARGEST_SIDE for side in (facts.options.height, facts.options.width)):
        raise ValueError("frames have no size that can be used")
