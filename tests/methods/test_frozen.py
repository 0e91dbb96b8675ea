"""A head on frozen features: what learns, what stays, what is remembered, bad settings."""

import pytest
import torch

from tests.methods.frozen_parts import OPTIONS, network
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.methods.frozen import FrozenMethod
from vergence.methods.frozen_config import FrozenConfig
from vergence.runs.config import load_config


def method_of(**settings: object) -> FrozenMethod:
    torch.manual_seed(0)
    return FrozenMethod(FrozenConfig(network=network(), **settings), OPTIONS)


def batch(jitter: bool = False) -> dict:
    torch.manual_seed(1)
    frames = torch.rand(2, 1, 3, 64, 96)
    frames[0, ..., :48] *= 0.2
    label = (frames[:, 0].mean(1) > 0.3).long()
    return {
        "labelled": {
            "frames": frames,
            "jittered": frames.clone() if jitter else frames,
            "label": label,
            "index": torch.tensor([4, 7]),
            "flipped": torch.tensor([False, True]),
        }
    }


def test_the_head_learns_and_the_encoder_stays_what_it_was() -> None:
    method = method_of().train()
    before = {name: value.clone() for name, value in method.network.encoder.state_dict().items()}
    groups = method.parameter_groups()
    assert [group["name"] for group in groups] == ["head"]
    assert sum(value.numel() for value in groups[0]["params"]) == sum(
        value.numel() for value in method.parameters() if value.requires_grad
    )
    optimizer = torch.optim.Adam(groups, lr=1e-2)
    losses = []
    for step in range(20):
        loss = method(batch(), step)["segmentation"]
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]
    after = method.network.encoder.state_dict()
    assert all(torch.equal(before[name], value) for name, value in after.items())  # batch norm statistics, too


def test_features_are_made_once_and_are_the_same_from_memory() -> None:
    method, calls = method_of().train(), []
    method.network.encoder.register_forward_hook(lambda *_: calls.append(1))
    first = method.features(batch()["labelled"])
    again = method.features(batch()["labelled"])
    assert len(calls) == 2  # each frame by itself
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    other = batch()["labelled"] | {"flipped": torch.tensor([True, True])}
    method.features(other)
    assert len(calls) == 3  # the mirrored frame is another one


def test_features_do_not_depend_on_the_batch() -> None:
    """A run that goes on makes frames anew that one that was never stopped remembers, in other company."""
    together = method_of().train().features(batch()["labelled"])
    after = method_of().train()
    labelled = batch()["labelled"]
    one = {name: values[:1] for name, values in labelled.items()}
    after.features(one | {"jittered": one["frames"]})
    apart = after.features(labelled)
    assert all(torch.equal(one, other) for one, other in zip(together, apart, strict=True))


@pytest.mark.parametrize("settings", [{"memory_mb": 0}, {}])
def test_what_is_not_remembered_is_made_again(settings: dict) -> None:
    method, calls = method_of(**settings).train(), []
    method.network.encoder.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(2):
        method.features(batch(jitter=not settings)["labelled"])
    assert len(calls) == 2


def test_memory_changes_no_loss() -> None:
    losses = []
    for memory in (0, 100):
        method = method_of(memory_mb=memory).train()
        losses.append([float(method(batch(), step)["segmentation"].detach()) for step in range(2)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_confidence_weighs_labels() -> None:
    method = method_of().train()
    given = batch()
    sure = (given["labelled"]["label"] == 0) * 255
    only = given["labelled"]["label"].where(sure > 0, torch.tensor(255))
    weighted = method({"labelled": given["labelled"] | {"label_confidence": sure.byte()}}, 0)["segmentation"]
    plain = method({"labelled": given["labelled"] | {"label": only}}, 0)["segmentation"]
    torch.testing.assert_close(weighted, plain, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("power", [-0.1, 1.5])
def test_bad_balance(power: float) -> None:
    with pytest.raises(InputError, match="class_balance"):
        method_of(class_balance=power)


def test_predicts_at_the_size_of_the_images() -> None:
    assert method_of().eval().predict(torch.rand(1, 3, 70, 90))["logits"].shape == (1, 11, 70, 90)


def test_the_encoder_of_a_run(tmp_path) -> None:
    from safetensors.torch import save_file

    from vergence.methods.supervised import SupervisedMethod
    from vergence.methods.supervised_config import SupervisedConfig
    from vergence.settings.networks import SegmentationNetworkConfig

    twin = SegmentationNetworkConfig(encoder="mobilenetv3_small_050", weights="none", decoder_widths=(4, 4, 8, 8, 8))
    torch.manual_seed(5)
    other = SupervisedMethod(SupervisedConfig(network=twin), OPTIONS)
    save_file(other.state_dict(), tmp_path / "model.safetensors")
    method = method_of(initialize_from=str(tmp_path / "model.safetensors"))
    method.initialize()
    theirs = other.network.encoder.state_dict()
    assert all(torch.equal(theirs[name], value) for name, value in method.network.encoder.state_dict().items())


def test_bad_memory_and_no_labels() -> None:
    with pytest.raises(InputError, match="memory_mb"):
        method_of(memory_mb=-1)
    with pytest.raises(InputError, match="label space"):
        FrozenMethod(FrozenConfig(network=network()), FrameOptions(height=64, width=96))


def test_the_recipe_keeps_features() -> None:
    config = load_config("frozen-video", ["--frames.options.height", "96"])
    assert config.method == "frozen"
    assert config.section.class_balance == 0.5
    assert config.frames.options.jitter == 0  # else no feature could be kept
    assert config.section.for_loading().network.weights == "none"
