"""The page of a selection: chosen frames in order, why each of them, a map of all frames, their coverage."""

import base64
import io
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import vergence
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.data.structured import Entry, map_array, read_json
from vergence.inference.inputs import evenly_spaced
from vergence.report.page_file import save_page
from vergence.report.pictures import Picture, photograph
from vergence.report.selection_charts import Line, coverage_chart, legend, map_chart
from vergence.report.selection_lead import lead_of
from vergence.report.selection_reach import compared_orders, reach_told, reached_part
from vergence.selection.coverage import coverage, flat_map
from vergence.selection.features import FeatureSpace
from vergence.selection.frame_features import open_features

_SHOWN = 240
_JUDGING = 60
"""How many of the frames that are set aside are shown, evenly spaced."""
_THUMBNAIL, _LARGE = 200, 480
_PICTURE_BYTES = 5_500_000
"""Size of all pictures together; the rest of the page's 6 MB is for charts and words."""
_SAMPLE = 4000
"""Frames that distances are measured from."""
_MAPPED = 1200
CRITERIA = {
    "reach": "reach: each next frame is the one whose label, carried up to {seconds:g} seconds each way by flow, "
    "reaches most pixels that no label reaches yet{rare}",
    "ds": "diversity: each next frame is the one whose depth features are farthest from all chosen ones",
    "us": "uncertainty: frames whose depth a student trained on the chosen ones gets wrong",
    "ds_us": "diversity and uncertainty: distance to the chosen frames plus {weight:g} times the student's error",
    "entropy": "entropy: frames whose classes the network is least sure of",
    "random": "random",
    "uniform": "uniform in time, sequence by sequence and camera by camera",
}


class Shown(NamedTuple):
    """A frame on the page, chosen or set aside."""

    number: int
    picture: Picture
    why: str
    large: str
    """A larger picture as data URI, shown on a click; "" where the page has no room for it."""


