"""A run as one value: typed settings, read from a YAML recipe and overridden from the command line."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, cast

from vergence.data.buckets.addresses import is_address, open_address
from vergence.errors import InputError
from vergence.methods import settings_named
from vergence.methods.config import MethodConfig
from vergence.runs.config_sections import EvaluateConfig, FramesConfig, OptimConfig, TrainConfig
from vergence.runs.migrations import SHARED, VERSION, migrated
from vergence.runs.overrides import Overrides, origin_of, settings_of
from vergence.runs.recipe import DEFAULT_METHOD, read_recipe
from vergence.runs.schema import build, key_types


@dataclass
class RunConfig:
    """Everything a run depends on. The settings of the method stand in a section of the method's name."""

    recipe: str = ""
    """Name of the recipe, for logs and the model card."""
    method: str = DEFAULT_METHOD
    """Which method trains; its settings stand in a section of its name."""
    frames: FramesConfig = field(default_factory=FramesConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    @property
    def section(self) -> Any:
        """Settings of the method."""
        return getattr(self, self.method)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON, as a recipe has them; :func:`config_from_dict` reads them back."""
        values = _plain(dataclasses.asdict(self))
        section = values.pop(self.method)
        shared = {name: section.pop(name) for name in SHARED if name in section}
        return {"version": VERSION, **values, **shared, self.method: section}


@cache
def config_class(method: str) -> type[RunConfig]:
    """RunConfig with the section of this method; InputError if there is no such method."""
    settings: Any = settings_named(method)
    section = [(method, settings, field(default_factory=settings))]
    return dataclasses.make_dataclass("RunConfig", section, bases=(RunConfig,))


@cache
def recipe_class(method: str) -> type[Any]:
    """What a recipe of this method may say: as :func:`config_class`, but network and pose network stand at its top.

    Recipes of several methods share these, and extend one another. InputError if there is no such method.
    """
    kind: Any = settings_named(method)
    settings, defaults = key_types(kind), kind()
    fields = [(name, hint, _default(getattr(defaults, name))) for name, hint in settings.items() if name not in SHARED]
    section = dataclasses.make_dataclass(kind.__name__, fields)
    common = [(name, hint, _default(getattr(RunConfig(), name))) for name, hint in key_types(RunConfig).items()]
    shared = [(name, settings[name], _default(getattr(defaults, name))) for name in SHARED if name in settings]
    return dataclasses.make_dataclass("Recipe", [*common, *shared, (method, section, field(default_factory=section))])


def _default(value: Any) -> Any:
    return field(default_factory=lambda: copy.deepcopy(value))


def _run_of(recipe: Any, method: str) -> RunConfig:
    """The run that a recipe (a value of its method's :func:`recipe_class`) describes."""
    section = {entry.name: getattr(getattr(recipe, method), entry.name) for entry in fields(getattr(recipe, method))}
    section |= {name: getattr(recipe, name) for name in SHARED if hasattr(recipe, name)}
    common = {name: getattr(recipe, name) for name in key_types(RunConfig)}
    return config_class(method)(**common | {"method": method, method: settings_named(method)(**section)})


def load_config(recipe: str | Path, overrides: Overrides = (), data: str | Path | None = None) -> RunConfig:
    """Read a recipe, apply overrides, and settle what depends on the data: what a run is trained with and stores.

    Args:
        recipe: name of a shipped recipe or path of a YAML file, which may say ``extends: NAME_OR_PATH`` or a list.
        overrides: ``{"train.steps": 100}`` (or nested), or command-line words such as ``["--train.steps", "100",
            "--network.encoder=resnet50"]``.
        data: overrides ``frames.source``; a relative path starts from the current folder.

    Raises:
        InputError: unknown recipe, section, key or value, with the nearest known one; values of the wrong type; data
            that cannot be read, where settings depend on them.
    """
    return resolved(read_config(recipe, overrides, data))


def read_config(recipe: str | Path, overrides: Overrides = (), data: str | Path | None = None) -> RunConfig:
    """A recipe with overrides as one value, see :func:`load_config`; nothing but recipes is read."""
    named = {} if data is None else {"frames.source": str(data)}
    values = {"recipe": Path(recipe).stem} | read_recipe(recipe)
    config = _typed(values, str(recipe), (named, "the arguments"), (settings_of(overrides), origin_of(overrides)))
    paths = [(config.frames, name) for name in ("source", "source_domain", "val")]
    for holder, name in [*paths, (config.frames.labelled, "file")]:
        if path := getattr(holder, name):  # a run is resumed and evaluated from other folders
            setattr(holder, name, kept_path(path))
    return config


def kept_path(path: str) -> str:
    """A path of data as it is kept with a run: an address, or absolute. InputError as of ``open_address``."""
    return open_address(path) if is_address(path) else str(Path(path).expanduser().absolute())


def config_from_dict(values: dict[str, Any], overrides: Overrides = (), origin: str = "the recipe") -> RunConfig:
    """Settings from plain values, such as a run of any version stores, resolved; see :func:`load_config`."""
    return resolved(_typed(values, origin, (settings_of(overrides), origin_of(overrides))))


def _typed(values: dict[str, Any], origin: str, *over: tuple[Mapping[str, Any], str]) -> RunConfig:
    """Typed settings of a recipe's plain values under others."""
    values = migrated(values, origin)
    method = str(values.get("method", DEFAULT_METHOD))
    kind = recipe_class(method)
    if any(given.get("method", method) != method for given, _ in over):
        raise InputError("the method is part of the recipe; choose another recipe instead of --method.")
    config = _run_of(build(kind, (values, origin), *over), method)
    if config.evaluate.split is None:
        config.evaluate.split = config.frames.val_split
    return config


def resolved(config: RunConfig) -> RunConfig:
    """The same, with what its data decide: a height of 0, and the label space."""
    options = config.frames.options
    if options.height == 0:
        options = dataclasses.replace(options, height=_height_of(config.frames))
    if config.section.needs_label_space:
        ports = [role.label_port for role in config.section.roles.values() if role.label_port]
        options = dataclasses.replace(options, label_space=_label_space(config.frames, ports))
    return dataclasses.replace(config, frames=dataclasses.replace(config.frames, options=options))


def stored_section(values: Mapping[str, Any]) -> MethodConfig | None:
    """Settings of the method of a recipe of plain values; None where it names no known one, or they cannot be read."""
    method = str(values.get("method"))
    try:
        values, kind = migrated(dict(values), "the recipe"), cast(Any, recipe_class(method))
        stored = {key: values[key] for key in (method, *SHARED) if key in values and key in key_types(kind)}
        settings: MethodConfig = _run_of(build(kind, (stored, "the recipe")), method).section
    except InputError:
        return None
    return settings


def _height_of(frames: FramesConfig) -> int:
    """Working height that keeps the aspect of the source's frames at the working width, a multiple of 32."""
    from vergence.data.imaging.images import open_image
    from vergence.data.layouts import resolve_input

    if not frames.source:
        raise InputError("there are no frames to train on; name a manifest, a folder or a video with --data.")
    manifest = resolve_input(frames.source, allow_truncated=frames.allow_truncated)
    aspects = sorted(row.height / row.width for row in manifest if row.width and row.height)
    if not aspects:
        if len(manifest) == 0:
            raise InputError(f"{manifest.name} has no frames; give data that have some.")
        image = open_image(manifest.path(0))
        aspects = [image.height / image.width]
    return max(32, round(frames.options.width * aspects[len(aspects) // 2] / 32) * 32)


def _label_space(frames: FramesConfig, ports: Sequence[str]) -> str:
    """The label space in a form that needs no file: the setting, or that of the source's labels, of a label port, or
    of the source domain."""
    from vergence.data.labels import label_space
    from vergence.data.layouts import resolve_input
    from vergence.runs.label_port_classes import port_space, space_of_rows

    if frames.options.label_space:
        return label_space(frames.options.label_space).text()
    manifest = resolve_input(frames.source, allow_truncated=frames.allow_truncated) if frames.source else None
    if manifest is not None and (space := space_of_rows(manifest)):
        return space
    if space := next((space for port in ports if (space := port_space(port, manifest))), ""):
        return space
    if not frames.source_domain:
        return ""
    return space_of_rows(resolve_input(frames.source_domain, allow_truncated=frames.allow_truncated))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
