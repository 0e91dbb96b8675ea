"""Command lines and settings: values of the wrong kind, out of range, not finite; unknown words; places to write."""

import dataclasses
import inspect
import os
from pathlib import Path
from typing import Any, get_args

from tests.fuzz.damage import Rng, write
from tests.fuzz.harness import EITHER, REFUSED, Case
from vergence import api
from vergence.runs.config import recipe_class
from vergence.runs.schema import leaves

TRAIN = ("train", "depth.yaml", "--out", "out", "--data", "manifest.csv")
DATA = ("frames", "labels", "depth", "manifest.csv")
WORDS = {
    int: ("nan", "1.5", "many", "[1, 2]", "1e400", "-99999999999999999999999"),
    float: ("nan", "-inf", "much", "[1.0]", "1e400"),
    bool: ("perhaps", "2", "[true]"),
}
"""Nonsense for a setting of a type."""
YAML = {
    "tag": "!!python/object/apply:os.system ['id > canary']",
    "alias_of_itself": "&a [*a]",
    "aliases": "[&a [x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c], [*d,*d,*d]]",
    "open": "[1, 2",
    "deep": "[" * 5000,
    "escape": "\x1b[31mred",
    "colon": "a: b: c",
    "long": "9" * 100_000,
    "zero_byte": "a\0b",
    "surrogate": "\udcff",
}


def nothing(folder: Path, rng: Rng) -> None:
    """The command line itself is what is wrong."""


def _type(hint: Any) -> type | None:
    """int, float or bool where a setting is one of these, perhaps or none."""
    kinds = set(get_args(hint)) - {type(None)} or {hint}
    return kinds.pop() if len(kinds) == 1 and kinds <= {int, float, bool} else None


def of_settings() -> list[Case]:
    found = []
    for method, recipe, label in (("depth", "depth.yaml", "depth"), ("supervised", "seg.yaml", "seg")):
        for key, hint in leaves(recipe_class(method)):
            kind = _type(hint)
            if kind is None or (method == "supervised" and not key.startswith(("supervised.", "network."))):
                continue
            for number, word in enumerate(WORDS[kind]):
                if (kind is float and word in ("nan", "much")) or number % 2 == 0 or kind is bool:
                    argv = ("train", recipe, "--out", "out", "--data", "manifest.csv", f"--{key}={word}")
                    name = f"settings/{label}/{key}/{number}"
                    found.append(Case(name, argv, nothing, REFUSED, (*DATA, recipe), quick=key == "train.steps"))
    for key in (
        "train.steps",
        "frames.options.offsets",
        "optim.group_lr",
        "optim.lr",
        "frames.source",
        "evaluate.split",
    ):
        for name, word in YAML.items():
            sure = key != "frames.source" and key != "evaluate.split"
            argv = (*TRAIN, f"--{key}", word)
            expect = REFUSED if sure and name not in ("long",) else EITHER
            found.append(Case(f"settings/yaml/{key}/{name}", argv, nothing, expect, (*DATA, "depth.yaml")))
    return found


