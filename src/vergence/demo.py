"""The whole road on toy town: depth from video, which frames to label, labels carried through the video, and
segmentation from them, beside as many random frames and labels alone.

Every stage looks at what is there and goes on from it, so that an interrupted demo is called again and goes on.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from vergence.data.manifest import Manifest
from vergence.data.rows.subsets import labelled_subset, listed_rows, read_list
from vergence.data.structured import read_json
from vergence.data.toytown import TownOptions, write_toytown
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.labelling import labels_propagate
from vergence.progress import Progress
from vergence.propagation.propagate import RECORD
from vergence.report.demo_page import Demo, write_demo_page
from vergence.report.evaluation_tables import verdict
from vergence.report.page import write_report
from vergence.report.selection_page import write_selection_page
from vergence.runs.config import load_config
from vergence.runs.folder import REPORT, RunFolder
from vergence.runs.overrides import Overrides
from vergence.runs.said_once import said_once
from vergence.selection.select import select
from vergence.selection.settings import Selection
from vergence.training.run_chain import check_equal, trained

_log = logging.getLogger("vergence")

HEAD = "frozen-toytown"
"""What both segmentation runs are trained with."""
TOWN = TownOptions(halts={2: 20.0, 7: 20.0})
"""Ten streets, and at two of them a red light: of the frames, 62 % are standing traffic, as real drives have it."""
STREETS, FRAMES = {"train": 10, "val": 6}, 24
SECONDS = 10.0
"""How far labels are carried, each way: what stands still is known for as long as it stands."""
KEEP = 0.6
"""Share of the carried pixels that keep a label, the surest ones: few wrong labels teach more than many labels."""
EVERY = 2
"""Frames to label are chosen among every so many-th: neighbours differ little, and reach is a matter of pairs."""


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
    stages = _Stages(8 if labels else 4)
    stages.begin(f"rendering toy town in {out / 'town'}")
    manifest = town(out / "town", progress)
    stages.begin(f"training {recipe} in {run}: depth from video, no depth label")
    trained(run, lambda: load_config(recipe, overrides, manifest), checked=True)
    stages.begin("scoring depth on streets that were not trained on")
    depth = evaluate(run, scoring=Scoring(limit=limit), progress=progress)
    if not labels:
        stages.begin("writing the report")
        page = write_report(run)
        _log.info("%s", verdict(depth["rows"]))
        return page
    stages.begin(f"choosing {labels} of the town's frames to label, by how far their labels reach")
    chosen = _selected(run, manifest, labels, out, progress)
    stages.begin(f"carrying these {labels} labels through the video")
    carried = _carried(run, manifest, chosen, labels, out, progress)
    reach_run, random_run = out / "chosen_carried", out / "random_alone"
    stages.begin(f"training {HEAD} on these {labels} labels and what they reach")
    steps: dict[str, Any] = {} if label_steps is None else {"train.steps": label_steps}
    trained(reach_run, lambda: load_config(HEAD, steps | {"frames.val": str(manifest.absolute())}, carried))
    stages.begin(f"training {HEAD} on {labels} random frames: labels alone")
    trained(random_run, lambda: load_config(HEAD, steps | {"frames.labelled.count": labels}, manifest))
    stages.begin("scoring both and writing the report")
    for segmentation in (reach_run, random_run):
        evaluate(segmentation, scoring=Scoring(limit=limit), progress=progress)
    demo = Demo(run, reach_run, random_run, carried, *_labelled_rows(manifest, chosen, random_run, labels))
    page, outcome = write_demo_page(demo, out / REPORT)
    _log.info("%s", "\n".join([verdict(depth["rows"]), outcome]))
    return page


def town(root: Path, progress: Progress | None = None) -> Path:
    """The town of the demo; its manifest."""
    return write_toytown(root, TOWN, STREETS, FRAMES, progress)


class _Stages:
    """Says which of how many stages begins."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def begin(self, what: str) -> None:
        self.done += 1
        _log.info("%d/%d %s", self.done, self.total, what)


def _selected(run: Path, manifest: Path, count: int, out: Path, progress: Progress | None) -> Path:
    """The list of chosen frames, most important first; nothing is done where it is there."""
    selection = out / "selection"
    file = selection / "selection.json"
    if not file.is_file() or len(read_list(file)) < count:
        frames = Manifest.read(manifest).select("train", lambda row: row.position % EVERY == 0)
        Manifest(list(frames), frames.root).write(out / "candidates.parquet")
        asked = Selection(count, "reach", seconds=SECONDS)
        select(run, out / "candidates.parquet", selection, asked, progress=progress)
        write_selection_page(selection)
    return file.absolute()


def _carried(run: Path, manifest: Path, chosen: Path, count: int, out: Path, progress: Progress | None) -> Path:
    """A manifest of the training frames in which the chosen ones alone have labels by hand, and others what these give
    them; nothing is done where it is there."""
    training = Manifest.read(manifest).select(split="train")
    keys = set(listed_rows(training, chosen)[:count])
    rows = [row if index in keys else replace(row, label="", label_space="") for index, row in enumerate(training)]
    labelled = Manifest(rows, training.root)
    labelled.write(out / "labelled.parquet")
    carried = out / "carried.parquet"
    record = carried.with_suffix("") / RECORD
    if not (carried.is_file() and record.is_file() and read_json(record)["data"] == labelled.digest()):
        labels_propagate(
            out / "labelled.parquet", carried, run, seconds=SECONDS, keep=KEEP, device="cpu", progress=progress
        )
    return carried


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
