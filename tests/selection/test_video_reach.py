"""Reach over real files: what is stored, made again and shared, bounded windows, cuts, and bad input."""

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.selection import video_reach
from vergence.selection.video_reach import CELLS, compute_reach, each_way, open_reach, videos

pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")
HEIGHT, WIDTH = 48, 96


def strip(seed: int) -> np.ndarray:
    """A long smooth picture that frames are cut out of."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (24, 480, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((960, HEIGHT), Image.Resampling.BICUBIC))


def write(
    folder: Path, name: str, offsets: list[int], seed: int = 0, fps: float = 10.0, first: int = 0
) -> list[FrameRow]:
    """Frames of a camera that looks at a strip from these offsets."""
    folder.mkdir(parents=True, exist_ok=True)
    world, rows = strip(seed), []
    for number, offset in enumerate(offsets, start=first):
        image = f"{name}_{number:03d}.png"
        Image.fromarray(world[:, offset : offset + WIDTH]).save(folder / image)
        rows.append(FrameRow(image, name, number, "train", fps=fps, width=WIDTH, height=HEIGHT))
    return rows


def reached(manifest: Manifest, out: Path, seconds: float = 0.5, **options: Any) -> video_reach.VideoReach:
    out.mkdir(exist_ok=True)
    return compute_reach(manifest, out, seconds, options.pop("rows", range(len(manifest))), **options)


def test_a_label_reaches_what_stays_in_the_picture(tmp_path: Path) -> None:
    moving = write(tmp_path / "a", "moving", [8 * k for k in range(8)])
    standing = write(tmp_path / "a", "standing", [300] * 8, seed=1)
    manifest = Manifest([*moving, *standing], tmp_path / "a")
    told: list[tuple[int, int]] = []
    found = reached(manifest, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (16, 16)
    assert found.steps == 5
    rows, shares, times = found.around(3)
    assert rows.tolist() == list(range(8))
    assert times.tolist() == pytest.approx([(k - 3) / 10 for k in range(8)])
    mean = shares.mean(1)
    assert mean[3] == 1.0
    assert 1 > mean[4] > mean[5] > mean[6] > mean[7] > 0.3
    assert mean[4] == pytest.approx(1 - 8 / WIDTH, abs=0.05)  # what has come into the picture is not reached
    still = found.around(8 + 3)[1].mean(1)
    assert still[[0, 7]] == pytest.approx([1, 1], abs=0.02)
    assert (np.delete(still, 3) < 1).all()  # a label of its own is always better
    targets, values = found[3]
    assert len(targets) == len(values)
    assert set((targets // CELLS).tolist()) == set(range(8))
    before, after = each_way(found, 8 + 3)
    assert before[:2] == (3, pytest.approx(0.3))
    assert after[:2] == (4, pytest.approx(0.4))
    again = open_reach(manifest, tmp_path / "out", 0.5)
    assert (again.array == found.array).all()


def test_cuts_gaps_and_other_sizes_end_what_is_reached(tmp_path: Path) -> None:
    rows = write(tmp_path / "a", "v", [0, 0, 0])
    rows += write(tmp_path / "a", "v", [500, 500], seed=9, first=3)  # another scene
    rows += write(tmp_path / "a", "v", [500, 500], seed=9, first=40)  # seconds later
    Image.open(tmp_path / "a" / rows[-1].image).resize((64, 64)).save(tmp_path / "a" / rows[-1].image)
    rows[-1] = replace(rows[-1], width=64, height=64)
    manifest = Manifest(rows, tmp_path / "a")
    assert [len(video.rows) for video in videos(manifest, 0.5)] == [5, 2]
    found = reached(manifest, tmp_path / "out")
    frames = [sorted({int(target) // CELLS for target in found[row].targets}) for row in range(7)]
    assert frames == [[0, 1, 2]] * 3 + [[3, 4]] * 2 + [[5], [6]]


def test_what_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest(write(tmp_path / "a", "v", [4 * k for k in range(10)]), tmp_path / "a")
    whole = np.array(reached(manifest, tmp_path / "out").array)
    made: list[int] = []
    own = video_reach._reached

    def counted(window: Any, video: Any, place: int, *rest: Any) -> Any:
        made.append(place)
        return own(window, video, place, *rest)

    monkeypatch.setattr(video_reach, "_reached", counted)
    reached(manifest, tmp_path / "out")
    assert made == []
    Image.open(tmp_path / "a" / "v_001.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        tmp_path / "a" / "v_001.png"
    )
    reached(manifest, tmp_path / "out")
    assert made == list(range(7))  # frames within half a second of it
    made.clear()
    reached(manifest, tmp_path / "out", seconds=0.2)
    assert made == list(range(10))

    def stopped(window: Any, video: Any, place: int, *rest: Any) -> Any:
        if place == 6:
            raise KeyboardInterrupt
        return counted(window, video, place, *rest)

    write(tmp_path / "a", "v", [4 * k for k in range(10)])
    monkeypatch.setattr(video_reach, "_reached", stopped)
    with pytest.raises(KeyboardInterrupt):
        reached(manifest, tmp_path / "new")
    made.clear()
    monkeypatch.setattr(video_reach, "_reached", counted)
    assert (reached(manifest, tmp_path / "new").array == whole).all()
    assert made == [6, 7, 8, 9]


def test_pieces_give_what_one_call_gives_and_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest(write(tmp_path / "a", "v", [3 * k for k in range(30)]), tmp_path / "a")
    held: list[int] = []
    own = video_reach._Window.move

    def move(self: Any, place: int) -> None:
        own(self, place)
        held.append(max(len(self.grey), len(self.pairs)))

    monkeypatch.setattr(video_reach._Window, "move", move)
    whole = reached(manifest, tmp_path / "one", 0.3)
    assert max(held) <= 7
    for rows in (range(15, 30), range(15)):
        parts = reached(manifest, tmp_path / "two", 0.3, rows=rows)
    assert (parts.array == whole.array).all()


def test_no_video_and_no_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write(tmp_path / "a", "v", [0, 10, 20])
    apart = Manifest([replace(row, position=100 * row.position) for row in rows], tmp_path / "a")
    for manifest in (apart, Manifest(rows[:1], tmp_path / "a")):
        with pytest.raises(
            InputError, match="has a neighbour within 2 seconds, so that no label can be carried: index"
        ):
            reached(manifest, tmp_path / "out", 2.0)
    own = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "cv2":
            raise ImportError
        return own(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'vergence\[flow\]', or choose with --criterion ds"):
        reached(Manifest(rows, tmp_path / "a"), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_pictures_too_small_for_flow(tmp_path: Path) -> None:
    rows = write(tmp_path / "a", "v", [0, 10])
    for row in rows:
        Image.open(tmp_path / "a" / row.image).resize((96, 16)).save(tmp_path / "a" / row.image)
    rows = [replace(row, height=16) for row in rows]
    with pytest.raises(InputError, match=r"v_000.png is 96x16 .* flow needs sides of 24 pixels"):
        reached(Manifest(rows, tmp_path / "a"), tmp_path / "out")


def test_share_follows_probability() -> None:
    weight = torch.tensor([0.0, 0.01, 0.3, 0.6, 1.0])
    share = video_reach._share(weight)
    assert share[0] == 0
    assert share[-1] == 1
    assert (share.diff() > 0).all()
