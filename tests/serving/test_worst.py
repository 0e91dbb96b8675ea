"""The worst frames of a run's own evaluation."""

from pathlib import Path

import pytest

import vergence
from tests.serving.served import noise
from tests.small_runs import write_run
from vergence.data.layouts import index_layout, resolve_input
from vergence.data.pictures import picture_size
from vergence.serving.worst import worst_frames


def table(run: Path, text: str) -> None:
    (run / "evaluation").mkdir(exist_ok=True)
    (run / "evaluation" / "plain.csv").write_text(text)


def test_frames_by_their_error(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(4):
        noise(96, 48).save(frames / f"{number}.png")
    index_layout("folder", frames, tmp_path / "frames.parquet")
    listed = resolve_input(tmp_path / "frames.parquet")
    names = [listed[index].image for index in range(4)]
    run = write_run(tmp_path / "run", "depth-toytown-tiny", **{"frames.source": str(tmp_path / "frames.parquet")})
    predictor = vergence.load(run, "cpu")
    assert worst_frames(predictor, tmp_path, 2) == []
    errors = {names[0]: 0.1, names[1]: 0.4, "elsewhere.png": 0.9, names[2]: 0.3, names[3]: "nan"}
    rows = [f"trained,{image},{value}" for image, value in errors.items()] + [f"untrained,{names[0]},7"]
    table(run, "\n".join(["name,image,abs_rel", *rows]))
    found = worst_frames(predictor, tmp_path, 2)
    assert [(frame["name"], frame["value"], frame["measure"]) for frame in found] == [
        (Path(names[1]).name, 0.4, "abs_rel"), (Path(names[2]).name, 0.3, "abs_rel"),
    ]  # fmt: skip
    assert picture_size(tmp_path / found[0]["file"]) == (360, 2 * 180)


@pytest.mark.parametrize(
    "text",
    ["", "name,class,abs_rel\ntrained,road,1\n", "name,image\ntrained,x\n", "\0", "name,image,abs_rel\ntrained,x,1\n"],
)
def test_tables_that_say_nothing(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path / "run", "depth-toytown-tiny")
    table(run, text)
    assert worst_frames(vergence.load(run, "cpu"), tmp_path, 2) == []
