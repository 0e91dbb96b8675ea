"""Styles: colours, textures, light and air. The geometry knows none of this."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

from vergence.data.toytown.parts import KIND, Solids
from vergence.data.toytown.textures import TILES

# columns of a material row
RGB, TILE, METRES, DETAIL, MACRO, PERIOD, FILL, PANE, LIT, SHIFT = (
    slice(0, 3), 3, 4, 5, 6, slice(7, 9), slice(9, 11), slice(11, 14), 14, slice(15, 17),
)  # fmt: skip
COLUMNS = 17
TILE_INDEX = {name: index for index, name in enumerate(TILES)}


class Light(NamedTuple):
    """sun: unit vector towards it; ambient, direct: weights; tint, haze, zenith, horizon, cloud: colours in [0,1];
    visibility: metres until haze covers 63 %; noise: sensor noise in grey levels; line: colour of road paint."""

    sun: np.ndarray
    ambient: float
    direct: float
    tint: np.ndarray
    haze: np.ndarray
    visibility: float
    zenith: np.ndarray
    cloud: np.ndarray
    noise: float
    paint: np.ndarray
    ground: np.ndarray  # (3 classes: road, sidewalk, terrain; rgb)
    ground_tiles: tuple[str, str, str]


def make_light(style: str, seed: int, street: int) -> Light:
    """The light over one street."""
    rng = np.random.default_rng([seed, street, 4, int(style == "dusk")])
    azimuth = rng.uniform(0, 2 * np.pi)
    if style == "clear":
        elevation = rng.uniform(0.5, 1.1)
        grey, warm = rng.uniform(0.3, 0.48), rng.uniform(-0.02, 0.04)
        earth = np.array([0.30, 0.42, 0.20]) if rng.random() < 0.7 else np.array([0.50, 0.42, 0.30])
        ground = np.array([[grey + warm, grey, grey - warm], [0.62, 0.59, 0.55], earth])
        ground = ground * rng.uniform(0.85, 1.12, (3, 1))
        sky = np.array([0.36, 0.56, 0.86]) * rng.uniform(0.85, 1.1)
        haze, far, noise = np.array([0.78, 0.84, 0.90]), rng.uniform(350, 700), 1.0
        cloud, tint, paint = np.array([0.97, 0.97, 0.98]), np.array([1.0, 0.98, 0.94]), np.array([0.92, 0.92, 0.88])
        ambient, direct, tiles = 0.55, 0.6, ("asphalt", "slabs", "grass")
    else:
        elevation = rng.uniform(0.12, 0.4)
        grey = rng.uniform(0.24, 0.34)
        ground = np.array([[grey, grey * 0.98, grey * 1.05], [0.45, 0.38, 0.36], [0.33, 0.27, 0.18]])
        ground = ground * rng.uniform(0.85, 1.12, (3, 1))
        sky = np.array([0.25, 0.24, 0.42]) * rng.uniform(0.85, 1.2)
        haze, far, noise = np.array([0.62, 0.50, 0.50]), rng.uniform(80, 160), 1.4
        cloud, tint, paint = np.array([0.80, 0.52, 0.42]), np.array([0.98, 0.80, 0.72]), np.array([0.75, 0.62, 0.35])
        ambient, direct, tiles = 0.62, 0.38, ("slabs", "blocks", "leaves")
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    return Light(sun, ambient, direct, tint, haze, far, sky, cloud, noise, paint, ground, tiles)


def _hsv(h: float, s: float, v: float) -> list[float]:
    return list(colorsys.hsv_to_rgb(h % 1.0, min(max(s, 0.0), 1.0), min(max(v, 0.0), 1.0)))


def materials(solids: Solids, style: str) -> np.ndarray:
    """(N, COLUMNS) float32: what each primitive is made of in this style."""
    dusk = style == "dusk"
    names = {index: name for name, index in KIND.items()}
    rows = np.zeros((len(solids.kind), COLUMNS), np.float32)
    for k, (kind, (a, b, c, d)) in enumerate(zip(solids.kind, solids.chance.tolist(), strict=True)):
        rows[k] = _material(names[int(kind)], a, b, c, d, dusk)
    return rows


def _material(name: str, a: float, b: float, c: float, d: float, dusk: bool) -> list[float]:
    """One row. a, b, c, d uniform in [0,1) are the primitive's own."""
    period, fill, pane, lit = [1.0, 1.0], [0.0, 0.0], [0.0, 0.0, 0.0], 0.0
    tile, metres, detail, macro = "pink", 6.0, 0.14, 0.10
    turn = 0.55 if dusk else 0.0
    if name in ("facade", "plain_wall", "roof"):
        rgb = _hsv(0.02 + 0.13 * a + (0.5 * (b > 0.8)) + turn * a, 0.15 + 0.45 * b * c, 0.42 + 0.5 * c)
        tile = ("blocks", "pink", "streaks", "slabs")[int(4 * ((a + b + 0.37 * dusk) % 1))]
        metres, detail, macro = 4.0 + 6.0 * d, 0.08 + 0.14 * a, 0.06 + 0.1 * b
        if name == "facade":
            period, fill = [2.2 + 2.2 * b, 3.1], [0.35 + 0.3 * a, 0.45 + 0.2 * c]
            pane, lit = _hsv(0.58 + 0.1 * a, 0.3, 0.16 + 0.2 * d), 0.55 if dusk else 0.0
        elif name == "plain_wall":  # the honest texture-less wall
            detail, macro = 0.004, 0.004
        else:
            rgb, tile = _hsv(0.03 * a, 0.5 * b, 0.25 + 0.3 * c), "streaks"
    elif name == "wall":
        rgb, tile, metres, detail = _hsv(0.04 + 0.08 * a + turn, 0.25, 0.4 + 0.3 * c), "blocks", 4.0, 0.2
    elif name == "fence":
        rgb, tile, metres = _hsv(0.08 + 0.3 * a + turn, 0.4 * b, 0.3 + 0.5 * c), "streaks", 3.0
        period, fill, pane = [0.6 + 0.5 * b, 9.0], [0.35, 1.0], [0.12, 0.13, 0.12]
    elif name in ("crown", "hedge"):
        hue = (0.07 + 0.08 * a) if dusk else (0.22 + 0.13 * a)
        rgb, tile, metres, detail, macro = _hsv(hue, 0.45 + 0.2 * b, 0.28 + 0.25 * c), "leaves", 5.0, 0.3, 0.08
    elif name == "trunk":
        rgb, tile, metres, detail = _hsv(0.07, 0.4, 0.2 + 0.2 * c), "streaks", 2.0, 0.25
    elif name == "metal":
        rgb, detail, metres = _hsv(0.4 * a, 0.2 * b, 0.25 + 0.4 * c), 0.12, 2.0
    elif name == "sign":
        hue = (0.0, 0.6, 0.14)[int(3 * a)] + 0.3 * dusk
        rgb, detail, period, fill, pane = _hsv(hue, 0.85, 0.8), 0.03, [0.5, 0.5], [0.5, 0.4], [0.95, 0.95, 0.95]
    elif name == "lamp":
        rgb, detail = [0.12, 0.12, 0.12], 0.04
        period, fill, pane, lit = [0.34, 0.34], [0.6, 0.6], [0.75, 0.15, 0.1], 0.3
    elif name in ("body", "coach"):
        rgb, metres, detail, macro = _hsv(a + turn, 0.75 * b * (c > 0.35), 0.2 + 0.7 * d), 3.0, 0.06, 0.06
        period, fill, pane = [2.2, 1.5], [0.04, 1.0], [0.12, 0.12, 0.12]
        if name == "coach":
            period, fill, pane = [1.3, 1.5], [0.85, 0.5], [0.14, 0.17, 0.2]
    elif name == "glass":
        rgb, metres, detail = _hsv(0.58, 0.25, 0.16 + 0.15 * c), 2.0, 0.2
        period, fill, pane = [1.1, 9.0], [0.12, 1.0], _hsv(a + turn, 0.4 * b, 0.5)
    elif name in ("tyre", "shade"):
        rgb, detail, macro = [0.09, 0.09, 0.1], 0.15, 0.1
    elif name in ("cloth", "trousers"):
        rgb, metres, detail = _hsv(a + turn, 0.8 * b, 0.15 + 0.75 * c * (1.0 if name == "cloth" else 0.6)), 1.5, 0.15
    else:  # skin
        rgb, metres, detail = _hsv(0.06, 0.3 + 0.3 * b, 0.35 + 0.5 * c), 1.0, 0.08
    shift = [37.0 * a + 11.0 * d, 23.0 * b + 7.0 * c]
    return [*rgb, TILE_INDEX[tile], metres, detail, macro, *period, *fill, *pane, lit, *shift]
