"""What pages list is what the program has: settings, recipes, label spaces, criteria, formats, rooms, extras."""

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.write_settings import PAGE, page
from tests.test_docs import HOME
from vergence import api, cli
from vergence.arguments import OPTION_NAMES
from vergence.data.annotation.registry import Format
from vergence.data.labels import LABEL_SPACES
from vergence.data.layouts import LAYOUTS
from vergence.flywheel.settings import load_flywheel
from vergence.runs.config import RunConfig, read_config
from vergence.runs.recipe import recipe_names
from vergence.selection.criteria import AUTO, CRITERIA

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECIPES = (DOCS / "recipes.md").read_text(encoding="utf-8")
TRAINED = set(recipe_names())
SHIPPED = set(recipe_names(chains=True))
ENCODERS = {
    "EfficientNet-Lite0": "efficientnet_lite0",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "ResNet-101": "resnet101",
    "DeepLabv2 ResNet-101": "deeplabv2_resnet101",
    "DINOv2 ViT-S/14": "dinov2_vits14",
}


def rows(text: str) -> Iterator[dict[str, str]]:
    """Rows of all tables of a page, by the names of their columns."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        header, _, *lines = [
            [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in table.splitlines()
        ]
        yield from (dict(zip(header, line, strict=True)) for line in lines)


def test_the_page_of_settings_is_what_the_source_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/settings.md is not of this source; run make docs"


def test_every_setting_says_what_it_means() -> None:
    found = list(rows(page()))
    assert [row["setting"] for row in found if not row["meaning"].endswith(".")] == []
    assert len(found) > 300


ROWS = [
    (name, row) for row in rows(RECIPES) if "steps" in row for name in re.findall(r"`([\w-]+)`", row["recipe"])
]  # fmt: skip


def test_every_recipe_has_its_row() -> None:
    assert {name for name, _ in ROWS} == TRAINED
    assert len(ROWS) == len(TRAINED)


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_rows_of_recipes_say_what_these_have(name: str, row: dict[str, str]) -> None:
    config = read_config(name)
    steps = re.findall(r"\d[\d,]*", re.sub(r"\(\d+ epochs.*?\)|\d+ epochs|fp16|bf16", "", row["steps"]))
    counts = {int(one.replace(",", "")) for one in steps}
    if "+" in row["steps"]:
        counts = {sum(counts)}
    assert config.train.steps in counts or row["steps"] == "as theirs"
    batch = re.findall(r"\d+", row["batch"])
    assert str(config.frames.batch_size) in batch or not batch
    check_frames(config, row["frames"])
    encoder = re.sub(r", (frozen|random)", "", row["encoder"])
    known = {ENCODERS[one] for one in encoder.split("; ")} if encoder != "as theirs" else set()
    assert config.section.network.encoder in known or not known
    if "random" in row["encoder"]:
        assert config.section.network.weights == "none"
    if re.match(r"\d+", row.get("labelled", "")):
        assert config.frames.labelled.count == int(re.match(r"\d+", row["labelled"])[0])  # type: ignore[index]


def check_frames(config: RunConfig, said: str) -> None:
    options = config.frames.options
    sizes = [(int(height), int(width)) for width, height in re.findall(r"(\d+)×(\d+)", said)]
    if "crops of" in said and len(sizes) > 1:
        assert options.random_crop == sizes[0]
        assert (options.height, options.width) in sizes[1:]
    elif sizes:
        assert (options.random_crop or (options.height, options.width)) == sizes[0]
    elif wide := re.match(r"(\d+)(?: to (\d+))? wide", said):
        assert int(wide[1]) <= options.width <= int(wide[2] or wide[1])
        assert ("height from the data's aspect" in said) <= (options.height == 0)


def test_rows_of_flywheels() -> None:
    found = {row["recipe"].strip("`"): row for row in rows(RECIPES) if "rounds" in row}
    assert set(found) == SHIPPED - TRAINED
    for name, row in found.items():
        config = load_flywheel(name, data="town").flywheel
        assert (int(row["rounds"]), int(row["labels"].split()[0])) == (config.rounds, config.labels.per_round)
        parts = [config.depth.recipe, config.hinted_depth.recipe, config.segmentation.recipe]
        assert re.findall(r"`([\w-]+)`", row["depth, depth with hints, segmentation"]) in (parts, [])


def test_label_spaces() -> None:
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    named = [row["`label_space`"].strip("`") for row in rows(text) if "`label_space`" in row]
    assert named[:-1] == list(dict.fromkeys(named[:-1]))
    assert set(named[:-1]) == set(LABEL_SPACES)


def test_criteria() -> None:
    text = (DOCS / "select.md").read_text(encoding="utf-8")
    named = [row["`--criterion`"] for row in rows(text) if "`--criterion`" in row]
    assert tuple(name.split("`")[1] for name in named) == (AUTO, *CRITERIA)
    default = inspect.signature(api.select).parameters["criterion"].default
    assert [row["default"] for row in rows(text) if row.get("option") == "`--criterion`"] == [f"`{default}`"]


def test_formats_of_annotation() -> None:
    text = (DOCS / "labels.md").read_text(encoding="utf-8")
    for name in get_args(Format):
        assert f"`{name}`" in text, f"docs/labels.md does not name the format {name}"


def functions() -> Iterator[tuple[str, set[str]]]:
    """Verbs with the options of all that they do."""
    for verb in cli.COMMANDS:
        names = {name for function in cli.functions(verb).values() for name in inspect.signature(function).parameters}
        yield verb, {OPTION_NAMES.get(name, name) for name in names}


def test_pages_of_verbs_list_options_that_there_are() -> None:
    own = dict(functions())
    layouts = {name for layout in LAYOUTS.values() for name in inspect.signature(layout).parameters}
    for verb, options in own.items():
        file = DOCS / f"{HOME.get(verb, verb)}.md"
        if not file.is_file():
            continue
        for row in rows(file.read_text(encoding="utf-8")):
            for word in re.findall(r"--([a-z_]+)\b(?![.\w])", row.get("option", "")):
                known = options | (layouts if verb == "index" else set()) | {"key", "resume", "help"}
                assert word in known, f"docs/{verb}.md: {verb} has no option --{word}"


def test_pages_name_the_rooms() -> None:
    rooms = {path.name for path in (ROOT / "src" / "vergence").iterdir() if (path / "__init__.py").is_file()}
    architecture = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for room in rooms:
        assert re.search(rf"^  {room}/ ", README, re.MULTILINE), f"README.md does not name {room}/"
        assert f"{room}/" in architecture, f"docs/architecture.md does not name {room}/"
    listed = set(re.findall(r"^  (\w+)/ ", README, re.MULTILINE))
    assert listed == rooms | {"recipes"}


def declared_extras() -> dict[str, list[str]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"]["optional-dependencies"])


def test_what_each_extra_brings() -> None:
    text = (DOCS / "install.md").read_text(encoding="utf-8")
    told = {row["extra"].strip("`"): re.findall(r"`([\w-]+)`", row["packages"]) for row in rows(text) if "extra" in row}
    names = {extra: [re.split(r"[\[<>=~;]", one)[0] for one in wanted] for extra, wanted in declared_extras().items()}
    assert told == names


def test_extras_that_are_named_exist() -> None:
    extras = set(declared_extras())
    pages = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *DOCS.glob("*.md")]}
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    named = {
        extra: name
        for name, text in (pages | sources).items()
        for words in re.findall(r"vergence\[([a-z0-9,-]+)\]", text)
        for extra in words.split(",")
    }
    assert set(named) <= extras, {extra: name for extra, name in named.items() if extra not in extras}


@pytest.mark.parametrize("room", ["data", "inference"])
def test_the_large_rooms_are_shown_file_by_file(room: str) -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.partition(f"| in `{room}/` | files |")[2].partition("\n\n")[0]
    modules = {path.stem for path in (ROOT / "src" / "vergence" / room).glob("*.py")} - {"__init__"}
    assert modules - set(re.findall(r"`(\w+)`", table)) == set()
