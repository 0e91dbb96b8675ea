"""One graph of what a run predicts."""

from pathlib import Path

import pytest
import torch

from tests.inference.test_exported_facts import FACTS
from vergence.errors import InputError
from vergence.exporting.graph import Graph, example, outputs_of, traced
from vergence.runs.checkpoint import load_run


def test_what_a_graph_gives_follows_the_tasks() -> None:
    assert outputs_of(("depth",), True) == ("inverse_depth", "depth")
    assert outputs_of(("segmentation",), False) == ("classes", "confidence")
    assert outputs_of(("segmentation", "depth"), True) == ("inverse_depth", "depth", "classes", "confidence", "logits")


def test_pixels_and_numbers_in_16_bits_and_in_metres(exported_run: Path) -> None:
    method, names = load_run(exported_run).method, outputs_of(("depth", "segmentation"), True)
    pixels = torch.randint(0, 256, (1, 3, 64, 128), dtype=torch.uint8)
    with torch.no_grad():
        plain = dict(zip(names, Graph(method, names, 1.0, True, False)(pixels), strict=True))
        floats = dict(zip(names, Graph(method, names, 60.0, False, False)(pixels / 255), strict=True))
        half = dict(zip(names, Graph(method, names, 1.0, True, True)(pixels), strict=True))
    assert torch.allclose(floats["depth"], 60 * plain["depth"])
    assert torch.allclose(plain["depth"] * plain["inverse_depth"], torch.ones(()))
    assert all(map_.dtype in (torch.float32, torch.uint8) for map_ in half.values())
    assert 0 < (half["depth"] - plain["depth"]).abs().max() < 0.01 * plain["depth"].max()
    assert next(method.parameters()).dtype == torch.float32  # the run's own weights are left alone


def test_what_has_no_inverse_depth_is_infinitely_far() -> None:
    class Far(torch.nn.Module):
        def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"inverse_depth": images[:, :1] - 0.5}

    inverse, depth = Graph(Far(), ("inverse_depth", "depth"), 1.0, False, False)(torch.zeros(1, 3, 2, 2))  # type: ignore[arg-type]
    assert (inverse == -0.5).all()
    assert depth.isinf().all()


def test_a_network_that_cannot_be_followed_is_one_sentence() -> None:
    class Odd(torch.nn.Module):
        def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"inverse_depth": images[:, :1] if images.mean() > 0.5 else images[:, 1:2]}

    with pytest.raises(InputError, match="cannot be made one graph") as raised:
        traced(Graph(Odd(), ("inverse_depth", "depth"), 1.0, True, False), FACTS)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert example(FACTS).shape == (2, 3, 64, 96)
