"""What a selection optimises, said first on its page: the scores of the chosen frames beside those of all frames."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vergence.data.manifest import Manifest
from vergence.report.curves import time_chart
from vergence.report.selection_charts import Line

_SCORES = {"us": "difficulty", "ds_us": "difficulty", "entropy": "entropy"}
_NAMES = {"difficulty": "the student's error of depth", "entropy": "the entropy of classes"}


class Lead(NamedTuple):
    """The first part of the page."""

    title: str
    verdict: str
    chart: str = ""
    note: str = ""


def lead_of(selection: dict[str, Any], manifest: Manifest, folder: Path, lines: list[Line]) -> Lead:
    """The lead of every criterion but reach, which has charts of its own.

    Args:
        selection: what ``selection.json`` says.
        manifest: all frames.
        folder: that of the selection, whose ``steps/`` hold the scores of all frames.
        lines: distances to the nearest chosen frame, the choice first.
    """
    criterion = selection["criterion"]
    if criterion == "uniform":
        return Lead("How evenly they lie in time", _spacing(selection, manifest))
    if criterion == "random":
        text = (
            f"Nothing is optimised: these frames are drawn by seed {selection['seed']}. Below is how well they stand "
        )
        return Lead("Drawn by chance", text + "for all frames, beside uniform ones.")
    if criterion == "ds":
        return Lead("How different they are", _distances(lines))
    name = _SCORES[criterion]
    title = {
        "us": "How hard they are",
        "ds_us": "How hard and how different they are",
        "entropy": "How unsure the network is of them",
    }
    scored = _scored(selection, folder, name)
    told = [_scores_told(scored, name), _distances(lines) if criterion == "ds_us" else ""]
    values = [score for score, _ in scored]
    top = max(values, default=0.0)
    chart = time_chart([value / top for value in values], [True] * len(values), _NAMES[name]) if top > 0 else ""
    note = f"A bar for each chosen frame that has a score, in the order of choice; the highest is {top:.3g}."
    return Lead(title[criterion], " ".join(filter(None, told)), chart, note if chart else "")


def _distances(lines: list[Line]) -> str:
    chosen, *others = lines
    assert chosen.largest is not None
    beside = " and ".join(
        f"{line.largest[-1]:.1f} from {line.name} ones" for line in others if line.largest is not None
    )
    return f"No frame is farther than {chosen.largest[-1]:.1f} from a chosen one in depth features; {beside}."


def _scored(selection: dict[str, Any], folder: Path, name: str) -> list[tuple[float, float]]:
    """Score of each chosen frame that has one, and the mean of all frames when it was chosen (NaN: not there)."""
    pairs, means, first = [], dict[Path, float](), dict[Any, int]()
    for index, frame in enumerate(selection["frames"]):
        start = first.setdefault(frame.get("step"), index) + len(selection["labelled"])
        if name in frame:
            step = folder / "steps" / f"step-{start}" / f"{name}.npy"
            file = step if step.is_file() else folder / "steps" / "entropy" / f"{name}.npy"
            if file not in means:
                means[file] = _mean(file)
            pairs.append((float(frame[name]), means[file]))
    return pairs


def _mean(file: Path) -> float:
    if not file.is_file():
        return float("nan")
    scores: NDArray[np.float64] = np.load(file, allow_pickle=False)
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else float("nan")


def _scores_told(scored: list[tuple[float, float]], name: str) -> str:
    if not scored:
        return "No frame has a score yet: all were chosen before a student could be asked."
    chosen = float(np.mean([score for score, _ in scored]))
    everywhere = float(np.mean([mean for _, mean in scored]))
    beside = "" if np.isnan(everywhere) else f", {everywhere:.3g} on all frames at that moment"
    return f"On {len(scored)} of the chosen frames {_NAMES[name]} is {chosen:.3g} on average{beside}."


def _spacing(selection: dict[str, Any], manifest: Manifest) -> str:
    places: dict[tuple[str, str], list[int]] = {}
    for frame in selection["frames"]:
        row = manifest[frame["row"]]
        places.setdefault((row.sequence, row.camera), []).append(row.position)
    gaps = [int(gap) for positions in places.values() for gap in np.diff(sorted(positions))]
    if not gaps:
        return "No sequence has two chosen frames, so there is no gap to state."
    return f"Between neighbours in a sequence lie {min(gaps)} to {max(gaps)} frames, {np.mean(gaps):.1f} on average."
