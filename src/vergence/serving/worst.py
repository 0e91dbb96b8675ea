"""The frames of a run's evaluation that it got most wrong, as small pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vergence.data.atomic import writing
from vergence.data.imaging.images import open_frame
from vergence.data.measured.depth_files import colour_range, colourize
from vergence.data.structured import read_csv
from vergence.errors import InputError
from vergence.evaluation.evaluate import open_data
from vergence.inference.networks import RunNetwork
from vergence.inference.prediction import Prediction, painted
from vergence.inference.predictor import Predictor
from vergence.runs.folder import RunFolder

MEASURES = {"abs_rel": True, "miou": False}
"""What frames are ordered by -> whether more is worse."""
_WIDTH = 360


def worst_frames(predictor: Predictor, out: Path, count: int) -> list[dict[str, Any]]:
    """Pictures of the worst frames below ``out``: file, name, measure, value; none without an evaluation by image.

    The list is that of ``vergence evaluate --per_image``; frames whose pictures are gone are left out.
    """
    network = predictor.network
    if not isinstance(network, RunNetwork):
        return []
    measure, rows = _rows(network.run.path)
    if not rows:
        return []
    try:
        manifest = open_data(network.run, None, None, absent="all")
    except InputError:
        return []
    places = {manifest[index].image: index for index in range(len(manifest))}
    worst: list[dict[str, Any]] = []
    for value, image in sorted(rows, reverse=MEASURES[measure]):
        if len(worst) == count:
            break
        if image not in places:  # of other data
            continue
        try:
            seen = predictor.predict(open_frame(manifest, places[image]))
        except InputError:
            continue
        file = f"worst-{len(worst)}.jpg"
        with writing(out / file) as temporary:
            _beside(seen).save(temporary, format="JPEG", quality=88)
        worst.append({"file": file, "name": Path(image).name, "measure": measure, "value": value})
    return worst


def _rows(run: Path) -> tuple[str, list[tuple[float, str]]]:
    """The measure, and its values of the trained network by image, of the newest table that names images."""
    tables = sorted(RunFolder(run).evaluation("x").parent.glob("*.csv"), key=lambda path: -path.stat().st_mtime)
    for path in tables:
        try:
            (_, header), *lines = read_csv(path, "evaluate again")
        except (InputError, ValueError):
            continue
        listed = [dict(zip(header, cells, strict=False)) for _, cells in lines]
        for measure in MEASURES:
            rows = [
                (value, row["image"])
                for row in listed
                if row.get("name") == "trained"
                and row.get("image")
                and (value := _number(row.get(measure))) is not None
            ]
            if rows:
                return measure, rows
    return "", []


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _beside(seen: Prediction) -> Image.Image:
    parts = [seen.image]
    if seen.inverse_depth is not None:
        parts.append(colourize(seen.inverse_depth, colour_range(seen.inverse_depth)))
    if seen.classes is not None and seen.label_space is not None:
        parts.append(painted(seen.image, seen.classes, seen.label_space))
    small = []
    for part in parts:
        image = Image.fromarray(part)
        height = max(1, round(image.height * _WIDTH / image.width))
        small.append(np.asarray(image.resize((_WIDTH, height), Image.Resampling.BOX)))
    return Image.fromarray(np.concatenate(small))
