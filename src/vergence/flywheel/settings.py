"""Settings of a flywheel: which recipes its rounds train, how many labels each may cost, what differs from recipes."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vergence.errors import InputError, check_seed, nearest, require
from vergence.methods import method_names
from vergence.runs.config import kept_path, read_config, recipe_class
from vergence.runs.folder import RunFolder
from vergence.runs.migrations import SHARED, VERSION
from vergence.runs.overrides import Overrides, flattened, origin_of, settings_of
from vergence.runs.recipe import DEFAULT_METHOD, read_recipe
from vergence.runs.schema import build, leaves
from vergence.runs.setting_texts import Section, sections
from vergence.selection.criteria import CRITERIA

PARTS = ("depth", "hinted_depth", "segmentation")
_OF_A_RUN = ("frames", "optim", "train", "evaluate", *SHARED)
_FOR_ALL = "flywheel.overrides."


@dataclass
class PartConfig:
    """One kind of training."""

    recipe: str = ""
    """Name or path of the recipe."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Settings by full name that differ from the recipe's."""


@dataclass
class BudgetConfig:
    """How many labels each round may cost, and who makes them."""

    per_round: int = 10
    """Frames labelled in each round."""
    total: int | None = None
    """Frames labelled in all rounds together; null for ``per_round`` in each."""
    criterion: str = "ds"
    """How frames are chosen, as by ``vergence select`` (docs/select.md)."""
    by: Literal["auto", "manifest", "annotator"] = "auto"
    """"manifest": the data have labels, and only those of chosen frames are revealed; "annotator": the flywheel stops
    until chosen frames are labelled; auto: the former where any training frame has a label."""


@dataclass
class GateConfig:
    """Depth and segmentation of a round are each kept if they are surely no worse than the last kept ones; later
    trainings go on from what is kept."""

    by: Literal["auto", "labels", "video", "none"] = "auto"
    """"labels": truth of held-back frames that are set aside; "video": photometric error on held-back video, and
    agreement with labels carried to other frames; auto: the former where labels can be set aside; "none": all are
    kept."""
    frames: int = 40
    """Frames that judge; of labelled ones at most half of the held-back frames, and these are not scored."""
    margin: float = 0.0
    """Share by which a measure may be worse and counts as no worse."""
    doubt: float = -1.0
    """By how many standard errors of the difference, frame by frame, it may be worse and is kept; below 0: by how many
    it must be better."""
    doubt_with_labels: float = 1.0
    """The same for segmentation that has more labels than the last kept one: it is better nearly always."""

    def __post_init__(self) -> None:
        require(self.frames >= 1, f"flywheel.gate.frames is {self.frames}; give 1 or more.")
        require(0 <= self.margin < 1, f"flywheel.gate.margin is {self.margin}; give 0 or more, and less than 1.")


@dataclass
class CarryConfig:
    """Labels of each round are carried to neighbouring frames, and segmentation learns from them too."""

    seconds: float = 0.0
    """How far, each way; 0: they are not."""
    keep: float = 0.9
    """Share of the pixels of carried frames that keep a label."""

    def __post_init__(self) -> None:
        require(0 <= self.seconds < math.inf, f"flywheel.carry.seconds is {self.seconds}; give 0 or more.")
        require(0 < self.keep <= 1, f"flywheel.carry.keep is {self.keep}; give a share over 0 and up to 1.")


@dataclass
class LaterConfig:
    """How segmentation trains where it goes on from the round before."""

    rate: float = 0.3
    """Learning rate, as a share of the recipe's."""
    warmup: int | None = None
    """Steps over which it rises; null: the recipe's."""

    def __post_init__(self) -> None:
        require(0 < self.rate < math.inf, f"flywheel.later.rate is {self.rate}; give a share over 0, such as 0.3.")
        require(
            self.warmup is None or self.warmup >= 0,
            f"flywheel.later.warmup is {self.warmup}; give 0 or more steps, or null.",
        )


