"""What each role of a method draws from: labelled subsets, closed labels, estimated depth, labels that say nothing."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data import manifest
from vergence.data.estimate_files import read_estimate
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference.depth_port import with_estimates
from vergence.runs.config import load_config
from vergence.training.pools import build_loaders, open_training_data

HEIGHT, WIDTH, COUNT = 64, 96, 6
SPACE = "toy:road#804080,sky#4682b4,car#00008e"
ONE_PROCESS = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def world(folder: Path, label_value: int = 1, depth: bool = True) -> Path:
    """Six frames with labels and measured depth: nearer at the bottom, each frame another distance."""
    rows = []
    rng = np.random.default_rng(0)
    for kind in ("image", "label", "depth"):
        (folder / kind).mkdir(parents=True)
    for k in range(COUNT):
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(folder / f"image/{k}.png")
        Image.fromarray(np.full((HEIGHT, WIDTH), label_value, np.uint8)).save(folder / f"label/{k}.png")
        metres = np.repeat(np.linspace(50, 5 + k, HEIGHT, dtype=np.float32)[:, None], WIDTH, axis=1)
        metres[:2] = 0  # the sky has no measurement
        np.save(folder / f"depth/{k}.npy", metres)
        rows.append(
            FrameRow(f"image/{k}.png", "s", k, "train", label=f"label/{k}.png", label_space=SPACE,
                     depth=f"depth/{k}.npy" if depth else "")
        )  # fmt: skip
    return Manifest(rows, folder).write(folder / "manifest.parquet")


def settings(data: Path, **changes: Any) -> Any:
    values = {
        "frames.options.height": HEIGHT,
        "frames.options.width": WIDTH,
        "frames.options.random_crop": None,
        "frames.labelled.count": 2,
        "frames.batch_size": 2,
        "frames.workers": 0,
        "three_ways.depth": "truth",
        "train.evaluate_every": 0,
    }
    return load_config("three_ways-toytown", values | {key.replace("__", "."): v for key, v in changes.items()}, data)


def test_labels_outside_the_subset_cannot_be_read(tmp_path: Path) -> None:
    sources = open_training_data(settings(world(tmp_path / "w")))
    assert sources.labelled is not None
    assert len(sources.roles["labelled"]) == 2
    assert len(sources.roles["unlabelled"]) == COUNT
    kept = {row.image for row in sources.roles["labelled"]}
    assert {row.image for row in sources.roles["unlabelled"].rows if row.label} == kept


def test_the_manifest_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the settings (height, label space), the pools and whoever asks later; and again where it has changed."""
    data, names = world(tmp_path / "w"), list[str]()
    read = manifest.read_table
    monkeypatch.setattr(manifest, "read_table", lambda path: names.append(path.name) or read(path))
    for expected in (1, 2):
        config = settings(data, frames__options__height=0)
        build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)
        assert len(Manifest.read(data)) == COUNT
        assert names == ["manifest.parquet"] * expected
        Manifest([*Manifest.read(data)], data.parent).write(data)


def test_the_rest_leaves_the_labelled_frames_out(tmp_path: Path) -> None:
    data = world(tmp_path / "w")
    sources = open_training_data(settings(data, frames__unlabelled="rest"))
    labelled, rest = ({row.image for row in sources.roles[role]} for role in ("labelled", "unlabelled"))
    assert len(rest) == COUNT - 2
    assert not labelled & rest
    alone = open_training_data(settings(data, frames__unlabelled="labelled"))
    assert {row.image for row in alone.roles["unlabelled"]} == labelled
    with pytest.raises(InputError, match="no frames beside the labelled ones"):
        open_training_data(settings(data, frames__unlabelled="rest", frames__labelled__count=COUNT))


def test_batches_of_both_roles(tmp_path: Path) -> None:
    config = settings(world(tmp_path / "w"))
    loaders = build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)
    labelled, unlabelled = next(iter(loaders["labelled"])), next(iter(loaders["unlabelled"]))
    assert labelled["labelled"].all()
    assert set(labelled["label"].unique().tolist()) == {1}
    assert "estimate" not in labelled
    assert unlabelled["estimate"].shape == (2, 1, HEIGHT, WIDTH)
    closed = ~unlabelled["labelled"]
    assert bool((unlabelled["label"][closed] == 255).all())


def test_label_space_is_that_of_the_labels(tmp_path: Path) -> None:
    assert settings(world(tmp_path / "w")).frames.options.label_space == SPACE


def test_labels_that_are_all_ignored_stop_the_start(tmp_path: Path) -> None:
    config = settings(world(tmp_path / "w", label_value=255))
    with pytest.raises(InputError, match="without a single class"):
        build_loaders(config, open_training_data(config).roles, None, ONE_PROCESS)


def test_zero_labelled_frames(tmp_path: Path) -> None:
    data = world(tmp_path / "w")
    manifest = Manifest.read(data)
    bare = Manifest([FrameRow(row.image, row.sequence, row.position, "train") for row in manifest], manifest.root)
    with pytest.raises(InputError, match="no labelled frame"):
        open_training_data(settings(bare.write(tmp_path / "w" / "bare.parquet"), frames__options__label_space=SPACE))


