"""What is sent to an annotation server is an export, what comes back is imported; what is there is not sent again."""

import contextlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from vergence.data.annotation.classes import AnnotationClasses
from vergence.data.annotation.exporting import Predictor, chosen_space, export_labels
from vergence.data.annotation.importing import ImportedLabels, import_labels
from vergence.data.annotation.names import frame_name
from vergence.data.annotation.servers.cvat import Cvat
from vergence.data.annotation.servers.label_studio import LabelStudio
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.errors import InputError, nearest
from vergence.progress import Progress

Tool = Literal["label_studio", "cvat"]
BATCH = 50
"""Frames that are exported together, and in CVAT are one task."""


class Project(Protocol):
    """A project of an annotation server, not connected yet."""

    format: str

    def find(self) -> None:
        """Find the project; InputError where there is none."""

    def find_or_make(self, classes: AnnotationClasses) -> None:
        """Find the project, or make it with these classes."""

    def check_classes(self, classes: AnnotationClasses, folder: Path) -> None:
        """InputError where it has others; the folder is for what must be written to be read."""

    def frames(self) -> set[str]:
        """Names of the frames that are there."""

    def send(self, folder: Path) -> None:
        """Send an export of frames that are not there."""

    def fetch(self, folder: Path) -> Path:
        """Write what was drawn into the folder; returns what to import."""

    def close(self) -> None:
        """End the connection."""


_TOOLS: dict[str, Callable[[str, str, bool], Project]] = {"label_studio": LabelStudio, "cvat": Cvat}


@dataclass(frozen=True)
class Server:
    """An annotation server, not connected yet."""

    tool: Tool | str
    """label_studio or cvat."""
    url: str
    """Its address."""
    plain_http: bool = False
    """Another machine may be asked without encryption."""

    @contextlib.contextmanager
    def project(self, name: str) -> Iterator[Project]:
        """A project by its name or number, while entered; InputError where there is no such tool."""
        if self.tool not in _TOOLS:
            known = get_args(Tool)
            hint = nearest(self.tool, known)
            raise InputError(f"there is no server {self.tool!r} of labels{hint}; there are {', '.join(known)}.")
        with contextlib.closing(_TOOLS[self.tool](self.url, name, self.plain_http)) as remote:
            yield remote


def push_labels(
    manifest: Manifest,
    server: Server,
    project: str | None = None,
    space: LabelSpace | str | None = None,
    predictor: Predictor | None = None,
    predictor_space: LabelSpace | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Send frames, their labels and predicted ones to a project, which is made where there is none of the name.

    Frames that are there already are left as they are: a call that was interrupted goes on where it stopped.

    Args:
        manifest: its samples are sent.
        server: where the project is.
        project: name of the project, or its number; default what the manifest is called.
        space: classes to annotate; default those of the manifest's labels, or else of the predictor.
        predictor: labels the frames that have no label; its ids are of ``predictor_space``.
        progress: called with (frames done, all).

    Returns:
        How many frames there are ("frames"), how many of them were there before ("before"), and of those that were
        sent, how many have a label ("labels") and a predicted one ("predictions").

    Raises:
        InputError: what :func:`vergence.data.annotation.export_labels` raises; no server, no key, a key that is not
            taken, a project with other classes, a server that fails.
    """
    if not len(manifest):
        raise InputError(f"{manifest.name} has no frames to annotate; give another manifest.")
    chosen = chosen_space(manifest, space, predictor_space)
    classes = AnnotationClasses.of(chosen)
    counts: Counter[str] = Counter()
    with server.project(project or Path(manifest.name).stem) as remote, _folder() as folder:
        remote.find_or_make(classes)
        remote.check_classes(classes, folder)
        there = remote.frames()
        missing = [row for row in manifest if frame_name(row) not in there]
        done = counts["before"] = len(manifest) - len(missing)
        for start in range(0, len(missing), BATCH):
            part = Manifest(missing[start : start + BATCH], manifest.root, manifest.name)
            with _folder() as folder:
                counts.update(export_labels(part, remote.format, folder / "out", chosen, predictor, predictor_space))
                remote.send(folder / "out")
            done += len(part)
            if progress is not None:
                progress(done, len(manifest))
    return {"frames": len(manifest), **{key: counts[key] for key in ("before", "labels", "predictions")}}


def pull_labels(
    manifest: Manifest,
    server: Server,
    project: str,
    out: Path | str,
    space: LabelSpace | str | None = None,
    complete: bool = False,
    progress: Progress | None = None,
    whole: Manifest | None = None,
) -> ImportedLabels:
    """Import what was drawn in a project; all else as :func:`vergence.data.annotation.import_labels`.

    Args:
        manifest: its samples are labelled.
        server: where the project is.
        project: name of the project, or its number.
        out: the new manifest, .parquet or .csv.
        space: whose classes the labels speak of; default that of the manifest's labels, or else the project's.
        complete: frames without annotation are an error.
        progress: called with (files done, all).
        whole: what ``manifest`` is a part of.

    Raises:
        InputError: what an import raises; no server, no key, a key that is not taken, no such project.
    """
    with server.project(project) as remote, _folder() as folder:
        remote.find()
        named = re.sub(r"\W+", "-", project).strip("-") or "labels"  # names classes that are of no space
        export_folder = folder / named
        export_folder.mkdir()
        export = remote.fetch(export_folder)
        try:
            return import_labels(export, manifest, out, remote.format, space, complete, progress, whole)
        except InputError as error:  # the temporary file means nothing to people
            text = str(error).replace(f"{export}/", "").replace(str(export), str(remote))
            raise InputError(text) from error


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vergence-labels-") as folder:
        yield Path(folder)
