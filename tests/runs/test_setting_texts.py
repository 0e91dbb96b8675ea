"""Texts of settings are docstrings of their fields, also of inherited ones; a recipe's help shows its own values."""

import subprocess
import sys
from dataclasses import dataclass, field, make_dataclass

import pytest

from vergence.cli import main
from vergence.methods import settings_named
from vergence.runs.config import read_config
from vergence.runs.setting_texts import field_text, listed, run_sections, sections


@dataclass
class Inner:
    """What is inside."""

    size: int = 3
    """Pixels,
    see :class:`~vergence.data.manifest.Manifest` and ``other``."""


@dataclass
class Outer:
    """Around it.

    More of it.
    """

    first: str = "a"
    """Of the first."""
    second: float = 0.5
    inner: Inner = field(default_factory=Inner)
    """The one and only."""


@dataclass
class Derived(Outer):
    """Says one field anew, and keeps what the other means."""

    first: str = "b"
    second: float = 1.5
    """Of the second."""


def test_texts_come_from_the_class_that_says_them() -> None:
    assert field_text(Outer, "first") == field_text(Derived, "first") == "Of the first."
    assert field_text(Outer, "second") == ""
    assert field_text(Derived, "second") == "Of the second."
    assert field_text(Inner, "size") == "Pixels, see `Manifest` and `other`."


def test_a_class_without_source_has_no_texts() -> None:
    assert field_text(make_dataclass("Made", [("first", int, 1)]), "first") == ""
    assert field_text(make_dataclass("Made", [("first", str, "c")], bases=(Outer,)), "first") == "Of the first."


def test_sections() -> None:
    outer, inner = sections(Derived(), "whole")
    assert (outer.name, outer.text) == ("whole", "Says one field anew, and keeps what the other means.")
    assert [(one.key, one.hint, one.value) for one in outer.settings] == [
        ("whole.first", str, "b"),
        ("whole.second", float, 1.5),
    ]
    assert (inner.name, inner.kind, inner.text) == ("whole.inner", Inner, "The one and only.")
    assert [section.name for section in sections(Outer(), without=("inner",))] == [""]
    assert next(sections(Outer())).text == "Around it.\n\nMore of it."


def test_lines_for_a_terminal() -> None:
    lines = listed(sections(Outer(), "whole")).splitlines()
    assert lines[1:4] == ["whole: Around it.", '  --whole.first "a"', "      Of the first. (a text)"]
    assert lines[-2:] == ["  --whole.inner.size 3", "      Pixels, see `Manifest` and `other`. (an integer)"]


def test_network_and_pose_stand_at_the_top() -> None:
    found = {section.name: section for section in run_sections(read_config("unimatch-toytown"))}
    assert {"", "frames.options", "network", "pose", "unimatch", "unimatch.loss", "unimatch.consistency"} <= set(found)
    decay = next(one for one in found["unimatch"].settings if one.key == "unimatch.teacher_decay")
    assert decay.text == field_text(settings_named("three_ways"), "teacher_decay")  # said once, there


def test_help_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "depth-kitti-1024", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--train.steps 49762\n      Optimiser steps of the whole run. (an integer)" in text
    assert "--frames.options.width 1024" in text
    assert "--depth.loss.ssim_weight 0.85" in text
    assert main(["train", "flywheel-toytown", "-h"]) == 0
    assert '--flywheel.depth.recipe "depth-toytown"' in capsys.readouterr().out
    assert main(["train", "depth-kitty", "--help"]) == 2
    assert "did you mean 'depth-kitti'" in capsys.readouterr().err


def test_help_and_the_page_need_no_torch() -> None:
    program = """
import sys
for name in ("torch", "torchvision", "timm", "torchmetrics"):
    sys.modules[name] = None  # importing it fails
from benchmarks.write_settings import page
from vergence.cli import main
assert "`corda.difficulty`" in page()
sys.exit(main(["train", "three_ways-cityscapes", "--help"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--three_ways.consistency.margin" in done.stdout
