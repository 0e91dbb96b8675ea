"""Processes that were started on their own say where they differ, each of them the same."""

from typing import Any

import pytest

from vergence.errors import InputError
from vergence.runs.config import load_config
from vergence.runs.processes import Processes
from vergence.training.agreement import check_data_agree, check_settings_agree

RECIPE = "supervised-toytown-tiny"


class Pair(Processes):
    """Two processes, the second of which was given something else."""

    def __init__(self, **other: object) -> None:
        super().__init__(0, 2)
        vars(self).update(other=other, gathered={})

    def gather(self, value: Any) -> list[Any]:
        vars(self)["gathered"] = value
        return [value, value | vars(self)["other"]]


@pytest.mark.parametrize(
    ("name", "own", "other"), [("train.seed", 3, 9), ("frames.batch_size", 4, 2), ("method", "supervised", "corda")]
)
def test_what_changes_numbers_is_named(name: str, own: object, other: object) -> None:
    config = load_config(RECIPE, {"train.seed": 3, "frames.batch_size": 4})
    check_settings_agree(config, Pair())
    with pytest.raises(InputError, match=rf"processes 0 and 1 .* differ in {name} \({own} and {other}\); start all"):
        check_settings_agree(config, Pair(**{name: other}))


def test_another_version_is_named() -> None:
    with pytest.raises(InputError, match=r"differ in the version of Vergence \(.* and 0\.0\)"):
        check_settings_agree(load_config(RECIPE), Pair(**{"the version of Vergence": "0.0"}))


def test_each_may_have_its_own_copy_of_the_data_and_its_own_device() -> None:
    pair = Pair()
    check_settings_agree(load_config(RECIPE), pair)
    compared = set(vars(pair)["gathered"])
    assert {"optim.lr", "frames.train_split", "train.steps"} <= compared
    assert not {"frames.source", "frames.val", "frames.workers", "train.device"} & compared


def test_rows_are_compared_and_files_are_not() -> None:
    pair = Pair()
    check_data_agree({"training": "a", "labelled": "b", "labelled files": "c"}, pair)
    assert vars(pair)["gathered"] == {"the training frames": "a", "the labelled frames": "b"}
    with pytest.raises(InputError, match=r"differ in the training frames \(a and z\)"):
        check_data_agree({"training": "a"}, Pair(**{"the training frames": "z"}))


def test_one_process_agrees_with_itself() -> None:
    check_settings_agree(load_config(RECIPE), Processes())
