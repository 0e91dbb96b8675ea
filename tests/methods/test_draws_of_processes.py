"""What methods draw in a step is the same on two processes as on one: every image's mask, colours and channels."""

from typing import Any, cast, get_args

import pytest
import torch
from torch import Tensor

from tests.methods import test_ssda, test_three_ways, test_unimatch
from tests.methods.toy_segmentation import CLASSES, HEIGHT, WIDTH, options
from vergence.data.batch import Batch
from vergence.methods.base import Method
from vergence.methods.consistency_config import ConsistencyConfig, Mixing
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig, CordaConsistencyConfig
from vergence.methods.unimatch import complementary_dropout
from vergence.methods.unimatch_config import WeakToStrongConfig
from vergence.mixing.draws import step_generator
from vergence.settings.networks import CordaNetworkConfig

COUNT, SEED, STEP, PART = 6, 3, 11, 1


def scene() -> Batch:
    """One frame COUNT times: what differs between images is drawn, and partners are alike."""
    generator = torch.Generator().manual_seed(0)
    depth = torch.linspace(0, 1, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    one: dict[str, Any] = {
        "frames": torch.rand(1, 1, 3, HEIGHT, WIDTH, generator=generator),
        "label": torch.arange(WIDTH).mul(8).div(WIDTH, rounding_mode="floor").expand(1, HEIGHT, WIDTH),
        "estimate": depth,
        "inverse_depth": 1 + 9 * depth,
    }
    return cast(Batch, {name: value.expand(COUNT, *value.shape[1:]).contiguous() for name, value in one.items()})


def probabilities() -> Tensor:
    """Of eight classes, in stripes."""
    return torch.nn.functional.one_hot(scene()["label"], 8).permute(0, 3, 1, 2).float()


def rows(batch: Batch, rank: int, world: int) -> Batch:
    size = COUNT // world
    return cast(Batch, {name: cast(Tensor, value)[rank * size : (rank + 1) * size] for name, value in batch.items()})


def three_ways(mix: Mixing) -> tuple[Method, Any]:
    settings = ConsistencyConfig(mix=mix, jitter=1, blur=1, threshold=(0.2, 0.8))
    method = test_three_ways.build(consistency=settings, depth="truth")

    def draw(batch: Batch) -> list[Tensor]:
        found = method.mixed(batch, probabilities()[: len(batch["label"])], batch["estimate"])
        return [found.images, found.mask]

    return method, draw


def unimatch(mix: Mixing) -> tuple[Method, Any]:
    settings = WeakToStrongConfig(mix=mix, jitter=0.8, blur=0.5, threshold=(0.2, 0.8))
    method = test_unimatch.build(consistency=settings, depth="truth")

    def draw(batch: Batch) -> list[Tensor]:
        count = len(batch["label"])
        views = [method.mixed(batch, probabilities()[:count], batch["estimate"]) for _ in range(2)]
        dropped = complementary_dropout([torch.ones(2 * count, 16, 1, 1)], 0.5, method.generator)[0]
        own = [view.images * view.mask for view in views]  # a partner's pixels have the partner's colours
        return [*own, *(view.mask for view in views), *dropped.chunk(2)]

    return method, draw


def ssda(mix: Mixing) -> tuple[Method, Any]:
    method = test_ssda.build(consistency=ConsistencyConfig(mix=mix, jitter=1, blur=1, threshold=(0.2, 0.8)))

    def draw(batch: Batch) -> list[Tensor]:
        given = probabilities()[: len(batch["label"]), :CLASSES]
        target = cast(Batch, {**batch, "estimate": batch["estimate"] + 0.01})
        crossed = method.crossed(batch, target, given)
        mixed = method.mixed(batch, given, batch["estimate"])
        return [crossed.images, crossed.mask, mixed.images, mixed.mask]

    return method, draw


def corda(mix: Any) -> tuple[Method, Any]:
    torch.manual_seed(0)
    network = CordaNetworkConfig(variant="synthia", encoder="test_resnet", weights="none", width=8)
    settings = CordaConsistencyConfig(mix=mix, jitter=1, blur=1)
    method = CordaMethod(CordaConfig(network=network, consistency=settings), options()).eval()

    def draw(batch: Batch) -> list[Tensor]:
        target = cast(Batch, {**batch, "inverse_depth": batch["inverse_depth"] * 1.01})
        found = method.mixed(batch, target, STEP)
        return [found.images, found.mask]

    return method, draw


MIXES = get_args(Mixing)
CASES = [(build, mix) for build in (three_ways, unimatch, ssda) for mix in MIXES]
CASES += [(corda, mix) for mix in ("none", "cutmix", "classmix", "depthmix")]


@pytest.mark.parametrize(("build", "mix"), CASES)
def test_two_processes_draw_what_one_draws(build: Any, mix: Any) -> None:
    method, draw = build(mix)
    batch = scene()
    found = {}
    for world in (1, 2):
        pieces = []
        for rank in range(world):
            torch.manual_seed(100 * world + rank)  # PyTorch's own generator has no say
            method.generator = step_generator(SEED, STEP, PART, rank, world)
            pieces.append(draw(rows(batch, rank, world)))
        found[world] = [torch.cat(parts) for parts in zip(*pieces, strict=True)]
    for alone, both in zip(found[1], found[2], strict=True):
        torch.testing.assert_close(both, alone)
    images = found[1][0]
    assert len(images.flatten(1).unique(dim=0)) == COUNT  # each image has draws of its own
    method.generator = step_generator(SEED, STEP + 1, PART)
    assert not torch.equal(draw(batch)[0], images)
