"""A run as one value: typed settings, read from a YAML recipe and overridden from the command line."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vergence.data.frame_options import FrameOptions
from vergence.data.label_corruption import LabelCorruption
from vergence.data.structured import read_yaml
from vergence.data.table import nearest
from vergence.engine.schema import check_keys, key_types, parse
from vergence.errors import InputError
from vergence.methods import METHODS
from vergence.metrics.depth import PROTOCOLS

RECIPES = Path(__file__).parent.parent / "recipes"


@dataclass
class LabelledConfig:
    """Which labelled frames are used as such; what is left out keeps its label closed to training."""

    count: int | None = None
    """How many; null for all."""
    seed: int | None = None
    """Of the random choice; default ``train.seed``."""
    file: str | None = None
    """Take the first ``count`` frames of this list: what ``vergence select`` writes, or names in a text file."""


@dataclass
class FramesConfig:
    """Where frames come from and how they become batches."""

    source: str = ""
    """Manifest, folder or video to train on."""
    val: str | None = None
    """Another source for evaluation; default the same."""
    source_domain: str | None = None
    """Labelled data of another domain, such as simulated streets, for the role "source" of methods that adapt."""
    train_split: str = "train"
    val_split: str = "val"
    """What ``evaluate.split`` is unless it is given."""
    labelled: LabelledConfig = field(default_factory=LabelledConfig)
    unlabelled: Literal["all", "rest", "labelled"] = "all"
    """Frames of the role "unlabelled": the whole split (labelled ones among them), those that have no label, or the
    labelled ones alone (mixing is then an augmentation of labelled frames)."""
    unlabelled_split: str | None = None
    """Another split for that role, such as that of whole sequences; default ``train_split``."""
    label_noise: LabelCorruption = field(default_factory=LabelCorruption)
    """Makes pseudo-labels worse on purpose, for studies."""
    options: FrameOptions = field(default_factory=FrameOptions)
    batch_size: int = 12
    """Samples of one forward pass over all processes together; each takes an equal share."""
    workers: int | Literal["auto"] = "auto"
    """Loading processes beside each training process; their number changes nothing but the speed."""
    cache: bool = True
    """Keep decoded frames at training size on disk."""
    allow_truncated: bool = False
    """Use what can be read of videos that are damaged or cut off."""


@dataclass
class OptimConfig:
    """Optimiser and learning rate; steps are optimiser steps."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    """Of sgd."""
    schedule: Literal["constant", "poly", "step", "multi_step", "cosine"] = "constant"
    milestones: tuple[int, ...] = ()
    """Steps after which multi_step multiplies the rate by gamma."""
    step_size: int = 0
    """Steps between the drops of schedule "step"."""
    gamma: float = 0.1
    power: float = 0.9
    """Of schedule "poly": (1 - step / steps) ** power."""
    warmup: int = 0
    """Steps in which the rate grows linearly to that of the schedule; never more than a tenth of the run."""
    group_lr: dict[str, float] = field(default_factory=dict)
    """Base rate of the method's parameter groups by name; 0 or missing means ``lr``."""
    clip: float | None = None
    """Largest norm of the gradient of all parameters together."""

    def __post_init__(self) -> None:
        self.betas, self.milestones = tuple(self.betas), tuple(self.milestones)  # type: ignore[assignment]
        _require(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            f"optim.betas are {list(self.betas)}; give two numbers of 0 or more, less than 1.",
        )
        _require(0 <= self.momentum < 1, f"optim.momentum is {self.momentum}; give 0 or more, less than 1.")
        _require(self.gamma > 0, f"optim.gamma is {self.gamma}; give a positive number.")
        _require(self.power >= 0, f"optim.power is {self.power}; give 0 or more.")
        _require(all(one > 0 for one in self.milestones), "optim.milestones must be steps of 1 or more.")
        _require(self.lr > 0, f"optim.lr is {self.lr}; give a positive number.")
        _require(self.weight_decay >= 0, f"optim.weight_decay is {self.weight_decay}; give 0 or more.")
        _require(self.warmup >= 0, f"optim.warmup is {self.warmup}; give a number of steps, 0 for none.")
        _require(self.clip is None or self.clip > 0, f"optim.clip is {self.clip}; give a positive number or null.")
        _require(
            list(self.milestones) == sorted(self.milestones),
            f"optim.milestones are {list(self.milestones)}; give steps in rising order.",
        )
        _require(
            self.schedule != "step" or self.step_size > 0,
            "optim.schedule is 'step' and optim.step_size is not set; give the number of steps between drops.",
        )
        for name, rate in self.group_lr.items():
            _require(rate >= 0, f"optim.group_lr.{name} is {rate}; give a positive number, or 0 for optim.lr.")


