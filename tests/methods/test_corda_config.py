"""Settings of CorDA that contradict each other."""

from typing import Any

import pytest

from tests.methods.toy_corda import build
from vergence.errors import InputError
from vergence.methods.corda_config import CordaConsistencyConfig


@pytest.mark.parametrize(
    ("variant", "changes", "said"),
    [
        ("multitask", {}, "corda.difficulty per_image compares two depth decoders, and network.variant multitask has"),
        ("dacs", {}, "network.variant dacs has no depth; set corda.depth to false"),
        ("synthia", {"adapt": False, "evaluate": "teacher"}, "evaluate is teacher and there is none"),
        ("noatt", {"difficulty": "off", "pseudo_head": "initial"}, "pseudo_head initial takes an initial head"),
        ("synthia", {"target_depth": ""}, "corda.target_depth is empty; set it to measured"),
        (
            "synthia",
            {"source_depth": "estimate", "consistency": CordaConsistencyConfig(mix="depthmix")},
            "different units; set corda.align_depth to median",
        ),
        ("synthia", {"rare_class_temperature": -1.0}, "rare_class_temperature is -1; give a positive number"),
        ("synthia", {"source_size": (720, 1280)}, "corda.source_size makes source frames of another size"),
    ],
)
def test_settings_that_contradict(variant: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build(variant, **changes)
