import html
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.report.toy_classes import SPACE
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.evaluation.evaluate import evaluate
from vergence.report.page import write_report
from vergence.runs.checkpoint import load_run
from vergence.runs.config import config_from_dict, load_config
from vergence.training.train import train

HEIGHT, WIDTH = 64, 96


def write_world(folder):
    """Four frames to train on, half of them labelled, and three to evaluate on: sky above road."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(7):
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[rng.integers(20, 40) :] = 1
        label[:4] = 255
        image = np.where(label[..., None] == 1, (90, 80, 90), (120, 160, 220)) + rng.integers(0, 20, (HEIGHT, WIDTH, 3))
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(label).save(folder / f"{number}_label.png")
        named = {} if number in (1, 3) else {"label": f"{number}_label.png", "label_space": SPACE.text()}
        split = "train" if number < 4 else "val"
        rows.append(FrameRow(f"{number}.png", "s", number, split=split, width=WIDTH, height=HEIGHT, **named))
    return Manifest(rows, folder).write(folder / "manifest.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one step that mixes classes, evaluated."""
    folder = tmp_path_factory.mktemp("world")
    overrides = {
        "frames.options.height": HEIGHT, "frames.options.width": WIDTH, "frames.options.random_crop": [64, 64],
        "frames.workers": 0, "frames.cache": False, "frames.labelled.count": 2, "train.steps": 1, "train.device": "cpu",
        "train.evaluate_every": 0, "network.weights": "none", "three_ways.depth": "",
        "three_ways.consistency.mix": "classmix",
    }  # fmt: skip
    config = load_config("three_ways-toytown-tiny", overrides, write_world(folder))
    train(config, folder / "run")
    evaluate(folder / "run")
    return folder / "run"


def test_the_whole_page(run):
    page = write_report(run, images=2).read_text()
    text = html.unescape(page)
    assert "http" not in page
    assert all(address.startswith(("data:image/", "#")) for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert "mIoU of the trained model is" in page
    assert "most frequent class at each position of 2 training labels" in page
    assert page.count('class="classbar"') == 3
    legend = re.search(r'<ul class="legend">(.*?)</ul>', page, re.DOTALL).group(1)
    assert "road" in legend
    assert "#804080" in legend
    # two frames of four pictures, and three samples of six: there is no depth
    assert page.count("<figure>") == 2 * 4 + 3 * 6
    for title in ("labels", "prediction", "errors", "partner", "mask", "mixed, colours changed", "pseudo-label"):
        assert f"<figcaption>{title}" in page
    assert "What training sees" in page
    assert "of labelled pixels right" in page
    assert "abs_rel" not in page
    assert "depth unscaled" not in page
    assert "2 of 4 frames" in text or "2 of 2" in text  # the labelled ones
    assert "segmentation network started from random weights" in page
    assert "Learns from</dt><dd>labels" in page


def test_data_without_labels(run, tmp_path):
    rows = [FrameRow(f"{k}.png", "s", k) for k in range(2)]
    page = write_report(run, tmp_path / "page.html", Manifest(rows, run.parent), images=1).read_text()
    assert "<figcaption>errors" not in page  # no empty panels
    assert "<figcaption>prediction" in page


def test_what_cannot_be_mixed_is_said(run, tmp_path):
    loaded = load_run(run)
    loaded.config.frames.source = "/nowhere/manifest.csv"
    page = write_report(loaded, tmp_path / "page.html", run.parent / "manifest.csv", images=1).read_text()
    assert "What training sees cannot be shown: /nowhere/manifest.csv" in page
    assert "<figcaption>prediction" in page


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """A CorDA run of one step, from one small world with depth to another."""
    folder = tmp_path_factory.mktemp("domains")
    worlds = {}
    for name in ("source", "target"):
        (folder / name).mkdir()
        manifest = Manifest.read(write_world(folder / name))
        depth = np.tile(np.linspace(4000, 1000, HEIGHT).astype(np.uint16)[:, None], (1, WIDTH))
        Image.fromarray(depth).save(folder / name / "depth.png")
        rows = [replace(row, label=row.label or "0_label.png", label_space=SPACE.text(), depth="depth.png")
                for row in manifest]  # fmt: skip
        worlds[name] = Manifest(rows, folder / name).write(folder / name / "all.csv")
    overrides = {
        "frames.options.height": HEIGHT, "frames.options.width": WIDTH, "frames.workers": 0, "frames.cache": False,
        "frames.source_domain": str(worlds["source"]), "train.steps": 1, "train.device": "cpu",
        "train.evaluate_every": 0, "network.weights": "none", "network.encoder": "test_resnet",
        "network.width": 8,
    }  # fmt: skip
    train(load_config("corda-toytown-tiny", overrides, worlds["target"]), folder / "run")
    return folder / "run"


DOMAINS = ["source", "target", "mixed, colours changed", "label of the mixed image", "pseudo-label of the target",
           "confidence", "difficulty of the target", "difficulty of the mixed image"]  # fmt: skip


def shown(page):
    """Captions below the heading of what is mixed, sample by sample."""
    _, part = page.split("<h2>What training sees</h2>")
    part = part.split("<h2>")[0]
    samples = part.split('<section class="panel card">')[1:]
    return part, [re.findall(r"<figcaption>(.*?)(?: <span>.*?)?</figcaption>", sample) for sample in samples]


def test_two_domains(domains):
    page = write_report(domains, images=1).read_text()
    part, samples = shown(page)
    assert re.search(r"Source domain</dt><dd>\S+/source/all.csv", page)
    assert samples == [DOMAINS] * 3
    assert "One draw, with the run&#39;s seed" in part
    assert re.search(r"mixed, colours changed <span>· \d+% source", part)
    assert "difficulty<i style" in part
    assert "--columns: 4" in part


def test_source_domain_not_at_hand(domains, tmp_path):
    loaded = load_run(domains)
    loaded.config.frames.source_domain = "/nowhere/simulator.csv"
    part, samples = shown(write_report(loaded, tmp_path / "page.html", images=1).read_text())
    assert samples == [["target", *DOMAINS[4:7]]] * 3
    assert "The frames of the role source (source_domain) are not at hand: /nowhere/simulator.csv" in part
    assert part.count("<figure>") == 12


def test_target_not_at_hand(domains, tmp_path):
    loaded = load_run(domains)
    loaded.config.frames.source = "/nowhere/street.csv"
    target = domains.parent / "target" / "all.csv"
    page = write_report(loaded, tmp_path / "page.html", target, images=1).read_text()
    assert "What training sees cannot be shown: /nowhere/street.csv" in page


def test_source_only_mixes_nothing(domains, tmp_path):
    config = load_run(domains).config
    words = {**config.to_dict(), "recipe": "corda-toytown-tiny"}
    words["corda"] |= {"adapt": False}
    run = train(config_from_dict(words), tmp_path / "run")
    assert "What training sees" not in write_report(run, images=1).read_text()
