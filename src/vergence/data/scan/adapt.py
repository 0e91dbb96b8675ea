"""A manifest that follows the scan's advice."""

import dataclasses

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.split_rows import has_splits
from vergence.data.scan.report import ScanReport, SequenceReport
from vergence.errors import InputError


def adapted(manifest: Manifest, report: ScanReport) -> Manifest:
    """Leave out what cannot teach depth, and let neighbours be as far apart as suits each sequence.

    Sequences with a problem go. Frames in which the camera stands lose their split (they may still be neighbours); in a
    manifest without splits, all of which teaches, the others get "train". A
    sequence of step n becomes n sequences of every n-th frame, ``NAME/1of3`` ..., so that no frame is lost and the
    offsets -1 and 1 suit all sequences.

    Args:
        manifest: the one that was scanned.
        report: of :func:`vergence.data.scan.scan`.

    Raises:
        InputError: no sequence can teach depth.
    """
    reports = {(one.sequence, one.camera): one for one in report.sequences}
    if not has_splits(manifest) and any(one.standing for one in report.sequences):
        manifest = Manifest([dataclasses.replace(row, split="train") for row in manifest], manifest.root, manifest.name)
    rows = [_moved(row, reports[row.sequence, row.camera]) for row in manifest if _fit(row, reports)]
    if not rows:
        raise InputError(f"{manifest.name}: {report.summary()}")
    return Manifest(rows, manifest.root, manifest.name)


def _fit(row: FrameRow, reports: dict[tuple[str, str], SequenceReport]) -> bool:
    report = reports.get((row.sequence, row.camera))
    return report is not None and report.verdict != "poor"


def _moved(row: FrameRow, report: SequenceReport) -> FrameRow:
    if any(first < row.position < last for first, last in report.standing):
        row = dataclasses.replace(row, split="")
    if report.step == 1:
        return row
    part, position = row.position % report.step, row.position // report.step
    sequence = f"{row.sequence}/{part + 1}of{report.step}"
    return dataclasses.replace(row, sequence=sequence, position=position, fps=row.fps / report.step)
