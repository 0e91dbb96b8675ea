"""A part of the malformed inputs; ``make fuzz`` runs all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.harness import ACCEPTED, REFUSED
from tests.fuzz.inputs import all_cases
from tests.fuzz.settled import HARMLESS

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each input runs in a fork")
def test_malformed_inputs(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-m", "tests.fuzz.run", "--quick", "--jobs", "1", "--place", str(tmp_path / "fuzz")]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    assert ", 0 faults" in done.stdout or "; 0 faults" in done.stdout


def test_what_must_become_of_every_input_is_stated() -> None:
    cases = all_cases()
    assert len(cases) > 4500
    assert {case.expect for case in cases} == {ACCEPTED, REFUSED}
    stated = {case.name for case in cases}
    harmless = {f"{kind}_{number}" for kind, numbers in HARMLESS.items() for number in numbers.split()}
    assert harmless <= stated


def test_the_watch_sees_what_it_should() -> None:
    """An input that starts a program, writes elsewhere, crashes, hangs or is accepted is told from a sound one."""
    code = "import sys; from tests.fuzz.test_fuzz import check_watch; sys.exit(check_watch())"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def check_watch() -> int:
    """Run by the test in a process of its own, for it forks."""
    import signal
    import tempfile
    from collections.abc import Callable, Sequence

    from tests.fuzz.harness import Case, Outcome, run_all
    from vergence import cli

    def answering(act: Callable[[], object]) -> Callable[[Sequence[str]], int]:
        return lambda words: (act(), 0)[1]

    elsewhere = tempfile.mktemp()
    acts: dict[str, tuple[Callable[[], object], str]] = {
        "accepted": (lambda: None, "accepted nonsense"),
        "traceback": (lambda: 1 / 0, "traceback"),
        "crash": (lambda: os.kill(os.getpid(), signal.SIGSEGV), "crash by signal 11"),
        "program": (lambda: os.system("gs"), "starts a program"),
        "canary": (lambda: os.spawnlp(os.P_WAIT, "gs", "gs"), "starts"),
        "outside": (lambda: Path(elsewhere).write_text("x"), "opens for writing"),
        "beside": (lambda: Path("../evil").write_text("x"), "writes evil"),
        "escape": (lambda: print("\x1b[31m"), "control characters"),
    }
    missed = []
    with tempfile.TemporaryDirectory() as place:
        for name, (act, expected) in acts.items():
            cli.main = answering(act)  # type: ignore[assignment]
            outcomes: list[Outcome] = []
            case = Case(name, ["scan"], lambda folder, rng: None)
            run_all([case], Path(place), Path(place) / name, 1, outcomes.append)
            if not any(expected in fault for fault in outcomes[0].faults):
                missed.append(f"{name}: {outcomes[0].faults}")
    Path(elsewhere).unlink(missing_ok=True)
    print("\n".join(missed))
    return len(missed)
