"""Mixing maps of every kind."""

import pytest
import torch

from vergence.mixing.mix import mix


def test_constant_images() -> None:
    """Golden fact 14."""
    images = torch.stack([torch.full((3, 2, 2), value) for value in (1.0, 2.0)])
    masks = torch.tensor([[[1, 0], [1, 0]], [[0, 0], [1, 1]]])
    mixed = mix(images, masks[:, None])
    assert mixed[:, 0].tolist() == [[[1, 2], [1, 2]], [[1, 1], [2, 2]]]
    assert torch.equal(mixed[:, 0], mixed[:, 2])


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_partner_is_the_next_image(batch: int) -> None:
    images = torch.arange(float(batch)).view(-1, 1, 1, 1).expand(-1, 3, 4, 6)
    mixed = mix(images, torch.zeros(batch, 1, 4, 6))
    assert mixed[:, 0, 0, 0].tolist() == [(index + 1) % batch for index in range(batch)]
    assert torch.equal(mix(images, torch.ones(batch, 1, 4, 6)), images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32])
def test_every_type_keeps_its_values(dtype: torch.dtype) -> None:
    """Labels mixed by products of floats would lose 255 in half precision sums, or become floats."""
    labels = torch.tensor([[[0, 255], [7, 18]], [[255, 3], [200, 1]]]).to(dtype)
    mask = torch.tensor([[[1.0, 0], [0, 1]], [[0, 1], [1, 0]]])
    mixed = mix(labels, mask)
    assert mixed.dtype == dtype
    assert torch.equal(mixed, mix(labels, mask[:, None]))
    assert mixed.tolist() == [[[0, 3], [200, 18]], [[0, 3], [200, 18]]]


def test_other_partners_and_what_is_not_taken() -> None:
    own, other = torch.ones(2, 1, 1, 2), torch.full((2, 1, 1, 2), torch.nan)
    mask = torch.tensor([1.0, 1.0]).view(1, 1, 1, 2).expand(2, 1, 1, 2)
    assert torch.equal(mix(own, mask, other), own)  # a product with 0 would leave NaN


def test_probabilities_stay_distributions_and_images_get_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(3, 5, 4, 4, generator=generator).softmax(1).requires_grad_()
    mask = (torch.rand(3, 1, 4, 4, generator=generator) > 0.5).float()
    mixed = mix(probabilities, mask)
    assert torch.allclose(mixed.sum(1), torch.ones(3, 4, 4))
    (gradient,) = torch.autograd.grad(mixed.sum(), probabilities)
    assert torch.equal(gradient, (mask + (1 - mask).roll(1, 0)).expand_as(gradient))


def test_same_mask_for_image_and_label() -> None:
    image, mask = torch.rand(2, 1, 3, 3), (torch.rand(2, 1, 3, 3) > 0.5).float()
    assert torch.equal(mix(image, mask)[:, 0], mix(image[:, 0], mask))


@pytest.mark.parametrize("shape", [(2, 1, 3, 4), (2, 2, 3, 3), (1, 1, 3, 3), (3, 3)])
def test_wrong_masks(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="mask has shape"):
        mix(torch.zeros(2, 5, 3, 3), torch.zeros(shape))


def test_wrong_partner() -> None:
    with pytest.raises(ValueError, match="own and other"):
        mix(torch.zeros(2, 5, 3, 3), torch.zeros(2, 1, 3, 3), torch.zeros(2, 4, 3, 3))