RANGES = {
    "train.steps": ("0", "-1"), "train.accumulate": ("0", "-1"), "train.log_every": ("0",), "train.keep": ("0", "-3"),
    "train.checkpoint_every": ("0",), "train.evaluate_every": ("-1",), "train.ema": ("1", "0", "-0.5", "2"),
    "train.seed": ("-1",), "train.precision": ("fp8",), "train.device": ("tpu", "cuda:99", ""),
    "train.trackers": ("[mlflow]", "x"), "optim.lr": ("0", "-1"), "optim.weight_decay": ("-1",),
    "optim.warmup": ("-1",), "optim.clip": ("0", "-1"), "optim.milestones": ("[5, 1]", "[-1]", "[x]"),
    "optim.betas": ("[0.9]", "[2, 3]", "[0.9, 1.0]", "[-1, 0.9]", "0.9"), "optim.momentum": ("-1",),
    "optim.gamma": ("-1",), "optim.power": ("-1",), "optim.group_lr": ("{nobody: 1}", "{depth: -1}", "[1]"),
    "optim.schedule": ("step", "linear"), "optim.name": ("lyon",), "frames.batch_size": ("0", "-1"),
    "frames.workers": ("-1", "some"), "frames.options.height": ("-1", "1", "7", "100000000"),
    "frames.options.width": ("-1", "1", "100000000"),
    "frames.options.offsets": ("[0]", "[1, 1]", "[a]", "[]", "{}", "[99999]"),
    "frames.options.jitter": ("-1", "7"), "frames.labelled.count": ("0", "-1"), "frames.train_split": ("nowhere",),
    "frames.source": ("/nowhere", "", "/dev/null", "/proc/self/mem", "http://localhost/x.csv"),
    "frames.val": ("/nowhere",), "evaluate.overlap": ("1", "-0.1"), "evaluate.window": ("[0, 0]", "[1]", "[a, b]"),
    "evaluate.protocol": ("kitty",), "evaluate.resolution": ("0x0", "-1x5", "axb"), "evaluate.limit": ("-1",),
    "network.encoder": ("nobody", "", "../../x", "resnet18.nobody"),
    "network.weights": ("/nowhere", "/dev/zero"),
    "network.decoder_widths": ("[0, 0, 0, 0, 0]", "[4]", "[-4, 4, 4, 4, 4]", "[]"),
    "network.scales": ("[]", "[9]", "[-1]", "[0, 0]"), "depth.loss.min_depth": ("0", "-1", "1000"),
    "depth.loss.max_depth": ("0", "-1"), "depth.metres_per_unit": ("0", "-1"),
    "depth.initialize_from": ("/nowhere", "frames"),
    "network.initial_disparity": ("-1", "2"), "nobody.knows": ("1",), "train": ("1", "[]"), "method": ("none",),
    "train.steps.more": ("1",), "": ("1",), ".": ("1",), "train..steps": ("1",), "__class__": ("1",),
}  # fmt: skip
"""Values of settings that are out of range, or of no setting."""


def of_ranges() -> list[Case]:
    found = []
    for key, words in RANGES.items():
        for word in words:
            needs = (*DATA, "depth.yaml")
            name = f"settings/ranges/{key}/{word}".replace("\0", "0")
            found.append(Case(name, (*TRAIN, f"--{key}", word), nothing, REFUSED, needs, quick=key == "train.ema"))
    return found


