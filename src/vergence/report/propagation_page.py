"""The page of labels that were carried through video: where they came from, how sure they are, where they stopped."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

import vergence
from vergence.data.batch import IGNORED_LABEL
from vergence.data.buckets.addresses import named
from vergence.data.imaging.images import read_image
from vergence.data.labels import LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.pseudo_label_files import read_confidence
from vergence.data.measured.depth_files import ColourRange
from vergence.data.structured import read_json
from vergence.inference.class_files import painted
from vergence.inference.inputs import evenly_spaced, resize_label, stored_label
from vergence.propagation.propagate import RECORD
from vergence.report.curves import time_chart
from vergence.report.page_file import save_page
from vergence.report.pictures import Picture, class_ids, colour_bar, colour_picture, photograph

_SEGMENTS = 8
_FRAMES = 3
_MAP = "viridis"
_LIMITS = ColourRange(0.5, 1.0)
_DARK = 0.25
"""Share of a photograph's brightness that stays where it has no label."""


Spans = dict[tuple[str, str], tuple[float, float]]
"""First and last position of each video."""


class Piece(NamedTuple):
    """A piece of video on the page."""

    title: str
    note: str
    frames: list[list[Picture]]
    """A list a frame: its label and, where that was carried, its confidence."""


def write_propagation_page(manifest: Path | str) -> Path:
    """Write ``propagation.html`` beside the labels that ``vergence labels propagate`` carried into a manifest.

    Raises:
        InputError: a file is gone or broken.
    """
    data = Manifest.read(manifest)
    folder = Path(manifest).absolute().with_suffix("")
    record = read_json(folder / RECORD)
    space = label_space(record["label_space"])
    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    rows = {named(row.image): index for index, row in enumerate(data)}
    chosen = evenly_spaced(record["segments"], _SEGMENTS)
    seen: set[int] = set()
    spans = _spans(data)
    pieces = [_piece(data, rows, segment, space, seen, record["seconds"], spans) for segment in chosen]
    page = environment.get_template("propagation.html.j2").render(
        title=f"{record['labelled']} labels carried to {record['carried']} frames",
        lead=_lead(record),
        facts=_facts(record),
        classes=[
            {"name": space.classes[number], "colour": "#{:02x}{:02x}{:02x}".format(*space.colours[number])}
            for number in sorted(seen)
        ],
        scale=[colour_bar("probability that the label is right", _LIMITS, _MAP)],
        chart=_chart(data, record),
        segments=pieces,
        hidden=len(record["segments"]) - len(pieces),
        footer=f"Vergence {vergence.__version__} · data {record['data']} · {time.strftime('%Y-%m-%d')}",
    )
    return save_page(folder / "propagation.html", page)


def _lead(record: dict[str, Any]) -> str:
    check = record["check"]
    if check["right_kept"] is None:
        return "No carried label met one made by hand, so nothing on these data says how right they are."
    return (
        f"The test on these data: where a carried label meets one made by hand, {check['seconds']:.1f} seconds away on "
        f"average, {check['right_kept']:.1%} of the kept pixels agree. Nearer frames are better than that."
    )


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("motion", record["motion"]),
        ("reach", f"{record['seconds']:g} s each way"),
        ("coverage", f"{record['coverage']:.0%} of the pixels of carried frames"),
        ("cuts", str(sum(len(segment["cuts"]) for segment in record["segments"]))),
    ]


def _spans(data: Manifest) -> Spans:
    columns = (data.values(name)[: len(data)] for name in ("sequence", "camera", "position"))
    spans: Spans = {}
    for sequence, camera, position in zip(*columns, strict=True):
        first, last = spans.get((sequence, camera), (position, position))
        spans[sequence, camera] = min(first, position), max(last, position)
    return spans


def _piece(
    data: Manifest,
    rows: dict[str, int],
    segment: dict[str, Any],
    space: LabelSpace,
    seen: set[int],
    seconds: float,
    spans: Spans,
) -> Piece:
    keys = [name for name in (segment["from"], segment["to"]) if name is not None]
    coverage = {frame["image"]: frame["coverage"] for frame in segment["frames"]}
    reached = [name for name, share in coverage.items() if share > 0]
    shown = [*keys[:1], *evenly_spaced(reached, _FRAMES), *keys[1:]]
    frames = [list(_pictures(data, rows[name], space, coverage.get(name), seen)) for name in shown]
    ends = " and ".join(Path(name).stem for name in keys)
    title = ", ".join(dict.fromkeys(part for part in (segment["sequence"], segment["camera"]) if part))
    note = f"{len(reached)} of {len(coverage)} frames reached from {ends}."
    note += "".join(f" {sentence}" for sentence in _stopped(data, rows, segment, seconds, spans))
    met = [one for one in segment["meetings"] if one["right_kept"] is not None]
    if met:
        agreed = [f"{one['right_kept']:.1%} after {one['seconds']:.1f} s" for one in met]
        note += f" Where it meets a label made by hand, agrees of the kept pixels: {', '.join(agreed)}."
    return Piece(title, note, frames)


def _stopped(
    data: Manifest, rows: dict[str, int], segment: dict[str, Any], seconds: float, spans: Spans
) -> Iterator[str]:
    """Where labels of a piece stopped, and why."""
    if segment["cuts"]:  # what lies behind has no label for this reason alone
        yield f"Stopped by a cut before {', '.join(Path(name).stem for name in segment['cuts'])}."
        return
    frames = segment["frames"]
    for end, end_index, outside in (("from", 0, "first"), ("to", 1, "last")):
        if segment[end] is not None:
            continue
        name = frames[-end_index]["image"]
        row = data[rows[name]]
        stem = Path(name).stem
        if spans[row.sequence, row.camera][end_index] != row.position:
            yield f"Stopped at {stem}: no label is carried farther than {seconds:g} seconds."
        else:
            yield f"Went as far as {stem}, the {outside} frame of the video."
    if lost := sum(frame["coverage"] == 0 for frame in frames):
        yield f"In {lost} of them nothing was sure enough to be kept."


def _pictures(data: Manifest, index: int, space: LabelSpace, share: float | None, seen: set[int]) -> Iterator[Picture]:
    """The frame painted with its label and, of a carried one, its confidence."""
    row = data[index]
    image = read_image(data.path(index))
    ids = stored_label(data, index, space)
    seen |= class_ids(ids, space)
    name = Path(row.image).stem
    labels = resize_label(ids, image.shape[0], image.shape[1])
    shown = np.where((labels == IGNORED_LABEL)[..., None], _DARK * image, painted(image, labels, space)).astype(
        np.uint8
    )
    yield photograph(name, shown, "by hand" if share is None else f"{share:.0%} of the pixels")
    if row.label_confidence:
        sure = read_confidence(data.path(index, "label_confidence"), ids.shape) / 255
        yield colour_picture(f"{name}, confidence", np.where(sure > 0, sure, np.nan), _LIMITS, _MAP)


def _chart(data: Manifest, record: dict[str, Any]) -> str:
    """Bars of coverage, frame by frame, as inline SVG; labels made by hand in another colour."""
    coverage = {frame["image"]: frame["coverage"] for segment in record["segments"] for frame in segment["frames"]}
    order = sorted(range(len(data)), key=lambda index: (data[index].sequence, data[index].camera, data[index].position))
    shares = [1.0 if data[index].judges else coverage.get(named(data[index].image), 0.0) for index in order]
    hands = [data[index].judges for index in order]
    return time_chart(shares, hands, "Coverage over time")
