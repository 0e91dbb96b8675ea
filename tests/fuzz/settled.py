"""What must become of inputs that could have gone either way: decided by name; the first fitting pattern counts.

Damage at random (``flips``, ``spoiled``) is the same each time; what of it is accepted lies in :data:`HARMLESS`, and
its results are judged as all others are. With other versions of the decoders an input may go the other way: look at
what has become of it, then state it.
"""

import dataclasses
import fnmatch

from tests.fuzz.harness import ACCEPTED, EITHER, REFUSED, Case

HARMLESS = {
    "annotations/coco/spoiled": "0 3 4 9 12 15 16 18 21 24 25 36 39 45 46 47 54",
    "annotations/png/spoiled": "6 12",
    "annotations/zip/flips": "2 4 8 16 18",
    "exported/onnx/flips": "0 1 3 6 7",
    "exported/onnx/spoiled": "1 2 3 6 7",
    "pictures/flips/GIF": "2 4 5",
    "pictures/flips/JPEG": "0 4",
    "pictures/flips/WEBP": "0 2 3 4 5",
    "runs/evaluate/config.json/spoiled": "12 21",
    "runs/predict/config.json/spoiled": "1 4 7 13 19 25 28 34",
    "runs/resume/config.json/spoiled": "14 17 38",
    "runs/resume/state.json/spoiled": "2 24",
    "videos/index/flips": "9",
    "videos/predict/flips": "1 3",
    "servers/cvat/pull/asked/spoiled": "0",
    "servers/cvat/pull/projects/spoiled": "0 1",
    "servers/cvat/pull/tasks/spoiled": "1",
    "servers/cvat/push/annotations/spoiled": "0",
    "servers/cvat/push/data/spoiled": "0",
    "servers/label_studio/push/files/spoiled": "0 1",
    "servers/label_studio/push/made/spoiled": "1",
    "servers/label_studio/push/projects/spoiled": "0 1",
    "servers/label_studio/push/tasks/spoiled": "1",
    "servers/label_studio/push/uploaded/spoiled": "1",
    "videos/scan/flips": "1 5 7 9",
}
"""Damage at random that changes nothing which is read, or only values of pixels: the numbers of each kind."""
_TOLERATED = (
    *(f"chunks/jpeg/{name}" for name in ("arithmetic", "cut_and_closed", "segment_length_0")),
    *(f"chunks/png/{name}" for name in ("kind_critical", "palette_5_bytes", "palette_short", "text_no_zero")),
    *(f"chunks/tiff/{name}" for name in ("exif_loop", "no_counts", "offset_in_header", "strip_rows_0", "subfile_loop")),
    "chunks/rest/gif_size_0",
)
"""Slips of writers that decoders are made for: the pixels are all there, or what is missing is plainly empty."""
_LEFT_OUT = ("folder", "pipe", "dangling", "endless")
_LOOKING = ("scan", "index")
_WHOLE_HEADERS = (
    *(
        "png_no_pixels",
        "png_no_palette",
        "png_bad_zlib",
        "png_short_pixels",
        "png_bad_crc",
        "tiff_loop",
        "tiff_outside",
    ),
    *("tiff_short", "tiff_lzw_garbage", "tiff_deflate_garbage", "tiff_jpeg_garbage", "tiff_fax_garbage", "tiff_nan"),
    *("ppm_short", "exif_*", "xmp_entities", "profile_garbage", "gamma_0", "unknown_chunk", "transparency_long"),
    *("trailing", "polyglot", "half"),
)
"""Pictures whose header is sound: verbs that need the size alone take them, and those that decode them refuse."""
RULES: tuple[tuple[str, str], ...] = (
    *((f"{kind}_{number}", ACCEPTED) for kind, numbers in HARMLESS.items() for number in numbers.split()),
    *((f"pictures/flips/{form}_*", ACCEPTED) for form in ("BMP", "PPM", "TIFF")),  # no checksum tells
    ("pictures/flips/*", REFUSED),
    ("manifests/parquet/flips*", REFUSED),
    ("videos/*/flips*", REFUSED),
    *((name, ACCEPTED) for name in _TOLERATED),
    ("chunks/*", REFUSED),
    # what is told of a file for people is not looked at
    *((f"exported/onnx/odd/{name}", ACCEPTED) for name in ("frames_none", "name_escape", "scale_list", "step")),
    ("exported/onnx/odd/outputs_one", ACCEPTED),  # depth follows from it
    # sums within an archive are PyTorch's matter, members that it does not ask for are nobody's
    *((f"exported/pt2/{name}", ACCEPTED) for name in ("flips_*", "members/bomb", "members/expression")),
    # entities that are not used; shapes are worked out anew
    *((f"exported/xml/text/{name}", ACCEPTED) for name in ("entities", "external", "shape")),
    ("exported/*", REFUSED),
    # urllib takes a body as it is; what Label Studio says of files that nobody asked for is nothing
    *((f"servers/label_studio/*/{name}", ACCEPTED) for name in ("charset", "packed")),
    *((f"servers/label_studio/push/files/json_{name}", ACCEPTED) for name in ("list", "null", "object")),
    ("servers/cvat/pull/file/packed", ACCEPTED),
    ("servers/*", REFUSED),
    # a page is made of whatever is left of a run; what evaluation and prediction need lies in the checkpoint
    ("runs/report/*", ACCEPTED),
    ("runs/*/LATEST/*", ACCEPTED),
    ("runs/evaluate/recipe/*", ACCEPTED),
    ("runs/evaluate/*/recipe.yaml", ACCEPTED),
    ("runs/evaluate/*/metrics.jsonl", ACCEPTED),
    ("runs/resume/log/*", ACCEPTED),
    ("runs/resume/weights_state/more", ACCEPTED),
    ("runs/*", REFUSED),
    # one word that a switch may stand without
    *((f"lines/no_value/evaluate/{name}", ACCEPTED) for name in ("flip", "baselines", "per_image")),
    ("lines/no_value/*", REFUSED),
    ("lines/scan_twice", ACCEPTED),
    ("lines/index_option_only", ACCEPTED),
    ("lines/labels_space", REFUSED),
    ("recipes/*", REFUSED),
    # any text may be the name of a split
    ("settings/yaml/evaluate.split/zero_byte", REFUSED),
    ("settings/yaml/evaluate.split/*", ACCEPTED),
    ("settings/yaml/*", REFUSED),
    ("places/predict/full", ACCEPTED),
    ("places/*", REFUSED),
    # the row of a training frame is not looked at where frames of val are judged; a scan looks at names and sizes
    ("manifests/*/image/0", REFUSED),
    ("manifests/scan/image/*", ACCEPTED),
    ("manifests/evaluate/image/*", ACCEPTED),
    ("manifests/*/image/*", REFUSED),
    ("manifests/export/label_space/*", REFUSED),
    ("manifests/*/label_space/*", ACCEPTED),
    ("manifests/*/split/*", ACCEPTED),
    ("manifests/*/fx/*", REFUSED),
    ("manifests/*/csv/half", REFUSED),
    ("cameras/json/*", REFUSED),
    # the layout reads the matrix and the lists of its splits, and no other of these files
    ("lines_of_numbers/cam.txt/*", REFUSED),
    ("lines_of_numbers/train.txt/zero", REFUSED),
    ("lines_of_numbers/*", ACCEPTED),
    ("classes/colour_long", ACCEPTED),
    ("classes/escape", ACCEPTED),
    ("classes/*", REFUSED),
    ("annotations/zip/zero_name", ACCEPTED),
    ("annotations/label_studio/xml/*", ACCEPTED),
    ("annotations/*", REFUSED),
    # what is no file in a folder of pictures is left out
    ("pictures/*/loop", REFUSED),
    *((f"pictures/{verb}/{one}", ACCEPTED) for verb in ("predict", *_LOOKING) for one in _LEFT_OUT),
    *((f"pictures/{verb}/{name}", ACCEPTED) for verb in _LOOKING for name in _WHOLE_HEADERS),
    ("pictures/predict/*", ACCEPTED),
    *((f"pictures/export/{name}", ACCEPTED) for name in ("png_bad_zlib", "png_bad_crc", "tiff_short", "half")),
    ("pictures/*", REFUSED),
)  # fmt: skip


def settled(case: Case) -> Case:
    """The case with what must become of it, where that was left open."""
    if case.expect != EITHER:
        return case
    found = next((expect for pattern, expect in RULES if fnmatch.fnmatchcase(case.name, pattern)), EITHER)
    return dataclasses.replace(case, expect=found)
