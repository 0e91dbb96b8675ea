"""The part of a selection's page that says how far labels of the chosen frames reach."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vergence.data.buckets.addresses import named
from vergence.data.manifest import Manifest
from vergence.report.curves import time_chart
from vergence.report.selection_charts import Line, coverage_chart, legend
from vergence.selection.cover import frame_weights
from vergence.selection.orders import random_order, uniform_order
from vergence.selection.reach import covered_by
from vergence.selection.video_reach import CELLS, VideoReach, open_reach


class ReachedPart(NamedTuple):
    """What the template shows."""

    verdict: str
    lines: list[dict[str, str]]
    chart: str
    over_time: str


def compared_orders(selection: dict[str, Any], manifest: Manifest, allowed: NDArray[np.bool_]) -> dict[str, list[int]]:
    """As many frames as were chosen: these, random ones and uniform ones."""
    frames = list(manifest)
    orders = {
        "chosen": [frame["row"] for frame in selection["frames"]],
        "random": random_order(len(frames), selection["seed"]),
        "uniform": uniform_order([(f.sequence, f.camera) for f in frames], [f.position for f in frames]),
    }
    return {
        name: [row for row in order if allowed[row]][: selection["count"]]
        for name, order in orders.items()
        if not name.startswith(selection["criterion"])  # the same line again
    }


def reached_part(
    selection: dict[str, Any], manifest: Manifest, allowed: NDArray[np.bool_], folder: Path
) -> ReachedPart:
    """Charts of the share of pixels that labels reach, against number of frames and over time."""
    reaches = open_reach(manifest, folder, selection["seconds"])
    judges = set(selection["val"])
    closed = [index for index, row in enumerate(manifest) if named(row.image) in judges]
    weight, known = frame_weights(np.ones(len(manifest) * CELLS), closed), selection["labelled"]
    lines = []
    for name, order in compared_orders(selection, manifest, allowed).items():
        lines.append(Line(name, None, covered_by(reaches, [*known, *order], weight)[len(known) :]))
    chosen, *others = lines
    comparison = " and ".join(f"{line.mean[-1]:.0%} from {line.name} ones" for line in others)
    verdict = (
        f"From {len(chosen.mean)} labels about {chosen.mean[-1]:.0%} of all pixels are expected to get their right "
        f"label, {comparison}."
    )
    return ReachedPart(
        verdict,
        legend([line.name for line in lines]),
        coverage_chart(lines, "Share of all pixels that labels reach"),
        _over_time(selection, reaches),
    )


def _over_time(selection: dict[str, Any], reaches: VideoReach) -> str:
    """Bars of the reached share of each frame in the order of the videos, frames with a label of their own marked."""
    best = np.zeros(len(reaches) * CELLS)
    keys = {*selection["labelled"], *(frame["row"] for frame in selection["frames"])}
    for row in keys:
        targets, shares = reaches[row]
        np.maximum.at(best, targets, shares)
    shares = best.reshape(-1, CELLS).mean(1)
    order = [row for video in reaches.videos for row in video.rows]
    return time_chart([float(shares[row]) for row in order], [row in keys for row in order], "Reached share over time")


def reach_told(frame: dict[str, Any]) -> str:
    """Why a frame was chosen."""
    before, after = frame["reach"]["before"], frame["reach"]["after"]
    frames = before["frames"] + after["frames"]
    rare = f", {frame['rarity']:.1f} times as rare as the mean" if abs(frame["rarity"] - 1) >= 0.05 else ""
    if not frames:
        return f"adds {frame['adds']:.1f} frames{rare}; reaches no other frame"
    share = sum(side["share"] * side["frames"] for side in (before, after)) / frames
    return (
        f"adds {frame['adds']:.1f} frames{rare}; reaches {before['seconds']:.1f} s back and {after['seconds']:.1f} s "
        f"on: {share:.0%} of the pixels of {frames} frames"
    )
