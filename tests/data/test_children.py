import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import LISTED, children, ended, waited_for

POOL = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from vergence.data.children import end_with_parent
def greet(name):
    Path(sys.argv[1], name).touch()
    time.sleep(0.5)  # so that the other has one to do, too
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=end_with_parent) as pool:
        list(pool.map(greet, ("first", "second")))
        Path(sys.argv[1], "idle").touch()
        time.sleep(600)
"""
TOWN = """
import sys
from vergence.data.toytown import write
from vergence.data.toytown.options import TownOptions
if __name__ == "__main__":
    options = TownOptions(width=384, height=192)
    write.write_toytown(sys.argv[1], options, {"train": 8}, frames=200, workers=2)
"""


@pytest.mark.skipif(not LISTED, reason="children are found in /proc")
@pytest.mark.parametrize(("script", "busy"), [(POOL, "idle"), (TOWN, ".clear*/**/*.jpg")])
def test_a_pool_ends_when_its_process_is_killed(tmp_path: Path, script: str, busy: str) -> None:
    (tmp_path / "script.py").write_text(script)
    place = tmp_path / "place"
    place.mkdir()
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(place)], cwd=Path(__file__).parents[2])
    try:
        assert waited_for(lambda: any(place.glob(busy)), 60)
        workers = children(process.pid)
    finally:
        process.kill()
        process.wait()
    assert len(workers) >= 2
    assert waited_for(lambda: all(ended(worker) for worker in workers), 20)
