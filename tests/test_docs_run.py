"""Command blocks of the README and of the pages of the methods are run as they stand, in order, on a short real video.

Settings that say how much there is to do are made small, nothing else is changed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import small_data_sets as made
from tests.small_data_sets import FRAMES, WIDTH, write_video
from tests.test_docs import blocks, commands
from vergence import cli
from vergence.data.labels import CITYSCAPES_IDS, MAPILLARY, label_space
from vergence.data.manifest import Manifest
from vergence.runs.checkpoint import load_run
from vergence.runs.recipe import read_recipe

ROOT = Path(__file__).parents[1]
CLASSES = '{"classes": [{"name": "road", "color": "#804080"}, {"name": "sky", "color": "#4682b4"}]}'
ENCODER = {"encoder": "mobilenetv3_small_050", "weights": "none"}
SMALL = {
    "train.steps": 2, "train.log_every": 1, "train.evaluate_every": 2, "train.device": "cpu", "train.precision": "no",
    "frames.batch_size": 2, "frames.workers": 0, "frames.options.width": WIDTH, "evaluate.limit": 2,
}  # fmt: skip
"""Added to every training, so that it takes seconds."""
FEWER = {"--count": "4", "--val": "2", "--frames.labelled.count": "2"}
TOWN = "--train 2 --val 1 --frames 6 --width 160 --height 96"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a short video, another, and classes to label."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    write_video("another_drive.mp4", 4)
    Path("classes.yaml").write_text(CLASSES)
    return tmp_path


def page(name: str, title: str = "") -> str:
    """The text of a page, or of one of its sections."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0] if title else text


