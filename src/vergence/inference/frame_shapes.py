"""Frames of several shapes in one set of data: those of a rare shape are cut or keep their scale, and it is said."""

import logging
from collections.abc import Sequence

from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.transforms import unlike
from vergence.data.layouts.files import image_size
from vergence.data.manifest import Manifest
from vergence.inference.inputs import evenly_spaced, network_size

_log = logging.getLogger("vergence")
_LOOKED_AT = 200
"""Pictures whose size is read where the manifest does not say it: headers alone, but of every file."""


def settle_aspect(options: FrameOptions, training: Manifest, *others: Manifest) -> float:
    """The ``aspect`` that a run needs: that of the options, or the median of the training frames where some of them, or
    of the others, have another shape; 0 where all have one. Frames that will be cut are a line in the log.

    InputError where a picture has to be looked at and cannot be read.
    """
    if options.fit != "stretch":
        return 0.0
    sizes = sorted(frame_sizes(training), key=lambda size: size[0] / size[1])
    if not sizes:
        return options.aspect
    width, height = sizes[len(sizes) // 2]
    aspect = options.aspect or width / height
    every = [*sizes, *(size for manifest in others for size in frame_sizes(manifest))]
    cut = [size for size in every if unlike(*size, aspect)]
    if not cut:
        return options.aspect
    _log.log(
        logging.INFO if options.aspect else logging.WARNING,
        "%s: %d of %d frames that were looked at have another shape than %.2f:1, such as %dx%d; they are cut to it "
        "instead of being stretched (frames.options.aspect; fit crop cuts all to the working shape)",
        *(training.name, len(cut), len(every), aspect, *cut[0]),
    )
    return aspect


def frame_sizes(manifest: Manifest) -> list[tuple[int, int]]:
    """(width, height) of the frames: as the manifest says, else of at most 200 pictures that are looked at."""
    sizes = [(row.width, row.height) for row in manifest if row.width]
    untold: Sequence[int] = [index for index in range(len(manifest)) if not manifest[index].width]
    return sizes + [image_size(manifest.path(index)) for index in evenly_spaced(untold, _LOOKED_AT)]


def describe_input(manifest: Manifest, options: FrameOptions) -> tuple[str, str]:
    """At which size a network sees a manifest's frames: "WIDTHxHEIGHT", and a sentence with what differs."""
    first = manifest[0]
    if options.fit != "stretch":
        height, width = network_size(options, first.width or 1, first.height or 1)
        return f"{width}x{height}", f"network input {width}x{height} (aspect kept)"
    size = f"{options.width}x{options.height}"
    sized = [row for row in manifest if row.width]
    aspects = sorted(row.width / row.height for row in sized)
    aspect = options.aspect or (aspects[len(aspects) // 2] if aspects else 0.0)
    other = sum(unlike(row.width, row.height, aspect) for row in sized)
    if not other:
        return size, f"network input {size}"
    how = "at the scales of that shape" if options.aspect else "stretched to it"
    return size, f"network input {size} ({other} of {len(sized)} frames are not {aspect:.2f}:1 and seen {how})"
