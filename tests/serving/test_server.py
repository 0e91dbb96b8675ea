"""Beginning a server: what is wrong is one sentence, before anything is loaded."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.command_line import sentence
from vergence.runs.run_lock import LOCK, locked
from vergence.serving import server


def test_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="the extra serve is not installed")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = sentence(capsys, "serve", "run", "--port", port)
    assert said == (
        f"vergence: serve: port {port} of 127.0.0.1 is taken; stop what uses it, or give another with --port."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "70000"), "port is 70000; give 1 to 65535"), (("--host", "no such host"), "is no address of this"),
        (("--max_megabytes", "0"), "megabytes is 0"), (("--host", "203.0.113.7"), "cannot be used"),
        (("--label_studio", "ftp://x", "--port", "0"), "give its address, such as http://127.0.0.1:8080"),
    ],
)  # fmt: skip
def test_impossible_words(capsys: pytest.CaptureFixture[str], words: tuple[str, str], said: str) -> None:
    pytest.importorskip("gradio", reason="the extra serve is not installed")
    assert said in sentence(capsys, "serve", "run", *words)


def test_without_the_extra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    said = sentence(capsys, "serve", "run")
    assert said.endswith("fastapi, uvicorn, python_multipart, gradio; install with pip install 'vergence[serve]'.")


def test_the_package_and_the_verb_import_no_server() -> None:
    code = (
        "import sys, vergence; vergence.serve; import vergence.cli, vergence.serving.server; "
        "print({'fastapi', 'gradio', 'uvicorn', 'starlette', 'cvat_sdk'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="there are no locks here")
def test_folders_of_killed_servers_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive, killed, open_to_all, without_locks = (Path(tempfile.mkdtemp(prefix="vergence-serve-")) for _ in range(4))
    strange = Path(tempfile.mkdtemp(prefix="other-"))
    for folder in (killed, strange, open_to_all):
        (folder / LOCK).write_text("1\n")
        (folder / "upload.jpg").write_text("a stranger's")
    open_to_all.chmod(0o777)
    (without_locks / LOCK).touch()
    trap = tmp_path / "vergence-serve-trap"
    trap.symlink_to(strange)
    with locked(alive), server.own_folder() as mine:
        assert mine.parent == tmp_path.resolve()
        kept = {alive, strange, open_to_all, without_locks, trap}
        assert {path for path in tmp_path.iterdir() if path != mine} == kept
        with server.own_folder() as second:  # beside the first, which it leaves alone
            assert mine.is_dir()
            assert mine != second
    assert not mine.exists()
    assert (strange / "upload.jpg").is_file()
