"""The loss as one call is the loss of training, and the right depth explains a frame best."""

import pytest
import torch

import vergence
from vergence.errors import InputError
from vergence.losses import photometric_depth_loss, prepare_views, self_supervised_loss
from vergence.settings.losses import ViewLossOptions

INTRINSICS = torch.tensor([[40.0, 0, 20], [0, 40, 12], [0, 0, 1]])


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A wall at depth 2, seen from two places 0.1 apart: the picture moves by 2 pixels."""
    wide = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 26, 46, generator=torch.Generator().manual_seed(1)), 3, 1)
    pose = torch.eye(4)[None].clone()
    pose[:, 0, 3] = -0.1
    return wide[..., 2:42], wide[..., 4:44], pose


def sigmoid_of(depth: float, options: ViewLossOptions) -> torch.Tensor:
    low, high = 1 / options.max_depth, 1 / options.min_depth
    return torch.full((1, 1, 24, 40), (1 / depth - low) / (high - low))


def test_the_right_depth_explains_best() -> None:
    target, source, pose = scene()
    options = ViewLossOptions(automask=False)
    losses = {
        depth: float(photometric_depth_loss(sigmoid_of(depth, options), target, [source], INTRINSICS, [pose],
                                            options=options))
        for depth in (1.0, 1.5, 2.0, 3.0)
    }  # fmt: skip
    assert min(losses, key=losses.__getitem__) == 2.0
    assert losses[2.0] < 0.3 * losses[1.5]


def test_parts_sum_to_the_loss_of_training() -> None:
    target, source, pose = scene()
    generator = torch.Generator().manual_seed(3)
    scales = [torch.rand(1, 1, 24 >> k, 40 >> k, generator=generator).requires_grad_() for k in range(2)]
    found = photometric_depth_loss(scales, target, source[:, None], INTRINSICS, pose[:, None], parts=True)
    options = ViewLossOptions()
    camera = INTRINSICS[None]
    views = prepare_views(target, source[:, None], camera, camera[:, None], pose[:, None], options)
    photometric, smoothness, _ = self_supervised_loss(dict(enumerate(scales)), views, options)
    expected = sum(photometric.values()) / 2 + sum(smoothness.values()) / 2
    torch.testing.assert_close(found.loss, expected)
    torch.testing.assert_close(found.photometric + found.smoothness, found.loss)
    assert found.depth.shape == (1, 1, 24, 40)
    found.loss.backward()
    assert all(scale.grad is not None and scale.grad.abs().sum() > 0 for scale in scales)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disparity": torch.rand(1, 24, 40)}, "disparity 0 has shape"),
        ({"disparity": []}, "no disparity"),
        ({"target": torch.rand(3, 24, 40)}, "target has shape"),
        ({"sources": torch.rand(1, 3, 24, 40)}, "sources has shape"),
        ({"poses": torch.eye(4)}, "poses has shape"),
        ({"intrinsics": torch.eye(4)}, "intrinsics have shape"),
    ],
)
def test_shapes_get_a_sentence(changes: dict[str, object], words: str) -> None:
    target, source, pose = scene()
    given = {"disparity": torch.rand(1, 1, 24, 40), "target": target, "sources": [source], "poses": [pose],
             "intrinsics": INTRINSICS}  # fmt: skip
    with pytest.raises(InputError, match=words):
        photometric_depth_loss(**{**given, **changes})


def test_a_pose_network_gives_transforms() -> None:
    network = vergence.models.PoseNetwork(weights="none").eval()
    first, second = torch.rand(2, 2, 3, 64, 96).unbind(0)
    forward = network.transform(first, second)
    back = network.transform(second, first, past=True)
    assert forward.shape == (2, 4, 4)
    torch.testing.assert_close(forward @ back, torch.eye(4).expand(2, 4, 4), atol=1e-5, rtol=0)


def test_depthmix_hides_what_is_farther() -> None:
    images = torch.arange(2.0)[:, None, None, None].expand(2, 3, 1, 4)
    disparity = torch.tensor([[[10.0, 20, 30, 40]], [[7.0, 6, 5, 4]]])
    labels = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    mixed = vergence.mixing.depthmix(images, disparity, labels, margin=0)
    assert mixed.labels.tolist() == [[[1, 1, 0, 0]], [[1, 1, 0, 0]]]
    assert mixed.images[0, 0].tolist() == [[1, 1, 0, 0]]
    with pytest.raises(InputError, match="disparity"):
        vergence.mixing.depthmix(images, disparity[:1], labels)
