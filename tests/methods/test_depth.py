"""The depth method without an engine: losses, gradients, parts, starting weights, predictions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.data.loading import prepare_batch
from vergence.data.toytown import TownOptions, camera, render_street
from vergence.data.transforms import draw_jitter, no_jitter
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth
from vergence.geometry.pose import transform_from_parameters
from vergence.methods import view_synthesis
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.models.pose import PoseCNN
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import DepthNetworkConfig, PoseConfig

HEIGHT, WIDTH = 64, 96
ENCODER = "test_resnet"  # timm's smallest network with batch norm
MONO: tuple[int | str, ...] = (-1, 1)
BASELINE = 0.54


def config(**changes: Any) -> DepthConfig:
    network = DepthNetworkConfig(encoder=ENCODER, weights="none")
    return replace(DepthConfig(network=network, pose=PoseConfig(encoder=ENCODER, weights="none")), **changes)


def build(offsets: tuple[int | str, ...] = MONO, seed: int = 0, **changes: Any) -> DepthMethod:
    torch.manual_seed(seed)
    return DepthMethod(config(**changes), FrameOptions(height=HEIGHT, width=WIDTH, offsets=offsets), seed).train()


def make_batch(offsets: tuple[int | str, ...] = MONO, size: int = 2, jitter: bool = False) -> Batch:
    """Smooth random frames: each source is the target, shifted by two columns and disturbed a little."""
    generator = torch.Generator().manual_seed(1)
    frames = 1 + len(offsets)
    coarse = torch.rand(size * frames, 3, 8, 16, generator=generator)
    noise = nn.functional.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bicubic").view(size, frames, 3, HEIGHT, WIDTH)
    images = noise.clone()
    for source in range(1, frames):
        images[:, source] = 0.9 * noise[:, 0].roll(2 if source % 2 else -2, dims=-1) + 0.1 * noise[:, source]
    images = (images.clamp(0, 1) * 255).to(torch.uint8)
    K = torch.tensor([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
    stereo = torch.eye(4)
    stereo[0, 3] = -BASELINE
    rng = np.random.default_rng(0)
    draw = draw_jitter(rng, 0.2, 0.2, 0.2, 0.1) if jitter else no_jitter()
    sample = {
        "frames": images,
        "jitter": draw.repeat(size, 1),
        "intrinsics": K.repeat(size, frames, 1, 1),
        "stereo_transform": stereo.repeat(size, 1, 1),
        "available": torch.ones(size, frames, dtype=torch.bool),
        "intrinsics_known": torch.ones(size, dtype=torch.bool),
        "index": torch.arange(size),
        "flipped": torch.zeros(size, dtype=torch.bool),
    }
    return prepare_batch(sample)


def losses_of(method: DepthMethod, batch: Batch, step: int = 0) -> dict[str, Tensor]:
    losses: dict[str, Tensor] = method({"unlabelled": batch}, step)
    return losses


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()


def one_step(method: DepthMethod, batch: Batch, lr: float = 1e-3) -> dict[str, Tensor]:
    optimizer = torch.optim.Adam(method.parameter_groups(), lr=lr)
    losses = losses_of(method, batch)
    total(losses).backward()
    optimizer.step()
    return losses


def copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


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


class TestFrozenParts:
    def test_feature_distance(self) -> None:
        method, batch = build(feature_distance=0.01), make_batch()
        assert method.reference is not None
        assert not method.reference.training
        assert changed(method.reference, copy_of(method.network.encoder)) == set()  # it starts as the encoder
        reference, encoder = copy_of(method.reference), copy_of(method.network.encoder)
        listed = {id(p) for group in method.parameter_groups() for p in group["params"]}
        assert not any(p.requires_grad or id(p) in listed for p in method.reference.parameters())
        one_step(method, batch)
        assert changed(method.network.encoder, encoder)
        assert changed(method.reference, reference) == set()  # neither weights nor batch norm statistics
        after = losses_of(method.eval(), batch)["feature_distance"]
        assert after > 0
        assert after.requires_grad
        double = losses_of(replaced(method, feature_distance=0.02), batch)["feature_distance"]
        torch.testing.assert_close(double, 2 * after)

    def test_feature_distance_is_zero_at_the_start(self) -> None:
        """In evaluation mode, where batch norm of both encoders is the same."""
        losses = losses_of(build(feature_distance=0.01).eval(), make_batch())
        assert losses["feature_distance"] == 0

    def test_the_reference_is_kept_for_resuming_and_not_for_use(self) -> None:
        settings = config(feature_distance=0.01)
        options = FrameOptions(height=HEIGHT, width=WIDTH)
        trained = DepthMethod(settings, options)
        used = DepthMethod(settings.for_loading(), options)
        assert used.reference is None
        kept = {name: value for name, value in trained.state_dict().items() if not name.startswith("reference.")}
        assert kept.keys() == used.state_dict().keys()
        resumed = DepthMethod(settings.for_loading(keep_reference=True), options)
        resumed.load_state_dict(trained.state_dict())
        assert resumed.config.feature_distance == 0.01
        assert changed(resumed, copy_of(trained)) == set()

    def test_freeze_encoder(self) -> None:
        """Weights stay; batch statistics are still those of the batch, as in the official program."""
        method = build(freeze_encoder=True)
        assert [group["name"] for group in method.parameter_groups()] == ["decoder", "pose"]
        encoder, decoder = copy_of(method.network.encoder), copy_of(method.network.decoder)
        one_step(method, make_batch())
        moved = changed(method.network.encoder, encoder)
        assert moved
        assert all("running_" in name or "num_batches" in name for name in moved)
        assert changed(method.network.decoder, decoder)

    @pytest.mark.parametrize("frozen", [False, True])
    def test_freeze_batchnorm(self, frozen: bool) -> None:
        method = build(freeze_batchnorm=True, freeze_encoder=frozen)
        assert method.pose is not None
        networks = {"encoder": method.network.encoder, "pose": method.pose}
        norms = {
            f"{name}.{key}"
            for name, network in networks.items()
            for key, layer in network.named_modules()
            if isinstance(layer, nn.BatchNorm2d)
        }
        assert norms
        before = {name: copy_of(network) for name, network in networks.items()}
        one_step(method, make_batch())
        moved = {f"{name}.{key}" for name, network in networks.items() for key in changed(network, before[name])}
        assert not any(key.rsplit(".", 1)[0] in norms for key in moved)
        assert any(key.startswith("pose.") for key in moved)
        assert any(key.startswith("encoder.") for key in moved) is not frozen


def replaced(method: DepthMethod, **changes: Any) -> DepthMethod:
    method.config = method.synthesis.config = replace(method.config, **changes)
    return method


class TestStartingWeights:
    @pytest.fixture
    def stored(self, tmp_path: Path) -> tuple[DepthMethod, Path]:
        source = build(seed=7)
        save_file(source.state_dict(), tmp_path / "other.safetensors")
        return source, tmp_path / "other.safetensors"

    @pytest.mark.parametrize("parts", [("encoder",), ("decoder", "pose"), ("encoder", "decoder", "pose"), ()])
    def test_parts(self, stored: tuple[DepthMethod, Path], parts: tuple[str, ...]) -> None:
        source, path = stored
        method, own = build(initialize_from=str(path), initialize_parts=parts), build()
        assert changed(method, copy_of(own)) == set()  # building does not load
        method.initialize()
        modules = {"encoder": "network.encoder", "decoder": "network.decoder", "pose": "pose"}
        for part, name in modules.items():
            expected = (source if part in parts else own).get_submodule(name)
            assert changed(method.get_submodule(name), copy_of(expected)) == set(), part

    def test_a_stereo_method_takes_what_it_has(self, stored: tuple[DepthMethod, Path]) -> None:
        method = build(("s",), initialize_from=str(stored[1]))
        method.initialize()
        assert changed(method.network, copy_of(stored[0].network)) == set()

    def test_the_reference_is_the_initial_encoder(self, stored: tuple[DepthMethod, Path]) -> None:
        """Without weights of its own, the encoder begins as what it was given."""
        method = build(initialize_from=str(stored[1]), feature_distance=0.01)
        method.initialize()
        assert method.reference is not None
        assert changed(method.reference, copy_of(stored[0].network.encoder)) == set()

    def test_errors(self, stored: tuple[DepthMethod, Path], tmp_path: Path) -> None:
        path = str(stored[1])
        with pytest.raises(InputError, match="'depth' is unknown; use encoder, decoder, pose"):
            build(initialize_from=path, initialize_parts=("depth",)).initialize()
        with pytest.raises(InputError, match=r"absent\.safetensors"):
            build(initialize_from=str(tmp_path / "absent.safetensors")).initialize()
        narrow = DepthNetworkConfig(encoder=ENCODER, weights="none", decoder_widths=(8, 16, 16, 16, 16))
        with pytest.raises(InputError, match=r"network\.decoder\..* of shape"):
            build(network=narrow, initialize_from=path).initialize()
        build(network=narrow, initialize_from=path, initialize_parts=("encoder", "pose")).initialize()
        with pytest.raises(InputError, match="intrinsics_head"):
            build(learn_intrinsics="all", initialize_from=path).initialize()

    def test_loading_needs_no_weights(self, tmp_path: Path) -> None:
        """A stored run is rebuilt where the files it started from are gone."""
        gone = str(tmp_path / "gone.pth")
        settings = DepthConfig(
            network=DepthNetworkConfig(encoder=ENCODER, weights=gone),
            pose=PoseConfig(encoder=ENCODER, weights=gone),
            feature_distance=0.01,
            initialize_from=gone,
        )
        options = FrameOptions(height=HEIGHT, width=WIDTH)
        with pytest.raises(InputError, match=r"gone\.pth"):
            DepthMethod(settings, options)
        DepthMethod(settings.for_loading(), options).initialize()
        DepthMethod(settings.for_loading(keep_reference=True), options).initialize()
        assert settings.network.weights == settings.pose.weights == settings.initialize_from == gone


class TestUse:
    @pytest.mark.parametrize("size", [(64, 96), (65, 83), (96, 64)])
    @pytest.mark.parametrize("scales", [(0, 1, 2, 3), (1, 3)])
    def test_predict(self, size: tuple[int, int], scales: tuple[int, ...]) -> None:
        network = DepthNetworkConfig(encoder=ENCODER, weights="none", scales=scales)
        loss = ViewLossOptions(min_depth=0.5, max_depth=50.0)
        method = build(network=network, loss=loss).eval()
        images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            predicted = method.predict(images)
            alone = method.predict(images[1:])
        assert predicted.keys() == {"disparity", "inverse_depth"}
        for value in predicted.values():
            assert value.shape == (2, 1, *size)
            assert value.dtype == torch.float32
        assert ((predicted["disparity"] > 0) & (predicted["disparity"] < 1)).all()
        assert ((predicted["inverse_depth"] > 1 / 50) & (predicted["inverse_depth"] < 2)).all()
        expected, _ = disparity_to_depth(predicted["disparity"], 0.5, 50.0)
        assert torch.equal(predicted["inverse_depth"], expected)
        torch.testing.assert_close(alone["disparity"], predicted["disparity"][1:], rtol=0, atol=1e-5)

    @pytest.mark.parametrize("automask", [True, False])
    def test_diagnose(self, automask: bool) -> None:
        offsets = (-1, 1, "s")
        method = build(offsets, loss=ViewLossOptions(automask=automask)).eval()
        batch, before = make_batch(offsets), copy_of(method)
        maps = method.diagnose(batch)
        shapes = {name: tuple(value.shape) for name, value in maps.items()}
        plain = (2, 1, HEIGHT, WIDTH)
        assert shapes == dict.fromkeys(("inverse_depth", "error", "identity_error", "kept"), plain) | {
            "warped": (2, 3, 3, HEIGHT, WIDTH)
        }
        assert all(not value.requires_grad for value in maps.values())
        assert ((maps["error"] >= -1e-6) & (maps["error"] <= 1)).all()
        assert ((maps["warped"] >= 0) & (maps["warped"] <= 1 + 1e-6)).all()  # rounding of the weights
        assert maps["kept"].dtype == torch.bool
        if automask:
            assert torch.equal(maps["kept"], maps["error"] < maps["identity_error"])
        else:
            assert maps["kept"].all()
        noisy = replaced(method, tie_break=1.0).diagnose(batch)["identity_error"]
        assert torch.equal(noisy, maps["identity_error"])  # pictures show no noise
        torch.testing.assert_close(maps["inverse_depth"], method.predict(batch["frames"][:, 0])["inverse_depth"])
        assert changed(method, before) == set()


def town_batch(height: int = 64, width: int = 96) -> Batch:
    """One stereo pair of the toy town."""
    town = TownOptions(width=width, height=height)
    frame = next(render_street(town, street=1, frames=1))
    assert frame.right is not None
    fx, fy, cx, cy = camera(town)
    K = torch.tensor([[fx * width, 0, cx * width], [0, fy * height, cy * height], [0, 0, 1]])
    stereo = torch.eye(4)
    stereo[0, 3] = -town.baseline
    images = torch.stack([torch.from_numpy(image.copy()) for image in (frame.image, frame.right)])
    return prepare_batch(
        {
            "frames": images.permute(0, 3, 1, 2)[None].contiguous(),
            "jitter": no_jitter()[None],
            "intrinsics": K.expand(1, 2, 3, 3),
            "stereo_transform": stereo[None],
            "available": torch.ones(1, 2, dtype=torch.bool),
            "intrinsics_known": torch.ones(1, dtype=torch.bool),
            "index": torch.zeros(1, dtype=torch.int64),
            "flipped": torch.zeros(1, dtype=torch.bool),
        }
    )


def train_on_town(steps: int) -> list[float]:
    torch.manual_seed(0)
    network = DepthNetworkConfig(encoder=ENCODER, weights="none", initial_disparity=0.05)
    settings = config(network=network, metres_per_unit=5.0)
    method = DepthMethod(settings, FrameOptions(height=64, width=96, offsets=("s",)), seed=0).train()
    optimizer = torch.optim.Adam(method.parameter_groups(), lr=1e-3)
    batch, values = town_batch(), []
    for step in range(steps):
        losses = losses_of(method, batch, step)
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        values.append(float(total(losses).detach()))
    return values


def test_a_few_steps_on_one_pair_of_the_town_reduce_the_loss() -> None:
    values = train_on_town(25)
    assert max(values[-5:]) < 0.65 * values[0], values
    assert train_on_town(2) == values[:2]  # the same seed, the same numbers
