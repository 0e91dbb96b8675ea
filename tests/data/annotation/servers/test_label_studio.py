"""What may go wrong on the way to Label Studio; test_label_studio_live.py asks a real one."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.annotation.annotated import LABEL, SPACE, bare, read_labels, world
from tests.data.annotation.servers.studio_answers import ACCESS, Studio
from vergence.data.annotation.servers import Server, pull_labels, push_labels
from vergence.data.annotation.servers.label_studio import KEY
from vergence.data.manifest import Manifest
from vergence.errors import InputError


@pytest.fixture
def frames(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL, LABEL[::-1].copy(), LABEL, LABEL])


def push(frames: Manifest, answers: Studio) -> dict[str, int]:
    return push_labels(frames, Server("label_studio", answers.url), "yard")


def names(answers: Studio) -> list[str]:
    return [task["data"]["frame"] for task in answers.tasks]


def test_out_and_back(answers: Studio, frames: Manifest, tmp_path: Path) -> None:
    assert push(frames, answers) == {"frames": 4, "before": 0, "labels": 4, "predictions": 0}
    assert answers.tasks[1]["data"]["image"] == "/data/upload/1/90fbb0c1-b__000.png"
    done = pull_labels(bare(frames), Server("label_studio", answers.url), "yard", tmp_path / "new.csv")
    assert (done.imported, done.space.classes, done.space.name) == (4, SPACE.classes, "yard")
    np.testing.assert_array_equal(read_labels(tmp_path / "new.csv")[1], LABEL[::-1])


@pytest.mark.parametrize("done", [True, False])
def test_a_task_is_there_once_whether_its_answer_came_or_not(answers: Studio, frames: Manifest, done: bool) -> None:
    answers.failing = [("POST /api/projects/1/import", 502, done)] if done else []
    answers.failing += [("GET /api/projects/1/file-uploads", 500, False), ("POST /api/projects/1/import", 503, False)]
    push(frames, answers)
    assert names(answers) == ["a__000", "b__000", "a__001", "b__001"]


def test_a_server_that_stays_in_trouble(answers: Studio, frames: Manifest) -> None:
    answers.failing = [("GET /api/tasks", 503, False)] * 3
    with pytest.raises(InputError, match=r"is in trouble \(status 503\); the same command goes on later"):
        push(frames, answers)
    assert answers.seen.count("GET /api/tasks") == 3
    assert push(frames, answers)["before"] == 0


def test_what_is_there_is_found_on_all_pages(answers: Studio, frames: Manifest) -> None:
    push(frames, answers)
    answers.seen.clear()
    assert push(frames, answers)["before"] == 4
    assert answers.seen.count("GET /api/tasks") == 2
    assert not any(one.startswith("POST") for one in answers.seen)


def test_an_access_token_that_runs_out(answers: Studio, frames: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, ACCESS)
    answers.failing = [("GET /api/tasks", 401, False)]
    push(frames, answers)
    assert {"Bearer short1", "Bearer short2"} == set(answers.keys)


def test_projects_of_one_name(answers: Studio, frames: Manifest) -> None:
    answers.projects = [{"id": 3, "title": "yard"}, {"id": 5, "title": "yard"}, {"id": 6, "title": "yard 2"}]
    with pytest.raises(InputError, match="has 2 projects 'yard'; give the number of one as --project: 3, 5"):
        push(frames, answers)


def test_a_project_whose_brush_has_another_name(answers: Studio, frames: Manifest) -> None:
    push(frames, answers)
    answers.tasks.clear()
    answers.projects[0]["label_config"] = answers.projects[0]["label_config"].replace('"tag"', '"brush"')
    with pytest.raises(InputError, match=r"another labelling interface .* BrushLabels 'tag' for it; take these names"):
        push(frames, answers)
    assert answers.tasks == []


@pytest.mark.parametrize("name", ["ab", "123"])
def test_names_that_no_project_may_have(answers: Studio, frames: Manifest, name: str) -> None:
    with pytest.raises(InputError, match=r"give a name of 3 letters or more|does not have what was asked for"):
        push_labels(frames, Server("label_studio", answers.url), name)
    assert answers.projects == []


def test_no_key(answers: Studio, frames: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, " ")
    with pytest.raises(InputError, match="LABEL_STUDIO_API_KEY is not set"):
        push(frames, answers)
    assert answers.seen == []
