"""COCO: one JSON file with images, categories and masks in run-length code."""

import itertools
import json
import logging
import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.annotation.classes import AnnotationClasses, Colour, hexadecimal, parse_colour, voc_colour
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, check_room, json_files
from vergence.data.atomic import write_text
from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LabelSpace
from vergence.data.structured import Entry
from vergence.errors import InputError

_log = logging.getLogger("vergence")
FILE = "annotations.json"
_LONGEST = 1 << 16
"""Pixels of a side of a picture."""
_LABELME = {"_background_": "background", "__ignore__": "ignore"}
"""Names that labelme's exporters write, by what they mean."""
_MANY_POLYGONS = 64
"""Polygons of one annotation up to which holes are looked for."""
_LONGEST_LENGTH = 40
"""Bits of a length of run-length code."""


def is_coco(content: Any) -> bool:
    """Whether the content of a JSON file looks like COCO's."""
    return isinstance(content, dict) and content.keys() >= {"images", "annotations", "categories"}


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write images and ``annotations.json``: of each frame one annotation for each class in it."""
    coder = _coder()
    painted = list(classes.painted())
    categories = [
        {"id": number, "name": name, "supercategory": "", "color": hexadecimal(colour)}
        for number, (_, name, colour) in enumerate(painted, start=1)
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, frame in enumerate(frames, start=1):
        frame.copy_image(out / "images")
        height, width = frame.size
        images.append({"id": image_id, "file_name": frame.file, "width": width, "height": height})
        for category, (index, _, _) in enumerate(painted, start=1):
            mask = frame.label == index if frame.label is not None else None
            if mask is None or not mask.any():
                continue
            code = coder.encode(np.asfortranarray(mask, dtype=np.uint8))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "segmentation": {"size": [height, width], "counts": code["counts"].decode("ascii")},
                    "area": float(coder.area(code)),
                    "bbox": [float(value) for value in coder.toBbox(code)],
                    "iscrowd": 1,  # the mark of run-length code, by which annotators know it
                }
            )
    content = {
        "info": {"description": f"label space {classes.space.text()}"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    write_text(out / FILE, json.dumps(content) + "\n")


def read(export: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read masks in run-length code, and polygons; of masks that overlap, the later one is on top."""
    coder = _coder()
    annotations = Annotations([], [])
    for path, content in json_files(export):
        if is_coco(content):
            _read_file(path, content, annotations, problems, coder)
    return annotations


def _read_file(path: Path, content: dict[str, Any], annotations: Annotations, problems: Problems, coder: Any) -> None:
    try:
        class_ids = {category["id"]: _class_id(category, annotations) for category in content["categories"]}
        images: dict[Any, str] = {image["id"]: image["file_name"] for image in content["images"]}
        sizes = {}
        for entry in Entry(path, content, remedy="export it again")["images"]:
            entry["file_name"].text()
            sizes[entry["id"].value] = entry["height"].whole(1, _LONGEST), entry["width"].whole(1, _LONGEST)
        groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            groups[annotation["image_id"]].append(annotation)
            if annotation["image_id"] not in images or annotation["category_id"] not in class_ids:
                problems.add(f"{path}: annotation {annotation.get('id')} is of an image or category that is not listed")
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no COCO file of masks ({type(error).__name__}: {error}); images need id, file_name, width and "
            "height, annotations image_id, category_id and segmentation."
        ) from error
    if len(images) < len(content["images"]) or len(class_ids) < len(content["categories"]):
        raise InputError(f"{path} has an id of images or categories twice; export it again.")
    for image_id, file in images.items():
        if not groups[image_id]:
            continue
        path_of_file = PurePosixPath(file.replace("\\", "/"))
        if not path_of_file.name:
            raise InputError(f"{path}: the image of id {image_id} has the file_name {file!r}; export it again.")
        name = path_of_file.with_suffix("").as_posix()
        if name in annotations.masks:
            problems.add(f"{path} lists {file} twice, with annotations in both places; keep one")

        def load(size: tuple[int, int], image_id: Any = image_id) -> Label:
            origin = f"{path}: {images[image_id]}"
            if sizes[image_id] != size:
                raise InputError(
                    f"{origin} was annotated at {sizes[image_id][1]}x{sizes[image_id][0]}, but the image is "
                    f"{size[1]}x{size[0]}; annotate it at its own size."
                )
            label = np.full(size, IGNORED_LABEL, dtype=np.uint8)
            for annotation in groups[image_id]:
                class_id = class_ids.get(annotation["category_id"])
                if class_id is not None:
                    label[_decode(annotation, size, origin, coder)] = class_id
            return label

        annotations.masks[name] = load


