"""How right accepted hints are, against toy town's exact depth: nothing is trained.

    python -m benchmarks.studies.hint_precision --frames TOWN --stereo DEPTH_RUN --mono DEPTH_RUN --labels CLASSES_RUN

For each depth run and label source, hints are proposed and verified on training frames as in a training step. A row a
class: the share of its pixels with an accepted hint, the share of accepted hints that are nearer to the truth than the
present depth (precision), and the mean |ln(depth / truth)| of accepted pixels before and after. ``--picture FILE``
draws the first frames of stereo with true labels: frame, present and true inverse depth, accepted hints, and where they
are nearer to the truth (blue) or farther from it (red).
"""

import argparse
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.studies.common import commit, device_name, write_rows
from benchmarks.studies.pictures import GAP, coloured, side_by_side
from benchmarks.studies.semhint import OFFSETS
from benchmarks.studies.three_ways import overrides
from vergence import __version__
from vergence.losses.self_supervised import synthesize
from vergence.methods.semhint import SemHintMethod
from vergence.report.pictures import image_pixels
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder
from vergence.training.runtime import start_accelerator
from vergence.training.train import Loop

RESULT = Path(__file__).parent / "results" / "semhint_precision.csv"
KEYS = ("mode", "labels", "class")
GROUPS = {
    "all": (), "road": ("road",), "building": ("building",), "wall and fence": ("wall", "fence"),
    "pole, light, sign": ("pole", "traffic light", "traffic sign"), "vegetation": ("vegetation",),
    "person, rider": ("person", "rider"), "vehicle": ("car", "truck", "bus"),
}  # fmt: skip
NOISE = ((2, 0.03), (4, 0.1), (6, 0.3))


class Judged(NamedTuple):
    """Hints of a batch beside the truth; all (B, 1, H, W)."""

    label: Tensor
    known: Tensor  # bool, measured
    mask: Tensor  # bool, accepted
    truth: Tensor  # inverse depth, training unit
    present: Tensor  # the same
    hint: Tensor  # the same
    now: Tensor  # |ln(depth / truth)|
    new: Tensor  # of the hint


def judged(method: SemHintMethod, batch: Any) -> Judged:
    """What a training step would accept; where scale is free, that of present depth is the truth's median."""
    views = method.synthesis.views(batch, 0)
    seen = synthesize(method.predict(batch["frames"][:, 0])["disparity"], views, method.config.loss)
    labels, hints = method.second_opinion(batch, views, seen, method.config.start + method.config.ramp)
    assert hints is not None
    known = batch["depth"] > 0
    truth = batch["depth"].clamp(min=1e-3) / method.metres_per_unit
    now, new = (truth * seen.inverse_depth).log(), (truth * hints.inverse_depth).log()
    if method.scale != "metric":
        scale = now.masked_fill(~known, torch.nan).flatten(1).nanmedian(1).values[:, None, None, None]
        now, new = now - scale, new - scale
    inverse = torch.where(known, 1 / truth, 0)
    return Judged(
        labels.label[:, None], known, hints.mask, inverse, seen.inverse_depth, hints.inverse_depth, now.abs(), new.abs()
    )


def sums(method: SemHintMethod, one: Judged) -> dict[str, Tensor]:
    """(5,) by group: pixels, accepted, nearer than before, and |ln| error of the accepted before and after."""
    found = {}
    for group, names in GROUPS.items():
        ids = [method.classes.classes.index(name) for name in names]
        members = one.known & torch.isin(one.label, torch.tensor(ids)) if ids else one.known
        accepted = members & one.mask
        nearer = accepted & (one.new < one.now)
        found[group] = torch.stack(
            [members.sum(), accepted.sum(), nearer.sum(), one.now[accepted].sum(), one.new[accepted].sum()]
        ).double()
    return found


