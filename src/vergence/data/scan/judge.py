"""From measures to findings: thresholds, and one sentence of what to do for each."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.layouts.order import follows_by_name
from vergence.data.scan.measure import Measures
from vergence.data.scan.report import Finding, SequenceReport

STATIC = 0.0008
"""Motion, as a share of the width, below which the camera stands: half a pixel at 640."""
SLOW = 0.005
"""Motion below which a larger frame step teaches more: KITTI at 10 Hz has 0.006 to 0.014."""
SUITABLE = 0.008
FAST = 0.04
LARGEST_STEP = 10
ROTATION = 0.3
"""Parallax over motion below which most of the motion is the camera's turning."""
EXPOSURE = 0.08
"""Change of brightness of the same things between two frames, as a logarithm."""
DUPLICATE = 0.5
"""Mean difference in grey levels up to which two frames are one."""
FEW = 30


def judge(name: str, measures: Measures) -> SequenceReport:
    """Report of one sequence."""
    rows, looks = measures.rows, list(measures.looks.values())
    moved = _finite([pair.motion for pair in measures.pairs])
    still = _finite([float(pair.motion < STATIC) for pair in measures.pairs if not math.isnan(pair.motion)])
    size = Counter(one.size for one in looks).most_common(1)[0][0] if looks else (rows[0].width, rows[0].height)
    step = suitable_step(moved, len(rows))
    findings = [finding for check in _CHECKS for finding in check(measures, step)]
    order = ("problem", "advice", "note")
    return SequenceReport(
        name=name,
        sequence=rows[0].sequence,
        camera=rows[0].camera,
        frames=len(rows),
        pairs=len(measures.pairs),
        width=size[0],
        height=size[1],
        fps=rows[0].rate,
        colour=sum(one.colourful for one in looks) * 2 > len(looks) if looks else None,
        stereo=any(row.stereo for row in rows),
        motion=float(np.median(moved)) if len(moved) else None,
        motion_range=(float(np.quantile(moved, 0.1)), float(np.quantile(moved, 0.9))) if len(moved) else None,
        parallax=_median([pair.parallax for pair in measures.pairs]),
        static_share=float(still.mean()) if len(still) else None,
        standing=tuple((rows[first].position, rows[last].position) for first, last in standing_runs(measures)),
        step=step,
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.level))),
    )