def _class_id(category: dict[str, Any], annotations: Annotations) -> int:
    """Index of a category's name in the list of classes, which several files share."""
    name = _LABELME.get(str(category["name"]), str(category["name"]))
    if name not in annotations.classes:
        check_room(annotations)
        annotations.classes.append(name)
        colour: Colour = parse_colour(str(category.get("color", ""))) or voc_colour(len(annotations.classes))
        assert annotations.colours is not None
        annotations.colours.append(colour)
    return annotations.classes.index(name)


def _decode(annotation: dict[str, Any], size: tuple[int, int], origin: str, coder: Any) -> NDArray[np.bool_]:
    """A mask (H, W) bool; InputError where the code is broken or of another size."""
    segmentation = annotation.get("segmentation")
    name = f"{origin}, annotation {annotation.get('id')}"
    if not segmentation:
        raise InputError(f"{name} has no segmentation; a box alone says nothing of pixels.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools to NumPy 2, about copies of arrays
            return _decoded(segmentation, size, name, coder)
    except InputError:
        raise
    except Exception as error:  # the library raises whatever its C code stumbles over
        raise InputError(f"{name} has a broken mask ({type(error).__name__}: {error}); export it again.") from error


def _decoded(segmentation: Any, size: tuple[int, int], name: str, coder: Any) -> NDArray[np.bool_]:
    """The mask of a run-length code, compressed or not, or of polygons."""
    if isinstance(segmentation, dict):
        if segmentation["size"] != [*size]:
            raise InputError(f"{name} has a mask of size {segmentation['size']} (height, width), expected {[*size]}.")
        counts = segmentation["counts"]
        if isinstance(counts, list) and not all(
            type(count) is int and 0 <= count <= size[0] * size[1] for count in counts
        ):
            raise ValueError("a count is no whole number of pixels")
        # the library does not look: it would leave the rest of the mask to chance
        if sum(counts if isinstance(counts, list) else _lengths(counts)) != size[0] * size[1]:
            raise ValueError("the lengths do not add up to the size")
        if isinstance(counts, list):
            segmentation = coder.frPyObjects(segmentation, *size)
    else:
        polygons = _polygons(segmentation, size, name)
        if not polygons:
            return np.zeros(size, dtype=bool)
        codes = coder.frPyObjects(polygons, *size)
        if 1 < len(codes) <= _MANY_POLYGONS and _one_in_another(codes, coder):
            _log.warning(
                "%s has a polygon inside another: COCO's polygons know no holes, so it is painted too; where it is a "
                "hole, export masks (run-length code)",
                name,
            )
        segmentation = coder.merge(codes)
    return np.asarray(coder.decode(segmentation), dtype=bool)


def _one_in_another(codes: list[Any], coder: Any) -> bool:
    """Whether a mask lies in another of the list, which then says nothing, unless it is meant as a hole."""
    areas = [int(area) for area in coder.area(codes)]
    pairs = itertools.permutations(range(len(codes)), 2)
    return any(
        0 < areas[small] < areas[large]
        and int(coder.area(coder.merge([codes[small], codes[large]], intersect=True))) == areas[small]
        for small, large in pairs
    )


def _polygons(polygons: Any, size: tuple[int, int], name: str) -> list[list[float]]:
    """Polygons of three points or more; those with fewer have no area and are left out with a line.

    The library's C code crashes on coordinates that are not finite or far away: ValueError.
    """
    if not isinstance(polygons, list) or not all(isinstance(polygon, list) for polygon in polygons):
        raise ValueError("a polygon is a list of x and y")
    far = 10 * max(size)
    valid = []
    for polygon in polygons:
        if len(polygon) % 2 or not all(type(value) in (int, float) and abs(value) <= far for value in polygon):
            raise ValueError(f"a polygon has x without y, or a coordinate that is no number within {far} pixels")
        if len(polygon) < 6:
            _log.warning("%s has a polygon of %d points, which has no area: left out", name, len(polygon) // 2)
        else:
            valid.append(polygon)
    if (values := {value for polygon in valid for value in polygon}) - {0, 1} and all(0 <= v <= 1 for v in values):
        raise InputError(f"{name} has coordinates from 0 to 1, shares of the picture; COCO's are pixels: export those.")
    return valid


def _lengths(counts: str | bytes) -> list[int]:
    """Lengths of runs in COCO's compressed text: 5 bits a letter, the sixth says that more follow, low bits first.

    From the fourth on, a length is stored as the difference to the length two before.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in counts.encode("latin-1") if isinstance(counts, str) else counts:
        code = letter - 48
        if not 0 <= code < 64:
            raise ValueError(f"the letter {chr(letter)!r} is no run-length code")
        if shift > _LONGEST_LENGTH:
            raise ValueError("a length is larger than any picture")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16 and 1) << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift or any(length < 0 for length in lengths):
        raise ValueError("the run-length code is cut off")
    return lengths


def _coder() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise InputError(
            "COCO's run-length code needs the package pycocotools; install it with pip install 'vergence[coco]'."
        ) from None
    return mask
