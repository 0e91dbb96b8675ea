"""Every network and every encoder that a recipe builds becomes an ONNX file that says what PyTorch says."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.exported_runs import ENCODER, TWO_TASKS
from tests.inference.stored import SPACE
from tests.small_runs import write_run
from tests.training.tiny_method import without_checksums
from vergence import api
from vergence.cli import main
from vergence.runs.config import read_config
from vergence.runs.recipe import recipe_names
from vergence.settings.networks import DEEPLABV2

CORDA = {"network.decoder_widths": None}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "monodepth2": ("depth-toytown-tiny", {}),
    "three_ways": ("depth-toytown-tiny", {"network.decoder": "three_ways"}),
    "semhint": ("semhint-toytown-tiny", {}),
    "distill": ("select-student-tiny", {}),
    "supervised": ("supervised-toytown-tiny", {}),
    "deeplabv3plus": ("supervised-toytown-tiny", {"network.decoder": "deeplabv3plus", "network.decoder_widths": None}),
    "frozen": ("frozen-toytown", {}),
    "unimatch": ("unimatch-toytown-tiny", {}),
    "ssda": ("three_ways-ssda-tiny", {}),
    "both": ("three_ways-toytown-tiny", TWO_TASKS),
    "shared": ("three_ways-toytown-tiny", TWO_TASKS | {"network.shared_blocks": 4}),
    "pad": ("three_ways-toytown-tiny", TWO_TASKS | {"network.exchange": "pad", "network.head_channels": None}),
    "attention": ("three_ways-toytown-tiny", TWO_TASKS | {"network.exchange": "attention"}),
    "pad-paper": ("three_ways-cityscapes-tiny", {}),
    "paper": ("supervised-cityscapes-tiny", {}),
    "corda-gta": ("corda-toytown-tiny", {"network.variant": "gta"}),
    "corda-synthia": ("corda-toytown-tiny", {"network.variant": "synthia"}),
    "corda-noatt": ("corda-toytown-tiny", {"network.variant": "noatt", "corda.difficulty": "off"}),
    "corda-multitask": ("corda-toytown-tiny", {"network.variant": "multitask", "corda.difficulty": "off"}),
    "corda-dacs": ("corda-toytown-tiny", {"network.variant": "dacs", "corda.depth": False}),
}
QUICK = ("monodepth2", "frozen", "pad")
DEPTH = ("depth-toytown-tiny", {})
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet18": DEPTH,
    "resnet50": DEPTH,
    "resnet101": ("depth-toytown-tiny", {"network.output_stride": 16, "network.decoder": "three_ways"}),
    "efficientnet_lite0": DEPTH,
    "convnext_tiny": DEPTH,
    "dinov2_vits14": ("unimatch-toytown-tiny", {}),
    "dinov3_vits16": ("frozen-toytown", {}),
    "deeplabv2_resnet101": ("corda-toytown-tiny", {"network.feature_stride": 8}),
}


def small(folder: Path, recipe: str, encoder: str, changes: dict[str, Any]) -> Path:
    """A run of a recipe, with the settings that its network has."""
    method = read_config(recipe).method
    unlike = {"frozen": ("network.decoder_widths",), "corda": ("network.decoder_widths",)}.get(method, ())
    settings = {"network.encoder": encoder} | changes
    if method not in ("depth", "distill"):
        settings["frames.options.label_space"] = SPACE
    return write_run(folder, recipe, without=unlike, **settings)


def tame(run: Path) -> None:
    """Residual branches as small as trained ones: an untrained DeepLab's features are millions, where single precision
    itself is off by a thousandth."""
    (weights,) = run.glob("checkpoints/*/model.safetensors")
    state = {name: 0.1 * one if name.endswith("bn3.weight") else one for name, one in load_file(weights).items()}
    save_file(state, weights, {"format": "pt"})
    without_checksums(weights.parent)


def assert_exported(run: Path, out: Path) -> None:
    """The file's largest difference to PyTorch is that of rounding."""
    record = api.export(run, "onnx", out / "model.onnx")
    assert max(record["verified"]["largest_difference"].values()) < 1e-4


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_a_network_becomes_a_file(name: str, tmp_path: Path) -> None:
    recipe, changes = NETWORKS[name]
    assert_exported(small(tmp_path / "run", recipe, ENCODER, changes), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_becomes_a_file(encoder: str, tmp_path: Path) -> None:
    recipe, changes = ENCODERS[encoder]
    run = small(tmp_path / "run", recipe, encoder, changes)
    if encoder == DEEPLABV2:
        tame(run)
    assert_exported(run, tmp_path)


def test_a_vision_transformer_has_one_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, changes = ENCODERS["dinov3_vits16"]
    run = small(tmp_path / "run", recipe, "dinov3_vits16", changes)
    for to, name in (("onnx", "model.onnx"), ("torch", "model.pt2")):
        given = ["--to", to, "--out", str(tmp_path / "out" / name), "--size", "any"]
        assert main(["export", str(run), *given]) == 2
        said = capsys.readouterr().err
        assert "resamples its positions for each size, which a file cannot do; give --size WIDTHxHEIGHT" in said
        assert "Traceback" not in said
    assert list((tmp_path / "out").iterdir()) == []


def built(recipe: str, changes: dict[str, Any]) -> set[tuple[Any, ...]]:
    """What the networks of a recipe are made of, beside their encoders."""
    section = read_config(recipe, changes).section
    parts = ("decoder", "exchange", "variant", "shared_blocks")
    return {
        (type(one).__name__, *(getattr(one, part, None) for part in parts))
        for name, one in section.networks.items()
        if name != "pose"
    }


def test_no_network_of_a_recipe_is_left_out() -> None:
    made = set[tuple[Any, ...]]().union(*(built(name, {}) for name in recipe_names()))
    tried = set[tuple[Any, ...]]().union(*(built(*one) for one in NETWORKS.values()))
    assert ("SegmentationNetworkConfig", "three_ways", "pad", None, 0) in made
    assert made - tried == set()


def test_no_encoder_of_a_recipe_is_left_out() -> None:
    sections = [read_config(name).section for name in recipe_names()]
    used = {one.encoder for section in sections for name, one in section.networks.items() if name != "pose"}
    assert "efficientnet_lite0" in used
    assert used <= set(ENCODERS)
