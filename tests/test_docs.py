"""The pages say what the program does: links, commands, recipes, settings, options, columns are checked against it."""

import contextlib
import functools
import inspect
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vergence import api, cli
from vergence.arguments import OPTION_NAMES
from vergence.data.layouts import LAYOUTS
from vergence.data.rows.frame_row import COLUMNS
from vergence.flywheel.settings import FlywheelRecipe, load_flywheel
from vergence.methods import method_names
from vergence.runs.config import read_config, recipe_class
from vergence.runs.overrides import settings_of
from vergence.runs.recipe import read_recipe, recipe_names
from vergence.runs.schema import find, leaves
from vergence.settings.protocols import PROTOCOLS

ROOT = Path(__file__).parents[1]
METHODS = method_names()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {key: hint for method in METHODS for key, hint in leaves(recipe_class(method))}
SETTINGS.update(leaves(FlywheelRecipe))
VERB_PAGES = sorted(set(cli.COMMANDS) - {"resume"})
FUNCTIONS = {verb: [f"{verb}_{word}" for word in cli.SUB_VERBS.get(verb, ())] or [verb] for verb in cli.COMMANDS}
"""Names in ``vergence.api`` of what a verb does."""
HOME = {"index": "index-verb"}
"""Pages of verbs of another name: every host of documentation takes index.md for the first page."""
SECTIONS = {key.rsplit(".", depth)[0] for key in SETTINGS for depth in range(1, key.count(".") + 1)}
SHIPPED = set(recipe_names(chains=True))
SECTION = "|".join(sorted({key.split(".")[0] for key in SETTINGS if "." in key}))
"""First words of settings."""
HANDED_ON = re.compile(r"^flywheel\.(\w+\.)?overrides\.")
"""What stands before settings that a flywheel hands on to its trainings."""
FILES = {"frames.parquet", "depth.pth", "pose.pth", "train.txt", "flywheel.csv"}
"""Names of files that look like settings."""
UNNAMED = {
    "callbacks",
    "name",
    "progress",
    "started",
    "overrides",
    "options",
    "run",
    "input",
    "inputs",
    "layout",
    "root",
    "weights",
    "manifest",
    "source",
}
"""Parameters of verbs that are no options of a command: positional, or of Python only."""


class Parsed(Exception):
    """A command line was understood; its verb would run now."""


def blocks(text: str) -> Iterator[str]:
    """Contents of fenced blocks."""
    yield from re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """Words of every ``vergence`` command in fenced blocks, also those started by torchrun."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.match(r"\s*(?:\$ )?(?:torchrun .*?-m )?vergence (.*)", line)
            if command:
                yield shlex.split(command[1], comments=True)


COMMANDS = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)[:60]}")
    for page in PAGES
    for words in commands(page.read_text(encoding="utf-8"))
]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as repository hosts make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.is_file(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(place), f"{page.name} links to {target}"


def test_the_first_page_leads_to_every_other() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if page.name != "index.md" and f"({page.name}" not in text] == []


def test_pages_that_must_exist() -> None:
    others = "install data recipes settings run-folder architecture geometry troubleshooting results"
    pages = [*(HOME.get(verb, verb) for verb in VERB_PAGES), *others.split()]
    for name in pages:
        assert (ROOT / "docs" / f"{name}.md").is_file(), f"docs/{name}.md is missing"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in pages:
        assert f"docs/{name}.md" in readme, f"README.md does not lead to docs/{name}.md"
    assert (ROOT / "docs/images/toytown.png").is_file(), "docs/images/toytown.png is missing"


def stand_in(function: Callable[..., Any]) -> Callable[..., Any]:
    """Takes the arguments of a verb, checks the settings of a recipe among them, and runs nothing."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> None:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        recipe, overrides = given.get("recipe"), given.get("overrides", [])
        if isinstance(recipe, str) and not recipe.endswith(".yaml"):
            assert recipe in SHIPPED, f"there is no recipe {recipe}"
            values = read_recipe(recipe)
            if "flywheel" in values:
                load_flywheel(recipe, overrides, given["data"])
            else:
                read_config(recipe, overrides)
        else:
            for key in settings_of(overrides):
                find(some_class(settings_of(overrides)), key, "the command line")
        if given.get("protocol") is not None:
            assert given["protocol"] in PROTOCOLS
        if "layout" in given:
            assert given["layout"] in LAYOUTS
        raise Parsed

    return called


