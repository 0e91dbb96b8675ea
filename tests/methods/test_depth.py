"""The depth method without an engine: losses, gradients, parts, starting weights, predictions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.methods.toy_depth import ENCODER, HEIGHT, WIDTH, build, config, losses_of, make_batch, total
from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.data.imaging.transforms import no_jitter
from vergence.data.loading import prepare_batch
from vergence.data.toytown import TownOptions, camera, render_street
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import DepthNetworkConfig, PoseConfig


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
        coarser = predicted.pop("coarser_inverse_depth")
        finer = 2 ** sorted(scales)[1]
        assert coarser.shape == (2, 1, -(-size[0] // finer), -(-size[1] // finer))
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
