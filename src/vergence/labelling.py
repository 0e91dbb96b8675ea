"""Verbs about labels: which frames to label, and the way to annotation tools and back; part of :mod:`vergence.api`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vergence.data.buckets.anywhere import results_anywhere
from vergence.errors import InputError
from vergence.inference.ray_pieces import pieces_on_ray

if TYPE_CHECKING:
    from vergence.data.annotation import ImportedLabels


def _only_with_run(run: str | Path | None, **given: bool) -> None:
    """InputError where options are given that speak of a run, and no run is."""
    names = [f"--{name}" for name, is_given in given.items() if is_given]
    if run is None and names:
        says = "says" if len(names) == 1 else "say"
        raise InputError(f"{' and '.join(names)} {says} something about a run, and none is named; add --run, or leave "
                         f"{'it' if len(names) == 1 else 'them'} out.")  # fmt: skip


def _on_other_device(device: str) -> bool:
    """Whether it is not where everything is done that needs no run."""
    return device not in ("auto", "cpu")


@pieces_on_ray
@results_anywhere()
def select(
    run: str | Path,
    data: str | Path,
    count: int,
    out: str | Path,
    criterion: str = "auto",
    steps: Sequence[int] | str | None = None,
    seed: int = 0,
    split: str = "train",
    val: int = 0,
    exclude: str | Path | None = None,
    labelled: str | Path | None = None,
    depth: str | None = None,
    student: str | Path = "select-student",
    weight: float = 1000.0,
    seconds: float = 2.0,
    rarity: float = 0.0,
    half: bool | None = None,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    pieces: int = 16,
    checkpoint: str | int = "last",
    device: str = "auto",
    overrides: Mapping[str, Any] | Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Choose which frames to label, without a label; write them in order, with reasons, as lists, manifest and page.

    A call that was interrupted goes on where it stopped; another call with the same ``out`` uses the same features.

    Args:
        run: depth run (of entropy: segmentation run) whose features tell frames apart.
        data: manifest, folder or video to choose from.
        count: how many frames to choose.
        out: folder of everything.
        criterion: reach (labels reach most of the video), ds (diversity), us (uncertainty), ds_us (both), entropy,
            random or uniform (in time); auto is reach for video, where OpenCV is installed, and ds_us for stills or
            where something is said about students.
        steps: numbers of frames after which us and ds_us train a new student, such as 25,50,100; default the paper's.
        seed: of the first frame, of random frames and of the students.
        split: rows to choose from, where the data have splits; all for every row.
        val: how many frames to set aside before, evenly spaced in time, as split val: to be labelled too, to judge by.
        exclude: list of frames that are not to be chosen (text, JSON, manifest), or labelled for those with a label.
        labelled: list of frames that are labelled already, or labelled for those with a label: what is chosen differs
            from them.
        depth: depth port that teaches the students; default the run.
        student: recipe of the students.
        weight: of difficulty beside distance in ds_us.
        seconds: how far labels will be carried each way, for reach; as of labels propagate.
        rarity: power by which rare content weighs more in reach; 0 makes all pixels equal.
        half: keep features as 16-bit floats; default only where there are very many.
        shard: I/N: compute the features of the I-th of N pieces of the frames only, from 0; when all are done, the same
            call without it chooses; default under torchrun the process's own.
        engine: local (this process) or ray (on a cluster that sees the same paths; extra cluster).
        address: of the Ray cluster; default that of RAY_ADDRESS, or one on this machine.
        pieces: into how many pieces Ray shares the work; the same in calls that are repeated.
        checkpoint: of the run: best, last, or the number of a step.
        device: auto, cpu or cuda.
        overrides: settings of the students that differ from their recipe's.

    Returns:
        What selection.json says.
    """
    from vergence.data.shards import Shard
    from vergence.report.selection_page import write_selection_page
    from vergence.runs.folder import chosen
    from vergence.selection.select import select as run_selection
    from vergence.selection.settings import FeatureWork, Selection, StudentSettings

    asked = Selection(count, criterion, steps, seed, split, val, exclude, labelled, weight, seconds, rarity)
    students, work = StudentSettings(str(student), depth, overrides), FeatureWork(half, Shard.of(shard))
    selection = run_selection(chosen(run, checkpoint), data, out, asked, students, work, device, progress)
    if "frames" in selection:
        write_selection_page(out)
    return selection


