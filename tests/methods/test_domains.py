"""Two domains in one step: masks and whose decoder learns what."""

import pytest
import torch

from tests.methods.toy_corda import batch, both, build, total
from vergence.methods import domains
from vergence.methods.corda_config import CordaConsistencyConfig


def masked(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """All of each mixed frame is source (1) or target (0)."""
    monkeypatch.setattr(
        domains, "classmix_mask", lambda label, **_: torch.full((len(label), 1, *label.shape[1:]), value)
    )


@pytest.mark.parametrize("mix", ["classmix", "cutmix", "depthmix", "none"])
@pytest.mark.parametrize("size", [1, 2])
def test_every_mix(mix: str, size: int) -> None:
    method = build(consistency=CordaConsistencyConfig(mix=mix))  # type: ignore[arg-type]
    losses = method(both(size), 0)
    total(losses).backward()
    share = losses["_from_source"].item()
    assert share == 0 if mix == "none" else 0 < share < 1


def test_depthmix_keeps_known_source_pixels_that_are_nearer() -> None:
    source, target = batch(1), batch(1)
    source["inverse_depth"] = torch.tensor([1.0, 21, 20.5, 19, 1, 3]).view(1, 1, 1, 6)
    target["inverse_depth"] = torch.tensor([9.0, 20, 21.0, 21, 1, 1]).view(1, 1, 1, 6)
    seen = set()
    for seed in range(10):
        torch.manual_seed(seed)
        mask = domains.domain_mask(CordaConsistencyConfig(mix="depthmix", margin=0.03), source, target)
        seen.add(tuple(mask.flatten().int().tolist()))
    assert seen == {(0, 1, 1, 0, 0, 1), (0, 1, 0, 0, 0, 1)}  # the near tie goes to either side


@pytest.mark.parametrize(("mask", "idle"), [(1.0, "depth"), (0.0, "source_depth")])
def test_golden_fact_21_each_decoder_learns_its_own_pixels(
    mask: float, idle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build()
    masked(monkeypatch, mask)
    data = both()
    losses = method.mixed_losses(method.mixed(data["source"], data["target"], 0))
    (losses["mixed_depth"] + losses["mixed_initial_depth"]).backward()
    other = {"depth": "source_depth", "source_depth": "depth"}[idle]
    for heads in (method.network.heads, method.network.initial):
        assert all(value.grad is None or not value.grad.any() for value in heads[idle].parameters())
        assert any(value.grad is not None and value.grad.any() for value in heads[other].parameters())
