"""Frames go to a real Label Studio, somebody draws there through its interface, masks come back pixel for pixel."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import sentence
from tests.data.annotation.annotated import SPACE, read_labels, world
from tests.data.annotation.servers.label_studio_server import PYTHON, Studio, python, running
from vergence.cli import main
from vergence.data.annotation.servers import Server, pull_labels, push_labels
from vergence.data.annotation.servers.http import Unanswered
from vergence.data.annotation.servers.label_studio import KEY, LabelStudio
from vergence.data.manifest import Manifest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        python() is None,
        reason=f"Label Studio is not installed; {PYTHON} should name a Python that has it (see CONTRIBUTING.md)",
    ),
]
SIZE = (37, 53)


def drawn(seed: int) -> np.ndarray:
    """Ids with lines of single pixels, holes and what is ignored."""
    draw = np.random.default_rng(seed)
    label = np.kron(draw.integers(0, 3, (5, 7)), np.ones((8, 8), dtype=int))[: SIZE[0], : SIZE[1]].astype(np.uint8)
    label[draw.random(SIZE) < 0.05] = 255
    label[3, :] = seed % 3
    return label


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    program = python()
    assert program is not None
    with running(program, tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture(scope="module")
def access_token(studio: Studio) -> str:
    """As accounts give them today, to be exchanged for short-lived ones."""
    return str(studio.ask("POST", "/api/token/", {})["token"])


@pytest.fixture
def key(access_token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEY, access_token)
    return access_token


def some_frames(folder: Path) -> Manifest:
    """A frame labelled by people, one with a carried label, three without any."""
    manifest = world(folder, [drawn(0), drawn(1), *[np.zeros(SIZE, dtype=np.uint8)] * 3])
    rows = list(manifest)
    rows[1] = dataclasses.replace(rows[1], label_origin="carried")
    rows[2:] = [dataclasses.replace(row, label="", label_space="") for row in rows[2:]]
    return Manifest(rows, folder, "frames")


def masks(result: list[dict[str, Any]], studio: Studio) -> np.ndarray:
    """Ids that regions mean, decoded by Label Studio's own code."""
    label = np.full(SIZE, 255, dtype=np.uint8)
    for region in result:
        flat = np.array(studio.own_code("decode_rle", region["value"]["rle"]), dtype=np.uint8)
        where = flat.reshape(*SIZE, 4)[..., 3] > 127
        name = region["value"]["brushlabels"][0]
        label[where] = 255 if name == "ignore" else SPACE.classes.index(name)
    return label


def strokes(label: np.ndarray, studio: Studio) -> list[dict[str, Any]]:
    """What a person's browser would send for these ids, encoded by Label Studio's own code."""
    size = {"original_height": SIZE[0], "original_width": SIZE[1], "image_rotation": 0}
    return [
        {
            **size, "id": f"drawn{number}", "type": "brushlabels", "from_name": "tag", "to_name": "image",
            "value": {
                "format": "rle", "brushlabels": [name],
                "rle": studio.own_code("mask2rle", (255 * (label == number).astype(int)).tolist()),
            },
        }
        for number, name in enumerate(SPACE.classes)
        if (label == number).any()
    ]  # fmt: skip


