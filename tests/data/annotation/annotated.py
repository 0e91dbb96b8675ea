"""Small manifests with labels for the tests of this folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vergence.data.annotation import export_labels, import_labels
from vergence.data.labels import LabelSpace
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.errors import InputError

SPACE = LabelSpace("yard", ("grass", "path", "old shed"), ((0, 128, 0), (128, 128, 128), (128, 128, 128)))
"""Two classes of one colour, and a name with a space in it."""


def world(folder: Path, labels: list[np.ndarray | None], space: LabelSpace = SPACE) -> Manifest:
    """Frames called 000.png, 001.png, ... in two sequences, of the sizes of their labels; None: 5 x 7, no label."""
    rows = []
    for number, label in enumerate(labels):
        sequence, position = "ab"[number % 2], number // 2
        image = folder / sequence / f"{position:03d}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        height, width = (5, 7) if label is None else label.shape
        Image.fromarray(np.full((height, width, 3), 40 * number % 256, dtype=np.uint8)).save(image)
        row = {"image": image.relative_to(folder).as_posix(), "sequence": sequence, "position": position}
        if label is not None:
            path = folder / "truth" / f"{sequence}{position}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(label).save(path)
            row |= {"label": path.relative_to(folder).as_posix(), "label_space": space.text()}
        rows.append(FrameRow(**row))
    return Manifest(rows, folder)


def bare(manifest: Manifest) -> Manifest:
    """The same frames without their labels."""
    rows = [FrameRow(row.image, row.sequence, row.position) for row in manifest]
    return Manifest(rows, manifest.root)


def read_labels(path: Path) -> list[np.ndarray | None]:
    manifest = Manifest.read(path)
    return [read_label(manifest.path(index, "label")) if row.label else None for index, row in enumerate(manifest)]


def round_trip(folder: Path, labels: list[np.ndarray | None], to: str, out: str = "out") -> list[np.ndarray | None]:
    """What comes back when labels go to an annotator and are imported into a manifest that has none."""
    manifest = world(folder, labels)
    export_labels(manifest, to, folder / out)
    import_labels(folder / out, bare(manifest), folder / "back" / "manifest.csv")
    return read_labels(folder / "back" / "manifest.csv")


LABEL = np.array([[0, 0, 1, 1, 255], [0, 2, 1, 1, 255], [0, 2, 2, 2, 255]], dtype=np.uint8)


def exported(manifest: Manifest, to: str) -> Path:
    out = manifest.root / "out"
    export_labels(manifest, to, out)
    return out


def complaint(manifest: Manifest, source: Path, **more: Any) -> str:
    """What an import says that fails; it must leave nothing behind."""
    new = manifest.root / "new"
    with pytest.raises(InputError) as error:
        import_labels(source, manifest, new / "m.csv", **more)
    assert not new.exists()
    return str(error.value)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))
