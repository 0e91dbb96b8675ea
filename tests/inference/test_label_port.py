"""The label port: what each kind gives, that it is made once, that people's labels stay closed, what goes wrong."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.small_world import save
from tests.training.tiny_method import TinyConfig, TinyMethod
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference import label_port_cache
from vergence.inference.label_port import with_pseudo_labels
from vergence.methods import METHODS, register_method
from vergence.methods.base import Method
from vergence.methods.role import Role
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import RunConfig, load_config
from vergence.runs.config_sections import EvaluateConfig, FramesConfig
from vergence.runs.label_port_classes import port_space
from vergence.settings.label_corruption import LabelCorruption
from vergence.training.pools import build_loaders, open_training_data

HEIGHT, WIDTH, COUNT = 64, 96, 6
SIZE = (32, 48)
SPACE = "toy:road#804080,sky#4682b4,car#00008e"
ONE_PROCESS = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


class RedMethod(Method):
    """Says class round(red / 100), ever more surely."""

    tasks = ("segmentation",)
    label_space = label_space(SPACE)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.shown = 0

    def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.shown += len(images)
        red = images[:, 0] * 255
        return {"logits": torch.stack([-(red - 100 * k).abs() / 20 for k in range(3)], dim=1)}


@dataclass
class PortConfig(TinyConfig):
    """The tiny method with a label port."""

    labels: str = ""
    wanted: Literal["target", "all"] = "all"

    @property
    def roles(self) -> dict[str, Role]:
        return {"unlabelled": Role(neighbours=True, label_port=self.labels, pseudo_labels=self.wanted)}


class PortMethod(TinyMethod):
    """The tiny method with these settings."""

    settings = PortConfig


register_method("port", PortMethod)


def world(folder: Path, stereo: bool = True) -> Manifest:
    """Six frames, the last of them neighbours only. People say class 1; the red of frame k says class k % 3."""
    rows = []
    for k in range(COUNT):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[..., 0] = 100 * (k % 3)
        picture[..., 1] = np.arange(WIDTH)
        save(folder / f"image/{k}.png", picture)
        save(folder / f"right/{k}.png", picture[::-1, :, [0, 1, 1]] + np.uint8([50, 0, 0]))
        save(folder / f"label/{k}.png", np.full((HEIGHT, WIDTH), 1, np.uint8))
        rows.append(
            FrameRow(f"image/{k}.png", "s", k, "train" if k < 5 else "val", label=f"label/{k}.png", label_space=SPACE,
                     stereo=f"right/{k}.png" if stereo else "", baseline=0.1)
        )  # fmt: skip
    return Manifest(rows, folder)


def training(folder: Path, **changes: Any) -> Manifest:
    return world(folder, **changes).select(split="train")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, RedMethod]:
    """A folder that passes for a run, and the method that it gives."""
    path, method = tmp_path / "run", RedMethod()
    path.mkdir()
    (path / "recipe.yaml").write_text(f"frames: {{options: {{label_space: '{SPACE}'}}}}", encoding="utf-8")
    (path / "model.safetensors").touch()
    options = FrameOptions(height=16, width=24)
    config = RunConfig(frames=FramesConfig(options=options), evaluate=EvaluateConfig())
    monkeypatch.setattr(label_port_cache, "load_run", lambda *_: LoadedRun(path, config, method, 7))
    return path, method


def ids(manifest: Manifest, row: int, column: str = "pseudo_label") -> np.ndarray:
    return np.asarray(Image.open(manifest.path(row, column)))


class TestRun:
    def test_every_frame_and_partner_is_predicted(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        found = with_pseudo_labels(training(tmp_path / "w"), str(run[0]), SIZE)
        assert [int(ids(found, k).max()) for k in range(COUNT)] == [0, 1, 2, 0, 1, 2]  # not people's class 1
        assert ids(found, 0).shape == SIZE  # the working size, of the pictures' aspect
        confidence = ids(found, 1, "confidence")
        assert confidence.shape == SIZE
        assert 0.95 * 255 < confidence.min() <= 255
        assert ids(found, 0, "stereo_confidence").max() < 0.6 * 255  # red 50 lies between two classes
        assert found[0].pseudo_label_space == SPACE
        assert found[0].label  # what people said is left as it is

    def test_labels_are_made_once_and_go_on_where_they_stopped(
        self, tmp_path: Path, run: tuple[Path, RedMethod]
    ) -> None:
        manifest, (path, method) = training(tmp_path / "w"), run
        seen: list[tuple[int, int]] = []
        first = with_pseudo_labels(manifest, str(path), SIZE, progress=lambda *done: seen.append(done))
        assert method.shown == 2 * COUNT
        assert seen[-1] == (2 * COUNT, 2 * COUNT)
        assert with_pseudo_labels(manifest, str(path), SIZE).rows == first.rows
        assert method.shown == 2 * COUNT
        first.path(2, "pseudo_label").unlink()
        with_pseudo_labels(manifest, str(path), SIZE)
        assert method.shown == 2 * COUNT + 1

    def test_only_what_is_needed(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        manifest = training(tmp_path / "w")
        found = with_pseudo_labels(manifest, str(run[0]), SIZE, offsets=())
        assert run[1].shown == 5
        assert not found.rows[5].pseudo_label
        found = with_pseudo_labels(manifest, str(run[0]), SIZE, offsets=(1,))
        assert run[1].shown == 6
        assert found.rows[5].pseudo_label
        with_pseudo_labels(manifest, str(run[0]), SIZE, offsets=(-1, "s"))
        assert run[1].shown == 11

    def test_a_run_without_classes(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        run[1].tasks = ("depth",)
        with pytest.raises(InputError, match="predicts no classes; name a segmentation run"):
            with_pseudo_labels(training(tmp_path / "w"), str(run[0]), SIZE)

    def test_labels_are_no_larger_than_the_picture(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        found = with_pseudo_labels(training(tmp_path / "w"), str(run[0]), (128, 128), offsets=())
        assert ids(found, 0).shape == (HEIGHT, WIDTH)
        assert label_port_cache.kept_size((375, 1242), (192, 640)) == (193, 640)


class TestFolder:
    def folder(self, tmp_path: Path, names: str = "image/{}", sure: bool = True) -> Path:
        for k in range(5):
            save(tmp_path / f"out/labels/{names.format(k)}.png", np.full((8, 12), k % 3, np.uint8))
            if sure:
                save(tmp_path / f"out/confidence/{names.format(k)}.png", np.full((8, 12), 10 * k, np.uint8))
        (tmp_path / "out/predictions.json").write_text(json.dumps({"label_space": SPACE}), encoding="utf-8")
        return tmp_path / "out"

    def test_files_are_found_by_name(self, tmp_path: Path) -> None:
        port = self.folder(tmp_path)
        found = with_pseudo_labels(training(tmp_path / "w"), str(port), SIZE)
        assert found.path(3, "confidence") == port / "confidence/image/3.png"
        assert found[3].pseudo_label_space == SPACE
        assert not found.rows[5].pseudo_label  # a neighbour without a label
        assert not found[0].stereo_pseudo_label  # right/0.png is not image/0.png
        assert found.rows[5].confidence == ""

    def test_equal_names_of_two_cameras_are_those_of_the_first(self, tmp_path: Path) -> None:
        port = self.folder(tmp_path, "{}", sure=False)
        found = with_pseudo_labels(training(tmp_path / "w"), str(port), SIZE)
        assert found.path(3, "pseudo_label") == port / "labels/3.png"
        assert not found[3].stereo_pseudo_label
        save(port / "labels/right/3.png", np.full((8, 12), 1, np.uint8))
        found = with_pseudo_labels(training(tmp_path / "w"), str(port), SIZE)
        assert found.path(3, "stereo_pseudo_label") == port / "labels/right/3.png"

    def test_a_manifest_in_the_folder_knows_the_pictures(self, tmp_path: Path) -> None:
        manifest, port = world(tmp_path / "w"), self.folder(tmp_path, "drive/00000{}")
        rows = [
            replace(row, pseudo_label=f"{port}/labels/drive/00000{row.position}.png", pseudo_label_space=SPACE)
            for row in manifest
        ]
        Manifest(rows, manifest.root).write(port / "manifest.parquet")
        found = with_pseudo_labels(manifest.select("train"), str(port), SIZE)
        assert found.path(4, "pseudo_label").resolve() == port / "labels/drive/000004.png"
        assert not found[4].confidence

    def test_bad_folders_are_one_sentence(self, tmp_path: Path) -> None:
        manifest = training(tmp_path / "w")
        with pytest.raises(InputError, match="'nowhere' is no label port: give a segmentation run"):
            with_pseudo_labels(manifest, "nowhere", SIZE)
        port = self.folder(tmp_path)
        (port / "labels/image/3.png").unlink()
        with pytest.raises(InputError, match=r"has no label for .*3.png and 0 other samples"):
            with_pseudo_labels(manifest, str(port), SIZE)
        (port / "predictions.json").unlink()
        with pytest.raises(InputError, match="does not say what its labels mean"):
            with_pseudo_labels(manifest, str(port), SIZE)
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty/predictions.json").write_text(json.dumps({"label_space": SPACE}), encoding="utf-8")
        with pytest.raises(InputError, match=r"holds no labels \(.png\)"):
            with_pseudo_labels(manifest, str(tmp_path / "empty"), SIZE)


class TestOwnLabels:
    def test_truth_is_an_oracle_and_says_so(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "vergence"):
            found = with_pseudo_labels(training(tmp_path / "w"), "truth", SIZE)
        assert "oracle" in caplog.text
        assert found.path(2, "pseudo_label") == tmp_path / "w/label/2.png"
        assert found[2].pseudo_label_space == SPACE
        bare = training(tmp_path / "w").changed(lambda row: replace(row, label="" if row.position == 2 else row.label))
        with pytest.raises(InputError, match=r"label port truth has no label for .*2.png"):
            with_pseudo_labels(bare, "truth", SIZE)

    def test_a_filled_manifest_stays_as_it_is(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="label port manifest has no label for"):
            with_pseudo_labels(training(tmp_path / "w"), "manifest", SIZE)
        manifest = training(tmp_path / "w").changed(
            lambda row: replace(row, pseudo_label=row.label, pseudo_label_space=SPACE, confidence=row.label)
        )
        found = with_pseudo_labels(manifest, "manifest", SIZE)
        assert [found.path(k, "confidence") for k in range(6)] == [manifest.path(k, "label") for k in range(6)]


class TestNoise:
    def test_any_port_can_be_made_worse(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        manifest, noise = training(tmp_path / "w"), LabelCorruption(blobs=0.25)
        for port in ("truth", str(run[0])):
            clean = with_pseudo_labels(manifest, port, SIZE)
            worse = with_pseudo_labels(manifest, port, SIZE, corruption=noise)
            for k in range(COUNT):
                right = ids(clean, k).flat[0]
                assert ids(worse, k).shape == SIZE
                assert 0 < (ids(worse, k) != right).mean() <= 0.25 + 1e-3
            assert (ids(worse, 0) != ids(worse, 3)).any()  # each frame in its own way
            again = with_pseudo_labels(manifest, port, SIZE, corruption=noise)
            assert again.rows == worse.rows
        np.testing.assert_array_equal(ids(worse, 1, "confidence"), ids(clean, 1, "confidence"))
        other = with_pseudo_labels(manifest, "truth", SIZE, corruption=LabelCorruption(blobs=0.25, seed=1))
        assert (ids(other, 1) != ids(worse, 1)).any()

    def test_no_noise_is_no_copy(self, tmp_path: Path) -> None:
        manifest = training(tmp_path / "w")
        assert with_pseudo_labels(manifest, "truth", SIZE, corruption=LabelCorruption()).path(0, "pseudo_label") == (
            manifest.path(0, "label")
        )

    def test_labels_of_another_aspect_and_of_unknown_classes(self, tmp_path: Path) -> None:
        manifest, noise = training(tmp_path / "w"), LabelCorruption(border=2)
        with pytest.raises(InputError, match="does not say what its ids mean"):
            with_pseudo_labels(
                manifest.changed(lambda row: replace(row, label_space="")), "truth", SIZE, corruption=noise
            )
        save(tmp_path / "w/label/0.png", np.zeros((HEIGHT, 2 * WIDTH), np.uint8))
        with pytest.raises(InputError, match=r"0.png is 192x64 and its image 96x64"):
            with_pseudo_labels(manifest, "truth", SIZE, corruption=noise)


class TestSources:
    def settings(self, folder: Path, manifest: Manifest, **changes: Any) -> Any:
        recipe = folder / "port.yaml"
        recipe.write_text("method: port\nframes: {batch_size: 2, workers: 0, cache: false}\n", encoding="utf-8")
        values = {"frames.options.height": 32, "frames.options.width": 64, "train.evaluate_every": 0}
        data = manifest.write(folder / "data.parquet")
        return load_config(recipe, values | {key.replace("__", "."): v for key, v in changes.items()}, data)

    def test_batches_have_what_the_method_asks_for(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        config = self.settings(tmp_path, world(tmp_path / "w"), port__labels=str(run[0]))
        assert config.frames.options.label_space == SPACE
        roles = open_training_data(config).roles
        batch = next(iter(build_loaders(config, roles, None, ONE_PROCESS)["unlabelled"]))
        assert batch["pseudo_label"].shape == (2, 3, 32, 64)
        expected = torch.where(batch["available"][:, 0], batch["index"] % 3, 255)
        assert (batch["pseudo_label"][:, 0].flatten(1).amax(1) == expected).all()
        config = self.settings(tmp_path, world(tmp_path / "w"), port__labels="truth", frames__label_noise__blobs=0.5)
        batch = next(iter(build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)["unlabelled"]))
        assert 0.2 < (batch["pseudo_label"][:, 0] != 1).float().mean() < 0.6

    def test_data_without_labels_take_the_space_of_the_port(self, tmp_path: Path, run: tuple[Path, RedMethod]) -> None:
        bare = world(tmp_path / "w").changed(lambda row: replace(row, label="", label_space=""))
        assert self.settings(tmp_path, bare, port__labels=str(run[0])).frames.options.label_space == SPACE
        filled = bare.changed(lambda row: replace(row, pseudo_label="label/0.png", pseudo_label_space=SPACE))
        assert self.settings(tmp_path, filled, port__labels="manifest").frames.options.label_space == SPACE
        assert self.settings(tmp_path, bare).frames.options.label_space == ""
        assert port_space("truth", None) == ""
        (run[0] / "recipe.yaml").write_text("method: depth", encoding="utf-8")
        with pytest.raises(InputError, match="predicts no classes"):
            self.settings(tmp_path, bare, port__labels=str(run[0]))
        (run[0] / "recipe.yaml").write_text("[", encoding="utf-8")
        with pytest.raises(InputError, match=r"recipe.yaml is no YAML"):
            self.settings(tmp_path, bare, port__labels=str(run[0]))

    def test_labels_that_say_nothing_or_of_another_space_stop_the_start(self, tmp_path: Path) -> None:
        manifest = world(tmp_path / "w")
        config = self.settings(
            tmp_path, manifest, port__labels="truth", frames__options__label_space="a:cow#010101,hay#020202"
        )
        with pytest.raises(InputError, match="share no class"):
            build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)
        for k in range(COUNT):
            save(tmp_path / f"w/label/{k}.png", np.full((HEIGHT, WIDTH), 255, np.uint8))
        config = self.settings(tmp_path, manifest, port__labels="truth")
        with pytest.raises(InputError, match="pseudo-labels without a single class"):
            build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)


def test_labels_of_closed_frames_open_for_the_oracle_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class TwoRoles(PortConfig):
        @property
        def roles(self) -> dict[str, Role]:
            return {
                name: Role(name, neighbours=True, label_port=self.labels, pseudo_labels="all")
                for name in ("labelled", "unlabelled")
            }

    class TwoRolesMethod(TinyMethod):
        settings = TwoRoles

    monkeypatch.setitem(METHODS, "two_roles", TwoRolesMethod)
    recipe = tmp_path / "two.yaml"
    recipe.write_text("method: two_roles\nframes: {labelled: {count: 2}}\n", encoding="utf-8")
    data = world(tmp_path / "w").write(tmp_path / "w/data.parquet")
    config = load_config(recipe, {"two_roles.labels": "truth", "train.evaluate_every": 0}, data)
    unlabelled = open_training_data(config).roles["unlabelled"]
    assert sum(bool(row.label) for row in unlabelled) == 2
    assert all(row.pseudo_label for row in unlabelled)
    dataset = FrameDataset(
        unlabelled,
        replace(config.section.roles["unlabelled"].frame_options(config.frames.options), height=32, width=48),
        train=False,
    )
    assert (dataset.pseudo_label(0) == 1).all()
    assert (read_label(unlabelled.path(0, "pseudo_label")) == 1).all()