def test_masks_go_there_are_changed_and_come_back(
    studio: Studio, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = some_frames(tmp_path)
    guess = drawn(2)
    counts = push_labels(manifest, Server("label_studio", studio.url), "yard", None, lambda image: guess, SPACE)
    assert counts == {"frames": 5, "before": 0, "labels": 1, "predictions": 4}
    tasks = studio.tasks("yard")
    assert set(tasks) == {"a__000", "b__000", "a__001", "b__001", "a__002"}

    # what was sent is what there is: pictures byte for byte, labels as annotations, guesses as predictions
    for row, (name, task) in zip(manifest, sorted(tasks.items(), key=lambda one: one[1]["id"]), strict=True):
        assert studio.picture(task["data"]["image"]) == (tmp_path / row.image).read_bytes()
        made, guessed = len(task["annotations"]), len(task["predictions"])
        assert (made, guessed) == ((1, 0) if name == "a__000" else (0, 1))
    np.testing.assert_array_equal(masks(tasks["a__000"]["annotations"][0]["result"], studio), drawn(0))
    np.testing.assert_array_equal(masks(tasks["b__000"]["predictions"][0]["result"], studio), drawn(1))
    np.testing.assert_array_equal(masks(tasks["a__001"]["predictions"][0]["result"], studio), guess)

    # somebody corrects one label, draws over a carried one, and accepts a guess; one frame nobody touches
    corrected, anew = drawn(0), drawn(7)
    corrected[10:12, 5:40] = 2
    annotation = tasks["a__000"]["annotations"][0]["id"]
    studio.ask("PATCH", f"/api/annotations/{annotation}/", {"result": strokes(corrected, studio)})
    for name, result in (
        ("b__000", strokes(anew, studio)),
        ("a__001", tasks["a__001"]["predictions"][0]["result"]),
    ):
        studio.ask("POST", f"/api/tasks/{tasks[name]['id']}/annotations/", {"result": result})

    manifest.write(tmp_path / "frames.csv")
    where = ["--from", "label_studio", "--url", studio.url, "--project", "yard"]
    words = ["labels", "pull", *where, "--data", str(tmp_path / "frames.csv"), "--out", str(tmp_path / "new.csv")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "3 of 5 frames labelled from label_studio; without annotation and as before: 2" in said.out
    assert "2 tasks have predictions only" in said.err
    assert key not in said.out + said.err
    found = read_labels(tmp_path / "new.csv")
    for label, wanted in zip(found, [corrected, anew, guess, None, None], strict=True):
        if wanted is None:
            assert label is None
        else:
            np.testing.assert_array_equal(label, wanted)

    # again: nothing is sent, nothing is changed
    words = ["labels", "push", str(tmp_path / "frames.csv"), "--to", "label_studio", "--url", studio.url]
    assert main([*words, "--project", "yard"]) == 0
    assert (
        "0 frames sent to label_studio: 0 with labels, 0 with predictions; there before: 5" in capsys.readouterr().out
    )
    assert len(studio.tasks("yard")["a__000"]["annotations"]) == 1


def test_what_was_interrupted_goes_on(
    studio: Studio, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, add, asked = some_frames(tmp_path), LabelStudio._add, list[str]()

    def cut(self: LabelStudio, task: dict[str, Any]) -> None:
        asked.append(task["data"]["frame"])
        if len(asked) == 3:
            raise Unanswered("the line is dead.")
        add(self, task)

    monkeypatch.setattr(LabelStudio, "_add", cut)
    with pytest.raises(Unanswered):
        push_labels(manifest, Server("label_studio", studio.url), "half")
    assert len(studio.tasks("half")) == 2
    asked += ["on"]
    assert push_labels(manifest, Server("label_studio", studio.url), "half")["before"] == 2
    tasks = studio.tasks("half")
    assert len(tasks) == 5
    project = tasks["a__000"]["project"]
    assert len(studio.ask("GET", f"/api/projects/{project}/file-uploads?all=true")) == 5, "a picture is there twice"


def test_mistakes(
    studio: Studio, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_frames(tmp_path).write(tmp_path / "m.csv")
    push = ["labels", "push", tmp_path / "m.csv", "--to", "label_studio", "--url", studio.url, "--project"]
    pull = ["labels", "pull", "--from", "label_studio", "--url", studio.url, "--data", tmp_path / "m.csv", "--out",
            tmp_path / "n.csv", "--project"]  # fmt: skip
    config = '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">{}</BrushLabels></View>'
    labels = '<Label value="grass"/><Label value="sky"/>'
    studio.ask("POST", "/api/projects/", {"title": "other", "label_config": config.format(labels)})
    said = sentence(capsys, *push, "other")
    assert "lacks 'path', 'old shed' and has 'sky' besides" in said
    assert "has no project 'othr' (did you mean 'other'?)" in sentence(capsys, *pull, "othr")
    assert "does not have what was asked for (status 404)" in sentence(capsys, *pull, "4711")
    for wrong in ("0" * 40, f"{key}x", "no.key.here"):
        monkeypatch.setenv(KEY, wrong)
        said = sentence(capsys, *push, "other")
        assert f"does not take the key of {KEY}" in said
        assert wrong not in said
    assert not (tmp_path / "n.csv").exists()


def test_a_legacy_token(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, studio.token)
    manifest = some_frames(tmp_path)
    push_labels(manifest, Server("label_studio", studio.url), "old")
    done = pull_labels(manifest, Server("label_studio", studio.url), "old", tmp_path / "new.csv")
    assert (done.imported, done.missing, done.space.classes) == (1, 4, SPACE.classes)