@dataclass
class TrainConfig:
    """The loop."""

    steps: int = 1000
    """Optimiser steps of the whole run."""
    seed: int = 0
    precision: Literal["no", "bf16", "fp16"] = "no"
    accumulate: int = 1
    """Batches whose gradients are averaged for one step."""
    ema: float | None = None
    """Decay of the running mean of weights that is evaluated and stored as the model, such as 0.999."""
    log_every: int = 10
    evaluate_every: int = 0
    """Steps between evaluations; 0 for none."""
    checkpoint_every: int = 500
    keep: int = 2
    """Checkpoints kept."""
    channels_last: bool = True
    """Memory layout of convolutions; faster on CPUs and GPUs alike."""
    compile: bool = False
    """torch.compile; slow to start, of use on GPUs only."""
    device: str = "auto"
    """"auto", "cpu" or "cuda"."""
    find_unused_parameters: bool = False
    """For several processes and a method that leaves parameters out of some steps."""
    sync_batchnorm: bool = False
    """On several GPUs: batch norm over the frames of all of them, as one GPU would with the whole batch."""
    allow_changes: bool = False
    """Resume on other data, another seed or batch size than the run was trained on; forgotten afterwards."""
    timeout: float = 600.0
    """Seconds that one of several processes waits for the others before it says that one is lost."""
    trackers: tuple[str, ...] = ()
    """"tensorboard", "wandb"; metrics.jsonl is always written."""

    def __post_init__(self) -> None:
        self.trackers = tuple(self.trackers)
        for name in ("steps", "accumulate", "log_every", "checkpoint_every", "keep"):
            _require(getattr(self, name) > 0, f"train.{name} is {getattr(self, name)}; give 1 or more.")
        _require(self.evaluate_every >= 0, f"train.evaluate_every is {self.evaluate_every}; give 0 (never) or more.")
        _require(self.ema is None or 0 < self.ema < 1, f"train.ema is {self.ema}; give a decay such as 0.999, or null.")
        _require(0 < self.timeout < 1e8, f"train.timeout is {self.timeout}; give seconds, such as 600.")
        _require(self.seed >= 0, f"train.seed is {self.seed}; give 0 or more.")


@dataclass
class EvaluateConfig:
    """Evaluation during training, and the default of ``vergence evaluate``."""

    protocol: str = "plain"
    flip: bool = False
    split: str | None = None
    """Default ``frames.val_split``."""
    limit: int | None = None
    """At most so many images, evenly spaced."""
    resolution: str = "working"
    """Where labels are compared: at the "working" size (as the paper), at each label's "native" size, or at "WxH"."""
    classes: Literal["all", "synthia16", "synthia13", "synthia16_dropped", "synthia13_dropped"] = "all"
    """Classes that means are taken over: all, or the 16 or 13 of SYNTHIA to Cityscapes; "dropped" leaves labelled
    pixels of the other classes out, which count as errors otherwise."""
    window: str | None = None
    """WIDTHxHEIGHT of a window that slides over frames larger than it; null for the whole frame at once."""
    overlap: float = 0.5
    """Share of the window that neighbouring windows have in common."""

    def __post_init__(self) -> None:
        if self.window is not None:
            parts = self.window.lower().split("x")
            _require(
                len(parts) in (1, 2) and all(part.isdecimal() and int(part) > 0 for part in parts),
                f"evaluate.window is {self.window}; give WIDTHxHEIGHT, such as 1024x512, or null.",
            )
        _require(self.limit is None or self.limit > 0, f"evaluate.limit is {self.limit}; give 1 or more, or null.")
        _require(0 <= self.overlap < 1, f"evaluate.overlap is {self.overlap}; give 0 or more, less than 1.")


