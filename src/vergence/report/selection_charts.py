"""Charts of a selection as inline SVG in the page's colours: coverage against number of frames, map of all frames."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 480, 310  # text of 12 is read on a narrow screen too
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 40
_COLOURS = ("#e0762b", "#4c8dd6", "#3fa860")
_POINTS = 300
_NUMBERED = 30
_RADIUS = 11.0
"""A numbered circle's."""


class Line(NamedTuple):
    """Distances after 1, 2, ... frames, or shares of pixels, which have no largest one."""

    name: str
    largest: NDArray[np.float64] | None
    mean: NDArray[np.float64]


def coverage_chart(lines: Sequence[Line], label: str = "Distance to the nearest chosen frame") -> str:
    """Mean (full lines) and largest (dashed) distance to the nearest chosen frame; or shares, up to 1."""
    count = len(lines[0].mean)
    largest = [float(line.largest[min(2, count - 1) :].max()) for line in lines if line.largest is not None]
    top = nice_top(max(largest)) if largest else 1.0
    counts = sorted({round(number) for number in np.geomspace(1, count, _POINTS)})
    x_of = _Axis(1, max(count, 2), _LEFT, _WIDTH - _RIGHT)
    y_of = _Axis(0, top, _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(x_of, y_of, count, top), _clip()]
    for line, colour in zip(lines, _COLOURS, strict=False):
        for values, dash in ((line.mean, ""), (line.largest, ' stroke-dasharray="6 5"')):
            if values is None:
                continue
            points = " ".join(f"{x_of(number):.1f},{y_of(values[number - 1]):.1f}" for number in counts)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.2"{dash} '
                         'clip-path="url(#plot)"/>')  # fmt: skip
    return _svg(parts, label)


def legend(names: Sequence[str]) -> list[dict[str, str]]:
    """Names and colours of the lines."""
    return [{"name": name, "colour": colour} for name, colour in zip(names, _COLOURS, strict=False)]


def map_chart(
    frames: NDArray[np.float64],
    picks: NDArray[np.float64],
    names: Sequence[str],
    known: NDArray[np.float64],
) -> str:
    """Frames (n, 2) as grey dots, chosen ones numbered, labelled ones as squares; x and y have one scale.

    Numbers that would cover each other stand beside their frames, with a line to them.
    """
    everything = np.concatenate([frames, picks, known])
    low, high = everything.min(0), everything.max(0)
    scale = min(
        (room - 40) / max(float(extent), 1e-9) for room, extent in zip((_WIDTH, _HEIGHT), high - low, strict=True)
    )
    center = (low + high) / 2

    def at(point: NDArray[np.float64]) -> tuple[float, float]:
        x, y = (point - center) * scale
        return _WIDTH / 2 + float(x), _HEIGHT / 2 - float(y)

    dots = "".join("M{:.0f} {:.0f}h0".format(*at(point)) for point in frames)
    parts = [f'<path d="{dots}" stroke="currentColor" stroke-opacity="0.28" stroke-width="4" stroke-linecap="round" '
             'style="stroke-linecap:round"/>']  # fmt: skip
    for x, y in map(at, known):
        parts.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{_COLOURS[1]}"/>')
    places = np.array([at(point) for point in picks]).reshape(-1, 2)
    beside = apart(places[:_NUMBERED], 2 * _RADIUS + 1, np.array([_WIDTH, _HEIGHT]) - _RADIUS - 1)
    for (x, y), (to_x, to_y) in zip(places, beside, strict=False):
        parts.append(f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{_COLOURS[0]}" stroke-width="1.5"/>')
    for number in range(len(picks), 0, -1):  # the first on top
        x, y = places[number - 1]
        title = f"<title>{number}: {escape(names[number - 1])}</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[0]}">{title}</circle>')
        if number <= _NUMBERED:
            x, y = beside[number - 1]
            parts.append(f'<g><circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS:g}" fill="{_COLOURS[0]}"/>'
                         f'<text x="{x:.1f}" y="{y + 4.6:.1f}" text-anchor="middle" font-size="13.5" fill="#1a1206">'
                         f"{number}</text>{title}</g>")  # fmt: skip
    return _svg(parts, "Map of the feature space")


def apart(places: NDArray[np.float64], gap: float, room: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n, 2) moved until no two are nearer than ``gap``, where there is room; in [width - room, room]."""
    moved, low = places.copy(), np.array([_WIDTH, _HEIGHT]) - room
    turns = np.arange(len(places)) * 2.4  # where two are at one place, each goes another way
    moved += 1e-3 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    for _ in range(200):
        away = moved[:, None] - moved[None]
        distance = np.hypot(away[..., 0], away[..., 1]) + np.eye(len(moved)) * 2 * gap
        if distance.min(initial=gap) >= gap:
            break
        push = np.maximum(gap + 0.5 - distance, 0) / (2 * distance)
        moved = np.clip(moved + (away * push[..., None]).sum(1), low, room)
    return moved


def nice_top(value: float) -> float:
    """The next number whose quarters are round."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if factor * power >= value)


class _Axis:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        share = (float(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _grid(x_of: _Axis, y_of: _Axis, count: int, top: float) -> str:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = y_of(share * top)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="currentColor" stroke-opacity="0.15"/>'
                     f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share * top:g}</text>')  # fmt: skip
    few = range(1, count + 1) if count <= 10 else ()
    ticks = {1, count, *few, *(round(count * share / 20) * 5 if count >= 40 else round(count * share / 4)
                               for share in (1, 2, 3))} - {0}  # fmt: skip
    for tick in sorted(ticks):
        parts.append(f'<text x="{x_of(tick):.1f}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{tick}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 4}" text-anchor="middle">frames chosen</text>')
    return "".join(parts)


def _clip() -> str:
    return (f'<clipPath id="plot"><rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
            f'height="{_HEIGHT - _TOP - _BOTTOM}"/></clipPath>')  # fmt: skip


def _svg(parts: Sequence[str], label: str) -> str:
    return (f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="12" '
            f'font-family="system-ui, sans-serif" fill="currentColor">{"".join(parts)}</svg>')  # fmt: skip
