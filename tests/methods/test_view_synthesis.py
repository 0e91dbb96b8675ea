"""Depth judged by view synthesis: sources, transforms, cameras that are learned."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.methods.toy_depth import BASELINE, ENCODER, HEIGHT, MONO, WIDTH, build, config, losses_of, make_batch, total
from vergence.data.dataset import FrameOptions
from vergence.data.imaging.transforms import draw_jitter
from vergence.data.loading import prepare_batch
from vergence.errors import InputError
from vergence.geometry.pose import transform_from_parameters
from vergence.methods import view_synthesis
from vergence.methods.depth import DepthMethod
from vergence.models.pose import PoseCNN
from vergence.settings.networks import DepthNetworkConfig, PoseConfig


class Fixed(nn.Module):
    """A depth network that answers the same to every image."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.maps = {s: torch.rand(2, 1, HEIGHT >> s, WIDTH >> s, generator=generator) * 0.1 + 0.01 for s in range(4)}

    def encoder(self, images: Tensor) -> list[Tensor]:
        return []

    def decoder(self, features: list[Tensor], size: Any) -> dict[int, Tensor]:
        return self.maps

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        return self.maps


class FixedPose(nn.Module):
    """A pose network that answers the same to every pair and remembers the pairs."""

    axis_angle, translation = torch.tensor([[0.01, -0.03, 0.02]]), torch.tensor([[0.02, 0.01, -0.1]])
    feature_channels = 4

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.seen.append(pair)
        size = len(pair)
        return self.axis_angle.repeat(size, 1), self.translation.repeat(size, 1), torch.ones(size, 4, 2, 3)


def fixed(offsets: tuple[int | str, ...] = MONO, **changes: Any) -> DepthMethod:
    method = build(offsets, **changes)
    method.network = Fixed()  # type: ignore[assignment]
    if method.pose is not None:
        method.pose = method.synthesis.pose = FixedPose()  # type: ignore[assignment]
    return method


