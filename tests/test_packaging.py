"""What is published: description, metadata, what the wheel holds, container, versions."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from types import ModuleType

import pytest

import vergence
from tests.wheel.run import check

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RELATIVE = re.compile(r"\]\((?![a-z]+:|#)[^)]*\)")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="packages are made by hatchling: pip install 'vergence[dev]'")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("build", "hatchling"):
        pytest.importorskip(package, reason="packages are made by build and hatchling: pip install 'vergence[dev]'")
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_description_has_no_relative_links(wheel: Path) -> None:
    text = str(metadata(wheel).get_payload())
    assert text.startswith("# Vergence")
    assert not RELATIVE.search(text)
    assert "<img" not in text


def test_links_of_the_description(hook: ModuleType) -> None:
    assert RELATIVE.search(README), "the README has relative links, for readers of the source"
    hosted = hook.index_readme(README, "https://host/o/vergence/", "1.2.3")
    assert not RELATIVE.search(hosted)
    assert "](https://host/o/vergence/raw/v1.2.3/docs/images/first.png)" in hosted
    assert "[scan](https://host/o/vergence/blob/v1.2.3/docs/scan.md)" in hosted
    plain = hook.index_readme(README, None, "1.2.3")
    assert not RELATIVE.search(plain)
    assert "![" not in plain
    assert "| scan |" in plain


def test_what_the_wheel_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "vergence").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"vergence/py.typed", "vergence/recipes/depth-video.yaml", "vergence/report/page.html.j2"} <= wanted
    assert "vergence/data/classes/cityscapes19.yaml" in wanted
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names if "/licenses/" in name}


def test_metadata(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Version"] == vergence.__version__
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Description-Content-Type"] == "text/markdown"
    assert told["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert set(told.get_all("Provides-Extra", [])) == set(extras)


def test_versions_agree() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == vergence.__version__
    assert cited is not None
    assert cited[1] == vergence.__version__


@pytest.mark.slow
def test_the_wheel_runs_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    work = check(wheel, tmp_path)
    assert (work / "run" / "report.html").is_file()
    assert len(list((work / "predictions" / "depth").rglob("*.png"))) == 2


def test_the_container_passes_its_linter() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("the Dockerfile is checked by hadolint: pip install 'vergence[dev]'")
    done = subprocess.run([linter, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_is_of_the_page_of_installation() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    for target in re.findall(r"docker build --target (\w+)", page):
        stage = re.split(r"^FROM ", text, flags=re.MULTILINE)
        mine = next(part for part in stage if part.startswith(f"base AS {target}\n"))
        assert "\nUSER 1000\n" in mine, f"{target} runs as root"
        assert 'ENTRYPOINT ["vergence"]' in mine
        copied = [name for line in re.findall(r"^COPY (.*)$", mine, re.MULTILINE) for name in line.split()[:-1]]
        let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
        assert all(f"!{name}" in let_in and (ROOT / name).exists() for name in copied)
    assert re.findall(r"https://\S+", text)[0] in page, "torch for a CPU comes from elsewhere than the page says"
    assert len(re.findall(r"docker build --target", page)) == 2


def test_every_setting_of_a_release_has_its_file() -> None:
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "docs/releasing.md", "LICENSE", "NOTICE"):
        assert (ROOT / name).is_file(), name


def test_links_of_the_policies() -> None:
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?![a-z]+:|#)([^)#]+)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / target).is_file(), f"{name} leads to {target}"


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.stem)
def test_forms_of_issues(path: Path) -> None:
    yaml = importlib.import_module("yaml")
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= set(form)
    fields = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(fields) == len(set(fields)) >= 2
