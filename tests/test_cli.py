"""The command line: its grammar, its speed, and one sentence for each mistake."""

import functools
import inspect
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import vergence
from tests.command_line import sentence
from vergence import api
from vergence.cli import COMMANDS, functions, main
from vergence.data.layouts import find_layout
from vergence.errors import InputError, Interrupted

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    words = ["train", folder / "tiny.yaml", "--out", folder / "run", "--data", folder / "manifest.csv"]
    assert main([str(word) for word in words]) == 0
    return folder / "run"


def test_help_and_version_are_quick_and_import_no_torch() -> None:
    for word in ("--help", "--version"):
        start = time.perf_counter()
        program = (
            f"import sys; from vergence.cli import _NO_MEMORY, main; code = main(['{word}']); "
            "assert 'torch' not in sys.modules; sys.exit(code)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
        assert time.perf_counter() - start < 2  # well under one on a machine with nothing else to do
        assert vergence.__version__ in done.stdout


def test_every_verb_is_a_function_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for verb in COMMANDS:
        for words, function in functions(verb).items():
            assert callable(function)
            assert f"  {words} " in overview
            assert main([*words.split(), "--help"]) == 0
            assert f"vergence {words}" in capsys.readouterr().out
        assert main([verb, "--help"]) == 0
        assert f"vergence {verb}" in capsys.readouterr().out


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tran"], "did you mean train?"),
        (["xyzzy"], "there are demo, scan"),
        (["train"], "needs RECIPE and --out;"),
        (["train", "depth-kitti"], "needs --out;"),
        (["train", "depth-kitty", "--out", "new"], "did you mean 'depth-kitti'?"),
        (["train", "depth-kitti", "--out", "new", "--train.stps", "3"], "did you mean 'train.steps'?"),
        (["train", "depth-kitti", "--out", "new", "--steps", "3"], "did you mean 'train.steps'?"),
        (["train", "depth-kitti", "--out", "new", "--train.steps", "few"], "an integer"),
        (["train", "depth-kitti", "--out", "new", "--frames.options.offsets", "-1", "1"], "such as '[-1, 1]'"),
        (["demo", "--train.trackers", "wandb", "tensorboard"], "'tensorboard' is one word too many"),
        (["train", "depth-kitti", "--out", "new"], "--data"),
        (["train", "depth-kitti", "--out", "new", "--data", "nowhere"], "nowhere"),
        (["train", "--resume", "nothing"], "nothing"),
        (["train", "--resume"], "has no value"),
        (["train", "depth-kitti", "--resume", "nothing"], "leave out depth-kitti"),
        (["evaluate"], "needs RUN;"),
        (["evaluate", "nothing"], "nothing does not exist"),
        (["evaluate", "nothing", "--protocl", "eigen"], "did you mean --protocol?"),
        (["evaluate", "nothing", "--limit", "few"], "limit is 'few' in the command line; expected an integer or null."),
        (["predict", "nothing", "image.png", "--out", "new"], "nothing does not exist"),
        (["predict", "nothing", "image.png"], "needs --out;"),
        (["report", "nothing"], "nothing"),
        (["scan", "nothing"], "nothing"),
        (["scan"], "needs INPUTS;"),
        (["index", "floder", ".", "--out", "m.csv"], "did you mean 'folder'?"),
        (["index", "floder", "--help"], "did you mean 'folder'?"),
        (["index", "folder"], "needs ROOT and --out;"),
        (["index", "folder", "nothing", "--out", "m.csv"], "nothing"),
        (["index", "folder", ".", "--out", "m.csv", "--splt", "true"], "did you mean --split?"),
        (["convert", "nothing", "--from", "monodepth3", "--out", "new"], "did you mean 'monodepth2'?"),
        (["convert", "nothing", "--out", "new"], "nothing does not exist"),
        (["labels", "exprt"], "did you mean export?"),
        (["labels", "xyz"], "there are export, import, propagate"),
        (["labels", "export", "m.csv", "--out", "new"], "needs --to;"),
        (["labels", "export", "m.csv", "--to", "png", "--out", "new"], "m.csv"),
        (["labels", "export", "m.csv", "--to", "png", "--out", "new", "--rn", "x"], "did you mean --run?"),
        (["labels", "import", "nothing"], "needs --data and --out;"),
        (["labels", "import", "nothing", "--data", "m.csv", "--out", "n.csv"], "m.csv"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in sentence(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_train_resume_and_run_folders_that_exist(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--resume" in sentence(capsys, "train", run.parent / "tiny.yaml", "--out", run)
    assert main(["train", f"--resume={run}", "--train.steps=13"]) == 0
    assert main(["resume", str(run), "--train.steps", "14"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(run), str(run)]
    assert "step 14/14" in captured.err


def test_evaluate_writes_what_it_prints(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", run, "--json", tmp_path / "result.json", "--device", "cpu", "--flip", "--limit", "2"]
    assert main([str(word) for word in words]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["flip"] is True
    assert result["images"] == 2
    assert f"{result['rows'][0]['abs_rel']:.3f}" in capsys.readouterr().out


def test_evaluate_prints_odometry_as_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"sequence": "street003", "ate_sfmlearner": 0.0123, "t_err": None, "frames": 40}
    result = {"rows": [], "odometry": {"stamp": "5 frames", "sequences": [row]}}
    monkeypatch.setattr(api, "evaluate", functools.wraps(api.evaluate)(lambda *words, **more: result))
    assert main(["evaluate", "run"]) == 0
    printed = capsys.readouterr().out
    assert "0.0123" in printed
    assert "{" not in printed


def test_predict_report_and_scan(run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["predict", str(run), str(folder / "image"), "--out", str(tmp_path / "depth"), "--colour", "false"]) == 0
    )
    assert len(list((tmp_path / "depth" / "depth").glob("*.png"))) == 10
    assert main(["report", str(run), "--out", str(tmp_path / "page.html"), "--images", "0"]) == 0
    assert (tmp_path / "page.html").is_file()
    assert main(["scan", str(folder / "manifest.csv"), "--json", str(tmp_path / "scan.json")]) == 0
    assert "summary" in json.loads((tmp_path / "scan.json").read_text())
    printed = capsys.readouterr().out
    assert "depth unscaled" in printed
    assert "(unscaled)" not in printed


@pytest.mark.parametrize("words", [["toytown", "--help"], ["toytown", "town", "-h"]])
def test_help_of_a_layout_lists_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["index", *words]) == 0
    text = capsys.readouterr().out
    for name in ("out", *list(inspect.signature(find_layout("toytown")).parameters)[1:]):
        assert f"  --{name} " in text
    assert list(tmp_path.iterdir()) == []


def test_a_demo_with_other_settings_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["--recipe", "tiny", "--train.seed", "77"], "train.seed 0, not 77"),
        (["--recipe", "tiny", "--train.seed=77"], "train.seed 0, not 77"),
        ([], "with tiny, not depth-toytown-demo"),
    ):
        assert said in sentence(capsys, "demo", "--out", run.parent, *words)
    assert not (run.parent / "town").exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("that is wrong."), 2, "vergence: that is wrong."),
        (OSError(28, "No space left on device", "out.png"), 2, "vergence: out.png: No space left on device."),
        (Interrupted("stopped at step 3.", 143), 143, "vergence: stopped at step 3."),
        (KeyboardInterrupt(), 130, "vergence: interrupted."),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    @functools.wraps(api.report)
    def fail(*arguments: Any, **keywords: Any) -> None:
        raise error

    monkeypatch.setattr(api, "report", fail)
    assert main(["report", "run"]) == code
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory\n[C++]")])
def test_too_little_memory_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    @functools.wraps(api.report)
    def fail(*arguments: Any, **keywords: Any) -> None:
        raise error

    monkeypatch.setattr(api, "report", fail)
    said = sentence(capsys, "report", "run")
    assert "there is not enough memory (" in said
    assert "--resume: what was done stays" in said


def test_programming_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @functools.wraps(api.report)
    def fail(*arguments: Any, **keywords: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(api, "report", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["report", "run"])


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("note", 0), ("broken", 1)])
def test_doctor_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: Any, code: int
) -> None:
    from vergence.doctor import Check

    found = functools.wraps(api.doctor)(lambda: [Check("thing", status, "[as] it is")])
    monkeypatch.setattr(api, "doctor", found)
    assert main(["doctor"]) == code
    assert "thing: [as] it is" in capsys.readouterr().out


def test_python_m_vergence() -> None:
    done = subprocess.run([sys.executable, "-m", "vergence", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"vergence {vergence.__version__}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are other there")
def test_a_reader_that_went_away_is_no_success() -> None:
    """The work may have stopped half way: ``vergence predict ... | head -1`` in a script with pipefail."""
    command = [sys.executable, "-m", "vergence", "recipes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        said = program.stderr.read()
    assert (program.returncode, said) == (141, b"")