@dataclass
class RunConfig:
    """Everything a run depends on. The settings of the method stand in a section of the method's name."""

    recipe: str = ""
    method: str = "depth"
    frames: FramesConfig = field(default_factory=FramesConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    @property
    def section(self) -> Any:
        """Settings of the method."""
        return getattr(self, self.method)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON; :func:`config_from_dict` reads them back."""
        return _plain(dataclasses.asdict(self))


@cache
def config_class(method: str) -> type[RunConfig]:
    """RunConfig with the section of this method; InputError if there is no such method."""
    if method not in METHODS:
        known = list(METHODS)
        raise InputError(f"method {method!r} is unknown{nearest(method, known)}; use one of {', '.join(known)}.")
    settings = METHODS[method][0]
    section = [(method, settings, field(default_factory=settings))]
    return dataclasses.make_dataclass("RunConfig", section, bases=(RunConfig,))


def load_config(
    recipe: str | Path, overrides: Mapping[str, Any] | Sequence[str] = (), data: str | Path | None = None
) -> RunConfig:
    """Read a recipe and apply overrides.

    Args:
        recipe: name of a shipped recipe or path of a YAML file; it may say ``extends: NAME_OR_PATH``.
        overrides: ``{"train.steps": 100}`` (or nested), or command-line words such as ``["--train.steps", "100",
            "--depth.network.encoder=resnet50"]``.
        data: overrides ``frames.source``; a relative path starts from the current folder.

    Raises:
        InputError: unknown recipe, section, key or value, with the nearest known one; values of the wrong type.
    """
    values = read_recipe(recipe)
    if data is not None:
        values = merged(values, {"frames": {"source": str(data)}})
    values.setdefault("recipe", Path(recipe).stem)
    if isinstance(overrides, Mapping):
        values, overrides = merged(values, nested(overrides)), ()
    config = config_from_dict(values, overrides, str(recipe))
    paths = [(config.frames, name) for name in ("source", "source_domain", "val")]
    for holder, name in [*paths, (config.frames.labelled, "file")]:
        if path := getattr(holder, name):  # a run is resumed and evaluated from other folders
            setattr(holder, name, str(Path(path).expanduser().absolute()))
    return config


def config_from_dict(values: dict[str, Any], overrides: Sequence[str] = (), origin: str = "the recipe") -> RunConfig:
    """Typed settings from plain values; see :func:`load_config`."""
    method = values.get("method", RunConfig.method)
    kind = config_class(str(method))
    check_keys(values, kind, origin)
    window = values.get("evaluate", {}).get("window")
    if isinstance(window, list) and len(window) == 2:  # as stored by runs of before; read as written then
        values = merged(values, {"evaluate": {"window": f"{window[1]}x{window[0]}"}})
    namespace = parse(kind, values, overrides, origin)
    if namespace["method"] != method:
        raise InputError("the method is part of the recipe; choose another recipe instead of --method.")
    options = namespace["frames"]["options"]
    if options["height"] == 0:
        options["height"] = _height_of(namespace["frames"])
    config: RunConfig = _build(kind, namespace)
    ports = [port for role in config.section.roles if (port := config.section.label_port_of(role))]
    if ports or "segmentation" in METHODS[config.method][1].tasks:
        config.frames.options.label_space = _label_space(config.frames, ports)
    if config.evaluate.split is None:
        config.evaluate.split = config.frames.val_split
    _require(config.frames.batch_size > 0, f"frames.batch_size is {config.frames.batch_size}; give 1 or more.")
    protocol = config.evaluate.protocol
    known = f"{nearest(protocol, list(PROTOCOLS))}; use one of {', '.join(PROTOCOLS)}."
    _require(protocol in PROTOCOLS, f"evaluate.protocol {protocol!r} is unknown{known}")
    workers = config.frames.workers
    _require(workers == "auto" or int(workers) >= 0, f"frames.workers is {workers}; give 0 or more, or auto.")
    return config


def recipe_names(chains: bool = False) -> list[str]:
    """Names of the shipped recipes; with ``chains`` also of those that are several runs (flywheels)."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    return [name for name in names if chains or not name.startswith("flywheel")]


def read_recipe(recipe: str | Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Plain values of a recipe over those of the recipes it extends; InputError where that cannot be read."""
    path = _find_recipe(recipe, seen[-1].parent if seen else None)
    if path in seen:
        raise InputError(f"{path} extends itself through {', '.join(step.name for step in seen)}; break the circle.")
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, dict) or any(not isinstance(key, str) for key in values):
        raise InputError(f"{path} holds no sections; a recipe is YAML such as 'train: {{steps: 100}}'.")
    parent = values.pop("extends", None)
    return values if parent is None else merged(read_recipe(str(parent), (*seen, path)), values)


def _find_recipe(recipe: str | Path, beside: Path | None) -> Path:
    text = str(recipe)
    if text.endswith((".yaml", ".yml")):
        places = [Path(text)] if beside is None else [beside / text]
    else:
        places = [RECIPES / f"{text}.yaml"] + ([beside / f"{text}.yaml"] if beside else [])
    for path in places:
        if path.is_file():
            return path.resolve()
    if text.endswith((".yaml", ".yml")):
        raise InputError(f"{places[0]} does not exist; give the path of a recipe, or the name of one: {_names()}.")
    raise InputError(
        f"recipe {text!r} is unknown{nearest(text, recipe_names(chains=True))}; use one of {_names()}, or a YAML file."
    )


def _names() -> str:
    return ", ".join(recipe_names(chains=True))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, section by section; lists are replaced whole."""
    found = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Sections from full names."""
    found: dict[str, Any] = {}
    for key, value in overrides.items():
        value = nested(value) if isinstance(value, Mapping) else value
        for part in reversed(key.split(".")):
            value = {part: value}
        found = merged(found, value)
    return found


def _build(kind: type, values: dict[str, Any]) -> Any:
    """Dataclasses from parsed values, innermost first."""
    types = key_types(kind)
    return kind(
        **{
            name: _build(types[name], value) if dataclasses.is_dataclass(types[name]) else value
            for name, value in values.items()
        }
    )


def _height_of(frames: dict[str, Any]) -> int:
    """Working height that keeps the aspect of the source's frames at the working width, a multiple of 32."""
    from vergence.data.images import open_image
    from vergence.data.layouts import resolve_input

    if not frames["source"]:
        raise InputError("the working height follows from the frames; name them with --data.")
    manifest = resolve_input(Path(frames["source"]), allow_truncated=frames["allow_truncated"])
    aspects = sorted(row.height / row.width for row in manifest if row.width and row.height)
    if not aspects:
        if len(manifest) == 0:
            raise InputError(f"{manifest.name} has no frames; give data that have some.")
        image = open_image(manifest.path(0))
        aspects = [image.height / image.width]
    return max(32, round(frames["options"]["width"] * aspects[len(aspects) // 2] / 32) * 32)


def _label_space(frames: FramesConfig, ports: Sequence[str]) -> str:
    """The label space in a form that needs no file: the setting, or that of the source's labels, of a label port, or
    of the source domain."""
    from vergence.data.labels import label_space
    from vergence.data.layouts import resolve_input
    from vergence.engine.label_ports import port_space, space_of_rows

    if frames.options.label_space:
        return label_space(frames.options.label_space).text()
    manifest = resolve_input(Path(frames.source), allow_truncated=frames.allow_truncated) if frames.source else None
    if manifest is not None and (space := space_of_rows(manifest)):
        return space
    if space := next((space for port in ports if (space := port_space(port, manifest))), ""):
        return space
    if not frames.source_domain:
        return ""
    return space_of_rows(resolve_input(Path(frames.source_domain), allow_truncated=frames.allow_truncated))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
