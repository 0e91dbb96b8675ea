"""The flywheel on a very small town: rounds hand on what they should, every stage resumes, budgets hold."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from vergence.data.manifest import Manifest
from vergence.data.rows.subsets import read_list
from vergence.data.toytown import write_toytown
from vergence.errors import InputError, Interrupted
from vergence.flywheel import gate
from vergence.flywheel import rounds as flywheel
from vergence.flywheel.folder import Round
from vergence.flywheel.measures import Measure
from vergence.flywheel.rounds import resume_flywheel, start_flywheel
from vergence.flywheel.settings import is_flywheel_folder, load_flywheel
from vergence.flywheel.trainings import Trainings, held_back
from vergence.runs.config import load_config
from vergence.runs.folder import find_checkpoint
from vergence.selection.select import select
from vergence.training import run_chain

SMALL = {
    "train.steps": 1,
    "train.device": "cpu",
    "train.evaluate_every": 0,
    "frames.batch_size": 2,
    "frames.workers": 0,
    "frames.options.height": 64,
    "frames.options.width": 96,
}


BARE = {"network.weights": "none", "pose.weights": "none", "network.decoder_widths": [4, 4, 8, 8, 8]}


RECIPE: dict[str, Any] = {
    "flywheel": {
        "rounds": 2,
        "limit": 1,
        "gate": {"doubt": 1.0},  # depth of one step, which is kept
        "labels": {"per_round": 2, "criterion": "random"},
        "overrides": SMALL,
        "depth": {"recipe": "depth-toytown-tiny", "overrides": BARE},
        "hinted_depth": {"recipe": "depth-toytown-tiny", "overrides": {"train.steps": 2, "optim.lr": 0.002}},
        "segmentation": {
            "recipe": "three_ways-toytown-tiny",
            "overrides": {"frames.options.random_crop": [64, 64], "three_ways.teacher": False},
        },
    }
}


class Written(list[tuple[str, str]]):
    """Stands for the pages: an empty file each, and an account of it."""

    def __call__(self, kind: str, folder: Path) -> None:
        self.append((kind, folder.name))
        (folder / ("selection.html" if kind == "selection" else "report.html")).touch()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("town")
    return write_toytown(root, streets={"train": 2, "val": 1}, frames=4, workers=1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "wheel.yaml"
    path.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(town: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds of one step each."""
    out = tmp_path_factory.mktemp("wheel") / "f"
    return start_flywheel(recipe, out, town, (), Written())


@pytest.fixture
def copy(made: Path) -> Iterator[Path]:
    """The same folder at the same place, to be changed: put back afterwards."""
    kept = made.with_name("kept")
    shutil.copytree(made, kept, copy_function=shutil.copy2)
    yield made
    shutil.rmtree(made)
    kept.rename(made)


def test_rounds_hand_on_what_they_should(made: Path) -> None:
    first, second = Round(made, 0), Round(made, 1)
    depth, classes = (load_config(first.folder / stage / "recipe.yaml") for stage in ("depth", "segmentation"))
    assert depth.section.initialize_from is None
    assert classes.section.initialize_from == classes.section.depth == str(first.depth)
    assert classes.section.network.decoder_widths == depth.section.network.decoder_widths == (4, 4, 8, 8, 8)
    assert classes.section.pose.weights == "none"
    later, classes = (load_config(second.folder / stage / "recipe.yaml") for stage in ("depth", "segmentation"))
    assert later.section.initialize_from == str(first.depth)
    depths = str((second if second.kept("depth") else first).depth)
    assert (classes.section.initialize_from, classes.section.depth) == (str(first.segmentation), depths)
    assert (depth.train.seed, later.train.seed) == (0, 100)


def test_only_labels_of_chosen_frames_are_revealed(made: Path) -> None:
    first, second = Round(made, 0), Round(made, 1)
    assert len(first.chosen()) == 2
    assert second.chosen()[:2] == first.chosen()
    assert len(set(second.chosen())) == 4
    for one in (first, second):
        manifest = Manifest.read(one.data)
        known = {manifest.path(row).resolve() for row in range(len(manifest))
                 if manifest[row].label and manifest[row].split == "train"}  # fmt: skip
        assert known == {(made / image).resolve() for image in one.chosen()}
        assert all(row.label for row in manifest if row.split == "val")


