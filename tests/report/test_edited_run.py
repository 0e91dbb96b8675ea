"""A run folder that was edited by hand: each verb works with what is left, or says what is wrong in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.cli import main

CHECKPOINT = "checkpoints/step-00000008"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run = api.train(write_recipe(folder), folder / "run", write_frames(folder), {"train.steps": 8})
    (run / "evaluation").mkdir(exist_ok=True)
    rows = [{"name": name, "abs_rel": 0.1, "scale_median": 1.0, "scale_std": 0.1} for name in ("trained", "untrained")]
    classes = {"rows": [{"name": "trained", "miou": 0.5, "class_iou": {"car": 0.5}}], "stamp": "s", "label_space": "x"}
    odometry = {"sequences": [{"sequence": "s", "t_err": 1.0}], "stamp": "s"}
    evaluation = {"rows": rows, "segmentation": classes, "odometry": odometry, "step": 8}
    (run / "evaluation" / "plain.json").write_text(json.dumps(evaluation))
    return run


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    edit.__name__ = name
    return edit


def more(name: str, *lines: object) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        with (run / name).open("a") as file:
            file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)

    edit.__name__ = name
    return edit


def value(name: str, keys: str, new: Any) -> Callable[[Path], None]:
    """Set one value of a JSON or YAML file."""

    def edit(run: Path) -> None:
        old = (run / name).read_text()
        content = json.loads(old) if name.endswith("json") else yaml.safe_load(old)
        inner = content
        *path, last = [int(key) if key.isdigit() else key for key in keys.split(".")]
        for key in path:
            inner = inner[key]
        inner[last] = new
        (run / name).write_text(json.dumps(content) if name.endswith("json") else yaml.safe_dump(content))

    edit.__name__ = name
    return edit


def without(name: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    edit.__name__ = name
    return edit


def folder(name: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir(parents=True)

    edit.__name__ = name
    return edit


LOG, RECIPE, CONFIG, SCORES = "metrics.jsonl", "recipe.yaml", f"{CHECKPOINT}/config.json", "evaluation/plain.json"
NAN, INF = float("nan"), float("inf")
EDITS = [
    text(LOG, b"\xff\xfe\x00"),
    text(LOG, ""),
    text(LOG, "[" * 100_000),
    without(LOG),
    folder(LOG),
    more(LOG, [1], 3, None, "text", "{"),
    more(LOG, {"step": [1], "kind": "train"}, {"step": {}, "kind": []}),
    more(LOG, {"step": "NaN", "kind": "train", "loss": 1}, {"step": None, "kind": None}),
    more(LOG, '{"step": NaN, "kind": "train", "loss": 1}', '{"step": Infinity, "kind": "train", "loss": Infinity}'),
    more(LOG, '{"step": 1e999, "kind": "evaluate", "miou": NaN}'),
    more(LOG, {"step": 9, "kind": "train", "loss": "x"}),
    more(LOG, '{"step": 9, "kind": "train", "loss": 1' + "0" * 400 + "}"),
    more(LOG, '{"step": 1' + "0" * 400 + ', "kind": "train", "loss": 1}'),
    more(LOG, '{"step": 1' + "0" * 5000 + ', "kind": "train", "loss": 1}'),
    more(LOG, {"step": 9, "kind": "train", "loss\u0000<x> $\\frac{$": 1.0, "": 2.0}),
    more(LOG, {"kind": "event", "event": {"a": 1}, "message": [1], "level": 3, "digest": []}),
    more(LOG, {"kind": "event", "event": "labelled", "digest": None, "is": ["x"]}),
    more(LOG, {"kind": "event", "data": NAN}),
    more(LOG, {"step": -5, "kind": "train", "loss": -1e308}, {"step": 10**15, "kind": "train", "loss": 1e308}),
    text(RECIPE, b"\xff\xfe\x00"),
    text(RECIPE, ""),
    text(RECIPE, "[" * 20_000),
    text(RECIPE, "- a\n- b\n"),
    without(RECIPE),
    folder(RECIPE),
    text(RECIPE, "method: [1, 2]\n"),
    text(RECIPE, "method: {a: 1}\n"),
    text(RECIPE, "method: nothing\n"),
    text(RECIPE, "1: 2\nmethod: tiny\n"),
    text(RECIPE, "a: &a [*a]\n"),
    text(RECIPE, "a: !!python/object:os.system x\n"),
    text(RECIPE, "method: tiny\nframes: 3\ntrain: [1]\ntiny: x\noptim: null\n"),
    text(RECIPE, "a: 2020-99-99\n"),
    value(RECIPE, "train.steps", "many"),
    value(RECIPE, "train.steps", [3]),
    value(RECIPE, "train.steps", NAN),
    value(RECIPE, "frames.options", [1]),
    value(RECIPE, "frames.options.offsets", {"a": 1}),
    value(RECIPE, "frames.options.offsets", ["x", None, 1.5, [1]]),
    value(RECIPE, "frames.options.offsets", 3),
    value(RECIPE, "frames.options.width", "wide"),
    value(RECIPE, "frames.options.label_space", [1]),
    value(RECIPE, "recipe", {"a": [1]}),
    value(RECIPE, "train.precision", [1]),
    value(RECIPE, "frames.source", 3),
    value(RECIPE, "train.precision", {"a": 1}),
    value(RECIPE, "optim", [1]),
    value(RECIPE, "method", None),
    text(CONFIG, "[]"),
    text(CONFIG, "{"),
    text(CONFIG, "[" * 100_000),
    without(CONFIG),
    folder(CONFIG),
    value(CONFIG, "step", 8.5),
    value(CONFIG, "step", NAN),
    value(CONFIG, "config.method", [1]),
    value(CONFIG, "config.method", {"a": 1}),
    value(CONFIG, "config.tiny", [1]),
    value(CONFIG, "config.tiny.width", NAN),
    value(CONFIG, "config.tiny.width", 0),
    value(CONFIG, "config.tiny.width", -1),
    value(CONFIG, "config.tiny.width", 10**9),
    value(CONFIG, "config.frames", None),
    value(CONFIG, "config.frames.options", 3),
    value(CONFIG, "config.evaluate", []),
    value(CONFIG, "config.frames.options.height", -32),
    value(CONFIG, "config.frames.options.width", 0),
    value(CONFIG, "config.frames.options.offsets", ["x"]),
    value(CONFIG, "config.evaluate.window", [0, "a"]),
    value(CONFIG, "config.frames.options.label_space", 5),
    value(CONFIG, "config.evaluate.overlap", NAN),
    value(CONFIG, "format", []),
    value(CONFIG, "config.frames.val", 7),
    value(CONFIG, "config.train.seed", "x"),
    text("checkpoints/LATEST", b"\xff"),
    text("checkpoints/LATEST", "../../etc"),
    folder("checkpoints/LATEST"),
    without("checkpoints"),
    without(f"{CHECKPOINT}/model.safetensors"),
    without(f"{CHECKPOINT}/state.json"),
    without(f"{CHECKPOINT}/state.safetensors"),
    folder(f"{CHECKPOINT}/model.safetensors"),
    text(f"{CHECKPOINT}/state.json", '{"optimizer": []}'),
    text(f"{CHECKPOINT}/model.safetensors", b""),
    text(SCORES, b"\xff"),
    text(SCORES, "[" * 100_000),
    text(SCORES, "[]"),
    folder(SCORES),
    value(SCORES, "step", "x"),
    value(SCORES, "step", [1]),
    value(SCORES, "step", NAN),
    value(SCORES, "rows", {"a": 1}),
    value(SCORES, "rows", [1, None, "x"]),
    value(SCORES, "rows.0.name", [1]),
    value(SCORES, "rows.0.abs_rel", "x"),
    value(SCORES, "rows.0.abs_rel", INF),
    value(SCORES, "rows.1.abs_rel", 0),
    value(SCORES, "rows.1.abs_rel", 10**400),
    value(SCORES, "rows.0.name", {"a": 1}),
    value(SCORES, "segmentation", [1]),
    value(SCORES, "segmentation.rows", "ab"),
    value(SCORES, "segmentation.rows", [1]),
    value(SCORES, "segmentation.rows", {"a": 1}),
    value(SCORES, "segmentation.rows.0.class_iou", [1]),
    value(SCORES, "segmentation.rows.0.class_iou", {"car": "x"}),
    value(SCORES, "segmentation.rows.0.miou", "x"),
    value(SCORES, "segmentation.label_space", [1]),
    value(SCORES, "odometry", 3),
    value(SCORES, "odometry.sequences", [1]),
    value(SCORES, "odometry.sequences", {"a": 1}),
    value(SCORES, "odometry.sequences.0.t_err", [1]),
]
READ = {"report": (LOG, RECIPE, SCORES), "evaluate": (), "predict": (), "resume": (LOG, RECIPE)}
"""Files that a verb reads besides the checkpoint."""
CASES = [
    pytest.param(verb, edit, id=f"{verb}-{number}-{edit.__name__}")
    for verb, files in READ.items()
    for number, edit in enumerate(EDITS)
    if edit.__name__ in files or edit.__name__.startswith("checkpoints")
]


@pytest.mark.parametrize(("verb", "edit"), CASES)
def test_no_edit_is_a_traceback(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, edit: Callable[[Path], None]
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    edit(run)
    data = str(trained.parent / "manifest.csv")
    words = {
        "report": ["--images", "1"],
        "evaluate": ["--baselines", "false", "--limit", "1", "--device", "cpu"],
        "predict": [data, "--out", str(tmp_path / "out"), "--limit", "1", "--device", "cpu"],
        "resume": [],
    }[verb]
    code = main([verb, str(run), *words])
    said = capsys.readouterr().err.strip()
    assert code in (0, 2)
    if code == 2:
        last = said.splitlines()[-1]
        assert last.startswith("vergence: ")
        assert len(last) < 1000
    if verb == "report" and code == 0:
        assert (run / "report.html").read_text().rstrip().endswith("</html>")
