"""Names of the criteria: a flywheel takes all of them and no other, and the command's help tells them."""

from dataclasses import replace

import pytest

from vergence.arguments import argument_texts
from vergence.errors import InputError
from vergence.flywheel.settings import FlywheelConfig
from vergence.labelling import select
from vergence.selection.criteria import CRITERIA


@pytest.mark.parametrize("name", CRITERIA)
def test_a_flywheel_takes_it_and_the_help_tells_it(name: str) -> None:
    labels = FlywheelConfig().labels
    assert FlywheelConfig(labels=replace(labels, criterion=name)).labels.criterion == name
    assert name in argument_texts(select)["criterion"]
    with pytest.raises(InputError, match=f"{name}x"):
        FlywheelConfig(labels=replace(labels, criterion=f"{name}x"))