def draw(frames: Tensor, one: Judged, path: Path) -> None:
    """A row a frame."""
    rows = []
    for place, frame in enumerate(frames):
        truth, present, hint = (part[place, 0].double().numpy() for part in (one.truth, one.present, one.hint))
        known, mask = one.known[place, 0].numpy(), one.mask[place, 0].numpy()
        largest = float(np.percentile(truth[known], 97))
        better = np.where(one.new[place, 0] < one.now[place, 0], 0.15, 0.9)
        panels = [
            image_pixels(frame), coloured(present, largest, np.ones_like(known), "magma"),
            coloured(truth, largest, known, "magma"), coloured(hint, largest, mask, "magma"),
            coloured(better, 1.0, mask & known, "coolwarm"),
        ]  # fmt: skip
        rows.append(side_by_side(panels))
    sheet = Image.fromarray(np.concatenate(rows)[:-GAP, :-GAP])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((sheet.width * 3 // 2, sheet.height * 3 // 2), Image.Resampling.NEAREST).save(path, quality=88)


def measure(
    run: Path, frames: Path, mode: str, labels: str, words: list[str], batches: int, picture: Path | None
) -> list[dict[str, Any]]:
    """One row a group of classes."""
    settings = overrides(
        semhint__labels=labels, semhint__initialize_from=run, semhint__segmentation="false", semhint__refine="false",
        semhint__oracle="true", semhint__start=0, semhint__hint_downsample=1, frames__options__offsets=OFFSETS[mode],
    )  # fmt: skip
    config = load_config("semhint-toytown", [*settings, *words], frames)
    with contextlib.closing(Loop(config, RunFolder(Path("unused")), start_accelerator(config.train), None)) as loop:
        method = loop.state.model.eval()
        method.config = replace(method.config, oracle=False)  # it was set so that batches have measured depth
        total: dict[str, Tensor] = {}
        with torch.no_grad():
            for _ in range(batches):
                batch = next(loop.batches)["unlabelled"]
                found = judged(method, batch)
                if picture is not None:
                    draw(batch["frames"][:, 0], found, picture)
                    picture = None
                for group, values in sums(method, found).items():
                    total[group] = total.get(group, torch.zeros(5, dtype=torch.float64)) + values
    rows = []
    for group, (pixels, accepted, nearer, before, after) in ((key, value.tolist()) for key, value in total.items()):
        if not pixels or not accepted:
            continue
        rows.append({
            "share": round(pixels / total["all"][0].item(), 3), "accepted": round(accepted / pixels, 3),
            "precision": round(nearer / accepted, 3), "before": round(before / accepted, 3),
            "after": round(after / accepted, 3), "class": group,
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="toy town")
    parser.add_argument("--stereo", type=Path, help="depth run that learned from stereo")
    parser.add_argument("--mono", type=Path, help="depth run that learned from one camera")
    parser.add_argument("--labels", required=True, help="segmentation run that saw few labels")
    parser.add_argument("--batches", type=int, default=25)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    stamp = {"frames": 4 * options.batches, "device": device_name(), "vergence": __version__, "commit": commit()}
    planes = overrides(semhint__proposals__families="[components, cells]")
    sources = {"true": ("truth", []), "true, planes alone": ("truth", planes), "of a run": (options.labels, [])}
    for border, blobs in NOISE:
        words = overrides(frames__label_noise__border=border, frames__label_noise__blobs=blobs)
        sources[f"true, {border} px and {100 * blobs:g} % wrong"] = ("truth", words)
    for mode, run in (("mono", options.mono), ("stereo", options.stereo)):
        if run is None:
            continue
        for labels, (port, words) in sources.items():
            picture = options.picture if (mode, labels) == ("stereo", "true") else None
            rows = [
                {"mode": mode, "labels": labels, "class": row.pop("class"), **row, **stamp}
                for row in measure(run, options.frames, mode, port, words, options.batches, picture)
                if "wrong" not in labels or row["class"] == "all"
            ]
            write_rows(RESULT, rows, KEYS)
            print(*rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
