"""Label ports before anything of a run is loaded: which there are, and which classes they speak of.

A label port is a text: a segmentation run, a folder of label files as ``vergence predict`` writes them, "truth"
(the data's own labels: an oracle to compare with), or "manifest" (columns that are filled already).
"""

from pathlib import Path
from typing import Any

from vergence.data.buckets.anywhere import run_here
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_files import FILE_NAMES, read_label_space
from vergence.data.structured import read_json, read_yaml
from vergence.errors import InputError
from vergence.runs.folder import Checkpoint, RunFolder, find_checkpoint, is_run
from vergence.runs.migrations import migrated

PREDICTIONS = "predictions.json"
"""What ``vergence predict`` says of its files."""
PREDICTED = "manifest.parquet"
"""The frames it predicted, with the columns ``pseudo_label`` and ``confidence``."""


def label_folder(port: str) -> Path:
    """The folder that a port names; InputError where there is none."""
    path = Path(run_here(port)).expanduser()
    if not path.is_dir():
        raise InputError(
            f"{port!r} is no label port: give a segmentation run, a folder of labels that vergence predict wrote, "
            "truth or manifest."
        )
    return path


def port_space(port: str, manifest: Manifest | None) -> str:
    """The text of the space that labels of a port are learned in.

    Args:
        port: see the module.
        manifest: the training data, of whose labels "truth" and "manifest" speak; None: "" for these two.

    Raises:
        InputError: no such port, it says nothing of its classes, or it has labels of several spaces.
    """
    if port in ("truth", "manifest"):
        column = "label" if port == "truth" else "pseudo_label"
        return "" if manifest is None else space_of_rows(manifest, column)
    folder = label_folder(port)
    space = _space_of_run(folder) if is_run(folder) else folder_space(folder)
    if not space:
        raise InputError(f"{folder} predicts no classes; name a segmentation run as label port.")
    return label_space(space).trained().text()


def space_of_rows(manifest: Manifest, column: str = "label") -> str:
    """The space learned from the labels of a column, "" without any; InputError where there are several."""
    named = {getattr(row, f"{column}_space") for row in manifest.rows if getattr(row, column)} - {""}
    spaces = {label_space(name).trained().text() for name in named}
    if len(spaces) > 1:
        raise InputError(
            f"{manifest.name} has labels of {len(spaces)} spaces ({', '.join(sorted(spaces))}); say which one is to be "
            "learned in frames.options.label_space."
        )
    return spaces.pop() if spaces else ""


def folder_space(folder: Path) -> str:
    """What the label files of a folder mean, by its predictions.json or classes.json; InputError without either."""
    record = folder / PREDICTIONS
    if record.is_file():
        values = _read(record)
        if isinstance(values.get("label_space"), str):
            return label_space(values["label_space"]).text()
    if (folder / PREDICTED).is_file():
        space = space_of_rows(Manifest.read(folder / PREDICTED), "pseudo_label")
        if space:
            return space
    for name in FILE_NAMES:
        if (folder / name).is_file():
            return read_label_space(folder / name).text()
    raise InputError(
        f"{folder} does not say what its labels mean; put the predictions.json of vergence predict or a classes.json "
        "beside them."
    )


def _space_of_run(folder: Path) -> str:
    """The label space in the settings of a run or of one of its checkpoints, "" where it has none."""
    if not folder.is_dir():  # RUN/checkpoints/best
        folder = find_checkpoint(folder).path
    config = Checkpoint(folder).settings
    values = _read(config).get("config") if config.is_file() else _read(RunFolder(folder).recipe)
    values = migrated(values, str(folder)) if isinstance(values, dict) else {}
    for key in ("frames", "options", "label_space"):
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, str) else ""


def _read(path: Path) -> dict[str, Any]:
    remedy = "restore it, or name another label port"
    values = read_json(path, remedy=remedy, finite=False) if path.suffix == ".json" else read_yaml(path, remedy)
    return values if isinstance(values, dict) else {}
