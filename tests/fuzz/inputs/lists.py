"""Classes, manifests and calibrations whose fields are missing, doubled, of another type, out of range or not finite."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.damage import Rng, not_a_file, write
from tests.fuzz.harness import ACCEPTED, REFUSED, Case
from tests.fuzz.inputs.tables import NEEDS, WRITES

ROAD = {"name": "road", "color": [128, 64, 128]}
CAR = {"name": "car", "color": [0, 0, 142]}
TREE = {"name": "tree", "color": [107, 142, 35]}
ALL = [ROAD, CAR, TREE]


def _with(**changes: Any) -> dict[str, Any]:
    return {"classes": [{**ROAD, **changes}, CAR, TREE]}


CLASSES: dict[str, tuple[Any, str]] = {
    "sound": ({"classes": ALL}, ACCEPTED),
    "names": ({"classes": ["road", "car", "tree"]}, ACCEPTED),
    "colours_by_name": ({"classes": {"road": [1, 2, 3], "car": "#040506", "tree": [7, 8, 9]}}, ACCEPTED),
    "same_colours": (_with(color=[0, 0, 142]), ACCEPTED),
    "alpha": (_with(color=[128, 64, 128, 255]), ACCEPTED),
    "alpha_999": (_with(color=[128, 64, 128, 999]), REFUSED),
    "alpha_half": (_with(color=[128, 64, 128, 0.5]), REFUSED),
    "parts_2": (_with(color=[128, 64]), REFUSED),
    "parts_5": (_with(color=[1, 2, 3, 4, 5]), REFUSED),
    "part_float": (_with(color=[0.5, 0.25, 0.5]), REFUSED),
    "part_text": (_with(color=["128", "64", "128"]), REFUSED),
    "part_true": (_with(color=[True, 64, 128]), REFUSED),
    "part_256": (_with(color=[256, 64, 128]), REFUSED),
    "part_less": (_with(color=[-1, 64, 128]), REFUSED),
    "colour_object": (_with(color={"r": 128, "g": 64, "b": 128}), REFUSED),
    "colour_signs": (_with(color="#+1+1+1"), REFUSED),
    "colour_short": (_with(color="#804"), REFUSED),
    "colour_word": (_with(color="purple"), REFUSED),
    "colour_spaces": (_with(color="# 1 2 3"), REFUSED),
    "colour_arabic": (_with(color="#١٢٣٤٥٦"), REFUSED),
    "name_twice": (_with(name="car"), REFUSED),
    "name_twice_spaces": (_with(name=" car "), REFUSED),
    "name_number": (_with(name=5), REFUSED),
    "name_null": (_with(name=None), REFUSED),
    "name_list": (_with(name=["road"]), REFUSED),
    "name_empty": (_with(name=""), REFUSED),
    "name_comma": (_with(name="a,b"), REFUSED),
    "name_line": (_with(name="a\nb"), REFUSED),
    "name_missing": ({"classes": [{"color": [1, 2, 3]}, CAR, TREE]}, REFUSED),
    "id_twice": ({"classes": [{**ROAD, "id": 1}, {**CAR, "id": 1}, TREE]}, REFUSED),
    "id_255": ({"classes": [{**ROAD, "id": 255}, CAR, TREE]}, REFUSED),
    "id_256": ({"classes": [{**ROAD, "id": 256}, CAR, TREE]}, REFUSED),
    "id_less": (_with(id=-1), REFUSED),
    "id_half": (_with(id=0.5), REFUSED),
    "id_text": (_with(id="0"), REFUSED),
    "id_true": ({"classes": [ROAD, {**CAR, "id": True}, {**TREE, "id": 2}]}, REFUSED),
    "id_null": (_with(id=None), REFUSED),
    "id_list": (_with(id=[0]), REFUSED),
    "ignore_text": (_with(ignore="yes"), REFUSED),
    "ignore_number": (_with(ignore=1), REFUSED),
    "all_ignored": ({"classes": [{**ROAD, "ignore": True}]}, REFUSED),
    "unknown_key": ({"classes": ALL, "ignore_id": 255}, REFUSED),
    "unknown_word": ({"clases": ALL}, REFUSED),
    "unknown_of_class": (_with(colr=[1, 2, 3]), REFUSED),
    "both_colours": (_with(colour=[1, 2, 3]), REFUSED),
    "ignore_index_less": ({"classes": ALL, "ignore_index": -1}, REFUSED),
    "ignore_index_300": ({"classes": ALL, "ignore_index": 300}, REFUSED),
    "ignore_index_text": ({"classes": ALL, "ignore_index": "255"}, REFUSED),
    "ignore_index_half": ({"classes": ALL, "ignore_index": 1.5}, REFUSED),
    "ignore_index_class": ({"classes": ALL, "ignore_index": 1}, ACCEPTED),
    "label_space_number": ({"classes": ALL, "label_space": 5}, REFUSED),
    "name_of_space": ({"classes": ALL, "name": "a:b"}, ACCEPTED),
    "mapillary": ({"labels": [{"readable": "road", "name": "a--road", "color": [1, 2, 3], "evaluate": True, "instances": False}], "version": "1.2", "mapping": "public", "folder_structure": "x"}, ACCEPTED),
    "mapillary_evaluate": ({"labels": [{"readable": "road", "color": [1, 2, 3], "evaluate": "no"}]}, REFUSED),
    "coco_panoptic": ([{"id": 0, "name": "road", "supercategory": "flat", "isthing": 0, "color": [1, 2, 3]}, {"id": 1, "name": "car", "supercategory": "a", "isthing": 1}, {"id": 2, "name": "tree", "supercategory": "a", "isthing": 0}], ACCEPTED),
}  # fmt: skip


def classes() -> list[Case]:
    found = []
    for name, (content, expect) in CLASSES.items():

        def laid(folder: Path, rng: Rng, content: Any = content) -> None:
            (folder / "clip").mkdir()
            (folder / "frames").rename(folder / "clip" / "images")
            (folder / "labels").rename(folder / "clip" / "labels")
            write(folder / "clip/classes.json", json.dumps(content))

        argv = ("index", "folder", "clip", "--out", "out.csv")
        found.append(Case(f"lists/classes/{name}", argv, laid, expect, NEEDS, quick=name.startswith("unknown")))
        argv = (
            "labels",
            "import",
            "png",
            "--data",
            "manifest.csv",
            "--label_space",
            "fuzz:road#804080,car#00008e,tree#6b8e23",
            "--out",
            "out.csv",
        )

        def returned(folder: Path, rng: Rng, content: Any = content) -> None:
            write(folder / "png/classes.json", json.dumps(content))

        odd = expect == REFUSED or name in ("sound", "names")
        if odd and not name.startswith(("mapillary", "all_ignored")):
            found.append(Case(f"lists/classes_png/{name}", argv, returned, expect, (*NEEDS, "png")))
    for name, text in {"half": "0, road\n1", "words": "zero, road\n", "twice": "0, road\n0, car\n", "less": "-1, road\n", "arabic": "٠, road\n", "under": "1_0, road\n"}.items():  # fmt: skip

        def roboflow(folder: Path, rng: Rng, text: str = text) -> None:
            (folder / "frames").rename(folder / "train")
            for label in sorted((folder / "labels").iterdir()):
                label.rename(folder / "train" / f"{label.stem}_mask.png")
            write(folder / "train/_classes.csv", f"Pixel Value, Class\n{text}")

        found.append(
            Case(f"lists/roboflow/{name}", ("index", "folder", "train", "--out", "out.csv"), roboflow, REFUSED, NEEDS)
        )
    return found


def _replaced(columns: dict[str, Any]) -> Callable[[Path, Rng], None]:
    def edit(folder: Path, rng: Rng) -> None:
        table = pq.read_table(folder / "manifest.parquet").slice(0, 3)
        for name, values in columns.items():
            place = table.column_names.index(name)
            table = table.set_column(place, name, values if isinstance(values, pa.Array) else pa.array(values))
        (folder / "manifest.parquet").unlink()
        pq.write_table(table, folder / "manifest.parquet")

    return edit


NAMES = ["frames/000.png", "frames/001.png", "frames/002.png"]
PARQUET: dict[str, tuple[dict[str, Any], str]] = {
    "sound": ({"position": pa.array([0, 1, 2], pa.int8())}, ACCEPTED),
    "words_by_number": ({"image": pa.array(NAMES).dictionary_encode()}, ACCEPTED),
    "large_words": ({"image": pa.array(NAMES, pa.large_string())}, ACCEPTED),
    "whole_floats": ({"position": [0.0, 1.0, 2.0]}, ACCEPTED),
    "position_nan": ({"position": [0.0, float("nan"), 2.0]}, REFUSED),
    "position_truths": ({"position": [True, False, None]}, REFUSED),
    "position_two_truths": ({"position": pa.array([True, False, True])}, REFUSED),
    "position_dates": ({"position": pa.array([1, 2, 3], pa.timestamp("us"))}, REFUSED),
    "position_words": ({"position": ["0", "1", "2"]}, REFUSED),
    "position_64_bits": ({"position": pa.array([0, 1, 2**64 - 1], pa.uint64())}, REFUSED),
    "position_same": ({"position": [1, 1, 1]}, REFUSED),
    "position_list": ({"position": [[0], [1], [2]]}, REFUSED),
    "image_list": ({"image": [[name] for name in NAMES]}, REFUSED),
    "image_null": ({"image": [*NAMES[:2], None]}, REFUSED),
    "image_all_null": ({"image": pa.nulls(3)}, REFUSED),
    "image_numbers": ({"image": [0, 1, 2]}, REFUSED),
    "image_dates": ({"image": pa.array([1, 2, 3], pa.date32())}, REFUSED),
    "image_zero_byte": ({"image": [*NAMES[:2], "a\0b.png"]}, REFUSED),
    "image_folder": ({"image": [*NAMES[:2], "frames"]}, REFUSED),
    "image_dots": ({"image": [*NAMES[:2], "frames/.."]}, REFUSED),
    "image_slash": ({"image": [*NAMES[:2], "/"]}, REFUSED),
    "image_empty": ({"image": [*NAMES[:2], ""]}, REFUSED),
    "image_above": ({"image": [*NAMES[:2], "../../../../../../etc/passwd"]}, REFUSED),
    "image_absolute": ({"image": [*NAMES[:2], "/etc/passwd"]}, REFUSED),
    "image_device": ({"image": [*NAMES[:2], "/dev/zero"]}, REFUSED),
    "image_url": ({"image": [*NAMES[:2], "http://127.0.0.1:9/a.png"]}, REFUSED),
    "width_float": ({"width": [64.5, 64.0, 64.0]}, REFUSED),
    "width_words": ({"width": ["64", "64", "64"]}, REFUSED),
    "fx_truths": ({"fx": [True, True, True]}, REFUSED),
    "fx_words": ({"fx": ["1", "1", "1"]}, REFUSED),
    "fx_list": ({"fx": [[1.0]] * 3}, REFUSED),
    "split_numbers": ({"split": [1, 2, 3]}, REFUSED),
    "label_numbers": ({"label": [1, 2, 3]}, REFUSED),
    "pose_list": ({"pose": [[1.0] * 12] * 3}, REFUSED),
    "fps_less": ({"fps": [-1.0] * 3}, REFUSED),
    "fps_inf": ({"fps": [float("inf")] * 3}, REFUSED),
    "no_rows": ({}, REFUSED),
}  # fmt: skip


def _bomb(folder: Path, rng: Rng) -> None:
    """Half a billion rows in a few kilobytes: each value is there once, and counted."""
    (folder / "manifest.parquet").unlink()
    count = 4_000_000
    schema = pa.schema([("image", pa.string()), ("sequence", pa.string()), ("position", pa.int64())])
    with pq.ParquetWriter(folder / "manifest.parquet", schema) as writer:
        same = pa.table(
            [
                pa.array(["x" * 100]).take(pa.array([0] * count)),
                pa.nulls(count, pa.string()),
                pa.array([7] * 1).take(pa.array([0] * count)),
            ],
            schema=schema,
        )
        for _ in range(8):
            writer.write_table(same)


def _wide(folder: Path, rng: Rng) -> None:
    """A word of ten million letters in each of ten thousand rows, stored once."""
    (folder / "manifest.parquet").unlink()
    word = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), pa.array(["x" * 10_000_000]))
    table = pa.table({"image": word, "sequence": pa.array(["a"] * 10_000), "position": pa.array(range(10_000))})
    pq.write_table(table, folder / "manifest.parquet", compression="zstd")


def manifests() -> list[Case]:
    found = []
    for name, (columns, expect) in PARQUET.items():
        edit = _replaced(columns)
        if name == "no_rows":
            edit = lambda folder, rng: pq.write_table(
                pq.read_table(folder / "manifest.parquet").slice(0, 0), folder / "manifest.parquet"
            )
        argv = ("predict", "depth_run", "manifest.parquet", "--out", "out")
        writes = (*WRITES, "manifest.parquet")
        quick, addressed = name == "position_dates", name == "image_url"
        found.append(Case(f"lists/parquet/{name}", argv, edit, expect, NEEDS, writes, quick, addressed=addressed))
    for name, make in {"bomb": _bomb, "wide": _wide}.items():
        found.append(Case(f"lists/parquet/{name}", ("scan", "manifest.parquet"), make, REFUSED, NEEDS, WRITES))
    for what in ("loop", "dangling", "pipe", "folder", "endless"):
        edit = lambda folder, rng, what=what: not_a_file(folder / "manifest.parquet", what)
        found.append(Case(f"lists/parquet/{what}", ("scan", "manifest.parquet"), edit, REFUSED, NEEDS, WRITES))
        edit = lambda folder, rng, what=what: not_a_file(folder / "frames/002.png", what)
        argv = ("predict", "depth_run", "manifest.csv", "--out", "out")
        found.append(Case(f"lists/csv/image_{what}", argv, edit, REFUSED, NEEDS, WRITES))
    for name, (old, new) in {
        "arabic": (",1,train", ",١,train"), "under": (",1,train", ",1_0,train"), "plus": (",1,train", ",+1.0,train"), "quote": ("frames/001", '"frames/001'),
        "cells": (",1,train", ",1,,,train"), "tab": (",1,train", "\t1\ttrain"), "column_twice": ("image,sequence", "image,image"), "semicolons": (",", ";"),
    }.items():  # fmt: skip
        edit = lambda folder, rng, old=old, new=new: write(
            folder / "manifest.csv", (folder / "manifest.csv").read_text().replace(old, new)
        )
        found.append(Case(f"lists/csv/{name}", ("scan", "manifest.csv"), edit, REFUSED, NEEDS, WRITES))
    return found


def _p(fx: float, fy: float, cx: float, cy: float, tx: float) -> str:
    return " ".join(str(float(value)) for value in (fx, 0, cx, tx, 0, fy, cy, 0, 0, 0, 1, 0))


GOOD = {
    "P0": _p(50, 50, 32, 16, 0),
    "P1": _p(50, 50, 32, 16, -25),
    "P2": _p(50, 50, 32, 16, 0),
    "P3": _p(50, 50, 32, 16, -25),
}
KITTI: dict[str, tuple[dict[str, str], str]] = {
    "sound": ({}, ACCEPTED), "singular": ({"P2": _p(0, 50, 32, 16, 0)}, REFUSED), "focal_less": ({"P2": _p(-50, 50, 32, 16, 0)}, REFUSED),
    "focal_nan": ({"P2": _p(float("nan"), 50, 32, 16, 0)}, REFUSED), "focal_inf": ({"P2": _p(float("inf"), 50, 32, 16, 0)}, REFUSED),
    "focal_tiny": ({"P2": _p(1e-300, 50, 32, 16, 0)}, REFUSED), "centre_outside": ({"P2": _p(50, 50, 9999, 16, 0)}, REFUSED),
    "eleven": ({"P2": _p(50, 50, 32, 16, 0)[:-4]}, REFUSED), "words": ({"P2": "a b c"}, REFUSED), "arabic": ({"P2": _p(50, 50, 32, 16, 0).replace("50", "٥٠")}, REFUSED),
}  # fmt: skip
_MATRIX = "%YAML:1.0\n---\nimage_width: {w}\nimage_height: {h}\ncamera_matrix: !!opencv-matrix\n   rows: {rows}\n   cols: 3\n   dt: d\n   data: [ {data} ]\n{more}"
K = "50., 0., 32., 0., 50., 16., 0., 0., 1."
OPENCV: dict[str, tuple[dict[str, Any], str]] = {
    "sound": ({}, ACCEPTED), "singular": ({"data": "0., 0., 32., 0., 0., 16., 0., 0., 1."}, REFUSED), "focal_less": ({"data": K.replace("50.", "-50.")}, REFUSED),
    "nan": ({"data": K.replace("50.", ".NaN")}, REFUSED), "inf": ({"data": K.replace("50.", ".Inf")}, REFUSED), "rows_2": ({"rows": 2}, REFUSED),
    "rows_huge": ({"rows": 10**9}, REFUSED), "width_0": ({"w": 0}, REFUSED), "width_word": ({"w": "wide"}, REFUSED), "width_nan": ({"w": ".nan"}, REFUSED),
    "width_less": ({"w": -64}, REFUSED), "other_shape": ({"w": 640, "h": 100}, REFUSED), "skew": ({"data": K.replace("0., 32.", "7., 32.")}, REFUSED),
    "last_row": ({"data": K.replace("0., 0., 1.", "5., 5., 5.")}, REFUSED), "under": ({"data": K.replace("50.", "5_0")}, REFUSED),
    "distortion_99": ({"more": "distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 5\n   dt: d\n   data: [ 99., 99., 0., 0., 99. ]\n"}, ACCEPTED),
    "distortion_nan": ({"more": "distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 5\n   dt: d\n   data: [ .NaN, 0., 0., 0., 0. ]\n"}, REFUSED),
    "twice": ({"more": "camera_matrix: !!opencv-matrix\n   rows: 1\n   cols: 1\n   dt: d\n   data: [ 1. ]\n"}, REFUSED),
}  # fmt: skip
CAM_TXT: dict[str, tuple[str, str]] = {
    "sound": ("50 0 32\n0 50 16\n0 0 1\n", ACCEPTED), "singular": ("0 0 32\n0 0 16\n0 0 1\n", REFUSED), "less": ("-50 0 32\n0 50 16\n0 0 1\n", REFUSED),
    "nan": ("nan 0 32\n0 50 16\n0 0 1\n", REFUSED), "last_row": ("50 0 32\n0 50 16\n7 7 7\n", REFUSED), "four_rows": ("50 0 32\n0 50 16\n0 0 1\n0 0 1\n", REFUSED),
    "one_line": ("50 0 32 0 50 16 0 0 1", ACCEPTED), "arabic": ("٥٠ 0 32\n0 50 16\n0 0 1\n", REFUSED),
}  # fmt: skip


def calibrations() -> list[Case]:
    found = []
    for name, (change, expect) in KITTI.items():

        def kitti(folder: Path, rng: Rng, change: dict[str, str] = change) -> None:
            base = folder / "kitti" / "sequences" / "00"
            base.mkdir(parents=True)
            (folder / "frames").rename(base / "image_2")
            write(base / "calib.txt", "".join(f"{key}: {numbers}\n" for key, numbers in {**GOOD, **change}.items()))
            write(base / "times.txt", "".join(f"{n / 10}\n" for n in range(6)))

        found.append(
            Case(
                f"lists/kitti/{name}",
                ("index", "kitti_odometry", "kitti", "--out", "out.csv"),
                kitti,
                expect,
                ("frames",),
            )
        )
    files = {
        f"opencv/{name}": (
            "intrinsics.yaml",
            _MATRIX.format(**{"w": 64, "h": 32, "rows": 3, "data": K, "more": "", **change}),
            expect,
        )
        for name, (change, expect) in OPENCV.items()
    }
    files |= {f"cam_txt/{name}": ("cam.txt", text, expect) for name, (text, expect) in CAM_TXT.items()}
    for name, (file, text, expect) in files.items():

        def laid(folder: Path, rng: Rng, file: str = file, text: str = text) -> None:
            (folder / "clip").mkdir()
            (folder / "frames").rename(folder / "clip" / "images")
            write(folder / "clip" / file, text)

        found.append(Case(f"lists/{name}", ("index", "folder", "clip", "--out", "out.csv"), laid, expect, NEEDS))
    return found


def cases() -> list[Case]:
    return [*classes(), *manifests(), *calibrations()]
