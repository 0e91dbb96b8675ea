"""What is sent is an export in parts, what comes back is an import."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.annotation.annotated import LABEL, SPACE, bare, world
from tests.data.annotation.servers.studio_answers import LEGACY, Studio
from vergence.data.annotation.servers import Server, exchange, pull_labels, push_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError


@pytest.fixture
def frames(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL] * 5)


def test_frames_that_are_there_are_not_predicted_again(
    answers: Studio, frames: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BATCH", 2)
    asked, done = list[str](), list[tuple[int, int]]()

    def predictor(image: Path) -> np.ndarray:
        asked.append(image.name)
        return LABEL

    some = Manifest(list(bare(frames))[:3], frames.root, "frames")
    send = (Server("label_studio", answers.url), "yard", None, predictor, SPACE)
    assert push_labels(some, *send)["predictions"] == 3
    assert push_labels(bare(frames), *send, progress=lambda *counts: done.append(counts)) == {
        "frames": 5, "before": 3, "labels": 0, "predictions": 2,
    }  # fmt: skip
    assert len(asked) == 5
    assert done == [(5, 5)]


def test_the_project_is_called_as_the_manifest(answers: Studio, tmp_path: Path) -> None:
    world(tmp_path, [LABEL]).write(tmp_path / "chosen.csv")
    push_labels(Manifest.read(tmp_path / "chosen.csv"), Server("label_studio", answers.url))
    assert [one["title"] for one in answers.projects] == ["chosen"]


def test_problems_name_the_project_and_no_temporary_file(answers: Studio, frames: Manifest, tmp_path: Path) -> None:
    push_labels(frames, Server("label_studio", answers.url), "my yard")
    for task in answers.tasks[:2]:
        task["annotations"] *= 2
    with pytest.raises(InputError) as error:
        pull_labels(frames, Server("label_studio", answers.url), "my yard", tmp_path / "new.csv")
    said = str(error.value)
    assert said.startswith(
        f"project 'my yard' of Label Studio at {answers.url} cannot be imported, nothing was written"
    )
    assert "a__000 has 2 annotations; keep one" in said
    assert "vergence-labels-" not in said
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("tool", ["cvta", "png"])
def test_servers_that_are_none(frames: Manifest, tmp_path: Path, tool: str) -> None:
    with pytest.raises(InputError, match=rf"no server {tool!r} of labels.*; there are label_studio, cvat"):
        push_labels(frames, Server(tool, "http://127.0.0.1:1"))
    with pytest.raises(InputError, match="there are label_studio, cvat"):
        pull_labels(frames, Server(tool, "http://127.0.0.1:1"), "x", tmp_path / "new.csv")


def test_nothing_is_asked_of_another_machine_in_the_open(answers: Studio, frames: Manifest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --plain_http if the network is yours"):
        push_labels(frames, Server("label_studio", "http://192.0.2.1"), "yard")
    with pytest.raises(InputError, match="give --plain_http if the network is yours"):
        pull_labels(frames, Server("label_studio", "http://192.0.2.1"), "yard", tmp_path / "new.csv")


def test_without_classes_or_frames_nothing_is_asked(answers: Studio, frames: Manifest) -> None:
    with pytest.raises(InputError, match="has no labels that say which classes to annotate"):
        push_labels(bare(frames), Server("label_studio", answers.url), "yard")
    with pytest.raises(InputError, match="has no frames to annotate"):
        push_labels(Manifest([], frames.root), Server("label_studio", answers.url), "yard", SPACE)
    assert answers.seen == []


def test_the_key_is_kept_nowhere(answers: Studio, frames: Manifest, tmp_path: Path) -> None:
    push_labels(frames, Server("label_studio", answers.url), "yard")
    pull_labels(frames, Server("label_studio", answers.url), "yard", tmp_path / "out" / "new.csv")
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(LEGACY.encode() in content for content in written)
