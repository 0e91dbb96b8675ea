"""Frames go through CVAT's SDK to a server that answers as its documentation says; there is no CVAT in this test."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cvat_sdk", reason="the extra cvat is not installed")

from tests.command_line import sentence
from tests.data.annotation.annotated import LABEL, read_labels, world
from tests.data.annotation.servers.cvat_server import TOKEN, serving
from tests.data.annotation.servers.cvat_server import Server as CvatServer
from vergence.cli import main
from vergence.data.annotation.servers import Server, cvat, pull_labels, push_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CvatServer]:
    monkeypatch.setenv(cvat.TOKEN, TOKEN)
    monkeypatch.delenv(cvat.USER, raising=False)
    monkeypatch.delenv(cvat.PASSWORD, raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def frames(tmp_path: Path) -> Manifest:
    manifest = world(tmp_path, [LABEL, LABEL[::-1].copy(), None])
    manifest.write(tmp_path / "m.csv")
    return manifest


def test_masks_go_there_are_changed_and_come_back(
    server: CvatServer, frames: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push = ["labels", "push", str(tmp_path / "m.csv"), "--to", "cvat", "--url", server.url, "--project", "yard"]
    assert main(push) == 0
    assert "3 frames sent to cvat: 2 with labels, 0 with predictions; there before: 0" in capsys.readouterr().out
    assert [label["name"] for label in server.labels[1]] == ["grass", "path", "old shed", "ignore"]
    assert [task["name"] for task in server.tasks.values()] == ["a__000 to b__000"]
    assert server.frames[1] == ["a__000.png", "a__001.png", "b__000.png"]
    assert server.pictures["b__000.png"] == (tmp_path / "b" / "000.png").read_bytes()

    # somebody draws
    name = "SegmentationClass/b__000.png"
    mask = np.array(Image.open(io.BytesIO(server.masks[name])))
    mask[0, 0] = mask[LABEL[::-1] == 1][0]
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    server.masks[name], server.states[1] = buffer.getvalue(), "completed"
    wanted = LABEL[::-1].copy()
    wanted[0, 0] = 1

    pull = ["labels", "pull", "--from", "cvat", "--url", server.url, "--project", "yard"]
    assert main([*pull, "--data", str(tmp_path / "m.csv"), "--out", str(tmp_path / "new.csv")]) == 0
    said = capsys.readouterr()
    assert "2 of 3 frames labelled from cvat" in said.out
    assert TOKEN not in said.out + said.err
    found = read_labels(tmp_path / "new.csv")
    np.testing.assert_array_equal(found[0], LABEL)
    np.testing.assert_array_equal(found[1], wanted)
    assert found[2] is None

    assert main(push) == 0
    assert "0 frames sent to cvat" in capsys.readouterr().out
    assert len(server.tasks) == 1


def test_jobs_that_nobody_began_are_told(
    server: CvatServer, frames: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    push_labels(frames, Server("cvat", server.url), "yard")
    pull_labels(frames, Server("cvat", server.url), "yard", tmp_path / "new.csv")
    assert "1 of 1 jobs are in state 'new'" in caplog.text


def test_what_was_half_sent_is_sent_again_once(server: CvatServer, frames: Manifest) -> None:
    server.failing = [(r"PATCH /api/tasks/1", 500)]
    with pytest.raises(InputError, match=r"is in trouble \(status 500\); the same command goes on later"):
        push_labels(frames, Server("cvat", server.url), "yard")
    assert [task["name"] for task in server.tasks.values()] == [f"a__000 to b__000{cvat.UNFINISHED}"]
    assert push_labels(frames, Server("cvat", server.url), "yard")["before"] == 0
    assert [task["name"] for task in server.tasks.values()] == ["a__000 to b__000"]
    assert "DELETE /api/tasks/1" in server.seen


def test_it_asks_again_where_the_server_is_busy(server: CvatServer, frames: Manifest) -> None:
    server.failing = [("GET /api/tasks", 503)]
    assert push_labels(frames, Server("cvat", server.url), "yard")["labels"] == 2


def test_name_and_password(server: CvatServer, frames: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cvat.TOKEN)
    monkeypatch.setenv(cvat.USER, "ann")
    monkeypatch.setenv(cvat.PASSWORD, "secret of ann")
    assert push_labels(frames, Server("cvat", server.url), "yard")["frames"] == 3
    monkeypatch.setenv(cvat.PASSWORD, "another secret")
    with pytest.raises(InputError, match="Unable to log in with provided credentials") as error:
        push_labels(frames, Server("cvat", server.url), "yard")
    assert "another secret" not in str(error.value)


def test_mistakes(
    server: CvatServer,
    frames: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    push = ["labels", "push", tmp_path / "m.csv", "--to", "cvat", "--url", server.url, "--project"]
    pull = ["labels", "pull", "--from", "cvat", "--url", server.url, "--data", tmp_path / "m.csv", "--out",
            tmp_path / "n.csv", "--project"]  # fmt: skip
    server.add_project("other", [{"name": "grass"}, {"name": "sky"}])
    assert "lacks 'path', 'old shed' and has 'sky' besides" in sentence(capsys, *push, "other")
    assert "has no project 'othr' (did you mean 'other'?)" in sentence(capsys, *pull, "othr")
    assert "does not have what was asked for (status 404)" in sentence(capsys, *pull, "12")
    server.add_project("other", [])
    assert "has 2 projects 'other'; give the number of one as --project: 1, 2" in sentence(capsys, *pull, "other")
    server.failed_import = "a mask of another size"
    assert "could not do what was asked: a mask of another size." in sentence(capsys, *push, "yard")
    monkeypatch.setenv(cvat.TOKEN, "wrong-token")
    said = sentence(capsys, *push, "yard")
    assert "does not take the key of CVAT_ACCESS_TOKEN" in said
    assert "wrong-token" not in said
    monkeypatch.delenv(cvat.TOKEN)
    assert "CVAT_ACCESS_TOKEN is not set" in sentence(capsys, *push, "yard")
    monkeypatch.setenv(cvat.TOKEN, TOKEN)
    push[push.index(server.url)] = "http://127.0.0.1:9"
    monkeypatch.setattr(cvat, "_PATIENCE", 0)
    assert "does not answer" in sentence(capsys, *push, "yard")
