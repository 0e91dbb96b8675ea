"""Exports of every annotation tool in which one field is missing, of another type, doubled, no number or far too large."""

import copy
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.damage import write
from tests.fuzz.harness import ACCEPTED, REFUSED, Case
from tests.fuzz.inputs.annotations import cvat_members, imported
from vergence.data.annotation import brush

MISSING = object()
POLYGON = [[0.0, 0.0, 40.0, 0.0, 40.0, 20.0, 0.0, 20.0]]
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "000.png", "width": 64, "height": 32}],
    "categories": [{"id": 1, "name": "road"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": POLYGON, "iscrowd": 0}],
}
HUGE = 10**30
COCO_FIELDS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("images", "id"): (MISSING, None, "x", [1], 2, float("nan"), HUGE),
    ("images", "file_name"): (MISSING, None, 5, "", ["000.png"], "../../../etc/passwd", "/etc/passwd", "nobody.png", "a\0b.png", "x" * 5000),
    ("images", "width"): (MISSING, None, "64", 0, -64, 64.5, float("nan"), HUGE, 65, [64]),
    ("images", "height"): (MISSING, None, True, 0, -32, float("inf"), 10**9, {}),
    ("categories", "id"): (MISSING, None, 2, "x", [1], float("nan")),
    ("categories", "name"): (MISSING, None, 5, "", "nobody", ["road"], "road\0", "x" * 100_000),
    ("annotations", "image_id"): (MISSING, None, 2, "1", [1], float("nan")),
    ("annotations", "category_id"): (MISSING, None, 2, "1", [1], -1, HUGE),
    ("annotations", "segmentation"): (MISSING, None, [], [[0, 0, float("nan"), 1, 2, 2]], [[0, 0, "1", 1, 2, 2]], [[True] * 6]),
}  # fmt: skip
"""(list, field) -> values that it cannot have."""


def _changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    tree = copy.deepcopy(tree)
    holder = tree
    for key in path[:-1]:
        holder = holder[key]
    if value is MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return tree


def _of_tree(name: str, tree: Any, expect: str = REFUSED, quick: bool = False) -> Case:
    text = tree if isinstance(tree, str) else json.dumps(tree)
    return imported(name, "theirs.json", lambda folder, rng: write(folder / "theirs.json", text), expect, quick)


def coco() -> list[Case]:
    found = [
        _of_tree(f"exports/coco/{part}.{field}/{number}", _changed(COCO, (part, 0, field), value), quick=number == 1)
        for (part, field), values in COCO_FIELDS.items()
        for number, value in enumerate(values)
    ]
    for part in COCO:
        found.append(_of_tree(f"exports/coco/{part}/null", {**COCO, part: None}))
        found.append(_of_tree(f"exports/coco/{part}/object", {**COCO, part: {"1": COCO[part][0]}}))
        found.append(_of_tree(f"exports/coco/{part}/words", {**COCO, part: ["x"]}))
        found.append(_of_tree(f"exports/coco/{part}/nested", {**COCO, part: [COCO[part]]}))
        if part != "annotations":
            found.append(_of_tree(f"exports/coco/{part}/twice", {**COCO, part: COCO[part] * 2}))
    image = {**COCO["images"][0], "id": 2}
    both = [*COCO["annotations"], {**COCO["annotations"][0], "id": 2, "image_id": 2}]
    doubled = {**COCO, "images": [*COCO["images"], image], "annotations": both}
    found.append(_of_tree("exports/coco/one_picture_twice", doubled))
    found.append(_of_tree("exports/coco/sound", COCO, ACCEPTED, True))
    found.append(_of_tree("exports/coco/mark", "\ufeff" + json.dumps(COCO), ACCEPTED))
    overlapping = {**COCO, "annotations": COCO["annotations"] * 3}
    found.append(_of_tree("exports/coco/annotation_thrice", overlapping, ACCEPTED))
    return found