class TestLosses:
    def test_the_terms_and_what_is_only_logged(self) -> None:
        losses = losses_of(build(), make_batch())
        assert {name for name in losses if not name.startswith("_")} == {"photometric", "smoothness"}
        assert all(value.ndim == 0 and value.isfinite() for value in losses.values())
        assert all(not value.requires_grad for name, value in losses.items() if name.startswith("_"))
        assert 0 < losses["_kept"] < 1
        per_scale = torch.stack([losses[f"_scale_{scale}"] for scale in range(4)])
        torch.testing.assert_close(total(losses).detach(), per_scale.mean())

    def test_jitter_changes_what_networks_see_and_not_what_losses_compare(self) -> None:
        """Golden fact 15: bit-identical losses with jitter on or off where the network's output is fixed."""
        plain, jittered = make_batch(), make_batch(jitter=True)
        assert plain["jittered"] is plain["frames"]
        assert not torch.equal(jittered["jittered"], jittered["frames"])
        first, second = (losses_of(fixed(), batch) for batch in (plain, jittered))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
        live, other = (losses_of(build().eval(), batch) for batch in (plain, jittered))
        assert live["photometric"] != other["photometric"]  # the networks do see it

    def test_frames_of_one_sample_share_their_jitter(self) -> None:
        """Golden fact 15: identical frames stay identical."""
        batch = make_batch(jitter=True)
        same = batch["frames"][:, :1].mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1, -1).contiguous()
        draw = draw_jitter(np.random.default_rng(3), 0.2, 0.2, 0.2, 0.1)
        seen = prepare_batch({**batch, "frames": same, "jitter": draw.repeat(2, 1)})["jittered"]  # type: ignore[dict-item]
        assert (seen[:, 0] - batch["frames"][:, 0]).abs().max() > 0.01
        assert torch.equal(seen[:, 0], seen[:, 1])
        assert torch.equal(seen[:, 0], seen[:, 2])

    def test_ties_are_broken_by_seed_and_step_alone(self) -> None:
        batch, method = make_batch(), fixed(tie_break=1e-2)
        again, later, other = (
            losses_of(method, batch),
            losses_of(method, batch, 1),
            losses_of(fixed(tie_break=0), batch),
        )
        assert torch.equal(losses_of(method, batch)["photometric"], again["photometric"])
        assert again["photometric"] != later["photometric"]
        assert again["photometric"] != other["photometric"]

    def test_missing_sources_never_count(self) -> None:
        batch, method = make_batch(), fixed()
        batch["available"][0, 1] = batch["available"][1, 2] = False
        before = losses_of(method, batch)
        batch["frames"][0, 1], batch["frames"][1, 2] = batch["frames"][0, 0], 0.5
        after = losses_of(method, batch)
        assert all(torch.equal(before[name], after[name]) for name in before)

    def test_samples_without_sources_are_worth_nothing(self) -> None:
        batch, method = make_batch(), build()
        batch["available"][:, 1:] = False
        losses = losses_of(method, batch)
        assert losses["photometric"] == 0
        assert losses["_kept"] == 0
        total(losses).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())

    def test_gradients_reach_every_part(self) -> None:
        method = build()
        for parameter in method.parameters():
            if not parameter.any():  # residual branches that timm starts at zero would hide what lies before them
                nn.init.constant_(parameter, 0.5)
        total(losses_of(method, make_batch())).backward()
        groups = {group["name"]: group["params"] for group in method.parameter_groups()}
        assert list(groups) == ["encoder", "decoder", "pose"]
        for name, parameters in groups.items():
            assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in parameters), name
            assert all(parameter.grad.any() for parameter in parameters), name
        assert {id(p) for parameters in groups.values() for p in parameters} == {id(p) for p in method.parameters()}

    def test_batch_is_left_as_it_was(self) -> None:
        batch = make_batch((-1, "s"))
        before = {name: value.clone() for name, value in batch.items()}  # type: ignore[attr-defined]
        total(losses_of(build((-1, "s")), batch)).backward()
        assert all(torch.equal(batch[name], before[name]) for name in before)  # type: ignore[literal-required]

    def test_bfloat16(self) -> None:
        """Networks in bfloat16, geometry and losses in float32."""
        method, batch = build((-1, 1, "s"), feature_distance=0.01), make_batch((-1, 1, "s"))
        assert isinstance(method.pose, nn.Module)
        seen: list[torch.dtype] = []
        for network in (method.network.encoder, method.pose.encoder):
            network.register_forward_hook(lambda module, given, out: seen.append(out[-1].dtype))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = losses_of(method, batch)
        assert set(seen) == {torch.bfloat16}
        assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())
        total(losses).backward()
        assert all(p.grad.isfinite().all() for group in method.parameter_groups() for p in group["params"])
        exact = losses_of(build((-1, 1, "s"), feature_distance=0.01), batch)
        assert losses["photometric"].item() == pytest.approx(exact["photometric"].item(), rel=0.05)


