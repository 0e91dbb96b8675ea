"""Curves of a run's ``metrics.jsonl``, and shares over time, as inline SVG that takes the page's colours."""

import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vergence.errors import printable
from vergence.report.stored_run import Record

_INK = "#010203"  # stands for the page's text colour while matplotlib draws
_COLOURS = ("#4c8dd6", "#f08a24", "#3fa860", "#e0525c", "#9a6fd0", "#a8743f", "#d864a8", "#7d8894")
_PACE = ("images_per_second", "learning_rate", "lr", "data_wait", "memory", "seconds", "eta", "elapsed", "epoch")
_ERRORS, _ACCURACIES = ("abs_rel", "rmse_log"), ("a1", "a2", "a3")  # those of one magnitude share an axis
_WIDTH, _HEIGHT = 960, 160  # of bars over time
_CLASSES = ("miou", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou")


class Curve(NamedTuple):
    """One named line."""

    steps: list[float]
    values: list[float]


class Chart(NamedTuple):
    """One chart of the page; ``svg`` is safe to put into HTML."""

    title: str
    svg: str
    log: str = ""
    """The same over a logarithmic axis; "" where a value is not positive."""
    data: str = "{}"
    """What the page's script reads under the pointer, as JSON."""


def curves(records: Iterable[Record], kind: str) -> dict[str, Curve]:
    """Numbers of the records of one kind by key, in order of steps."""
    values_of: dict[str, dict[float, float]] = defaultdict(dict)
    for record in records:
        if record.get("kind") != kind or not isinstance(record.get("step"), int | float):
            continue
        for key, value in record.items():
            if key != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                values_of[key][record["step"]] = float(value)
    return {key: Curve(*map(list, zip(*sorted(points.items()), strict=True))) for key, points in values_of.items()}


def charts(records: Iterable[Record]) -> list[Chart]:
    """The charts of a run: losses, what was watched beside them, evaluation, pace. Empty without numbers."""
    records = list(records)
    train, evaluation = curves(records, "train"), curves(records, "evaluate")
    losses = {key: curve for key, curve in train.items() if not key.startswith("_") and not _is_pace(key)}
    watched = {key.lstrip("_"): curve for key, curve in train.items() if key.startswith("_") and any(curve.values)}
    rate = {key: curve for key, curve in train.items() if key in ("lr", "learning_rate") or key.startswith("lr/")}
    speed = {key: curve for key, curve in train.items() if key == "images_per_second"}
    errors = {key: curve for key, curve in evaluation.items() if key in _ERRORS}
    accuracies = {key: curve for key, curve in evaluation.items() if key in _ACCURACIES}
    classes = {key: curve for key, curve in evaluation.items() if key in _CLASSES}
    explained = {key: curve for key, curve in evaluation.items() if key.startswith("photometric")}
    agreed = {key: curve for key, curve in evaluation.items() if key == "flip_miou"}
    planned = [
        ("Evaluation: segmentation (higher is better)", classes, "", False),
        ("Evaluation: errors (lower is better)", errors, "", False),
        ("Evaluation: pixels within 1.25ʲ (higher is better)", accuracies, "", False),
        ("Held-back frames: photometric error (lower is better, and below unmoved neighbours)", explained, "", False),
        ("Held-back frames: classes agree under flips (higher is better)", agreed, "", False),
        *((title, lines, "weighted loss", True) for title, lines in by_magnitude("Losses", losses)),
        *(
            (title, lines, "", True)
            for family, members in families("Watched, not trained on", watched)
            for title, lines in by_magnitude(family, members)
        ),
        ("Learning rate", rate, "", False),
        ("Pace", speed, "images / s", False),
    ]
    return [chart(title, lines, label, smooth) for title, lines, label, smooth in planned if lines]


def chart(title: str, lines: Mapping[str, Curve], label: str = "", smooth: bool = False, along: str = "step") -> Chart:
    """A chart with its numbers, and over a logarithmic axis too where its values span enough."""
    values = [value for curve in lines.values() for value in curve.values if math.isfinite(value)]
    spans = bool(values) and min(values) > 0 and max(values) > 5 * min(values)
    svg, axis, steps = _drawn(title, lines, label, smooth, along, False)
    log = _drawn(title, lines, label, smooth, along, True)[0] if spans else ""
    numbers = [
        {"name": name, "steps": [step for step, _ in points], "values": [value for _, value in points]}
        for name, curve in lines.items()
        if (points := [pair for pair in zip(curve.steps, curve.values, strict=True) if math.isfinite(pair[1])])
    ]
    data = json.dumps({"along": along, "axis": axis, "range": steps, "lines": numbers})
    return Chart(title, svg, log, data.replace("<", "\\u003c"))


def families(title: str, lines: Mapping[str, Curve]) -> list[tuple[str, dict[str, Curve]]]:
    """Lines ``family/member`` by member, under a title of their family; all others together, first."""
    grouped: dict[str, dict[str, Curve]] = {}
    for name, curve in sorted(lines.items(), key=lambda item: "/" in item[0]):
        family, _, member = name.rpartition("/")
        grouped.setdefault(f"{title}: {family}" if family else title, {})[member] = curve
    return list(grouped.items())


def by_magnitude(title: str, lines: Mapping[str, Curve], factor: float = 20.0) -> list[tuple[str, dict[str, Curve]]]:
    """Lines in charts of their own wherever one axis would flatten the smaller ones, the largest first.

    No chart has more lines than there are colours.
    """
    middles = {name: float(np.nanmedian(np.abs([*curve.values, 0.0]))) for name, curve in lines.items()}
    groups: list[dict[str, Curve]] = []
    top = 0.0
    for name in sorted(lines, key=lambda name: -middles[name]):
        if not groups or middles[name] * factor < top or len(groups[-1]) == len(_COLOURS):
            groups.append({})
            top = middles[name]
        groups[-1][name] = lines[name]
    return [(title if index == 0 else f"{title}: smaller", group) for index, group in enumerate(groups)]


def _is_pace(key: str) -> bool:
    return key in _PACE or key.startswith(("lr/", "time", "gpu", "memory"))


def smoothed(values: list[float]) -> list[float]:
    """Running mean over about a thirtieth of the points, centred, shorter at the ends; NaN counts as absent."""
    half = max(1, len(values) // 60)
    array = np.asarray(values, dtype=np.float64)
    windows = (array[max(0, i - half) : i + half + 1] for i in range(len(array)))
    return [
        float(np.mean(window[np.isfinite(window)])) if np.isfinite(window).any() else math.nan for window in windows
    ]


def _drawn(
    title: str, lines: Mapping[str, Curve], label: str, smooth: bool, along: str, log: bool
) -> tuple[str, tuple[float, float], tuple[float, float]]:
    """One chart as SVG without external references, its ink in ``currentColor``; where its axis lies, in shares of the
    width, and the steps at the ends of it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif", "font.size": 12,
        "text.color": _INK, "axes.edgecolor": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
        "grid.color": _INK, "legend.labelcolor": _INK,
    }  # fmt: skip
    with rc_context(style):
        figure = Figure(figsize=(5.0, 3.1), layout="constrained")  # on a narrow screen text keeps its size
        axes = figure.add_subplot()
        curves = {printable(name).replace("$", r"\$"): curve for name, curve in lines.items()}  # no mathematics
        for index, (name, curve) in enumerate(curves.items()):
            colour = _COLOURS[index % len(_COLOURS)]
            plain = not smooth or len(curve.values) < 30
            axes.plot(curve.steps, curve.values, color=colour, lw=1.8 if plain else 0.8, alpha=1 if plain else 0.3,
                      marker="o" if len(curve.values) < 12 else None, ms=4, label=name if plain else None)  # fmt: skip
            if not plain:
                axes.plot(curve.steps, smoothed(curve.values), color=colour, lw=2, label=name)
        axes.set_xlabel(along)
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if len(places := {step for curve in lines.values() for step in curve.steps}) == 1:
            axes.set_xlim(min(places) - 1, max(places) + 1)  # by itself an axis of one step has fractions
        if log:
            axes.set_yscale("log")
        axes.grid(alpha=0.15)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=_columns(list(lines)), frameon=False, fontsize=11)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        box, ends = axes.get_position(), axes.get_xlim()
    return _inline(buffer.getvalue(), title), (float(box.x0), float(box.x1)), (float(ends[0]), float(ends[1]))


def _columns(names: Sequence[str]) -> int:
    """As many columns of a legend as the width of a chart (360) holds; matplotlib fills them one after the other."""
    widths = [31 + 6.4 * len(name) for name in names]  # a sample of the line, letters of size 11
    for columns in range(min(4, len(names)), 1, -1):
        if sum(float(part.max()) + 22 for part in np.array_split(widths, columns)) - 22 <= 345:
            return columns
    return 1


def _inline(svg: str, title: str) -> str:
    """Without prologue, metadata and namespaces (HTML needs none of them), scalable, in the page's text colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)  # a style element would hold for the page
    svg = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = title.replace("&", "and").replace('"', "").replace("<", "")
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).replace(_INK, "currentColor")


def time_chart(shares: Sequence[float], marked: Sequence[bool], label: str) -> str:
    """A bar for each frame, as high as its share in [0, 1]; marked ones in orange, each of them shown."""
    step = max(1, len(shares) // _WIDTH)
    groups = [range(start, min(start + step, len(shares))) for start in range(0, len(shares), step)]
    bars_of = [next((index for index in group if marked[index]), group[0]) for group in groups]
    bars = "".join(_bars([shares[index] for index in bars_of], [marked[index] for index in bars_of]))
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">{bars}</svg>'
    )


def _bars(shares: Sequence[float], marked: Sequence[bool]) -> Iterator[str]:
    width = _WIDTH / max(len(shares), 1)
    for index, (share, mark) in enumerate(zip(shares, marked, strict=True)):
        height = share * (_HEIGHT - 4)
        colour = "#e0762b" if mark else "#4c8dd6"
        yield (
            f'<rect x="{index * width:.2f}" y="{_HEIGHT - height:.1f}" width="{width * 0.92:.2f}" '
            f'height="{height:.1f}" fill="{colour}"/>'
        )