def write_selection_page(folder: Path | str, out: Path | str | None = None) -> Path:
    """Write the page of what ``vergence select`` has left in a folder.

    Args:
        folder: its ``--out``.
        out: HTML file; default ``selection.html`` in the folder.

    Raises:
        InputError: the folder holds no selection, an image is gone, or the page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    folder = Path(folder)
    selection, manifest, allowed = _read(folder)
    space = open_features(folder).space()
    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    frames = selection["frames"]
    several = len({row.camera for row in manifest}) > 1
    lines, sample = _coverage(selection, manifest, allowed, space)
    plot, shares = _map(selection, allowed, space)
    judging = _set_aside(selection, manifest)
    chosen = frames[:_SHOWN]
    shown = _pictures([*chosen, *evenly_spaced(judging, _JUDGING)], manifest, several)
    page = environment.get_template("selection.html.j2").render(
        title=f"{len(frames)} of {selection['of']} frames to label",
        criterion=_criterion(selection),
        reach=reached_part(selection, manifest, allowed, folder) if selection["criterion"] == "reach" else None,
        lead=None if selection["criterion"] == "reach" else lead_of(selection, manifest, folder, lines),
        facts=_facts(selection, manifest),
        coverage=coverage_chart(lines),
        lines=legend([line.name for line in lines]),
        verdict=_verdict(lines),
        known=bool(selection["labelled"]),
        difficult=any("difficulty" in frame for frame in frames),
        sampled=sample if sample < int(allowed.sum()) else 0,
        map=plot,
        shares=shares,
        shown=shown[: len(chosen)],
        chosen=len(frames),
        judging=shown[len(chosen) :],
        set_aside=len(judging),
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )
    return save_page(Path(out) if out is not None else folder / "selection.html", page)


def _read(folder: Path) -> tuple[dict[str, Any], Manifest, NDArray[np.bool_]]:
    selection = Entry("", read_json(folder / "selection.json", remedy="run vergence select again")).mapping()
    manifest = Manifest.read(folder / "candidates.parquet")
    allowed = map_array(folder / "allowed.npy", "r", (len(manifest),), "bool", "run vergence select again")
    return selection, manifest, np.array(allowed)


def _criterion(selection: dict[str, Any]) -> str:
    rare = ", rare content first" if selection.get("rarity") else ""
    values = {"weight": selection["weight"], "seconds": selection.get("seconds", 0.0), "rare": rare}
    return CRITERIA[selection["criterion"]].format(**values)


def _facts(selection: dict[str, Any], manifest: Manifest) -> list[tuple[str, str]]:
    picked = [manifest[frame["row"]] for frame in selection["frames"]]
    streams = [len({(row.sequence, row.camera) for row in rows}) for rows in (picked, list(manifest))]
    listed = {
        "Chosen": f"{selection['count']} of {selection['of']} frames",
        "From": f"{streams[0]} of {streams[1]} sequences and cameras",
        "Steps": ", ".join(map(str, selection["steps"])) if "us" in selection["criterion"] else "",
        "Labelled before": str(len(selection["labelled"])) if selection["labelled"] else "",
        "Left out (excluded, labelled, identical)": str(selection["left_out"]) if selection["left_out"] else "",
        "Set aside to judge by": f"{len(selection['val'])} frames" if selection.get("val") else "",
        "Seed": str(selection["seed"]),
        "Features of": f"{selection['run']}, step {selection['run_step']}",
        "Frames": f"{selection['data']} ({selection['data_digest']})",
    }
    return [(name, value) for name, value in listed.items() if value]


def _coverage(
    selection: dict[str, Any], manifest: Manifest, allowed: NDArray[np.bool_], space: FeatureSpace
) -> tuple[list[Line], int]:
    """Distances of frames to the nearest chosen one, for the choice, random frames and uniform ones."""
    rows = evenly_spaced(np.flatnonzero(allowed).tolist(), _SAMPLE)
    orders = compared_orders(selection, manifest, allowed)
    lines = [Line(name, *coverage(space, order, rows, selection["labelled"])) for name, order in orders.items()]
    return lines, len(rows)


def _verdict(lines: list[Line]) -> str:
    """What the curves say at their end."""
    chosen, *others = lines
    comparisons, farthest = [], []
    assert chosen.largest is not None
    for line in others:
        assert line.largest is not None
        change = chosen.mean[-1] / line.mean[-1] - 1 if line.mean[-1] > 0 else 0.0
        comparisons.append(f"{abs(change):.0%} {'less' if change < 0 else 'more'} than with {line.name} frames")
        farthest.append(f"{line.largest[-1]:.1f} with {line.name}")
    return (
        f"A frame is {chosen.mean[-1]:.1f} from the nearest of {len(chosen.mean)} chosen ones on average, "
        f"{', '.join(comparisons)}. The farthest is at {chosen.largest[-1]:.1f} ({', '.join(farthest)})."
    )


def _map(selection: dict[str, Any], allowed: NDArray[np.bool_], space: FeatureSpace) -> tuple[str, str]:
    """The picture of the feature space, and how much of it the two axes show."""
    rows = evenly_spaced(np.flatnonzero(allowed).tolist(), _MAPPED)
    picks = [frame["row"] for frame in selection["frames"]]
    points = space.points(rows).cpu().numpy()
    plane = flat_map(points)
    names = [f"{frame['sequence']} · {frame['position']}" for frame in selection["frames"]]
    known = space.points(selection["labelled"]).cpu().numpy() if selection["labelled"] else points[:0]
    chart = map_chart(
        plane.project(points), plane.project(space.points(picks).cpu().numpy()), names, plane.project(known)
    )
    return chart, " and ".join(f"{share:.0%}" for share in plane.shares)


def _set_aside(selection: dict[str, Any], manifest: Manifest) -> list[dict[str, Any]]:
    """The frames to judge by, in the order of the manifest; none of a selection that does not name their rows."""
    rows = [(number, manifest[number]) for number in sorted(selection.get("val_rows", ()))]
    return [
        {"row": number, "sequence": row.sequence, "camera": row.camera, "position": row.position, "judges": True}
        for number, row in rows
    ]


def _pictures(frames: list[dict[str, Any]], manifest: Manifest, several: bool) -> list[Shown]:
    """Thumbnails of frames, and larger ones as long as the page stays small."""
    shown, room = list[Shown](), _PICTURE_BYTES
    for number, frame in enumerate(frames, start=1):
        image = open_frame(manifest, frame["row"]).convert("RGB")
        camera = f" · {frame['camera'].rpartition('/')[2]}" if several else ""
        title = f"{frame['sequence']}{camera} · {frame['position']}"
        small = photograph(title, np.array(_narrowed(image, _THUMBNAIL)))
        room -= len(small.uri)
        large = _large(image) if room > 0 and image.width > _THUMBNAIL else ""
        # thumbnails of all frames come first: what they may still need is kept free
        left = room - len(large) - (len(frames) - number) * len(small.uri)
        if left < 0:
            large = ""
        room -= len(large)
        shown.append(Shown(number, small, _why(frame), large))
    return shown


def _narrowed(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    return image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)


def _large(image: Image.Image) -> str:
    buffer = io.BytesIO()
    _narrowed(image, _LARGE).save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _why(frame: dict[str, Any]) -> str:
    if "judges" in frame:
        return ""
    if "reach" in frame:
        return reach_told(frame)
    parts = []
    if "distance" in frame:
        parts.append(f"distance {frame['distance']:.1f}")
    else:
        parts.append("first")
    if "difficulty" in frame:
        parts.append(f"difficulty {frame['difficulty']:.4f}")
    if "entropy" in frame:
        parts.append(f"entropy {frame['entropy']:.3f}")
    return ", ".join(parts)
