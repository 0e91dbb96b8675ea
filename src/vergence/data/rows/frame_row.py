"""One row of a manifest: what is known of one frame."""

import dataclasses
import math
from dataclasses import dataclass
from typing import get_type_hints

import numpy as np
from numpy.typing import NDArray

PATH_COLUMNS = (
    *("image", "stereo", "label", "depth", "disparity", "estimate"),
    *("pseudo_label", "confidence", "stereo_pseudo_label", "stereo_confidence", "label_confidence"),
)
REQUIRED_COLUMNS = ("image", "sequence", "position")
DEPTH_UNITS = {"": 0.0, "metres": 1.0, "centimetres": 0.01, "millimetres": 0.001}
"""Metres of a stored 1 in files of measured depth; "" stands for what their suffix implies."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame. Paths are relative to the manifest's root, or absolute; "" and NaN mean "none" or "unknown"."""

    image: str
    sequence: str
    position: int
    """Number in the sequence: neighbours in time are ``position`` +- 1 of the same sequence and camera."""
    split: str = ""
    camera: str = ""
    fx: float = math.nan
    """Focal lengths and principal point, divided by the image's width (x) and height (y). All four or none."""
    fy: float = math.nan
    cx: float = math.nan
    cy: float = math.nan
    width: int = 0
    """Size of the stored image, 0 = unknown; where it is given, an image of another size is an error."""
    height: int = 0
    stereo: str = ""
    """Image of the rectified stereo partner."""
    baseline: float = math.nan
    """x of the partner's centre in this camera's frame, metres; positive = the partner is to the right."""
    stereo_cx: float = math.nan
    """Normalised principal point x of the partner; NaN = the same as ``cx``."""
    label: str = ""
    label_space: str = ""
    depth: str = ""
    """16-bit PNG (value / 256 metres, 0 none), ``.npy`` metres (0 none), ``.npz`` sparse metres, or a MATLAB file with
    ``depth_map`` in metres."""
    disparity: str = ""
    """16-bit PNG (value / 256 pixels at its own size, 0 none); depth = fx * baseline / disparity."""
    estimate: str = ""
    """8- or 16-bit PNG of estimated inverse depth, not measured: near is large, the scale is free (any per image)."""
    pose: str = ""
    """12 numbers between spaces: row-major 3 x 4 camera-to-world transform, metres."""
    fps: float = math.nan
    """As stored: 0 or NaN where unknown; see ``rate``."""
    depth_unit: str = ""
    """What a stored 1 of ``depth`` is, where that is not what its suffix implies; see ``DEPTH_UNITS``."""
    pseudo_label: str = ""
    """8-bit PNG of class ids that somebody guessed, 255 none: of the image's aspect, of any size."""
    pseudo_label_space: str = ""
    """What the ids of ``pseudo_label`` and ``stereo_pseudo_label`` mean."""
    confidence: str = ""
    """8-bit PNG of the size of ``pseudo_label``: how sure it is, value / 255; "" means surely everywhere."""
    stereo_pseudo_label: str = ""
    """The same of the stereo partner."""
    stereo_confidence: str = ""
    depth_scale: float = math.nan
    """Value in an integer file of ``depth`` that is one metre (value / scale = metres); NaN: as its suffix implies."""
    lens: str = ""
    """Where the lens bends: model, normalised fx fy cx cy of the stored picture, coefficients
    (:func:`vergence.geometry.distortion.lens_text`). ``fx`` ... ``cy`` are then those of the straightened frame;
    ``label``, ``depth`` are of the stored picture, what networks make (``estimate``, ``pseudo_label``) is not."""
    label_origin: str = ""
    """"" for a label that somebody made or checked, "carried" for one that video motion brought from another frame: it
    may teach, never judge."""
    label_confidence: str = ""
    """8-bit PNG of the size of ``label``: the probability that a pixel's label is right, value / 255; "" = surely."""

    @property
    def judges(self) -> bool:
        """Whether it has a label that was made or checked by somebody."""
        return bool(self.label) and not self.label_origin

    @property
    def rate(self) -> float | None:
        """Frames a second, None where unknown."""
        return self.fps if self.fps > 0 else None

    @property
    def intrinsics_known(self) -> bool:
        return not math.isnan(self.fx)

    def pose_matrix(self) -> NDArray[np.float64] | None:
        """The pose as (4, 4) camera-to-world float64, or None."""
        if not self.pose:
            return None
        return np.vstack([np.array(self.pose.split(), dtype=np.float64).reshape(3, 4), [[0.0, 0.0, 0.0, 1.0]]])


def format_pose(matrix: NDArray[np.floating]) -> str:
    """The ``pose`` column of a (4, 4) or (3, 4) camera-to-world matrix."""
    return " ".join(repr(float(value)) for value in np.asarray(matrix)[:3].reshape(12))


LABEL_ORIGINS = ("", "carried")
PSEUDO_COLUMNS = ("pseudo_label", "pseudo_label_space", "confidence", "stereo_pseudo_label", "stereo_confidence")
"""What a label port fills."""
LATER_COLUMNS = ("lens", "depth_unit", *PSEUDO_COLUMNS, "depth_scale", "label_origin", "label_confidence")
"""Columns that manifests of earlier versions lack: empty, they change no digest."""
NEIGHBOUR_COLUMNS = ("image", "sequence", "position", "camera", "fx", "fy", "cx", "cy", "lens")
"""What is read of a frame that only stands beside another."""
COLUMNS = tuple(field.name for field in dataclasses.fields(FrameRow))
TYPES: dict[str, type] = get_type_hints(FrameRow)