def test_scores_have_both_tasks_of_every_round_on_the_same_frames(made: Path) -> None:
    with (made / "flywheel.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["round"], row["task"]) for row in rows] == [
        ("0", "depth"), ("0", "segmentation"), ("1", "depth"), ("1", "segmentation")
    ]  # fmt: skip
    assert [row["labels"] for row in rows] == ["0", "2", "2", "4"]
    second = [str(Round(made, 1).kept(task)) for task in ("depth", "segmentation")]
    assert [row["kept"] for row in rows] == ["True", "True", *second]
    assert {row["images"] for row in rows} == {"1"}
    assert all(float(row["abs_rel"]) > 0 for row in rows if row["task"] == "depth")
    assert all(0 <= float(row["miou"]) <= 1 for row in rows if row["task"] == "segmentation")
    digests = {row["stamp"].split("data ")[1].split(" ")[0] for row in rows}
    assert len(digests) == 1


def test_the_round_was_judged_on_frames_that_are_not_scored(made: Path) -> None:
    verdicts = [Round(made, 1).verdict(task) for task in ("depth", "segmentation")]
    measures = [measure for verdict in verdicts for measure in verdict["measures"]]
    assert [(one["name"], one["on"], one["frames"]) for one in measures] == [
        ("abs_rel", "measured depth of frames set aside", 2), ("miou", "labels set aside", 2)
    ]  # fmt: skip
    for verdict, one in zip(verdicts, measures, strict=True):
        loss = (one["before"] - one["now"]) * (1 if one["higher"] else -1)
        assert one["difference"] == one["now"] - one["before"]
        assert verdict["kept"] is (loss <= one["error"])


BETTER = Measure("miou", "labels", 0.5, 0.6, True, 2, 0.0)
WORSE = replace(BETTER, now=0.1)


def judged_as(monkeypatch: pytest.MonkeyPatch, refused: set[tuple[int, str]]) -> None:
    """The gate finds these tasks of rounds worse and all others better."""
    monkeypatch.setattr(
        gate, "_measure",
        lambda gate, frames, rounds, pair, task, device: WORSE if (pair[1].number, task) in refused else BETTER,
    )  # fmt: skip


def kept_of(home: Path) -> dict[tuple[str, str], str]:
    with (home / "flywheel.csv").open(encoding="utf-8") as file:
        return {(row["round"], row["run"]): row["kept"] for row in csv.DictReader(file)}