def _studio() -> list[dict[str, Any]]:
    mask = np.zeros((32, 64), bool)
    mask[:9, :20] = True
    region = {
        "id": "a", "type": "brushlabels", "from_name": "tag", "to_name": "image", "original_width": 64, "original_height": 32,
        "image_rotation": 0, "value": {"format": "rle", "rle": brush.encode(mask), "brushlabels": ["road"]},
    }  # fmt: skip
    return [
        {"id": 1, "data": {"image": "/data/upload/1/aaaaaaaa-000.png"}, "annotations": [{"id": 5, "result": [region]}]}
    ]


_REGION = (0, "annotations", 0, "result", 0)
STUDIO_FIELDS: dict[tuple[Any, ...], tuple[Any, ...]] = {
    (0, "data"): (MISSING, None, 5, [], {}, {"image": 5}, {"image": "http://[::1"}),
    (0, "data", "image"): (None, "", "nobody.png", "../../etc/passwd", "/data/local-files/?d=", "a\0b.png", "x" * 5000 + ".png"),
    (0, "annotations"): (5, "x", [5], [None], {"result": []}),
    (0, "annotations", 0, "result"): (5, "x", [5], {"a": 1}),
    (*_REGION, "type"): ("polygonlabels", "rectanglelabels"),
    (*_REGION, "original_width"): (MISSING, None, 0, -64, "64", 64.5, float("nan"), HUGE, [64]),
    (*_REGION, "original_height"): (MISSING, None, 33, 10**9, True, {}),
    (*_REGION, "image_rotation"): (90, "90", -1),
    (*_REGION, "value"): (MISSING, None, 5, [], "rle"),
    (*_REGION, "value", "rle"): (MISSING, None, [], [0], [0] * 7, "AAAA", [-1] * 60, [256] * 60, [1.5] * 60, [True] * 60, [[0]] * 60, {"0": 1}, [0] * 3_000_000),
    (*_REGION, "value", "brushlabels"): (None, "road", [], ["road", "car"], ["nobody"], [5], [["road"]], [None]),
}  # fmt: skip


def label_studio() -> list[Case]:
    found = []
    for path, values in STUDIO_FIELDS.items():
        for number, value in enumerate(values):
            name = ".".join(str(key) for key in path if not isinstance(key, int))
            found.append(
                _of_tree(
                    f"exports/label_studio/{name}/{number}", _changed(_studio(), path, value), REFUSED, number == 0
                )
            )
    (task,) = _studio()
    found.append(_of_tree("exports/label_studio/sound", [task], ACCEPTED, True))
    found.append(_of_tree("exports/label_studio/one_task", task, ACCEPTED))
    found.append(_of_tree("exports/label_studio/task_twice", [task, task]))
    found.append(_of_tree("exports/label_studio/two_annotations", [{**task, "annotations": task["annotations"] * 2}]))
    found.append(
        _of_tree(
            "exports/label_studio/predictions_only", [{**task, "annotations": [], "predictions": task["annotations"]}]
        )
    )
    found.append(
        _of_tree(
            "exports/label_studio/cancelled_only",
            [{**task, "annotations": [{**task["annotations"][0], "was_cancelled": True}]}],
        )
    )
    region = task["annotations"][0]["result"][0]
    small = {"image": "/data/upload/1/aaaaaaaa-000.png", "id": 1, "annotation_id": 3}
    for name, value in {
        "width": {"original_width": 0},
        "text": {"original_height": "32"},
        "rle": {"rle": [1, 2]},
        "classes": {"brushlabels": "road"},
    }.items():
        regions = [{**region["value"], "original_width": 64, "original_height": 32, **value}]
        found.append(_of_tree(f"exports/label_studio/json_min/{name}", [{**small, "tag": regions}]))
    regions = [{**region["value"], "original_width": 64, "original_height": 32}]
    found.append(_of_tree("exports/label_studio/json_min/sound", [{**small, "tag": regions}], ACCEPTED))
    return found


def _png(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **options)
    return file.getvalue()