@dataclass
class FlywheelConfig:
    """Rounds of depth, choice, segmentation and noisy labels (docs/flywheel.md), which are several runs.

    Settings of these are handed on: ``--flywheel.overrides.train.device cpu`` to all,
    ``--flywheel.depth.overrides.train.steps 500`` to one kind.
    """

    data: str = ""
    """Manifest, folder or video; ``--data`` on the command line."""
    rounds: int = 4
    """How many, 1 or more."""
    exchange: bool = True
    """Depth of later rounds gets hints from the classes of the round before; without: equal extra training of depth by
    the recipe of round 0, the control of studies."""
    warm_start: bool = True
    """Segmentation of later rounds starts from the last kept one instead of from the kept depth."""
    seed: int = 0
    """The choice of frames draws with it; round r trains with seed + 100 r."""
    limit: int | None = None
    """At most so many held-back frames are scored, evenly spaced."""
    label_files: bool = True
    """Write each round's noisy labels of all frames as files, too."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Settings of all trainings, such as ``train.device``."""
    labels: BudgetConfig = field(default_factory=BudgetConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    carry: CarryConfig = field(default_factory=CarryConfig)
    later: LaterConfig = field(default_factory=LaterConfig)
    depth: PartConfig = field(default_factory=PartConfig)
    """Round 0: learns depth from video alone."""
    hinted_depth: PartConfig = field(default_factory=PartConfig)
    """Later rounds: learns depth with noisy labels."""
    segmentation: PartConfig = field(default_factory=PartConfig)
    """Every round: learns segmentation from few labels."""

    def __post_init__(self) -> None:
        labels = self.labels
        require(self.rounds >= 1, f"flywheel.rounds is {self.rounds}; give 1 or more.")
        check_seed(self.seed, "flywheel.seed")
        require(self.limit is None or self.limit > 0, f"flywheel.limit is {self.limit}; give 1 or more, or null.")
        require(labels.per_round >= 0, f"flywheel.labels.per_round is {labels.per_round}; give 0 or more.")
        require(labels.total is None or labels.total >= 0, f"flywheel.labels.total is {labels.total}; give 0 or more.")
        require(
            labels.criterion in CRITERIA,
            f"flywheel.labels.criterion is {labels.criterion!r}{nearest(labels.criterion, CRITERIA)}; use one of "
            f"{', '.join(CRITERIA)}.",
        )

    def new_labels(self, number: int) -> int:
        """Frames to be chosen in a round."""
        before = self.labels.per_round * number
        total = self.labels.per_round * self.rounds if self.labels.total is None else self.labels.total
        return max(0, min(self.labels.per_round, total - before))


@dataclass
class FlywheelRecipe:
    """A flywheel as one value."""

    recipe: str = ""
    """Name of the recipe, for logs."""
    flywheel: FlywheelConfig = field(default_factory=FlywheelConfig)

    def write(self, folder: Path) -> Path:
        """Store it; the flywheel goes on from there."""
        return RunFolder(folder).write_recipe({"version": VERSION, **asdict(self)})


def is_flywheel(recipe: str | Path) -> bool:
    """Whether a recipe (by name or path) is a flywheel's; InputError where it cannot be read."""
    return "flywheel" in read_recipe(recipe)


def is_flywheel_folder(folder: Path) -> bool:
    """Whether a flywheel is in a folder."""
    with contextlib.suppress(InputError):
        return is_flywheel(RunFolder(folder).recipe)
    return False


def load_flywheel(recipe: str | Path, overrides: Overrides = (), data: str | Path | None = None) -> FlywheelRecipe:
    """Read the recipe of a flywheel; overrides as :func:`vergence.runs.config.load_config` takes them.

    Settings of its trainings are ``flywheel.overrides.KEY`` (all of them) and ``flywheel.PART.overrides.KEY``.

    Raises:
        InputError: an unknown key or a value of another type, in the flywheel or in what it hands to its trainings.
    """
    values = {"recipe": Path(recipe).stem} | dict(flattened(read_recipe(recipe)))
    settings = settings_of(overrides)
    for key in settings:
        if key.split(".")[0] in (*_OF_A_RUN, *method_names()):
            raise InputError(
                f"--{key} is a setting of a training, and a flywheel has several; write --flywheel.overrides.{key} "
                f"for all of them, or --flywheel.depth.overrides.{key} (or of {' or '.join(PARTS[1:])})."
            )
        if key.startswith(_FOR_ALL):  # asked for now and for all: stronger than what the recipe has for one
            for part in PARTS:
                values.pop(f"flywheel.{part}.overrides.{key.removeprefix(_FOR_ALL)}", None)
    recipe_values = build(FlywheelRecipe, (values, str(recipe)), (settings, origin_of(overrides)))
    config = recipe_values.flywheel
    if data is not None:
        config.data = str(data)
    require(bool(config.data), "there are no frames to train on; name a manifest, a folder or a video with --data.")
    config.data = kept_path(config.data)
    _check_parts(config)
    return recipe_values


def flywheel_sections(recipe: str | Path) -> Iterator[Section]:
    """All settings of a flywheel's recipe as it is written, with what they mean."""
    return sections(build(FlywheelRecipe, (read_recipe(recipe), str(recipe))))


def method_of(recipe: str) -> str:
    """Name of a recipe's method."""
    return str(read_recipe(recipe).get("method", DEFAULT_METHOD))


def known_keys(method: str) -> set[str]:
    """Full names of a method's settings."""
    return {key for key, _ in leaves(recipe_class(method))}


def _check_parts(config: FlywheelConfig) -> None:
    """InputError for recipes that do not predict what their place asks for, and for settings that they do not have."""
    for part in PARTS:
        settings: PartConfig = getattr(config, part)
        if part == "hinted_depth" and not settings.recipe:
            require(config.rounds == 1, "flywheel.hinted_depth.recipe is missing; name a semhint recipe.")
            continue
        task = "segmentation" if part == "segmentation" else "depth"
        require(bool(settings.recipe), f"flywheel.{part}.recipe is missing; name a recipe that learns {task}.")
        if settings.recipe.lower().endswith((".yaml", ".yml")):
            settings.recipe = str(Path(settings.recipe).expanduser().absolute())
        other = f"flywheel.{part}.recipe {settings.recipe} learns no {task}; name one that does."
        try:
            section = read_config(settings.recipe, config.overrides | settings.overrides).section
        except InputError:  # settings of another task's recipe are unknown here; what is wrong is the recipe
            require(task in read_config(settings.recipe, {}).section.tasks, other)
            raise
        require(task in section.tasks, other)
