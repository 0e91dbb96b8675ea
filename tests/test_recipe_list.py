"""Recipes are listed with what they do and need; one of them with all its settings, the same by two ways."""

import pytest

from vergence import api
from vergence.cli import main
from vergence.recipe_list import about, recipe_lines
from vergence.runs.recipe import recipe_names


def test_every_recipe_has_its_line() -> None:
    lines = recipe_lines()
    assert [line.split()[0] for line in lines] == recipe_names(chains=True)
    assert all(about(name) for name in recipe_names(chains=True))
    said = dict(line.split(maxsplit=1) for line in lines)
    assert said["depth-video"] == "Depth from your own video. [video]"
    assert "[stereo pairs]" in said["depth-kitti-stereo"]
    assert "labels of some frames" in said["three_ways-video"]
    assert "labelled frames of another domain" in said["corda-video"]


def test_one_recipe_is_told_the_same_by_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "depth-video-tiny"]) == 0
    listed = capsys.readouterr().out
    assert main(["train", "depth-video-tiny", "--help"]) == 0
    assert capsys.readouterr().out == listed
    assert "\n".join(api.recipes("depth-video-tiny")) + "\n" == listed
    assert "--train.steps 150" in listed
    assert "needs: video" in listed
    assert main(["recipes", "depth-vdeo"]) == 2
    assert "did you mean 'depth-video'" in capsys.readouterr().err
