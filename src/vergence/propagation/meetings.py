"""Where carried labels meet labels made by hand: how right they are on the data at hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.propagation.carry import Meeting

ARRAYS = ("score", "right")
Told = dict[str, Any]
"""One meeting as it is recorded."""


def stored_meetings(meetings: Sequence[Meeting]) -> tuple[dict[str, NDArray[Any]], list[Told]]:
    """Scores (N,) and agreement (N,) bool of the pixels of all meetings, one after the other; how far and how many."""
    none = [(torch.zeros(0), torch.zeros(0, dtype=torch.bool))]
    score, right = zip(*none, *((meeting.score, meeting.right) for meeting in meetings), strict=True)
    told = [{"seconds": meeting.seconds, "pixels": len(meeting.score)} for meeting in meetings]
    return {"score": torch.cat(score).numpy(), "right": torch.cat(right).numpy()}, told


def agreed(told: Sequence[Told], arrays: Mapping[str, NDArray[Any]], threshold: float) -> list[Told]:
    """Each meeting with the share of its pixels that agree, and that of those whose score reaches the threshold.

    A share of no pixels is None.
    """
    found = list[Told]()
    start = 0
    for meeting in told:
        piece = slice(start, start + meeting["pixels"])
        start = piece.stop
        right = arrays["right"][piece]
        kept = right[arrays["score"][piece] >= threshold]
        shares = {"right": _share(right), "kept": len(kept), "right_kept": _share(kept)}
        found.append({**meeting, **shares})
    return found


def checked(meetings: Sequence[Told]) -> Told:
    """All meetings as one: every pixel counts the same; None where there is none."""
    weights = {"right": "pixels", "right_kept": "kept", "seconds": "pixels"}
    return {name: _mean(meetings, name, weight) for name, weight in weights.items()} | {"meetings": len(meetings)}


def _mean(meetings: Sequence[Told], name: str, weight: str) -> float | None:
    total = sum(meeting[weight] for meeting in meetings)
    return sum(meeting[name] * meeting[weight] for meeting in meetings if meeting[weight]) / total if total else None


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None
