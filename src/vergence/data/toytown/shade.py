"""Colour of every sample. Nothing here depends on where the camera stands, except haze and the filter width."""

from __future__ import annotations

import numpy as np

from vergence.data.toytown import palette
from vergence.data.toytown.palette import TILE_INDEX, Light
from vergence.data.toytown.parts import BOX, CYLINDER, Solids
from vergence.data.toytown.street import ROAD, SIDEWALK, TERRAIN, Street
from vergence.data.toytown.textures import TextureSet
from vergence.data.toytown.trace import GROUND, SKY, View

Array = np.ndarray


def band(x: Array, width: float, footprint: Array) -> Array:
    """A stripe of `width` around x = 0, box-filtered over `footprint`: share of the footprint that is covered."""
    return np.clip((0.5 * width - np.abs(x)) / footprint + 0.5, 0.0, np.minimum(1.0, width / footprint))


def repeated_band(x: Array, period: Array | float, fill: Array | float, footprint: Array) -> Array:
    """Stripes of width fill * period about the middle of each period; where too fine, their mean."""
    phase = x / period
    phase = np.abs(phase - np.floor(phase) - np.float32(0.5)) * period
    cover = np.clip((0.5 * fill * period - phase) / footprint + 0.5, 0.0, 1.0)
    fade = np.clip(1.5 * footprint / period - 0.25, 0.0, 1.0)
    return cover + fade * (fill - cover)


def shade(
    view: View, depth: Array, identity: Array, solids: Solids, rows: Array, street: Street, light: Light,
    textures: TextureSet,
) -> tuple[Array, Array]:  # fmt: skip
    """Colours (h,w,3) float32 in [0,1] before exposure, and train ids (h,w) uint8."""
    shape = depth.shape
    spacing = np.float32(view.x[1] - view.x[0])
    world = view.directions(np.eye(3)).reshape(3, -1)
    flat_depth, flat_identity = depth.ravel(), identity.ravel()
    colour = np.empty((flat_depth.size, 3), np.float32)
    label = np.empty(flat_depth.size, np.uint8)

    for sky in _pieces(flat_identity == SKY):
        colour[sky] = _sky(world[:, sky], light, textures)
        label[sky] = 10
    ground = _pieces(flat_identity == GROUND)
    across = _across(view, world, flat_depth, ground, shape, street)
    for part in ground:
        colour[part], label[part] = _ground(
            view, world[:, part], flat_depth[part], across[:, part], spacing, street, light, textures
        )
    for other in _pieces(flat_identity > GROUND):
        k = flat_identity[other] - 1
        colour[other] = _solids(view, world[:, other], flat_depth[other], k, spacing, solids, rows, light, textures)
        label[other] = solids.label.astype(np.uint8)[k]
    solid = flat_identity != SKY
    z = np.where(solid, flat_depth, 0)
    clear = np.exp(z * np.float32(-1 / light.visibility))[:, None]
    colour += (1 - clear) * (light.haze.astype(np.float32) - colour)
    return colour.reshape(*shape, 3), label.reshape(shape)


def _pieces(mask: Array, size: int = 12000) -> list[Array]:
    """Indices of the set samples, in pieces small enough that the arrays made from them stay in the cache."""
    index = np.nonzero(mask)[0]
    return [index[k : k + size] for k in range(0, index.size, size)]


def _sky(directions: Array, light: Light, textures: TextureSet) -> Array:
    """A gradient and clouds; both depend on the direction alone."""
    length = np.sqrt((directions**2).sum(0))
    up = np.clip(directions[2] / length, 0.0, 1.0)
    scale = np.float32(1.0) / (up + np.float32(0.25))
    u, v = directions[0] / length * scale, directions[1] / length * scale
    cloud = textures.sample(TILE_INDEX["clouds"], u, v, 4.0, np.full(u.shape, 0.02, np.float32))
    amount = np.clip(0.35 + 0.4 * cloud, 0.0, 1.0)[:, None] * np.clip(up * 5, 0, 1)[:, None]
    blend = np.clip(up * 2.2, 0, 1)[:, None] ** np.float32(0.6)
    base = light.haze.astype(np.float32) * (1 - blend) + light.zenith.astype(np.float32) * blend
    return base + amount * (light.cloud.astype(np.float32) - base)


