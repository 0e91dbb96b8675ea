"""Recipes as files: names, what they extend, plain values in today's words; nothing is checked against a method yet."""

from pathlib import Path
from typing import Any

from vergence.data.structured import read_yaml
from vergence.errors import InputError, nearest
from vergence.methods import method_names, settings_named
from vergence.runs.migrations import SHARED, Values, migrated
from vergence.runs.schema import key_types

RECIPES = Path(__file__).parent.parent / "recipes"
DEFAULT_METHOD = "depth"


def recipe_names(chains: bool = False) -> list[str]:
    """Names of the shipped recipes; with ``chains`` also of those that are several runs (flywheels)."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    return [name for name in names if chains or not name.startswith("flywheel")]


def read_recipe(recipe: str | Path, seen: tuple[Path, ...] = ()) -> Values:
    """Plain values of a recipe over those of the recipes it extends, each over the ones before it.

    Its method is its own word, else that of the first that it extends. Of recipes of another method it takes over all
    but that method's section, and of the network and the pose network what its own method has.

    Raises:
        InputError: where that cannot be read.
    """
    path = _find_recipe(recipe, seen[-1].parent if seen else None)
    if path in seen:
        raise InputError(f"{path} extends itself through {', '.join(step.name for step in seen)}; break the circle.")
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, dict) or any(not isinstance(key, str) for key in values):
        raise InputError(f"{path} holds no sections; a recipe is YAML such as 'train: {{steps: 100}}'.")
    extended = values.pop("extends", None) or []
    values = migrated(values, str(path))
    bases = [read_recipe(str(one), (*seen, path)) for one in (extended if isinstance(extended, list) else [extended])]
    named = [str(one["method"]) for one in (values, *bases) if "method" in one]
    inherited: Values = {"method": named[0]} if named else {}
    for base in bases:
        inherited = merged(inherited, _for_method(base, named[0] if named else DEFAULT_METHOD))
    return merged(inherited, values)


def merged(base: Values, over: Values) -> Values:
    """``over`` on top of ``base``, section by section; lists are replaced whole."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def _for_method(values: Values, method: str) -> Values:
    """What a recipe hands on to one of this method."""
    fitting = {
        name: value for name, value in values.items() if name == method or name not in (*method_names(), "method")
    }
    if values.get("method", DEFAULT_METHOD) == method or method not in method_names():
        return fitting
    settings: Any = settings_named(method)
    parts: dict[str, type] = key_types(settings)
    for name in SHARED:
        known = key_types(parts[name]) if name in parts else {}
        if isinstance(section := fitting.get(name), dict):
            fitting[name] = {key: value for key, value in section.items() if key in known}
        if fitting.get(name) == {}:
            del fitting[name]
    return fitting


def _find_recipe(recipe: str | Path, beside: Path | None) -> Path:
    text = str(recipe)
    if text.lower().endswith((".yaml", ".yml")):
        paths = [Path(text)] if beside is None else [beside / text]
    else:
        paths = [RECIPES / f"{text}.yaml"] + ([beside / f"{text}.yaml"] if beside else [])
    for path in paths:
        if path.is_file():
            return path.resolve()
    if text.lower().endswith((".yaml", ".yml")):
        raise InputError(
            f"{paths[0]} does not exist; give the path of a recipe, or a name that vergence recipes lists."
        )
    near = nearest(text, recipe_names(chains=True))
    raise InputError(f"recipe {text!r} is unknown{near}; vergence recipes lists all, yours ends in .yaml.")