def suitable_step(moved: NDArray[np.float64], frames: int) -> int:
    """Frames between target and source for a good baseline, from the motion while the camera moves."""
    moving = moved[moved >= STATIC]
    if not len(moving) or np.median(moving) >= SLOW:
        return 1
    return int(np.clip(round(SUITABLE / float(np.median(moving))), 1, max(1, min(LARGEST_STEP, (frames - 1) // 2))))


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _median(values: Sequence[float]) -> float | None:
    finite = _finite(values)
    return float(np.median(finite)) if len(finite) else None


def _length(measures: Measures, step: int) -> Iterator[Finding]:
    count = len(measures.rows)
    if measures.unreadable:
        name = Path(measures.rows[measures.unreadable[0]].image).name
        yield Finding(
            "unreadable",
            "problem",
            f"{len(measures.unreadable)} frame(s) cannot be read, the first is {name}; copy them again or remove them.",
        )
    if count < 3:
        yield Finding("short", "problem", f"{count} frame(s) are too few to learn from; give at least three in a row.")
    elif count < FEW:
        yield Finding("short", "note", f"{count} frames teach little by themselves; use them together with more video.")
    apart = Counter(pair.apart for pair in measures.pairs)
    if apart and apart[1] == 0:
        usual = apart.most_common(1)[0][0]
        yield Finding(
            "gaps",
            "problem",
            f"no two frames are neighbours (their numbers are {usual} apart); give the video at its full frame rate.",
        )
    elif apart[1] < 0.5 * sum(apart.values()):
        yield Finding(
            "gaps",
            "problem" if apart[1] < 0.25 * sum(apart.values()) else "advice",
            f"only {apart[1]} of {sum(apart.values())} frames that follow one another are neighbours, as in a "
            "random subset of a video; give the video at its full frame rate.",
        )
    elif sum(apart.values()) > apart[1]:
        yield Finding(
            "gaps",
            "note",
            f"frames are missing at {sum(apart.values()) - apart[1]} place(s); frames across a gap are not paired.",
        )


def _strangers(measures: Measures, step: int) -> Iterator[Finding]:
    """Neighbours by their positions that cannot be, by their names or their size."""
    differences = [pair.difference for pair in measures.pairs if not math.isnan(pair.difference)]
    if differences and all(map(math.isinf, differences)):
        row = measures.rows[0]
        yield Finding(
            "unmeasured",
            "problem",
            f"no motion can be measured in frames of {row.width}x{row.height} or of unlike sizes; give larger frames.",
        )
    paths = [Path(row.image) for row in measures.rows]
    known = follows_by_name([path.name for path in paths]) if len({path.parent for path in paths}) == 1 else None
    pairs = [(a, b) for a, b in itertools.pairwise(range(len(paths))) if _apart(measures, a, b) == 1]
    odd = [(a, b) for a, b in pairs if known is not None and not known[a]]
    if len(odd) > 0.25 * len(pairs):
        first, second = (paths[k].name for k in odd[0])
        yield Finding(
            "gaps",
            "problem",
            f"{len(odd)} of {len(pairs)} neighbours are none by their names (the first are {first} and {second}); "
            "correct the positions, or give the video at its full frame rate.",
        )


def _apart(measures: Measures, first: int, second: int) -> int:
    return measures.rows[second].position - measures.rows[first].position


def standing_runs(measures: Measures, shortest: int = 5) -> list[tuple[int, int]]:
    """First and last frame of each run of at least ``shortest`` measured pairs in which the camera stands."""
    runs: list[tuple[int, int]] = []
    for pair in measures.pairs:
        if not pair.motion < STATIC:
            continue
        if runs and runs[-1][1] == pair.index:
            runs[-1] = (runs[-1][0], pair.index + 1)
        else:
            runs.append((pair.index, pair.index + 1))
    return [run for run in runs if run[1] - run[0] >= shortest]


def _standing(measures: Measures, step: int) -> Iterator[Finding]:
    moved = _finite([pair.motion for pair in measures.pairs])
    if not len(moved):
        return
    share = float((moved < STATIC).mean())
    remedy = "leave it out of training"
    if any(row.stereo for row in measures.rows):
        remedy += ' or learn from its stereo pairs (offset "s")'
    if share > 0.5:
        yield Finding("static", "problem", f"the camera stands in {share:.0%} of the pairs; {remedy}.")
    elif share > 0.05:
        names = [tuple(Path(measures.rows[k].image).stem for k in run) for run in standing_runs(measures)[:3]]
        where = f" (from {', from '.join(f'{a} to {b}' for a, b in names)})" if names else ""
        text = f"the camera stands in {share:.0%} of the pairs{where}; leave these frames out of the training split."
        yield Finding("static", "advice", text)


def _speed(measures: Measures, step: int) -> Iterator[Finding]:
    moved = _finite([pair.motion for pair in measures.pairs])
    share = _median([pair.matched for pair in measures.pairs])
    if share is not None and share < 0.5:
        yield Finding(
            "fast",
            "problem",
            f"only {share:.0%} of the picture is found again in the next frame: these are no neighbours, "
            "or the camera is too fast; give video at a higher frame rate.",
        )
    elif len(moved) and np.median(moved) > FAST:
        yield Finding(
            "fast",
            "advice",
            f"things move by {np.median(moved):.1%} of the width between frames; a higher frame rate would teach more.",
        )
    elif step > 1:
        rate = measures.rows[0].rate
        video = f", or decode the video at {rate / step:.3g} frames/s" if rate else ""
        yield Finding(
            "slow",
            "advice",
            f"little motion ({np.median(moved[moved >= STATIC]):.2%} of the width between frames while moving); use "
            f"--frames.options.offsets '[-{step}, {step}]'{video}.",
        )


def _turning(measures: Measures, step: int) -> Iterator[Finding]:
    moving = [pair for pair in measures.pairs if pair.motion >= STATIC and pair.matched >= 0.3]
    if len(moving) < 3 or len(moving) * 2 < len(measures.pairs):
        return
    ratio = float(np.median([pair.parallax / pair.motion for pair in moving]))
    if ratio < ROTATION:
        yield Finding(
            "rotation",
            "problem",
            f"a turning camera explains {1 - ratio:.0%} of the motion, so depth hardly shows; give video of a camera "
            "that travels.",
        )


def _cuts(measures: Measures, step: int) -> Iterator[Finding]:
    usual = _median([pair.matched for pair in measures.pairs])
    cuts = [pair for pair in measures.pairs if pair.matched < 0.15]
    if usual is None or usual < 0.5 or not cuts:
        return
    name = Path(measures.rows[cuts[0].index + 1].image).name
    yield Finding(
        "cuts",
        "advice",
        f"{len(cuts)} pair(s) have next to nothing in common (the first before {name}); if these are cuts, split the "
        "sequence there.",
    )


def _exposure(measures: Measures, step: int) -> Iterator[Finding]:
    jumps = [pair for pair in measures.pairs if pair.gain > 0 and abs(math.log(pair.gain)) > EXPOSURE]
    if not jumps:
        return
    worst = max(jumps, key=lambda pair: abs(math.log(pair.gain)))
    name = Path(measures.rows[worst.index + 1].image).name
    level = "advice" if len(jumps) > 0.05 * len(measures.pairs) else "note"
    yield Finding(
        "exposure",
        level,  # type: ignore[arg-type]
        f"brightness jumps in {len(jumps)} pair(s), by {worst.gain - 1:+.0%} before {name}; lock the exposure when you "
        "record, or leave these frames out.",
    )


def _duplicates(measures: Measures, step: int) -> Iterator[Finding]:
    same = [pair for pair in measures.pairs if pair.difference < DUPLICATE]
    if not same:
        return
    share = len(same) / len(measures.pairs)
    name = Path(measures.rows[same[0].index + 1].image).name
    text = f"{share:.0%} of the frames repeat the one before (the first is {name}); remove the repeats"
    rate = measures.rows[0].rate
    if 0.02 < share < 0.9 and rate:
        text += f", the real rate seems to be {rate * (1 - share):.3g} frames/s"
    yield Finding("duplicates", "advice" if share > 0.02 else "note", f"{text}.")


def _blur(measures: Measures, step: int) -> Iterator[Finding]:
    indices = sorted(measures.looks)
    sharp = np.array([measures.looks[k].sharpness for k in indices])
    if not len(sharp):
        return
    if np.median(sharp) < 0.06:
        yield Finding(
            "blur",
            "advice",
            "the frames are blurred or enlarged; use a smaller working size, or a sharper recording.",
        )
    around = [np.median(sharp[max(0, k - 4) : k + 5]) for k in range(len(sharp))]
    soft = [index for index, value, usual in zip(indices, sharp, around, strict=True) if value < 0.55 * usual]
    if soft:
        name = Path(measures.rows[soft[0]].image).name
        yield Finding(
            "blur",
            "advice" if len(soft) > 0.05 * len(sharp) else "note",
            f"{len(soft)} frame(s) are far more blurred than their neighbours (the first is {name}); leave them out.",
        )


def _picture(measures: Measures, step: int) -> Iterator[Finding]:
    looks = list(measures.looks.values())
    if not looks:
        return
    sizes = Counter(one.size for one in looks)
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height} ({count})" for (width, height), count in sizes.most_common(3))
        yield Finding(
            "sizes", "problem", f"frames of several sizes ({listed}); bring them to one size or split them up."
        )
    border = np.min([one.borders for one in looks], axis=0)
    if border.max() >= 0.02:
        width, height = sizes.most_common(1)[0][0]
        pixels = [round(share * side) for share, side in zip(border, (height, height, width, width), strict=True)]
        sides = ("top", "bottom", "left", "right")
        listed = ", ".join(f"{count} px {side}" for count, side in zip(pixels, sides, strict=True) if count)
        yield Finding("borders", "problem", f"black borders in every frame ({listed}); crop them away.")
    if not any(one.colourful for one in looks):
        yield Finding("grey", "note", "the frames are grey; a model that learns only from them expects grey pictures.")


_CHECKS: Sequence[Callable[[Measures, int], Iterator[Finding]]] = (
    _length,
    _strangers,
    _standing,
    _speed,
    _turning,
    _cuts,
    _exposure,
    _duplicates,
    _blur,
    _picture,
)
