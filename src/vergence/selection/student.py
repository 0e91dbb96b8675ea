"""Students of a selection: trained on the frames chosen so far, asked how hard the others are (Three Ways, 5.2).

One that learns depth is asked how far it is from its teacher; one that learns classes, how uncertain it is (5.4).
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.structured import map_array
from vergence.errors import InputError, Interrupted
from vergence.progress import Progress
from vergence.runs.checkpoint import load_run, read_settings
from vergence.runs.config import RunConfig, config_from_dict, load_config
from vergence.runs.folder import RunFolder, newest_whole
from vergence.runs.overrides import Overrides
from vergence.runs.recipe import read_recipe
from vergence.selection.student_scores import difficulties, entropies, kept_scores, open_stage, quiet
from vergence.training.train import train

_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Students:
    """What all steps of a selection share."""

    manifest: Manifest
    """All frames, with the teacher's depth in the column ``estimate``; with labels where classes are learned."""
    folder: Path
    """Each step has a folder below it."""
    recipe: str
    overrides: Overrides
    options: FrameOptions
    """How the teacher sees frames; the student sees them so, too."""
    seed: int
    device: str
    progress: Progress | None = None
    classes: bool = False
    """Students learn classes from labels, by a recipe of method supervised."""
    parts: int = 0
    """Student k trains k / parts of the recipe's steps; 0: k times as many."""

    @property
    def measure(self) -> str:
        """What the scores are."""
        return "entropy" if self.classes else "difficulty"

    def scores(self, number: int, chosen: Sequence[int], rows: Sequence[int]) -> NDArray[np.float64]:
        """Train student ``number`` (from 1) on the chosen frames, and score ``rows``; NaN elsewhere.

        A step that was interrupted goes on; one that is finished is read from its folder.
        """
        folder = self.folder / f"step-{len(chosen)}"
        config = self._config(number, folder)
        column = "label" if self.classes else "estimate"
        frames = [[self.manifest[row].image, getattr(self.manifest[row], column)] for row in sorted(chosen)]
        open_stage(folder, {"frames": _digest(frames), "student": _digest(_settings(config))})
        scores = folder / f"{self.measure}.npy"
        asked = sorted(rows)
        if scores.exists():
            known = np.array(map_array(scores, "r", (len(self.manifest),), "float64", "remove it, it is made again"))
            if not np.isnan(known[asked]).any():
                return known
        self._train(config, folder, chosen)
        student = load_run(_student(folder).path, self.device)
        score = entropies if self.classes else difficulties
        result = kept_scores(
            scores,
            len(self.manifest),
            asked,
            lambda missing: score(student, self.manifest, missing),
            self.progress,
        )
        shutil.rmtree(_student(folder).checkpoint_folder, ignore_errors=True)
        return result

    def check(self) -> None:
        """InputError where the recipe is no student's."""
        self._config(1, self.folder / "step")

    def _config(self, number: int, folder: Path) -> RunConfig:
        values = read_recipe(self.recipe)
        frames = values.setdefault("frames", {})
        options = frames.setdefault("options", {})
        shared = self.options
        options |= {key: getattr(shared, key) for key in ("height", "width", "fit", "crop_anchor")}
        if crop := options.get("random_crop"):
            options["random_crop"] = [min(crop[0], shared.height), min(crop[1], shared.width)]
        if self.classes:
            options["label_space"] = shared.label_space
            frames.pop("labelled", None)
        frames["source"] = str((folder / "frames.parquet").absolute())
        settings = values.setdefault("train", {})
        settings |= {"seed": self.seed, "device": self.device, "evaluate_every": 0}
        values.setdefault("recipe", Path(self.recipe).stem)
        config = config_from_dict(values, self.overrides, self.recipe)
        roles = list(config.section.roles.values())
        if self.classes:
            fits, pools = [role.pool for role in roles] == ["labelled"], "labelled frames alone, as supervised does"
        else:
            fits = len(roles) == 1 and bool(roles[0].depth_port) and "depth" in config.section.tasks
            pools = "estimated depth alone, as distill does"
        if not fits:
            raise InputError(f"{self.recipe} is of method {config.method}; a student's recipe learns from {pools}.")
        if not self.classes and roles[0].depth_port != "manifest":
            raise InputError(
                f"the teacher of a selection is named by --depth; leave that of {config.method} at manifest."
            )
        steps = number * config.train.steps
        config.train = replace(config.train, steps=max(1, steps // self.parts) if self.parts else steps)
        return config

    def _train(self, config: RunConfig, folder: Path, chosen: Sequence[int]) -> None:
        run = _student(folder)
        checkpoint = newest_whole(run, resuming=False) if run.has_recipe else None
        if checkpoint is not None and read_settings(checkpoint)[1] >= config.train.steps:
            return
        trained = checkpoint is not None
        if not trained:
            shutil.rmtree(run.path, ignore_errors=True)
            rows = [replace(self.manifest[row], split="") for row in chosen]
            Manifest(rows, self.manifest.root).write(folder / "frames.parquet")
        else:
            config = load_config(run.recipe)
        _log.info("training a student for %d steps on %d frames, in %s", config.train.steps, len(chosen), run)
        try:
            with quiet():
                train(config, run.path, resume=trained)
        except Interrupted as stop:
            raise Interrupted(f"stopped in {folder}; the same call goes on from there.", stop.exit_code) from stop


def _student(folder: Path) -> RunFolder:
    """The run of a step's student."""
    return RunFolder(folder / "student")


def _settings(config: RunConfig) -> dict[str, Any]:
    """What a student depends on, wherever it is trained."""
    values = config.to_dict()
    del values["frames"]["source"], values["train"]["device"]
    return values


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode(errors="surrogateescape")).hexdigest()[:16]