def follow(lines: Sequence[list[str]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run commands in order; the verbs."""
    ran = []
    for words in lines:
        if words[1].startswith("flywheel-"):  # its own tests run whole rounds
            continue
        if words[:2] == ["labels", "import"]:
            annotate("to_label.zip", words[2])
        assert cli.main(small(words)) == 0, (words, capsys.readouterr().err)
        ran.append(words[0])
    return ran


def small(words: list[str]) -> list[str]:
    """The command with little to do."""
    words = [FEWER.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[:2] == ["index", "toytown"]:
        return [*words, *TOWN.split()]
    if words[0] == "select":
        student = {"network.encoder": ENCODER["encoder"], "network.weights": "none", "train.steps": 1}
        if "--criterion" not in words:
            return [*words, "--criterion", "ds"]
        return [*words, "--student", "select-student-tiny", *(f"--{key}={value}" for key, value in student.items())]
    if words[0] != "train":
        return words
    recipe = read_recipe(words[1])
    method, options = recipe["method"], recipe["frames"]["options"]
    settings = SMALL | {f"network.{key}": value for key, value in ENCODER.items()}
    if method == "corda":
        settings["network.width"] = 16
        if "source_size" in recipe["corda"]:
            settings["corda.source_size"] = "[72, 160]"
    if method in ("depth", "three_ways", "semhint"):
        settings |= {f"pose.{key}": value for key, value in ENCODER.items()}
    if recipe["frames"].get("labelled", {}).get("count") and not any("labelled" in word for word in words):
        settings["frames.labelled.count"] = 2
    if options["height"]:
        settings["frames.options.height"] = 64
    if "random_crop" in options:
        settings["frames.options.random_crop"] = "[64, 64]"
    return [*words, *(f"--{key}={value}" for key, value in settings.items())]


def annotate(asked: str, answer: str) -> None:
    """Every frame that was asked for comes back as CVAT packs it: sky above, road below."""
    shutil.unpack_archive(asked, "annotating")
    masks = Path("annotating/SegmentationClass")
    masks.mkdir(exist_ok=True)
    for image in Path("annotating/JPEGImages").iterdir():
        with Image.open(image) as picture:
            painted = np.full((picture.height, picture.width, 3), (70, 130, 180), np.uint8)
        painted[len(painted) // 2 :] = (128, 64, 128)
        Image.fromarray(painted).save(masks / f"{image.stem}.png")
    shutil.make_archive(answer.removesuffix(".zip"), "zip", "annotating")


def evaluation(run: str) -> dict[str, object]:
    """The last result in the log of a run."""
    lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
    return next(line for line in reversed(lines) if "miou" in line)


def check_labelled(manifest: Manifest) -> None:
    assert len(manifest) == FRAMES
    assert sum(bool(row.label) for row in manifest) == 6
    assert sum(bool(row.label) for row in manifest if row.split == "val") == 2


def test_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    town = "index toytown simulator --out simulator/manifest.csv"
    assert cli.main(small(town.split())) == 0
    write_video("my_drive.mp4")
    ran = follow(list(commands(page("README.md"))), capsys)
    assert ran.count("train") == 5
    check_labelled(Manifest.read("labelled.parquet"))
    carried = [row for row in Manifest.read("carried.parquet") if row.label_origin == "carried"]
    assert carried
    assert all(row.split != "val" for row in carried)
    assert evaluation("runs/seg")["miou"] >= 0
    assert label_space(load_run("runs/seg").config.frames.options.label_space).classes == ("road", "sky")
    assert len(list(Path("classes").rglob("*.png"))) >= 4


def test_the_pages_of_the_first_jobs_run(capsys: pytest.CaptureFixture[str]) -> None:
    write_video("my_drive.mp4")
    ran = follow(list(commands(page("docs/depth-from-video.md"))), capsys)
    assert ran == ["scan", "train", "train", "report", "predict"]
    assert len(list(Path("predictions").rglob("*.ply"))) == 4
    ran = follow(list(commands(page("docs/label-20-frames.md"))), capsys)
    assert ran == ["select", "labels", "labels", "labels", "train", "train", "evaluate", "predict"]
    check_labelled(Manifest.read("labelled.parquet"))
    assert any(row.label_origin == "carried" for row in Manifest.read("carried.parquet"))
    assert evaluation("runs/classes")["miou"] >= 0


def test_the_road_of_three_ways_runs(capsys: pytest.CaptureFixture[str]) -> None:
    write_video("my_drives/one.mp4")
    ran = follow(list(commands(page("docs/three_ways.md", "On your own data"))), capsys)
    assert ran == ["scan", "train", "select", "labels", "labels", "train", "evaluate", "predict"]
    check_labelled(Manifest.read("labelled.parquet"))
    assert evaluation("runs/segmentation")["miou"] >= 0
    assert len(list(Path("predictions").rglob("*.png"))) >= 4


def test_the_paper_of_three_ways_runs(capsys: pytest.CaptureFixture[str]) -> None:
    made.cityscapes("Cityscapes", CITYSCAPES_IDS)
    made.camvid("camvid")
    made.mapillary("vistas", MAPILLARY)
    for layout, root in (("camvid", "camvid"), ("mapillary", "vistas")):
        assert cli.main(["index", layout, root, "--out", f"{root}.parquet"]) == 0
    text = page("docs/three_ways.md")
    lines = [
        words for words in commands(text) if words not in list(commands(page("docs/three_ways.md", "On your own data")))
    ]
    ran = follow(lines, capsys)
    assert ran.count("train") == 6
    for run in ("runs/212", "runs/camvid", "runs/vistas"):
        assert evaluation(run)["miou"] >= 0, run
    assert load_run("runs/212").method.tasks == ("segmentation", "depth")


def test_the_page_of_corda_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = page("docs/corda.md")
    table = next(block for block in blocks(text) if block.startswith("image,"))
    write_video("my_drives/one.mp4")
    made.simulator("simulator", table, 8)
    made.cityscapes("Cityscapes", CITYSCAPES_IDS)
    made.gta5("GTA5", label_space("gta5"))
    made.synthia("RAND_CITYSCAPES", label_space("synthia"))
    made.camvid("camvid")
    label = list(commands(page("docs/three_ways.md", "On your own data")))[2:5]
    ran = []
    for words in commands(text):
        if "labelled.parquet" in words:
            follow(label, capsys)
        ran += follow([words], capsys)
    assert ran.count("train") == 9
    assert ran.count("evaluate") == 5
    for run in ("runs/dusk", "runs/gta", "runs/synthia", "runs/camvid"):
        assert evaluation(run)["miou"] >= 0, run
    assert Path("runs/street/report.html").is_file()


def test_the_page_of_semhint_runs(capsys: pytest.CaptureFixture[str]) -> None:
    write_video("my_drives/one.mp4")
    follow(list(commands(page("docs/three_ways.md", "On your own data")))[:5], capsys)
    ran = follow(list(commands(page("docs/semhint.md"))), capsys)
    assert ran.count("train") == 4
    assert Path("runs/town/report.html").is_file()
    assert list(Path("predictions").rglob("*.png"))
