"""What is looked at before labels are carried, so that a mistake is one sentence and leaves nothing behind."""

from collections.abc import Sequence
from pathlib import Path

from vergence.data.labels import LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.stored_size import stored_size
from vergence.data.table import check_manifest_file
from vergence.errors import InputError
from vergence.inference.inputs import stored_label
from vergence.motion.flow import LEAST_SIDE
from vergence.propagation.segments import Segment
from vergence.propagation.video_motion import VideoMotion, working_size


def check_output(out: Path, folder: Path, record: str) -> None:
    """InputError where results would go into a folder of something else, or could not be written."""
    check_manifest_file(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is no folder, and the labels of {out.name} go there; give another --out.")
    names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if names and not names & {record, ".work"}:
        raise InputError(
            f"{folder} holds something else ({sorted(names)[0]}), and the labels of {out.name} go there; give another "
            "--out."
        )


def space_carried(manifest: Manifest) -> LabelSpace:
    """The one label space of the labels made by hand; InputError without labels, without or with several spaces."""
    named = {row.label_space for row in manifest if row.judges}
    if not named:
        raise InputError(f"{manifest.name} has no labelled frame; label some (vergence select chooses which).")
    spaces = {label_space(name).trained().text() for name in named - {""}}
    if not spaces:
        raise InputError(f"{manifest.name} does not say what its labels mean; fill its column label_space.")
    if len(spaces) > 1:
        raise InputError(
            f"{manifest.name} has labels of {len(spaces)} spaces ({', '.join(sorted(spaces))}); carry those of each "
            "space by themselves, each from a manifest of its own."
        )
    return label_space(spaces.pop())


def check_pieces(manifest: Manifest, pieces: Sequence[Segment], seconds: float) -> None:
    """InputError where there is nothing to carry labels to."""
    if pieces:
        return
    if manifest.judging()[: len(manifest)].all():
        raise InputError(f"every frame of {manifest.name} is labelled; index the video that the frames come from.")
    raise InputError(
        f"no labelled frame of {manifest.name} has an unlabelled neighbour within {seconds:g} seconds; "
        "index the video that the labelled frames come from, or give more --seconds."
    )


def check_frames(
    manifest: Manifest, pieces: Sequence[Segment], space: LabelSpace, width: int, motion: VideoMotion
) -> None:
    """InputError for frames of a piece that differ in size, are too small or bent, and for labels that do not fit."""
    for piece in pieces:
        first, *others = piece.chain
        size = stored_size(manifest, first)[::-1]
        for row in others:
            other = stored_size(manifest, row)[::-1]
            if other != size:
                raise InputError(
                    f"{manifest.path(row)} is {other[0]}x{other[1]}, but {manifest.path(first)} of the same sequence "
                    f"is {size[0]}x{size[1]}; give each size a sequence of its own."
                )
        if motion.flow is not None and min(working_size(size, width)) < LEAST_SIDE:
            bound = "" if size[0] <= width else f" and no wider than {width} while labels are carried"
            raise InputError(
                f"{manifest.path(first)} is {size[0]}x{size[1]}{bound}, and optical flow needs {LEAST_SIDE} pixels a "
                f"side; give {'larger frames' if not bound else 'more --width'}."
            )
        if motion.run is not None and any(manifest[row].lens for row in piece.chain):
            raise InputError(f"{manifest.path(first)} was taken by a lens that bends; use --motion flow.")
        for row in piece.chain:
            if manifest[row].judges:
                stored_label(manifest, row, space)


def nothing_carried(manifest: Manifest, motion: VideoMotion, cuts: int) -> str:
    """Why no label reached any pixel, as far as one can tell."""
    start = f"no label of {manifest.name} reached a pixel of another frame"
    if motion.flow is None and motion.run is not None:
        return (
            f"{start}: by depth and motion of {motion.run.path} neighbouring frames have nothing in common; use a run "
            "that learned from video of this camera, or --motion auto."
        )
    if cuts:
        return f"{start}: the video is cut beside every labelled frame; label frames within its scenes."
    return f"{start}: the labels hold no class where the frames have anything in common."
