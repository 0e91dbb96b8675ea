"""Verbs before training: what this machine can, which recipes there are, what video is worth, manifests, runs of
published weights, the demo; part of :mod:`vergence.api`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vergence.data.buckets.anywhere import results_anywhere
from vergence.inference.ray_pieces import pieces_on_ray
from vergence.runs.overrides import Overrides

if TYPE_CHECKING:
    from vergence.data.manifest import Manifest
    from vergence.data.scan import ScanReport
    from vergence.data.shards import Parts, Shard
    from vergence.doctor import Check


def recipes(name: str | None = None) -> list[str]:
    """List recipes with what they do and need, or one of them with all its settings.

    Args:
        name: of a recipe, or path of a YAML file; default all recipes, a line each.

    Returns:
        Lines.
    """
    from vergence.recipe_list import recipe_lines, recipe_text

    return recipe_lines() if name is None else recipe_text(name).splitlines()


@pieces_on_ray
@results_anywhere()
def scan(
    inputs: str | Path | Sequence[str | Path],
    max_pairs: int = 100,
    out: str | Path | None = None,
    json: str | Path | None = None,
    allow_truncated: bool = False,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    pieces: int = 16,
    progress: Callable[[int, int, str], None] | None = None,
) -> "ScanReport":
    """Say whether video can teach depth, and what would make it teach better.

    Args:
        inputs: manifests, folders or videos.
        max_pairs: about how many pairs of neighbouring frames to measure in each sequence.
        out: a manifest to write that follows the advice: standing frames and unfit sequences left out, neighbours as
            far apart as suits each sequence.
        json: file for everything that was found.
        allow_truncated: use what can be read of a video that is damaged or cut off.
        shard: I/N: only the I-th of N pieces of the sequences, from 0, whose findings are left beside json or out; when
            all are done, the same call without it joins them; default under torchrun the process's own.
        engine: local (this process) or ray (on a cluster that sees the same paths; extra cluster).
        address: of the Ray cluster; default that of RAY_ADDRESS, or one on this machine.
        pieces: into how many pieces Ray shares the work; the same in calls that are repeated.
    """
    import json as json_format

    from vergence.data.atomic import check_place, write_text
    from vergence.data.layouts import resolve_input
    from vergence.data.outputs import keep_inputs
    from vergence.data.scan import adapted, looked_at
    from vergence.data.scan import scan as run_scan
    from vergence.data.shards import ASKED, Shard
    from vergence.data.table import check_manifest_file

    given = [inputs] if isinstance(inputs, str | Path) else inputs
    keep_inputs([out, json], *(path for path in given if Path(path).is_file()))
    manifest = resolve_input(inputs, split=out is not None, allow_truncated=allow_truncated)
    keep_inputs([out, json], manifest)
    if json is not None:
        check_place(json, (".json",), "--json")
    if out is not None:
        check_manifest_file(Path(out))
    piece, beside = Shard.of(shard), json if json is not None else out
    if piece is not None:
        return _scan_shard(manifest, max_pairs, piece, beside, progress)
    shards = None if beside is None else _scan_shards(manifest, max_pairs, beside)
    joins = shards is not None and shards.there()
    if shards is not None and joins:
        report = _report_of(manifest, shards.joined(lambda one: looked_at(manifest, max_pairs, one)))
    else:
        report = run_scan(manifest, max_pairs, progress)
    if json is not None and shards is not None:
        write_text(json, json_format.dumps(report.to_dict() | {ASKED: shards.asked}, indent=2) + "\n")
    if out is not None:
        adapted(manifest, report).write(out)
    if shards is not None and joins:
        shards.remove()
    return report


def _scan_shards(manifest: "Manifest", max_pairs: int, beside: str | Path) -> "Parts":
    from vergence.data.shards import FOLDER, Parts

    path = Path(beside)
    made = [path] if path.suffix.lower() == ".json" else []
    return Parts(path.with_suffix(f".{FOLDER}"), lambda: {"data": manifest.digest(), "max_pairs": max_pairs}, made)


def _scan_shard(
    manifest: "Manifest", max_pairs: int, shard: "Shard", beside: str | Path | None,
    progress: Callable[[int, int, str], None] | None,
) -> "ScanReport":  # fmt: skip
    """Scan one shard and leave what was found."""
    from vergence.data.digests import files_seen
    from vergence.data.scan import looked_at
    from vergence.data.scan import scan as run_scan
    from vergence.data.structured import read_json
    from vergence.errors import InputError

    if beside is None:
        raise InputError(f"shard {shard} leaves what it finds beside a file; give --json or --out.")
    shards = _scan_shards(manifest, max_pairs, beside)
    if shards.joined_before(shard):
        return _report_of(manifest, [read_json(beside, "log")])
    shards.begun(shard)
    seen = files_seen(looked_at(manifest, max_pairs, shard))
    report = run_scan(manifest, max_pairs, progress, shard)
    shards.done(shard, {"sequences": report.to_dict()["sequences"]}, seen)
    return report


def _report_of(manifest: "Manifest", found: Sequence[Mapping[str, Any]]) -> "ScanReport":
    """The report that several make together, from plain values."""
    from vergence.data.scan import SequenceReport, together

    sequences = [sequence for one in found for sequence in one["sequences"]]
    return together(manifest, [SequenceReport.of_plain(sequence) for sequence in sequences])


@results_anywhere()
def index(layout: str, root: str | Path, out: str | Path, options: Mapping[str, Any] | None = None) -> "Manifest":
    """Write the manifest of a data set.

    Args:
        layout: kitti_raw, kitti_odometry, kitti2015, cityscapes, camvid, folder, video, toytown, ...
        root: folder (or file) of the data.
        out: the manifest, .parquet or .csv.
        options: of the layout.
    """
    from vergence.data.layouts import index_layout

    return index_layout(layout, root, out, **dict(options or {}))


@results_anywhere()
def convert(weights: Sequence[str | Path], out: str | Path, family: str = "monodepth2") -> Path:
    """Make a run folder of published weights.

    Args:
        weights: the official files (encoder.pth, depth.pth, pose_encoder.pth, pose.pth; of three_ways also a whole
            state dict), or a folder that holds them.
        out: the run folder, which must not exist yet.
        family: whose weights: monodepth2, three_ways or corda.
    """
    from vergence.runs.convert import convert as run_conversion

    return run_conversion([Path(path) for path in weights], Path(out), family)


@results_anywhere()
def doctor(out: str | Path | None = None) -> "list[Check]":
    """Check this machine: versions, devices, weights, disk, threads, and three steps of training.

    Args:
        out: a folder whose disk is to be checked; default the current one.
    """
    from vergence.doctor import examine

    return examine(Path(out) if out is not None else Path())


@results_anywhere()
def demo(
    out: str | Path = "demo",
    recipe: str = "depth-toytown-demo",
    overrides: Overrides = (),
    labels: int = 10,
    label_steps: int | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Learn depth in a small rendered town, choose frames to label, carry their labels, learn from them; one page.

    A call that was interrupted goes on where it stopped; a run that is there with other settings is refused.

    Args:
        out: folder of everything.
        recipe: what depth is learned with.
        overrides: settings that differ from this recipe's.
        labels: how many frames are labelled; 0 for depth alone.
        label_steps: training steps of both segmentation runs; default those of their recipe.
        limit: at most so many images in the evaluations.

    Returns:
        The page.
    """
    from vergence.demo import run_demo

    return run_demo(Path(out), recipe, overrides, labels, label_steps, limit, progress)
