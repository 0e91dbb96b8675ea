"""Settings of losses are read without PyTorch, and their defaults are the published ones."""

import dataclasses
import subprocess
import sys

import pytest

from vergence.settings import losses
from vergence.settings.losses import ViewLossOptions


def test_the_defaults_of_view_synthesis_are_monodepth2s() -> None:
    options = ViewLossOptions()
    assert (options.min_depth, options.max_depth, options.ssim_weight) == (0.1, 100.0, 0.85)
    assert (options.reduction, options.automask, options.smoothness) == ("min", True, 1e-3)


def test_settings_cannot_be_changed_behind_a_method() -> None:
    kinds = [one for one in vars(losses).values() if dataclasses.is_dataclass(one)]
    assert len(kinds) > 3
    for kind in kinds:
        settings = kind()
        name = dataclasses.fields(kind)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, name, None)


def test_no_settings_import_pytorch() -> None:
    code = "import sys; from vergence.settings import losses, networks, protocols; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
