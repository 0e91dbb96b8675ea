"""Styles: light and what things are made of."""

import numpy as np
import pytest

from vergence.data.toytown import parts
from vergence.data.toytown.palette import COLUMNS, FILL, PERIOD, RGB, TILE, make_light, materials
from vergence.data.toytown.textures import TILES


@pytest.mark.parametrize("style", ["clear", "dusk"])
@pytest.mark.parametrize("street", [0, 3])
def test_light_has_a_sun_above_the_horizon_and_is_the_same_again(style, street):
    light, again = make_light(style, 1, street), make_light(style, 1, street)
    np.testing.assert_allclose(np.linalg.norm(light.sun), 1)
    assert light.sun[2] > 0
    for one, other in zip(light, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dusk_is_lower_hazier_and_noisier_than_clear():
    clear, dusk = (make_light(style, 1, 2) for style in ("clear", "dusk"))
    assert dusk.visibility < 200 < clear.visibility
    assert dusk.sun[2] < clear.sun[2]
    assert dusk.noise > clear.noise


def test_every_kind_has_a_material_and_plain_walls_have_next_to_no_texture():
    builder = parts.Builder()
    for kind in parts.KINDS:
        for chance in (0.0, 0.3, 0.6, 0.95):
            builder.add(parts.BOX, (0, 0, 0), (1, 1, 1), parts.BUILDING, kind, np.full(4, chance))
    solids = builder.build()
    for style in ("clear", "dusk"):
        rows = materials(solids, style)
        assert rows.shape == (4 * len(parts.KINDS), COLUMNS)
        assert ((rows[:, RGB] >= 0) & (rows[:, RGB] <= 1)).all()
        assert set(rows[:, TILE]) <= set(range(len(TILES)))
        assert (rows[:, PERIOD] > 0).all()
        assert ((rows[:, FILL] >= 0) & (rows[:, FILL] <= 1)).all()
        plain = rows[solids.kind == parts.KIND["plain_wall"]]
        assert (plain[:, 5] < 0.01).all()
        assert (rows[solids.kind == parts.KIND["crown"]][:, 5] > 0.2).all()
