"""Files of a selection: what was chosen in which order and why, as JSON, lists and a manifest."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vergence
from vergence.data.atomic import write_text, writing
from vergence.data.buckets.addresses import named
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.selected import FRAMES, SELECTION
from vergence.data.rows.split_rows import has_splits
from vergence.data.shards import ASKED
from vergence.selection.choice import Choice
from vergence.selection.cover import frame_weights
from vergence.selection.features import FeatureSpace
from vergence.selection.orders import PAPER_STEPS
from vergence.selection.reach import covered_by
from vergence.selection.video_reach import CELLS

LISTS = "nlabels_{}.txt"
TRAIN, VAL = "train", "val"


def written_by_select(out: Path) -> list[Path]:
    """Files of manifests and lists that a selection writes, or an earlier one wrote and this one removes."""
    return [
        out / "candidates.parquet",
        out / SELECTION,
        out / FRAMES,
        out / "selection.json",
        *out.glob(LISTS.format("*")),
    ]


def write_selection(choice: Choice, criterion: str, data: str, whole_data: Manifest, asked: str) -> dict[str, Any]:
    """Write ``selection.json`` and the lists, manifests and arrays beside it.

    ``nlabels_N.txt`` are the beginnings of the choice. ``selection.parquet`` has the frames to label: the chosen ones
    in order, then those set aside as split val; ``frames.parquet`` all that were ``given``, with these splits.
    ``candidates.parquet`` says which frame each row of the features is, ``allowed.npy`` which of them could be chosen.

    Returns:
        What ``selection.json`` says.
    """
    out, manifest, picks = choice.out, choice.manifest, choice.picks
    manifest.write(out / "candidates.parquet")
    could = choice.allowed.copy()
    could[picks] = True
    with writing(out / "allowed.npy") as temporary:
        np.save(temporary, could)
    frames: list[dict[str, Any]] = []
    for row, reason, (distance, nearest) in zip(picks, choice.reasons, nearest_before(choice), strict=True):
        frame = manifest[row]
        image, shot = named(frame.image), {"camera": frame.camera, "position": frame.position}
        where = {} if nearest is None else {"distance": distance, "nearest": named(manifest[nearest].image)}
        frames.append({"image": image, "sequence": frame.sequence, **shot, "row": row, **reason, **where})
    selection = {
        "criterion": criterion,
        "seed": choice.asked.seed,
        "weight": choice.asked.weight,
        **reach_told(choice),
        "count": len(picks),
        "steps": choice.asked.goals,
        "of": len(manifest),
        "left_out": int((~could).sum()),
        "labelled": choice.known,
        "val": [named(manifest[row].image) for row in choice.val],
        "val_rows": choice.val,
        "run": named(choice.run.path.absolute()),
        "run_step": choice.run.step,
        "run_checkpoint": choice.run.checkpoint,
        "data": data,
        "data_digest": manifest.digest(),
        "vergence": vergence.__version__,
        ASKED: asked,
        "frames": frames,
    }
    judges = {_place(manifest[row]) for row in choice.val}
    other = (
        "" if has_splits(whole_data) else TRAIN
    )  # a frame without split among others has lost it, as scan takes it away
    whole = whole_data.changed(lambda row: replace(row, split=VAL if _place(row) in judges else row.split or other))
    split = {_place(row): row.split for row in whole}
    to_label = [replace(manifest[row], split=split[_place(manifest[row])]) for row in (*picks, *choice.val)]
    Manifest(to_label, manifest.root).write(out / SELECTION)
    whole.write(out / FRAMES)
    write_lists(out, [frame["image"] for frame in frames], choice.asked.goals)
    write_text(out / "selection.json", json.dumps(selection, indent=1) + "\n")  # last: it says that all is there
    return selection


def _place(row: FrameRow) -> tuple[str, str, int]:
    """What no two rows share: pictures may stand in several."""
    return row.sequence, row.camera, row.position


def reach_told(choice: Choice) -> dict[str, Any]:
    """What criterion reach was told, and the share of all pixels that the chosen labels reach."""
    if choice.reaches is None:
        return {}
    weight = frame_weights(np.ones(len(choice.manifest) * CELLS), choice.val)
    share = covered_by(choice.reaches, [*choice.known, *choice.picks], weight)[-1]
    return {"seconds": choice.reaches.seconds, "rarity": choice.asked.rarity, "reached": float(share)}


def write_lists(out: Path, images: list[str], goals: list[int]) -> None:
    """A list of image names for each step and each of the paper's subset sizes; those of an earlier call go."""
    for old in out.glob(LISTS.format("*")):
        old.unlink()
    for size in sorted({*goals, *PAPER_STEPS}):
        if size <= len(images):
            write_text(out / LISTS.format(size), "\n".join(images[:size]) + "\n")


def nearest_before(choice: Choice) -> list[tuple[float, int | None]]:
    """How far each pick is from the nearest frame chosen or labelled before it, and which one that is."""
    space: FeatureSpace = choice.space
    rows = torch.tensor([*choice.known, *choice.picks])
    points = space.points(rows)
    squared = points.square().sum(1)
    nearest_chosen: list[tuple[float, int | None]] = []
    for rank in range(len(choice.known), len(rows)):
        if rank == 0:
            nearest_chosen.append((0.0, None))
            continue
        apart = squared[:rank] - 2 * (points[:rank] @ points[rank])
        nearest = int(rows[int(apart.argmin())])
        exact = space.exact(rows[rank : rank + 1], torch.tensor([nearest]))
        nearest_chosen.append((float(exact[0, 0]), nearest))
    return nearest_chosen