def test_a_refused_task_is_passed_over_and_the_other_goes_on(
    copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The second round's depth is refused before anything is made of it; its segmentation is kept."""
    caplog.set_level("INFO")
    shutil.rmtree(copy / "round-1")
    first, second, last = (Round(copy, number) for number in range(3))
    judged_as(monkeypatch, {(1, "depth")})
    said: list[str] = []

    def selected(run: Path, *asked: Any, **how: Any) -> Any:
        said.append(str(run))
        return select(run, *asked, **how)

    monkeypatch.setattr(flywheel, "select", selected)
    resume_flywheel(copy, {"flywheel.rounds": 3, "flywheel.label_files": False}, Written())
    assert said == [str(first.depth), str(last.depth)], "frames are chosen by the depth that is kept"
    classes = load_config(second.segmentation / "recipe.yaml")
    assert (classes.section.initialize_from, classes.section.depth) == (str(first.segmentation), str(first.depth))
    depth, classes = (load_config(last.folder / stage / "recipe.yaml") for stage in ("depth", "segmentation"))
    assert (depth.section.initialize_from, classes.section.depth) == (str(first.depth), str(last.depth))
    assert classes.section.initialize_from == str(second.segmentation)
    assert kept_of(copy) == {
        ("0", "depth"): "True", ("0", "segmentation"): "True", ("1", "depth"): "False",
        ("1", "segmentation"): "True", ("2", "depth"): "True", ("2", "segmentation"): "True",
    }  # fmt: skip
    assert f"the result: depth of round 2 ({last.depth}) and segmentation of round 2" in caplog.text


def test_a_refused_segmentation_leaves_the_depth(
    copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopped between training and judging; the call that goes on judges, and the result is of two rounds."""
    caplog.set_level("INFO")
    second = Round(copy, 1)
    verdict = second.verdict("depth")
    second.verdict_file.write_text(json.dumps({"depth": verdict | {"kept": True}}), encoding="utf-8")
    for place in (second.segmentation, second.labels):
        if place.is_dir():
            shutil.rmtree(place)
    judged_as(monkeypatch, {(1, "segmentation")})
    resume_flywheel(copy, (), Written())
    assert [second.kept(task) for task in ("depth", "segmentation")] == [True, False]
    assert kept_of(copy)["1", "segmentation"] == "False"
    result = f"the result: depth of round 1 ({second.depth}) and segmentation of round 0"
    assert result in caplog.text
    caplog.clear()
    resume_flywheel(copy, (), Written())
    assert result in caplog.text
    assert "kept" not in caplog.text


def test_a_folder_whose_rounds_were_judged_as_a_whole_goes_on(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier versions left it: round 1 refused, its segmentation made with its own depth."""
    first, second = Round(copy, 0), Round(copy, 1)
    asked = second.verdict("depth")["asked"]
    asked = {key: asked[key] for key in ("by", "frames", "margin", "against")}
    weights = [find_checkpoint(run).identity() for one in (first, second) for run in (one.depth, one.segmentation)]
    old = {"kept": False, "against": 0, "because": "abs_rel", "measures": [], "asked": asked | {"weights": weights}}
    second.verdict_file.write_text(json.dumps(old), encoding="utf-8")
    judged_as(monkeypatch, set())
    resume_flywheel(copy, {"flywheel.rounds": 3, "flywheel.label_files": False}, Written())
    assert json.loads(second.verdict_file.read_text(encoding="utf-8")) == old
    last = Round(copy, 2)
    depth, classes = (load_config(last.folder / stage / "recipe.yaml") for stage in ("depth", "segmentation"))
    assert depth.section.initialize_from == str(first.depth)
    assert classes.section.initialize_from == str(first.segmentation)
    assert last.chosen()[:4] == second.chosen()  # labels that were made are used
    assert {key: kept for key, kept in kept_of(copy).items() if kept == "False"}.keys() == {
        ("1", "depth"), ("1", "segmentation")
    }  # fmt: skip


def test_noisy_labels_of_kept_rounds_are_there(made: Path) -> None:
    for number in [one for one in (0, 1) if Round(made, one).kept("segmentation")]:
        folder = Round(made, number).labels
        assert len(list((folder / "labels").rglob("*.png"))) == len(list((folder / "confidence").rglob("*.png"))) == 12


def test_a_second_call_repeats_nothing(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    pages = Written()
    resume_flywheel(copy, (), pages)
    after = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed == {"recipe.yaml"}  # the flywheel's own, with the same content
    assert after[copy / "round-0" / "depth" / "recipe.yaml"] == before[copy / "round-0" / "depth" / "recipe.yaml"]
    assert pages == []


def test_stopped_within_a_round_it_goes_on_to_the_same_numbers(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = (copy / "flywheel.csv").read_text(encoding="utf-8")
    for name in ("segmentation", "labels", "scores.json", "labelled.json", "data.parquet"):
        place = copy / "round-1" / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    shutil.rmtree(copy / "round-1" / "selection")

    def stopped(*args: Any, **kwargs: Any) -> None:
        raise Interrupted("stopped at step 1 of 2; vergence train --resume inner goes on.", 143)

    with monkeypatch.context() as patch:
        patch.setattr(run_chain, "train", stopped)
        with pytest.raises(Interrupted, match=r"stopped in a flywheel; vergence train --resume .*/f goes on") as stop:
            resume_flywheel(copy, (), Written())
        assert stop.value.exit_code == 143
    pages = Written()
    resume_flywheel(copy, (), pages)
    assert (copy / "flywheel.csv").read_text(encoding="utf-8") == scores
    assert ("run", "segmentation") in pages
    assert pages[-1] == ("flywheel", "f")


def test_changed_settings_are_one_sentence(copy: Path) -> None:
    asked = {
        "--flywheel.seed 1": r"round-0/depth was trained with train.seed 0, not 1; .* remove it",
        "--flywheel.labels.per_round 1": r"selection was made with flywheel.labels.per_round \(or total\) 2, not 1",
        "--flywheel.segmentation.overrides.optim.lr 0.5": r"segmentation was trained with optim.lr 0.0001, not 0.5",
        "--flywheel.data elsewhere": r"was made with flywheel.data .*, not .*elsewhere",
    }
    before = (copy / "recipe.yaml").read_text(encoding="utf-8")
    for words, message in asked.items():
        with pytest.raises(InputError, match=message):
            resume_flywheel(copy, words.split(), Written())
    assert (copy / "recipe.yaml").read_text(encoding="utf-8") == before
    shutil.rmtree(copy / "round-0" / "depth")
    with pytest.raises(InputError, match=r"round-0/depth is missing, and .*round-0/selection, which was made after it"):
        resume_flywheel(copy, (), Written())


def test_the_folder_of_a_flywheel_is_not_overwritten(made: Path, recipe: Path, town: Path) -> None:
    with pytest.raises(InputError, match=r"exists and is not empty; go on with --resume"):
        start_flywheel(recipe, made, town, (), Written())
    assert is_flywheel_folder(made)
    assert not is_flywheel_folder(made / "round-0" / "depth")


def test_without_exchange_depth_trains_as_long_and_sees_no_labels(made: Path) -> None:
    config = load_flywheel(made / "recipe.yaml", {"flywheel.exchange": False}).flywheel
    rounds = [Round(made, number) for number in range(2)]
    control, hinted = (
        Trainings(replace(config, exchange=exchange), rounds).of("depth", 1) for exchange in (False, True)
    )
    assert control.recipe == "depth-toytown-tiny"
    assert control.train.steps == hinted.train.steps == 2
    assert control.optim == hinted.optim
    assert hinted.optim.lr == 0.002
    assert control.section.initialize_from == str(rounds[0].depth)


def test_a_copy_of_the_first_round_begins_the_control(made: Path) -> None:
    control = made.with_name("control")
    control.mkdir()
    for name in ("recipe.yaml", "data.parquet"):
        shutil.copy2(made / name, control / name)
    shutil.copytree(made / "round-0", control / "round-0", copy_function=shutil.copy2)
    before = (control / "round-0" / "segmentation" / "checkpoints" / "LATEST").stat().st_mtime_ns
    resume_flywheel(
        control, {"flywheel.exchange": False, "flywheel.rounds": 1, "flywheel.label_files": False}, Written()
    )
    assert (control / "round-0" / "segmentation" / "checkpoints" / "LATEST").stat().st_mtime_ns == before
    with (control / "flywheel.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["exchange"] for row in rows} == {"False"}
    assert next(row["labels"] for row in rows if row["run"] == "depth") == "0"  # though labels lie beside it by now


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--train.steps 5", r"--train.steps is a setting of a training, and a flywheel has several; write --flywheel"),
        ("--flywheel.overrides.train.stops 5", r"key 'train.stops' .* did you mean 'train.steps'"),
        ("--flywheel.depth.overrides.network.encodr x", r"did you mean 'network.encoder'"),
        ("--flywheel.round 5", r"did you mean 'flywheel.rounds'"),
        ("--flywheel.rounds many", r"flywheel.rounds is 'many'.*expected an integer"),
        ("--flywheel.rounds 0", r"flywheel.rounds is 0; give 1 or more"),
        ("--flywheel.depth.recipe supervised-toytown", r"learns no depth"),
        ("--flywheel.segmentation.recipe depth-toytown", r"learns no segmentation"),
        ("--flywheel.labels.per_round 100", r"is to reveal 200 labels and .* has 8 training frames with a label"),
        ("--flywheel.labels.per_round 0", r"there is no label to learn from; set flywheel.labels.per_round"),
    ],
)  # fmt: skip
def test_bad_settings_are_told_before_anything_is_written(
    words: str, message: str, recipe: Path, town: Path, tmp_path: Path
) -> None:
    out = tmp_path / "f"
    with pytest.raises(InputError, match=message):
        start_flywheel(recipe, out, town, words.split(), Written())
    assert not out.exists()


def test_overrides_of_the_command_line_join_those_of_the_recipe(recipe: Path, town: Path) -> None:
    words = ["--flywheel.overrides.train.steps", "7", "--flywheel.depth.overrides.optim.lr=1e-3"]
    config = load_flywheel(recipe, words, town).flywheel
    assert config.overrides["train.steps"] == 7
    assert config.overrides["frames.batch_size"] == 2
    assert config.depth.overrides["optim.lr"] == 1e-3
    nested = {"flywheel": {"overrides": {"train": {"steps": 7}}, "depth.overrides.optim.lr": 0.5}}
    again = load_flywheel(recipe, nested, town).flywheel
    assert again.overrides == config.overrides
    assert again.depth.overrides["optim.lr"] == 0.5
    assert "train.steps" in load_flywheel(recipe, (), town).flywheel.hinted_depth.overrides
    assert "train.steps" not in config.hinted_depth.overrides  # what is asked for all is for this one, too
    assert "train.steps" not in again.hinted_depth.overrides


def test_held_back_frames_have_both_truths(made: Path) -> None:
    config = load_flywheel(made / "recipe.yaml").flywheel
    data = Manifest.read(made / "data.parquet")
    assert {row.split for row in held_back(config, data)} == {"val"}
    partly = data.changed(lambda row: replace(row, label="") if row.position == 0 else row)
    assert [row.position for row in held_back(config, partly)] == [1, 2, 3]


def test_an_annotator_is_told_which_frames_to_label(recipe: Path, town: Path, tmp_path: Path) -> None:
    """No label in the data: the flywheel stops in each round until the chosen frames are labelled."""
    truth = Manifest.read(next(town.parent.rglob("manifest.parquet"))) if town.is_dir() else Manifest.read(town)
    unlabelled = truth.changed(lambda row: replace(row, label="") if row.split == "train" else row)
    data, out = unlabelled.write(tmp_path / "bare.parquet"), tmp_path / "f"
    words = {"flywheel.rounds": 1, "flywheel.label_files": False}
    with pytest.raises(InputError, match=r"round 0 waits for labels of 2 frames .* --resume .*f\.") as told:
        start_flywheel(recipe, out, data, words, Written())
    assert "selection.parquet --to cvat" in str(told.value)
    one = Round(out, 0)
    assert (out / "flywheel.csv").is_file()  # depth of this round
    assert not one.chosen_file.exists()
    assert load_flywheel(out / "recipe.yaml").flywheel.labels.by == "annotator"
    chosen = Manifest.read(one.selection / "selection.parquet")
    own = {truth.path(row).resolve(): truth.path(row, "label") for row in range(len(truth))}
    space = truth[0].label_space
    back = [
        replace(row, label=str(own[chosen.path(place).resolve()]), label_space=space)
        for place, row in enumerate(chosen)
    ]  # fmt: skip
    Manifest(back[:1], chosen.root).write(one.selection / "labelled.parquet")
    with pytest.raises(InputError, match=r"waits for labels of 1 frames"):
        resume_flywheel(out, (), Written())
    Manifest(back, chosen.root).write(one.selection / "labelled.parquet")
    resume_flywheel(out, (), Written())
    assert read_list(one.chosen_file) == one.new() != []
    assert sum(bool(row.label) for row in Manifest.read(one.data) if row.split == "train") == 2
    assert not one.labels.exists()


def test_one_process_only(recipe: Path, town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match=r"one process; start it without torchrun"):
        start_flywheel(recipe, tmp_path / "f", town, (), Written())
    assert flywheel.__doc__
