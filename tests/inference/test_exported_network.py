"""An exported file as a network: settings that are its own, pictures of other shapes, classes without logits."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

import vergence
from tests.inference.stored import picture, video
from tests.inference.test_exported_facts import FACTS
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.depth_port import with_estimates
from vergence.inference.exported_network import likely_logits, resized_to
from vergence.inference.given_pictures import as_frame


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ({"precision": "bf16"}, "has its own precision"),
        ({"size": (64, 96)}, "has its own size"),
        ({"window": "64x64"}, "sees pictures of one size only, so window is not possible"),
        ({"scale": "metric"}, "scale 'metric' is not possible"),
    ],
)
def test_what_was_chosen_at_export_stays(use: dict[str, object], words: str, exported_model: Path) -> None:
    with pytest.raises(InputError, match=words):
        vergence.load(exported_model, **use)


def test_a_picture_of_another_shape_is_stretched_and_it_is_said_once(
    exported_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = vergence.load(exported_model)
    loaded.network.options.fit = "crop"
    with caplog.at_level(logging.WARNING, "vergence"):
        seen = [loaded.predict(picture(height=200, width=100)) for _ in range(2)]
    assert seen[0].depth.shape == (200, 100)
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "it is stretched; export with --size any"
    ]


def test_the_size_of_pictures() -> None:
    one = as_frame(picture(height=100, width=300)).image
    assert resized_to(one, FACTS).shape == (3, 64, 96)
    free = FACTS.__class__(**{**FACTS.__dict__, "size": None})
    assert resized_to(one, free).shape == (3, 64, 192)  # the shape is kept, as its run does


def test_logits_of_ids_and_confidence_say_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (4 * torch.rand(2, 5, 7, 9, generator=generator)).softmax(dim=1)
    confidence, classes = probabilities.max(dim=1)
    found = likely_logits(classes, confidence, 5).softmax(dim=1)
    assert torch.equal(found.argmax(dim=1), classes)
    assert torch.allclose(found.amax(dim=1), confidence, atol=1e-5)
    even = likely_logits(torch.full((1, 2, 2), 3), torch.full((1, 2, 2), 0.2), 5)
    assert (even.argmax(dim=1) == 3).all()
    assert likely_logits(torch.zeros(1, 2, 2), torch.ones(1, 2, 2), 1).isfinite().all()


def test_a_file_is_a_depth_port(exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    source = vergence.data.layouts.resolve_input(video(tmp_path / "clip.mp4", 3))
    assert isinstance(source, Manifest)
    estimated = with_estimates(source, f"onnx:{exported_model}", (64, 128))
    assert all(row.estimate for row in estimated)
    assert np.isfinite(vergence.load(exported_model).predict(picture()).depth).all()
