"""Recipes become values without PyTorch, NumPy and data."""

import subprocess
import sys

PROGRAM = """
import sys
for name in ("torch", "torchvision", "timm", "torchmetrics", "numpy", "PIL", "pyarrow"):
    sys.modules[name] = None  # importing it fails
from vergence.flywheel.settings import is_flywheel, load_flywheel
from vergence.runs.config import read_config
from vergence.runs.recipe import recipe_names
for name in recipe_names(chains=True):
    if is_flywheel(name):
        load_flywheel(name, {"flywheel.rounds": 2}, "nothing.parquet")
    else:
        config = read_config(name, {"train.steps": 3, "frames.options.height": 1024}, "nothing.parquet")
        assert (config.train.steps, config.recipe) == (3, name)
        assert config.section.roles and config.section.tasks
print(len(recipe_names(chains=True)))
"""


def test_every_shipped_recipe_is_read_without_torch_and_data() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
