"""The model card: task, classes, unit, data and licence of each method."""

import pytest

from vergence.methods import method_names, settings_named
from vergence.runs.config import load_config
from vergence.runs.model_card import model_card

SPACE = {"frames.options.label_space": "toy:sky#4682b4,road | paved#804080"}
RECIPES = {
    "depth": "depth-toytown-tiny",
    "distill": "select-student-tiny",
    "supervised": "supervised-toytown-tiny",
    "frozen": "frozen-video",
    "three_ways": "three_ways-toytown-tiny",
    "ssda": "three_ways-ssda-tiny",
    "unimatch": "unimatch-toytown-tiny",
    "corda": "corda-toytown-tiny",
    "semhint": "semhint-toytown-tiny",
}


@pytest.mark.parametrize(
    "method", [name for name in method_names() if settings_named(name).__module__.startswith("vergence.")]
)
def test_the_card_says_what_the_model_is(method: str) -> None:
    height = {"frames.options.height": 96} if method == "frozen" else {}  # its recipe takes that of the data
    config = load_config(RECIPES[method], SPACE | height)
    assert config.method == method
    config.frames.source = "/data/my town"
    card = model_card(config, 12, "metric, 5.4 m a unit")
    assert card.startswith("---\nlibrary_name: vergence\nlicense: other\n")
    assert "step 12" in card
    assert "| Training data | /data/my town |" in card
    assert "| Licence | the licences of the training data" in card
    segments = "segmentation" in config.section.tasks
    assert ("| Classes | 2 of toy: sky, road \\| paved |" in card) == segments
    assert ("| Unit of depth | metric, 5.4 m a unit |" in card) == ("depth" in config.section.tasks)
    assert ("image-segmentation" in card) == segments
    assert method in card


def test_a_model_of_both_says_both() -> None:
    config = load_config("three_ways-toytown-tiny", {**SPACE, "three_ways.multi_task": True})
    card = model_card(config, 1, "unscaled (one free factor)")
    assert "| Predicts | classes and depth |" in card
    assert "| Classes |" in card
    assert "| Unit of depth | unscaled" in card
    assert 'tags: ["image-segmentation", "depth-estimation"]' in card
