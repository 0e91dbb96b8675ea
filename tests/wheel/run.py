"""``python -m tests.wheel.run WHEEL``: installs a wheel in a fresh environment and uses it there.

Packages that it needs are those of the environment that this runs in: only the wheel itself is installed. Nothing of
the source lies on the way: the folder of work is another, and the wheel comes first on the path.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

STEPS = (
    "--version",
    "--help",
    "recipes",
    "recipes depth-toytown-tiny",
    "train depth-toytown-tiny --help",
    "index toytown town --out town.parquet --train 2 --val 1 --frames 5",
    "train depth-toytown-tiny --data town.parquet --out run --train.steps 2 --frames.workers 0 --frames.batch_size 2",
    "predict run town/clear --limit 2 --out predictions",
    "report run --images 1",
)
"""Commands of the program, in order."""
ROAD = (
    "doctor",
    "export run --to onnx --out model.onnx",
    "predict model.onnx town/clear --limit 2 --out of_the_file",
    "demo --labels 0 --recipe depth-toytown-tiny --train.steps 2 --frames.workers 0 --limit 2 --out demo",
)
"""What takes minutes, or needs more packages."""
FROM = "import vergence, pathlib; print(pathlib.Path(vergence.__file__).parent); vergence.losses.berhu, vergence.load"


def environment(folder: Path, wheel: Path) -> Path:
    """A fresh environment with the wheel alone; its folder of programs."""
    venv.EnvBuilder(with_pip=True).create(folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    install = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--no-index", "--no-deps", wheel.resolve()], check=True)
    packages = subprocess.run(
        [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    Path(packages, "packages_of_the_tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return programs


def check(wheel: Path, folder: Path, steps: Sequence[str] = STEPS) -> Path:
    """Use the wheel; the folder of what came of it.

    Raises:
        CalledProcessError: a command failed.
        AssertionError: another vergence than the wheel's answered.
    """
    programs = environment(folder / "env", wheel)
    work = folder / "work"
    work.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean["VERGENCE_CACHE"] = str(folder / "cache")
    place = subprocess.run(
        [programs / "python", "-c", FROM], check=True, cwd=work, env=clean, capture_output=True, text=True
    ).stdout.strip()
    assert Path(place).is_relative_to((folder / "env").resolve()), f"{place} is not the wheel"
    for words in steps:
        print(f"$ vergence {words}", flush=True)
        subprocess.run([programs / "vergence", *words.split()], check=True, cwd=work, env=clean)
    return work


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        work = check(Path(sys.argv[1]), Path(folder), STEPS + ROAD)
        assert (work / "demo" / "run" / "report.html").is_file()
    print("the wheel works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
