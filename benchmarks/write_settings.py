"""Write docs/settings.md, the page of all settings, from the docstrings of the settings' classes.

python -m benchmarks.write_settings
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vergence.flywheel.settings import FlywheelRecipe
from vergence.methods import method_names, settings_named
from vergence.runs.config import config_class
from vergence.runs.migrations import SHARED
from vergence.runs.schema import describe
from vergence.runs.setting_texts import Section, run_sections, sections, shown

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# All settings

Full names, as on the command line: `--train.steps 100`. What a [recipe](recipes.md) says wins over the defaults here;
`vergence train RECIPE --help` prints the same list for one recipe, with its values. `null` means none.

`make docs` writes this page from the source, where each setting is described beside its default; it is not edited by
hand.
"""


def page() -> str:
    """The whole page as Markdown."""
    methods = [name for name in method_names() if settings_named(name).__module__.startswith("vergence.")]
    found = {name: list(run_sections(config_class(name)(method=name))) for name in methods}
    first = found[methods[0]]
    common = [section for section in first if section.name.split(".")[0] not in (methods[0], *SHARED)]
    parts = [HEAD, *map(_written, common)]
    parts += [_shared(name, found) for name in SHARED]
    parts += [_written(section) for name in methods for section in found[name] if _is_of(section, name)]
    parts += [_written(section) for section in sections(FlywheelRecipe()) if section.name]
    return "\n".join(parts)


def _is_of(section: Section, name: str) -> bool:
    return section.name.split(".")[0] == name


def _written(section: Section) -> str:
    """Heading, text and table of one section."""
    if not section.name:  # the top of a recipe
        return _table([(one.key, describe(one.hint), f"`{shown(one.value)}`", one.text) for one in section.settings])
    heading = f"{'##' if '.' not in section.name else '###'} {section.name}"
    rows = [(one.key, describe(one.hint), f"`{shown(one.value)}`", one.text) for one in section.settings]
    return "\n".join([heading, "", _linked(section.text), "", _table(rows)])


def _shared(name: str, found: dict[str, list[Section]]) -> str:
    """A section at the top of recipes: a table for each class of its settings, with the methods that have it."""
    by_kind: dict[type, dict[str, Section]] = {}
    for method, parts in found.items():
        for section in parts:
            if section.name == name:
                by_kind.setdefault(section.kind, {})[method] = section
    lines = [f"## {name}", ""]
    for of_methods in by_kind.values():
        heading = [f"### {name} of {_joined(list(of_methods))}", ""] if len(by_kind) > 1 else []
        text = _linked(next(iter(of_methods.values())).text)
        lines += [*heading, text if heading else f"Of {_joined(list(of_methods))}. {text}", ""]
        lines.append(_table(_rows(of_methods)))
    return "\n".join(lines)


def _rows(of_methods: dict[str, Section]) -> Iterator[tuple[str, str, str, str]]:
    """Settings that methods share, with the defaults of those that have another than the first."""
    for settings in zip(*(section.settings for section in of_methods.values()), strict=True):
        usual = settings[0].value
        other = {name: one.value for name, one in zip(of_methods, settings, strict=True) if one.value != usual}
        default = "; ".join([f"`{shown(usual)}`", *(f"{name}: `{shown(value)}`" for name, value in other.items())])
        yield settings[0].key, describe(settings[0].hint), default, settings[0].text


def _table(rows: Iterator[tuple[str, str, str, str]] | Sequence[tuple[str, str, str, str]]) -> str:
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for key, kind, default, text in rows:
        lines.append("| " + " | ".join([f"`{key}`", kind, default, _linked(text).replace("|", r"\|")]) + " |")
    return "\n".join([*lines, ""]) if len(lines) > 2 else ""


def _linked(text: str) -> str:
    """Pages that a text names become links from this page."""
    return re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", text)


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
