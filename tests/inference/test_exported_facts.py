"""What an exported file says of itself is checked when it is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from vergence.errors import InputError
from vergence.inference.exported_facts import Facts, read_facts

PATH = Path("model.onnx")
FACTS = Facts(
    name="seg", method="three_ways", recipe="three_ways-video", step=3, tasks=("depth", "segmentation"), input="uint8",
    precision="fp32", batch=None, size=(64, 96), frames={"height": 64, "width": 96, "fit": "crop"},
    outputs=("inverse_depth", "depth", "classes", "confidence"), unit="metres", scale="metric", farthest=100.0,
    camera={"fx": 0.6, "fy": 1.2, "cx": 0.5, "cy": 0.5}, label_space="toy:sky#4682b4,road#804080",
    classes=("sky", "road"), window=None, overlap=0.5, licence="that of the data", vergence="0.1.0", weights="00ff",
)  # fmt: skip


def test_facts_are_read_as_they_were_written() -> None:
    assert read_facts(FACTS.text(), PATH) == FACTS
    assert FACTS.options.fit == "crop"
    assert FACTS.space is not None
    assert FACTS.space.classes == ("sky", "road")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [64, 96]},
        {"size": {"height": 0, "width": 96}},
        {"batch": -1},
        {"tasks": ["dreams"]},
        {"tasks": ["segmentation"]},
        {"outputs": {"noise": ""}},
        {"input": "int4"},
        {"unit": "feet"},
        {"label_space": "nowhere"},
        {"label_space": None},
        {"frames": {"height": "tall"}},
        {"frames": {"hight": 64}},
        {"farthest": -1},
        {"camera": {"fx": "long"}},
        {"verified": 3},
    ],
)
def test_damage_is_one_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"says of itself is damaged .*; export the run anew") as raised:
        read_facts(json.dumps(json.loads(FACTS.text()) | changes), PATH)
    assert "\n" not in str(raised.value)


def test_other_versions_and_no_json() -> None:
    with pytest.raises(InputError, match="has format 2, this version of Vergence reads 1"):
        read_facts(json.dumps(json.loads(FACTS.text()) | {"format": 2}), PATH)
    for text in ("{", "[]", "3"):
        with pytest.raises(InputError, match=r"model\.onnx"):
            read_facts(text, PATH)
