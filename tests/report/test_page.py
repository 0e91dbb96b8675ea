import html
import re

import pytest

from tests.report.depth_run import depth_run
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.evaluation.evaluate import evaluate
from vergence.report.page import write_report


@pytest.fixture
def world(tmp_path):
    return depth_run(tmp_path)


def assert_self_contained(page):
    assert "http" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)  # nothing from anywhere else
    assert "<link" not in page
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith(("data:image/", "#"))
    for address in re.findall(r"url\(([^)]*)\)", page):
        assert address.startswith("#")


def test_the_whole_page(world):
    result = evaluate(world)
    path = write_report(world, images=2)
    assert path == world.path / "report.html"
    page = path.read_text()
    assert_self_contained(page)
    assert "unfinished: 40 of 100 steps" in page
    assert "depth unscaled" in page
    assert "not evaluated: &lt;no data&gt;" in page
    assert "started from random weights" in page
    for row in result["rows"]:
        for name in ("abs_rel", "rmse", "a1"):
            assert f"{row[name]:.3f}" in page
    assert {row["name"] for row in result["rows"]} == {"trained", "input_free", "untrained"}
    assert result["stamp"] in html.unescape(page)
    assert page.count("<figure>") == 2 * 6 + 2 * 5
    assert page.count("<svg") == 3, "losses over both axes, and what was watched"
    assert 'class="absent"' not in page
    assert "mean inverse depth of 3 training images" in page
    assert "left out of the loss" in page
    assert page.count("· abs_rel ") == 2 * 1 + 2 * 3  # beside each error map and each map of the strip


def test_without_evaluation_weights_or_data(world):
    bare = write_report(world.path).read_text()  # no checkpoint: the run has just begun
    assert_self_contained(bare)
    assert "Not evaluated yet" in bare
    assert "the weights cannot be loaded" in bare
    assert "no checkpoint" in bare
    world.config.frames.source = "/nowhere/manifest.csv"
    page = write_report(world, world.path / "other.html").read_text()
    assert "the data cannot be read" in page
    assert "/nowhere/manifest.csv" in page
    assert page.count("<figure>") == 0


def test_data_without_truth_and_neighbours_show_what_is_missing(world, tmp_path):
    rows = [FrameRow(f"val{k}.png", "s", 10 * k) for k in range(3)]
    page = write_report(world, data=Manifest(rows, tmp_path), images=1).read_text()
    assert "measured inverse depth" not in page  # no empty panels
    assert "unscaled depth (colour is linear in inverse depth)" in page
    assert page.count("<figure>") == 2


def test_a_recipe_only_run_and_a_broken_one(tmp_path):
    (tmp_path / "recipe.yaml").write_text("recipe: mine\nmethod: depth\n")
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "plain.json").write_text("{")
    page = write_report(tmp_path).read_text()
    assert "mine" in page
    assert "No numbers were logged yet" in page
    (tmp_path / "recipe.yaml").write_text("a: [")
    assert "Vergence report" in write_report(tmp_path).read_text()


def test_metric_runs_say_so(world):
    world.method.scale, world.method.metres_per_unit = "metric", 5.4
    assert "depth in metres, from the stereo baseline (5.4 m a unit)" in write_report(world, images=0).read_text()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="no run folder"):
        write_report(tmp_path / "nowhere")


def test_unwritable_page(world):
    (world.path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(world, world.path / "file" / "report.html", images=0)
