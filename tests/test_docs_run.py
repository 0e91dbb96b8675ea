"""Command blocks of the README are run as they stand, in order, on a short real video."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence import cli
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.runs.checkpoint import load_run

av = pytest.importorskip("av")
ROOT = Path(__file__).parents[1]
CLIP = ROOT.parent / "shared" / "data" / "driving_video" / "kitti_0001" / "left"
WIDTH, HEIGHT, FRAMES = 160, 64, 40
SECTIONS = ("Your own video", "A few labels", "A simulator's labels", "Noisy labels for depth, and round again")
CLASSES = '{"classes": [{"name": "road", "color": "#804080"}, {"name": "sky", "color": "#4682b4"}]}'
ENCODER = {"encoder": "mobilenetv3_small_050", "weights": "none"}
SMALL = {
    "train.steps": 2, "train.log_every": 1, "train.evaluate_every": 2, "train.device": "cpu", "frames.batch_size": 2,
    "frames.workers": 0, "frames.options.width": WIDTH, "evaluate.limit": 2,
}  # fmt: skip
"""Added to every training, so that it takes seconds."""


def commands(text: str) -> Iterator[list[str]]:
    for title in SECTIONS:
        block = text.split(f"## {title}\n")[1].split("```")[1]
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("vergence "):
                yield shlex.split(line, comments=True)[1:]


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    town = "index toytown simulator --out simulator/manifest.csv --train 2 --val 1 --frames 21 --width 160 --height 96"
    assert cli.main(town.split()) == 0
    write_video("my_drive.mp4", FRAMES)
    write_video("another_drive.mp4", 4)
    Path("classes.yaml").write_text(CLASSES)
    ran = []
    for words in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        if words[1].startswith("flywheel-"):  # its own tests run whole rounds
            continue
        if words[:2] == ["labels", "import"]:
            annotate("to_label.zip", "from_cvat.zip")
        ran.append(words[0])
        assert cli.main(small(words)) == 0, (words, capsys.readouterr().err)
    assert ran.count("train") == 4
    labelled = Manifest.read("labelled.parquet")
    assert len(labelled) == FRAMES
    assert sum(bool(row.label) for row in labelled) == 6
    assert sum(bool(row.label) for row in labelled if row.split == "val") == 2
    assert "miou" in Path("runs/seg/metrics.jsonl").read_text()
    assert label_space(load_run("runs/seg").config.frames.options.label_space).classes == ("road", "sky")
    assert len(list(Path("classes").rglob("*.png"))) >= 4


def small(words: list[str]) -> list[str]:
    """The command with little to do."""
    if words[0] == "select":
        words = ["4" if before == "--count" else "2" if before == "--val" else word
                 for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
        return [*words, "--criterion", "ds"]
    if words[0] != "train":
        return words
    method = words[1].partition("-")[0]
    settings = SMALL | {f"{method}.network.{key}": value for key, value in ENCODER.items()}
    if method in ("depth", "three_ways", "semhint"):
        settings |= {f"{method}.pose.{key}": value for key, value in ENCODER.items()}
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


def write_video(name: str, frames: int) -> None:
    """Consecutive frames of the real clip, or of toy town where the real data are absent."""
    found = sorted((CLIP if CLIP.is_dir() else Path("simulator/clear/image")).glob("*.jpg"))
    with av.open(name, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for path in found[:frames]:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB").resize((WIDTH, HEIGHT)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