ROAD, IDS = np.full((32, 64, 3), (128, 64, 128), np.uint8), np.ones((32, 64), np.uint8)
MASKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "id_7": (lambda: _png(IDS * 7), REFUSED),
    "id_254": (lambda: _png(IDS * 254), REFUSED),
    "wide_300": (lambda: _png(IDS.astype(np.uint16) * 300), REFUSED),
    "wide_65535": (lambda: _png(IDS.astype(np.uint16) * 65535), REFUSED),
    "half_colour": (lambda: _png(ROAD // 2), REFUSED),
    "one_pixel_off": (lambda: _png(np.where(np.arange(64)[None, :, None] == 5, 77, ROAD).astype(np.uint8)), REFUSED),
    "turned": (lambda: _png(np.swapaxes(ROAD, 0, 1).copy()), REFUSED),
    "one_row_less": (lambda: _png(ROAD[1:]), REFUSED),
    "tiny": (lambda: _png(ROAD[:1, :1]), REFUSED),
    "colour": (lambda: _png(ROAD), ACCEPTED),
    "colour_alpha_0": (lambda: _png(np.dstack([ROAD, np.zeros((32, 64), np.uint8)])), ACCEPTED),
    "webp_lossy": (lambda: _lossy(), REFUSED),
}


def _lossy() -> bytes:
    file = io.BytesIO()
    Image.fromarray(ROAD).save(file, "WEBP", quality=50)
    return file.getvalue()


def masks() -> list[Case]:
    found = []
    for form, place in (("cvat", "cvat/SegmentationClass/one__000.png"), ("png", "png/labels/one__000.png")):
        for name, (make, expect) in MASKS.items():
            edit = lambda folder, rng, make=make, place=place: write(folder / place, make())
            found.append(imported(f"exports/{form}/masks/{name}", form, edit, expect))
        for name, other in {
            "stranger": "nobody.png",
            "two_of_one": "000.png",
            "escape": "\x1b[31m.png",
            "spaces": "  .png",
        }.items():
            edit = lambda folder, rng, place=place, other=other: write((folder / place).with_name(other), _png(ROAD))
            found.append(imported(f"exports/{form}/names/{name}", form, edit, REFUSED))
    lines = {
        "no_colour": "road:::\n", "words": "road:red,green,blue::\n", "float": "road:1.5,2,3::\n", "four": "road:1,2,3,4::\n", "nameless": ":1,2,3::\n",
        "same_colour": "road:1,2,3::\ncar:1,2,3::\n", "arabic": "road:١,٢,٣::\n", "tabs": "road\t1,2,3\n", "json": '{"road": [1, 2, 3]}',
    }  # fmt: skip
    for name, text in lines.items():
        edit = lambda folder, rng, text=text: write(folder / "cvat/labelmap.txt", text)
        found.append(imported(f"exports/cvat/labelmap/{name}", "cvat", edit, REFUSED))
    edit = lambda folder, rng: (folder / "cvat/labelmap.txt").unlink()
    found.append(imported("exports/cvat/labelmap/missing", "cvat", edit, REFUSED))
    edit = lambda folder, rng: (folder / "png/classes.json").unlink()
    found.append(imported("exports/png/classes_missing", "png", edit, REFUSED))
    return found


def _tar(add: Callable[[tarfile.TarFile], None], packing: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{packing}") as made:  # type: ignore[call-overload]
        for name, content in cvat_members().items():
            _member(made, name, content)
        add(made)
    return file.getvalue()


def _member(
    made: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    to: str = "",
    size: int | None = None,
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, to, len(content) if size is None else size
    made.addfile(info, io.BytesIO(content))


def _zip(add: Callable[[zipfile.ZipFile], None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in cvat_members().items():
            made.writestr(name, content)
        add(made)
    return file.getvalue()


def _mode(made: zipfile.ZipFile, name: str, mode: int, content: bytes = b"x") -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    made.writestr(info, content)


MEMBERS: dict[str, Callable[[], bytes]] = {
    "tar/symlink": lambda: _tar(lambda made: _member(made, "SegmentationClass/001.png", kind=tarfile.SYMTYPE, to="/etc/passwd")),
    "tar/symlink_folder": lambda: _tar(lambda made: (_member(made, "out", kind=tarfile.SYMTYPE, to="/tmp"), _member(made, "out/evil", b"x"))),  # type: ignore[arg-type, func-returns-value]
    "tar/hardlink": lambda: _tar(lambda made: _member(made, "SegmentationClass/001.png", kind=tarfile.LNKTYPE, to="labelmap.txt")),
    "tar/hardlink_outside": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.LNKTYPE, to="../../../etc/passwd")),
    "tar/character_device": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.CHRTYPE)),
    "tar/block_device": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.BLKTYPE)),
    "tar/pipe": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.FIFOTYPE)),
    "tar/sparse": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.GNUTYPE_SPARSE)),
    "tar/above": lambda: _tar(lambda made: _member(made, "../../evil.txt", b"x")),
    "tar/absolute": lambda: _tar(lambda made: _member(made, "/vergence-fuzz-evil.txt", b"x")),
    "tar/drive": lambda: _tar(lambda made: _member(made, "C:\\evil.txt", b"x")),
    "tar/twice": lambda: _tar(lambda made: _member(made, "labelmap.txt", b"x")),
    "tar/below_a_file": lambda: _tar(lambda made: _member(made, "labelmap.txt/x", b"x")),
    "tar/long_name": lambda: _tar(lambda made: _member(made, "x" * 5000, b"x")),
    "tar/gz_above": lambda: _tar(lambda made: _member(made, "../evil.txt", b"x"), "gz"),
    "tar/bz2_symlink": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.SYMTYPE, to="/etc"), "bz2"),
    "tar/xz_device": lambda: _tar(lambda made: _member(made, "a", kind=tarfile.CHRTYPE), "xz"),
    "tar/gz_bomb": lambda: _tar(lambda made: _member(made, "SegmentationClass/big.png", bytes(300_000_000)), "gz"),
    "tar/cut": lambda: _tar(lambda made: None)[:2000],
    "tar/gz_cut": lambda: _tar(lambda made: None, "gz")[:200],
    "tar/gz_flipped": lambda: _tar(lambda made: None, "gz")[:-8] + bytes(8),
    "zip/symlink": lambda: _zip(lambda made: _mode(made, "SegmentationClass/001.png", 0o120777, b"/etc/passwd")),
    "zip/symlink_folder": lambda: _zip(lambda made: (_mode(made, "out", 0o120777, b"/tmp"), _mode(made, "out/evil", 0o100644))),  # type: ignore[arg-type, func-returns-value]
    "zip/device": lambda: _zip(lambda made: _mode(made, "a", 0o020666)),
    "zip/pipe": lambda: _zip(lambda made: _mode(made, "a", 0o010666)),
    "zip/dots": lambda: _zip(lambda made: made.writestr("a/../../evil.txt", b"x")),
    "zip/drive": lambda: _zip(lambda made: made.writestr("D:evil.txt", b"x")),
    "zip/upper_twin": lambda: _zip(lambda made: made.writestr("SegmentationClass/nobody.png", b"x")),
    "zip/cp437_name": lambda: _zip(lambda made: made.writestr("SegmentationClass/aQQb.png", b"x")).replace(b"aQQb", b"a\xe9\xffb"),
    "zip/bad_utf8_name": lambda: _utf8(_zip(lambda made: made.writestr("SegmentationClass/aQQb.png", b"x")).replace(b"aQQb", b"a\xff\xfeb")),
}  # fmt: skip


def _utf8(data: bytes) -> bytes:
    """The members say that their names are UTF-8."""
    changed = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = 0
        while (start := data.find(mark, start)) >= 0:
            changed[start + place] |= 8
            start += 4
    return bytes(changed)


def _twice() -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _zip(lambda made: made.writestr("labelmap.txt", b"x"))


def members() -> list[Case]:
    found = []
    for name, make in {**MEMBERS, "zip/twice": _twice}.items():
        source = "theirs.tar.gz" if "gz" in name else "theirs." + name.partition("/")[0]
        edit = lambda folder, rng, make=make, source=source: write(folder / source, make())
        found.append(imported(f"exports/members/{name}", source, edit, REFUSED, name in ("tar/symlink", "zip/device")))
    for form in ("", "gz", "bz2", "xz"):
        source = f"theirs.tar{form and '.' + form}"
        edit = lambda folder, rng, form=form, source=source: write(folder / source, _tar(lambda made: None, form))
        found.append(imported(f"exports/members/sound/tar_{form}", source, edit, ACCEPTED))
    return found


def cases() -> list[Case]:
    return [*coco(), *label_studio(), *masks(), *members()]