def _ground(
    view: View, directions: Array, z: Array, lines: Array, spacing: np.float32, street: Street, light: Light,
    textures: TextureSet,
) -> tuple[Array, Array]:  # fmt: skip
    x = np.float32(view.centre[0]) + z * directions[0]
    y = np.float32(view.centre[1]) + z * directions[1]
    label = street.underfoot(x, y, lines[1])
    slant = np.abs(directions[2]) / np.sqrt((directions**2).sum(0))
    footprint = z * spacing * np.maximum(slant, np.float32(0.02)) ** np.float32(-0.75)
    order = np.searchsorted([ROAD, SIDEWALK, TERRAIN], label)
    tiles = np.array([TILE_INDEX[name] for name in light.ground_tiles], np.int32)[order]
    metres = np.array([9.0, 8.0, 12.0], np.float32)[order]
    detail = textures.sample(tiles, x, y, metres, footprint)
    macro = textures.sample(TILE_INDEX["pink"], y, x, 61.0, footprint)
    strength = np.array([0.16, 0.13, 0.2], np.float32)[order]
    tone = 1 + strength * detail + np.float32(0.13) * macro
    colour = light.ground.astype(np.float32)[order] * tone[:, None]
    colour[:, 0] += np.float32(0.02) * macro
    paint = _paint(lines, label, z * spacing, view.centre, street)[:, None]
    colour += paint * (light.paint.astype(np.float32) * tone[:, None] - colour)
    lit = light.ambient + light.direct * light.sun[2]
    return colour * (light.tint * lit).astype(np.float32), label


def _across(
    view: View, directions: Array, z: Array, pieces: list[Array], shape: tuple[int, ...], street: Street
) -> Array:
    """(4, samples): metres along and across the street of ground samples, and by how much both change per sample."""
    result = np.full((4, z.size), np.nan, np.float32)
    for part in pieces:
        x = np.float32(view.centre[0]) + z[part] * directions[0, part]
        y = np.float32(view.centre[1]) + z[part] * directions[1, part]
        result[0, part], result[1, part] = street.coordinates(x, y)
    grid = result.reshape(4, *shape)
    # fmax ignores the NaN of neighbours that are not ground
    np.abs(grid[:2, 1:] - grid[:2, :-1], out=grid[2:, 1:])
    grid[2:, :, 1:] = np.fmax(grid[2:, :, 1:], np.abs(grid[:2, :, 1:] - grid[:2, :, :-1]))
    return result


def _paint(lines: Array, label: Array, minor: Array, centre: Array, street: Street) -> Array:
    """Coverage by road paint and kerb stones, filtered as wide as a sample is on the ground."""
    plan = street.plan
    along, across = lines[:2]
    wide_along, wide_across = np.clip(np.fmax(lines[2:], 0), minor, 20.0)
    lanes = 0.0 if plan.road < 3.0 else 1.0
    dashes = repeated_band(along, 6.0, 0.5, wide_along)
    painted = lanes * band(across, 0.16, wide_across) * dashes
    side = np.abs(across)
    painted = np.maximum(painted, lanes * band(side - (plan.road - plan.parking - 0.25), 0.13, wide_across))
    for x, y, _, half, s in street.crossings:
        if np.hypot(x - centre[0], y - centre[1]) > 100:
            continue  # finer than any footprint there
        near = band(along - (s - half - 3.5), 3.0, wide_along)
        if lanes and near.any():
            painted = np.maximum(
                painted, near * repeated_band(across, 1.0, 0.5, wide_across) * (side < plan.road - 0.4)
            )
    painted = painted * (label == ROAD)
    kerb = np.float32(0.7) * band(side - (plan.road + 0.12), 0.24, wide_across) * (label == SIDEWALK)
    return np.maximum(painted, kerb)