LINES = {
    "unknown_verb": (["trane"], REFUSED), "empty_verb": ([""], REFUSED), "escape_verb": (["\x1b[2J"], REFUSED),
    "zero_verb": (["a\0b"], REFUSED), "long_verb": (["x" * 100_000], REFUSED), "dashes": (["--"], REFUSED),
    "train_nothing": (["train"], REFUSED), "train_no_out": (["train", "depth.yaml"], REFUSED),
    "train_resume_nothing": (["train", "--resume"], REFUSED), "resume_nowhere": (["resume", "nowhere"], REFUSED),
    "train_recipe_folder": (["train", "frames", "--out", "out"], REFUSED),
    "train_recipe_escape": (["train", "\x1b[31m", "--out", "out"], REFUSED),
    "train_recipe_zero": (["train", "a\0.yaml", "--out", "out"], REFUSED),
    "train_recipe_long": (["train", "x" * 5000 + ".yaml", "--out", "out"], REFUSED),
    "train_recipe_above": (["train", "../../../etc/passwd", "--out", "out"], REFUSED),
    "evaluate_nothing": (["evaluate"], REFUSED), "evaluate_folder": (["evaluate", "frames"], REFUSED),
    "evaluate_null": (["evaluate", "/dev/null"], REFUSED), "predict_nothing": (["predict"], REFUSED),
    "predict_input": (["predict", "depth_run", "nowhere", "--out", "out"], REFUSED),
    "predict_input_zero": (["predict", "depth_run", "a\0b", "--out", "out"], REFUSED),
    "predict_input_long": (["predict", "depth_run", "x" * 5000, "--out", "out"], REFUSED),
    "predict_input_url": (["predict", "depth_run", "http://localhost:1/a.mp4", "--out", "out"], REFUSED),
    "predict_input_pipe": (["predict", "depth_run", "pipe:0", "--out", "out"], REFUSED),
    "predict_input_concat": (["predict", "depth_run", "concat:a.mp4|b.mp4", "--out", "out"], REFUSED),
    "predict_input_device": (["predict", "depth_run", "/dev/zero", "--out", "out"], REFUSED),
    "predict_itself": (["predict", "depth_run", "depth_run", "--out", "out"], REFUSED),
    "scan_nothing": (["scan"], REFUSED), "scan_nowhere": (["scan", "nowhere"], REFUSED),
    "scan_twice": (["scan", "frames", "frames"], EITHER), "scan_device": (["scan", "/dev/zero"], REFUSED),
    "index_layout": (["index", "nobody", "frames", "--out", "out.csv"], REFUSED),
    "index_suffix": (["index", "folder", "frames", "--out", "out.txt"], REFUSED),
    "index_option": (["index", "folder", "frames", "--out", "out.csv", "--nobody", "1"], REFUSED),
    "index_scale": (["index", "folder", "frames", "--out", "out.csv", "--depth_scale", "-1"], REFUSED),
    "index_space": (["index", "folder", "frames", "--out", "out.csv", "--label_space", "nobody"], REFUSED),
    "index_nothing": (["index"], REFUSED), "index_option_only": (["index", "--help"], EITHER),
    "index_video_picture": (["index", "video", "frames/000.png", "--out", "out.csv"], REFUSED),
    "select_count_0": (["select", "depth_run", "--data", "manifest.csv", "--count", "0", "--out", "out"], REFUSED),
    "select_count": (["select", "depth_run", "--data", "manifest.csv", "--count", "99", "--out", "out"], REFUSED),
    "select_count_less": (["select", "depth_run", "--data", "manifest.csv", "--count", "-3", "--out", "out"], REFUSED),
    "labels_nothing": (["labels"], REFUSED), "labels_word": (["labels", "send"], REFUSED),
    "labels_form": (["labels", "export", "manifest.csv", "--to", "word", "--out", "out"], REFUSED),
    "labels_space": (
        ["labels", "export", "manifest.csv", "--to", "png", "--out", "out", "--label_space", "a:\x1b[31m"], EITHER),
    "convert_nothing": (["convert"], REFUSED),
    "convert_family": (["convert", "x", "--from", "y", "--out", "out"], REFUSED),
    "report_nothing": (["report"], REFUSED), "report_folder": (["report", "frames"], REFUSED),
    "doctor_word": (["doctor", "now"], REFUSED), "demo_word": (["demo", "now"], REFUSED),
    "demo_labels": (["demo", "--out", "out", "--labels", "-1"], REFUSED),
    "config_file": (["scan", "frames", "--config", "/etc/passwd"], REFUSED),
    "print_config": (["scan", "frames", "--print_config"], REFUSED),
}  # fmt: skip
OPTIONS: dict[str, tuple[list[str], dict[str, tuple[str, ...]]]] = {
    "predict": (
        ["predict", "depth_run", "frames", "--out", "out"],
        {
            "scale": ("0", "-1", "nan", "inf", "much"), "camera_height": ("0", "-1", "nan", "inf"),
            "speed": ("0", "-1", "nan", "inf", "fast", "3knots"), "poses": ("nowhere.txt", "/dev/zero", "."),
            "poses_from": ("nan", "3"),
            "overlap": ("1", "-1", "nan"), "window": ("0x0", "axb", "-4x-4", "64x"), "limit": ("-1", "0", "nan"),
            "batch_size": ("0", "-1", "1.5"), "field_of_view": ("0", "180", "-5", "nan"),
            "colour_map": ("nobody", ""),
            "device": ("tpu", "cuda:7"), "split": ("nowhere",), "depth": ("word",), "array": ("word",),
        },
    ),
    "evaluate": (
        ["evaluate", "depth_run", "--data", "manifest.csv"],
        {
            "protocol": ("kitty", ""), "split": ("nowhere",), "scale": ("0", "-1", "nan", "inf", "mean"),
            "resolution": ("0x0", "-1x3", "x", "huge"), "classes": ("nobody",), "overlap": ("1", "-0.5", "nan"),
            "window": ("0x0", "axb"), "limit": ("0", "-1", "x"), "device": ("tpu",), "flip": ("perhaps",),
        },
    ),
    "scan": (["scan", "frames"], {"max_pairs": ("0", "-1", "nan", "x"), "out": ("x.txt", "frames")}),
    "report": (["report", "depth_run"], {"images": ("-1", "nan", "x"), "data": ("nowhere",), "out": ("frames",)}),
    "select": (
        ["select", "depth_run", "--data", "manifest.csv", "--count", "2", "--out", "out"],
        {
            "criterion": ("nobody", ""), "steps": ("x", "-1", "0", "[9, 1]", "99"), "seed": ("-1", "nan"),
            "split": ("nowhere",), "exclude": ("nowhere", "frames"), "labelled": ("nowhere",), "depth": ("nowhere",),
            "student": ("nobody",), "weight": ("nan", "-1", "inf"), "shard": ("-1", "5", "2/2", "a/b", "0/0"),
        },
    ),
}  # fmt: skip
"""Options of verbs, with values that make no sense."""
WRITES = ("out", "out/*", "out.*", "depth_run/report.html", "depth_run/evaluation/*", "report.html")


