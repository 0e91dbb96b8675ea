"""Students of a selection: whose recipe is one, how long each trains, how it sees frames."""

from pathlib import Path
from typing import Any

import pytest

from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.selection.student import Students


def students(tmp_path: Path, recipe: str, **changes: Any) -> Students:
    manifest = Manifest([FrameRow("a.png", "a", 0)], tmp_path)
    options = FrameOptions(height=64, width=96, label_space="two:road#804080,sky#4682b4")
    return Students(manifest, tmp_path, recipe, (), options, 5, "cpu", **changes)


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / "recipe.yaml").write_text(text)
    return str(tmp_path / "recipe.yaml")


SUPERVISED = "method: supervised\nframes: {options: {label_space: cityscapes19}}\n"
DISTILL = "method: distill\ntrain: {steps: 30}\nframes: {options: {random_crop: [128, 80]}}\n"


def test_the_kth_student_trains_k_times_as_long_and_sees_what_its_teacher_sees(tmp_path: Path) -> None:
    recipe = write(tmp_path, DISTILL)
    config = students(tmp_path, recipe)._config(3, tmp_path / "step-9")
    options = config.frames.options
    assert (config.train.steps, config.train.seed, config.train.device) == (90, 5, "cpu")
    assert (options.height, options.width, options.random_crop) == (64, 96, (64, 80))
    assert config.frames.source == str(tmp_path / "step-9" / "frames.parquet")
    assert students(tmp_path, recipe, parts=4)._config(3, tmp_path).train.steps == 22


def test_what_is_measured() -> None:
    assert students(Path("."), "x").measure == "difficulty"
    assert students(Path("."), "x", classes=True).measure == "entropy"


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("method: depth\n", {}, "of method depth; a student's recipe learns from estimated depth alone"),
        (SUPERVISED, {}, "of method supervised; a student's recipe learns from estimated depth alone"),
        (DISTILL, {"classes": True}, "of method distill; a student's recipe learns from labelled frames alone"),
        (DISTILL + "distill: {teacher: truth}\n", {}, "named by --depth; leave that of distill at manifest"),
    ],
)
def test_recipes_of_no_student(tmp_path: Path, text: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        students(tmp_path, write(tmp_path, text), **changes).check()


def test_recipes_of_students(tmp_path: Path) -> None:
    students(tmp_path, write(tmp_path, DISTILL)).check()
    students(tmp_path, write(tmp_path, "method: supervised\n"), classes=True).check()