def some_class(keys: Iterable[str]) -> type[Any]:
    """Settings of the method whose section the keys name; of depth where they name none."""
    named = {key.partition(".")[0] for key in keys}
    method = next((name for name in METHODS if name in named), "depth")
    return FlywheelRecipe if "flywheel" in named else recipe_class(method)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_parse(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in itertools.chain.from_iterable(FUNCTIONS.values()):
        monkeypatch.setattr(api, name, stand_in(getattr(api, name)))
    with contextlib.suppress(Parsed):
        assert cli.main(words) == 0, capsys.readouterr().err
    given = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    given = {HANDED_ON.sub("", key) for key in given}
    assert given <= options_of(words) | set(SETTINGS) | {key for key in given if key.startswith("optim.group_lr.")}


def options_of(words: list[str]) -> set[str]:
    """Options that a command line may have besides settings."""
    verb = words[0] if words else ""
    if verb not in cli.COMMANDS:
        return {"help", "version"}
    named = {name for function in FUNCTIONS[verb] for name in inspect.signature(getattr(api, function)).parameters}
    known = {"help", "resume", *(OPTION_NAMES.get(name, name) for name in named)}
    return known | (set(inspect.signature(LAYOUTS[words[1]]).parameters) if verb == "index" and words[1:] else set())


def test_there_are_commands_to_check() -> None:
    assert {words.values[0][0] for words in COMMANDS} == set(VERB_PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_inline_commands_and_settings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for verb in re.findall(r"`vergence (\w+)", prose(text)):
        assert verb in cli.COMMANDS or verb == "VERB", f"{page.name} speaks of vergence {verb}"
    named = re.findall(rf"`((?:{SECTION})\.[a-z_0-9.]+)`", text)
    named += re.findall(rf"--((?:{SECTION})\.[\w.]+)", text)
    for key in named:
        if key in FILES:
            continue
        key = re.sub(r"^optim\.group_lr\.\w+$", "optim.group_lr", HANDED_ON.sub("", key)).rstrip(".")
        assert key in SETTINGS or key in SECTIONS, f"{page.name} names the setting {key}"
    for name in re.findall(rf"`((?:{'|'.join(METHODS)})-[a-z0-9-]+)`", prose(text)):
        assert name in SHIPPED, f"{page.name} names the recipe {name}"


@pytest.mark.parametrize("verb", VERB_PAGES)
def test_every_option_has_its_line(verb: str) -> None:
    text = (ROOT / "docs" / f"{HOME.get(verb, verb)}.md").read_text(encoding="utf-8")
    for function in FUNCTIONS[verb]:
        for name in inspect.signature(getattr(api, function)).parameters:
            if name not in UNNAMED and not (verb == "train" and name == "recipe"):
                option = OPTION_NAMES.get(name, name)
                assert f"--{option}" in text, f"docs/{verb}.md does not name --{option}"


def test_recipes_load_and_are_described() -> None:
    text = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in SHIPPED)
    for name in recipe_names():
        assert read_config(name).train.steps > 0


def test_columns_and_layouts() -> None:
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    for column in COLUMNS:
        assert f"`{column}`" in text, f"docs/data.md does not name the column {column}"
    lines = {name: line for line in text.splitlines() for name in LAYOUTS if line.startswith(f"| `{name}` |")}
    assert set(lines) == set(LAYOUTS)
    for name, layout in LAYOUTS.items():
        for option in itertools.islice(inspect.signature(layout).parameters, 1, None):
            assert f"`{option}`" in lines[name], f"docs/data.md: {name} has the option {option}"


def test_protocols() -> None:
    text = (ROOT / "docs/evaluate.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in PROTOCOLS)


def test_docstrings_say_what_a_thing_is() -> None:
    found = [str(path) for path in (ROOT / "src").rglob("*.py") if '"""Of ' in path.read_text(encoding="utf-8")]
    assert not found, "a docstring that begins with Of leaves out the noun"