def of_lines() -> list[Case]:
    needs = (*DATA, "depth.yaml", "depth_run")
    found = [
        Case(
            *(f"lines/{name}", argv, nothing, expect, needs, WRITES, name.startswith("train_recipe")),
            addressed=name == "predict_input_url",
        )
        for name, (argv, expect) in LINES.items()
    ]
    for verb, (argv, options) in OPTIONS.items():
        for option, words in options.items():
            for word in words:
                name = f"lines/{verb}/{option}/{word}"
                found.append(Case(name, [*argv, f"--{option}", word], nothing, REFUSED, needs, WRITES, word == "nan"))
    for verb in ("train", "evaluate", "predict", "select", "scan", "index", "convert", "report", "doctor", "demo"):
        for name in inspect.signature(getattr(api, verb)).parameters:
            if name not in ("progress", "overrides", "options"):
                argv = [verb, "depth_run", f"--{name}"]
                found.append(
                    Case(f"lines/no_value/{verb}/{name}", argv, nothing, EITHER, needs, (*WRITES, "demo", "demo/*"))
                )
    return found


def _in_the_way(kind: str, folder: Path) -> None:
    out = folder / "out"
    if kind == "file":
        write(out, "mine")
    elif kind == "full":
        write(out / "mine.txt", "mine")
    elif kind == "loop":
        out.symlink_to(out)
    elif kind == "dangling":
        out.symlink_to(folder.parent / "elsewhere" / "nothing")
    elif kind == "parent":
        write(folder / "frames.txt", "mine")
    elif kind == "read_only":
        out.mkdir()
        os.chmod(out, 0o500)


def of_places() -> list[Case]:
    """Where results should go stands something else already."""
    verbs = {
        "train": ["train", "depth.yaml", "--data", "manifest.csv"],
        "predict": ["predict", "depth_run", "frames"],
        "export": ["labels", "export", "manifest.csv", "--to", "png"],
        "select": ["select", "depth_run", "--data", "manifest.csv", "--count", "2", "--criterion", "ds"],
        "index": ["index", "folder", "frames"],
        "convert": ["convert", "depth_run/checkpoints"],
    }
    found = []
    for verb, argv in verbs.items():
        for kind in ("file", "full", "loop", "dangling", "parent", "device", "long", "zero"):
            out = {"parent": "frames.txt/out", "device": "/dev/null/out", "long": "x" * 300, "zero": "a\0b"}.get(
                kind, "out"
            )
            out += ".csv" if verb == "index" and kind in ("parent", "device", "long") else ""
            sure = kind in ("file", "loop", "parent", "device", "long", "zero") or verb in ("convert", "index")
            found.append(
                Case(
                    f"places/{verb}/{kind}",
                    [*argv, "--out", out],
                    lambda folder, rng, kind=kind: _in_the_way(kind, folder),
                    REFUSED if sure else EITHER,
                    (*DATA, "depth.yaml", "depth_run"),
                    ("out/*",) if kind in ("full", "read_only") else (),
                )
            )
    return [dataclasses.replace(case, expect=EITHER) if case.name.endswith("dangling") else case for case in found]


def cases() -> list[Case]:
    return [*of_settings(), *of_ranges(), *of_lines(), *of_places()]
