"""Official Monodepth2 files become a run that every verb takes."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vergence.errors import InputError
from vergence.models.depth_network import build_depth_network
from vergence.models.pose import PoseNetwork
from vergence.runs.checkpoint import load_run
from vergence.runs.convert import convert
from vergence.settings.networks import DepthNetworkConfig


def official(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Our tensors under the official names."""
    names: dict[str, str] = {}
    for name in state:
        if part.endswith("encoder"):
            names[name] = f"encoder.{name.removeprefix('backbone.')}"
        elif part == "depth":
            kind = name.rsplit(".", 1)[-1]
            words = name.split(".")
            if words[0] == "heads":
                names[name] = f"decoder.{10 + int(words[1])}.conv.{kind}"
            else:
                index = 2 * (4 - int(words[1])) + (words[0] == "second")
                names[name] = f"decoder.{index}.conv.conv.{kind}"
        else:
            words = name.split(".")
            names[name] = f"net.{('squeeze', 'first', 'second', 'last').index(words[0])}.{words[1]}"
    return {names[name]: value for name, value in state.items()}


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    torch.manual_seed(3)
    network = build_depth_network(DepthNetworkConfig(weights="none", normalization="monodepth2"))
    pose = PoseNetwork("resnet18", "none", normalization="monodepth2")
    return {"encoder": network.encoder, "depth": network.decoder, "pose_encoder": pose.encoder, "pose": pose.head}


@pytest.fixture(scope="module")
def files(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mono_640x192")
    for part, module in parts.items():
        state: dict[str, Any] = official(module.state_dict(), part)
        if part == "encoder":
            state |= {"height": 64, "width": 96, "use_stereo": False, "encoder.fc.weight": torch.ones(2, 2)}
        torch.save(state, folder / f"{part}.pth")
    return folder


def test_video_model(files: Path, parts: dict[str, Any], tmp_path: Path) -> None:
    run = load_run(convert([files], tmp_path / "run"))
    options = run.config.frames.options
    assert (options.height, options.width, options.offsets, run.step) == (64, 96, (-1, 1), 0)
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected = parts["depth"].eval()(parts["encoder"].eval()(images), (64, 96))[0]
        assert torch.equal(run.method.predict(images)["disparity"], expected)


def test_stereo_model_without_pose(files: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give them beside encoder\.pth"):
        convert([files / "encoder.pth", files / "depth.pth"], tmp_path / "run")
    state = torch.load(files / "encoder.pth", weights_only=True)
    (tmp_path / "stereo").mkdir()
    torch.save({**state, "use_stereo": True}, tmp_path / "stereo" / "encoder.pth")
    run = load_run(convert([tmp_path / "stereo" / "encoder.pth", files / "depth.pth"], tmp_path / "other"))
    assert run.config.frames.options.offsets == ("s",)
    assert run.method.scale == "metric"


class Bomb:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a file was unpickled",))


def test_what_cannot_be_converted(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InputError, match="did you mean 'monodepth2'"):
        convert([files], out, "monodepth")
    with pytest.raises(InputError, match=r"lacks encoder\.pth"):
        convert([tmp_path], out)
    with pytest.raises(InputError, match="belong together"):
        convert([files / "encoder.pth", files / "depth.pth", files / "pose.pth"], out)
    (tmp_path / "adam.pth").touch()
    with pytest.raises(InputError, match=r"adam\.pth is not one"):
        convert([files, tmp_path / "adam.pth"], out)
    with pytest.raises(InputError, match="does not exist"):
        convert([tmp_path / "nothing"], out)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "depth.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"depth\.pth"):
        convert([files / "encoder.pth", tmp_path / "bad" / "depth.pth"], out)
    torch.save({"encoder.conv1.weight": torch.ones(1)}, tmp_path / "bad" / "encoder.pth")
    parts = ("depth", "pose_encoder", "pose")
    with pytest.raises(InputError, match="ResNet"):
        convert([tmp_path / "bad" / "encoder.pth", *(files / f"{part}.pth" for part in parts)], out)
    assert not out.exists()
    out.mkdir()
    (out / "something").touch()
    with pytest.raises(InputError, match="exists"):
        convert([files], out)
