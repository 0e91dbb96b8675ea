"""What annotators give back: COCO, Label Studio, CVAT, masks, and archives that are traps."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.damage import BYTES, JSON_TEXTS, NOT_FILES, Rng, flipped, moved, not_a_file, spoiled, write
from tests.fuzz.harness import EITHER, REFUSED, Case
from tests.fuzz.world import mask, picture

DATA = ("frames", "labels", "depth", "manifest.csv")
FORMS = ("cvat", "coco", "label_studio", "png")


def imported(name: str, source: str, edit: Callable[[Path, Rng], None], expect: str, quick: bool = False) -> Case:
    argv = ("labels", "import", source, "--data", "manifest.csv", "--out", "out.csv")
    form = source.partition(".")[0]
    return Case(f"annotations/{name}", argv, edit, expect, (*DATA, *((source,) if form in FORMS else ())), quick=quick)


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def cvat_members() -> dict[str, bytes]:
    file = io.BytesIO()
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(file, "PNG")
    label_map = b"# label:color_rgb:parts:actions\nroad:128,64,128::\nbackground:0,0,0::\n"
    return {"labelmap.txt": label_map, "SegmentationClass/000.png": file.getvalue()}


def link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in cvat_members().items():
            made.writestr(name, content)
        info = zipfile.ZipInfo("SegmentationClass/001.png")
        info.external_attr = 0o120777 << 16
        made.writestr(info, "/etc/passwd")
    return file.getvalue()


def lying(size: int) -> bytes:
    """An archive whose list says that its members are small, or huge."""
    content = bytearray(archive({"labelmap.txt": bytes(50_000_000)}))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", size)
    return bytes(content)


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "above": (lambda: archive({**cvat_members(), "../../../evil.txt": b"x"}), EITHER),
    "above_only": (lambda: archive({"../../../evil.txt": b"x"}), REFUSED),
    "absolute": (lambda: archive({**cvat_members(), "/vergence-fuzz-evil.txt": b"x"}), EITHER),
    "windows": (lambda: archive({**cvat_members(), "..\\..\\evil.txt": b"x", "C:\\evil.txt": b"x"}), EITHER),
    "link": (link, EITHER),
    "bomb": (lambda: archive({**cvat_members(), "SegmentationClass/big.png": bytes(3_000_000_000 // 10)}), REFUSED),
    "many": (lambda: archive({f"labels/{n}.txt": b"" for n in range(60_000)}, zipfile.ZIP_STORED), REFUSED),
    "lies_small": (lambda: lying(10), REFUSED),
    "lies_huge": (lambda: lying(2**32 - 2), REFUSED),
    "nested": (lambda: archive({"inner.zip": archive(cvat_members())}), REFUSED),
    "empty": (lambda: archive({}), REFUSED),
    "escape_name": (lambda: archive({**cvat_members(), "SegmentationClass/\x1b[31m.png": b"x"}), REFUSED),
    "zero_name": (lambda: archive({**cvat_members(), "a\0b.txt": b"x"}), EITHER),
    "long_name": (lambda: archive({**cvat_members(), "x" * 5000: b"x"}), REFUSED),
    "deep_name": (lambda: archive({**cvat_members(), "a/" * 3000 + "b": b"x"}), REFUSED),
    "file_and_folder": (lambda: archive({**cvat_members(), "labelmap.txt/x": b"x"}), REFUSED),
    "method": (lambda: archive(cvat_members()).replace(b"\x08\0", b"\x63\0"), REFUSED),
    "secret": (lambda: _flagged(archive(cvat_members())), REFUSED),
}


def _flagged(data: bytes) -> bytes:
    """The members say that they are encrypted."""
    changed = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := data.find(mark, start)) >= 0:
            changed[start + place] |= 1
            start += 4
    return bytes(changed)


def archives() -> list[Case]:
    found = [
        imported(f"zip/{name}", "theirs.zip", lambda folder, rng, make=make: write(folder / "theirs.zip", make()), expect,
                 name in ("above", "absolute", "link", "secret"))
        for name, (make, expect) in ARCHIVES.items()
    ]  # fmt: skip
    for name, way in BYTES.items():
        found.append(
            imported(f"zip/bytes/{name}", "cvat.zip",
                     lambda folder, rng, way=way: write(folder / "cvat.zip", way((folder / "cvat.zip").read_bytes(), rng)), REFUSED)
        )  # fmt: skip
    for number in range(20):
        damage = moved if number % 2 else flipped
        form = FORMS[number % 4]
        found.append(
            imported(f"zip/flips_{number}", f"{form}.zip",
                     lambda folder, rng, form=form, damage=damage:
                     write(folder / f"{form}.zip", damage((folder / f"{form}.zip").read_bytes(), rng)), EITHER)
        )  # fmt: skip
    return found


def _json_of(folder: Path, form: str) -> Path:
    found = [path for path in sorted((folder / form).rglob("*.json")) if "classes" not in path.name]
    return max(found, key=lambda path: path.stat().st_size)


def json_trees() -> list[Case]:
    """Any value of an export is another, a few at a time."""
    found = []
    for form in ("coco", "label_studio", "png"):
        for name, text in JSON_TEXTS.items():

            def replace(folder: Path, rng: Rng, form: str = form, text: bytes | str = text) -> None:
                path = folder / "png/classes.json" if form == "png" else _json_of(folder, form)
                write(path, text)

            found.append(imported(f"{form}/json/{name}", form, replace, EITHER if form == "png" else REFUSED))
        for number in range(60 if form != "png" else 15):

            def spoil(folder: Path, rng: Rng, form: str = form, number: int = number) -> None:
                path = folder / "png/classes.json" if form == "png" else _json_of(folder, form)
                write(path, json.dumps(spoiled(json.loads(path.read_text()), rng, 1 + number % 3)))

            found.append(imported(f"{form}/spoiled_{number}", form, spoil, EITHER, number < 2 and form != "png"))
    return found


SEGMENTATIONS: dict[str, object] = {
    "nan": [[float("nan")] * 6], "inf": [[float("inf"), 0, 1, 1, 2, 2]], "huge": [[0, 0, 1e9, 0, 1e9, 1e9]], "huge_int": [[0, 0, 2**62, 0, 2**62, 1]],
    "less": [[-1e9, 0, 1, 1, 2, 2]], "odd": [[0, 0, 1, 1, 2]], "text": [["a"] * 6], "null": [None], "flat": [0, 0, 1, 1, 2, 2], "deep": [[[0, 0, 1, 1, 2, 2]]],
    "word": "polygon", "number": 5, "true": True,
    "rle_size": {"size": [10**6, 10**6], "counts": [10**12]}, "rle_less": {"size": [-32, -64], "counts": [5]}, "rle_text": {"size": ["a", "b"], "counts": [5]},
    "rle_counts": {"size": [32, 64], "counts": [10**9]}, "rle_counts_less": {"size": [32, 64], "counts": [-5, 5]}, "rle_float": {"size": [32, 64], "counts": [1.5]},
    "rle_word": {"size": [32, 64], "counts": "\x01\x02garbage\u00ff"}, "rle_long": {"size": [32, 64], "counts": "z" * 10**6}, "rle_null": {"size": [32, 64], "counts": None},
    "rle_none": {"size": [32, 64]}, "rle_size_3": {"size": [32, 64, 3], "counts": [2048]}, "rle_nan": {"size": [32, float("nan")], "counts": [2048]}, "rle_short": {"size": [32, 64], "counts": [5]},
}  # fmt: skip


def coco() -> list[Case]:
    found = []
    for name, value in SEGMENTATIONS.items():
        content = {
            "images": [{"id": 1, "file_name": "000.png", "width": 64, "height": 32}],
            "categories": [{"id": 1, "name": "road"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": value, "iscrowd": 0}],
        }
        edit = lambda folder, rng, content=content: write(folder / "theirs.json", json.dumps(content))
        found.append(
            imported(f"coco/segmentation/{name}", "theirs.json", edit, REFUSED, name in ("nan", "huge", "rle_size"))
        )
    return found


def label_studio() -> list[Case]:
    """Brush masks: run lengths of bits that lie."""
    found = []
    values: dict[str, object] = {
        "nothing": [], "short": [1, 2, 3], "huge": [255] * 4, "long": [255, 255, 255, 255, 7] * 1000, "less": [-1] * 50, "big": [256] * 50, "text": ["a"] * 50,
        "nan": [float("nan")] * 50, "float": [1.5] * 50, "null": None, "word": "x", "size": [0x7F, 0xFF, 0xFF, 0xFF] + [0] * 50, "bytes": list(range(256)),
    }  # fmt: skip
    for name, rle in values.items():
        result = [
            {
                "type": "brushlabels",
                "original_width": 64,
                "original_height": 32,
                "value": {"format": "rle", "rle": rle, "brushlabels": ["road"]},
            }
        ]
        task = [{"id": 1, "data": {"image": "/data/upload/1/aaaaaaaa-000.png"}, "annotations": [{"result": result}]}]
        edit = lambda folder, rng, task=task: write(folder / "theirs.json", json.dumps(task))
        found.append(imported(f"label_studio/rle/{name}", "theirs.json", edit, REFUSED))
    for name, size in {
        "huge": (10**6, 10**6),
        "less": (-64, -32),
        "zero": (0, 0),
        "text": ("a", "b"),
        "float": (64.5, 32),
        "null": (None, None),
    }.items():
        result = [
            {
                "type": "brushlabels",
                "original_width": size[0],
                "original_height": size[1],
                "value": {"format": "rle", "rle": [0] * 50, "brushlabels": ["road"]},
            }
        ]
        task = [{"id": 1, "data": {"image": "000.png"}, "annotations": [{"result": result}]}]
        edit = lambda folder, rng, task=task: write(folder / "theirs.json", json.dumps(task))
        found.append(imported(f"label_studio/size/{name}", "theirs.json", edit, REFUSED))
    for name, text in {
        "entities": '<!DOCTYPE a [<!ENTITY b "' + "c" * 1000 + '">]><View>' + "&b;" * 1000 + "</View>", "file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><View>&b;</View>',
        "deep": "<a>" * 100_000, "cut": "<View><Label value='a'", "nothing": "", "words": "no xml", "bytes": b"\xff\xfe<\0", "encoding": "<?xml version='1.0' encoding='nobody'?><View/>",
        "spaces": "<View xmlns:x='" + "y" * 10**6 + "'/>", "twice": "<View/><View/>",
    }.items():  # fmt: skip
        edit = lambda folder, rng, text=text: write(folder / "label_studio/label_config.xml", text)
        found.append(
            imported(
                f"label_studio/xml/{name}",
                "label_studio",
                edit,
                EITHER if name in ("encoding", "spaces") else REFUSED,
                name == "entities",
            )
        )
    return found


def cvat() -> list[Case]:
    found = []
    for name, text in {
        "nothing": "", "words": "no map", "colour": "road:1,2::\n", "colour_less": "road:-1,2,3::\n", "colour_big": "road:1,2,999::\n", "colour_digit": "road:²,1,1::\n",
        "colour_long": "road:" + "9" * 5000 + ",1,1::\n", "twice": "road:1,2,3::\nroad:4,5,6::\n", "bytes": b"\xff\xfe\xfa", "zero": "road:1,2,3::\0", "many": "".join(f"c{n}:{n % 256},{n // 256},7::\n" for n in range(400)),
    }.items():  # fmt: skip
        edit = lambda folder, rng, text=text: write(folder / "cvat/labelmap.txt", text)
        found.append(imported(f"cvat/labelmap/{name}", "cvat", edit, REFUSED))
    masks: dict[str, Callable[[], bytes]] = {
        "jpeg": lambda: _bytes(mask(0).convert("RGB"), "JPEG"), "size": lambda: _bytes(mask(0, (33, 17)).convert("RGB"), "PNG"), "photo": lambda: _bytes(picture(1), "PNG"),
        "grey": lambda: _bytes(Image.new("L", (64, 32), 77), "PNG"), "deep": lambda: _bytes(Image.new("I;16", (64, 32), 777), "PNG"), "float": lambda: _bytes(Image.new("F", (64, 32), 0.5), "TIFF"),
        "eps": lambda: _bytes(picture(1), "EPS"), **{name: (lambda way=way: way(_bytes(mask(0), "PNG"), np.random.default_rng(0))) for name, way in BYTES.items()},
    }  # fmt: skip
    for form, place in (("cvat", "cvat/SegmentationClass/000.png"), ("png", "png/labels/000.png")):
        for name, make in masks.items():
            edit = lambda folder, rng, make=make, place=place: write(folder / place, make())
            found.append(imported(f"{form}/masks/{name}", form, edit, REFUSED, name in ("eps", "jpeg")))
        for what in NOT_FILES:
            edit = lambda folder, rng, what=what, place=place: not_a_file(folder / place, what)
            found.append(imported(f"{form}/masks/{what}", form, edit, EITHER if what == "folder" else REFUSED))
    return found


def _bytes(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def cases() -> list[Case]:
    return [*archives(), *json_trees(), *coco(), *label_studio(), *cvat()]