def _solids(
    view: View, directions: Array, z: Array, k: Array, spacing: np.float32, solids: Solids, rows: Array, light: Light,
    textures: TextureSet,
) -> Array:  # fmt: skip
    offset = np.einsum("nij,ni->nj", solids.axes, view.centre - solids.centre).astype(np.float32)
    sun = np.einsum("nij,i->nj", solids.axes, light.sun).astype(np.float32)
    inverse = (1 / solids.half).astype(np.float32)
    axes = solids.axes.astype(np.float32)
    ray = np.stack([sum(axes[k, i, a] * directions[i] for i in range(3)) for a in range(3)])
    local = [offset[k, a] + z * ray[a] for a in range(3)]
    scale = inverse[k]
    shape = solids.shape[k]
    normal = np.stack([local[a] * scale[:, a] for a in range(3)])
    curved = shape != BOX
    if curved.any():
        normal[:, curved] *= scale[curved].T
        normal[2, shape == CYLINDER] = 0
    axis = np.abs(normal).argmax(0)
    pick = np.arange(k.size)
    flat = ~curved
    sign = np.sign(normal[axis, pick])
    normal /= np.sqrt((normal**2).sum(0))
    normal[:, flat] = 0
    normal[axis[flat], pick[flat]] = sign[flat]
    facing = (normal * sun[k].T).sum(0)
    slant = np.abs((normal * ray).sum(0)) / np.sqrt((ray**2).sum(0))
    material = rows[k]
    u = np.where(axis == 0, local[1], local[0]) + material[:, 15]
    v = np.where(axis == 2, local[1], local[2]) + material[:, 16]
    footprint = z * spacing * np.maximum(slant, np.float32(0.05)) ** np.float32(-0.75)
    detail = textures.sample(material[:, 3].astype(np.int32), u, v, material[:, 4], footprint)
    macro = textures.sample(TILE_INDEX["pink"], v, u, 31.0, footprint)
    colour = material[:, palette.RGB] * (1 + material[:, 5] * detail + material[:, 6] * macro)[:, None]
    grid = np.nonzero((material[:, 9] > 0) & (axis != 2))[0]
    if grid.size:
        colour[grid] = _panes(colour[grid], u[grid], v[grid], footprint[grid], material[grid], k[grid])
    lit = light.ambient + light.direct * (0.35 + 0.65 * facing).clip(0.05)
    return colour * lit[:, None] * light.tint.astype(np.float32)


def _panes(colour: Array, u: Array, v: Array, footprint: Array, m: Array, k: Array) -> Array:
    """Windows (or slats, or panels): a grid of panes; every pane has its own brightness, some are lit."""
    cover = repeated_band(u, m[:, 7], m[:, 9], footprint) * repeated_band(v, m[:, 8], m[:, 10], footprint)
    column, row = np.floor(u / m[:, 7]).astype(np.int32), np.floor(v / m[:, 8]).astype(np.int32)
    chance = ((column * 7385 ^ row * 19349 ^ k * 8349) * 40503 >> 4 & 1023).astype(np.float32) / 1023
    fine = np.clip(1.5 - 2 * footprint / m[:, 7], 0, 1)
    chance = np.float32(0.5) + fine * (chance - np.float32(0.5))
    glow = np.clip((chance - 1 + m[:, 14] * np.float32(0.6)) * 4, 0, 1)[:, None]
    pane = m[:, palette.PANE] * (0.5 + chance)[:, None]
    pane = pane + glow * (np.array([1.25, 0.95, 0.5], np.float32) - pane)
    return colour + cover[:, None] * (pane - colour)