@results_anywhere()
def labels_export(
    manifest: str | Path,
    to: str,
    out: str | Path,
    run: str | Path | None = None,
    label_space: str | None = None,
    checkpoint: str | int = "last",
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write frames for an annotation tool: images, the labels there are, predictions of a run where there are none.

    Args:
        manifest: manifest, folder or video whose frames are to be annotated.
        to: cvat, label_studio, coco or png.
        out: folder to write, or an archive that ends in .zip; must not exist yet.
        run: run folder of a segmentation model that labels the frames without label in advance.
        label_space: classes to annotate; default those of the labels, or else those of the run.
        checkpoint: of the run: best, last, or the number of a step.
        device: auto, cpu or cuda.

    Returns:
        The number of "frames", of those with "labels" and of those with "predictions".
    """
    from vergence.data.annotation import export_labels
    from vergence.data.layouts import resolve_input
    from vergence.inference.prelabel import Prelabeller
    from vergence.runs.folder import chosen

    _only_with_run(run, checkpoint=checkpoint != "last", device=_on_other_device(device))
    predictor = Prelabeller(chosen(run, checkpoint), device) if run is not None else None
    frames = resolve_input(manifest, split=False)
    space = predictor.space if predictor is not None else None
    return export_labels(frames, to, out, label_space, predictor, space, progress)


@results_anywhere()
def labels_import(
    source: str | Path,
    data: str | Path,
    out: str | Path,
    format: str | None = None,
    label_space: str | None = None,
    complete: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> "ImportedLabels":
    """Check masks that come back from an annotation tool and write a manifest that names them.

    Args:
        source: folder, .zip or .json that the tool exported.
        data: manifest (or folder) of the frames that were annotated; of a selection.parquet the new manifest has the
            rest of the video, too, from frames.parquet beside it.
        out: the new manifest, .parquet or .csv; the labels lie beside it.
        format: cvat, label_studio, coco or png; default what the files look like.
        label_space: whose classes the labels speak of; default that of the manifest's labels, or else the tool's own.
        complete: frames without annotation are an error.
    """
    from vergence.data.annotation import import_labels
    from vergence.data.buckets.remote import given
    from vergence.data.layouts import resolve_input
    from vergence.data.rows.selected import frames_of_selection

    whole = frames_of_selection(data)
    asked = resolve_input(data, split=False)
    return import_labels(given(source), asked, out, format, label_space, complete, progress, whole)


@results_anywhere()
def labels_push(
    manifest: str | Path,
    to: str,
    url: str,
    project: str | None = None,
    run: str | Path | None = None,
    label_space: str | None = None,
    checkpoint: str | int = "last",
    device: str = "auto",
    plain_http: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Send frames to a Label Studio or CVAT that runs, as labels export writes them; what is there stays as it is.

    The key comes from the environment alone: LABEL_STUDIO_API_KEY; CVAT_ACCESS_TOKEN, or CVAT_USERNAME and
    CVAT_PASSWORD. A call that was interrupted goes on where it stopped.

    Args:
        manifest: manifest, folder or video whose frames are to be annotated.
        to: label_studio or cvat.
        url: address of the server, such as http://127.0.0.1:8080.
        project: name of the project, which is made where there is none, or its number; default that of the manifest.
        run: run folder of a segmentation model that labels the frames without label in advance.
        label_space: classes to annotate; default those of the labels, or else those of the run.
        checkpoint: of the run: best, last, or the number of a step.
        device: auto, cpu or cuda.
        plain_http: another machine may be asked without encryption: anybody between can read the key.

    Returns:
        The number of "frames", of those that were there "before", and of those sent with "labels" and "predictions".
    """
    from vergence.data.annotation.servers import Server, push_labels
    from vergence.data.layouts import resolve_input
    from vergence.inference.prelabel import Prelabeller
    from vergence.runs.folder import chosen

    _only_with_run(run, checkpoint=checkpoint != "last", device=_on_other_device(device))
    predictor = Prelabeller(chosen(run, checkpoint), device) if run is not None else None
    frames = resolve_input(manifest, split=False)
    space = predictor.space if predictor is not None else None
    server = Server(to, url, plain_http)
    return push_labels(frames, server, project, label_space, predictor, space, progress)


@results_anywhere()
def labels_pull(
    format: str,
    url: str,
    project: str,
    data: str | Path,
    out: str | Path,
    label_space: str | None = None,
    complete: bool = False,
    plain_http: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> "ImportedLabels":
    """Fetch what was drawn in a project of Label Studio or CVAT, check it and write a manifest, as labels import does.

    The key comes from the environment alone, as of labels push.

    Args:
        format: label_studio or cvat.
        url: address of the server, such as http://127.0.0.1:8080.
        project: name of the project, or its number.
        data: manifest (or folder) of the frames that were annotated; as of labels import.
        out: the new manifest, .parquet or .csv; the labels lie beside it.
        label_space: whose classes the labels speak of; default that of the manifest's labels, or else the project's.
        complete: frames without annotation are an error.
        plain_http: another machine may be asked without encryption: anybody between can read the key.
    """
    from vergence.data.annotation.servers import Server, pull_labels
    from vergence.data.layouts import resolve_input
    from vergence.data.rows.selected import frames_of_selection

    whole = frames_of_selection(data)
    frames = resolve_input(data, split=False)
    server = Server(format, url, plain_http)
    return pull_labels(frames, server, project, out, label_space, complete, progress, whole)


@pieces_on_ray
@results_anywhere()
def labels_propagate(
    manifest: str | Path,
    out: str | Path,
    run: str | Path | None = None,
    motion: Literal["auto", "flow", "geometry"] = "auto",
    seconds: float = 2.0,
    keep: float = 0.9,
    width: int = 1280,
    field_of_view: float = 60.0,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    pieces: int = 16,
    checkpoint: str | int = "last",
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Carry the labels of a few frames through the video around them; write the manifest that training reads.

    A call that was interrupted goes on where it stopped. Carried labels teach, they never judge.

    Args:
        manifest: frames of videos, some with labels.
        out: the new manifest, .parquet or .csv; labels and confidence lie in a folder of its name.
        run: depth run with a pose network: what stands still moves as its geometry says, where that explains more.
        motion: auto (flow, and geometry where there is a run), flow or geometry.
        seconds: how far a label is carried, each way.
        keep: share of the pixels of carried frames that keep a label; the least sure ones lose it.
        width: frames are made so wide at the most while labels are carried.
        field_of_view: horizontal degrees, for cameras without intrinsics.
        shard: I/N: only the I-th of N pieces of the video between labels, from 0; when all are done, the same call
            without it joins them; default under torchrun the process's own.
        engine: local (this process) or ray (on a cluster that sees the same paths; extra cluster).
        address: of the Ray cluster; default that of RAY_ADDRESS, or one on this machine.
        pieces: into how many pieces Ray shares the work; the same in calls that are repeated.
        checkpoint: of the run: best, last, or the number of a step.
        device: auto, cpu or cuda; of the run.

    Returns:
        What propagation.json says.
    """
    from vergence.data.layouts import resolve_input
    from vergence.data.shards import Shard
    from vergence.propagation.propagate import Propagation, propagate
    from vergence.report.propagation_page import write_propagation_page
    from vergence.runs.checkpoint import load_run
    from vergence.runs.devices import resolve_device
    from vergence.runs.folder import chosen

    settings = Propagation(motion, seconds, keep, width, field_of_view)
    resolve_device(device)
    given = {"checkpoint": checkpoint != "last", "field_of_view": field_of_view != Propagation.field_of_view}
    _only_with_run(run, **given, device=_on_other_device(device))
    loaded = load_run(chosen(run, checkpoint), device) if run is not None else None
    result = propagate(resolve_input(manifest, split=False), out, settings, loaded, progress, Shard.of(shard))
    if "shard" not in result:
        write_propagation_page(out)
    return result
