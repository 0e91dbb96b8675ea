"""Labels of a round carried through its video: for training, and to compare predictions with."""

import logging
from pathlib import Path

from vergence.data.manifest import Manifest
from vergence.data.structured import read_json
from vergence.flywheel.folder import Round
from vergence.flywheel.settings import CarryConfig
from vergence.propagation.propagate import RECORD, Propagation, propagate
from vergence.runs.checkpoint import LoadedRun, load_run

_log = logging.getLogger("vergence")

AGREEMENT = CarryConfig(seconds=1.0, keep=0.6)
"""Labels to compare predictions with are carried less far and kept only where they are surest."""


def carried_labels(one: Round, how: CarryConfig, out: Path, depth: Path, device: str) -> Path:
    """Write the round's manifest with carried labels, or take what an earlier call has written.

    Args:
        depth: run folder whose depth and motion help.

    Raises:
        InputError: no label has a neighbour in time, or there is no optical flow (OpenCV).
    """
    record = out.with_suffix("") / RECORD
    whole = out.is_file() and record.is_file() and record.stat().st_mtime_ns >= one.data.stat().st_mtime_ns
    if whole:
        return out
    _log.info("round %d: carrying labels over %g seconds", one.number, how.seconds)
    data = Manifest.read(one.data)
    propagate(data, out, Propagation("auto", how.seconds, how.keep), _geometry(depth, data, device))
    return out


def _geometry(depth: Path, data: Manifest, device: str) -> LoadedRun | None:
    """The depth run, where it knows motion and frames are straight; else flow alone carries."""
    if any(row.lens for row in data.rows):
        return None
    run = load_run(depth, device)
    return run if getattr(run.method, "pose", None) is not None else None


def carried_with(out: Path) -> dict[str, float] | None:
    """Settings that a manifest was carried with; None where there is none."""
    record = out.with_suffix("") / RECORD
    if not record.is_file():
        return None
    return {key: float(value) for key, value in read_json(record).items() if key in ("seconds", "keep")}
