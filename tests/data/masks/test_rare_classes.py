"""Frames of rare classes come more often; what was counted is kept."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tests.data.small_world import save, video
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.masks.rare_classes import RareClassSampler, class_counts, class_probability

HEIGHT, WIDTH = 24, 40
SPACE = "toy:road#804080,sky#4682b4,car#00008e"
COUNTS = np.array([[900, 100, 0], [950, 50, 0], [980, 0, 20], [1000, 0, 0]])


def drawn(sampler: RareClassSampler, batches: int) -> list[int]:
    return [sample for batch in islice(sampler, batches) for _, sample in batch]


def test_probability_of_classes() -> None:
    shares = COUNTS.sum(0) / COUNTS.sum()
    expected = np.exp((1 - shares) / 0.1)
    np.testing.assert_allclose(class_probability(COUNTS.sum(0), 0.1), expected / expected.sum())
    assert class_probability(np.array([5, 0, 5]), 0.001).tolist() == [0.5, 0, 0.5]
    assert class_probability(np.array([1, 10**6]), 1e-6).tolist() == [1, 0]  # no overflow
    with pytest.raises(ValueError, match="temperature 0 of classes"):
        class_probability(np.array([1, 2]), 0)
    with pytest.raises(ValueError, match=r"with \[0, 0\] pixels"):
        class_probability(np.array([0, 0]), 0.1)


def test_samples_are_drawn_for_their_classes() -> None:
    sampler = RareClassSampler(COUNTS, 0.1, 4, seed=1)
    share = np.bincount(drawn(sampler, 2000), minlength=4) / 8000
    road, sky, car = class_probability(COUNTS.sum(0), 0.1)
    expected = [road / 4 + sky / 2, road / 4 + sky / 2, road / 4 + car, road / 4]
    np.testing.assert_allclose(share, expected, atol=0.02)


def test_little_of_a_class_shows_it_only_where_no_frame_has_more() -> None:
    counts = np.array([[999, 1], [900, 100]])
    assert set(drawn(RareClassSampler(counts, 1e-3, 4), 5)) == {1}
    assert set(drawn(RareClassSampler(counts[:1], 1e-3, 4), 5)) == {0}


def test_order_is_one_for_all_processes_and_goes_on_where_it_stopped() -> None:
    whole = drawn(RareClassSampler(COUNTS, 0.1, 4, seed=3), 6)
    ranks = [drawn(RareClassSampler(COUNTS, 0.1, 2, seed=3, rank=rank, world=2), 6) for rank in range(2)]
    joined = [sample for k in range(6) for rank in ranks for sample in rank[2 * k : 2 * k + 2]]
    assert joined == whole
    assert drawn(RareClassSampler(COUNTS, 0.1, 4, seed=3, start_step=2), 4) == whole[8:]


def test_counts_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    rows = video(tmp_path, frames=3, label_space=SPACE)
    labels = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    labels[1, :12], labels[2, :, :10], labels[:, -1] = 1, 2, 255
    named = [row.image.replace("a/", "label/") for row in rows[:2]]
    for name, label in zip(named, labels, strict=False):
        save(tmp_path / name, label)
    rows = [replace(row, label=name) for row, name in zip(rows, [*named, ""], strict=True)]
    options = FrameOptions(height=HEIGHT, width=WIDTH, offsets=(), load_label=True, label_space=SPACE)
    dataset = FrameDataset(Manifest(rows, tmp_path), options, train=True)
    counts = class_counts(dataset)
    assert counts.tolist() == [[23 * WIDTH, 0, 0], [11 * WIDTH, 12 * WIDTH, 0], [0, 0, 0]]
    with mock.patch.object(FrameDataset, "label", side_effect=AssertionError):
        assert np.array_equal(class_counts(dataset), counts)
    save(tmp_path / rows[0].label, labels[2])  # a changed label is counted again
    assert class_counts(dataset)[0].tolist() == [30 * 23, 0, 10 * 23]
