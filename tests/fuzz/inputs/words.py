"""Numbers on the command line that are none, of every option of every verb that takes one; and files of numbers."""

import inspect
import typing
from pathlib import Path

from tests.fuzz.damage import Rng, not_a_file, write
from tests.fuzz.harness import ACCEPTED, REFUSED, Case
from tests.fuzz.inputs.settings import DATA, WRITES
from vergence import api

NEEDS = (*DATA, "depth_run", "seg_run", "cvat.zip")
BASES: dict[str, tuple[str, ...]] = {
    "evaluate": ("evaluate", "depth_run", "--data", "manifest.csv"),
    "predict": ("predict", "depth_run", "frames", "--out", "out"),
    "select": ("select", "depth_run", "--data", "manifest.csv", "--count", "2", "--out", "out", "--criterion", "ds"),
    "scan": ("scan", "frames"),
    "report": ("report", "depth_run"),
    "labels_export": ("labels", "export", "manifest.csv", "--to", "png", "--out", "out"),
    "labels_import": ("labels", "import", "cvat.zip", "--data", "manifest.csv", "--out", "out.csv"),
    "labels_propagate": ("labels", "propagate", "few.csv", "--out", "out.csv"),
    "demo": ("demo", "--out", "out"),
}
NONE = {"arabic": "٣", "wide": "５", "roman": "Ⅳ", "words": "two", "long": "9" * 5000, "signs": "--5", "list": "[3]", "twice": "3 3", "empty": ""}  # fmt: skip
"""Of whole numbers and of others alike."""
FRACTIONS = {"nan": "nan", "inf": "inf", "less_inf": "-inf", "beyond": "1e400", "dot_nan": ".nan"}
WRITTEN = (*WRITES, "few.csv", "seg_run/evaluation*")


def few(folder: Path, rng: Rng) -> None:
    """A manifest of which two frames have labels, at ten frames a second."""
    lines = (folder / "manifest.csv").read_text().splitlines()
    names = lines[0].split(",")
    kept = [lines[0]]
    for number, line in enumerate(lines[1:]):
        head, label, tail = line.partition(f"labels/{number:03d}.png")
        kept.append(f"{head}{label if number in (1, 4) else ''}{tail}")
    place = names.index("fps")
    rows = []
    for line in kept[1:]:
        front, _, back = line.rpartition('"')  # the label space has commas
        cells = back.split(",")
        cells[place - names.index("label_space")] = "10"
        rows.append(f'{front}"{",".join(cells)}')
    write(folder / "few.csv", "\n".join([kept[0], *rows]) + "\n")


def _number(hint: object) -> type | None:
    kinds = set(typing.get_args(hint)) or {hint}
    return float if float in kinds else int if int in kinds and bool not in kinds else None


def of_options() -> list[Case]:
    found = []
    for verb, base in BASES.items():
        for option, parameter in inspect.signature(getattr(api, verb)).parameters.items():
            kind = _number(parameter.annotation)
            if kind is None or option in ("overrides", "progress") or str in typing.get_args(parameter.annotation):
                continue
            words = {**NONE, **(FRACTIONS if kind is float else {"nan": "nan", "half": "2.5", "beyond": "1e400"})}
            for name, word in words.items():
                argv = (*base, f"--{option}={word}")
                quick = name in ("nan", "arabic") and verb == "labels_propagate"
                found.append(Case(f"words/{verb}/{option}/{name}", argv, few, REFUSED, NEEDS, WRITTEN, quick))
    return found


PROPAGATED: dict[str, tuple[tuple[str, ...], str]] = {
    "sound": ((), ACCEPTED), "seconds_0": (("--seconds", "0"), REFUSED), "seconds_less": (("--seconds", "-1"), REFUSED),
    "keep_0": (("--keep", "0"), REFUSED), "keep_2": (("--keep", "2"), REFUSED), "width_0": (("--width", "0"), REFUSED),
    "width_less": (("--width", "-5"), REFUSED), "field_0": (("--field_of_view", "0"), REFUSED),
    "field_180": (("--field_of_view", "180"), REFUSED), "motion": (("--motion", "magic"), REFUSED),
    "geometry_without_run": (("--motion", "geometry"), REFUSED), "run_nowhere": (("--run", "nowhere"), REFUSED),
    "run_of_classes": (("--run", "seg_run"), REFUSED), "device": (("--device", "tpu"), REFUSED),
    "unknown": (("--seconds_per", "1"), REFUSED),
}  # fmt: skip
CELLS: dict[str, tuple[str, str, str]] = {
    "no_labels": ("labels/", "", REFUSED), "label_missing": ("labels/001.png", "labels/nowhere.png", REFUSED),
    "label_is_picture": ("labels/001.png", "frames/001.png", REFUSED), "space_unknown": ("fuzz:road", "nobody", REFUSED),
    "image_missing": ("frames/002.png", "frames/nowhere.png", REFUSED),
}  # fmt: skip


def propagated() -> list[Case]:
    """``labels propagate`` with settings, frames and labels that are wrong."""
    base, found = BASES["labels_propagate"], []
    for name, (words, expect) in PROPAGATED.items():
        found.append(Case(f"propagate/{name}", (*base, *words), few, expect, NEEDS, WRITTEN, name == "keep_2"))
    for out in ("out.txt", "frames", "/dev/null/out.csv", "x" * 300 + ".csv", "few.csv"):
        argv = ("labels", "propagate", "few.csv", "--out", out)
        found.append(Case(f"propagate/out/{out[:12].replace('/', '_')}", argv, few, REFUSED, NEEDS, WRITTEN))
    for name, (old, new, expect) in CELLS.items():

        def edit(folder: Path, rng: Rng, old: str = old, new: str = new) -> None:
            few(folder, rng)
            text = (folder / "few.csv").read_text()
            lines = text.splitlines()
            if old == "labels/":
                lines = [line.replace(f"labels/{number - 1:03d}.png", "") for number, line in enumerate(lines)]
            write(folder / "few.csv", "\n".join(line.replace(old, new) for line in lines) + "\n")

        found.append(Case(f"propagate/cells/{name}", base, edit, expect, NEEDS, WRITTEN))
    for file in ("frames/002.png", "labels/001.png"):
        for what in ("empty", "half", "pipe", "loop"):

            def spoil(folder: Path, rng: Rng, file: str = file, what: str = what) -> None:
                few(folder, rng)
                data = (folder / file).read_bytes()
                if what in ("pipe", "loop"):
                    not_a_file(folder / file, what)
                else:
                    write(folder / file, data[: len(data) // 2] if what == "half" else b"")

            found.append(Case(f"propagate/{file[:6]}/{what}", base, spoil, REFUSED, NEEDS, WRITTEN))
    for name, text in {"half": '{"a": [1', "list": "[1]", "deep": "[" * 100_000, "bytes": b"\xff\xfe\xfa"}.items():

        def record(folder: Path, rng: Rng, text: bytes | str = text) -> None:
            few(folder, rng)
            write(folder / "out/propagation.json", text)

        found.append(Case(f"propagate/record/{name}", base, record, ACCEPTED, NEEDS, WRITTEN))
    return found


def cases() -> list[Case]:
    return [*of_options(), *propagated()]