class TestSources:
    def test_pairs_are_seen_in_temporal_order_and_the_past_is_inverted(self) -> None:
        method, batch = fixed((-2, 3, "s"), metres_per_unit=2.0), make_batch((-2, 3, "s"), jitter=True)
        transforms, learned = method.synthesis.source_transforms(batch)
        past, future = method.pose.seen  # type: ignore[union-attr,misc]
        seen = batch["jittered"]
        assert torch.equal(past, seen[:, [1, 0]])  # earlier frame first
        assert torch.equal(future, seen[:, [0, 2]])
        forward = transform_from_parameters(FixedPose.axis_angle, FixedPose.translation)[0]
        torch.testing.assert_close(transforms[:, 1], forward.expand(2, 4, 4))
        torch.testing.assert_close(transforms[:, 0] @ forward, torch.eye(4).expand(2, 4, 4), rtol=0, atol=1e-6)
        stereo = torch.eye(4)
        stereo[0, 3] = -BASELINE / 2.0
        torch.testing.assert_close(transforms[:, 2], stereo.expand(2, 4, 4))
        assert learned is None

    def test_the_baseline_is_measured_in_units(self) -> None:
        """Twice the baseline in units of twice the size is the same thing; half the unit is not."""
        batch = make_batch(("s",))
        first = losses_of(fixed(("s",), metres_per_unit=1.0), batch)
        assert losses_of(fixed(("s",), metres_per_unit=2.0), batch)["photometric"] != first["photometric"]
        batch["stereo_transform"][:, :3, 3] *= 2
        second = losses_of(fixed(("s",), metres_per_unit=2.0), batch)
        assert torch.equal(second["photometric"], first["photometric"])

    def test_stereo_alone_needs_no_pose_network(self) -> None:
        method, batch = build(("s",), learn_intrinsics="all"), make_batch(("s",))
        assert batch["frames"].shape[1] == 2
        assert method.pose is None
        assert method.intrinsics_head is None
        assert not any(name.startswith(("pose", "intrinsics")) for name in method.state_dict())
        assert [group["name"] for group in method.parameter_groups()] == ["encoder", "decoder"]
        total(losses_of(method, batch)).backward()
        assert method.network.decoder.heads["0"].weight.grad.any()  # type: ignore[union-attr]

    def test_scale_is_metric_where_a_baseline_is_seen(self) -> None:
        assert build(("s",)).scale == build((-1, "s")).scale == "metric"
        assert build().scale == "unscaled"
        assert build(metres_per_unit=3.0).metres_per_unit == 3.0

    def test_posecnn(self) -> None:
        method = build(pose=PoseConfig(encoder="posecnn", weights="imagenet"), learn_intrinsics="all")
        assert isinstance(method.pose, PoseCNN)
        total(losses_of(method, make_batch())).backward()
        assert method.pose.convolutions[0].weight.grad.any()

    def test_no_sources_and_no_scales_are_refused(self) -> None:
        with pytest.raises(InputError, match="offsets is empty"):
            build(())
        with pytest.raises(InputError, match=r"network\.scales is empty"):
            build(network=DepthNetworkConfig(encoder=ENCODER, weights="none", scales=()))

    @pytest.mark.parametrize("options", [{"height": 32}, {"width": 32}, {"random_crop": (32, 48)}])
    def test_frames_too_small_for_the_decoder_are_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="more than 32 rows and columns"):
            DepthMethod(config(), FrameOptions(**({"height": 64, "width": 96} | options)))


class TestIntrinsics:
    def used(self, monkeypatch: pytest.MonkeyPatch, choice: str) -> tuple[Tensor, Tensor, DepthMethod]:
        """Intrinsics of target and sources that the losses were given; sample 1's are not known."""
        given: list[tuple[Tensor, Tensor]] = []
        prepare = view_synthesis.prepare_views

        def spy(target: Tensor, sources: Tensor, intrinsics: Tensor, source_intrinsics: Tensor, *rest: Any) -> Any:
            given.append((intrinsics, source_intrinsics))
            return prepare(target, sources, intrinsics, source_intrinsics, *rest)

        monkeypatch.setattr(view_synthesis, "prepare_views", spy)
        method, batch = build(learn_intrinsics=choice), make_batch()
        batch["intrinsics_known"][1] = False
        total(losses_of(method, batch)).backward()
        return *given[0], method

    def test_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        target, sources, method = self.used(monkeypatch, "off")
        assert method.intrinsics_head is None
        assert torch.equal(target, make_batch()["intrinsics"][:, 0])
        assert torch.equal(sources, make_batch()["intrinsics"][:, 1:])

    @pytest.mark.parametrize("choice", ["unknown", "all"])
    def test_learned(self, monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
        target, sources, method = self.used(monkeypatch, choice)
        manifest = make_batch()["intrinsics"][0, 0]
        start = torch.tensor([[0.8 * WIDTH, 0, (WIDTH - 1) / 2], [0, 0.8 * WIDTH, (HEIGHT - 1) / 2], [0, 0, 1]])
        expected = torch.stack([manifest if choice == "unknown" else start, start])
        torch.testing.assert_close(target, expected)
        torch.testing.assert_close(sources, expected[:, None].expand(2, 2, 3, 3))
        assert [group["name"] for group in method.parameter_groups()] == ["encoder", "decoder", "pose", "intrinsics"]
        assert method.intrinsics_head is not None
        assert method.intrinsics_head.focal.bias.grad.all()
