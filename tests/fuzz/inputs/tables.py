"""Manifests, lists, cameras, poses, classes: tables and small files that say what the data are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.damage import BYTES, JSON_TEXTS, NOT_FILES, Rng, flipped, moved, not_a_file, write
from tests.fuzz.harness import EITHER, REFUSED, Case

DATA = ("frames", "labels", "depth", "manifest.csv", "manifest.parquet")
NEEDS = (*DATA, "depth_run", "seg_run", "depth.yaml", "seg.yaml")
VERBS = {
    "scan": ("scan", "{}"),
    "train": ("train", "depth.yaml", "--out", "out", "--data", "{}"),
    "predict": ("predict", "depth_run", "{}", "--out", "out"),
    "export": ("labels", "export", "{}", "--to", "png", "--out", "out"),
    "evaluate": ("evaluate", "depth_run", "--data", "{}"),
}
WRITES = ("out", "out/*", "out.*", "depth_run/evaluation*", "seg_run/evaluation*")
CELLS: dict[str, tuple[str, ...]] = {
    "image": ("", "nowhere.png", "frames", "/dev/zero", "a\x1b[31m.png", "x" * 5000, "../../../etc/passwd"),
    "position": ("", "x", "1.5", "nan", "99999999999999999999", "1e400"),
    "width": ("-1", "x", "nan", "99999999999999999999"),
    "height": ("-1", "0"),
    "fx": ("nan_", "inf", "-1", "0", "1e308", "x"),
    "baseline": ("0", "inf", "1e9", "x"),
    "pose": ("1 2 3", "x", "nan " * 12, "1e999 " * 12),
    "label_space": ("nobody", "a:", "a:b,b", "a:\x1b,c", "a:" + ",".join(f"c{n}" for n in range(300)), ":" * 500),
    "depth_unit": ("miles",),
    "depth_scale": ("0", "-1", "inf", "x"),
    "lens": ("x", "opencv 1", "fisheye nan nan nan nan", "opencv 1e300 1e300 0 0 0"),
    "fps": ("-1", "inf", "x"),
    "follows": ("x", "99"),
    "split": ("\x1b[2J",),
    "nobody": ("1",),
}
"""Values of a column that make no sense."""
HARMLESS = {("split", "\x1b[2J"), ("label_space", "a:\x1b,c"), ("fx", "1e308")}
"""May be taken, for what a column of words says is up to its writer."""


def _cell(column: str, value: str, rows: int | None = 1) -> Callable[[Path, Rng], None]:
    import csv

    def edit(folder: Path, rng: Rng) -> None:
        with (folder / "manifest.csv").open(newline="") as file:
            lines = list(csv.reader(file))
        if column not in lines[0]:
            lines = [[*line, ""] for line in lines]
            lines[0][-1] = column
        place = lines[0].index(column)
        for number in range(1, len(lines)):
            if rows is None or number <= rows:
                lines[number][place] = value
        (folder / "manifest.csv").unlink()
        with (folder / "manifest.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)

    return edit


def manifests() -> list[Case]:
    found = []
    for verb, argv in VERBS.items():
        words = [word.replace("{}", "manifest.csv") for word in argv]
        for column, values in CELLS.items():
            for number, value in enumerate(values):
                optional = column == "label_space" and verb in ("scan", "predict", "train", "evaluate")
                expect = EITHER if (column, value) in HARMLESS or optional or column == "image" else REFUSED
                if verb in ("scan", "predict") or column in ("image", "label_space"):
                    name = f"manifests/{verb}/{column}/{number}"
                    found.append(
                        Case(
                            name, words, _cell(column, value), expect, NEEDS, WRITES, verb == "scan" and column == "fx"
                        )
                    )
        for name, way in BYTES.items():
            for suffix in ("csv", "parquet"):
                words = [word.replace("{}", f"manifest.{suffix}") for word in argv]

                def edit(folder: Path, rng: Rng, way: Any = way, suffix: str = suffix) -> None:
                    write(folder / f"manifest.{suffix}", way((folder / f"manifest.{suffix}").read_bytes(), rng))

                some = name == "half" and suffix == "csv"
                if verb in ("scan", "train"):
                    found.append(
                        Case(
                            f"manifests/{verb}/{suffix}/{name}", words, edit, EITHER if some else REFUSED, NEEDS, WRITES
                        )
                    )
        for what in NOT_FILES:
            words = [word.replace("{}", "manifest.csv") for word in argv]
            way = lambda folder, rng, what=what: not_a_file(folder / "manifest.csv", what)
            found.append(Case(f"manifests/{verb}/{what}", words, way, REFUSED, NEEDS, WRITES))
    for number in range(40):
        damage = flipped if number % 2 else moved

        def turn(folder: Path, rng: Rng, damage: Any = damage) -> None:
            write(folder / "manifest.parquet", damage((folder / "manifest.parquet").read_bytes(), rng))

        found.append(
            Case(f"manifests/parquet/flips_{number}", ("scan", "manifest.parquet"), turn, EITHER, NEEDS, WRITES)
        )
    return found + [
        Case(f"manifests/typed/{name}", ("scan", "manifest.parquet"), edit, REFUSED, NEEDS, WRITES)
        for name, edit in typed()
    ]


def typed() -> list[tuple[str, Callable[[Path, Rng], None]]]:
    """Parquet columns of other types than they should have."""
    columns: dict[str, pa.Array] = {
        "image_number": pa.array([[1]] * 3),
        "image_bytes": pa.array([b"\xff\xfe"] * 3, pa.binary()),
        "image_null": pa.array([None, "frames/001.png", "frames/002.png"]),
        "image_struct": pa.array([{"a": 1}] * 3),
        "position_text": pa.array(["x", "y", "z"]),
        "position_float": pa.array([0.5, 1.5, 2.5]),
        "position_null": pa.array([None, 1, 2]),
        "position_list": pa.array([[1], [2], [3]]),
        "fx_text": pa.array(["wide"] * 3),
        "fx_inf": pa.array([float("inf")] * 3),
        "width_huge": pa.array([2**62] * 3),
    }

    def edit(name: str) -> Callable[[Path, Rng], None]:
        def change(folder: Path, rng: Rng) -> None:
            table = pq.read_table(folder / "manifest.parquet").slice(0, 3)
            column = name.partition("_")[0]
            table = table.set_column(table.column_names.index(column), column, columns[name])
            (folder / "manifest.parquet").unlink()
            pq.write_table(table, folder / "manifest.parquet")

        return change

    return [(name, edit(name)) for name in columns]


CAMERAS: dict[str, Any] = {
    "fx_text": {"fx": "wide"}, "fx_0": {"fx": 0}, "fx_less": {"fx": -5}, "fx_nan": {"fx": float("nan")}, "fx_huge": {"fx": 1e300},
    "fx_null": {"fx": None}, "fx_true": {"fx": True}, "fx_list": {"fx": [50]}, "cx_outside": {"cx": 1e9}, "width_0": {"width": 0},
    "width_less": {"width": -64}, "width_text": {"width": "64"}, "width_other": {"width": 640, "height": 100}, "misspelt": {"fxx": 5},
    "baseline_0": {"baseline_m": 0}, "baseline_text": {"baseline_m": "x"}, "baseline_name": {"baseline": 0.5},
    "model": {"model": "magic"}, "distortion_text": {"distortion": "x"}, "distortion_nan": {"distortion": [float("nan")] * 5},
    "distortion_huge": {"distortion": [1e300] * 5}, "distortion_long": {"distortion": [0.1] * 50}, "distortion_object": {"distortion": {"k1": []}},
}  # fmt: skip
LINES: dict[str, bytes | str] = {
    "nothing": "", "word": "hello", "short": "1 2 3\n", "nan": "nan " * 12 + "\n", "inf": "inf " * 12 + "\n", "huge": "1e999 " * 12,
    "ragged": "1 0 0 0 0 1 0 0 0 0 1 0\n1 2\n", "bytes": b"\xff\xfe\xfa\xfb", "zero": "1 0 0 0\0", "one_line": "1 0 0 0 0 1 0 0 0 0 1 0\n",
    "long": "1 " * 200_000,
}  # fmt: skip
CLASSES: dict[str, bytes | str] = {
    **JSON_TEXTS,
    "number": "5", "names_numbers": '{"classes": [1, 2]}', "twice": '{"classes": ["a", "a"]}', "none": '{"classes": []}',
    "colour": '{"classes": [{"name": "a", "color": "#gggggg"}]}', "colour_long": '{"classes": [{"name": "a", "color": [1, 2, 3, 4]}]}',
    "colour_less": '{"classes": [{"name": "a", "color": [-1, 0, 999]}]}', "id": '{"classes": [{"id": -5, "name": "a"}]}',
    "many": json.dumps({"classes": [f"c{n}" for n in range(400)]}), "escape": '{"classes": ["\\u001b[31m", "b"]}',
    "ignore": '{"classes": ["a"], "ignore_index": "x"}', "space": '{"label_space": 5, "classes": ["a"]}', "name": '{"name": [], "classes": ["a"]}',
}  # fmt: skip


def sidecars() -> list[Case]:
    """Files beside frames: cameras, poses, times, classes, lists."""
    found = []
    index = ("index", "folder", "clip", "--out", "out.csv")

    def laid(name: str, content: bytes | str) -> Callable[[Path, Rng], None]:
        def edit(folder: Path, rng: Rng) -> None:
            (folder / "clip").mkdir()
            (folder / "frames").rename(folder / "clip" / "images")
            (folder / "labels").rename(folder / "clip" / "labels")
            write(folder / "clip" / name, content)

        return edit

    camera = {"width": 64, "height": 32, "fx": 50, "fy": 50, "cx": 32, "cy": 16}
    for name, change in CAMERAS.items():
        text = json.dumps({**camera, **change})
        found.append(
            Case(f"cameras/{name}", index, laid("intrinsics.json", text), REFUSED, NEEDS, quick=name == "fx_nan")
        )
    for name, content in JSON_TEXTS.items():
        expect = EITHER if name in ("object", "null") else REFUSED
        found.append(Case(f"cameras/json/{name}", index, laid("intrinsics.json", content), expect, NEEDS))
    for file in ("poses.txt", "cam.txt", "times.txt", "timestamps.txt", "train.txt"):
        for name, content in LINES.items():
            found.append(Case(f"lines_of_numbers/{file}/{name}", index, laid(file, content), EITHER, NEEDS))
    for name, content in CLASSES.items():
        expect = (
            EITHER if name in ("escape", "object", "null", "lone_surrogate", "id", "colour_long", "space") else REFUSED
        )
        found.append(Case(f"classes/{name}", index, laid("classes.json", content), expect, NEEDS))
    for name, content in {**LINES, **JSON_TEXTS}.items():
        for suffix in ("txt", "json"):

            def edit(folder: Path, rng: Rng, content: bytes | str = content, suffix: str = suffix) -> None:
                write(folder / f"list.{suffix}", content)

            argv = (
                "select",
                "depth_run",
                "--data",
                "manifest.csv",
                "--count",
                "1",
                "--out",
                "out",
                "--criterion",
                "ds",
            )
            found.append(Case(f"lists/{suffix}/{name}", (*argv, "--exclude", f"list.{suffix}"), edit, REFUSED, NEEDS))
    return found


CALIBRATIONS: dict[str, bytes | str] = {
    "words": "P0: a b c\nP1: x\n", "short": "P0: 1 2 3\nP1: 1 2 3\nP2: 1 2 3\nP3: 1 2 3\n", "no_colon": "P0 1 2 3", "bytes": b"\xff" * 99,
    "nan": "".join(f"P{n}: {'nan ' * 12}\n" for n in range(4)), "inf": "".join(f"P{n}: {'inf ' * 12}\n" for n in range(4)),
    "zeros": "".join(f"P{n}: {'0 ' * 12}\n" for n in range(4)), "less": "".join(f"P{n}: {'-1 ' * 12}\n" for n in range(4)),
    "huge": "".join(f"P{n}: {'1e300 ' * 12}\n" for n in range(4)), "long": "P0: " + "1 " * 10**6, "nothing": "",
}  # fmt: skip


def calibrations() -> list[Case]:
    """A small KITTI odometry tree whose calibration is wrong."""
    found = []

    def laid(content: bytes | str) -> Callable[[Path, Rng], None]:
        def edit(folder: Path, rng: Rng) -> None:
            base = folder / "kitti" / "sequences" / "00"
            base.mkdir(parents=True)
            (folder / "frames").rename(base / "image_2")
            write(base / "calib.txt", content)
            write(base / "times.txt", "".join(f"{n / 10}\n" for n in range(6)))

        return edit

    for name, content in CALIBRATIONS.items():
        argv = ("index", "kitti_odometry", "kitti", "--out", "out.csv")
        found.append(Case(f"calibrations/kitti/{name}", argv, laid(content), REFUSED, ("frames",)))
    return found


def cases() -> list[Case]:
    return [*manifests(), *sidecars(), *calibrations()]