class TestEstimates:
    def test_truth_is_inverted_and_holes_are_far(self, tmp_path: Path) -> None:
        manifest = with_estimates(Manifest.read(world(tmp_path / "w")), "truth", (HEIGHT, WIDTH))
        found = read_estimate(manifest.path(3, "estimate"))
        depth = np.linspace(50, 8, HEIGHT)[2:]
        expected = (1 / depth) / (1 / depth).max()
        np.testing.assert_allclose(found[2:, 0], expected, atol=1e-4)
        assert (found[:2] == 0).all()

    def test_made_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        manifest = Manifest.read(world(tmp_path / "w"))
        first = with_estimates(manifest, "truth", (HEIGHT, WIDTH))
        monkeypatch.setattr("vergence.inference.depth_port.frame_depth", lambda *_: pytest.fail("made again"))
        assert with_estimates(manifest, "truth", (HEIGHT, WIDTH)).rows == first.rows

    def test_folder_of_depth_files_of_another_size(self, tmp_path: Path) -> None:
        manifest = Manifest.read(world(tmp_path / "w", depth=False))
        port = tmp_path / "port"
        port.mkdir()
        for k in range(COUNT):
            np.save(port / f"{k}.npy", np.tile(np.linspace(10, 20, WIDTH // 2, dtype=np.float32), (HEIGHT // 2, 1)))
        found = read_estimate(with_estimates(manifest, str(port), (HEIGHT, WIDTH)).path(0, "estimate"))
        assert found.shape == (HEIGHT // 2, WIDTH // 2)
        assert found[0, 0] == 1
        assert found[0, -1] == 0

    def test_bad_ports_are_one_sentence(self, tmp_path: Path) -> None:
        manifest = Manifest.read(world(tmp_path / "w", depth=False))
        port = tmp_path / "port"
        port.mkdir()
        for name, words in (("truth", "no measured depth"), ("nowhere", "no depth port"), (str(port), "depth files")):
            with pytest.raises(InputError, match=words):
                with_estimates(manifest, name, (HEIGHT, WIDTH))
        np.save(port / "0.npy", np.ones((10, 10), np.float32))
        with pytest.raises(InputError, match="same aspect"):
            with_estimates(manifest, str(port), (HEIGHT, WIDTH))
        np.save(port / "0.npy", np.ones((HEIGHT, WIDTH), np.float32) + np.eye(HEIGHT, WIDTH, dtype=np.float32))
        with pytest.raises(InputError, match="no depth file for"):
            with_estimates(manifest, str(port), (HEIGHT, WIDTH))

    def test_nan_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        manifest = Manifest.read(world(tmp_path / "w"))
        monkeypatch.setattr("vergence.inference.depth_port.frame_depth", lambda *_: np.full((HEIGHT, WIDTH), np.nan))
        monkeypatch.setattr("vergence.inference.depth_port._inverse", lambda depth: depth)
        with pytest.raises(InputError, match="not finite"):
            with_estimates(manifest, "truth", (HEIGHT, WIDTH))


def test_labels_of_the_world_are_read_as_they_are(tmp_path: Path) -> None:
    world(tmp_path / "w")
    assert (read_label(tmp_path / "w" / "label" / "0.png") == 1).all()


class TestStale:
    """Kept estimates follow what they were made from, and damaged ones are made again."""

    def values(self, manifest: Manifest, port: str) -> list[float]:
        found = with_estimates(manifest, port, (HEIGHT, WIDTH))
        return [float(read_estimate(found.path(row, "estimate")).mean()) for row in range(len(found))]

    def depth(self, path: Path, near: int) -> None:
        depth = np.full((HEIGHT, WIDTH), 50, np.float32)
        depth[:, :near] = 2
        np.save(path, depth)

    def test_truth_follows_its_depth_file(self, tmp_path: Path) -> None:
        manifest = Manifest.read(world(tmp_path / "w", depth=False))
        self.depth(tmp_path / "a.npy", WIDTH // 2)
        self.depth(tmp_path / "b.npy", WIDTH // 4)
        first, second = (manifest.changed(lambda row, n=name: replace(row, depth=str(tmp_path / n)))
                         for name in ("a.npy", "b.npy"))  # fmt: skip
        assert self.values(first, "truth")[0] == pytest.approx(0.5, abs=0.01)
        assert self.values(second, "truth")[0] == pytest.approx(0.25, abs=0.01)
        state = (tmp_path / "a.npy").stat()
        self.depth(tmp_path / "a.npy", 3 * WIDTH // 4)  # of the same size, and given its old time
        os.utime(tmp_path / "a.npy", ns=(state.st_atime_ns, state.st_mtime_ns))
        assert self.values(first, "truth")[0] == pytest.approx(0.75, abs=0.01)

    def test_a_depth_file_of_a_folder_that_changed(self, tmp_path: Path) -> None:
        manifest, port = Manifest.read(world(tmp_path / "w", depth=False)), tmp_path / "port"
        port.mkdir()
        for row in range(len(manifest)):
            self.depth(port / f"{manifest.path(row).stem}.npy", WIDTH // 2)
        assert self.values(manifest, str(port))[0] == pytest.approx(0.5, abs=0.01)
        self.depth(port / f"{manifest.path(0).stem}.npy", WIDTH // 4)
        os.utime(port / f"{manifest.path(0).stem}.npy", ns=(1, 1))  # older than the newest
        assert self.values(manifest, str(port))[0] == pytest.approx(0.25, abs=0.01)

    @pytest.mark.parametrize("damage", [lambda old: b"", lambda old: old[:-5], lambda old: old[:60] + b"X" + old[61:]])
    def test_a_damaged_estimate_is_made_again(self, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
        manifest = Manifest.read(world(tmp_path / "w", depth=False))
        self.depth(tmp_path / "a.npy", WIDTH // 2)
        manifest = manifest.changed(lambda row: replace(row, depth=str(tmp_path / "a.npy")))
        file = with_estimates(manifest, "truth", (HEIGHT, WIDTH)).path(0, "estimate")
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        with_estimates(manifest, "truth", (HEIGHT, WIDTH))
        assert file.read_bytes() == whole
