"""The whole road on the embedded world: depth from video, which frames to label, segmentation from a few labels.

Every stage looks at what is there and goes on from it, so that an interrupted demo is called again and goes on.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vergence.data.manifest import Manifest
from vergence.data.subsets import labelled_subset, listed_rows, read_list
from vergence.data.toytown import write_toytown
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.report.demo_page import Demo, write_demo_page
from vergence.report.evaluation_tables import verdict
from vergence.report.page import write_report
from vergence.report.selection_page import write_selection_page
from vergence.runs.config import load_config
from vergence.runs.folder import REPORT, RunFolder
from vergence.runs.overrides import Overrides
from vergence.selection.select import select
from vergence.training.run_chain import check_equal, network_of, said_once, trained

_log = logging.getLogger("vergence")

Progress = Callable[[int, int], None]
WITH_DEPTH, LABELS_ONLY = "three_ways-toytown-demo", "supervised-toytown-demo"


def run_demo(
    out: Path,
    recipe: str,
    overrides: Overrides = (),
    labels: int = 10,
    label_steps: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """See :func:`vergence.api.demo`; returns the page."""
    if labels < 0:
        raise InputError(f"labels is {labels}; give how many frames are labelled, 0 for depth alone.")
    for name, value in (("label_steps", label_steps), ("limit", limit)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; give 1 or more, or leave it out.")
    check_same(out / "run", recipe, overrides)
    with said_once():
        return _run_stages(out, recipe, overrides, labels, label_steps, limit, progress)


def _run_stages(
    out: Path,
    recipe: str,
    overrides: Overrides,
    labels: int,
    label_steps: int | None,
    limit: int | None,
    progress: Progress | None,
) -> Path:
    run = out / "run"
    stages = _Stages(7 if labels else 4)
    stages.begin(f"rendering toy town in {out / 'town'}")
    manifest = write_toytown(out / "town", progress=progress)
    stages.begin(f"training {recipe} in {run}: depth from video, no depth label")
    trained(run, lambda: load_config(recipe, overrides, manifest), checked=True)
    stages.begin("scoring depth on streets that were not trained on")
    depth = evaluate(run, scoring=Scoring(limit=limit), progress=progress)
    if not labels:
        stages.begin("writing the report")
        page = write_report(run)
        _log.info("%s", verdict(depth["rows"]))
        return page
    stages.begin(f"choosing {labels} of the town's frames to label")
    chosen = _selected(run, manifest, labels, out / "selection", progress)
    chosen_run, random_run = out / "three_ways", out / "labels_only"
    stages.begin(f"training {WITH_DEPTH} on these {labels}: transfer from depth, mean teacher, DepthMix")
    words = {
        "frames.labelled.count": labels,
        "frames.labelled.file": str(chosen),
        "three_ways.initialize_from": str(run.absolute()),
        "three_ways.depth": str(run.absolute()),
        **network_of(load_config(RunFolder(run).recipe)),
    }
    trained(chosen_run, lambda: load_config(WITH_DEPTH, words | _steps(label_steps), manifest))
    stages.begin(f"training {LABELS_ONLY} on {labels} random frames: labels alone")
    words = {"frames.labelled.count": labels, **network_of(load_config(RunFolder(run).recipe))}
    trained(random_run, lambda: load_config(LABELS_ONLY, words | _steps(label_steps), manifest))
    stages.begin("scoring both and writing the report")
    for segmentation in (chosen_run, random_run):
        evaluate(segmentation, scoring=Scoring(limit=limit), progress=progress)
    demo = Demo(run, chosen_run, random_run, *_labelled_rows(manifest, chosen, random_run, labels))
    page, said = write_demo_page(demo, out / REPORT)
    _log.info("%s", "\n".join([verdict(depth["rows"]), said]))
    return page


class _Stages:
    """Says which of how many stages begins."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def begin(self, what: str) -> None:
        self.done += 1
        _log.info("%d/%d %s", self.done, self.total, what)


def _selected(run: Path, manifest: Path, count: int, out: Path, progress: Progress | None) -> Path:
    """The list of chosen frames, most important first; nothing is done where it is there."""
    file = out / "selection.json"
    if not file.is_file() or len(read_list(file)) < count:
        select(run, manifest, count, out, criterion="ds", split="train", progress=progress)
        write_selection_page(out)
    return file.absolute()


def _steps(steps: int | None) -> dict[str, Any]:
    return {} if steps is None else {"train.steps": steps}


def _labelled_rows(manifest: Path, chosen: Path, random_run: Path, count: int) -> tuple[Manifest, list[int], list[int]]:
    """The training frames, and the rows of the chosen (in the order of choice) and of the random ones."""
    training = Manifest.read(manifest).select(split="train")
    ordered = listed_rows(training, chosen)[:count]
    config = load_config(RunFolder(random_run).recipe)
    return training, ordered, labelled_subset(training, count, config.train.seed).rows


def check_same(run: Path, recipe: str, overrides: Overrides) -> None:
    """InputError where a run is there already and was made with other settings than those asked for."""
    if not RunFolder(run).has_recipe:
        return
    stored = load_config(RunFolder(run).recipe)
    if stored.recipe != Path(recipe).stem:
        raise InputError(f"{run} was trained with {stored.recipe}, not {recipe}; give another --out, or remove it.")
    check_equal(run, stored, load_config(RunFolder(run).recipe, overrides))
