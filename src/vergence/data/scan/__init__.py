"""Scan: can this video teach depth, and what would make it teach better?"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vergence.data.layouts.resolve import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.scan.adapt import adapted
from vergence.data.scan.judge import judge
from vergence.data.scan.measure import chosen_frames, measure_sequence
from vergence.data.scan.report import Finding, ScanReport, SequenceReport
from vergence.data.shards import WHOLE, Shard
from vergence.errors import InputError

__all__ = ["Finding", "ScanReport", "SequenceReport", "adapted", "glance", "looked_at", "scan", "together"]


def scan(
    inputs: Manifest | Path | str | Sequence[Path | str],
    max_pairs: int = 100,
    progress: Callable[[int, int, str], None] | None = None,
    shard: Shard = WHOLE,
) -> ScanReport:
    """Look at frames and their motion, sequence by sequence, and say what to do. Nothing is written or changed, except
    that a video file is decoded once.

    Args:
        inputs: a manifest, or whatever :func:`vergence.data.layouts.resolve_input` takes, or several of these.
        max_pairs: about how many pairs of neighbouring frames to measure in each sequence (some 30 ms each); longer
            sequences are measured in chunks that are spread evenly.
        progress: called with (sequences done, all sequences, name of the next one).
        shard: look at this piece of the sequences only.

    Raises:
        InputError: nothing to scan; ``max_pairs`` below 10.
    """
    if max_pairs < 10:
        raise InputError(f"scan: max_pairs is {max_pairs}; measure at least 10 pairs of frames.")
    manifest = inputs if isinstance(inputs, Manifest) else resolve_input(inputs, split=False)
    groups = _groups(manifest, range(len(manifest)))
    if not groups:
        raise InputError(f"{manifest.name} has no frames to scan; give a manifest, folder or video with frames.")
    cameras, reports = Counter(sequence for sequence, _ in groups), []
    share = shard.share(list(groups.items()))
    for done, ((sequence, camera), indices) in enumerate(share):
        name = f"{sequence} ({camera})" if cameras[sequence] > 1 else sequence
        if progress is not None:
            progress(done, len(share), name)
        reports.append(judge(name, measure_sequence(manifest, indices, max_pairs)))
    return together(manifest, reports)


def looked_at(manifest: Manifest, max_pairs: int, shard: Shard) -> list[Path]:
    """The pictures that :func:`scan` reads for a piece of the sequences."""
    share = shard.share(list(_groups(manifest, range(len(manifest))).values()))
    return [manifest.path(indices[k]) for indices in share for k in chosen_frames(len(indices), max_pairs)]


def together(manifest: Manifest, reports: Sequence[SequenceReport]) -> ScanReport:
    """The report of all sequences of a manifest."""
    return ScanReport(tuple(reports), tuple(_together(manifest, reports)))


def glance(manifest: Manifest, sequences: int = 3, pairs: int = 10) -> list[SequenceReport]:
    """Reports of a few sequences that samples are of, from a few pairs each: what motion there is, in a second.

    Sequences are spread evenly, and pairs are in the middle of long ones, whose ends often stand. Neighbours that are
    no samples count as well.
    """
    sampled = {(row.sequence, row.camera) for row in manifest}
    groups = [rows for name, rows in _groups(manifest, range(len(manifest.rows))).items() if name in sampled]
    chosen = {round(k * (len(groups) - 1) / max(1, sequences - 1)) for k in range(sequences)} if groups else set()
    reports = []
    for rows in (groups[k] for k in sorted(chosen)):
        ends = len(rows) // 4 if len(rows) > 3 * pairs else 0
        name = manifest[rows[0]].sequence
        reports.append(judge(name, measure_sequence(manifest, rows[ends : len(rows) - ends], pairs)))
    return reports


def _groups(manifest: Manifest, indices: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    """Indices of each sequence and camera, in order of time."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index in indices:
        row = manifest[index]
        groups.setdefault((row.sequence, row.camera), []).append(index)
    for indices in groups.values():
        indices.sort(key=lambda index: manifest[index].position)
    return groups


def _together(manifest: Manifest, reports: Sequence[SequenceReport]) -> Iterator[Finding]:
    unknown = sum(not row.intrinsics_known for row in manifest)
    if unknown:
        yield Finding(
            "cameras",
            "advice",
            f"the intrinsics of {unknown} of {len(manifest)} frames are unknown; put an intrinsics.json beside them, "
            "train with --frames.options.field_of_view DEGREES (60 is assumed) or --depth.learn_intrinsics unknown.",
        )
    seen = [report.colour for report in reports if report.colour is not None]
    if 0 < sum(seen) < len(seen):
        yield Finding(
            "mixed",
            "note",
            f"{len(seen) - sum(seen)} of {len(seen)} sequences are grey and the others in colour; train on all of them "
            "only if the model shall meet both.",
        )
    steps = {report.step for report in reports if report.verdict != "poor"}
    if len(steps) > 1:
        yield Finding(
            "mixed",
            "advice",
            f"sequences want different frame steps ({', '.join(map(str, sorted(steps)))}); write an adapted manifest, "
            "in which offsets -1 and 1 suit all.",
        )
