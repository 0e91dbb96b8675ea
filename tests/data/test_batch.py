"""What is in a batch."""

import torch

from tests.data.loaded import first
from tests.data.small_world import manifest
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.imaging.transforms import apply_jitter
from vergence.data.loading import build_loader, prepare_batch


def test_prepared_batches(dataset):
    loaded = first(build_loader(dataset, 7, 0, seed=1), 1)[0]
    batch = prepare_batch({key: value.clone() for key, value in loaded.items()}, "cpu")
    assert batch["frames"].shape == (7, 3, 3, 8, 16)
    assert batch["frames"].dtype == torch.float32
    torch.testing.assert_close(batch["frames"] * 255, loaded["frames"].float())
    assert "jitter" not in batch
    drawn = loaded["jitter"][:, -1] >= 0
    assert 0 < drawn.sum() < 7
    for b in range(7):
        expected = apply_jitter(batch["frames"][b], loaded["jitter"][b])
        assert torch.equal(batch["jittered"][b], expected)
        assert torch.equal(batch["jittered"][b], batch["frames"][b]) != bool(drawn[b])
    assert batch["intrinsics"].shape == (7, 3, 3, 3)
    assert batch["stereo_transform"].shape == (7, 4, 4)
    assert batch["available"].shape == (7, 3)
    assert batch["available"].dtype == batch["flipped"].dtype == batch["intrinsics_known"].dtype == torch.bool
    assert batch["index"].dtype == torch.int64


def test_without_jitter_the_networks_see_the_same_tensor(tmp_path):
    dataset = FrameDataset(manifest(tmp_path), FrameOptions(12, 20, jitter=0.0), train=True)
    batch = prepare_batch(first(build_loader(dataset, 2, 0, seed=0), 1)[0])
    assert batch["jittered"] is batch["frames"]
    assert batch["frames"].is_contiguous()


def test_truth_is_in_the_batch_where_it_is_asked_for(tmp_path):
    options = FrameOptions(12, 20, load_label=True, load_depth=True)
    dataset = FrameDataset(manifest(tmp_path), options, train=True)
    batch = prepare_batch(first(build_loader(dataset, 2, 0, seed=0), 1)[0])
    assert batch["label"].shape == (2, 12, 20)
    assert batch["depth"].shape == (2, 1, 12, 20)
