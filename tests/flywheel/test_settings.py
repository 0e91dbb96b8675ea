"""Settings of a flywheel: its budget."""

from dataclasses import replace

import pytest

from vergence.errors import InputError
from vergence.flywheel.settings import FlywheelConfig, load_flywheel


def test_the_budget() -> None:
    labels = replace(FlywheelConfig().labels, per_round=10, total=25)
    config = FlywheelConfig(labels=labels)
    assert [config.new_labels(number) for number in range(4)] == [10, 10, 5, 0]
    assert [FlywheelConfig().new_labels(number) for number in range(4)] == [10] * 4
    with pytest.raises(InputError, match=r"criterion is 'dss' .did you mean 'ds'"):
        FlywheelConfig(labels=replace(labels, criterion="dss"))


def test_data_are_kept_as_an_address_or_an_absolute_path() -> None:
    for data in ("s3://frames/town.parquet", "/data/town.csv"):
        assert load_flywheel("flywheel-toytown-tiny", {}, data).flywheel.data == data
